// What this device remembers. Where storage is blocked or full, it remembers nothing and all else works.

export function kept(key) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

/** Keeps an object; an empty one is forgotten. */
export function keep(key, value) {
  try {
    if (Object.keys(value).length) localStorage.setItem(key, JSON.stringify(value));
    else localStorage.removeItem(key);
  } catch {
    // then not
  }
}
