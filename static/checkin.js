// Checking in: what the form says is kept until the server has it, through a lost network and a page that closes.

import { inLanguage } from "./lang.js";
import { now, say } from "./live.js";

const AGAIN = 4000; // ms between two tries
const SLOW = 8000; // ms for one try
const OLD = 1800; // seconds after which a check-in says nothing any more

const page = document.getElementById("track");
const form = document.getElementById("checkin");
const note = document.getElementById("note");
const box = document.getElementById("note-box");
const path = location.pathname.replace(/\/arrival$/, "");
const kept = `unsent ${path}`;
const order = `order ${page.dataset.leaves}`;

// ---- storage, which a browser may refuse: then the page itself remembers ----

const memory = new Map();

function keep(key, value) {
  if (value === null) memory.delete(key);
  else memory.set(key, value);
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch { /* memory has it */ }
}

function recall(key) {
  try {
    return localStorage.getItem(key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

/** The link stays on the phone until the end, so that a bay's sign finds the order. */
function leave() {
  const over = page.querySelector("[data-over]") || document.documentElement.dataset.live === "ended";
  if (!over && page.dataset.leaves) keep(order, path);
  else if (recall(order) === path) keep(order, null);
}

/** Nothing of this order stays on the phone. */
export function forget() {
  keep(kept, null);
  if (recall(order) === path) keep(order, null);
}

// ---- what somebody has chosen stays chosen when new markup comes ----

const draft = { bay: page.dataset.bay || null, vehicle: null };

page.addEventListener("input", ({ target }) => {
  if (target.name in draft) draft[target.name] = target.value;
});

/** To be called after each swap. */
export function settle() {
  for (const input of page.querySelectorAll("[name=bay], [name=vehicle]")) {
    const said = draft[input.name];
    if (input.type === "radio") input.checked = said === null ? input.defaultChecked : input.value === said;
    else if (document.activeElement !== input) input.value = said ?? input.defaultValue;
  }
  settleNear();
  leave();
}

// ---- sending ----

let sending = false;
let near = null; // the part that asks the phone where it is, once somebody has tapped on that

function settleNear() {
  const box = page.querySelector(".near");
  if (!box || !navigator.geolocation) return;
  box.hidden = false;
  near?.settle(box);
}

function tell(text) {
  box.hidden = !text;
  if (note.textContent === text) return;
  note.textContent = text;
  if (text && text !== note.dataset.sending) say(text);
}

async function send() {
  const waiting = recall(kept);
  if (!waiting || sending) return;
  const { fields, at } = JSON.parse(waiting);
  if (now() - at > OLD) return drop("");
  sending = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { "HX-Request": "true" },
      body: new URLSearchParams(fields),
      signal: AbortSignal.timeout(SLOW),
    });
    if (answer.ok) sent(waiting);
    else if (answer.status < 500 && answer.status !== 429) drop((await answer.json()).detail ?? "");
    else tell(note.dataset.unsent);
  } catch {
    tell(note.dataset.unsent);
  } finally {
    sending = false;
  }
}

function sent(what) {
  if (recall(kept) === what) keep(kept, null); // unless something newer waits
  draft.bay = draft.vehicle = null;
  history.replaceState(null, "", inLanguage(path));
  tell("");
  document.dispatchEvent(new Event("live:soon")); // the news comes over the socket; where there is none, it is asked for
}

function drop(why) {
  keep(kept, null);
  tell(why);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = [...new FormData(form, event.submitter), ["near", near?.said() ?? ""]];
  keep(kept, JSON.stringify({ fields, at: now() }));
  tell(note.dataset.sending);
  send();
});

page.addEventListener("click", async ({ target }) => {
  if (!target.closest(".near button")) return;
  near ??= await import("./near.js");
  near.ask(page, say);
});
addEventListener("online", send);
setInterval(send, AGAIN);
if (recall(kept)) tell(note.dataset.unsent);
settle();
send();
