// A screen on the wall: nobody touches it and nobody scrolls. It shows what fits and counts the rest.

import { clocks, now, start } from "./live.js";

const NEW_FOR = 60; // seconds
const SHIFTS = 4; // places that the picture moves through, one a minute: nothing may burn in
const COUNTS = ["Nobody", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"];

const board = document.getElementById("board");
const lists = [...board.querySelectorAll("[data-cards]")];

function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

// ---- putting cards in their place ----

function put(card) {
  document.getElementById(card.id)?.remove();
  const rank = (one) => `${one.dataset.key} ${one.id}`;
  const list = lists.find((one) => one.dataset.cards === card.dataset.lane);
  list?.insertBefore(card, [...list.children].find((other) => rank(other) > rank(card)) ?? null);
  return card;
}

function view(fragment) {
  const fresh = [...fragment.querySelectorAll("[data-lane]")];
  for (const list of lists) list.replaceChildren();
  return fresh.map(put);
}

htmx.registerExtension("screen", {
  handle_swap(style, target, fragment) {
    if (style === "cards") return [...fragment.children].map(put);
    if (style === "view") return view(fragment);
    if (style !== "gone") return false;
    for (const gone of fragment.children) document.getElementById(gone.id)?.remove();
    return [];
  },
});

/** One of the texts that the page came with, and a number in it. */
function counted(name, count) {
  return board.dataset[`${name}Text`].replace("{count}", count);
}

// ---- what fits, and how many do not ----

function beyond(more, count) {
  return counted("more", count) + (more.dataset.tail ?? "");
}

function fit(list) {
  const more = board.querySelector(`[data-more="${list.dataset.cards}"]`);
  if (!more) return;
  const rows = [...list.children];
  for (const row of rows) row.hidden = false;
  more.hidden = true;
  const section = list.parentElement;
  if (section.scrollHeight <= section.clientHeight) return;
  more.hidden = false;
  write(more, beyond(more, rows.length));
  const space = more.getBoundingClientRect().bottom - list.getBoundingClientRect().bottom;
  const end = section.getBoundingClientRect().bottom - space;
  const ends = rows.map((row) => row.getBoundingClientRect().bottom);
  const first = ends.findIndex((bottom) => bottom > end);
  for (const row of rows.slice(first)) row.hidden = true;
  write(more, beyond(more, rows.length - first));
}

function count() {
  for (const place of document.querySelectorAll("[data-count]")) {
    write(place, String(lists.find((list) => list.dataset.cards === place.dataset.count).children.length));
  }
  const n = board.querySelectorAll('[data-attention="waiting"], [data-attention="lost"]').length;
  write(document.getElementById("now-h"), `${COUNTS[n] ?? n} ${n > 1 ? "people are" : n ? "person is" : "is"} waiting`);
}

function refresh() {
  clocks();
  count();
  each();
  lists.forEach(fit);
}

document.addEventListener("htmx:after:swap", refresh);
addEventListener("resize", refresh);
document.fonts.ready.then(refresh);

// ---- every second ----

function each() {
  for (const row of board.querySelectorAll("[data-since]")) row.classList.toggle("new", now() - row.dataset.since < NEW_FOR);
  for (const place of board.querySelectorAll("[data-about]")) {
    const left = place.dataset.about - now();
    write(place, left > 0 ? counted("about", Math.ceil(left / 300) * 5) : board.dataset.momentText);
  }
  const place = Math.floor(now() / 60) % SHIFTS;
  if (!document.body.classList.contains(`shift-${place}`)) {
    for (let n = 0; n < SHIFTS; n++) document.body.classList.toggle(`shift-${n}`, n === place);
  }
}

start(each);
refresh();
