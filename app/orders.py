"""The words and the rules: what an event does to an order. Pure: no clock, no I/O, no library but msgspec.

Times are Unix seconds (float), amounts decimal strings, ids strings. An `Order` is never changed in place: `apply`
returns a new one. Stages, ranks and movement follow the providers' common model; see `docs/rules.md`.
"""

import itertools
from operator import attrgetter
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

Policy = Literal["event_time", "forward", "snapshot", "local", "hand"]
Verdict = Literal["applied", "reverted", "late", "refused", "same"]

RANK: Final[dict[str, int]] = {
    "cart": 0, "placed": 10, "confirmed": 20, "assigned": 30, "preparing": 40, "reviewing": 45, "picked": 50,
    "staged": 60, "ready": 65, "courier_at_store": 70, "arrived": 75, "in_transit": 80, "fulfilled": 90, "closed": 95,
    "canceled": 100, "rejected": 100, "failed": 100, "returned": 100,
}  # fmt: skip
# Ends: the greater weight wins whatever the clocks say, so the same events in any order end alike: a handover is not
# undone by a cancellation, a settlement follows a handover, and a return can follow all of them.
ENDS: Final[dict[str, int]] = {"canceled": 1, "rejected": 1, "failed": 1, "fulfilled": 2, "closed": 3, "returned": 4}
OFF_PATH: Final = frozenset({"canceled", "rejected", "failed", "returned"})
# Flags that outlive the stage they came with; every other one ends with the next word about the stage.
STICKY: Final = frozenset({"late", "reviewed", "payment_failed", "suspected", "joined"})
AFTER_END: Final = frozenset({"reviewed", "payment_failed", "suspected", "returning", "joined"})
ITEM_STATES: Final = ("pending", "found", "replaced", "refunded", "partial", "not_found", "added", "returned")
PICKUPS: Final = frozenset({"pickup", "curbside", "kiosk"})
TIMELINE_MOST: Final = 200
SKEW: Final = 300.0  # seconds a provider's stamp may lie ahead of its receipt
MANUAL: Final = "manual"  # source and provider of what people enter; what they say of it is the truth
BY_HAND: Final = "by hand"  # names a person's word about the stage


class Stamp(Struct, gc=False, frozen=True, array_like=True):
    """When a facet was set: `at` by the provider's clock (None where it has none), `heard` by ours.

    `borrowed`: the word itself had no clock (a poll); `at`, `rank` and `digest` are those of the one it replaced, so
    that a push which was late before the poll is still late after it.
    """

    at: float | None
    heard: float
    rank: int = 0
    digest: str = ""
    borrowed: bool = False


class Mark(Struct, gc=False, frozen=True, array_like=True):
    """What was last said about the stage. `clear`: flags older than this have ended."""

    stage: str
    raw: str
    stamp: Stamp
    clear: Stamp


class Promise(Struct, gc=False, frozen=True):
    """The promised window; either side may be open."""

    start: float | None = None
    end: float | None = None


class Customer(Struct, gc=False, frozen=True, omit_defaults=True):
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    external_id: str | None = None


class Replacement(Struct, gc=False, frozen=True, omit_defaults=True):
    id: str
    name: str | None = None
    quantity: float | None = None
    unit: str | None = None
    image_url: str | None = None


class Item(Struct, gc=False, frozen=True, omit_defaults=True):
    """One line item. `quantity` is what was asked for, `fulfilled` what was found, each in its own `unit`."""

    id: str
    name: str | None = None
    quantity: float | None = None
    unit: str | None = None
    fulfilled: float | None = None
    fulfilled_unit: str | None = None
    state: str = "pending"
    replacements: tuple[Replacement, ...] = ()
    image_url: str | None = None
    asked: bool = False  # the customer has yet to say whether they want the replacement


class Total(Struct, gc=False, frozen=True):
    amount: str
    currency: str | None = None


class Shopper(Struct, gc=False, frozen=True, omit_defaults=True):
    id: str | None = None
    name: str | None = None
    picture_url: str | None = None


class Destination(Struct, gc=False, frozen=True, omit_defaults=True):
    address: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Handling(Struct, gc=False, frozen=True, omit_defaults=True):
    """How to hand over at the door."""

    instructions: str | None = None
    dropoff: str | None = None
    notes: str | None = None
    leave_unattended: bool = False
    alcoholic: bool = False
    certified: bool = False


class Reason(Struct, gc=False, frozen=True):
    code: str | None = None
    description: str | None = None


class Arrival(Struct, gc=False, frozen=True, omit_defaults=True):
    """A customer's check-in. `at` is when they said "here" (or "on my way", before that)."""

    state: str
    at: float
    bay: str | None = None
    vehicle: str | None = None
    shown_at: float | None = None
    claimed_by: str | None = None
    claimed_at: float | None = None
    way_at: float | None = None
    ended_at: float | None = None
    before: str | None = None  # the state that `handed_over` followed, for its undo
    proxy: bool = False  # someone else collects
    near: str | None = None  # what the phone said of itself, near or far; never where it is


class Entry(Struct, gc=False, frozen=True, omit_defaults=True):
    """A line of the timeline."""

    stage: str
    at: float
    raw: str = ""
    by: str = ""


class Pace(Struct, gc=False, frozen=True, array_like=True):
    """How long a store usually takes, in seconds: for a line item; from a stage on until it is ready (pickup) or leaves
    (delivery); for the way to the door. `learnt`: finished orders that this rests on, 0 where it is a guess."""

    item: float = 75.0
    picked: float = 240.0
    staged: float = 600.0
    courier_at_store: float = 300.0
    trip: float = 1200.0
    learnt: int = 0


