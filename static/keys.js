// The board by keyboard: from card to card and from lane to lane, and what can be done with the one in hand.

const board = document.getElementById("board");
const sheet = document.getElementById("keys");
const STEPS = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
const SIDES = { ArrowRight: 1, ArrowLeft: -1 };
const ACTS = { c: "claimed", h: "handed_over" };

const links = () => [...board.querySelectorAll("[data-lane]:not([hidden]) .card-code")].filter((link) => link.checkVisibility());

/** The card in hand: the one with the focus, or the one whose drawer is open. */
function held() {
  return document.activeElement?.closest("[data-lane]") ?? board.querySelector(".told");
}

function go(link) {
  link?.focus({ preventScroll: true });
  link?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function step(by) {
  const all = links();
  const at = all.indexOf(held()?.querySelector(".card-code"));
  go(at < 0 ? all[0] : all[at + by]);
}

function side(by) {
  const lanes = [...board.querySelectorAll("[data-cards]")].filter((lane) => lane.checkVisibility() && lane.querySelector("[data-lane]:not([hidden])"));
  const at = lanes.indexOf(held()?.parentElement);
  go((at < 0 ? lanes[0] : lanes[at + by])?.querySelector("[data-lane]:not([hidden]) .card-code"));
}

function act(name) {
  held()?.querySelector(`[data-act="${name}"]`)?.click();
}

function show() {
  if (!sheet.open) sheet.showModal();
}

const takes = "input, textarea, select, [role=tab], .drawer-body, .raw";

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || sheet.open || event.defaultPrevented) return;
  if (target.matches("input, textarea, select") || (key.startsWith("Arrow") && target.closest(takes))) return;
  if (key === "?") show();
  else if (STEPS[key]) step(STEPS[key]);
  else if (SIDES[key]) side(SIDES[key]);
  else if (ACTS[key] && !event.repeat) act(ACTS[key]);
  else return;
  event.preventDefault();
});

document.querySelector("[data-keys]").addEventListener("click", show);
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) sheet.close();
});
