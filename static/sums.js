// What the board says in figures and sentences: how many in each lane, who waits, what comes next.

import { alarm, cards, inNow, lists, sifted, tallied } from "./sift.js";
import { now, say, write } from "./live.js";

const COUNTS = ["Nobody", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];
const MOST = 9; // entries of Now that a look can take in

const board = document.getElementById("board");
const panel = board.querySelector(".now");
const rest = document.getElementById("rest");
const places = [...board.querySelectorAll("[data-count], [data-sum]")];
const elsewheres = [...board.querySelectorAll("[data-elsewhere]")];
const instore = board.querySelector(".instore");
const walkers = document.querySelector('#tabs [data-tab="instore"]');
const needs = () => [...lists.get("needs").children];
const number = (n) => COUNTS[n] ?? String(n);

// ---- counts ----

const more = (sums, name) => (sums[name] = (sums[name] ?? 0) + 1);

/** While somebody looks for something a lane says how many of its own fit, and a tab how many it would show. */
export function count() {
  const lanes = {}, elsewhere = {}, kinds = { "": 0 }, fitting = {}, shown = {};
  const fits = sifted();
  for (const card of cards()) {
    const { lane, home, kind } = card.dataset;
    const up = inNow(card);
    const its = up ? home : lane;
    more(lanes, its);
    if (up) {
      more(elsewhere, home);
      more(lanes, "now");
    }
    if (fits?.(card)) {
      more(fitting, its);
      more(shown, up ? "now" : lane === "later" ? "new" : lane);
    }
    if (lane === "done" || lane === "later") continue;
    more(kinds, "");
    more(kinds, kind);
  }
  for (const place of places) {
    const { count: own, sum } = place.dataset;
    const all = lanes[own ?? sum] ?? 0;
    if (!fits) write(place, String(all));
    else write(place, own ? `${fitting[own] ?? 0} of ${all}` : String(shown[sum] ?? 0));
  }
  for (const place of elsewheres) {
    const n = elsewhere[place.dataset.elsewhere];
    write(place, n ? `${n} in Now` : "");
  }
  instore.hidden = walkers.hidden = !lanes.instore;
  tallied(kinds);
}

document.addEventListener("board:sifted", count);

// ---- Now: nine entries, then how many more, in words; a person whom nobody has taken is always there ----

const KINDS = [["lost", "not found"], ["late", "late"], ["at_risk", "at risk"], ["stuck", "stuck"]];

function amounts(list) {
  return KINDS.map(([kind, word]) => [word, list.filter((card) => card.dataset.attention === kind).length])
    .filter(([, n]) => n)
    .map(([word, n]) => `${number(n).toLowerCase()} ${word}`)
    .join(", ");
}

export function fold() {
  const people = lists.get("waiting").children.length;
  const all = needs();
  const room = Math.max(MOST - people, 0);
  const over = all.length > room + 1 ? all.filter((card, at) => at >= room && card.dataset.attention !== "lost" && !alarm(card)) : [];
  for (const card of all) card.toggleAttribute("data-over", over.includes(card));
  rest.hidden = !over.length;
  const open = panel.hasAttribute("data-open");
  rest.setAttribute("aria-expanded", String(open));
  write(rest.querySelector("b"), open ? "Show fewer" : `+${over.length} more`);
  write(rest.querySelector("span"), open ? "" : amounts(over));
}

rest.addEventListener("click", () => {
  panel.toggleAttribute("data-open");
  fold();
});

// ---- sentences ----

export function sentences() {
  const people = [...lists.get("waiting").children, ...needs().filter((card) => card.dataset.attention === "lost")];
  const n = people.length;
  write(document.getElementById("now-h"), `${number(n)} ${n > 1 ? "people are" : n ? "person is" : "is"} waiting`);
  write(document.getElementById("now-p"), [past(people), others(n > 0)].filter(Boolean).join(" "));
  const title = document.title.replace(/^\(\d+\) /, "");
  if (document.title !== (n ? `(${n}) ${title}` : title)) document.title = n ? `(${n}) ${title}` : title;
}

function past(people) {
  const late = people.filter((card) => now() - card.querySelector(".clock").dataset.at >= 300).length;
  return late ? `${number(late)} past 5 minutes.` : "";
}

function others(after) {
  const said = amounts(needs().filter((card) => card.dataset.attention !== "lost"));
  if (said) return after ? `Then ${said}.` : said[0].toUpperCase() + said.slice(1) + ".";
  return after ? "Nothing else is late or at risk." : `Nothing is late or at risk.${next()}`;
}

/** Lanes are sorted by promise: the first card of each that counts down to one is its next. */
function next() {
  const firsts = ["new", "picking", "ready", "courier"].map((lane) =>
    [...lists.get(lane).children].find((card) => card.querySelector(".clock")?.dataset.clock === "until"),
  );
  const at = (card) => Number(card.querySelector(".clock").dataset.at);
  const first = firsts.filter(Boolean).sort((one, other) => at(one) - at(other))[0];
  const time = first?.querySelector(".note > time");
  return time ? ` Next is ${first.querySelector(".card-code").textContent}, ${time.textContent}.` : "";
}

/** A card that has just come, to who can't see it. */
export function tell(card) {
  const name = card.querySelector(".card-name")?.textContent || card.querySelector(".card-code")?.textContent;
  if (card.dataset.lane === "waiting") say(`${name} is here, bay ${card.querySelector(".bay b").textContent}`);
  if (card.dataset.lane === "needs") say(`${name}: ${card.querySelector(".card-line").textContent.trim()}`);
}
