"""Ten thousand followed orders in one process, at their adaptive intervals; and what a webhook's parse and rule cost.

App on core 0; Redis (every write on disk before it is acknowledged) and the other side on core 1.
"""

import asyncio
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app import providers
from app.errors import Problem
from app.orders import apply
from app.providers.contract import Call, Follow, Provider
from app.services.poller import encode
from app.settings import Source, check
from app.store.clients import commands
from app.store.follows import Follows
from bench.fanout import HERE, free_port, running
from bench.way import SECRET, backed

ORDERS = 10_000
FAST = 500  # of them are being picked: asked every 5 s about order and items; the others every 30 s about the order
SETTLED, SECONDS = 45.0, 60.0
TURNS = 2_000
LIMITS = {"polls_cpu_percent": 25.0, "polls_longest_over_interval": 2.0, "webhook_us": 100.0}
INTERVALS = {"fast": 5.0, "slow": 30.0}


def config(folder: Path, url: str, port: int, other: int) -> Path:
    path = folder / "orderboard.toml"
    path.write_text(
        f"""
        [server]
        port = {port}
        public_url = "http://127.0.0.1:{port}"
        redis_url = "{url}"
        [[stores]]
        id = "s"
        name = "Store"
        timezone = "UTC"
        [[sources]]
        id = "insta"
        provider = "instacart"
        secret = "{SECRET}"
        store = "s"
        base_url = "http://127.0.0.1:{other}"
        client_id = "me"
        client_secret = "k"
        rate = 2000
        """
    )
    return path


async def follow(url: str) -> None:
    """As if each had been followed for a while: their next polls lie evenly over the slow interval."""
    client = commands(url)
    follows, rng, now = Follows(client), random.Random(1), time.time()
    for number in range(ORDERS):
        ref = f"{'fast' if number < FAST else 'slow'}{number}"
        last = now - rng.uniform(0.0, INTERVALS["slow"])
        asked = {"order": last, "items": last, "handling": last}
        one = Follow(source="insta", ref=ref, began=last, user_id=f"u{number % 100}", asked=asked)
        await follows.follow("insta", one.key, encode(one), last + INTERVALS["slow"])
    await client.aclose()


def report(figure: str, value: float, **more: object) -> None:
    line = {"figure": figure, "value": round(value, 2), "limit": LIMITS[figure], "ok": value <= LIMITS[figure]}
    print(json.dumps(line | more), flush=True)


def said(other: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{other}{path}") as answer:
        return json.load(answer)


def cpu(pid: int) -> float:
    """Seconds of CPU a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@contextmanager
def serving(url: str, other: int) -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "app.cli", "--config", str(config(Path(folder), url, port, other)), "serve"]
        with running(0, port, words, {}) as pid:
            yield pid


def polls() -> None:
    other = free_port()
    words = [sys.executable, str(HERE / "other.py"), str(other)]
    with backed() as url, running(1, other, words, {}), serving(url, other) as pid:
        asyncio.run(follow(url))
        time.sleep(SETTLED)
        said(other, "/begin")
        began, used = time.monotonic(), cpu(pid)
        time.sleep(SECONDS)
        percent = 100 * (cpu(pid) - used) / (time.monotonic() - began)
        found = said(other, "/figures")
    over = max(found[pace]["longest"] / seconds for pace, seconds in INTERVALS.items())
    report("polls_cpu_percent", percent, orders=ORDERS, fast=FAST)
    report("polls_longest_over_interval", over, paces=found)


# ---- a webhook's parse and rule ----


def largest(name: str, provider: Provider, source: Source) -> Call | None:
    """The largest sample of a system that can be read."""
    found: list[Call] = []
    for path in (HERE.parent / "tests" / "providers" / name).glob("*.json"):
        for said in json.loads(path.read_text("utf-8")).get("calls", []):
            body = json.dumps(said["body"]).encode() if "body" in said else b""
            call = Call(
                method=said.get("method", "POST"), tail=said.get("tail", ""), query=said.get("query", "").encode(),
                body=body, heard=time.time(),
            )  # fmt: skip
            with contextlib.suppress(Problem):
                if provider.parse(source, call):
                    found.append(call)
    return max(found, key=lambda call: len(call.body) + len(call.query), default=None)


def webhook(provider: Provider, source: Source, call: Call) -> float:
    """Microseconds for parse and rule, the order known already."""
    order = apply(None, provider.parse(source, call)[0]).order
    times = []
    for _ in range(TURNS):
        began = time.perf_counter()
        for event in provider.parse(source, call):
            apply(order, event)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def webhooks() -> None:
    systems = providers.load()
    stores = [{"id": "s", "name": "Store", "timezone": "UTC", "currency": "EUR"}]
    tables = [{"id": name, "provider": name, "secret": SECRET, "store": "s"} for name in systems]
    config = check({"stores": stores, "sources": tables}, {}, {name: one.options for name, one in systems.items()})
    for name, provider in systems.items():
        call = largest(name, provider, config.sources[name])
        if call is not None:
            took = webhook(provider, config.sources[name], call)
            report("webhook_us", took, system=name, bytes=len(call.body) + len(call.query))


def main() -> None:
    webhooks()
    polls()


if __name__ == "__main__":
    main()
