// What the board sounds like: a soft tone for a new order, a chime for somebody outside until anybody takes it, an alarm
// for a check-in that nobody has seen, two low tones when something turns late. What a whole view shows was there
// before: it never sounds, but for an alarm that goes on.
// <html> says how it is: data-sound on, off or blocked; data-ringing how many wait for somebody; data-played the last.

import { cards } from "./sift.js";

const CHIME_EVERY = 15000;
const ALARM_EVERY = 8000;
const SETTLE = 60; // ms after a frame, when its cards are in their places
const WAKING = 1000; // ms that a page which was frozen takes to catch up with what has come meanwhile
const KEPT = "sound";
const TONES = {
  new: [[659, 0, 0.35, 0.06]],
  arrived: [[784, 0, 0.3, 0.2], [1047, 0.18, 0.3, 0.2], [1319, 0.36, 0.6, 0.2]],
  alarm: [[988, 0, 0.22, 0.4], [740, 0.22, 0.22, 0.4], [988, 0.44, 0.22, 0.4], [740, 0.66, 0.4, 0.4]],
  breach: [[440, 0, 0.28, 0.18], [330, 0.3, 0.5, 0.18]],
};

const root = document.documentElement;
const banner = document.getElementById("sound-blocked");
const button = document.getElementById("sound-button");
const audio = new AudioContext();

let wanted = localStorage.getItem(KEPT) !== "off";
let known = look();
let ringing = new Set(); // ids of arrivals that came while we were looking, and that nobody has taken
let alarms = new Set(); // ids of those that nobody has seen
let chime = 0;
let rung = ""; // what the chime was set to
let due = true; // nothing is to be heard before a whole view has come
let whole = false; // it has just come
let soon = 0;
let woke = -WAKING; // when it was last woken

// ---- on, off, blocked ----

function show() {
  const is = !wanted ? "off" : audio.state === "running" ? "on" : "blocked";
  if (root.dataset.sound === is) return;
  root.dataset.sound = is;
  banner.hidden = is !== "blocked";
  button.setAttribute("aria-label", `Sound is ${is}`);
  button.querySelector("[data-sound-on]").toggleAttribute("hidden", is !== "on");
  button.querySelector("[data-sound-off]").toggleAttribute("hidden", is === "on");
  for (const choice of document.querySelectorAll("[data-sound-set]")) {
    choice.setAttribute("aria-pressed", String((choice.dataset.soundSet === "on") === wanted));
  }
}

function set(is) {
  wanted = is;
  localStorage.setItem(KEPT, is ? "on" : "off");
  show();
}

/** A browser lets a page sound only after somebody has touched it. */
async function unlock() {
  if (audio.state !== "running") await audio.resume();
  show();
}

audio.addEventListener("statechange", show);
// Not at pointerdown: the banner would go, the page move up, and the click fall beside what it was for.
for (const touch of ["keydown", "click"]) document.addEventListener(touch, unlock);
document.addEventListener("click", async ({ target }) => {
  const choice = target.closest?.("[data-sound-set]");
  if (choice) set(choice.dataset.soundSet === "on");
  if (!target.closest?.("[data-sound-test]")) return;
  set(true);
  await unlock();
  play("arrived");
});

// ---- tones ----

function play(name) {
  if (!wanted) return;
  root.dataset.played = name;
  if (audio.state !== "running") return;
  for (const [pitch, after, length, loud] of TONES[name]) tone(pitch, audio.currentTime + after, length, loud);
}

function tone(pitch, at, length, loud) {
  const source = audio.createOscillator();
  const volume = audio.createGain();
  source.frequency.value = pitch;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(loud, at + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + length);
  source.connect(volume).connect(audio.destination);
  source.start(at);
  source.stop(at + length);
}

// ---- what there is to hear ----

/** What is on the board: everything, who waits for somebody, what is late. */
function look() {
  const seen = { all: new Set(), fresh: new Set(), alone: new Set(), unseen: new Set(), late: new Set() };
  for (const card of cards()) {
    const { lane, attention, level, alarm } = card.dataset;
    seen.all.add(card.id);
    if (lane === "new") seen.fresh.add(card.id);
    if (card.classList.contains("unclaimed")) seen.alone.add(card.id);
    if (alarm !== undefined) seen.unseen.add(card.id);
    if (attention === "late" || level === "late") seen.late.add(card.id);
  }
  return seen;
}

const added = (is, was) => [...is].filter((id) => !was.has(id));

function hear() {
  soon = 0;
  if (root.dataset.live !== "live") due = true; // what comes next is a whole view, whatever was still under way
  if (due && !whole) return;
  const was = known;
  const before = whole;
  due = whole = false;
  known = look();
  ringing = new Set([...ringing].filter((id) => known.alone.has(id)));
  alarms = new Set([...alarms].filter((id) => known.unseen.has(id)));
  if (before) return ring();
  const arrived = added(known.alone, was.alone);
  for (const id of arrived) ringing.add(id);
  for (const id of known.unseen) alarms.add(id);
  if (arrived.length && !alarms.size) play("arrived");
  else if (added(known.late, was.late).length) play("breach");
  else if (added(known.fresh, was.all).length) play("new");
  ring(arrived.length > 0);
}

/** Sounds on for as long as somebody waits for somebody; louder and oftener while nobody has seen it. */
function ring(anew = false) {
  if (ringing.size || alarms.size) root.dataset.ringing = String(new Set([...ringing, ...alarms]).size);
  else delete root.dataset.ringing;
  const wants = alarms.size ? "alarm" : ringing.size ? "arrived" : "";
  if (wants !== rung || (anew && wants === "arrived")) chime = clearInterval(chime) ?? 0;
  if (wants === "alarm" && rung !== "alarm") play("alarm");
  if (wants && !chime) chime = setInterval(() => play(wants), wants === "alarm" ? ALARM_EVERY : CHIME_EVERY);
  rung = wants;
}

document.addEventListener("resume", () => {
  woke = performance.now();
});

document.addEventListener("htmx:ws:after:connection", () => {
  due = true;
});

document.addEventListener("htmx:ws:after:message:incoming", ({ detail }) => {
  if (!detail.message.data.includes("content")) return;
  if (detail.message.data.includes('hx-swap=\\"view\\"')) whole = true;
  soon ||= setTimeout(hear, performance.now() - woke < WAKING ? WAKING : SETTLE);
});

// A wait turns late by the clock, with no frame.
setInterval(() => {
  if (!soon) hear();
}, 1000);

show();
