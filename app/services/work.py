"""Everything that runs beside the web, built once."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from msgspec import Struct

from app.intake import Intake
from app.orders import OrderEvent
from app.providers.contract import Provider
from app.services.gate import Gate
from app.services.houses import Houses
from app.services.outbox import Caller
from app.services.poller import Poller
from app.services.replay import Replay
from app.services.retention import Retention
from app.services.sweep import Sweep
from app.services.ticker import Ticker
from app.services.tokens import Tokens
from app.services.watch import Watch
from app.settings import Settings
from app.store.erasing import Erasing
from app.store.feeds import Feeds
from app.store.follows import Follows
from app.store.grants import Grants
from app.store.orders import Orders
from app.store.outbox import Outbox
from app.store.paces import Paces
from app.store.positions import Positions
from app.store.quarantine import Quarantine
from app.store.rates import Rates

BATCH_ENDS: Final = 0.05  # seconds


class Shelves(Struct, frozen=True, kw_only=True):
    """The parts of the store that the work is done on."""

    orders: Orders
    quarantine: Quarantine
    follows: Follows
    outbox: Outbox
    feeds: Feeds
    positions: Positions
    rates: Rates
    grants: Grants
    paces: Paces
    erasing: Erasing


class Work:
    """`runs` are endless loops, for `main` to keep going; `close` ends what they have opened."""

    def __init__(
        self,
        settings: Settings,
        systems: Mapping[str, Provider],
        shelves: Shelves,
        intake: Intake,
        clock: Callable[[], float],
    ) -> None:
        sources = {source.id: (source, systems[source.provider]) for source in settings.sources.values()}
        self.gates = {name: Gate(source, shelves.rates, clock) for name, (source, _) in sources.items()}
        tokens = Tokens(shelves.grants)
        orders, follows = shelves.orders, shelves.follows
        self.watch = Watch(list(sources), self.gates, shelves.feeds, clock)
        self.poller = Poller(sources, self.gates, tokens, follows, shelves.positions, intake, self.watch, clock)
        self.sweep = Sweep(sources, orders, follows, self.watch, clock)
        self.caller = Caller(sources, self.gates, tokens, follows, orders, shelves.outbox, clock)
        self.ticker = Ticker(orders, intake, clock)
        self.replay = Replay(sources, orders, intake, shelves.quarantine, clock)
        self.houses = Houses(settings.stores, shelves.paces, orders, intake, clock)
        self.retention = Retention(shelves.erasing, settings.server.retention_days, clock)
        self.watch.changed = self.sweep.hurry
        intake.noted = self._noted
        intake.house, intake.ended = self.houses.of, self.houses.ended

    @property
    def runs(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        heard = self.poller.run, self.watch.run, self.sweep.run
        return *heard, self.caller.run, self.ticker.run, self.houses.run, self.retention.run

    def _noted(self, event: OrderEvent) -> None:
        self.watch.noted(event)
        self.poller.stir(event.key)

    async def close(self) -> None:
        """After the loops have been cancelled. A batch that is under way at the store has its moment to end: whoever
        closes the store under it would see it connect once more."""
        await asyncio.sleep(BATCH_ENDS)
        for gate in self.gates.values():
            gate.close()
