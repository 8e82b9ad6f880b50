"""Each store's ways: what the config says, and the pace that is learnt from what it has finished. In memory, for every
commit; what is learnt is shared through the store."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from msgspec.structs import replace

from app.errors import Away
from app.intake import Intake
from app.orders import AS_USUAL, PICKUPS, House, Order
from app.pace import kind, sample
from app.settings import Store
from app.store.orders import Orders
from app.store.paces import Paces

log = structlog.get_logger()

LOOK: Final = 15.0  # seconds between two looks at what is known
WAITING_MOST: Final = 1_000  # finished orders that wait to be learnt from


class Houses:
    def __init__(
        self, stores: Mapping[str, Store], paces: Paces, orders: Orders, intake: Intake, clock: Callable[[], float]
    ) -> None:
        self._paces = paces
        self._orders = orders
        self._intake = intake
        self._clock = clock
        self._plain = {store.id: _configured(store) for store in stores.values()}
        self._known = {(store, pickup): _odd(house) for store, house in self._plain.items() for pickup in (True, False)}
        self._ended: deque[Order] = deque(maxlen=WAITING_MOST)

    def of(self, order: Order) -> House | None:
        """The ways of an order's store; None where they are the usual ones."""
        return self._known.get((order.store or "", order.fulfilment in PICKUPS))

    def ended(self, order: Order) -> None:
        self._ended.append(order)

    async def run(self) -> None:
        settled = False
        while True:
            try:
                await self.look()
                settled = settled or await self.settle()
            except Away as error:
                log.warning("the stores' pace waits for the store", why=str(error))
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Learns from what has ended here, then takes over what all nodes have learnt."""
        while self._ended:
            order = self._ended[0]
            said = sample(order)
            if said is not None and order.store in self._plain:
                await self._paces.learn(order.store, kind(order), order.key, order.ended_at or 0.0, said)
            self._ended.popleft()
        for (store, name), pace in (await self._paces.read()).items():
            if (plain := self._plain.get(store)) is not None:
                self._known[store, name == "pickup"] = _odd(replace(plain, pace=pace if pace.learnt else plain.pace))

    async def settle(self) -> bool:
        """Where the config has changed, a store's open orders are reckoned and told again."""
        for store, house in self._plain.items():
            ways = "" if house == AS_USUAL else f"{house.shows} {house.opens}"
            if await self._paces.ways(store) != ways:
                for key in await self._orders.standing(store):
                    await self._intake.touch(key, self._clock())
                await self._paces.settled(store, ways)
        return True


def _configured(store: Store) -> House:
    shows = store.show_before * 60.0 if store.show_before else None
    return House(shows=shows, opens=store.checkin_before * 60.0)


def _odd(house: House) -> House | None:
    return None if house == AS_USUAL else house
