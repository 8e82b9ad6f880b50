// What people do on a card, and ten seconds to take it back.

import { say } from "./live.js";

const UNDO_FOR = 10000;
const toast = document.getElementById("toast");

const DONE = {
  claimed: (code) => `${code} is yours.`,
  cannot_find: (code) => `${code}: can’t find them.`,
  handed_over: (code) => `${code} is handed over.`,
};
let hide = 0;

function offer(text, undo) {
  toast.querySelector("span").textContent = text;
  const button = toast.querySelector("button");
  button.hidden = !undo;
  if (undo) button.setAttribute("hx-vals", JSON.stringify(undo));
  toast.hidden = false;
  say(text);
  clearTimeout(hide);
  hide = setTimeout(() => { toast.hidden = true; }, UNDO_FOR);
}

// A push may take the button off the page before its answer comes: what it was is kept with the request.
const asked = new WeakMap();

document.addEventListener("htmx:before:request", (event) => {
  const button = event.target.closest?.("[data-act]");
  if (!button) return;
  const code = button.closest("[data-lane]")?.querySelector(".card-code")?.textContent ?? "";
  asked.set(event.detail.ctx, [button.dataset.act, code, JSON.parse(button.getAttribute("hx-vals"))]);
});

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (asked.has(ctx)) answered(...asked.get(ctx), ctx.response);
});

document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (asked.has(ctx)) offer("That did not reach the server. Try again.");
});

function answered(act, code, vals, response) {
  const { status, raw } = response;
  if (status === 401 || (raw.redirected && new URL(raw.url).pathname === "/login")) {
    location.assign("/login?next=" + encodeURIComponent(location.pathname));
  } else if (raw.headers.has("Orderboard-Pin")) offer("Nothing was changed: no PIN was given.");
  else if (status >= 400) offer("That did not work. The board shows what is so.");
  else if (act === "undo") toast.hidden = true;
  else offer(DONE[act](code), { ...vals, undo: "true" });
}
