"""axe-core on a page as it stands. `clean(page)` fails with what people could not read, reach or be told."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe-core-4.14.1.min.js").read_text()
# All that is said of WCAG 2.2 AA, and axe's own advice. The size of targets is off unless it is asked for.
RUN = """async (parts) => {
  const rules = {"target-size": {enabled: true}};
  const said = await axe.run(parts.length ? {include: parts} : document, {resultTypes: ["violations"], rules});
  return said.violations.map(({id, help, nodes}) => ({id, help, nodes: nodes.map(
    ({target, html, failureSummary}) => ({target: target.join(" "), html, why: failureSummary}))}));
}"""


def clean(page: Page, *parts: str, schemes: Iterable[str] = ("light", "dark")) -> None:
    """No violation, in light and in dark. `parts`: selectors of what is looked at; none = the whole page.
    Motion is off while it looks, and stays so: what is half faded in has no contrast to measure."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)  # as the debugger does: the page's own policy lets no such script in, and stays as it is
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        found = page.evaluate(RUN, list(parts))
        assert not found, f"{page.url} in {scheme}:\n" + "\n".join(map(told, found))


def told(violation: dict[str, Any]) -> str:
    rows = [f"    {node['target']}\n      {node['html'][:200]}\n      {node['why']}" for node in violation["nodes"][:5]]
    more = len(violation["nodes"]) - len(rows)
    return "\n".join([f"  {violation['id']}: {violation['help']}", *rows, *([f"    and {more} more"] if more else [])])
