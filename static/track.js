// The customer's page: fresh or not, clocks, and what stays as the reader left it. It works without any of this.

import { forget, settle } from "./checkin.js";
import { clocks, now, start, stop } from "./live.js";
import { poll } from "./poll.js";

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

document.addEventListener("htmx:after:swap", () => {
  clocks();
  name();
  settle();
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

name();
lapse();
start(() => {
  lapse();
  poll();
});
