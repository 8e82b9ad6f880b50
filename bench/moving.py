"""From a position that another process has heard to the pin that moves on a customer's page, in a real Chromium.

The position goes the way a poller's does: kept and announced in Redis, heard by the server, drawn, sent, and painted.
The pin begins to move with the frame that brings the news, and takes up to two seconds to get there.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from app import main as house
from app.orders import Destination, OrderEvent, Shopper
from app.trips import Fix
from bench.fanout import HERE, free_port, running
from bench.phone import PHONE, config
from bench.way import backed

FIXES, APART = 30, 2.5  # positions, and seconds between two: a glide ends before the next begins
LIMIT = 1000.0
DOOR = (37.78, -122.41)
WATCH = """() => {
  globalThis.moves = [];
  let last = null;
  const look = () => {
    const is = document.querySelector(".draw .who")?.getAttribute("transform") ?? null;
    if (is !== last) globalThis.moves.push(Date.now());
    last = is;
    requestAnimationFrame(look);
  };
  look();
}"""


async def built(said: Path, url: str) -> Any:
    """A second node's parts, on the same Redis."""
    return house.build(house.configured({}, said), url).site


async def begun(site: Any) -> str:
    now = time.time()
    event = OrderEvent(
        source="jane-68", provider="jane", ref="c1", name="in_transit", digest="1", policy="local", heard=now, at=now,
        stage="in_transit", store="68", fulfilment="delivery", code="G1", shopper=Shopper("1", "Dev"),
        destination=Destination("1 Example Street", *DOOR),
    )  # fmt: skip
    await site.intake.take(event)
    _, token = await site.links.make("jane-68:c1", "customer", now)
    return f"{site.settings.server.public_url}/t/{token}"


async def seen(site: Any, step: int) -> float:
    """Milliseconds since the epoch when the position was known."""
    at = time.time()
    assert await site.positions.locate("jane-68:c1", "68", Fix(37.771 + step * 0.0002, -122.419 + step * 0.0002, at))
    return at * 1000


def measured(page: Page, site: Any, does: Callable[[Coroutine[Any, Any, Any]], Any]) -> tuple[list[float], list[float]]:
    page.goto(does(begun(site)))
    page.wait_for_selector('html[data-live="live"]')
    does(seen(site, 0))
    page.wait_for_selector(".draw .who")
    page.wait_for_timeout(1000 * APART)
    page.evaluate(WATCH)
    page.wait_for_timeout(500)
    began = []
    for step in range(1, FIXES + 1):
        began.append(does(seen(site, step)))
        page.wait_for_timeout(1000 * APART)
    moves = page.evaluate("globalThis.moves")
    first, there = [], []
    for at, until in zip(began, [*began[1:], float("inf")], strict=True):
        mine = [move for move in moves if at <= move < until]
        first.append(mine[0] - at if mine else float("inf"))
        there.append(mine[-1] - at if mine else float("inf"))
    return sorted(first), sorted(there)


def main() -> None:
    finder = [sys.executable, str(HERE.parent / "tests" / "chromium.py")]
    path = subprocess.run(finder, capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder, backed() as url:
        port = free_port()
        said = config(Path(folder), url, port)
        words = [sys.executable, "-m", "app.cli", "--config", str(said), "serve"]
        loop = asyncio.new_event_loop()  # Playwright has one of its own in this thread
        threading.Thread(target=loop.run_forever, daemon=True).start()

        def does(work: Coroutine[Any, Any, Any]) -> Any:
            return asyncio.run_coroutine_threadsafe(work, loop).result(20)

        with running(0, port, words, {"ORDERBOARD_MAP_TILES": "none"}), sync_playwright() as play:
            site = does(built(said, url))
            browser = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context(viewport=PHONE, device_scale_factor=2)
            first, there = measured(context.new_page(), site, does)
            browser.close()
        does(site.orders.close())
    worst = first[int(len(first) * 0.95)]
    figures = {
        "figure": "position_to_pin_p95_ms", "value": round(worst, 1), "limit": LIMIT, "ok": worst <= LIMIT,
        "p50_ms": round(statistics.median(first), 1), "there_p95_ms": round(there[int(len(there) * 0.95)], 1),
        "fixes": FIXES,
    }  # fmt: skip
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
