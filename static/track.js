// The customer's page: fresh or not, clocks, and what stays as the reader left it. It works without any of this.

import { settle } from "./checkin.js";
import { clocks, start } from "./live.js";

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

name();
start(() => {});
