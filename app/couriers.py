"""Who is on the way, live: positions in, small frames out, for orders and boards that somebody watches on this node.

Nothing here is ever stored, numbered or in a ledger. A lost position is made good by the next.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import structlog
from msgspec import Struct

from app import trips
from app.errors import Away
from app.hub import Hub
from app.mailbox import Fragment
from app.orders import Order
from app.relay import Relay, moment
from app.render import Renderer
from app.render.trip import mark, place
from app.render.way import going
from app.settings import Store
from app.trips import Fix

log = structlog.get_logger()

BEAT: Final = 1.0  # seconds: a board is told this often at most; and so soon it shows that time has passed
AGAIN: Final = 15  # every so many beats a board is told though nothing is new, for who has just come back to it
FIXES: Final = 24  # the last so many of an order


class Said(Protocol):
    @property
    def store(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def position(self) -> Fix: ...


class Snapshot(Protocol):
    @property
    def orders(self) -> Sequence[Order]: ...


class Reads(Struct, frozen=True, kw_only=True):
    """What is needed of the store, as plain callables."""

    said: Callable[[], AsyncIterator[Said]]
    fixes: Callable[[Iterable[str]], Awaitable[Mapping[str, tuple[Fix, ...]]]]
    orders: Callable[[Iterable[str]], Awaitable[Mapping[str, Order]]]
    board: Callable[[str, float], Awaitable[Snapshot]]


class Couriers:
    def __init__(
        self,
        hub: Hub,
        relay: Relay,
        render: Renderer,
        stores: Mapping[str, Store],
        reads: Reads,
        clock: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._relay = relay
        self._render = render
        self._stores = stores
        self._reads = reads
        self._clock = clock
        self._fixes: dict[str, tuple[Fix, ...]] = {}  # order key → oldest first
        self._under_way: dict[str, Order] = {}  # whose pages are watched, as they were last shown
        self._told: dict[str, tuple[object, ...]] = {}  # what their pages said last
        self._boards: dict[str, set[str]] = {}  # watched store → keys of those on the way
        self._shown: dict[str, tuple[object, ...]] = {}  # what its boards were told last
        self._turn = 0
        relay.fixes, relay.look = self.of, self.look

    # ---- for the pages ----

    def of(self, order: Order) -> Sequence[Fix]:
        """Where the order's shopper was lately. Called with each new state that a watched page shows."""
        if not trips.delivering(order):
            self._forget(order.key)
            return ()
        self._under_way[order.key] = order
        return self._fixes.get(order.key, ())

    async def look(self, order: Order) -> None:
        """Reads what was said before anybody watched."""
        if trips.delivering(order) and order.key not in self._under_way:
            self._merge(await self._reads.fixes([order.key]))

    def _merge(self, read: Mapping[str, tuple[Fix, ...]]) -> None:
        for key, fixes in read.items():
            newer = [fix for fix in self._fixes.get(key, ()) if not fixes or fix.at > fixes[-1].at]
            self._fixes[key] = (*fixes, *newer)[-FIXES:]

    def _forget(self, key: str) -> None:
        self._under_way.pop(key, None)
        self._told.pop(key, None)
        if not any(key in keys for keys in self._boards.values()):
            self._fixes.pop(key, None)

    # ---- hearing ----

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear())
            tasks.create_task(self._beat())

    async def _hear(self) -> None:
        pause = 0.05
        while True:
            try:
                async for said in self._reads.said():
                    pause = 0.05
                    self.heard(said.store, said.key, said.position)
            except Exception as error:  # the link to Redis, whatever it was: the next position comes in seconds
                log.warning("positions lost", error=type(error).__name__, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def heard(self, store: str, key: str, fix: Fix) -> None:
        """A page is told at once, a board with the next beat. An older one than is known says nothing."""
        known, watched = self._fixes.get(key, ()), self._relay.tracked(key)
        if not fix.real or (known and fix.at <= known[-1].at) or not (watched or store in self._boards):
            return
        self._fixes[key] = (*known, fix)[-FIXES:]
        if store in self._boards:
            self._boards[store].add(key)
        if watched and key in self._under_way:
            self._show(key)

    def _show(self, key: str) -> None:
        order, now = self._under_way[key], self._clock()
        fixes = self._fixes.get(key, ())
        self._told[key] = self._said(order, fixes, now)
        self._relay.tell(key, partial(self._page, order, now, fixes))

    def _page(self, order: Order, now: float, fixes: Sequence[Fix], audience: str, lang: str) -> str:
        return self._render.trip(order, now, fixes, audience=audience, lang=lang)

    def _said(self, order: Order, fixes: Sequence[Fix], now: float) -> tuple[object, ...]:
        store = self._stores.get(order.store or "")
        trip = trips.trip(order, fixes, place(store) if store else None, now)
        return () if trip is None else mark(trip, now)

    # ---- every second ----

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            self._turn += 1
            self._age()
            try:
                await self._tell_boards()
            except Away as error:
                log.warning("the boards' maps wait for the store", why=str(error))

    def _age(self) -> None:
        """What was heard grows old: the range widens, a pin turns hollow, then it is not shown any more."""
        now = self._clock()
        for key, order in list(self._under_way.items()):
            if not self._relay.tracked(key):
                self._forget(key)
            elif self._said(order, self._fixes.get(key, ()), now) != self._told.get(key):
                self._show(key)
        for key in [key for key, fixes in self._fixes.items() if now - fixes[-1].at > trips.BASIS]:
            del self._fixes[key]

    async def _tell_boards(self) -> None:
        watched = [store for store in self._stores if self._relay.position(store) is not None]
        for store in [store for store in self._boards if store not in watched]:
            del self._boards[store]
            self._shown.pop(store, None)
        for store in watched:
            await self._tell_board(store)

    async def _tell_board(self, store: str) -> None:
        """Everybody on the way for a store, together. Orders are read anew, so that none is shown after its end."""
        now = self._clock()
        if store not in self._boards:
            await self._begin(store, now)
        keys = self._boards[store]
        orders = await self._reads.orders(sorted(keys)) if keys else {}
        under_way = going(self._stores[store], orders.values(), self._fixes, now)
        keys.intersection_update(key for key, order in orders.items() if trips.delivering(order))
        marks = tuple((order.rev, trip.fix and trip.fix.at, mark(trip, now)) for order, trip in under_way)
        position = self._relay.position(store)
        again = bool(keys) and self._turn % AGAIN == 0
        if position is not None and (marks != self._shown.get(store) or again):
            self._shown[store] = marks
            content = self._render.way(self._render.couriers(self._stores[store], under_way, now))
            self._hub.deliver(f"board:{store}", position, {"way": Fragment(moment(now), content)})

    async def _begin(self, store: str, now: float) -> None:
        """Only who was seen is looked after: most systems never say where anybody is."""
        snapshot = await self._reads.board(store, now)
        keys = self._boards[store] = set()  # from here on, what is heard counts
        try:
            found = await self._reads.fixes([order.key for order in snapshot.orders if trips.delivering(order)])
        except Away:
            del self._boards[store]
            raise
        self._merge(found)
        keys.update(found)
