// How fresh the page is, and its clocks. The server says what is so; the page says how long ago, and since when
// it has not heard anything. A page that can't be current never looks as if it were.

const OFFLINE_AFTER = 3000; // ms without a connection
const SILENT_AFTER = 25000; // ms without a byte: the heartbeat comes every 10 s
const STALE_AFTER = 12000; // ms without a byte that are too many for a page somebody comes back to
const SLEPT = 15000; // ms between two ticks of the page's clock that only a sleep can explain
const BETWEEN_TRIES = 2000;
const POLL_HOLDS = 40000; // ms that a view without a connection counts as known
const COMES_BACK = [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4500]; // as in the htmx-config
const SIGN_IN = 4401;
const OVER = [4403, 4404];

const root = document.documentElement;
const chip = document.getElementById("fresh");
const asOf = document.getElementById("as-of");
const spoken = document.getElementById("say");
const zone = root.dataset.zone || "UTC";
const units = (root.dataset.units || "s|min|h|days").split("|");
const clockFace = new Intl.DateTimeFormat(root.dataset.locale || "en-GB", { timeZone: zone, timeStyle: "medium" });

let feed = document.getElementById("feed");
let skew = Number(root.dataset.now) * 1000 - Date.now();
let socket = null;
let open = false; // the socket
let whole = false; // the whole view has come over it
let heard = Date.now();
let lost = Date.now(); // since when there is no connection; 0 while there is one
let tried = 0;
let polled = 0; // when the view last came without a connection
let leaving = false;
let over = 0; // the close code after which nothing comes any more

/** Unix seconds by the server's clock. */
export const now = () => (Date.now() + skew) / 1000;

// ---- freshness ----

function state() {
  if (over) return "ended";
  if (open && whole && Date.now() - heard < SILENT_AFTER) return "live";
  if (Date.now() - polled < POLL_HOLDS) return "polled";
  return open || Date.now() - lost < OFFLINE_AFTER ? "catching-up" : "offline";
}

function show() {
  const is = state();
  if (root.dataset.live === is) return;
  const was = root.dataset.live;
  root.dataset.live = chip.dataset.live = is;
  if (was === "offline" || is === "offline" || is === "ended") say(chip.innerText);
}

function heardAt(seconds) {
  write(asOf, clockFace.format(seconds * 1000));
}

/** Opens a new connection in place of whatever is left of the old one. */
export function again() {
  if (over || leaving || Date.now() - tried < BETWEEN_TRIES) return;
  tried = Date.now();
  dropped();
  const old = socket;
  const fresh = feed.cloneNode(false);
  fresh.removeAttribute("data-htmx-powered");
  feed.replaceWith(fresh);
  feed = fresh;
  socket = null;
  old?.close();
  connect();
}

/** htmx sets itself up by a timer, before or after the modules: so the socket is opened by us, once all are there. */
function connect() {
  htmx.process(feed);
  feed.dispatchEvent(new Event("live"));
}

function dropped() {
  open = whole = false;
  lost ||= Date.now();
  show();
}

/** Sends a JSON message; false where nothing is connected. */
export function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

document.addEventListener("htmx:ws:after:connection", (event) => {
  socket = event.detail.connection.socket;
  open = true;
  whole = false;
  heard = Date.now();
  show();
});

document.addEventListener("htmx:ws:before:message:incoming", () => {
  heard = Date.now();
});

document.addEventListener("htmx:ws:after:message:incoming", (event) => {
  let message;
  try {
    message = JSON.parse(event.detail.message.data);
  } catch {
    return;
  }
  if (message.content !== undefined) {
    whole = true;
    lost = 0;
  }
  noted(message);
});

function noted({ id, at }) {
  if (id) root.dataset.position = id;
  if (typeof at === "number") {
    const other = at * 1000 - Date.now();
    if (Math.abs(other - skew) > 400) skew = other;
  }
  heardAt(now());
  show();
}

/** For how long there has been no connection that shows the view, in ms. */
export const apart = () => (over || !lost ? 0 : Date.now() - lost);

/** A view that came without a connection. */
export function took(message) {
  polled = Date.now();
  noted(message);
}

document.addEventListener("htmx:ws:close", (event) => {
  if (leaving) return;
  dropped();
  const code = event.detail.code;
  if (code === SIGN_IN) location.assign("/login?next=" + encodeURIComponent(location.pathname));
  else if (OVER.includes(code)) stop(code);
  else if (!COMES_BACK.includes(code)) setTimeout(again, 1000 + 2000 * Math.random());
});

// A frame that could not be put in leaves the page behind: the whole view heals it.
document.addEventListener("htmx:ws:error", (event) => {
  if (event.detail.error instanceof Error) setTimeout(again, BETWEEN_TRIES);
});

/** Nothing comes any more. The page hears of it, so that it can clear itself. */
export function stop(code) {
  if (over) return;
  over = code;
  socket?.close();
  feed.remove(); // a connection that is being made, or a frame under way, would fill the page again
  const box = document.getElementById("stop");
  const said = document.getElementById("stops")?.content.querySelector(`[data-code="${code}"]`);
  if (said) {
    box.querySelector("h2").textContent = said.dataset.title;
    box.querySelector("p").textContent = said.textContent;
  }
  box.hidden = false;
  show();
  document.dispatchEvent(new Event("live:over"));
}

