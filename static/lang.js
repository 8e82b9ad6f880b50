// The language that somebody picked: it stays in the address, and on the phone for the next link.

const KEPT = "lang";

/** The picked language, as it stands in this page's address; "" where none was picked. */
export const picked = new URLSearchParams(location.search).get(KEPT) ?? "";

/** An address of ours that keeps it. */
export function inLanguage(address, lang = picked) {
  return lang ? `${address}${address.includes("?") ? "&" : "?"}${KEPT}=${encodeURIComponent(lang)}` : address;
}

function remembered() {
  try {
    return localStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

for (const link of document.querySelectorAll(".langs a")) {
  link.addEventListener("click", () => {
    try {
      localStorage.setItem(KEPT, link.lang);
    } catch { /* the address has it */ }
  });
}

// Not after a form was sent: that page has something to say, and its address is not its own.
const before = remembered();
const spoken = [...document.querySelectorAll(".langs a")].some((link) => link.lang === before);
if (!picked && spoken && before !== document.documentElement.lang && !location.pathname.endsWith("/arrival")) {
  location.replace(inLanguage(location.pathname + location.search, before));
}
