// The map beside the board: who is on the way. Open or closed as this device had it last.

import { keep } from "./kept.js";
import { clear } from "./sift.js";
import { go } from "./tabs.js";

const root = document.documentElement;
const panel = document.getElementById("way");
const button = document.getElementById("way-button");
const narrow = matchMedia("(max-width: 760px)");

let map = null;

const open = () => "way" in root.dataset;

async function draw() {
  const many = panel.querySelectorAll(".way-list li").length;
  button.querySelector(".count").textContent = many || "";
  if (!open()) return;
  if (map) map.follow(document.getElementById("way-map"));
  else {
    map = await import("./map.js");
    map.follow(document.getElementById("way-map"));
    setInterval(map.grow, 1000);
  }
}

function show(is) {
  if (is) root.dataset.way = "";
  else delete root.dataset.way;
  button.setAttribute("aria-expanded", String(is));
  keep("way", is ? { open: true } : {});
  if (is) draw();
  else if (panel.contains(document.activeElement)) button.focus();
}

/** Brings an order's card into view, out of whatever hides it. */
function find(id) {
  const link = document.getElementById(id)?.querySelector(".card-code");
  if (!link) return;
  if (narrow.matches) show(false);
  const lane = link.closest("[data-cards]").dataset.cards;
  if (!link.checkVisibility()) go(["waiting", "needs"].includes(lane) ? "now" : lane);
  if (!link.checkVisibility()) clear();
  link.focus({ preventScroll: true });
  link.scrollIntoView({ block: "center", inline: "center" });
}

button.addEventListener("click", () => show(!open()));
panel.addEventListener("click", (event) => {
  if (event.target.closest("[data-way-close]")) return show(false);
  const link = event.target.closest("[data-goes]");
  const pin = event.target.closest(".who[data-spot]");
  if (!link && !pin) return;
  event.preventDefault();
  find(link ? link.dataset.goes : pin.dataset.spot);
});
panel.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.preventDefault();
  show(false);
});
document.addEventListener("map:pin", (event) => find(event.detail));
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (!ctx?.target || ctx.target.id === "way-in" || panel.contains(ctx.target)) draw();
});

button.setAttribute("aria-expanded", String(open()));
draw();