function back() {
  if (!open || Date.now() - heard > STALE_AFTER) again();
}

addEventListener("online", back);
addEventListener("focus", back);
addEventListener("pagehide", () => {
  leaving = true;
});
addEventListener("pageshow", (event) => {
  leaving = false;
  if (event.persisted) again();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) back();
});
document.addEventListener("resume", again); // frozen: what was sent meanwhile is told by one whole view

// ---- what a screen reader hears: the newest few, not more often than every four seconds ----

const waiting = [];
let quiet = 0;

export function say(text) {
  waiting.push(text);
  if (!quiet) quiet = setTimeout(speak, 300);
}

function speak() {
  spoken.textContent = waiting.splice(0).slice(-3).join(". ");
  quiet = setTimeout(() => {
    quiet = 0;
    if (waiting.length) say(waiting.pop());
  }, 4000);
}

// ---- clocks: the same figures as app/render/times.py ----

function figure(seconds, sign = "") {
  if (seconds < 600) return [`${sign}${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`, ""];
  if (seconds < 7200) return [`${sign}${Math.floor(seconds / 60)}`, units[1]];
  if (seconds < 172800) return [`${sign}${Math.floor(seconds / 3600)}`, units[2]];
  return [`${sign}${Math.floor(seconds / 86400)}`, units[3]];
}

const CLOCKS = {
  until(at, is) {
    return at > is ? figure(Math.floor(at - is + 0.999)) : figure(Math.floor(is - at), is - at >= 1 ? "−" : "");
  },
  since(at, is) {
    const gone = Math.max(Math.floor(is - at), 0);
    return gone < 3600 ? [`${Math.floor(gone / 60)}:${String(gone % 60).padStart(2, "0")}`, ""] : figure(gone);
  },
  age(at, is) {
    const gone = Math.max(Math.floor(is - at), 0);
    return gone < 600 ? [String(Math.floor(gone / 60)), units[1]] : figure(gone);
  },
};

/** Only where it changes something: what is written anew is laid out anew. */
export function write(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function set(element, name, value) {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function clock(element, is) {
  const { clock: kind, at, tail = "" } = element.dataset;
  const [text, unit] = CLOCKS[kind](Number(at), is);
  write(element.children[0], text);
  write(element.children[1], unit + tail);
}

function ago(element, is) {
  const gone = Math.max(Math.floor(is - Number(element.dataset.ago)), 0);
  write(element, gone < 60 ? `${gone} ${units[0]}` : (gone < 600 ? [Math.floor(gone / 60), units[1]] : figure(gone)).join(" "));
}

/** The bar under a waiting person: six minutes wide; amber from two, red from five. */
function wait(rail, is) {
  const gone = Math.max(is - Number(rail.dataset.wait), 0);
  const level = gone >= 300 ? "late" : gone >= 120 ? "risk" : "";
  const bar = rail.children[1];
  set(bar, "width", `${Math.min(gone / 3.6, 100).toFixed(1)}%`);
  set(bar, "class", level ? `wait-${level}` : "wait");
  const card = rail.closest("[data-level]");
  if (card.dataset.level === level) return;
  card.dataset.level = level;
  card.querySelector(".clock").className = `clock ${level || "here"}`;
}

function needle(rail, is) {
  const { start, due } = rail.dataset;
  const gone = Math.max(Math.min((is - start) / (due - start), 1), 0) * 100;
  set(rail.querySelector(".needle"), "x", `${gone.toFixed(1)}%`);
}

/** The promised window on a line that begins now, and over it when somebody is expected. */
function axis(line, is) {
  const { start, due, early = 0, late = 0 } = line.dataset;
  const end = Math.max(due, late);
  if (is >= end) return line.setAttribute("hidden", "");
  const x = (at) => (Math.max(at - is, 0) / (end - is)) * 80;
  span(line.querySelector(".window"), x(start), x(due));
  span(line.querySelector(".est"), x(early), x(late));
  line.querySelector(".till").setAttribute("x", `${x(due).toFixed(1)}%`);
  const from = line.querySelector(".from");
  from?.setAttribute("x", `${x(start).toFixed(1)}%`);
  if (from && x(start) < 14) from.textContent = "";
}

function span(box, from, till) {
  box?.setAttribute("x", `${from.toFixed(1)}%`);
  box?.setAttribute("width", `${(till - from).toFixed(1)}%`);
}

const MOVING = [["[data-clock]", clock], ["[data-ago]", ago], ["[data-wait]", wait], [".rail[data-due]", needle], [".axis[data-due]", axis]];

/** Sets every clock in these elements; to be called after new markup too, before it is painted. */
export function clocks(parts = [document]) {
  const is = now();
  for (const part of parts) for (const [selector, move] of MOVING) for (const element of part.querySelectorAll(selector)) move(element, is);
}

/** Starts the page's clock; `each` is called every second. */
export function start(each) {
  connect();
  let last = Date.now();
  const tick = () => {
    if (Date.now() - last > SLEPT && !document.hidden) again();
    last = Date.now();
    clocks();
    each();
    show();
    if (Date.now() - Math.max(heard, tried) > SILENT_AFTER) again();
    setTimeout(tick, 1000 - ((Date.now() + skew) % 1000) + 5);
  };
  tick();
}
