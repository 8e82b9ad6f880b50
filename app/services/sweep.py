"""Orders that should have been heard of: past their promise, or of a feed that has fallen silent, they are polled."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from app.errors import Away
from app.orders import Order, deadline
from app.providers.contract import Follow, Provider
from app.services.watch import Watch
from app.settings import Source
from app.store.follows import Follows
from app.store.orders import NOWHERE, Orders

log = structlog.get_logger()

EVERY: Final = 60  # seconds
PAST: Final = 600.0  # seconds after its promise, and after its last word, until an order is asked about
BATCH: Final = 200  # orders read at once

_ENCODE: Final = msgspec.msgpack.Encoder().encode


class Sweep:
    def __init__(
        self,
        sources: Mapping[str, tuple[Source, Provider]],
        orders: Orders,
        follows: Follows,
        watch: Watch,
        clock: Callable[[], float],
    ) -> None:
        self._sources = {
            name: pair for name, pair in sources.items() if pair[1].polling is not None and pair[0].base_url
        }
        self._orders = orders
        self._follows = follows
        self._watch = watch
        self._clock = clock
        self._now = asyncio.Event()

    def hurry(self) -> None:
        """A feed has fallen silent: look at once."""
        self._now.set()

    async def run(self) -> None:
        while True:
            try:
                if self._sources and await self._follows.sweeping(EVERY - 1 if not self._now.is_set() else 1):
                    self._now.clear()
                    await self.sweep()
            except Away as error:
                log.warning("the sweep waits for the store", why=str(error))
            try:
                async with asyncio.timeout(EVERY):
                    await self._now.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(1.0)

    async def sweep(self) -> int:
        """Looks through the open orders once. Answers how many it began to follow."""
        stores = {store for source, _ in self._sources.values() for store in source.stores} | {NOWHERE}
        begun = 0
        for store in sorted(stores):
            keys = [key for key in await self._orders.standing(store) if key.partition(":")[0] in self._sources]
            for start in range(0, len(keys), BATCH):
                begun += await self._through(keys[start : start + BATCH])
        return begun

    async def _through(self, keys: list[str]) -> int:
        known = await self._follows.known(keys)
        records = await self._orders.read(key for key in keys if key not in known)
        begun = 0
        for record in records.values():
            if self._quiet(record.order) and await self._begin(record.order):
                begun += 1
        return begun

    def _quiet(self, order: Order) -> bool:
        now, due = self._clock(), deadline(order)
        if order.end is not None:
            return False
        past = due is not None and now > due + PAST and now > max(order.heard, order.first) + PAST
        return past or order.source in self._watch.silent

    async def _begin(self, order: Order) -> bool:
        source, provider = self._sources[order.source]
        assert provider.polling is not None
        now = self._clock()
        follow = Follow(source=order.source, ref=order.ref, began=now, store=order.store)
        if not provider.polling.plan(source, follow, order, now) or not await self._follows.swept(order.key):
            return False
        return await self._follows.follow(order.source, order.key, _ENCODE(follow), now)
