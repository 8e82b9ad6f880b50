// The board: puts cards where they belong, moves them so that the eye can follow, counts, filters, finds.

import "./acts.js";
import { clocks, now, say, send, start } from "./live.js";

const MOVE = 320; // ms, as --move
const MANY = 30; // moves at once that nobody could follow
const COUNTS = ["Nobody", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];
const HOUR = 3600;

const root = document.documentElement;
const board = document.getElementById("board");
const find = document.getElementById("find");
const filters = [...document.querySelectorAll("[data-filter]")];
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const remembered = `filter ${location.pathname}`;
const drawn = new WeakMap(); // a card → its markup as it came, before the clocks changed it
const cards = () => board.querySelectorAll("[data-lane]");

// ---- putting cards in their place ----

/** Puts a card in, in place of the one with its id; null where nothing is new. */
function put(card) {
  const old = document.getElementById(card.id);
  const parts = snapshot(card);
  if (old && drawn.get(old)?.html === parts.html) return null;
  drawn.set(card, parts);
  mine(card);
  const focused = old?.contains(document.activeElement) ? document.activeElement.dataset.act ?? "" : undefined;
  if (old && old.dataset.lane === card.dataset.lane && old.dataset.key === card.dataset.key) old.replaceWith(card);
  else {
    old?.remove();
    insert(card);
  }
  if (focused !== undefined) refocus(card, focused);
  if (old) flash(card, drawn.get(old), parts);
  else tell(card);
  return card;
}

function refocus(card, act) {
  const button = card.querySelector(act ? `[data-act="${act}"]` : ".card-code") ?? card.querySelector(".btn-go") ?? card.querySelector("button");
  button?.focus({ preventScroll: true });
}

/** The first sibling with a greater key comes after it. */
function insert(card) {
  const list = board.querySelector(`[data-cards="${CSS.escape(card.dataset.lane)}"]`);
  const rank = (c) => `${c.dataset.key} ${c.id}`;
  list?.insertBefore(card, [...list.children].find((other) => rank(other) > rank(card)) ?? null);
}

function snapshot(card) {
  const parts = { html: card.outerHTML };
  for (const part of card.children) {
    const kind = part.getAttribute("class")?.split(" ")[0] ?? part.localName;
    if (kind === "clock") parts.clock = part.dataset.at + (part.querySelector(".note")?.innerHTML ?? "");
    else if (kind !== "rail") parts[kind] = part.outerHTML;
  }
  return parts;
}

/** What is new lights up once. */
function flash(card, was, is) {
  if (calm.matches || !was) return;
  for (const part of card.children) {
    const kind = part.getAttribute("class")?.split(" ")[0];
    if (!kind || ["rail", "foot", "acts"].includes(kind) || was[kind] === is[kind]) continue;
    part.classList.add("flash");
    part.addEventListener("animationend", () => part.classList.remove("flash"), { once: true });
  }
}

/** "You have it" instead of one's own name. */
function mine(card) {
  for (const who of card.querySelectorAll("[data-who]")) {
    if (who.dataset.who !== root.dataset.user) continue;
    const you = document.createElement("b");
    you.textContent = "You";
    who.replaceChildren(you, " have it");
  }
}

function view(fragment) {
  const fresh = [...fragment.querySelectorAll("[data-lane]")];
  const ids = new Set(fresh.map((card) => card.id));
  for (const card of cards()) if (!ids.has(card.id)) card.remove();
  return fresh.map(put);
}

htmx.registerExtension("board", {
  handle_swap(style, target, fragment) {
    if (style === "cards") return [...fragment.children].map(put).filter(Boolean);
    if (style === "view") return view(fragment).filter(Boolean);
    if (style !== "gone") return false;
    for (const gone of fragment.children) document.getElementById(gone.id)?.remove();
    return [];
  },
});

// ---- motion: measure before, move after ----

let places = new Map();

document.addEventListener("htmx:before:swap", () => {
  places = new Map();
  if (calm.matches || document.hidden) return;
  for (const card of cards()) places.set(card.id, { list: card.parentElement, box: card.getBoundingClientRect() });
});

document.addEventListener("htmx:after:swap", () => {
  refresh();
  const moved = [];
  for (const card of cards()) {
    const was = places.get(card.id);
    const box = card.getBoundingClientRect();
    if (was?.box.width && box.width && (was.box.x !== box.x || was.box.y !== box.y)) moved.push([card, was, box]);
  }
  if (moved.length <= MANY) for (const [card, was, box] of moved) move(card, was, box);
});

function move(card, was, box) {
  const way = { duration: MOVE, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };
  const path = [{ translate: `${was.box.x - box.x}px ${was.box.y - box.y}px` }, { translate: "0 0" }];
  if (was.list === card.parentElement) return card.animate(path, way);
  const ghost = card.cloneNode(true); // lanes cut off what leaves them, so a stand-in flies over the page
  for (const part of [ghost, ...ghost.querySelectorAll("[id]")]) part.removeAttribute("id");
  ghost.removeAttribute("data-lane");
  ghost.setAttribute("aria-hidden", "true");
  ghost.inert = true;
  Object.assign(ghost.style, { position: "fixed", left: `${box.x}px`, top: `${box.y}px`, width: `${box.width}px`, zIndex: 7, pointerEvents: "none" });
  document.body.append(ghost);
  card.animate([{ opacity: 0 }, { opacity: 0 }], way);
  ghost.animate(path, way).finished.finally(() => ghost.remove());
}

// ---- counts and sentences ----

const number = (n) => COUNTS[n] ?? String(n);

