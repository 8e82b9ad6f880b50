"""The real parts that tests run: the application in this process, or as its users run it."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from app import main, providers
from app.main import House
from app.settings import Settings, check

SECRET = "a-secret-of-twenty-four-characters"
TOKEN = "an-api-token-of-thirty-characters"
WAIT = 20.0  # seconds: far more than anything here takes
BEGUN = 120.0  # seconds for a process of its own to begin, on a machine that does much else


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_of(port: int = 8000, **server: Any) -> Settings:
    raw = {
        "server": {"port": port, "public_url": f"http://127.0.0.1:{port}", "api_token": TOKEN, **server},
        "stores": [
            {
                "id": "68",
                "name": "Jane's Shop",
                "timezone": "America/Los_Angeles",
                "bays": ["1", "2"],
                "currency": "USD",
            },
            {"id": "123", "name": "North", "timezone": "Europe/Madrid", "currency": "EUR"},
        ],
        "sources": [
            {"id": "aifi", "provider": "aifi", "secret": SECRET, "store_ids": {"0": "123"}},
            {"id": "jane-68", "provider": "jane", "secret": SECRET, "store": "68"},
            {
                "id": "lola",
                "provider": "lolamarket",
                "secret": SECRET,
                "store_ids": {"123": "123", "68": "68"},
                "bags_item": "98761",
            },
        ],
    }
    return check(raw, {}, {name: system.options for name, system in providers.load().items()})


class Served:
    """The application under uvicorn in a thread of its own, on the loop that the house was built in."""

    def __init__(self, settings: Settings, url: str, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.url = url
        self._clock = clock
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.house: House
        self.server: uvicorn.Server
        self.loop: asyncio.AbstractEventLoop

    @property
    def base(self) -> str:
        return self.settings.server.public_url

    @property
    def ws(self) -> str:
        return self.base.replace("http", "ws", 1)

    def start(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(BEGUN), "the server did not start"
        return self

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(WAIT)
        assert not self._thread.is_alive(), f"the server did not stop: {self._left()}"

    def _left(self) -> str:
        """What is still running, and where."""
        return "\n".join(
            f"{task.get_name()} {task.get_coro()} at "
            + " < ".join(f"{frame.f_code.co_filename}:{frame.f_lineno}" for frame in task.get_stack())
            for task in asyncio.all_tasks(self.loop)
        )

    def call(self, work: Any) -> Any:
        """Runs a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT)

    def _main(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.house = main.build(self.settings, self.url, self._clock)
        self.server = main.web(self.settings, self.house.front)
        task = asyncio.create_task(self.server.serve())
        while not self.server.started and not task.done():
            await asyncio.sleep(0.01)
        self._ready.set()
        await task


class Shop:
    """`orderboard serve` on its embedded Redis, as anyone would run it."""

    def __init__(self, folder: Path, server: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        self.config = folder / "orderboard.toml"
        self.config.write_text(
            f"""
            [server]
            port = {self.port}
            public_url = "http://localhost:{self.port}"
            data_dir = "{folder}/data"
            api_token = "{TOKEN}"
            {server}
            [[stores]]
            id = "68"
            name = "Shop"
            timezone = "UTC"
            phone = "+1 555 0100"
            bays = ["1", "2"]
            [[sources]]
            id = "jane-68"
            provider = "jane"
            secret = "{SECRET}"
            store = "68"
            [[sources]]
            id = "lola"
            provider = "lolamarket"
            secret = "{SECRET}"
            store = "68"
            """
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [sys.executable, "-m", "app.cli", "--config", str(self.config), "serve"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=log)

    def kill(self, victim: str) -> None:
        server = json.loads((self.folder / "data" / "server.json").read_text())["pid"]
        assert self.process is not None
        if victim in ("app", "both"):
            self.process.kill()
        if victim in ("redis", "both"):
            os.kill(server, signal.SIGKILL)
        if victim != "redis":
            self.process.wait(WAIT)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(WAIT) == 0
        finally:
            self.process.kill()  # if it is still there, it would be in the way of the next test
            self.process.wait(WAIT)

    @property
    def base(self) -> str:
        return f"http://localhost:{self.port}"

    async def ready(self) -> None:
        await asyncio.to_thread(self.wait)

    def wait(self) -> None:
        """Until it can do its work."""
        until = time.monotonic() + BEGUN
        while time.monotonic() < until:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{self.base}/readyz").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"not ready: {(self.folder / 'log').read_text()[-2000:]}")

    def command(self, *words: str, said: str = "") -> str:
        """A command beside the running server."""
        line = [sys.executable, "-m", "app.cli", "--config", str(self.config), *words]
        return subprocess.run(line, input=said, capture_output=True, text=True, check=True, timeout=BEGUN).stdout


@contextlib.asynccontextmanager
async def housed(url: str, settings: Settings | None = None) -> AsyncIterator[House]:
    """The application's parts without a web server."""
    house = main.build(settings or settings_of(), url)
    try:
        yield house
    finally:
        await house.site.orders.close()


def fresh_name() -> str:
    return secrets.token_hex(6)
