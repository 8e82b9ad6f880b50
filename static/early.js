// Before the first paint: how this device wants the board. Neither a module nor deferred, so that nothing jumps.

(() => {
  const root = document.documentElement;
  const kept = (key) => {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? {};
    } catch {
      return {}; // blocked, or not what we wrote
    }
  };
  const { dense, hide } = kept("view");
  const { kind, systems, marks } = kept(`filter ${location.pathname}`);
  if (dense) root.dataset.dense = "";
  if (hide?.length) root.dataset.hide = hide.join(" ");
  if (kind || systems?.length || marks?.length) root.dataset.sifting = "soon";
  if (!kept("hints").rail) root.dataset.hint = "rail";
  if (kept("way").open && matchMedia("(min-width: 761px)").matches) root.dataset.way = "";
  root.dataset.tab = history.state?.tab ?? "now";
})();
