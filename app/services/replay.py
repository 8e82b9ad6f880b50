"""A body from quarantine, tried again after a fix: read as it was then, by the code and the config of now."""

from collections.abc import Callable, Mapping
from typing import Final

from app.errors import NotUnderstood, Unreadable
from app.intake import Intake
from app.orders import OrderEvent
from app.providers.contract import Call, Provider
from app.settings import Source
from app.store.orders import Orders
from app.store.quarantine import Kept, Quarantine

PAGE: Final = 10_000


class Replay:
    def __init__(
        self,
        sources: Mapping[str, tuple[Source, Provider]],
        orders: Orders,
        intake: Intake,
        quarantine: Quarantine,
        clock: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._orders = orders
        self._intake = intake
        self._quarantine = quarantine
        self._clock = clock

    async def one(self, kept: Kept) -> str | None:
        """None where it worked, and the entry is gone; else what still stands in its way."""
        found = self._sources.get(kept.source)
        if found is None:
            return f"There is no source {kept.source!r} in the config."
        source, provider = found
        call = Call(method=kept.method, tail=kept.tail, query=kept.query, body=kept.body, heard=kept.heard)
        try:
            events = provider.parse(source, call)
        except (Unreadable, NotUnderstood) as error:
            return str(error)
        lost = [said for event in events if (said := await self._taken(source, provider, kept, event)) is not None]
        if lost:
            return lost[0]
        await self._quarantine.drop(kept)
        return None

    async def _taken(self, source: Source, provider: Provider, kept: Kept, event: OrderEvent) -> str | None:
        outcome = await self._intake.take(event, provider.redact(kept.body))
        if event.said is None:
            return None
        record = await self._orders.get(event.key)
        order = record.order if record is not None else outcome.order
        if order.store is not None:
            return None
        home = source.home(event.said)
        if home is None:
            return f"No store is configured for {event.said!r}."
        await self._intake.take(self._moved(event, home))
        return None

    def _moved(self, event: OrderEvent, home: str) -> OrderEvent:
        """The order system has said it long ago; what is new is our config."""
        return OrderEvent(
            source=event.source, provider=event.provider, ref=event.ref, name="store", digest="", policy="local",
            heard=self._clock(), by="replay", store=home,
        )  # fmt: skip

    async def every(self) -> tuple[int, list[tuple[Kept, str]]]:
        """All that is in quarantine, the oldest first: how many it healed, and what is left with its reason."""
        left: list[tuple[Kept, str]] = []
        kept = await self._quarantine.list(PAGE)
        for one in reversed(kept):
            said = await self.one(one)
            if said is not None:
                left.append((one, said))
        return len(kept) - len(left), left
