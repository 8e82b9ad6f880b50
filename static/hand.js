// What people enter by hand, and what is for later: how many orders there are, said in words.

import { now, say } from "./live.js";

const root = document.documentElement;
const find = document.getElementById("find");

// ---- orders for later ----

const fold = document.getElementById("later");
const days = new Intl.DateTimeFormat("en-CA", { timeZone: root.dataset.zone });

const rows = () => [...fold.querySelectorAll("[data-begins]")];

/** "6 later today, first at 16:30 · 2 on other days" */
function told() {
  const all = rows();
  const today = days.format(now() * 1000);
  const near = all.filter((row) => days.format(row.dataset.begins * 1000) === today);
  const rest = all.length - near.length;
  const first = near[0]?.querySelector("time")?.textContent;
  return [near.length && `${near.length} later today, first at ${first}`, rest && `${rest} on ${near.length ? "other" : "later"} days`]
    .filter(Boolean)
    .join(" · ");
}

function count() {
  const words = told();
  const place = document.getElementById("later-p");
  fold.hidden = words === "";
  if (place.textContent !== words) place.textContent = words;
}

new MutationObserver(count).observe(fold.querySelector("[data-cards]"), { childList: true });
find.addEventListener("input", () => {
  if (find.value.trim() && rows().some((row) => !row.hidden)) fold.open = true;
});
count();

// ---- a new order ----

const sheet = document.getElementById("entry");
const form = sheet.querySelector("form");
const wrong = form.querySelector(".err");

const ref = () => [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** The form's own ref: however often it is sent, it is one order. */
function begin() {
  if (sheet.open) return;
  form.elements.ref.value ||= ref();
  wrong.hidden = true;
  sheet.showModal();
  form.elements.code.focus();
}

function fail(words) {
  wrong.querySelector("span").textContent = words;
  wrong.hidden = false;
}

async function put() {
  const head = { "HX-Request": "true" };
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: head });
  if (answer.status === 401 || answer.redirected) return location.assign("/login?next=" + encodeURIComponent(location.pathname));
  if (!answer.ok) return fail((await answer.json()).detail);
  say(`${form.elements.code.value} is on the board`);
  form.reset();
  form.elements.ref.value = "";
  sheet.close();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector(".btn-go");
  button.disabled = true;
  try {
    await put();
  } catch {
    fail("That did not reach the server. Nothing is lost: send it again.");
  }
  button.disabled = false;
});

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-enter]")) begin();
  else if (event.target === sheet || event.target.closest?.("[data-shut]")) sheet.close();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "n" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.matches("input, textarea, select") || document.querySelector("dialog:modal")) return;
  event.preventDefault();
  begin();
});

// ---- moving an order ----

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  const button = ctx?.sourceElement;
  if (button instanceof Element && button.closest(".moves") && ctx.response.status < 400) button.closest(".moves").open = false;
});