class House(Struct, gc=False, frozen=True, array_like=True):
    """A store's ways as they stood when the order last changed. They travel with it, so that every node reckons alike.

    `shows`: seconds before the promised window from which an order that nobody has begun stands on the board (None:
    always); `opens`: before it, from which its customer may check in.
    """

    pace: Pace = Pace()
    shows: float | None = None
    opens: float = 300.0


class Hand(Struct, gc=False, frozen=True, array_like=True):
    """Who set the stage by hand, and when."""

    by: str
    at: float


class Under(Struct, gc=False, frozen=True, array_like=True):
    """What the order system says of the stage, under what a person has said of it."""

    open: Mark | None
    end: Mark | None
    ended_at: float | None


class Order(Struct, gc=False, kw_only=True, omit_defaults=True):
    source: str
    provider: str
    ref: str
    first: float  # when we first heard of it
    stage: str = "cart"
    raw_status: str | None = None
    flags: tuple[str, ...] = ()
    reason: Reason | None = None
    code: str | None = None
    store: str | None = None
    fulfilment: str = "delivery"
    placed_at: float | None = None
    promised: Promise | None = None
    previous_promise: Promise | None = None
    customer: Customer | None = None
    items: tuple[Item, ...] | None = None
    total: Total | None = None
    shopper: Shopper | None = None
    destination: Destination | None = None
    handling: Handling | None = None
    delivery_code: str | None = None
    bags: int | None = None
    arrival: Arrival | None = None
    outcomes: bool = True  # does its system tell what became of a line item?
    hand: Hand | None = None
    timeline: tuple[Entry, ...] = ()
    version: int = 0
    rev: int = 0  # grows with every commit; numbers the tracking page's frames
    updated_at: float = 0.0
    heard: float = 0.0  # the last event of the order system, for "no news"
    ended_at: float | None = None
    # what the facets were set by; never shown
    stamps: dict[str, Stamp] = {}
    open: Mark | None = None
    end: Mark | None = None
    told: Reason | None = None
    word: str | None = None
    gone: tuple[Item, ...] = ()  # lines that a whole list ended: their names may be wanted again
    listed: int = 0  # so many of `items` stand in the order of the last whole list
    asked: int = 0  # lines whose replacement waits for the customer's answer
    own: float | None = None  # its own seconds a line, once that can be told
    under: Under | None = None
    house: House | None = None  # None: as usual

    @property
    def key(self) -> str:
        return f"{self.source}:{self.ref}"


class OrderEvent(Struct, gc=False, frozen=True, kw_only=True):
    """What an order system said, in our words. An absent field (None) means unchanged.

    `digest` is the provider's own dedupe key, hashed. `whole` says that `items` is the full list.
    `over` replaces `stage` once preparing has begun (a store's refusal is then a cancellation).
    """

    source: str
    provider: str
    ref: str
    name: str
    digest: str
    policy: Policy
    heard: float
    at: float | None = None
    by: str = ""
    stage: str | None = None
    over: str | None = None
    raw_status: str | None = None
    flags: tuple[str, ...] = ()
    note: bool = False  # a timeline line without a change of stage
    code: str | None = None
    store: str | None = None
    said: str | None = None  # the provider's own id of the store, for "unknown store"
    journey: str | None = None  # the ref of the journey (in a store, before there was an order) that becomes this order
    home: str | None = None  # our store of an order whose events name none; any word about the store outweighs it
    outcomes: bool = True  # False: this order system never tells what became of a line item
    fulfilment: str | None = None
    placed_at: float | None = None
    promised: Promise | None = None
    previous_promise: Promise | None = None
    reason: Reason | None = None
    customer: Customer | None = None
    items: tuple[Item, ...] | None = None
    whole: bool = False
    total: Total | None = None
    shopper: Shopper | None = None
    destination: Destination | None = None
    handling: Handling | None = None
    delivery_code: str | None = None
    bags: int | None = None
    arrival: "Step | None" = None

    @property
    def key(self) -> str:
        return f"{self.source}:{self.ref}"


class Step(Struct, gc=False, frozen=True, omit_defaults=True):
    """One move of an arrival: by the customer (on_my_way, here) or the staff (claimed, cannot_find, handed_over)."""

    state: str
    bay: str | None = None
    vehicle: str | None = None
    undo: bool = False
    proxy: bool = False
    near: str | None = None


class Effect(Struct, gc=False, frozen=True):
    """Something to be done outside, stored with the event: the outbox asks the provider what it means."""

    kind: str
    key: str  # idempotency key


class Change(Struct, gc=False, frozen=True):
    """What an event did. `saved`: the order must be stored; `changed`: somebody can see a difference."""

    order: Order
    verdict: Verdict
    note: str = ""
    effects: tuple[Effect, ...] = ()
    changed: bool = False
    saved: bool = True


FACETS: Final = (
    "code", "store", "fulfilment", "placed_at", "promised", "previous_promise", "customer", "total", "shopper",
    "destination", "handling", "delivery_code", "bags",
)  # fmt: skip


def newer(stamp: Stamp, other: Stamp | None) -> bool:
    """May what was stamped so replace what was stamped like the other?"""
    if other is None:
        return True
    at, was = stamp.at, other.at
    if at is None or was is None:
        return stamp.heard >= other.heard
    later = at > was if at != was else (stamp.rank, stamp.digest) > (other.rank, other.digest)
    return later and not (other.borrowed and stamp.heard < other.heard)


def older(stamp: Stamp, other: Stamp) -> bool:
    if stamp.at is None or other.at is None or (stamp.borrowed and other.borrowed):
        return stamp.heard < other.heard
    return not newer(stamp, other) if other.borrowed else newer(other, stamp)


