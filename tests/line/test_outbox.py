"""Calls to order systems: each once under its key, over restarts and lost answers, and what a person must see."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from beside import settings, until, working
from redis.asyncio import Redis
from rig import housed

from app.main import House
from app.orders import OrderEvent, Step
from app.store.outbox import DEAD, Note, Outgoing

pytestmark = pytest.mark.anyio


class Jane:
    """Takes check-ins on a port of its own, and answers each as `script` says: a status, or None for silence."""

    def __init__(self, *script: int | None) -> None:
        self.script = list(script)
        self.keys: list[str] = []
        self.base = ""

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator["Jane"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        self.keys += [line.partition(": ")[2] for line in head.split("\r\n") if line.startswith("idempotency-key")]
        status = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if status is not None:
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()
        await writer.wait_closed()


async def check_in(house: House, ref: str = "a1") -> str:
    """A customer of a pickup order says that they are here."""
    common: Any = {"source": "jane", "provider": "jane", "ref": ref, "policy": "local", "heard": time.time()}
    await house.site.intake.take(
        OrderEvent(name="new", digest=f"n{ref}", stage="ready", fulfilment="curbside", store="68", **common)
    )
    for _ in range(2):
        await house.site.intake.take(OrderEvent(name="here", digest="", arrival=Step("here"), **common))
    return f"jane:{ref}"


async def state(house: House, key: str, *wanted: str) -> Outgoing | None:
    calls = await house.site.outbox.of(key)
    return next((call for call in calls if call.note.state in wanted), None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.outbox.DELAYS", (0.1, 0.1, 0.1))


async def told(house: House, key: str, *wanted: str) -> Outgoing:
    found: Outgoing = await until(lambda: state(house, key, *wanted), " or ".join(wanted))
    return found


async def test_a_check_in_is_told_once(redis_url: str) -> None:
    async with Jane(200).serve() as jane, working(redis_url, settings(jane.base), "caller") as house:
        key = await check_in(house)
        call = await told(house, key, "done")
        await asyncio.sleep(1.2)
        assert jane.keys == [f"{key}:arrived"]
        assert (call.kind, call.note.tries) == ("arrived", 1)
        assert await house.site.outbox.dead(10) == []


async def test_it_is_tried_again_under_the_same_key(redis_url: str) -> None:
    async with Jane(500, 503, 200).serve() as jane, working(redis_url, settings(jane.base), "caller") as house:
        key = await check_in(house)
        call = await told(house, key, "done")
        assert jane.keys == [f"{key}:arrived"] * 3
        assert call.note.tries == 3


@pytest.mark.parametrize(("status", "word"), [(404, "order"), (409, "check-in"), (422, "check-in")])
async def test_a_refusal_is_for_people(redis_url: str, status: int, word: str) -> None:
    async with Jane(status).serve() as jane, working(redis_url, settings(jane.base), "caller") as house:
        key = await check_in(house)
        call = await told(house, key, "refused")
        assert word in call.note.words
        assert len(jane.keys) == 1
        assert [one.key for one in await house.site.outbox.dead(10)] == [call.key]


async def test_a_lost_answer_is_not_asked_for_again(redis_url: str) -> None:
    async with Jane(None).serve() as jane, working(redis_url, settings(jane.base), "caller") as house:
        key = await check_in(house)
        call = await told(house, key, "dead")
        await asyncio.sleep(1.2)
        assert len(jane.keys) == 1
        assert "Jane" in call.note.words
        jane.script = [200]
        assert await house.site.outbox.replay(call.key, time.time())
        await told(house, key, "done")
        assert jane.keys == [call.key] * 2
        assert await house.site.outbox.dead(10) == []


async def test_a_closed_door_is_knocked_at_again(redis_url: str) -> None:
    """Nothing was sent, so nothing is in doubt: all tries are made, then a person is asked."""
    async with Jane(200).serve() as jane:
        pass
    async with working(redis_url, settings(jane.base), "caller") as house:
        key = await check_in(house)
        call = await told(house, key, "dead")
        assert call.note.tries == 4
        assert "reached" in call.note.words


async def test_it_outlives_a_restart(redis_url: str) -> None:
    async with Jane(200).serve() as jane:
        async with working(redis_url, settings(jane.base)) as house:
            key = await check_in(house)
        for _ in range(2):
            async with working(redis_url, settings(jane.base), "caller", "caller") as house:
                await told(house, key, "done")
                await asyncio.sleep(0.7)
        assert jane.keys == [f"{key}:arrived"]


@pytest.mark.parametrize("begun", [True, False])
async def test_a_node_that_dies_with_a_call_in_hand(redis_url: str, begun: bool) -> None:
    """What it had not begun is made by another; what it had begun may have arrived, and a person decides."""
    async with Jane(200).serve() as jane, working(redis_url, settings(jane.base)) as dying:
        key = await check_in(dying)
        [call], _ = await dying.site.outbox.due(time.time(), 10)
        if begun:
            assert await dying.site.outbox.sending(call)
        async with working(redis_url, settings(jane.base), "caller") as house:
            await asyncio.sleep(0.7)
            assert not jane.keys, "it is still in the other's hand"
            assert await until(lambda: _over(house, key), "the takeover", 50.0) == ("dead" if begun else "done")
            assert len(jane.keys) == (0 if begun else 1)
            assert not await dying.site.outbox.over(call, call.note), "the dead node's word counts no more"


async def _over(house: House, key: str) -> str | None:
    call = await state(house, key, "dead", "done")
    return call.note.state if call else None


async def test_an_order_system_without_such_a_call(redis_url: str) -> None:
    async with working(redis_url, settings("http://127.0.0.1:9"), "caller") as house:
        common: Any = {"source": "urb", "provider": "urbit", "ref": "u", "policy": "local", "heard": time.time()}
        await house.site.intake.take(OrderEvent(name="new", digest="n", stage="placed", store="68", **common))
        await house.site.intake.take(OrderEvent(name="here", digest="", arrival=Step("here"), **common))
        call = await told(house, "urb:u", "done")
        assert "no such call" in call.note.words


async def test_a_refused_call_is_never_out_of_sight(redis_url: str) -> None:
    """Whoever reads that a call was refused finds it among those that need a person, at any moment."""
    seen = asyncio.Event()
    async with housed(redis_url) as house, Redis.from_url(redis_url) as other:
        outbox = house.site.outbox
        keys = [(await check_in(house, f"r{number}")) + ":arrived" for number in range(50)]

        async def look() -> None:
            while not seen.is_set():
                pipe = other.pipeline(transaction=True)
                for key in keys:
                    pipe.hget(outbox.prefix + key, "n")
                    pipe.zscore(DEAD, key)
                rows = await pipe.execute()
                notes = [note and msgspec.msgpack.decode(note, type=Note).state for note in rows[::2]]
                lost = [key for key, note, laid in zip(keys, notes, rows[1::2], strict=True) if note and laid is None]
                assert not lost

        looking = asyncio.create_task(look())
        due, _ = await outbox.due(time.time() + 3600, 50)
        for call in due:
            assert await outbox.over(call, Note(state="refused", tries=1, words="no", at=time.time()))
            assert not await outbox.over(call, Note(state="refused", at=time.time())), "it is nobody's any more"
        seen.set()
        await looking
        assert len(due) == len(await outbox.dead(100)) == 50
