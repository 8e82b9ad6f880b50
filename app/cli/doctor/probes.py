"""Looks at what may never answer: the disk, a port, another host. Each look has its own time, and leaves nothing."""

import asyncio
import http.client
import os
import shutil
import socket
import statistics
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

WITHIN: Final = 3.0  # seconds for a look
BLOCK: Final = 4096  # bytes
PORTS: Final = {"https": 443, "http": 80, "redis": 6379, "rediss": 6379, "redis+sentinel": 26379}
T = TypeVar("T")


class Disk(Struct, frozen=True, kw_only=True):
    """Where `data_dir` is, or will be, in bytes. `sync`: seconds until a block is on the disk, None where there is no
    folder yet; `wrong`: why nothing can be written; `mode`: of the folder with the orders, as others can reach it;
    `begun`: has a server of ours ever run there?"""

    free: int
    total: int
    sync: float | None = None
    wrong: str = ""
    mode: int = 0o700
    begun: bool = False


async def apart(look: Callable[[], T], seconds: float = WITHIN) -> T:
    """Does it in a thread that nobody waits for at the end: a dead disk or resolver would hold up the loop's own ones.
    Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def told(put: Callable[[Any], None], what: Any) -> None:
        if not answer.done():
            put(what)

    def run() -> None:
        put: Callable[[Any], None]
        what: Any
        try:
            put, what = answer.set_result, look()
        except Exception as error:
            put, what = answer.set_exception, error
        if not loop.is_closed():
            loop.call_soon_threadsafe(told, put, what)

    threading.Thread(target=run, daemon=True).start()
    async with asyncio.timeout(seconds):
        return await answer


def disk(data: Path) -> Disk:
    """Raises OSError."""
    here = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    space = shutil.disk_usage(here)
    if not data.exists():
        return Disk(free=space.free, total=space.total)
    orders = data / "redis"
    held = orders.exists()
    closed = not held or not data.stat().st_mode & 0o011  # who can't enter the outer folder can't reach the inner one
    mode = 0o700 if closed else orders.stat().st_mode & 0o777
    begun = held and (data / "engine.json").exists()
    try:
        sync = statistics.median(_synced(data) for _ in range(3))
    except OSError as error:
        return Disk(free=space.free, total=space.total, wrong=error.strerror or "no reason", mode=mode, begun=begun)
    return Disk(free=space.free, total=space.total, sync=sync, mode=mode, begun=begun)


def _synced(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(BLOCK))
        file.flush()
        began = time.perf_counter()
        os.fsync(file.fileno())
        return time.perf_counter() - began


def secrets_seen(path: Path) -> bool:
    """Does the file hold secrets, and may every user of this machine read it? Raises OSError."""
    return bool(path.stat().st_mode & 0o004) and _holds(tomllib.loads(path.read_text("utf-8")))


def _holds(value: Any, name: str = "") -> bool:
    if isinstance(value, dict):
        return any(_holds(one, key) for key, one in value.items())
    if isinstance(value, list):
        return any(_holds(one) for one in value)
    secret = name.endswith(("secret", "_token", "_auth", "_key")) or (name == "redis_url" and "@" in str(value))
    return secret and bool(value)


def readiness(host: str, port: int) -> tuple[int, str]:
    """What /readyz of the server says: the status (0: nobody listens) and the body. Raises OSError, HTTPException."""
    line = http.client.HTTPConnection(_near(host), port, timeout=WITHIN)
    try:
        line.request("GET", "/readyz")
        answer = line.getresponse()
        return answer.status, answer.read(10_000).decode("utf-8", "replace")
    except ConnectionRefusedError:
        return 0, ""
    finally:
        line.close()


def _near(host: str) -> str:
    """Who listens on every address listens on this machine's own as well."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def hosts(url: str) -> list[tuple[str, int]]:
    """Whom an address leads to; nobody for a socket of this machine. Of several (Sentinels), one is enough."""
    parts = urlsplit(url)
    found = []
    for said in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{said}")
        if one.hostname:
            found.append((one.hostname, one.port or PORTS.get(parts.scheme, 443)))
    return found


def reach(url: str) -> str:
    """Why none of an address's hosts takes a connection; "" where one does."""
    wrong = ""
    for host, port in hosts(url):
        try:
            socket.create_connection((host, port), WITHIN).close()
            return ""
        except socket.gaierror:
            wrong = "no such host is known"
        except TimeoutError:
            wrong = f"no answer within {WITHIN:.0f} s"
        except OSError as error:
            wrong = (error.strerror or "no connection").lower()
    return wrong


async def reached(url: str) -> str:
    try:
        return await apart(lambda: reach(url), WITHIN + 0.5)
    except TimeoutError:
        return f"no answer within {WITHIN:.0f} s"
    except ValueError:
        return "it is no address"