def lasting(stamp: Stamp, was: Stamp | None) -> Stamp:
    """The stamp to keep where `stamp` takes the place of `was`."""
    if stamp.at is not None or was is None or was.at is None:
        return stamp
    return Stamp(was.at, stamp.heard, was.rank, was.digest, True)


def apply(old: Order | None, event: OrderEvent) -> Change:
    """What `event` makes of `old` (None: the first word about it)."""
    if event.arrival is not None:
        return arrive(old, event, event.arrival)
    if event.policy == "hand":
        return by_hand(old, event)
    own = old if old is None or old.under is None else bared(old, old.under)
    stage = meant(own, event)
    if old is not None and own is not None and event.policy == "forward" and stage and goes_back(own, stage):
        return Change(old, "late", f"{stage} after {old.stage}", saved=False)
    order = begun(event) if own is None else replace(own, stamps=dict(own.stamps))
    at, note = trusted(event)
    stamp = Stamp(at, event.heard, RANK[stage] if stage else 0, event.digest[:12])
    stale = _status(order, event, stage, stamp) + _facets(order, event, stamp)
    if event.items is not None:
        stale += _items(order, event.items, event.whole, stamp)
    if old is not None and own is not None and old.hand is not None and not overrules(event, own, order, old.hand):
        order.hand, order.under = old.hand, Under(order.open, order.end, order.ended_at)
        order.open, order.end, order.ended_at = old.open, old.end, old.ended_at
    settle(order)
    return _judge(old, order, event, stamp, stale, note)


def meant(old: Order | None, event: OrderEvent) -> str | None:
    """The stage that the event stands for: `over` once preparing has begun."""
    begun = old is not None and old.open is not None and RANK[old.open.stage] >= RANK["preparing"]
    return event.over if event.over is not None and begun else event.stage


def trusted(event: OrderEvent) -> tuple[float | None, str]:
    """The provider's stamp, unless it lies more than five minutes ahead of the receipt."""
    if event.at is not None and event.at > event.heard + SKEW:
        return event.heard, "its stamp lies in the future and counted as its receipt"
    return event.at, ""


def goes_back(old: Order, stage: str) -> bool:
    """Under `forward`: is this word about the stage one that may not lower the rank?"""
    if stage in ENDS:
        return old.end is not None and ENDS[stage] < ENDS[old.end.stage]
    return old.end is not None or (old.open is not None and RANK[stage] < RANK[old.open.stage])


def begun(event: OrderEvent) -> Order:
    return Order(
        source=event.source,
        provider=event.provider,
        ref=event.ref,
        first=event.heard,
        store=event.home,
        outcomes=event.outcomes,
        stamps={},
    )


def _status(order: Order, event: OrderEvent, stage: str | None, stamp: Stamp) -> int:
    """Sets the marks of the stage, the flags and the reason; answers how many came too late."""
    stale = 0
    if stage is not None:
        stale += _mark(order, event, stage, stamp)
    for flag in event.flags:
        stale += not _set(order, "flag:" + flag, stamp)
    if (stage or event.flags) and _set(order, "raw", stamp):
        order.word = event.raw_status or event.name
    if event.reason is not None:
        if _set(order, "reason", stamp):
            order.told = event.reason
        else:
            stale += 1
    return stale


def _mark(order: Order, event: OrderEvent, stage: str, stamp: Stamp) -> int:
    """Sets the mark of the end or of the open stage; 1 where the word came too late for it to be seen."""
    raw = event.raw_status or event.name
    if stage in ENDS:
        return _end(order, stage, raw, stamp)
    was = order.open
    ahead = event.policy == "forward" and was is not None and RANK[stage] > RANK[was.stage]
    if was is not None and not ahead and not newer(stamp, was.stamp):
        return 1
    clear = stamp
    same = was is not None and event.policy == "snapshot" and (was.stage, was.raw) == (stage, raw)
    if same and was is not None and "unknown" not in order.flags:
        clear = was.clear  # a poll that finds the same stage again ends no flag
    order.open = Mark(stage, raw, lasting(stamp, was.stamp if was else None), clear)
    return int(order.end is not None)


def _end(order: Order, stage: str, raw: str, stamp: Stamp) -> int:
    was = order.end
    # The first word of any end counts, the one that loses too: so its instant is the same in any order of arrival.
    ended = max(stamp.heard, stamp.at or 0.0)
    order.ended_at = ended if order.ended_at is None else min(order.ended_at, ended)
    said = was.stamp if was else None
    more = ENDS[stage] - (ENDS[was.stage] if was else 0)
    if more < 0 or (more == 0 and not newer(stamp, said)):
        return 1
    order.end = Mark(stage, raw, lasting(stamp, said), stamp)
    return 0


def _set(order: Order, name: str, stamp: Stamp) -> bool:
    was = order.stamps.get(name)
    if not newer(stamp, was):
        return False
    order.stamps[name] = lasting(stamp, was)
    return True


def _facets(order: Order, event: OrderEvent, stamp: Stamp) -> int:
    stale, stamps = 0, order.stamps
    last, fresh, kept = None, True, stamp  # as of a facet that was never set
    for name in FACETS:
        value = getattr(event, name)
        if value is None:
            continue
        was = stamps.get(name)
        if was is not last:  # most facets were set together: what holds of one stamp needs asking once
            last, fresh, kept = was, newer(stamp, was), lasting(stamp, was)
        if not fresh:
            stale += 1
            continue
        stamps[name] = kept
        if name == "promised" and event.policy != "event_time" and order.promised not in (None, value):
            order.previous_promise = order.promised
        setattr(order, name, value)
    return stale


