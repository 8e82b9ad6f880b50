// The drawer beside the board: why a card says what it says. The address says whose is open, so "back" closes it.

import { say } from "./live.js";

const AGAIN_AFTER = 1000; // ms between two looks at an order that keeps changing

const drawer = document.getElementById("ledger");
const scrim = document.getElementById("scrim");
const failed = document.getElementById("no-ledger");

let shown = ""; // whose drawer is open: source/ref, as in the address
let ours = false; // did opening it make an entry in the history?
let tab = "t-events";
let late = 0;

const card = () => document.getElementById(drawer.querySelector("[data-card]")?.dataset.card ?? "");
const ORDER = /^#(?!\.|%2e)[^/]+\/(?!\.|%2e)[^/]+$/i; // and no other path of ours
const asked = () => (ORDER.test(location.hash) ? location.hash.slice(1) : "");
const within = (ctx) => ctx?.target instanceof Node && drawer.contains(ctx.target);

function load() {
  return htmx.ajax("GET", drawer.dataset.base + shown, { target: drawer, swap: "innerHTML" });
}

function follow() {
  const wanted = asked();
  if (wanted === shown) return;
  if (!wanted) return hide();
  shown = wanted;
  tab = "t-events";
  load();
}

function open() {
  scrim.hidden = false;
  if (!drawer.open) drawer.show();
  drawer.querySelector("[data-close]").focus();
}

function hide() {
  if (!shown) return;
  const link = document.querySelector(`.card-code[href="#${CSS.escape(shown)}"]`);
  shown = "";
  drawer.close();
  drawer.replaceChildren();
  scrim.hidden = true;
  mark();
  link?.focus({ preventScroll: true });
}

function close() {
  if (!shown) return;
  hide();
  if (ours) history.back();
  else history.replaceState(null, "", location.pathname + location.search);
  ours = false;
}

/** The card that the drawer is about stands out. */
function mark() {
  for (const other of document.querySelectorAll(".told")) other.classList.remove("told");
  if (shown) card()?.classList.add("told");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.(".card-code[href]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    if (shown) return location.replace(link.hash);
    ours = true;
    location.hash = link.hash;
  } else if (event.target === scrim || event.target.closest?.("[data-close]")) close();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !drawer.open || event.defaultPrevented || event.target.matches("input[type=search]")) return;
  if (document.querySelector("dialog:modal, [popover]:popover-open")) return;
  event.preventDefault();
  close();
});

addEventListener("hashchange", () => {
  if (!asked()) ours = false;
  follow();
});

// ---- tabs ----

function choose(name) {
  tab = name;
  for (const button of drawer.querySelectorAll("[role=tab]")) {
    const is = button.id === name;
    button.setAttribute("aria-selected", String(is));
    button.tabIndex = is ? 0 : -1;
    document.getElementById(button.getAttribute("aria-controls")).hidden = !is;
  }
}

drawer.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || event.target.getAttribute("role") !== "tab") return;
  const all = [...drawer.querySelectorAll("[role=tab]")];
  const next = all[(all.indexOf(event.target) + step + all.length) % all.length];
  event.preventDefault();
  choose(next.id);
  next.focus();
});

drawer.addEventListener("click", ({ target }) => {
  const button = target.closest("[role=tab], .show, [data-copy]");
  if (button?.matches("[role=tab]")) choose(button.id);
  else if (button?.matches(".show")) unfold(button, button.getAttribute("aria-expanded") !== "true");
  else if (button) copy(document.getElementById(button.dataset.copy), button);
});

/** What an order system sent is asked for when somebody wants to read it. */
function unfold(button, is) {
  const place = document.getElementById(button.getAttribute("aria-controls"));
  button.setAttribute("aria-expanded", String(is));
  place.parentElement.hidden = !is;
  if (is && !place.firstChild) button.dispatchEvent(new Event("read"));
}

async function copy(field, button) {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.lastChild.textContent = "Copied";
  } catch {
    button.lastChild.textContent = "Press Ctrl+C"; // the clipboard is shut where the page is not secure
  }
}

// ---- what comes ----

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (!within(ctx) || ctx.response.status < 400) return;
  if (ctx.response.status === 401) location.assign("/login?next=" + encodeURIComponent(location.pathname));
  else if (ctx.target === drawer) fail();
  else if (!ctx.response.raw.headers.has("Orderboard-Pin")) note("That did not work. Try again.");
});

document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx?.target === drawer) fail();
  else if (within(ctx)) note("That did not reach the server. Try again.");
});

function fail() {
  drawer.replaceChildren(failed.content.cloneNode(true));
  open();
}

function note(text) {
  document.getElementById("d-say").textContent = text;
}

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx?.target === drawer) return filled();
  if (shown && card() && !card().classList.contains("told")) changed();
});

function filled() {
  if (!shown) return drawer.replaceChildren();
  const first = !drawer.open;
  choose(tab);
  mark();
  if (first) {
    open();
    say(drawer.querySelector("h2").textContent);
  }
}

/** The card came anew, so there is more to tell; but a link that is shown once is not taken away. */
function changed() {
  mark();
  if (tab === "t-links" || late) return;
  late = setTimeout(again, AGAIN_AFTER);
}

async function again() {
  late = 0;
  if (!shown || tab === "t-links") return;
  const marks = [...drawer.querySelectorAll(".show[aria-expanded=true]")].map((button) => button.dataset.mark);
  const body = drawer.querySelector(".drawer-body:not([hidden])");
  const top = body?.scrollTop ?? 0;
  const focused = drawer.contains(document.activeElement) ? document.activeElement.id || "close" : "";
  await load();
  for (const button of drawer.querySelectorAll(".show")) if (marks.includes(button.dataset.mark)) unfold(button, true);
  drawer.querySelector(".drawer-body:not([hidden])")?.scrollTo(0, top);
  if (focused) (document.getElementById(focused) ?? drawer.querySelector("[data-close]"))?.focus({ preventScroll: true });
}

follow();
