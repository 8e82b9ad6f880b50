"""The words and the rules: what an event does to an order. Pure: no clock, no I/O, no library but msgspec.

Times are Unix seconds (float), amounts decimal strings, ids strings. An `Order` is never changed in place: `apply`
returns a new one. Stages, ranks and movement follow the providers' common model; see `docs/rules.md`.
"""

import itertools
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

Policy = Literal["event_time", "forward", "snapshot", "local"]
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
STICKY: Final = frozenset({"late", "reviewed", "payment_failed", "suspected"})
AFTER_END: Final = frozenset({"reviewed", "payment_failed", "suspected", "returning"})
ITEM_STATES: Final = ("pending", "found", "replaced", "refunded", "partial", "not_found", "added", "returned")
PICKUPS: Final = frozenset({"pickup", "curbside", "kiosk"})
TIMELINE_MOST: Final = 200
SKEW: Final = 300.0  # seconds a provider's stamp may lie ahead of its receipt


class Stamp(Struct, frozen=True, array_like=True):
    """When a facet was set: `at` by the provider's clock (None where it has none), `heard` by ours."""

    at: float | None
    heard: float
    rank: int = 0
    digest: str = ""


class Mark(Struct, frozen=True, array_like=True):
    """What was last said about the stage. `clear`: flags older than this have ended."""

    stage: str
    raw: str
    stamp: Stamp
    clear: Stamp


class Promise(Struct, frozen=True):
    """The promised window; either side may be open."""

    start: float | None = None
    end: float | None = None


class Customer(Struct, frozen=True, omit_defaults=True):
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    external_id: str | None = None


class Replacement(Struct, frozen=True, omit_defaults=True):
    id: str
    name: str | None = None
    quantity: float | None = None
    unit: str | None = None
    image_url: str | None = None


class Item(Struct, frozen=True, omit_defaults=True):
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


class Total(Struct, frozen=True):
    amount: str
    currency: str | None = None


class Shopper(Struct, frozen=True, omit_defaults=True):
    id: str | None = None
    name: str | None = None
    picture_url: str | None = None


class Destination(Struct, frozen=True, omit_defaults=True):
    address: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Handling(Struct, frozen=True, omit_defaults=True):
    """How to hand over at the door."""

    instructions: str | None = None
    dropoff: str | None = None
    notes: str | None = None
    leave_unattended: bool = False
    alcoholic: bool = False
    certified: bool = False


class Reason(Struct, frozen=True):
    code: str | None = None
    description: str | None = None


class Arrival(Struct, frozen=True, omit_defaults=True):
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


class Entry(Struct, frozen=True, omit_defaults=True):
    """A line of the timeline."""

    stage: str
    at: float
    raw: str = ""
    by: str = ""


class Order(Struct, kw_only=True, omit_defaults=True):
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

    @property
    def key(self) -> str:
        return f"{self.source}:{self.ref}"


class OrderEvent(Struct, frozen=True, kw_only=True):
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


class Step(Struct, frozen=True, omit_defaults=True):
    """One move of an arrival: by the customer (on_my_way, here) or the staff (claimed, cannot_find, handed_over)."""

    state: str
    bay: str | None = None
    vehicle: str | None = None
    undo: bool = False


class Effect(Struct, frozen=True):
    """Something to be done outside, stored with the event: the outbox asks the provider what it means."""

    kind: str
    key: str  # idempotency key


class Change(Struct, frozen=True):
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
    if stamp.at is not None and other.at is not None:
        return (stamp.at, stamp.rank, stamp.digest) > (other.at, other.rank, other.digest)
    return stamp.heard >= other.heard


def older(stamp: Stamp, other: Stamp) -> bool:
    if stamp.at is not None and other.at is not None:
        return (stamp.at, stamp.rank, stamp.digest) < (other.at, other.rank, other.digest)
    return stamp.heard < other.heard


