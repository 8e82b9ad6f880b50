"""How the feeds are: counted here as things happen, told to Redis once a second, so that no event waits for it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from app.errors import Away
from app.orders import OrderEvent
from app.services.gate import Gate
from app.store.feeds import Feed, Feeds, Heard

log = structlog.get_logger()

TELL: Final = 1.0  # seconds
LOOK: Final = 5  # every so many seconds the feeds of all nodes are looked at


class Polls:
    """A source's polls since the last time they were told."""

    def __init__(self) -> None:
        self.polls = 0
        self.errors = 0
        self.error: tuple[str, float] | None = None


class Watch:
    """`feeds` is what all nodes together know of each source, some seconds old; `silent` the sources that are."""

    def __init__(self, sources: list[str], gates: Mapping[str, Gate], feeds: Feeds, clock: Callable[[], float]) -> None:
        self._sources = sources
        self._gates = gates
        self._store = feeds
        self._clock = clock
        self._heard: dict[str, Heard] = {}
        self._polls: dict[str, Polls] = {}
        self._told: dict[str, str] = {}
        self.feeds: dict[str, Feed] = {}
        self.silent: frozenset[str] = frozenset()
        self.changed: Callable[[], None] = _nobody

    def noted(self, event: OrderEvent) -> None:
        """An order system has pushed something."""
        held = self._heard.get(event.source)
        if held is None:
            self._heard[event.source] = Heard(event.heard, event.heard)
        else:
            held.add(event.heard)

    def polled(self, source: str, error: str | None) -> None:
        held = self._polls.setdefault(source, Polls())
        held.polls += 1
        if error is not None:
            held.errors += 1
            held.error = (error[:300], self._clock())

    async def run(self) -> None:
        turn = 0
        while True:
            try:
                await self.tell()
                if turn % LOOK == 0:
                    await self.look()
                turn += 1
            except Away as error:
                log.warning("the feeds could not be told", why=str(error))
            await asyncio.sleep(TELL)

    async def tell(self) -> None:
        """What was heard since the last time. Should Redis be away, it is told later; a crash loses a second of it."""
        for source in list(self._heard):
            held = self._heard.pop(source)
            try:
                await self._store.heard(source, held)
            except Away:
                self._merge(source, held)
                raise
        for source in list(self._polls):
            polls = self._polls.pop(source)
            await self._store.polled(source, polls.polls, polls.errors, polls.error, self._clock())
        for source, gate in self._gates.items():
            if self._told.get(source, "closed") != gate.state:
                await self._store.breaker(source, gate.state)
                self._told[source] = gate.state

    def _merge(self, source: str, held: Heard) -> None:
        """Puts back what could not be told, before what was heard meanwhile."""
        newer = self._heard.get(source)
        self._heard[source] = held
        if newer is not None:
            held.add(newer.first)
            held.gaps += newer.gaps
            held.events += newer.events - 1
            held.last = max(held.last, newer.last)

    async def look(self) -> None:
        """Reads what all nodes have heard; says so where a feed has fallen silent or speaks again."""
        self.feeds = await self._store.read(self._sources)
        now = self._clock()
        silent = frozenset(source for source, feed in self.feeds.items() if feed.silent(now))
        if silent != self.silent:
            for source in silent - self.silent:
                log.warning("a feed is silent", source=source)
            for source in self.silent - silent:
                log.info("a feed speaks again", source=source)
            self.silent = silent
            self.changed()


def _nobody() -> None:
    """Nobody asked to be told."""
