// Filters and search. They sift the lanes; Now stays whole: there, what does not fit is only dimmed, and never a
// person whom nobody has taken.

import { keep, kept } from "./kept.js";
import { write } from "./live.js";

const PHONE = 7; // digits from which a number is taken for somebody's phone, of which a card knows the last four
const ASIDE = ["done", "later"]; // counted only where they are what somebody looks for
const root = document.documentElement;
const board = document.getElementById("board");
const find = document.getElementById("find");
const toggles = [...document.querySelectorAll("[data-filter], [data-system], [data-mark]")];
const told = document.getElementById("sifted");
const none = document.getElementById("none");
const where = `filter ${location.pathname}`;
const folded = new WeakMap(); // a card → what it can be found by

let { kind = "", systems = [], marks = [] } = kept(where);

/** The lists of cards, by lane. */
export const lists = new Map([...board.querySelectorAll("[data-cards]")].map((list) => [list.dataset.cards, list]));

export function* cards() {
  for (const list of lists.values()) yield* list.children;
}

export const inNow = (card) => card.dataset.lane === "waiting" || card.dataset.lane === "needs";
export const alarm = (card) => card.classList.contains("unclaimed") || card.dataset.alarm !== undefined;

const plain = (text) => text.normalize("NFD").replace(/[\p{M}.,]/gu, "").toLowerCase();

function known(card) {
  if (!folded.has(card)) folded.set(card, plain(card.dataset.find));
  return folded.get(card);
}

/** Does a card fit the search and every filter? */
function judge() {
  const words = plain(find.value).split(/\s+/).filter(Boolean);
  const digits = find.value.replace(/\D/g, "");
  const phone = digits.length >= PHONE && !/\p{L}/u.test(find.value) ? digits.slice(-4) : "";
  return (card) => {
    const { kind: its, source, attention } = card.dataset;
    if (kind && its !== kind) return false;
    if (systems.length && !systems.includes(source)) return false;
    if (marks.length && !marks.includes(attention)) return false;
    const text = known(card);
    return words.every((word) => text.includes(word)) || (phone !== "" && text.endsWith(phone));
  };
}

/** What tells whether a card fits; null while everything is shown. */
export const sifted = () => (sifting() ? judge() : null);

const sifting = () => find.value.trim() !== "" || kind !== "" || systems.length > 0 || marks.length > 0;

/** Shows what fits. `some`: the cards that are new. */
export function sift(some = cards()) {
  const fits = judge();
  const is = sifting();
  for (const card of some) {
    const out = is && !fits(card);
    const now = inNow(card);
    const dim = out && now && !alarm(card);
    if (card.hidden !== (out && !now)) card.hidden = out && !now;
    if (card.classList.contains("dim") !== dim) card.classList.toggle("dim", dim);
  }
  if (is) root.dataset.sifting = "";
  else delete root.dataset.sifting;
  sum(is, fits);
  for (const list of lists.values()) list.toggleAttribute("data-empty", ![...list.children].some((card) => !card.hidden));
}

/** How many fit, and what to do where none does. */
function sum(is, fits) {
  told.hidden = !is;
  none.hidden = true;
  if (!is) return;
  const all = [...cards()].filter((card) => !ASIDE.includes(card.dataset.lane) || !card.hidden);
  const shown = all.filter(fits);
  write(told.querySelector("span"), `${shown.length} of ${all.length}`);
  const hide = (root.dataset.hide ?? "").split(" ");
  const here = shown.filter((card) => !inNow(card) && !hide.includes(card.dataset.lane));
  if (here.length) return;
  const away = shown.filter((card) => hide.includes(card.dataset.lane)).length;
  const up = shown.filter((card) => inNow(card)).length;
  const said = find.value.trim();
  write(none.querySelector("b"), said ? `Nothing in the lanes matches “${said}”.` : "Nothing in the lanes matches this filter.");
  const more = [up && `${up} in Now ${up > 1 ? "do" : "does"}.`, away && `${away} ${away > 1 ? "are" : "is"} in a hidden column.`];
  write(none.querySelector("span"), more.filter(Boolean).join(" ") || "Look for a code, a name, or the last digits of a phone.");
  none.querySelector("[data-columns-back]").hidden = !away;
  none.hidden = false;
}

function show() {
  for (const button of toggles) {
    const { filter, system, mark } = button.dataset;
    const is = filter !== undefined ? filter === kind : system ? systems.includes(system) : marks.includes(mark);
    button.setAttribute("aria-pressed", String(is));
  }
  const n = systems.length + marks.length;
  const button = document.querySelector('[popovertarget="filter"]');
  write(button.querySelector(".count"), n ? String(n) : "");
  button.toggleAttribute("data-on", n > 0);
  keep(where, { ...(kind && { kind }), ...(n && { systems, marks }) });
  anew();
}

/** Everything again, as somebody has just said what they look for. */
function anew() {
  sift();
  document.dispatchEvent(new Event("board:sifted"));
}

const flip = (list, one) => (list.includes(one) ? list.filter((other) => other !== one) : [...list, one]);

/** All orders again. */
export function clear() {
  find.value = "";
  kind = "";
  systems = [];
  marks = [];
  show();
}

/** The counts on the buttons, and those kinds that there are. */
export function tallied(kinds) {
  for (const button of toggles) {
    const { filter } = button.dataset;
    if (filter === undefined) continue;
    write(button.querySelector(".count"), String(kinds[filter] ?? 0));
    button.hidden = filter !== "" && !kinds[filter] && filter !== kind;
  }
}

for (const button of toggles) {
  button.addEventListener("click", () => {
    const { filter, system, mark } = button.dataset;
    if (filter !== undefined) kind = filter;
    else if (system) systems = flip(systems, system);
    else marks = flip(marks, mark);
    show();
  });
}
for (const button of document.querySelectorAll("[data-clear]")) {
  button.addEventListener("click", () => {
    clear();
    if (!button.checkVisibility()) document.querySelector('[popovertarget="filter"]').focus();
  });
}
find.addEventListener("input", anew);
find.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.preventDefault();
  find.value = "";
  find.blur();
  anew();
});

show();
