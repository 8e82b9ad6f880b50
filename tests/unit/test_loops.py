"""Background loops end when they are told to, whatever goes wrong on their way out."""

import asyncio
import contextlib

import pytest

from app.main import _ended, _kept
from app.store.ask import Ask
from app.store.clients import commands

pytestmark = pytest.mark.anyio


async def stumbles() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise RuntimeError("on the way out") from None


async def grouped() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stumbles())


@pytest.mark.parametrize("run", [stumbles, grouped])
async def test_a_loop_that_fails_while_it_is_ended_ends(run: object) -> None:
    task = asyncio.create_task(_kept(run))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done


async def test_a_lost_cancellation_is_said_again() -> None:
    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await _ended([task])
    assert task.cancelled()


@pytest.mark.parametrize("way", ["one", "many"])
async def test_a_command_never_swallows_a_cancellation(redis_url: str, way: str) -> None:
    """At whichever turn of the loop it comes. A task group hands it on once: a loop that missed it runs for ever."""
    async with commands(redis_url) as client:
        ask = Ask(client)

        async def asks() -> None:
            while True:
                await (ask.ask("PING") if way == "one" else ask.every(("PING",), ("PING",)))

        for turns in range(60):
            task = asyncio.create_task(asks())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=5)
            await _ended([task])
            assert done, f"a cancellation after {turns} turns of the loop was lost"
