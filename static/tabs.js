// Lanes on glass too small for all of them. A phone shows Now or one lane; "back" leads from a lane to Now, whose
// headline never goes away. A tablet jumps from lane to lane and sees how many are in each.

import { lists } from "./sift.js";

const root = document.documentElement;
const board = document.getElementById("board");
const lanes = board.querySelector(".lanes");
const tabs = [...document.querySelectorAll("#tabs [data-tab]")];
const phone = matchMedia("(max-width: 760px)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export const names = tabs.map((tab) => tab.dataset.tab);

function show(name) {
  root.dataset.tab = name;
  mark();
}

function mark() {
  for (const tab of tabs) {
    const is = phone.matches ? tab.dataset.tab === root.dataset.tab : inView.has(tab.dataset.tab);
    if (is) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
}

/** Brings a lane on the glass; true where there was something to do. */
export function go(name) {
  if (!phone.matches) {
    const lane = lanes.querySelector(`[data-name="${name}"]`);
    lane?.scrollIntoView({ inline: "start", block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
    return;
  }
  const was = root.dataset.tab;
  if (was === name) return lists.get(name)?.closest(".now, .lane")?.scrollTo({ top: 0 });
  if (name === "now" && history.state?.tab) return history.back();
  if (was === "now") history.pushState({ tab: name }, "");
  else history.replaceState({ tab: name }, "");
  show(name);
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("[data-tab]");
  if (tab && tab !== root) go(tab.dataset.tab);
  if (event.target.closest?.("[data-elsewhere]")) {
    event.preventDefault(); // its href is for who has no script; the address belongs to the drawer
    go("now");
  }
});

// The keyboard's own key leads to the first lane in which something was found.
const find = document.getElementById("find");
find.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !phone.matches || !find.value.trim()) return;
  const found = tabs.filter((tab) => tab.querySelector(".count").textContent !== "0").map((tab) => tab.dataset.tab);
  if (found.length && !found.includes(root.dataset.tab)) go(found[0]);
  find.blur();
});

// An order's drawer has an entry of its own, with no state: it says nothing about the lane under it.
addEventListener("popstate", () => {
  if (!location.hash) show(history.state?.tab ?? "now");
});
phone.addEventListener("change", mark);

const inView = new Set();
const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) inView[isIntersecting ? "add" : "delete"](target.dataset.name);
  mark();
}, { root: lanes, threshold: 0.6 });
for (const lane of lanes.children) watch.observe(lane);
mark();
