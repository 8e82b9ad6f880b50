"""The words: what an order is made of, its stages and their ranks. Times are Unix seconds, amounts decimal strings."""

from typing import Final, Literal

from msgspec import Struct

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
UNBEGUN: Final = frozenset({"placed", "confirmed", "assigned"})
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


USUAL: Final = Pace()
AS_USUAL: Final = House()


def soonest(*instants: float | None) -> float | None:
    """The first of those that are known; None where none is."""
    first = None
    for instant in instants:
        if instant is not None and (first is None or instant < first):
            first = instant
    return first


def instant(stamp: Stamp) -> float:
    return stamp.heard if stamp.at is None else stamp.at
