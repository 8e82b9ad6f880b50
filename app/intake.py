"""The only writer: an event meets the rule, and what comes of it is stored. What can't be used goes to quarantine."""

import asyncio
import re
from collections.abc import Callable
from time import monotonic
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from app import metrics
from app.errors import Away, NotUnderstood, Problem, Unknown, Unreadable
from app.orders import Attention, Change, House, Order, OrderEvent, apply, attention, due_at
from app.store.orders import NOWHERE, Commit, Entry, Orders, Record, Write, line
from app.store.quarantine import Kept, Quarantine

log = structlog.get_logger()

Body = bytes | Callable[[], bytes]  # what makes it is called only where a ledger line is written

PATIENCE: Final = 2.0  # seconds an event may meet newer orders before its sender is told to come back
CACHED: Final = 5_000  # orders
JOURNEY: Final = "session:"  # leads the ref of somebody in a shop, before there is an order
_NUMBERS: Final = re.compile(rb"\d{4,}")


class Raw(Struct, gc=False, frozen=True, kw_only=True):
    """A call as it came in, for the ledger and the quarantine."""

    source: str
    heard: float
    method: str = "POST"
    tail: str = ""
    query: bytes = b""
    body: bytes = b""


class Outcome(Struct, gc=False, frozen=True):
    """What came of an event. `verdict` adds `duplicate` to the rule's words."""

    order: Order
    verdict: str
    note: str = ""


class Told(Struct, gc=False, frozen=True):
    """A change of this node's own, for its relay."""

    order: Order
    store: str
    seq: int
    left: str | None = None
    left_seq: int | None = None
    seen: Attention | None = None  # what the rule says of it now


