// The customer's page: fresh or not, clocks, and what stays as the reader left it. It works without any of this.

import { forget, settle } from "./checkin.js";
import { apart, clocks, now, say, start, stop } from "./live.js";

const page = document.getElementById("track");
const store = document.getElementById("store").textContent;

// A list that somebody opened or closed stays so when new markup comes.
htmx.registerExtension("track", {
  htmx_before_morph_attr: (element, { attrName }) => !(element.localName === "details" && attrName === "open"),
});

function name() {
  const said = page.querySelector("h1")?.textContent;
  if (said) document.title = `${said.replace(/\.$/, "")} · ${store}`;
}

// ---- what is new is said once; of somebody on the way, not with every metre ----

const BETWEEN = 30000; // ms between two words about the way

let told = page.querySelector("h1")?.textContent;
let toldAt = 0;

function news() {
  const hero = page.querySelector(".hero");
  const headline = hero?.querySelector("h1").textContent;
  if (!headline || headline === told || (hero.id && Date.now() - toldAt < BETWEEN)) return;
  told = headline;
  toldAt = Date.now();
  say(`${headline} ${hero.querySelector(".lead").textContent}`);
}

// ---- the map, fetched only where there is one ----

let map = null;

function way() {
  const figure = document.getElementById("trip-map");
  if (map) map.follow(figure);
  else if (figure?.querySelector(".draw")) import("./map.js").then((found) => (map = found).follow(figure));
}

// Streets of another host need a page that was made with leave for it; who comes back gets one.
document.addEventListener("visibilitychange", async () => {
  const link = page.querySelector(".streets-link");
  if (document.hidden || !link || "streets" in document.documentElement.dataset) return;
  const there = await fetch(location.href).catch(() => null); // a page is better than the browser's word for none
  if (there?.ok) location.reload();
});

document.addEventListener("htmx:after:swap", () => {
  clocks();
  name();
  news();
  settle();
  way();
});

// ---- the end of the link: nothing stays, whatever the browser remembers ----

const ENDED = 4403;

document.addEventListener("live:over", () => {
  page.replaceChildren(document.getElementById("stop").content);
  document.getElementById("note-box").hidden = true;
  document.title = store;
  forget();
});

function lapse() {
  if (now() >= Number(page.querySelector("[data-until]")?.dataset.until ?? Infinity)) stop(ENDED);
}

addEventListener("pageshow", lapse);

// ---- without a connection: then the view is asked for, by a part that most pages never need ----

const ALONE = 4000; // ms without a connection

let poll = null;

async function alone() {
  if (apart() < ALONE) return;
  poll ??= await import("./poll.js").catch(() => null);
  poll?.poll();
}

document.addEventListener("live:soon", alone);
name();
lapse();
way();
start(() => {
  lapse();
  alone();
  map?.grow();
});
