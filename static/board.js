// The board: puts cards where they belong, and moves them so that the eye can follow.

import "./acts.js";
import { clocks, now, send, start, write } from "./live.js";
import { cards, lists, sift } from "./sift.js";
import { count, fold, sentences, tell } from "./sums.js";

const MOVE = 320; // ms, as --move
const MANY = 30; // moves at once that nobody could follow
const LATER = 250; // ms after which a page that is not painted does its sums all the same
const HOUR = 3600;

const root = document.documentElement;
const board = document.getElementById("board");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const drawn = new WeakMap(); // a card → its markup as it came, before the clocks changed it
const feeds = document.getElementById("feeds");

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

/** The first sibling with a greater key comes after it; most come last. */
function insert(card) {
  const list = lists.get(card.dataset.lane);
  if (!list) return;
  const rank = (c) => `${c.dataset.key} ${c.id}`;
  const its = rank(card);
  let after = null;
  for (let other = list.lastElementChild; other && rank(other) > its; other = other.previousElementSibling) after = other;
  list.insertBefore(card, after);
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

function view(fresh) {
  const ids = new Set(fresh.map((card) => card.id));
  for (const card of [...cards()]) if (!ids.has(card.id)) card.remove();
  return fresh.map(put);
}

function gone(ids) {
  for (const { id } of ids) document.getElementById(id)?.remove();
  return [];
}

const STYLES = { cards: (fragment) => [...fragment.children], view: (fragment) => [...fragment.querySelectorAll("[data-lane]")], gone: (fragment) => [...fragment.children] };
const WORK = { cards: (fresh) => fresh.map(put), view, gone };

htmx.registerExtension("board", {
  handle_swap(style, target, fragment) {
    if (!STYLES[style]) return false;
    changing();
    const fresh = WORK[style](STYLES[style](fragment)).filter(Boolean);
    for (const card of fresh) changed.add(card);
    return fresh;
  },
});

// ---- all that a change brings with it is done once before the next paint, however many changes come until then ----

let places = null; // where the cards on the glass were at the last paint; null while nothing changes
let changed = new Set();

function changing() {
  if (places) return;
  places = measure();
  if (document.hidden) setTimeout(settle, LATER);
  else {
    requestAnimationFrame(settle);
    setTimeout(settle, LATER); // hidden in between
  }
}

function settle() {
  if (!places) return;
  const fresh = [...changed].filter((card) => card.isConnected);
  const was = places;
  changed = new Set();
  places = null;
  refresh(fresh);
  follow(was);
}

/** Nothing has changed since the last paint, so that this costs no layout. */
function measure() {
  const seen = new Map();
  if (calm.matches || document.hidden) return seen;
  for (const list of lists.values()) {
    const glass = list.getBoundingClientRect();
    if (!glass.width) continue;
    const end = Math.min(glass.bottom, innerHeight);
    for (const card of list.children) {
      const box = card.getBoundingClientRect();
      if (box.top > end) break;
      if (box.width && box.bottom > glass.top) seen.set(card.id, { list, box });
    }
  }
  return seen;
}

function follow(was) {
  const moved = [];
  for (const [id, place] of was) {
    const card = document.getElementById(id);
    const box = card?.getBoundingClientRect();
    if (box?.width && (place.box.x !== box.x || place.box.y !== box.y)) moved.push([card, place, box]);
  }
  if (moved.length <= MANY) for (const [card, place, box] of moved) move(card, place, box);
}

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

/** What a quiet feed said last may not be so any more: its cards' marks turn hollow. */
function stale(some) {
  for (const card of some) card.toggleAttribute("data-stale", quiet.has(card.dataset.source) && card.dataset.lane !== "done");
}

let quiet = new Set();

function listen() {
  const is = new Set([...feeds.querySelectorAll("[data-feed]")].map((chip) => chip.dataset.source));
  if (is.size === quiet.size && [...is].every((source) => quiet.has(source))) return;
  quiet = is;
  stale(cards());
}

function refresh(fresh) {
  clocks(fresh);
  stale(fresh);
  sift(fresh);
  count();
  fold();
  sentences();
  seen();
}

document.addEventListener("htmx:after:swap", listen); // the feeds may be new

// ---- a check-in that a person can see is said to be seen ----

let told = new Set();

function seen() {
  if (document.hidden) return;
  for (const card of lists.get("waiting").children) {
    const key = card.dataset.unseen;
    if (key && !told.has(key) && send({ shown: key })) told.add(key);
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
  const old = [...lists.get("done").children].filter((row) => now() - row.dataset.ended > HOUR);
  for (const row of old) row.remove();
  if (old.length) count();
}

for (const card of cards()) {
  drawn.set(card, snapshot(card));
  mine(card);
}
listen();
start(each);
refresh([...cards()]);
