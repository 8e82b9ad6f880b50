"""The only writer: an event meets the rule, and what comes of it is stored. What can't be used goes to quarantine."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from app import metrics
from app.errors import Away, NotUnderstood, Problem, Unknown, Unreadable
from app.orders import Attention, Change, Order, OrderEvent, Pace, apply, attention
from app.store.orders import NOWHERE, Commit, Entry, Orders, Record, Write, line
from app.store.quarantine import Kept, Quarantine

log = structlog.get_logger()

PATIENCE: Final = 2.0  # seconds an event may meet newer orders before its sender is told to come back
CACHED: Final = 5_000  # orders


class Raw(Struct, frozen=True, kw_only=True):
    """A call as it came in, for the ledger and the quarantine."""

    source: str
    heard: float
    method: str = "POST"
    tail: str = ""
    query: bytes = b""
    body: bytes = b""


class Outcome(Struct, frozen=True):
    """What came of an event. `verdict` adds `duplicate` to the rule's words."""

    order: Order
    verdict: str
    note: str = ""


class Told(Struct, frozen=True):
    """A change of this node's own, for its relay."""

    order: Order
    store: str
    seq: int
    left: str | None = None
    left_seq: int | None = None


class Intake:
    """`told` hears of every change this node commits, in no order but each order's own."""

    def __init__(self, orders: Orders, quarantine: Quarantine, told: Callable[[Told], None]) -> None:
        self._orders = orders
        self._quarantine = quarantine
        self._told = told
        self._known: dict[str, Record] = {}
        self._busy: dict[str, asyncio.Future[None]] = {}
        self.pace: Mapping[str, Pace] = {}

    async def accept(self, raw: Raw, parse: Callable[[], list[OrderEvent]], redact: Callable[[bytes], bytes]) -> None:
        """One call of an order system. Returns once everything it said is stored; raises Unreadable or Away."""
        try:
            events = parse()
        except Unreadable as error:
            await self.keep(raw, "unreadable", error)
            raise
        except NotUnderstood as error:
            await self.keep(raw, "not understood", error)
            return
        body = redact(raw.body)
        for event in events:
            outcome = await self.take(event, body)
            if outcome.order.store is None and event.said is not None and outcome.verdict != "duplicate":
                await self.keep(raw, "unknown store", Unknown(f"No store is configured for {event.said!r}."))

    async def keep(self, raw: Raw, why: str, error: Problem) -> None:
        metrics.QUARANTINED.labels(raw.source, why).inc()
        log.warning("quarantine", source=raw.source, why=why)
        kept = Kept(raw.source, why, str(error), raw.heard, raw.method, raw.tail, raw.query, raw.body)
        await self._quarantine.keep(kept)

    async def take(self, event: OrderEvent, body: bytes = b"") -> Outcome:
        """Applies one event and commits what comes of it; the events of one order one after another."""
        key = event.key
        before, mine = self._busy.get(key), asyncio.get_running_loop().create_future()
        self._busy[key] = mine
        began = monotonic()
        try:
            if before is not None:
                await before
            outcome = await self._settle(event, body, began + PATIENCE)
        finally:
            mine.set_result(None)
            if self._busy[key] is mine:
                del self._busy[key]
        metrics.EVENTS.labels(event.source, outcome.verdict).inc()
        metrics.COMMIT.observe(monotonic() - began)
        return outcome

    async def _settle(self, event: OrderEvent, body: bytes, until: float) -> Outcome:
        was = self._known.get(event.key)
        while True:
            change = apply(was.order if was else None, event)
            if change.verdict in ("same", "refused"):
                return await self._unwritten(event, change, was)
            write = self._write(event, change, was, body)
            done = await self._orders.commit(write)
            if done.newer is None:
                return self._done(write, change, was, done)
            was = done.newer if done.newer.tag else None
            if monotonic() > until:
                raise Away("The order changes faster than this event can join. Try again in a moment.")

    async def _unwritten(self, event: OrderEvent, change: Change, was: Record | None) -> Outcome:
        """Nothing to store. A refusal must rest on what is stored, not on what this node remembers."""
        if change.verdict == "refused":
            stored = await self._orders.get(event.key)
            if stored is not None and (was is None or stored.tag != was.tag):
                self._remember(event.key, stored)
                return await self._settle(event, b"", monotonic() + PATIENCE)
        elif was is not None:
            self._remember(event.key, Record(change.order, was.tag))
        return Outcome(change.order, change.verdict, change.note)

    def _write(self, event: OrderEvent, change: Change, was: Record | None, body: bytes) -> Write:
        entry = Entry(event.heard, event.at, change.verdict, event.name, event.by, change.note, body)
        write = Write(event.key, event.digest, was.tag if was else "", line(entry), event.heard)
        if not change.saved:
            return write
        order, old = change.order, was.order if was else None
        order.rev = (old.rev if old else 0) + 1
        seen = attention(order, event.heard, self.pace.get(order.store or NOWHERE, _USUAL))
        moved = old is not None and old.store != order.store
        return replace(
            write,
            order=order,
            changed=change.changed,
            left=(old.store or NOWHERE) if moved and old else "",
            state=_state(order, old, moved),
            due=_due(seen),
            code=order.code.lower() if order.code and (old is None or old.code != order.code) else "",
            effects=change.effects,
        )

    def _done(self, write: Write, change: Change, was: Record | None, done: Commit) -> Outcome:
        if done.repeat:
            return Outcome(was.order if was else change.order, "duplicate")
        if write.order is not None:
            self._remember(write.key, Record(write.order, done.tag))
        if done.seq is not None and write.order is not None:
            store = write.order.store or NOWHERE
            self._told(Told(write.order, store, done.seq, write.left or None, done.left_seq))
        return Outcome(change.order, change.verdict, change.note)

    def _remember(self, key: str, record: Record) -> None:
        self._known[key] = record
        if len(self._known) > CACHED:
            del self._known[next(iter(self._known))]


_USUAL: Final = Pace()


def _state(order: Order, old: Order | None, moved: bool) -> str:
    """The index the order belongs in, where that has changed."""
    ended = order.end is not None
    if old is not None and not moved and (old.end is not None) == ended and old.ended_at == order.ended_at:
        return ""
    return "done" if ended else "open"


def _due(seen: Attention) -> str:
    return "-" if seen.next is None else repr(seen.next)