def apply(old: Order | None, event: OrderEvent) -> Change:
    """What `event` makes of `old` (None: the first word about it)."""
    if event.arrival is not None:
        return arrive(old, event, event.arrival)
    at, note = trusted(event)
    stage = event.stage
    if event.over and old is not None and RANK[(old.open or _NO_MARK).stage] >= RANK["preparing"]:
        stage = event.over
    if old is not None and event.policy == "forward" and stage is not None and goes_back(old, stage):
        return Change(old, "late", f"{stage} after {old.stage}", saved=False)
    order = begun(event) if old is None else replace(old, stamps=dict(old.stamps))
    stamp = Stamp(at, event.heard, RANK[stage] if stage else 0, event.digest[:12])
    stale = _status(order, event, stage, stamp)
    stale += _facets(order, event, stamp)
    if event.items is not None:
        stale += _items(order, event.items, event.whole, stamp)
    settle(order)
    return _judge(old, order, event, stale, note)


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
    return Order(source=event.source, provider=event.provider, ref=event.ref, first=event.heard, stamps={})


_NO_MARK: Final = Mark("cart", "", Stamp(None, 0.0), Stamp(None, 0.0))


def _status(order: Order, event: OrderEvent, stage: str | None, stamp: Stamp) -> int:
    """Sets the marks of the stage, the flags and the reason; answers how many came too late."""
    stale = 0
    if stage is not None:
        stale += _mark(order, event, stage, stamp)
    for flag in event.flags:
        stale += not _set(order, "flag:" + flag, stamp)
    if event.reason is not None:
        if _set(order, "reason", stamp):
            order.told = event.reason
        else:
            stale += 1
    return stale


def _mark(order: Order, event: OrderEvent, stage: str, stamp: Stamp) -> int:
    raw = event.raw_status or event.name
    if stage in ENDS:
        was = order.end
        heavier = was is None or ENDS[stage] > ENDS[was.stage]
        if heavier or (was is not None and ENDS[stage] == ENDS[was.stage] and newer(stamp, was.stamp)):
            order.end = Mark(stage, raw, stamp, stamp)
            return 0
        return 1
    was = order.open
    if was is None or newer(stamp, was.stamp):
        # A poll that finds the same stage again ends no flag: only a new word about the stage does.
        keep = was is not None and event.policy == "snapshot" and was.stage == stage and was.raw == raw
        order.open = Mark(stage, raw, stamp, was.clear if keep and was else stamp)
        return int(order.end is not None)
    return 1


def _set(order: Order, name: str, stamp: Stamp) -> bool:
    if not newer(stamp, order.stamps.get(name)):
        return False
    order.stamps[name] = stamp
    return True


def _facets(order: Order, event: OrderEvent, stamp: Stamp) -> int:
    stale = 0
    for name in FACETS:
        value = getattr(event, name)
        if value is None:
            continue
        if not _set(order, name, stamp):
            stale += 1
            continue
        if name == "promised" and event.policy != "event_time" and order.promised not in (None, value):
            order.previous_promise = order.promised
        setattr(order, name, value)
    return stale


def _items(order: Order, items: tuple[Item, ...], whole: bool, stamp: Stamp) -> int:
    """Line by line, each with its own stamp. A whole list also ends the lines that it does not name."""
    kept: dict[str, Item] = {item.id: item for item in order.items or ()}
    stale = 0
    floor = order.stamps.get("items")
    if whole and newer(stamp, floor):
        order.stamps["items"] = floor = stamp
    for item in items:
        if floor is not None and older(stamp, floor):
            stale += 1
        elif _set(order, "item:" + item.id, stamp):
            kept[item.id] = _merged(kept.get(item.id), item)
        else:
            stale += 1
    if floor is not None:
        for gone in [key for key in kept if older(order.stamps["item:" + key], floor)]:
            del kept[gone], order.stamps["item:" + gone]
    if stale < len(items):
        first = [item.id for item in items if item.id in kept] if whole else []
        order.items = tuple(kept[key] for key in [*first, *sorted(kept.keys() - set(first), key=_natural)])
    return stale


def _merged(was: Item | None, item: Item) -> Item:
    """Names and pictures often come once only; the rest of a line is always said whole."""
    if was is None or (item.name is not None and item.image_url is not None):
        return item
    return replace(item, name=item.name or was.name, image_url=item.image_url or was.image_url)