def _items(order: Order, items: tuple[Item, ...], whole: bool, stamp: Stamp) -> int:
    """Line by line, each with its own stamp. A whole list also says their order, and ends the lines it leaves out."""
    if not items and not whole:
        return 0
    known = order.items or ()
    lines = {item.id: item for item in (*known, *order.gone)}
    listed = [item.id for item in known[: order.listed]]
    if whole and _set(order, "items", stamp):
        listed = list(dict.fromkeys(item.id for item in items))
    floor = order.stamps.get("items")
    stale = 0
    for item in items:
        lines[item.id], fresh = _line(order, lines.get(item.id), item, stamp)
        stale += not fresh or (floor is not None and older(stamp, floor))
    if not whole and not order.gone and len(lines) == len(known):  # the same lines: each keeps its place
        order.items = tuple([lines[item.id] for item in known])
    else:
        ended = {key for key in lines if floor is not None and older(order.stamps["item:" + key], floor)}
        rest = sorted(lines.keys() - ended - set(listed), key=_natural)
        order.items = tuple(lines[key] for key in [*listed, *rest])
        order.listed = len(listed)
        order.gone = tuple(lines[key] for key in sorted(ended))
    order.asked, order.own = sum([item.asked for item in order.items]), own_pace(order)
    return stale


def _line(order: Order, was: Item | None, item: Item, stamp: Stamp) -> tuple[Item, bool]:
    """The line, and whether `item` was news of it. Names and pictures often come once only, so each is a facet of its
    own; the rest of a line is always said whole."""
    key = "item:" + item.id
    before = order.stamps.get(key)
    fresh = _set(order, key, stamp)
    if fresh and stamp.at is None and item.state != "pending":
        _done(order, was, item, stamp if before is None else before, stamp)
    line = item if fresh or was is None else was
    for facet in ("name", "image_url") if was is not None else ():
        known, said = getattr(was, facet), getattr(item, facet)
        if known is None and said is None:
            continue
        since = order.stamps.pop(f"{facet}:{item.id}", before) if known is not None else None
        if said is not None and newer(stamp, since):
            known, since = said, lasting(stamp, since)
        if known != getattr(line, facet):
            line = replace(line, **{facet: known})
        if since is not None and since != order.stamps[key]:
            order.stamps[f"{facet}:{item.id}"] = since
    return line, fresh


def _done(order: Order, was: Item | None, item: Item, before: Stamp, stamp: Stamp) -> None:
    """A poll says every line again each time: since when it has been as it is has a stamp of its own."""
    key, same = "done:" + item.id, was is not None and was.state == item.state
    if not same or key not in order.stamps:
        order.stamps[key] = before if same else stamp


def _natural(key: str) -> tuple[int, str]:
    number = key.partition("#")[0]
    return (len(number), key) if number.isdecimal() else (0, key)


def settle(order: Order) -> None:
    """Derives what is shown from what was said: stage, flags, reason."""
    top = order.end or order.open
    # Who is first heard of by an overlay ("on hold") has been placed, whatever else we don't know.
    order.stage = top.stage if top else "placed"
    order.raw_status = order.end.raw if order.end else order.word
    clear = top.clear if top else None
    flying = [
        name[5:] for name, stamp in order.stamps.items() if name[:5] == "flag:" and _flies(name[5:], stamp, clear)
    ]
    order.flags = tuple(sorted(flag for flag in flying if order.end is None or flag in AFTER_END))
    said = order.stamps.get("reason")
    order.reason = order.told if said is not None and (clear is None or not older(said, clear)) else None


def _flies(flag: str, stamp: Stamp, clear: Stamp | None) -> bool:
    return flag in STICKY or clear is None or not older(stamp, clear)


def _judge(old: Order | None, order: Order, event: OrderEvent, stamp: Stamp, stale: int, note: str) -> Change:
    """The verdict; and where somebody can see a difference, the version and the timeline's line."""
    order.heard = max(order.heard, event.heard)
    order.first = min(order.first, event.heard)
    if old is not None and _looks(old) == _looks(order) and (stale or not event.note):
        if stale:
            return Change(order, "late", note or _too_late(event, order))
        return Change(order, "same" if event.policy == "snapshot" else "applied", note)
    if old is None or event.note or (old.stage, old.flags) != (order.stage, order.flags):
        at = event.heard if stamp.at is None else stamp.at
        entry = Entry(order.stage, at, event.raw_status or event.name, event.by or event.source)
        order.timeline = (*order.timeline, entry)[-TIMELINE_MOST:]
    order.version += 1
    order.updated_at = max(order.updated_at, event.heard)
    back = old is not None and order.end is None and RANK[order.stage] < RANK[old.stage]
    return Change(order, "reverted" if back else "applied", note, changed=True)


def _too_late(event: OrderEvent, order: Order) -> str:
    if order.end is not None and event.stage is not None and event.stage != order.stage:
        return f"{event.stage} after {order.stage}"
    return "older than what it would change"


# `ended_at` may be set right by an end that came too late to be seen, so it makes no version.
_HIDDEN: Final = frozenset(
    {
        "stamps",
        "open",
        "end",
        "told",
        "word",
        "gone",
        "listed",
        "heard",
        "first",
        "rev",
        "version",
        "updated_at",
        "ended_at",
        "asked",
        "own",
        "under",
        "house",
    }
)
_looks: Final = attrgetter(*(name for name in Order.__struct_fields__ if name not in _HIDDEN))


# ---- by hand ----

# the stages that people may set, by fulfilment; one for each lane, and where it may end
_FETCHED: Final = ("placed", "preparing", "ready", "fulfilled", "canceled")
_BROUGHT: Final = ("placed", "preparing", "staged", "in_transit", "fulfilled", "canceled")
HAND_STAGES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(PICKUPS, _FETCHED), **dict.fromkeys(("delivery", "last_mile"), _BROUGHT), "in_store": (),
}  # fmt: skip


