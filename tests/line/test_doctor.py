"""`orderboard doctor` as anyone runs it: beside a server or alone, on real data, with real things broken."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import redis
from rig import SECRET, TOKEN, Shop, free_port, housed, settings_of

from app.cli import doctor
from app.cli.doctor import probes
from app.main import House
from app.orders import OrderEvent
from app.store.feeds import Heard
from app.store.outbox import DEAD
from app.store.people import User
from app.store.quarantine import Kept
from app.web.staff import HASHER

pytestmark = pytest.mark.anyio

ENDS_WITHIN = 60.0  # seconds, on a machine that does much else; its own times add up to less than 15
HASH = HASHER.hash("a long enough password")
STORE = """
[[stores]]
id = "68"
name = "Shop"
timezone = "UTC"
phone = "+1 555 0100"
"""
LOLA = f"""
[[sources]]
id = "lola"
provider = "lolamarket"
secret = "{SECRET}"
store = "68"
"""


class Said(NamedTuple):
    """How it ended, and what it printed: the words by kind and name, and all of it."""

    code: int
    lines: dict[str, str]
    text: str

    @property
    def wrong(self) -> dict[str, str]:
        return {what: words for what, words in self.lines.items() if words.startswith("look")}


def ask(config: Path, **environ: str) -> Said:
    words = [sys.executable, "-m", "app.cli", "--config", str(config), "doctor"]
    env = {**os.environ, **environ}
    ran = subprocess.run(words, env=env, capture_output=True, text=True, timeout=ENDS_WITHIN, check=False)
    assert "Traceback" not in ran.stdout + ran.stderr
    *lines, last = ran.stdout.splitlines()
    found = {}
    for line in lines:
        level, kind, words_ = line.split(None, 2)
        name = f"{kind} {words_.partition(':')[0]}" if kind in ("store", "source") else kind
        found[name] = f"{level} {words_}"
    assert last == ("All is well." if ran.returncode == 0 else last)
    assert not any(secret in ran.stdout for secret in (SECRET, TOKEN, HASH, "mara", "555 0100"))
    return Said(ran.returncode, found, ran.stdout)


class Place(NamedTuple):
    """A config beside a Redis whose every write is on disk, with an account for store 68. No server runs."""

    url: str
    folder: Path

    def ask(self, more: str = "", url: str = "") -> Said:
        config = self.folder / "orderboard.toml"
        server = f'[server]\nport = {free_port()}\nredis_url = "{url or self.url}"\ndata_dir = "{self.folder}"\n'
        config.write_text(f'{server}api_token = "{TOKEN}"\n{STORE}{more}')
        config.chmod(0o600)
        return ask(config)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)


@pytest.fixture
async def place(redis_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("appendfsync", "always")
        client.config_set("appendonly", "yes")
        async with housed(redis_url) as house:
            await house.site.people.save(User("mara", "manager", ("68",), HASH))
        yield Place(redis_url, tmp_path)
        client.config_set("appendonly", "no")


@contextlib.asynccontextmanager
async def house_of(place: Place) -> AsyncIterator[House]:
    async with housed(place.url, settings_of()) as house:
        yield house


async def test_all_is_well(place: Place) -> None:
    said = place.ask(LOLA)
    assert said.code == 0, said.text
    assert said.text.endswith("\nAll is well.\n")
    assert said.lines["redis"].startswith("ok Valkey 9.")
    assert "every write on disk" in said.lines["redis"]
    assert said.lines["server"].startswith("note none runs")
    assert "1 account may sign in" in said.lines["store 68"]
    assert "nothing was ever heard of it" in said.lines["source lola"]


async def test_it_changes_nothing(place: Place) -> None:
    def all_of(client: redis.Redis) -> dict[bytes, Any]:
        return {key: client.dump(key) for key in client.scan_iter()}

    with place.client() as client:
        place.folder.joinpath("kept").touch()
        was, files = all_of(client), {"kept", "orderboard.toml"}
        place.ask(LOLA)
        assert was == all_of(client) != {}
        assert {path.name for path in place.folder.iterdir()} == files


async def test_a_redis_that_has_ended(place: Place) -> None:
    said = place.ask(LOLA, url=f"redis://127.0.0.1:{free_port()}")
    assert said.code == 1
    assert said.wrong == {
        "redis": "look it takes no connection (connection refused): see that it runs, and check redis_url"
    }
    assert "could not be looked at" in said.lines["store 68"]


async def test_a_redis_that_does_not_answer(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = place.ask(LOLA, url=f"redis://127.0.0.1:{mute.getsockname()[1]}")
    assert said.code == 1
    assert "it does not answer" in said.wrong["redis"]


async def test_writes_that_may_be_lost(place: Place) -> None:
    with place.client() as client:
        client.config_set("appendfsync", "everysec")
    said = place.ask(LOLA)
    assert said.code == 1
    assert "appendfsync is everysec" in said.wrong["redis"]
    with place.client() as client:
        client.config_set("appendonly", "no")
    assert "appendonly is off" in place.ask(LOLA).wrong["redis"]


@pytest.mark.parametrize(
    ("rules", "password", "words"),
    [
        ("-config", "right", "note appendfsync can't be told"),
        ("-info", "right", "look its ACL forbids"),
        ("", "wrong", "look it refuses the user or the password"),
    ],
)
async def test_a_redis_that_keeps_to_itself(place: Place, rules: str, password: str, words: str) -> None:
    with place.client() as client:
        client.execute_command("ACL", "SETUSER", "little", "on", ">right", "~*", "&*", "+@all", *rules.split())
        said = place.ask(LOLA, url=place.url.replace("unix://", f"unix://little:{password}@"))
        client.execute_command("ACL", "DELUSER", "little")
    assert said.lines["redis"].startswith(words)
    assert said.code == words.startswith("look")


async def test_a_source_that_has_fallen_silent(place: Place) -> None:
    async with house_of(place) as house:
        at = time.time() - 30 * 300 - 7200
        for number in range(31):
            await house.site.feeds.heard("lola", Heard(at + 300 * number, at + 300 * number))
    said = place.ask(LOLA)
    assert said.code == 1
    assert "nothing heard for 2 h 0 min, usually every 5 min: ask Lolamarket" in said.wrong["source lola"]


async def test_what_waits_in_quarantine(place: Place) -> None:
    def kept(heard: float) -> Kept:
        return Kept("lola", "unreadable", "no JSON", heard, "POST", "", b"", repr(heard).encode())

    async with house_of(place) as house:
        await house.site.quarantine.keep(kept(time.time() - 100_000))
        said = place.ask(LOLA)
        assert said.code == 0
        assert "1 in quarantine, none of the last day" in said.lines["source lola"]
        await house.site.quarantine.keep(kept(time.time()))
    said = place.ask(LOLA)
    assert said.code == 1
    assert "1 of 2 in quarantine came in the last day" in said.wrong["source lola"]


async def test_a_store_without_an_account(place: Place) -> None:
    said = place.ask('[[stores]]\nid = "7"\nname = "Other"\ntimezone = "UTC"\n')
    assert said.code == 1
    assert list(said.wrong) == ["store 7"]
    assert "user add NAME --role manager --store 7" in said.wrong["store 7"]


async def test_an_account_that_is_disabled_counts_for_nothing(place: Place) -> None:
    async with house_of(place) as house:
        await house.site.people.change("mara", disabled=True)
    assert "nobody may sign in" in place.ask().wrong["store 68"]


async def test_a_base_url_that_takes_no_connection(place: Place) -> None:
    keys = 'client_id = "me"\nclient_secret = "k"\n'
    said = place.ask(f'{LOLA}{keys}base_url = "http://127.0.0.1:{free_port()}"\n')
    assert said.code == 1
    assert "base_url takes no connection (connection refused)" in said.wrong["source lola"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert place.ask(f'{LOLA}{keys}base_url = "http://127.0.0.1:{other.getsockname()[1]}"\n').code == 0


def order(ref: str, store: str | None, heard: float, *flags: str) -> OrderEvent:
    return OrderEvent(
        source="lola", provider="lolamarket", ref=ref, name="new", digest=ref, policy="event_time", heard=heard,
        store=store, stage="preparing", fulfilment="pickup", flags=flags,
    )  # fmt: skip


async def test_open_orders_are_counted(place: Place) -> None:
    async with house_of(place) as house:
        now = time.time()
        for ref, store, *flags in (("a", "68"), ("b", "68", "customer_missing"), ("c", None)):
            await house.site.intake.take(order(ref, store, now, *flags))
        screens = [(await house.site.screens.make("68", "tv", now))[0].id for _ in range(2)]
        await house.site.screens.saw(screens[:1], now)
    said = place.ask(LOLA)
    assert "2 open orders, 1 in Now, 2 screens (1 on)" in said.lines["store 68"]
    assert "1 open order of no store" in said.wrong["store none"]


async def test_what_is_to_be_asked_and_what_was_given_up(place: Place) -> None:
    async with house_of(place) as house:
        now = time.time()
        await house.site.intake.take(order("a", "68", now))
        await house.site.follows.follow("lola", "lola:a", b"", now)
        effect = msgspec.msgpack.encode(("arrival", "lola:a", now))
        await house.site.outbox.every(("HSET", "ob:out:k", "e", effect), ("ZADD", DEAD, now, "k"))
    said = place.ask(LOLA)
    assert said.code == 1
    assert "1 call needs a person: see /admin/feeds" in said.wrong["source lola"]
    assert "1 order followed" in said.wrong["source lola"]


async def test_data_of_another_version_is_told_of(place: Place) -> None:
    with place.client() as client:
        client.set("ob:user:mara", b"\xc1")
    said = place.ask(LOLA)
    assert said.code == 1
    assert "what it holds can't be read" in said.wrong["redis"]


async def test_a_config_that_is_wrong(place: Place) -> None:
    said = place.ask('[[sources]]\nid = "x"\nprovider = "jane"\nsecret = "short"\n')
    assert said.code == 1
    assert said.lines == {"config": "look Config: sources.x.secret must be 24 characters or more."}
    assert "can't be read (Is a directory)" in ask(place.folder).wrong["config"]
    assert "There is no config file" in ask(place.folder / "none.toml").wrong["config"]


def test_a_disk_or_a_resolver_that_hangs_holds_nobody_up() -> None:
    """A thread of the loop's own would be waited for at the end."""
    hangs = f"uvloop.run(apart(lambda: time.sleep({10 * ENDS_WITHIN}), 0.1))"
    words = [sys.executable, "-c", f"import time, uvloop; from app.cli.doctor.probes import apart; {hangs}"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=ENDS_WITHIN, check=False)
    assert "TimeoutError" in ran.stderr


