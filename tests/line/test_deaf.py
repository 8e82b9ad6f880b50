"""A line to Redis on which nothing comes any more, and nobody says so: a firewall forgot it, or the machine is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from rig import free_port

from app.errors import Away
from app.store import pulse
from app.store.clients import commands, listening
from app.store.control import Control
from app.store.orders import Orders
from app.store.positions import Positions, Said
from app.trips import Fix

pytestmark = pytest.mark.anyio

WAIT = 30.0


class Hole:
    """A way to Redis that can be told to swallow what comes on the lines that are open, or on new ones too."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.port = free_port()
        self.lines: list[asyncio.Event] = []  # set: it swallows
        self.always = False
        self.pumps: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def swallow(self) -> None:
        for line in self.lines:
            line.set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.Event()
        self.lines.append(line)
        if self.always:
            line.set()
        inner, outer = await asyncio.open_unix_connection(self.path)
        for pump in (self.pump(line, reader, outer), self.pump(line, inner, writer)):
            self.pumps.append(asyncio.create_task(pump))

    async def pump(self, line: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(65_536):
                    if not line.is_set():
                        writer.write(piece)
        finally:
            writer.close()


@pytest.fixture
async def hole(redis_url: str) -> AsyncIterator[Hole]:
    made = Hole(redis_url.removeprefix("unix://"))
    server = await asyncio.start_server(made.take, "127.0.0.1", made.port)
    yield made
    server.close()
    for task in made.pumps:
        task.cancel()
    await asyncio.gather(*made.pumps, return_exceptions=True)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with commands(redis_url) as made:
        yield made


@pytest.fixture
async def listener(hole: Hole) -> AsyncIterator[Redis]:
    async with listening(hole.url) as made:
        yield made


async def changes(client: Redis, listener: Redis) -> AsyncIterator[object]:
    orders = Orders(client, client, listener)
    try:
        await orders.listen("68")
        async for message in orders.changes():
            yield message
    finally:
        await orders.close()


async def positions(client: Redis, listener: Redis) -> AsyncIterator[object]:
    places = Positions(client, listener)
    try:
        async for said in places.said():
            yield said
    finally:
        await places.close()


async def notices(client: Redis, listener: Redis) -> AsyncIterator[object]:
    async with aclosing(Control(client, listener).hear()) as heard:
        async for notice in heard:
            if notice.number:
                yield notice


SAID = [
    pytest.param(changes, "ob:c:68", "node 1 1 jane-68:a", id="changes"),
    pytest.param(
        positions,
        "ob:p:-",
        msgspec.json.encode(Said("-", "jane-68:a", Fix(1.0, 1.0, 1.0))).decode(),
        id="positions",
    ),
    pytest.param(notices, "ob:control", "1 user sam", id="control"),
]


@pytest.mark.parametrize(("line", "channel", "word"), SAID)
async def test_a_line_that_died_without_a_word_is_made_anew(
    hole: Hole, client: Redis, listener: Redis, monkeypatch: pytest.MonkeyPatch, line: Any, channel: str, word: str
) -> None:
    monkeypatch.setattr(pulse, "QUIET", 0.3)
    heard = asyncio.Event()

    async def listen() -> None:
        while True:
            with contextlib.suppress(Exception):  # as those who listen do: whatever it was, they begin anew
                async with aclosing(line(client, listener)) as words:
                    async for _ in words:
                        heard.set()
            await asyncio.sleep(0.05)

    async def until_heard() -> None:
        heard.clear()
        async with asyncio.timeout(WAIT):
            while not heard.is_set():
                await client.publish(channel, word)
                await asyncio.sleep(0.05)

    task = asyncio.create_task(listen())
    await until_heard()
    hole.swallow()
    await asyncio.sleep(0.1)
    await until_heard()
    task.cancel()
    await asyncio.wait([task])


async def test_a_silent_line_that_lives_is_kept(
    hole: Hole, client: Redis, listener: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "QUIET", 0.3)
    async with aclosing(notices(client, listener)) as words:
        waiting = asyncio.ensure_future(anext(words))
        await asyncio.sleep(2.0)
        assert len(hole.lines) == 1
        await client.publish("ob:control", "1 user sam")
        async with asyncio.timeout(WAIT):
            await waiting


async def test_to_listen_gives_up_where_nobody_answers(hole: Hole, client: Redis, listener: Redis) -> None:
    """Who joins waits for it, and others for them."""
    orders = Orders(client, client, listener)
    hole.always = True
    async with asyncio.timeout(WAIT):
        with pytest.raises(Away):
            await orders.listen("68")
    await orders.close()
