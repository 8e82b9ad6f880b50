// A scanned bay sign: where the phone still has a tracking link of this shop, on to it, with the bay filled in.

import { inLanguage } from "./lang.js";

const sign = document.getElementById("sign");
const kept = `order ${sign.dataset.store}`;

async function find() {
  const link = localStorage.getItem(kept);
  if (!link?.startsWith("/t/")) return;
  const answer = await fetch(link);
  if (answer.ok) location.replace(inLanguage(`${link}?bay=${encodeURIComponent(sign.dataset.bay)}`));
  else if (answer.status === 404) localStorage.removeItem(kept);
}

find().catch(() => {}); // no storage, no network: the form is there