def test_all_its_times_are_over_within_fifteen_seconds() -> None:
    """The disk, then Redis; beside them the server, and the order systems."""
    looks = (probes.WITHIN + doctor.STARTED_WITHIN, 2 * probes.WITHIN + 1, probes.WITHIN + 0.5)
    assert max(looks) + 2 <= 15  # two for Python itself


async def test_a_port_that_is_somebody_elses(place: Place) -> None:
    config = place.folder / "orderboard.toml"
    place.ask(LOLA)
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = ask(config, ORDERBOARD_PORT=str(other.getsockname()[1]))
    assert "does not answer" in said.wrong["server"]


# ---- beside a server on its own Redis, then alone ----


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.config.chmod(0o600)
    said = ask(made.config)
    assert said.lines["redis"].startswith("note its own one, which has never run")
    assert not (tmp_path / "data").exists()
    made.start()
    yield made
    assert made.process is not None
    if made.process.poll() is None:
        made.process.kill()


async def test_beside_a_server(shop: Shop) -> None:
    await shop.ready()
    shop.command("user", "add", "mara", "--role", "admin", "--password-stdin", said="a long enough password\n")
    said = ask(shop.config)
    assert said.code == 0, said.text
    assert said.lines["server"] == f"ok runs at 127.0.0.1:{shop.port}, 1 worker"
    assert "on a private socket" in said.lines["redis"]
    assert said.lines["clock"].startswith("ok")
    for folder in (shop.folder / "data", shop.folder / "data" / "redis"):
        folder.chmod(0o755)
    assert "other users of this machine" in ask(shop.config).wrong["disk"]
    shop.stop()
    alone = ask(shop.config)
    assert alone.lines["redis"].startswith("ok Valkey")
    assert alone.lines["server"].startswith("note none runs")
    assert "1 account may sign in" in alone.lines["store 68"]


async def test_a_frozen_redis_beside_a_server(shop: Shop) -> None:
    await shop.ready()
    server = json.loads((shop.folder / "data" / "server.json").read_text())["pid"]
    os.kill(server, signal.SIGSTOP)
    try:
        said = ask(shop.config)
    finally:
        os.kill(server, signal.SIGCONT)
    assert said.code == 1
    assert "the running server's own one does not answer" in said.wrong["redis"]
    assert "can't do its work" in said.wrong["server"]
    shop.stop()