function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function count() {
  const lanes = {}, elsewhere = {}, kinds = { "": 0 };
  for (const card of cards()) {
    const { lane, home, kind } = card.dataset;
    const inNow = lane === "waiting" || lane === "needs";
    lanes[inNow ? home : lane] = (lanes[inNow ? home : lane] ?? 0) + 1;
    if (inNow) elsewhere[home] = (elsewhere[home] ?? 0) + 1;
    if (lane === "done" || lane === "later") continue;
    kinds[""] += 1;
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  for (const place of board.querySelectorAll("[data-count]")) write(place, String(lanes[place.dataset.count] ?? 0));
  for (const place of board.querySelectorAll("[data-elsewhere]")) {
    const n = elsewhere[place.dataset.elsewhere];
    write(place, n ? `${n} in Now` : "");
  }
  for (const button of filters) {
    const { filter } = button.dataset;
    write(button.querySelector(".count"), String(kinds[filter] ?? 0));
    button.hidden = filter !== "" && !kinds[filter] && filter !== chosen;
  }
}

function sentences() {
  const people = [...board.querySelectorAll('[data-lane="waiting"], [data-attention="lost"]')];
  const n = people.length;
  write(document.getElementById("now-h"), `${number(n)} ${n > 1 ? "people are" : n ? "person is" : "is"} waiting`);
  write(document.getElementById("now-p"), [past(people), rest(n > 0)].filter(Boolean).join(" "));
  const title = document.title.replace(/^\(\d+\) /, "");
  if (document.title !== (n ? `(${n}) ${title}` : title)) document.title = n ? `(${n}) ${title}` : title;
}

function past(people) {
  const late = people.filter((card) => now() - card.querySelector(".clock").dataset.at >= 300).length;
  return late ? `${number(late)} past 5 minutes.` : "";
}

function rest(after) {
  const of = (kind) => board.querySelectorAll(`.needs [data-attention="${kind}"]`).length;
  const said = [["late", of("late")], ["at risk", of("at_risk")], ["stuck", of("stuck")]]
    .filter(([, n]) => n)
    .map(([word, n]) => `${number(n).toLowerCase()} ${word}`)
    .join(", ");
  if (said) return after ? `Then ${said}.` : said[0].toUpperCase() + said.slice(1) + ".";
  return after ? "Nothing else is late or at risk." : `Nothing is late or at risk.${next()}`;
}

function next() {
  let first = null;
  for (const face of board.querySelectorAll('.lanes [data-clock="until"]')) {
    if (!first || Number(face.dataset.at) < Number(first.dataset.at)) first = face;
  }
  const time = first?.querySelector(".note > time");
  return time ? ` Next is ${first.closest("[data-lane]").querySelector(".card-code").textContent}, ${time.textContent}.` : "";
}

function tell(card) {
  const name = card.querySelector(".card-head")?.innerText.split("\n").pop() ?? "";
  if (card.dataset.lane === "waiting") say(`${name} is here, bay ${card.querySelector(".bay b").textContent}`);
  if (card.dataset.lane === "needs") say(`${name}: ${card.querySelector(".card-line").innerText}`);
}

// ---- filter and search: for the lanes; Now is always whole ----

let chosen = localStorage.getItem(remembered) ?? "";

function sift() {
  const words = find.value.trim().toLowerCase();
  for (const card of cards()) {
    const { lane, kind } = card.dataset;
    const found = card.dataset.find.includes(words);
    const inNow = lane === "waiting" || lane === "needs";
    card.hidden = !inNow && (!found || (chosen !== "" && kind !== chosen));
    card.classList.toggle("dim", inNow && !found);
  }
  board.toggleAttribute("data-sifting", words !== "" || chosen !== "");
  for (const button of filters) button.setAttribute("aria-pressed", String(button.dataset.filter === chosen));
}

/** What a quiet feed said last may not be so any more: its cards' marks turn hollow. */
function stale() {
  const quiet = new Set([...document.querySelectorAll("#feeds [data-feed]")].map((chip) => chip.dataset.source));
  for (const card of cards()) card.toggleAttribute("data-stale", quiet.has(card.dataset.source) && card.dataset.lane !== "done");
}

function refresh() {
  clocks();
  stale();
  count();
  sentences();
  sift();
  seen();
}

for (const button of filters) {
  button.addEventListener("click", () => {
    chosen = button.dataset.filter;
    localStorage.setItem(remembered, chosen);
    count();
    sift();
  });
}
find.addEventListener("input", sift);
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    find.focus();
    find.select();
  }
  if (event.key === "Escape" && (event.target === find || find.value)) {
    find.value = "";
    find.blur();
    sift();
  }
});

// ---- a check-in that a person can see is said to be seen ----

let told = new Set();

function seen() {
  if (document.hidden) return;
  for (const card of board.querySelectorAll("[data-unseen]")) {
    const key = card.dataset.unseen;
    if (!told.has(key) && send({ shown: key })) told.add(key);
  }
}

document.addEventListener("htmx:ws:after:connection", () => {
  told = new Set();
});
document.addEventListener("visibilitychange", seen);

// ---- every second ----

const dates = new Intl.DateTimeFormat("en-GB", { timeZone: root.dataset.zone, weekday: "long", day: "numeric", month: "long" });

function each() {
  sentences();
  write(document.getElementById("today"), dates.format(now() * 1000).replace(",", ""));
  const old = [...board.querySelectorAll("[data-ended]")].filter((row) => now() - row.dataset.ended > HOUR);
  for (const row of old) row.remove();
  if (old.length) count();
}

for (const card of cards()) {
  drawn.set(card, snapshot(card));
  mine(card);
}
start(each);
refresh();
