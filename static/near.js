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

/** Shows what is known; to be called after each swap. */
export function settle(page) {
  const box = page.querySelector(".near");
  if (!box || !navigator.geolocation) return;
  box.hidden = false;
  box.querySelector("button").disabled = asking;
  if (told) box.querySelector("p").textContent = told;
}

function answer(page, say, is) {
  asking = false;
  word = is;
  told = page.querySelector(".near")?.dataset[is || "none"] ?? "";
  settle(page);
  if (told) say(told);
}

export function listen(page, say) {
  page.addEventListener("click", ({ target }) => {
    const box = target.closest(".near button")?.parentElement;
    if (!box || asking) return;
    asking = true;
    settle(page);
    const done = (fix) => answer(page, say, fix.coords ? judged(box, fix.coords) : "");
    navigator.geolocation.getCurrentPosition(done, done, { enableHighAccuracy: true, timeout: PATIENCE, maximumAge: 30000 });
  });
}