def _natural(key: str) -> tuple[int, str]:
    return (len(key), key) if key.isdecimal() else (0, key)


def settle(order: Order) -> None:
    """Derives what is shown from what was said: stage, flags, reason, end."""
    top = order.end or order.open
    if top is None:
        return
    order.stage, order.raw_status = top.stage, top.raw
    flags = []
    for name, stamp in order.stamps.items():
        if name[:5] == "flag:" and _flies(name[5:], stamp, order.end, top.clear):
            flags.append(name[5:])
    order.flags = tuple(sorted(flags))
    said = order.stamps.get("reason")
    order.reason = order.told if said is not None and not older(said, top.clear) else None
    if order.end is None:
        order.ended_at = None
    elif order.ended_at is None:
        order.ended_at = max(order.end.stamp.heard, order.end.stamp.at or 0.0)


def _flies(flag: str, stamp: Stamp, end: Mark | None, clear: Stamp) -> bool:
    if end is not None and flag not in AFTER_END:
        return flag in STICKY and flag != "late"
    return flag in STICKY or not older(stamp, clear)


def _judge(old: Order | None, order: Order, event: OrderEvent, stale: int, note: str) -> Change:
    order.heard = max(order.heard, event.heard)
    order.first = min(order.first, event.heard)
    moved = old is None or old.stage != order.stage
    raised = old is None or old.flags != order.flags
    if old is not None and not moved and not (event.note and not stale) and _looks(old) == _looks(order):
        if stale:
            return Change(order, "late", note or "older than what it would change")
        return Change(order, "same" if event.policy == "snapshot" else "applied", note)
    if moved or raised or event.note:
        entry = Entry(order.stage, event.at or event.heard, event.raw_status or event.name, event.by or event.source)
        order.timeline = (*order.timeline, entry)[-TIMELINE_MOST:]
    order.version += 1
    order.updated_at = max(order.updated_at, event.heard)
    back = old is not None and moved and order.end is None and RANK[order.stage] < RANK[old.stage]
    return Change(order, "reverted" if back else "applied", note, changed=True)


_HIDDEN: Final = frozenset({"stamps", "open", "end", "told", "heard", "first", "rev", "version", "updated_at"})
_SHOWN: Final = tuple(f for f in Order.__struct_fields__ if f not in _HIDDEN)


def _looks(order: Order) -> list[Any]:
    return [getattr(order, name) for name in _SHOWN]


# ---- arrivals ----

MOVES: Final[dict[str, tuple[str | None, ...]]] = {
    "on_my_way": (None, "on_my_way"),
    "here": (None, "on_my_way", "here", "cannot_find"),
    "claimed": ("here", "claimed", "cannot_find"),
    "cannot_find": ("here", "claimed", "cannot_find"),
    "handed_over": (None, "on_my_way", "here", "claimed", "cannot_find", "handed_over"),
}
UNDO: Final[dict[str, str]] = {"claimed": "here", "cannot_find": "claimed", "handed_over": "claimed"}


def arrive(old: Order | None, event: OrderEvent, step: Step) -> Change:
    """A check-in never changes the stage. A repeat has no effect; an impossible move is refused with the reason."""
    if old is None:
        return Change(begun(event), "refused", "there is no such order", saved=False)
    was = old.arrival
    if step.state == "shown":
        return _shown(old, event)
    if step.undo:
        return _undone(old, event, step)
    if old.end is not None and step.state != "handed_over":
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
    bay, vehicle = step.bay or base.bay, step.vehicle or base.vehicle
    if state == "on_my_way":
        return replace(base, state=state, bay=bay, vehicle=vehicle, way_at=base.way_at or now)
    if state == "here":
        first = was is None or was.state == "on_my_way"
        state = "claimed" if base.claimed_by and base.state == "cannot_find" else state
        return replace(base, state=state, at=now if first else base.at, bay=bay, vehicle=vehicle)
    if was is not None and was.state == state:
        return was
    if state == "claimed":
        return replace(base, state=state, claimed_by=event.by, claimed_at=now)
    if state == "handed_over":
        return replace(base, state=state, ended_at=now, claimed_by=base.claimed_by or event.by)
    return replace(base, state=state, claimed_by=base.claimed_by or event.by)