def by_hand(old: Order | None, event: OrderEvent) -> Change:
    """A person's word: a new order, or its stage (None: as the order system says). On an order system's order it lies
    over the system's own word until that says something new; on a manual order it is the truth."""
    if old is None:
        return _entered(event) if event.provider == MANUAL else Change(begun(event), "refused", saved=False)
    if event.store is not None:
        return Change(old, "same", saved=False)  # entered a second time
    if event.stage is None and old.under is None:
        return Change(old, "refused", "nothing was set by hand", saved=False)
    order = replace(old, stamps=dict(old.stamps))
    stamp = Stamp(None, event.heard)
    if event.stage is not None:
        if event.stage == old.stage:
            return Change(old, "same", saved=False)
        _set_by_hand(order, event, event.stage, stamp)
    elif old.under is not None:
        order = bared(order, old.under)
    settle(order)
    return _judge(old, order, event, stamp, 0, event.stage or "taken back")


def _entered(event: OrderEvent) -> Change:
    order, stamp = begun(event), Stamp(None, event.heard)
    order.word = BY_HAND
    _facets(order, event, stamp)
    _items(order, event.items or (), True, stamp)
    _set_by_hand(order, event, event.stage or "placed", stamp)
    settle(order)
    return _judge(None, order, event, stamp, 0, "")


def _set_by_hand(order: Order, event: OrderEvent, stage: str, stamp: Stamp) -> None:
    if order.provider != MANUAL:
        order.under = order.under or Under(order.open, order.end, order.ended_at)
        order.hand = Hand(event.by, event.heard)
    mark = Mark(stage, order.raw_status or BY_HAND, stamp, stamp)
    arrival, over = order.arrival, stage in ENDS
    order.end, order.ended_at = (mark, event.heard) if over else (None, None)
    order.open = order.open if over else mark
    if arrival is None:
        return
    if arrival.state == "handed_over":
        order.arrival = arrival if over else _taken_back(arrival)
    elif stage == "fulfilled":
        order.arrival = replace(arrival, state="handed_over", ended_at=event.heard, before=arrival.state)


def bared(order: Order, under: Under) -> Order:
    """As its order system says it is."""
    return replace(order, open=under.open, end=under.end, ended_at=under.ended_at, hand=None, under=None)


def overrules(event: OrderEvent, own: Order, order: Order, hand: Hand) -> bool:
    """Is this the order system's next word about the stage? A poll that finds what was there before is none."""
    was, now = own.end or own.open, order.end or order.open
    if was == now or event.heard < hand.at:
        return False
    same = was is not None and now is not None and (was.stage, was.raw) == (now.stage, now.raw)
    return not same or event.policy != "snapshot"


# ---- arrivals ----

MOVES: Final[dict[str, tuple[str | None, ...]]] = {
    "on_my_way": (None, "on_my_way"),
    "here": (None, "on_my_way", "here", "claimed", "cannot_find"),
    "claimed": ("here", "claimed", "cannot_find"),
    "cannot_find": ("here", "claimed", "cannot_find"),
    "handed_over": (None, "on_my_way", "here", "claimed", "cannot_find", "handed_over"),
}
UNDO: Final = frozenset({"claimed", "cannot_find", "handed_over"})


def arrive(old: Order | None, event: OrderEvent, step: Step) -> Change:
    """A check-in never changes the stage. A repeat has no effect; an impossible move is refused with the reason."""
    if old is None:
        return Change(begun(event), "refused", "there is no such order", saved=False)
    was = old.arrival
    if step.state == "shown":
        return _shown(old, event)
    if step.undo:
        return _undone(old, event, step)
    if old.end is not None and step.state in ("on_my_way", "here"):
        return Change(old, "refused", f"the order is {old.stage}", saved=False)
    if (was.state if was else None) not in MOVES.get(step.state, ()):
        return Change(old, "refused", f"{step.state} does not follow {was.state if was else 'nothing'}", saved=False)
    new = _moved(was, event, step)
    if new == was:
        return Change(old, "same", saved=False)
    return _arrived(old, event, new)


def _moved(was: Arrival | None, event: OrderEvent, step: Step) -> Arrival:
    now, state = event.heard, step.state
    base = was or Arrival(state, now)
    if state == "on_my_way":
        new = replace(base, state=state, way_at=now if base.way_at is None else base.way_at)
        return replace(new, bay=_where(step, base), vehicle=step.vehicle or base.vehicle, proxy=step.proxy)
    if state == "here":
        return _here(was, now, step)
    if was is not None and was.state == state:
        return was
    if state == "claimed":
        return replace(base, state=state, claimed_by=event.by, claimed_at=now)
    claimer = base.claimed_by or event.by
    if state == "handed_over":
        return replace(base, state=state, claimed_by=claimer, ended_at=now, before=was and was.state)
    return replace(base, state=state, claimed_by=claimer)


def _here(was: Arrival | None, now: float, step: Step) -> Arrival:
    """Said again it may name another bay; the clock goes on, and so does the claim."""
    if was is None:
        return Arrival("here", now, step.bay or None, step.vehicle, proxy=step.proxy, near=step.near)
    new = replace(was, bay=_where(step, was), vehicle=step.vehicle or was.vehicle, proxy=step.proxy, near=step.near)
    if was.state == "on_my_way":
        return replace(new, state="here", at=now)
    return replace(new, state="claimed" if was.claimed_by else "here", near=step.near or was.near)


def _where(step: Step, was: Arrival) -> str | None:
    """The bay: as it was where nothing is said of it, none where that is said ("")."""
    return was.bay if step.bay is None else step.bay or None


