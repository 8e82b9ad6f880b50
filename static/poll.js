// Where no connection can be had, the same view is asked for, again and again: it says so, and how old it is.

import { apart, stop, took } from "./live.js";

const EVERY = 15000;
const MOST = 60000;
const SLOW = 10000; // ms for one answer
const UNKNOWN = 4404;

let next = 0;
let pause = EVERY;
let asking = false;

/** To be called every second. */
export function poll() {
  if (asking || document.hidden || Date.now() < next) return;
  asking = true;
  ask().catch(() => {
    pause = Math.min(pause * 1.5, MOST);
  }).finally(() => {
    asking = false;
    next = Date.now() + pause;
  });
}

/** Not later than now: something has happened. */
function soon() {
  next = 0;
  if (apart()) poll();
}

async function ask() {
  const feed = document.getElementById("feed");
  const at = encodeURIComponent(document.documentElement.dataset.position);
  const answer = await fetch(`${feed.dataset.view}&at=${at}`, {
    headers: { "HX-Request": "true" },
    signal: AbortSignal.timeout(SLOW),
  });
  if (answer.status === 404) return stop(UNKNOWN);
  if (!answer.ok) throw new Error(answer.status);
  const message = await answer.json();
  if (!apart()) return; // the connection is back, and newer
  if (message.content) {
    await htmx.swap({ sourceElement: feed, target: feed, swap: "none", text: message.content, transition: false });
  }
  pause = EVERY;
  took(message);
}

addEventListener("online", soon);
document.addEventListener("visibilitychange", soon);
document.addEventListener("live:soon", soon);
