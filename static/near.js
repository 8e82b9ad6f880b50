// How near the phone is to the shop: found out on the phone, by a tap only. What is sent is a word.

const EARTH = 6371000; // metres
const VAGUE = 1000; // metres: a fix less sure than this says nothing
const PATIENCE = 15000; // ms

let word = ""; // near, far or nothing
let told = "";
let asking = false;

/** To be sent with a check-in. */
export const said = () => word;

function metres(box, { latitude, longitude }) {
  const [a, b, c, d] = [latitude, box.dataset.latitude, longitude, box.dataset.longitude].map((one) => (one * Math.PI) / 180);
  const half = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin((d - c) / 2) ** 2;
  return 2 * EARTH * Math.asin(Math.sqrt(half));
}

function judged(box, coords) {
  if (!(coords.accuracy <= VAGUE)) return "";
  return metres(box, coords) <= Number(box.dataset.within) + coords.accuracy ? "near" : "far";
}

/** Shows what is known, in new markup too. */
export function settle(box) {
  box.querySelector("button").disabled = asking;
  if (told) box.querySelector("p").textContent = told;
}

/** Asks the phone; `say` tells it to who can't see. */
export function ask(page, say) {
  const box = page.querySelector(".near");
  if (!box || asking) return;
  asking = true;
  settle(box);
  const done = (fix) => answer(page, say, fix.coords ? judged(box, fix.coords) : "");
  navigator.geolocation.getCurrentPosition(done, done, { enableHighAccuracy: true, timeout: PATIENCE, maximumAge: 30000 });
}

function answer(page, say, is) {
  const box = page.querySelector(".near");
  asking = false;
  word = is;
  if (!box) return;
  told = box.dataset[is || "none"];
  settle(box);
  say(told);
}
