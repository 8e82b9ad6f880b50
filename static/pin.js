// A shared tablet: what can't be taken back asks who it is. The call waits for the PIN and is made again with it.

import { say } from "./live.js";

const HEADER = "Orderboard-Pin"; // as in app/web/pins.py
const WORDS = { needed: "", wrong: "That PIN is wrong. Nothing was changed." };
const dialog = document.getElementById("pin");

let told = null; // gives the dialog's answer to the call that waits
let queue = Promise.resolve(); // one question at a time
let last = ""; // who it was the last time

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  ctx.fetch = pinned;
});

async function pinned(address, call) {
  const answer = await fetch(address, call);
  if (answer.status !== 403 || !answer.headers.has(HEADER)) return answer;
  const turn = queue.then(() => insist(address, call, answer));
  queue = turn.catch(() => {});
  return turn;
}

async function insist(address, call, answer) {
  if (!(await open())) return answer;
  try {
    while (answer.headers.has(HEADER) || answer.status === 429) {
      const pin = await ask(answer);
      if (!pin) break;
      const headers = new Headers(call.headers);
      headers.set(HEADER, pin);
      answer = await fetch(address, { ...call, headers, signal: undefined }); // however long that took
    }
  } finally {
    dialog.close();
  }
  return answer;
}

/** Fills the dialog with who may give a PIN; false where that can't be had. */
async function open() {
  const answer = await fetch(dialog.dataset.from);
  if (!answer.ok || answer.redirected) return false;
  dialog.innerHTML = await answer.text();
  const mine = last && dialog.querySelector(`[name=by][value="${CSS.escape(last)}"]`);
  if (mine) mine.checked = true;
  dialog.showModal();
  return true;
}

/** The header's words, or null where it was given up. */
async function ask(answer) {
  const field = dialog.querySelector("[name=pin]");
  complain(answer.headers.has(HEADER) ? WORDS[answer.headers.get(HEADER)] : (await answer.clone().json()).detail);
  if (field) field.value = "";
  (dialog.querySelector("[name=by]:checked") ? field : dialog.querySelector("[name=by]"))?.focus();
  return new Promise((resolve) => {
    told = resolve;
  });
}

function complain(text) {
  const place = document.getElementById("pin-err");
  if (!place) return;
  place.textContent = text;
  dialog.querySelector("[name=pin]").setAttribute("aria-invalid", String(Boolean(text)));
}

function answer(words) {
  const tell = told;
  told = null;
  tell?.(words);
}

dialog.addEventListener("submit", (event) => {
  event.preventDefault();
  const { by, pin } = Object.fromEntries(new FormData(event.target));
  if (!by) complain("Say who it is.");
  else if (!/^\d{4,8}$/.test(pin)) complain("A PIN is 4 to 8 digits.");
  else {
    last = by;
    answer(`${encodeURIComponent(by)} ${pin}`);
  }
});
dialog.addEventListener("change", (event) => {
  if (event.target.name === "by") dialog.querySelector("[name=pin]").focus();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("[data-pin-off]")) dialog.close();
});
dialog.addEventListener("close", () => {
  dialog.replaceChildren(); // the digits too
  answer(null);
  say("");
});
