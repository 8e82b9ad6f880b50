// How this device shows the board: comfortable or compact, which columns, and what it need not be told again.
// <html> carries it: data-dense, data-hide (lanes), data-hint. early.js sets them before the first paint.

import { keep, kept } from "./kept.js";
import { say } from "./live.js";

const root = document.documentElement;
const choices = [...document.querySelectorAll("[data-dense-set]")];
const columns = [...document.querySelectorAll("[data-column]")];
const view = document.querySelector('[popovertarget="view"]');

let dense = root.dataset.dense !== undefined;
let hidden = new Set((root.dataset.hide ?? "").split(" ").filter(Boolean));

function show() {
  root.toggleAttribute("data-dense", dense);
  root.dataset.hide = [...hidden].join(" ");
  for (const choice of choices) choice.setAttribute("aria-pressed", String((choice.dataset.denseSet === "on") === dense));
  for (const column of columns) {
    column.setAttribute("aria-pressed", String(!hidden.has(column.dataset.column)));
    column.disabled = hidden.size === columns.length - 1 && !hidden.has(column.dataset.column); // one stays
  }
  const count = view.querySelector(".count");
  count.textContent = hidden.size ? `${hidden.size} hidden` : "";
  document.querySelector("[data-view-reset]").disabled = !dense && !hidden.size;
}

function set(isDense, isHidden) {
  dense = isDense;
  hidden = isHidden;
  keep("view", { ...(dense && { dense }), ...(hidden.size && { hide: [...hidden] }) });
  show();
}

/** Comfortable ⇄ compact. */
export function density() {
  set(!dense, hidden);
  say(dense ? "Compact" : "Comfortable");
}

/** Every column again. */
export const columnsBack = () => set(dense, new Set());

document.addEventListener("click", ({ target }) => {
  const { denseSet, column, viewReset, columnsBack: back, hintDone } = target.closest?.("button")?.dataset ?? {};
  if (denseSet) set(denseSet === "on", hidden);
  else if (column) set(dense, new Set([...hidden].filter((name) => name !== column).concat(hidden.has(column) ? [] : column)));
  else if (viewReset !== undefined) set(false, new Set());
  else if (back !== undefined) columnsBack();
  else if (hintDone) {
    keep("hints", { ...kept("hints"), [hintDone]: true });
    delete root.dataset.hint;
  }
});

show();