class Intake:
    """`told` hears of every change this node commits, in no order but each order's own."""

    def __init__(self, orders: Orders, quarantine: Quarantine, told: Callable[[Told], None]) -> None:
        self._orders = orders
        self._quarantine = quarantine
        self._told = told
        self._known: dict[str, Record] = {}
        self._busy: dict[str, asyncio.Future[None] | None] = {}  # what waits for its turn, where something does
        self.house: Callable[[Order], House | None] = _nowhere  # the ways of an order's store, as they are known here
        self.ended: Callable[[Order], None] = _nothing  # hears of every order that has just come to its end
        self.noted: Callable[[OrderEvent], None] = _nothing  # hears of every event that an order system pushed

    async def accept(self, raw: Raw, parse: Callable[[], list[OrderEvent]], redact: Callable[[bytes], bytes]) -> None:
        """One call of an order system. Returns once everything it said is stored; raises Unreadable or Away."""
        try:
            events = parse()
        except Unreadable as error:
            await self.keep(raw, "unreadable", error, redact)
            raise
        except NotUnderstood as error:
            await self.keep(raw, "not understood", error, redact)
            return
        body = redact(raw.body)
        for event in events:
            outcome = await self.take(event, body)
            self.noted(event)
            if outcome.order.store is None and event.said is not None and outcome.verdict != "duplicate":
                await self.keep(raw, "unknown store", Unknown(f"No store is configured for {event.said!r}."), redact)

    async def keep(self, raw: Raw, why: str, error: Problem, redact: Callable[[bytes], bytes] = bytes) -> None:
        """Into quarantine, without what may not be kept: of a body that can't be read, long numbers go."""
        metrics.QUARANTINED.labels(raw.source, why).inc()
        log.warning("quarantine", source=raw.source, why=why)
        body = redact(raw.body)
        if raw.body and not body:
            body = _NUMBERS.sub(b"0000", raw.body)
        kept = Kept(raw.source, why, str(error), raw.heard, raw.method, raw.tail, raw.query, body)
        await self._quarantine.keep(kept)

    async def take(self, event: OrderEvent, body: Body = b"") -> Outcome:
        """Applies one event and commits what comes of it; the events of one order one after another."""
        if event.ref.startswith(JOURNEY) and (order := await self._orders.alias(event.key)) is not None:
            event = replace(event, ref=order.partition(":")[2])
        key, began = event.key, monotonic()
        while key in self._busy:
            await asyncio.shield(self._turn(key))  # many may wait for it: who gives up must not end it
        self._busy[key] = None
        try:
            outcome = await self._settle(event, body, began + PATIENCE)
        finally:
            if (after := self._busy.pop(key)) is not None:
                after.set_result(None)
        metrics.EVENTS.inc(event.source, outcome.verdict)
        metrics.COMMIT.observe(monotonic() - began)
        if event.journey is not None:
            await self._join(event, f"{event.source}:{event.journey}")
        return outcome

    def _turn(self, key: str) -> "asyncio.Future[None]":
        """Done once the order's present event is."""
        turn = self._busy[key] = self._busy[key] or asyncio.get_running_loop().create_future()
        return turn

    async def _join(self, event: OrderEvent, journey: str) -> None:
        """The journey has become an order: what is still said of it goes there, and it leaves the board."""
        await self._orders.rename(journey, event.key)
        was = await self._orders.get(journey)
        if was is not None and "joined" not in was.order.flags:
            ended = OrderEvent(
                source=event.source, provider=event.provider, ref=was.order.ref, name="joined", digest="joined",
                policy="local", heard=event.heard, stage="closed", flags=("joined",),
            )  # fmt: skip
            await self._settle(ended, b"", monotonic() + PATIENCE)

    def know(self, key: str, record: Record | None) -> None:
        """What somebody has just read: a poll of an order that stands as it was must not rest on an old memory."""
        known = self._known.get(key)
        if record is None:
            self._known.pop(key, None)
        elif known is None or known.order.rev <= record.order.rev:
            self._remember(key, record)

    async def touch(self, key: str, now: float) -> bool:
        """The order's own clock has moved it: numbered and told again, with the next such instant. No version, no
        ledger line. False where an event was quicker, which has done the same."""
        was = await self._orders.get(key)
        if was is None:
            await self._orders.undue(key)
            return False
        order = replace(was.order, rev=was.order.rev + 1, house=self.house(was.order))
        seen = attention(order, now)
        write = Write(key, "", was.tag, b"", now, order=order, changed=True, due=_due(due_at(order, seen, now)))
        done = await self._orders.commit(write)
        if done.seq is None:
            return False
        self._remember(key, Record(order, done.tag))
        self._told(Told(order, order.store or NOWHERE, done.seq, seen=seen))
        return True

    async def _settle(self, event: OrderEvent, body: Body, until: float) -> Outcome:
        was = self._known.get(event.key)
        while True:
            change = apply(was.order if was else None, event)
            if was is None and event.journey is not None:
                await self._inherit(change.order, f"{event.source}:{event.journey}")
            if change.verdict in ("same", "refused"):
                return await self._unwritten(event, change, was)
            write, seen = self._write(event, change, was, body)
            done = await self._orders.commit(write)
            if done.newer is None:
                return self._done(write, seen, change, was, done)
            was = done.newer if done.newer.tag else None
            if monotonic() > until:
                raise Away("The order changes faster than this event can join. Try again in a moment.")

    async def _inherit(self, order: Order, journey: str) -> None:
        before = await self._orders.get(journey)
        if before is not None:
            order.timeline = (*before.order.timeline, *order.timeline)

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

    def _write(
        self, event: OrderEvent, change: Change, was: Record | None, body: Body
    ) -> tuple[Write, Attention | None]:
        kept = body if isinstance(body, bytes) else body()
        entry = Entry(event.heard, event.at, change.verdict, event.name, event.by, change.note, kept)
        write = Write(event.key, event.digest, was.tag if was else "", line(entry), event.heard)
        if not change.saved:
            return write, None
        order, old = change.order, was.order if was else None
        order.rev = (old.rev if old else 0) + 1
        if change.changed:  # what nobody is told of may not change what a card says
            order.house = self.house(order)
        seen = attention(order, event.heard)
        # Also what came too late to be seen was heard: it may end "no news".
        told = change.changed or (old is not None and attention(old, event.heard).code != seen.code)
        moved = old is not None and old.store != order.store
        whole = replace(
            write,
            order=order,
            changed=told,
            left=(old.store or NOWHERE) if moved and old else "",
            state=_state(order, old, moved),
            due=_due(due_at(order, seen, event.heard)),
            code=order.code.lower() if order.code and (old is None or old.code != order.code) else "",
            effects=change.effects,
        )
        return whole, seen

    def _done(self, write: Write, seen: Attention | None, change: Change, was: Record | None, done: Commit) -> Outcome:
        if done.repeat:
            return Outcome(was.order if was else change.order, "duplicate")
        if write.order is not None:
            self._remember(write.key, Record(write.order, done.tag))
        if done.seq is not None and write.order is not None:
            store = write.order.store or NOWHERE
            self._told(Told(write.order, store, done.seq, write.left or None, done.left_seq, seen))
            if write.state == "done":
                self.ended(write.order)
        return Outcome(change.order, change.verdict, change.note)

    def _remember(self, key: str, record: Record) -> None:
        self._known[key] = record
        if len(self._known) > CACHED:
            del self._known[next(iter(self._known))]


def standing(order: Order, here: Record | None, now: float) -> Write:
    """What puts an order of an export in the place of what is here, into the indexes where it belongs."""
    moved = here is not None and here.order.store != order.store
    return Write(
        order.key,
        "",
        here.tag if here else "",
        b"",
        now,
        order=order,
        left=(here.order.store or NOWHERE) if moved and here else "",
        state=_state(order, None, moved=False),
        due=_due(due_at(order, attention(order, now), now)),
        code=order.code.lower() if order.code else "",
    )


def _nothing(_: OrderEvent | Order) -> None:
    """Nobody listens."""


def _nowhere(_: Order) -> None:
    """Nothing is known of any store."""


def _state(order: Order, old: Order | None, moved: bool) -> str:
    """The index the order belongs in, where that has changed."""
    ended = order.end is not None
    if old is not None and not moved and (old.end is not None) == ended and old.ended_at == order.ended_at:
        return ""
    return "done" if ended else "open"


def _due(at: float | None) -> str:
    return "-" if at is None else repr(at)
