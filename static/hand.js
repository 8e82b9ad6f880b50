// Orders for later: how many there are, said in words; a search looks among them too.

const root = document.documentElement;
const fold = document.getElementById("later");
const find = document.getElementById("find");
const days = new Intl.DateTimeFormat("en-CA", { timeZone: root.dataset.zone });

const rows = () => [...fold.querySelectorAll("[data-begins]")];

/** "6 later today, first at 16:30 · 2 on other days" */
function told() {
  const all = rows();
  const today = days.format(Date.now());
  const near = all.filter((row) => days.format(row.dataset.begins * 1000) === today);
  const rest = all.length - near.length;
  const first = near[0]?.querySelector("time")?.textContent;
  return [near.length && `${near.length} later today, first at ${first}`, rest && `${rest} on ${near.length ? "other" : "later"} days`]
    .filter(Boolean)
    .join(" · ");
}

function count() {
  const words = told();
  const place = document.getElementById("later-p");
  fold.hidden = words === "";
  if (place.textContent !== words) place.textContent = words;
}

document.addEventListener("htmx:after:swap", count);
find.addEventListener("input", () => {
  if (find.value.trim() && rows().some((row) => !row.hidden)) fold.open = true;
});
count();
