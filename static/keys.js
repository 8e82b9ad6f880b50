// The board by keyboard: from card to card and from lane to lane, what can be done with the one in hand, and every tool.

import { clear, lists } from "./sift.js";
import { go, names } from "./tabs.js";
import { density } from "./view.js";

const board = document.getElementById("board");
const sheet = document.getElementById("keys");
const toast = document.getElementById("toast");
const find = document.getElementById("find");

const CODE = "[data-lane] .card-code";
const links = () => [...board.querySelectorAll(CODE)].filter((link) => link.checkVisibility());

/** The card in hand: the one with the focus, or the one whose drawer is open. */
function held() {
  return document.activeElement?.closest("[data-lane]") ?? board.querySelector(".told");
}

function focus(link) {
  link?.focus({ preventScroll: true });
  link?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function step(by) {
  const all = links();
  const at = all.indexOf(held()?.querySelector(".card-code"));
  focus(at < 0 ? all[0] : all[at + by]);
}

const first = (lane) => [...lane.querySelectorAll(CODE)].find((link) => link.checkVisibility());

function side(by) {
  const lanes = [...board.querySelectorAll("[data-cards]")].filter(first);
  const at = lanes.indexOf(held()?.parentElement);
  const lane = at < 0 ? lanes[0] : lanes[at + by];
  if (lane) focus(first(lane));
}

function lane(name) {
  go(name);
  const its = name === "now" ? [lists.get("waiting"), lists.get("needs")].find(first) : lists.get(name);
  if (its && first(its)) focus(first(its));
}

function act(name) {
  held()?.querySelector(`[data-act="${name}"]`)?.click();
}

function undo() {
  const button = toast.querySelector("button");
  if (!toast.hidden && !button.hidden) button.click();
}

function search() {
  find.focus();
  find.select();
}

function show() {
  if (!sheet.open) sheet.showModal();
}

/** Opens what a button opens, and goes into it. */
function open(id) {
  const menu = document.getElementById(id);
  document.querySelector(`[popovertarget="${id}"]`).click();
  if (menu.matches(":popover-open")) [...menu.querySelectorAll("button, a")].find((one) => one.checkVisibility())?.focus();
}

const KEYS = {
  "?": show, j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
  ArrowRight: () => side(1), ArrowLeft: () => side(-1), "/": search, x: clear, d: density,
  m: () => document.getElementById("way-button").click(), f: () => open("filter"), v: () => open("view"), s: () => open("sound"),
};
const ONCE = { c: () => act("claimed"), l: () => act("cannot_find"), h: () => act("handed_over"), u: undo };
for (const [at, name] of names.slice(0, 6).entries()) KEYS[at] = () => lane(name);

const TAKES = "[role=tab], .drawer-body, .raw, [popover]";

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || sheet.open || event.defaultPrevented) return;
  if (target.matches("input, textarea, select") || (key.startsWith("Arrow") && target.closest(TAKES))) return;
  const does = KEYS[key] ?? (event.repeat ? null : ONCE[key]);
  if (!does) return;
  event.preventDefault();
  does();
});

document.querySelector("[data-keys]").addEventListener("click", show);
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) sheet.close();
});
