"""Is a line that only listens still there? One that died without a word (a firewall forgot it, a machine is gone) looks
like one on which nothing is said. So it is asked when it has been silent, and cut where it stays so: whoever reads it
hears that as any other loss, and begins anew."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.asyncio.client import PubSub

from app.store.clients import FAILURES, LIMIT, away

QUIET: Final = 5.0  # seconds of silence until it is asked, and again until it is cut
CHANNEL: Final = "ob:pulse"  # nothing is ever said on it; that it is listened to is the answer


class Pulse:
    """`heard` is raised by whoever reads the line, with each word of any kind."""

    def __init__(self) -> None:
        self.heard = 0

    async def watch(self, line: PubSub) -> None:
        while True:
            before = self.heard
            await asyncio.sleep(QUIET)
            if self.heard == before:
                await self._ask(line)

    async def _ask(self, line: PubSub) -> None:
        before = self.heard
        try:
            await line.subscribe(CHANNEL)
            await asyncio.sleep(QUIET)
            if self.heard == before and line.connection is not None:
                await line.connection.disconnect(nowait=True)
        except FAILURES:
            pass  # who reads it hears of that as well


async def subscribe(line: PubSub, channel: str) -> None:
    """Raises Away, also where a new connection is made to somebody who never says a word."""
    try:
        async with asyncio.timeout(LIMIT):
            await line.subscribe(channel)
    except FAILURES as error:
        raise away(error) from error


@contextmanager
def pulse(line: PubSub) -> Iterator[Pulse]:
    made = Pulse()
    task = asyncio.get_running_loop().create_task(made.watch(line))
    try:
        yield made
    finally:
        task.cancel()