def _undone(old: Order, event: OrderEvent, step: Step) -> Change:
    was = old.arrival
    if was is None or was.state != step.state or step.state not in UNDO:
        return Change(old, "refused", f"there is no {step.state} to undo", saved=False)
    if step.state == "handed_over":
        return _arrived(old, event, _taken_back(was))
    if step.state == "cannot_find" and was.claimed_at is not None:
        return _arrived(old, event, replace(was, state="claimed"))
    return _arrived(old, event, replace(was, state="here", claimed_by=None, claimed_at=None))


def _taken_back(was: Arrival) -> Arrival | None:
    """The arrival before it was handed over; None where there was none."""
    if was.before is None:
        return None
    claimed = was.claimed_at is not None or was.before == "cannot_find"
    return replace(was, state=was.before, before=None, ended_at=None, claimed_by=was.claimed_by if claimed else None)


def _shown(old: Order, event: OrderEvent) -> Change:
    if old.arrival is None or old.arrival.shown_at is not None or old.arrival.state not in ("here", "claimed"):
        return Change(old, "same", saved=False)
    return _arrived(old, event, replace(old.arrival, shown_at=event.heard))


def _arrived(old: Order, event: OrderEvent, new: Arrival | None) -> Change:
    was = old.arrival
    first = new is not None and new.state == "here" and (was is None or was.state == "on_my_way")
    effects = (Effect("arrived", f"{old.key}:arrived"),) if first else ()
    if first and new is not None and new.vehicle:
        effects = (*effects, Effect("vehicle", f"{old.key}:vehicle"))
    timeline = old.timeline
    if event.name != "shown":
        entry = Entry(old.stage, event.heard, new.state if new else "undone", event.by)
        timeline = (*timeline, entry)[-TIMELINE_MOST:]
    seen = max(old.updated_at, event.heard)
    order = replace(old, arrival=new, timeline=timeline, version=old.version + 1, updated_at=seen)
    return Change(order, "applied", effects=effects, changed=True)


def over_at(order: Order) -> float | None:
    """Since when it has been over for its customer: handed over outside, or at an end."""
    arrival = order.arrival
    handed = arrival.ended_at if arrival is not None and arrival.state == "handed_over" else None
    return _first(handed, order.ended_at)


# ---- when a customer may check in ----

APART: Final = 60.0  # seconds between "on my way" and "here"
UNSEEN_AFTER: Final = 20.0  # seconds after which the customer hears that no screen has shown the check-in


def may_check_in(order: Order, now: float) -> bool:
    """From when it is packed, or nearly promised, until it is handed over."""
    if order.fulfilment not in PICKUPS or order.end is not None or order.stage == "cart":
        return False
    if order.arrival is not None:
        return order.arrival.state != "handed_over"
    opens = _opens(order)
    return RANK[order.stage] >= RANK["staged"] or (opens is not None and now >= opens)


def may_be_here(order: Order, now: float) -> bool:
    """The word "on my way" is not "here": the second tap waits a minute. Without a first one it may come at once."""
    arrival = order.arrival
    if arrival is not None and arrival.state == "on_my_way":
        return now >= (arrival.way_at or arrival.at) + APART
    return may_check_in(order, now)


def _opens(order: Order) -> float | None:
    begins = _begins(order)
    return None if begins is None else begins - (order.house or AS_USUAL).opens


def _begins(order: Order) -> float | None:
    """The promised window's start, or else its end."""
    if order.promised is None:
        return None
    return order.promised.end if order.promised.start is None else order.promised.start


def turns(order: Order, now: float) -> float | None:
    """The next instant at which the customer's page changes with no event."""
    arrival = order.arrival
    if order.fulfilment not in PICKUPS or order.end is not None:
        return None
    at = _opens(order)
    if arrival is not None:
        at = {"on_my_way": (arrival.way_at or arrival.at) + APART, "here": arrival.at + UNSEEN_AFTER}.get(arrival.state)
        at = None if arrival.shown_at is not None else at
    elif RANK[order.stage] >= RANK["staged"]:
        at = None
    return at if at is not None and at > now else None


# ---- what needs a person ----


class Attention(Struct, gc=False, frozen=True):
    """`level`: ok, at_risk, late, waiting or stuck. `code` names the rule, `why` says it.

    `next` is when level, code or what is said may change with no event, `sort` the instant by which it stands among its
    like. The code "later" is that of an order that has no place on the board yet.
    """

    level: str = "ok"
    code: str = ""
    why: str | None = None
    since: float | None = None
    next: float | None = None
    sort: float | None = None


OK: Final = Attention()
USUAL: Final = Pace()
AS_USUAL: Final = House()
RISK_MARGIN: Final = 300.0
RETOLD: Final = 120.0  # seconds after which a forecast that is shown is reckoned anew
WAIT_RISK: Final = 120.0
WAIT_LATE: Final = 300.0
# Seconds without any news after which an open order is stuck, by stage.
QUIET: Final[dict[str, float]] = {
    "preparing": 1500.0, "reviewing": 900.0, "picked": 1500.0, "courier_at_store": 1200.0, "in_transit": 2700.0,
}  # fmt: skip


def deadline(order: Order) -> float | None:
    """The instant by which the order is to be ready (pickup) or at the door (delivery)."""
    if order.promised is None:
        return None
    return order.promised.end if order.promised.end is not None else order.promised.start


def met(order: Order) -> bool:
    """Has the store done its part of the promise?"""
    if order.end is not None or (order.arrival is not None and order.arrival.state == "handed_over"):
        return True
    return order.fulfilment in PICKUPS and RANK["ready"] <= RANK[order.stage]


