"""Several workers: a small parent that starts Redis, then the workers on one listening socket, and stops Redis last."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
import time
from typing import Final

import structlog
from prometheus_client.multiprocess import mark_process_dead

from app import main
from app.errors import Fatal
from app.settings import Settings

log = structlog.get_logger()

SOCKET: Final = "ORDERBOARD_WORKER_SOCKET"  # tells a process that it is a worker, and the number of its socket
FIGURES: Final = "PROMETHEUS_MULTIPROC_DIR"  # where the workers' figures are added up
STOP_WITHIN: Final = 4.5  # seconds until a worker that won't stop is killed


def inherited() -> socket.socket | None:
    """The shared socket, in a worker."""
    number = os.environ.get(SOCKET)
    return None if number is None else socket.socket(fileno=int(number))


async def run(settings: Settings) -> None:
    """Until SIGINT or SIGTERM; a worker that dies is replaced."""
    async with main.backed(settings) as url:
        with listening(settings) as shared, tempfile.TemporaryDirectory(prefix="orderboard") as figures:
            os.environ[FIGURES] = figures
            shared.set_inheritable(True)
            environ = {**os.environ, SOCKET: str(shared.fileno()), "ORDERBOARD_REDIS_URL": url}
            stopping = asyncio.Event()
            for name in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(name, stopping.set)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(settings.server.workers):
                    tasks.create_task(_worker(environ, shared.fileno(), stopping))


def listening(settings: Settings) -> socket.socket:
    server = settings.server
    made = socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it only on sockets it made itself
    try:
        made.bind((server.host, server.port))
    except OSError as error:
        made.close()
        raise Fatal(f"Port {server.port} of {server.host} can't be had ({error.strerror}). Set server.port.") from None
    made.listen(2048)
    made.setblocking(False)
    return made


async def _worker(environ: dict[str, str], number: int, stopping: asyncio.Event) -> None:
    pause = 0.2
    while not stopping.is_set():
        began = time.monotonic()
        try:
            code: int | str | None = await _life(environ, number, stopping)
        except OSError as error:  # no more processes or files for now: the others work on
            code = error.strerror
        if not stopping.is_set():
            pause = 0.2 if time.monotonic() - began > 30 else min(pause * 2, 5.0)
            log.warning("a worker has ended", code=code, again_in=pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stopping.wait()


async def _life(environ: dict[str, str], number: int, stopping: asyncio.Event) -> int | None:
    """One worker's, to its end or ours; its exit code."""
    words = [sys.executable, "-m", "app.cli", *sys.argv[1:]]
    child = await asyncio.create_subprocess_exec(*words, env=environ, pass_fds=(number,), start_new_session=True)
    ended = asyncio.create_task(child.wait())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not ended.done():
        child.terminate()
        await asyncio.wait((ended,), timeout=STOP_WITHIN)
    if not ended.done():
        child.kill()
    await ended
    mark_process_dead(child.pid)  # type: ignore[no-untyped-call]
    return child.returncode
