"""The customer's page on a bad phone: what the first view weighs on the wire, how soon it says something on a slow
line, and how long a check-in takes to a board. In a real Chromium, from `orderboard serve` as anyone would run it.

The slow line is Lighthouse's slow 4G by name, as DevTools has it: 150 ms to the first byte of each answer, 1.6 Mbit/s
down, 750 kbit/s up, and a processor slowed four times.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright
from websockets.sync.client import connect

from bench.fanout import HERE, free_port, running
from bench.way import SECRET, backed

TOKEN = "an-api-token-of-thirty-characters"
PHONE: Any = {"width": 390, "height": 844}
LOADS, CHECKINS, QUIET = 7, 100, 1.5
LINE = {"offline": False, "latency": 150, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 750e3 / 8}
SLOWER = 4
LIMITS = {"first_view_kb": 50.0, "content_on_3g_ms": 1000.0, "checkin_to_board_p95_ms": 300.0}
HEAD = {"Authorization": f"Bearer {SECRET}"}
API = {"Authorization": f"Bearer {TOKEN}"}


def report(figure: str, value: float, **more: object) -> None:
    line = {"figure": figure, "value": round(value, 1), "limit": LIMITS[figure], "ok": value <= LIMITS[figure]}
    print(json.dumps(line | more), flush=True)


def config(folder: Path, url: str, port: int) -> Path:
    path = folder / "orderboard.toml"
    path.write_text(
        f"""
        [server]
        port = {port}
        public_url = "http://127.0.0.1:{port}"
        redis_url = "{url}"
        api_token = "{TOKEN}"
        sockets_per_ip = 0
        [[stores]]
        id = "68"
        name = "Jane's Shop"
        timezone = "America/Los_Angeles"
        latitude = 37.77
        longitude = -122.42
        street = "Mission Street"
        phone = "+1 555 0100"
        bays = ["1", "2", "3"]
        [[sources]]
        id = "jane-68"
        provider = "jane"
        secret = "{SECRET}"
        store = "68"
        """
    )
    return path


class Shop:
    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.http = httpx2.Client(base_url=self.base, timeout=20)

    def order(self, number: int) -> str:
        """A tracking link of an order that is ready, with twelve lines."""
        lines = [{"id": n, "name": f"Gala apples {n} kg", "quantity": n % 3 + 1, "price": 2.5} for n in range(12)]
        cart = {
            "id": number, "uuid": f"c{number}", "status": "ready_for_pickup", "reservation_mode": "curbside",
            "amount": 41.8, "store_id": 68, "queue_number": f"G{number}", "customer_name": "Amida Brooks",
            "reservation_start_window": "2036-06-21 22:45:00", "products": lines,
        }  # fmt: skip
        body = {"cart": cart, "webhook_event": "cart_status_updated"}
        assert self.http.post("/hooks/jane-68", json=body, headers=HEAD).status_code == 202
        return str(self.http.post(f"/api/orders/jane-68/c{number}/links", headers=API).json()["url"])


@contextmanager
def opened(browser: Browser, slow: bool = False) -> Iterator[tuple[Page, CDPSession]]:
    """A page with nothing in its cache, as on the first visit."""
    context: BrowserContext = browser.new_context(viewport=PHONE, device_scale_factor=2)
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    if slow:
        line.send("Network.emulateNetworkConditions", LINE)
        line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    yield page, line
    context.close()


def weighed(browser: Browser, url: str) -> dict[str, int]:
    """Bytes on the wire by kind of what is asked for, headers and all, until the page is live and quiet."""
    kinds: dict[str, str] = {}
    sizes: dict[str, int] = {}
    with opened(browser) as (page, line):
        line.on("Network.responseReceived", lambda said: kinds.update({said["requestId"]: said["type"]}))
        line.on(
            "Network.loadingFinished",
            lambda said: sizes.update({said["requestId"]: int(said["encodedDataLength"])}),
        )
        frames: list[int] = []
        line.on("Network.webSocketFrameReceived", lambda said: frames.append(len(said["response"]["payloadData"])))
        page.goto(url)
        page.wait_for_selector('html[data-live="live"]')
        page.wait_for_timeout(QUIET * 1000)
    by: dict[str, int] = {}
    for name, size in sizes.items():
        kind = kinds.get(name, "Other").lower()
        by[kind] = by.get(kind, 0) + size
    return by


def painted(browser: Browser, url: str) -> tuple[float, float]:
    """Milliseconds from the call to the first content, and until the socket has said the whole view."""
    with opened(browser, slow=True) as (page, _):
        page.goto(url, wait_until="commit")
        page.wait_for_selector('html[data-live="live"]')
        live = page.evaluate("performance.now()")
        content = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return float(content), float(live)


def checked_in(shop: Shop) -> list[float]:
    """Milliseconds from the tap's POST to the frame that a board gets, one after another."""
    links = [shop.order(1000 + n) for n in range(CHECKINS)]
    seen: dict[int, float] = {}
    ready = threading.Event()

    def watch() -> None:
        address = shop.base.replace("http", "ws", 1) + "/live/board/68"
        with connect(address, additional_headers=API, max_size=None) as board:
            while len(seen) < CHECKINS:
                frame = board.recv(20)
                at = time.perf_counter()
                ready.set()
                for n in range(CHECKINS):
                    if n not in seen and f">G{1000 + n}<" in frame and 'data-attention=\\"waiting\\"' in frame:
                        seen[n] = at

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert ready.wait(20)
    began = []
    for link in links:
        began.append(time.perf_counter())
        told = shop.http.post(f"{link}/arrival", data={"state": "here", "bay": "2"}, headers={"Origin": "null"})
        assert told.status_code == 303, told.text
        time.sleep(0.02)
    watcher.join(30)
    return sorted(1000 * (seen[n] - began[n]) for n in range(CHECKINS))


def main() -> None:
    finder = [sys.executable, str(HERE.parent / "tests" / "chromium.py")]
    path = subprocess.run(finder, capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder, backed() as url:
        port = free_port()
        words = [sys.executable, "-m", "app.cli", "--config", str(config(Path(folder), url, port)), "serve"]
        with running(0, port, words, {}), sync_playwright() as play:
            shop = Shop(port)
            browser = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            link = shop.order(1)
            weight = weighed(browser, link)
            kinds = {kind: round(size / 1024, 1) for kind, size in weight.items()}
            report("first_view_kb", sum(weight.values()) / 1024, by_kind=kinds)
            times = [painted(browser, link) for _ in range(LOADS)]
            content, live = (statistics.median(column) for column in zip(*times, strict=True))
            report("content_on_3g_ms", content, live_ms=round(live), loads=LOADS, latency_ms=150, mbit=1.6, cpu=SLOWER)
            browser.close()
            taken = checked_in(shop)
            report("checkin_to_board_p95_ms", taken[int(CHECKINS * 0.95) - 1], p50_ms=round(taken[CHECKINS // 2], 1))


if __name__ == "__main__":
    main()