def attention(order: Order, now: float) -> Attention:
    """What needs a person now, with the reason in words: the first of waiting, late, held, at risk, unanswered, no
    news."""
    arrival = order.arrival
    if arrival is not None and arrival.state in ("here", "claimed", "cannot_find"):
        return _waiting(arrival, now)
    if order.end is not None or order.stage == "cart" or (arrival is not None and arrival.state == "handed_over"):
        return OK
    due = None if met(order) else deadline(order)
    if due is not None and now >= due:
        return Attention("late", "late", f"Late: {progress(order)}, {spell(now - due)} past the promise", due, sort=due)
    if "on_hold" in order.flags or "customer_missing" in order.flags:
        return _held(order, due)
    risk = None if due is None else _risk(order, due)
    if due is not None and risk is not None and now >= risk:
        why = f"At risk: {progress(order)}, {spell(due - now)} left"
        return Attention("at_risk", "at_risk", why, max(risk, order.first), min(due, _told(order, now) + RETOLD), risk)
    if order.asked and order.stage in ASKING:
        return _asked(order, now, _first(risk, due))
    quiet = order.heard + QUIET[order.stage] if order.stage in QUIET else None
    if quiet is not None and now >= quiet:
        return Attention("stuck", "quiet", f"No news for {spell(now - order.heard)}", quiet, _first(risk, due), due)
    shows = _shows(order)
    if shows is not None and now < shows:
        return Attention(code="later", next=_first(shows, quiet, risk, due), sort=due)
    return Attention(next=_first(quiet, risk, due))


def still(order: Order, now: float, seen: Attention | None) -> Attention:
    """As `attention`; `seen` is what it said before of the very same order, and holds until its `next`."""
    return seen if seen is not None and (seen.next is None or now < seen.next) else attention(order, now)


def due_at(order: Order, seen: Attention, now: float) -> float | None:
    """When it is to be shown again with no event, on boards or to its customer."""
    return _first(seen.next, turns(order, now))


def _first(*instants: float | None) -> float | None:
    first = None
    for instant in instants:
        if instant is not None and (first is None or instant < first):
            first = instant
    return first


def _waiting(arrival: Arrival, now: float) -> Attention:
    since, seen = arrival.at, arrival.state != "here" or arrival.shown_at is not None
    edges = (WAIT_RISK, WAIT_LATE) if seen else (UNSEEN_AFTER, WAIT_RISK, WAIT_LATE)
    soon = next((since + edge for edge in edges if now < since + edge), None)
    if arrival.state == "cannot_find":
        return Attention("waiting", "lost", "Can't find the customer", since, soon, since)
    if not seen and now >= since + UNSEEN_AFTER:
        why = f"Nobody has seen this check-in, {spell(now - since)} old"
        return Attention("waiting", "unseen", why, since, soon, since)
    who = f"{arrival.claimed_by} has it" if arrival.claimed_by else "nobody has it yet"
    return Attention("waiting", "waiting", f"Waiting for {spell(now - since)}, {who}", since, soon, since)


# What a person has yet to see of an order that nobody has begun; a new time is all that "rescheduled" says.
UNBEGUN: Final = frozenset({"placed", "confirmed", "assigned"})


def _shows(order: Order) -> float | None:
    """The instant from which an order for later stands on the board; None where it does so anyway."""
    if order.house is None or order.house.shows is None or order.stage not in UNBEGUN:
        return None
    begins = _begins(order)
    if begins is None or order.arrival is not None or order.flags not in ((), ("rescheduled",)):
        return None
    return begins - order.house.shows


ASKING: Final = frozenset({"preparing", "reviewing"})  # stages in which an answer still counts


def _asked(order: Order, now: float, later: float | None) -> Attention:
    stamps = [order.stamps.get("done:" + item.id) for item in order.items or () if item.asked]
    since = _first(*(_instant(stamp) for stamp in stamps if stamp is not None)) or order.updated_at
    why = f"{order.asked} replacement{'s' if order.asked > 1 else ''} unanswered"
    return Attention("stuck", "unanswered", why, since, _first(later, answer_by(order, now)), since)


def answer_by(order: Order, now: float) -> float | None:
    """When picking should be over, and the customer's answer too late; None once that has passed."""
    over = order.updated_at + tally(order)[2] * (order.own or _pace(order).item)
    return over if over > now else None


def _held(order: Order, due: float | None) -> Attention:
    flag, words = (
        ("on_hold", "On hold") if "customer_missing" not in order.flags else ("customer_missing", "Customer missing")
    )
    said = order.reason.description or order.reason.code if order.reason else None
    stamp = order.stamps.get("flag:" + flag)
    since = order.updated_at if stamp is None else _instant(stamp)
    return Attention("stuck", flag, f"{words}: {said}" if said else words, since, due, due)


def _instant(stamp: Stamp) -> float:
    return stamp.heard if stamp.at is None else stamp.at


def _pace(order: Order) -> Pace:
    return USUAL if order.house is None else order.house.pace


def _risk(order: Order, due: float) -> float | None:
    """The instant from which the forecast ends too near the promise."""
    left = work(order)
    if left is None:
        return None
    began, step, rest = left
    edge = due - RISK_MARGIN - rest
    return edge if began + step <= edge else min(began, edge)


def forecast(order: Order, now: float) -> float | None:
    """When it should be ready or at the door; None where that can't be told. Moves on while nothing is heard, in steps
    that `attention` names: so a card that was drawn before says what a fresh one does."""
    left = work(order)
    if left is None:
        return None
    began, step, rest = left
    return max(_told(order, now), began + step) + rest


def _told(order: Order, now: float) -> float:
    """The last instant, up to now, at which a forecast was reckoned."""
    steps = max(now - order.updated_at, 0.0) // RETOLD
    at = order.updated_at + steps * RETOLD
    return at + RETOLD if at + RETOLD <= now else at