def _undone(old: Order, event: OrderEvent, step: Step) -> Change:
    was = old.arrival
    if was is None or was.state != step.state or step.state not in UNDO:
        return Change(old, "refused", f"there is no {step.state} to undo", saved=False)
    back = UNDO[step.state] if was.claimed_at or step.state == "claimed" else "here"
    new = replace(was, state=back, ended_at=None)
    return _arrived(old, event, replace(new, claimed_by=None, claimed_at=None) if back == "here" else new)


def _shown(old: Order, event: OrderEvent) -> Change:
    if old.arrival is None or old.arrival.shown_at is not None or old.arrival.state not in ("here", "claimed"):
        return Change(old, "same", saved=False)
    return _arrived(old, event, replace(old.arrival, shown_at=event.heard))


def _arrived(old: Order, event: OrderEvent, new: Arrival) -> Change:
    first = new.state == "here" and (old.arrival is None or old.arrival.state == "on_my_way")
    effects = (Effect("arrived", f"{old.key}:arrived"),) if first else ()
    entry = Entry(old.stage, event.heard, new.state, event.by)
    timeline = old.timeline if event.name == "shown" else (*old.timeline, entry)[-TIMELINE_MOST:]
    order = replace(old, arrival=new, timeline=timeline, version=old.version + 1, updated_at=event.heard)
    order.heard = event.heard
    return Change(order, "applied", effects=effects, changed=True)


# ---- what needs a person ----


class Pace(Struct, frozen=True):
    """How long a store usually takes, in seconds: a line item, and what is left from a stage on until it is ready."""

    item: float = 75.0
    left: dict[str, float] = {"picked": 240.0, "staged": 600.0, "courier_at_store": 300.0, "in_transit": 0.0}
    trip: float = 1200.0  # from leaving the store to the door


class Attention(Struct, frozen=True):
    """`level`: ok, at_risk, late, waiting or stuck. `code` names the rule, `why` says it; `next` is when it may change."""

    level: str = "ok"
    code: str = ""
    why: str | None = None
    since: float | None = None
    next: float | None = None


OK: Final = Attention()
RISK_MARGIN: Final = 300.0
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
    if order.end is not None or order.stage == "fulfilled":
        return True
    return order.fulfilment in PICKUPS and RANK["ready"] <= RANK[order.stage]


def attention(order: Order, now: float, pace: Pace = Pace()) -> Attention:
    """What needs a person now, with the reason in words; waiting first, then late, at risk, stuck."""
    arrival = order.arrival
    if arrival is not None and arrival.state in ("here", "claimed", "cannot_find"):
        return _waiting(order, arrival, now)
    if order.end is not None or order.stage == "cart":
        return OK
    due = None if met(order) else deadline(order)
    if due is not None and now >= due:
        return Attention("late", "late", f"Late: {progress(order)}, {spell(now - due)} past the promise", due)
    if "on_hold" in order.flags or "customer_missing" in order.flags:
        return _held(order)
    quiet = QUIET.get(order.stage)
    if quiet is not None and now - order.heard >= quiet:
        why = f"No news for {spell(now - order.heard)}"
        return Attention("stuck", "quiet", why, order.heard + quiet, due)
    ends = forecast(order, now, pace)
    risk = None if due is None else due - RISK_MARGIN
    if due is not None and risk is not None and ends is not None and ends > risk:
        why = f"At risk: {progress(order)}, {spell(due - now)} left"
        return Attention("at_risk", "at_risk", why, order.updated_at, due)
    return replace(OK, next=_soonest(now, order, quiet, due, ends))


def _waiting(order: Order, arrival: Arrival, now: float) -> Attention:
    waited = now - arrival.at
    soon = next((arrival.at + edge for edge in (WAIT_RISK, WAIT_LATE) if waited < edge), None)
    if arrival.state == "cannot_find":
        return Attention("waiting", "lost", "Can't find the customer", arrival.at, soon)
    who = f"{arrival.claimed_by} has it" if arrival.claimed_by else "nobody has it yet"
    return Attention("waiting", "waiting", f"Waiting for {spell(waited)}, {who}", arrival.at, soon)


