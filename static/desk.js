// What was done on a page behind the boards: said once, to eyes and ears, and what did not work as well.

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx?.target?.id === "main") document.getElementById("said")?.focus();
});

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  const { status, raw } = ctx.response;
  if (status === 401 || (raw.redirected && new URL(raw.url).pathname === "/login")) {
    location.assign("/login?next=" + encodeURIComponent(location.pathname));
  } else if (status >= 400) tell(detail(ctx.text));
});

document.addEventListener("htmx:error", () => tell("That did not reach the server. Try again."));

function detail(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return "That did not work. Load the page again to see how things stand.";
  }
}

function tell(text) {
  const line = document.createElement("p");
  line.className = "banner banner-late";
  line.textContent = text;
  const said = document.getElementById("said");
  said.replaceChildren(line);
  said.focus();
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.lastChild.textContent = "Copied";
  } catch {
    button.lastChild.textContent = "Press Ctrl+C"; // the clipboard is shut where the page is not secure
  }
});

document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