def work(order: Order) -> tuple[float, float, float] | None:
    """What is left: when the present step began (0 where that is not known), how long it takes, and all that follows,
    in seconds. None where it can't be told."""
    rank, pace = RANK[order.stage], _pace(order)
    pickup = order.fulfilment in PICKUPS
    trip = 0.0 if pickup else pace.trip
    if rank >= RANK["in_transit"]:
        began = entered(order) if pace.learnt and not pickup else None
        return None if began is None else (began, trip, 0.0)
    if rank >= RANK["picked"]:
        left = 0.0 if pickup and rank >= RANK["ready"] else getattr(pace, order.stage, 0.0)
        began = entered(order)
        return (0.0, 0.0, left + trip) if began is None else (began, left, trip)
    if rank < RANK["preparing"] and not (pace.learnt and order.outcomes and order.items):
        return None
    return _picking(order, pace, trip)


def _picking(order: Order, pace: Pace, trip: float) -> tuple[float, float, float] | None:
    """By the order's own pace. A store's own will do for what has not begun and for what tells of no items."""
    items, begun = order.items, order.stage not in UNBEGUN
    if items is None:
        return None
    if begun and items and not order.outcomes and pace.learnt and (began := entered(order)) is not None:
        return began, len(items) * pace.item, pace.picked + trip
    if begun and items and not counted(order):
        return None
    lines = tally(order)[2]
    return 0.0, 0.0, lines * (order.own or pace.item) + pace.picked + trip


def entered(order: Order) -> float | None:
    """When the order came to its present stage."""
    at = None
    for line in reversed(order.timeline):
        if line.stage != order.stage:
            break
        at = line.at
    return at


def own_pace(order: Order) -> float | None:
    """This order's median seconds a line, once three are done. Lines that a poll finds done at once share the time."""
    stamps, times = order.stamps, []
    for item in order.items or ():
        if item.state != "pending":
            stamp = stamps.get("done:" + item.id) or stamps.get("item:" + item.id)
            if stamp is not None:
                times.append(_instant(stamp))
    if len(times) < 3:
        return None
    times.sort()
    gaps, since, lines = list[float](), times[0], 0
    for at, after in zip(times[1:], [*times[2:], None], strict=True):
        lines += 1
        if at != after:
            if at > since:
                gaps += [(at - since) / lines] * lines
                since = at
            lines = 0
    gaps.sort()
    return gaps[len(gaps) // 2] if len(gaps) >= 2 else None


def tally(order: Order) -> tuple[int, int, int]:
    """Lines done, lines in all, lines left."""
    items = order.items or ()
    left = len([item for item in items if item.state == "pending"])  # a third of the price of a sum()
    return len(items) - left, len(items), left


def counted(order: Order) -> bool:
    """Is it known how many lines are done, of how many? Some systems tell no outcomes; some name a line only when it
    is picked, and the whole list after the last."""
    if not order.items or not order.outcomes:
        return False
    return RANK[order.stage] >= RANK["picked"] or "items" in order.stamps or tally(order)[2] > 0


def progress(order: Order) -> str:
    done, lines, _ = tally(order)
    if lines and not order.outcomes:
        return f"{lines} items"
    if lines and not counted(order):
        return f"{done} picked so far"
    if lines and RANK["preparing"] <= RANK[order.stage] < RANK["staged"]:
        return f"{done} of {lines} picked"
    return order.stage.replace("_", " ")


def spell(seconds: float) -> str:
    """A length of time as people say it."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(int(seconds), 0)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


# ---- where a card is ----

LANES: Final = ("waiting", "needs", "new", "later", "picking", "ready", "courier", "done", "instore")
# on hold stays in its lane
_NEEDS: Final = {"lost": 0, "late": 2, "at_risk": 3, "unanswered": 4, "customer_missing": 4, "quiet": 4}
_LAST: Final = 9_999_999_999.0


def place(order: Order, seen: Attention) -> tuple[str, str]:
    """The lane, and a key that sorts as text. Empty lane: shown nowhere (a cart, or a journey that became an order)."""
    if "joined" in order.flags:
        return "", ""
    if seen.code in ("waiting", "unseen"):
        return "waiting", _digits(seen.since)
    if seen.code in _NEEDS:
        return "needs", f"{_NEEDS[seen.code]}{_digits(seen.sort)}"
    if order.end is not None and "returning" in order.flags:
        return "courier", _digits(order.ended_at)
    handed = order.arrival is not None and order.arrival.state == "handed_over"
    if handed or order.end is not None:
        over = order.arrival.ended_at if order.arrival is not None and handed else order.ended_at
        return "done", _digits(_LAST - (over or 0.0))
    placed = order.first if order.placed_at is None else order.placed_at
    if order.fulfilment == "in_store":
        return "instore", _digits(placed)
    stage = "later" if seen.code == "later" else lane(order)
    return stage, _digits(deadline(order)) + _digits(placed)


def lane(order: Order) -> str:
    """The lane of the order's stage alone."""
    rank = RANK[order.stage]
    if order.end is not None:
        return "done"
    if rank >= RANK["in_transit"]:
        return "courier"
    if rank >= RANK["staged"]:
        return "ready"
    if rank >= RANK["preparing"]:
        return "picking"
    return "new" if rank > 0 else ""


def _digits(instant: float | None) -> str:
    """Ten digits, so that instants compare as text; None comes last."""
    return f"{int(min(max(_LAST if instant is None else instant, 0.0), _LAST)):010d}"


def went_back(order: Order) -> Entry | None:
    """The timeline's line by which the order went back to its present stage, while it is still there."""
    for line, was in itertools.pairwise(reversed(order.timeline)):
        if was.stage != line.stage:
            back = order.end is None and RANK[line.stage] < RANK[was.stage] and "rescheduled" not in order.flags
            return line if back else None
    return None