def _held(order: Order) -> Attention:
    flag = "customer_missing" if "customer_missing" in order.flags else "on_hold"
    said = order.reason.description or order.reason.code if order.reason else None
    words = "Customer missing" if flag == "customer_missing" else "On hold"
    stamp = order.stamps.get("flag:" + flag)
    since = (stamp.at or stamp.heard) if stamp else order.updated_at
    return Attention("stuck", flag, f"{words}: {said}" if said else words, since)


def _soonest(now: float, order: Order, quiet: float | None, due: float | None, ends: float | None) -> float | None:
    """The next instant at which the answer can change with no event."""
    times = [] if quiet is None else [order.heard + quiet]
    if due is not None:
        times.append(due)
        if ends is not None:  # the forecast moves with the clock: it crosses the margin after the slack is used up
            times.append(now + max(due - RISK_MARGIN - ends, 1.0))
    return min(times, default=None)


def forecast(order: Order, now: float, pace: Pace) -> float | None:
    """When it should be ready or at the door, from the order's own pace; None before picking has begun."""
    rank = RANK[order.stage]
    trip = 0.0 if order.fulfilment in PICKUPS else pace.trip
    if rank < RANK["preparing"]:
        return None
    if rank >= RANK["in_transit"]:
        return None
    if rank >= RANK["picked"]:
        return now + (0.0 if trip == 0.0 and rank >= RANK["ready"] else pace.left.get(order.stage, 0.0)) + trip
    if order.items is None:
        return None
    _, _, left = tally(order)
    return now + left * (own_pace(order) or pace.item) + pace.left["picked"] + trip


def own_pace(order: Order) -> float | None:
    """This order's median seconds a line, once three are done."""
    times = sorted(
        (stamp.at or stamp.heard)
        for item in order.items or ()
        if item.state != "pending" and (stamp := order.stamps.get("item:" + item.id)) is not None
    )
    gaps = sorted(b - a for a, b in itertools.pairwise(times) if b > a)
    return gaps[len(gaps) // 2] if len(gaps) >= 2 else None


def tally(order: Order) -> tuple[int, int, int]:
    """Lines done, lines in all, lines left."""
    items = order.items or ()
    left = sum(item.state == "pending" for item in items)
    return len(items) - left, len(items), left


def progress(order: Order) -> str:
    done, lines, _ = tally(order)
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

LANES: Final = ("waiting", "needs", "new", "picking", "ready", "courier", "done")
_NEEDS: Final = {"lost": 0, "late": 2, "at_risk": 3, "customer_missing": 4, "quiet": 4, "on_hold": 5}


def place(order: Order, seen: Attention) -> tuple[str, str]:
    """The lane, and a key that sorts as text. Empty lane: shown nowhere (a cart, or nobody's any more)."""
    if seen.code == "waiting":
        return "waiting", _digits(seen.since)
    if seen.code in _NEEDS and seen.code != "on_hold":
        return "needs", f"{_NEEDS[seen.code]}{_digits(seen.since if seen.code == 'lost' else deadline(order))}"
    if order.arrival is not None and order.arrival.state == "handed_over":
        return "done", _digits(9_999_999_999 - (order.arrival.ended_at or 0.0))
    if order.end is not None:
        if "returning" in order.flags:
            return "courier", _digits(order.ended_at)
        return "done", _digits(9_999_999_999 - (order.ended_at or 0.0))
    return lane(order), _digits(deadline(order)) + _digits(order.placed_at or order.first)


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
    return f"{min(int(instant or 9_999_999_999), 9_999_999_999):010d}"


def went_back(order: Order) -> Entry | None:
    """The timeline's line by which the order went back to its present stage, while it is still there."""
    lines = [line for line in order.timeline if line.raw not in MOVES]
    for was, line in zip(lines[-2::-1], lines[:0:-1], strict=False):
        if line.stage != order.stage:
            return None
        if was.stage != line.stage:
            return line if RANK[line.stage] < RANK[was.stage] and "rescheduled" not in order.flags else None
    return None
