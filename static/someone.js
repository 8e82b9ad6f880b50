// Handing a link on: the phone's own share sheet where there is one, else the clipboard. Without either, the text is there.

import "./lang.js";

const page = document.getElementById("someone");
const said = document.getElementById("say");

for (const pair of page.querySelectorAll(".pair")) {
  pair.querySelector("[data-share]").hidden = !navigator.share;
  pair.hidden = !navigator.share && !navigator.clipboard;
}

function copied(button) {
  const word = button.querySelector("span");
  const was = word.textContent;
  word.textContent = said.textContent = page.dataset.copied;
  setTimeout(() => { word.textContent = was; }, 3000);
}

page.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-share], [data-copy]");
  const field = button && document.getElementById(button.dataset.share ?? button.dataset.copy);
  try {
    if (button?.dataset.share) await navigator.share({ text: page.dataset.text, url: field.value });
    else if (button) {
      await navigator.clipboard.writeText(field.value);
      copied(button);
    }
  } catch {
    field.select(); // put aside, or refused: it can be copied by hand
  }
});

// One that comes back from the browser's memory may show links that have ended.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
