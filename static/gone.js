// A link that has ended: what this phone kept of it goes too.

const [, , token] = location.pathname.split("/");
const path = `/t/${token}`;

try {
  for (const key of Object.keys(localStorage)) {
    if (key === `unsent ${path}` || localStorage.getItem(key) === path) localStorage.removeItem(key);
  }
} catch { /* a browser that keeps nothing */ }
