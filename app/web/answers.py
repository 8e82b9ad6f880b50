"""The shapes of what the API answers, as `/api/schema` tells them. `shape.py` and the handlers build them; a test holds
every answer against its shape, so that neither has a field that the other lacks."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]  # RFC 3339, UTC
Stage = Literal[
    "cart", "placed", "confirmed", "assigned", "preparing", "reviewing", "picked", "staged", "ready",
    "courier_at_store", "arrived", "in_transit", "fulfilled", "closed", "canceled", "rejected", "failed", "returned",
]  # fmt: skip
Fulfilment = Literal["delivery", "pickup", "curbside", "kiosk", "last_mile", "in_store"]
ItemState = Literal["pending", "found", "replaced", "refunded", "partial", "not_found", "added", "returned"]


class Shape(Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class Reason(Shape):
    code: str | None
    description: str | None


class Window(Shape, rename={"start": "from", "end": "to"}):
    start: Moment | None
    end: Moment | None


class Customer(Shape):
    name: str | None
    phone: str | None
    email: str | None
    external_id: str | None


class Replacement(Shape):
    id: str
    name: str | None
    quantity: float | None
    unit: str | None
    image_url: str | None


class Item(Shape):
    """A line item: `quantity` is what was asked for, `fulfilled` what was found, each in its own unit."""

    id: str
    name: str | None
    image_url: str | None
    quantity: float | None
    unit: str | None
    fulfilled: float | None
    fulfilled_unit: str | None
    state: ItemState
    replacements: list[Replacement]


class Total(Shape):
    """`amount` is a decimal string, never a float."""

    amount: str
    currency: str | None


class Shopper(Shape):
    id: str | None
    name: str | None
    picture_url: str | None


class Location(Shape):
    latitude: float
    longitude: float
    at: Moment


class Destination(Shape):
    address: str | None
    latitude: float | None
    longitude: float | None


class Handling(Shape):
    """How to hand over at the door."""

    instructions: str | None
    dropoff: str | None
    notes: str | None
    leave_unattended: bool
    alcoholic: bool
    certified: bool


class Arrival(Shape):
    """A customer's check-in. `at`: when they said so; `shown_at`: when a board first showed it."""

    state: Literal["on_my_way", "here", "claimed", "cannot_find", "handed_over"]
    bay: str | None
    vehicle: str | None
    at: Moment
    shown_at: Moment | None
    claimed_by: str | None


class Attention(Shape):
    level: Literal["ok", "at_risk", "late", "waiting", "stuck"]
    why: str | None
    since: Moment | None


class Line(Shape):
    """A step of the way. `raw` is the order system's own word."""

    stage: Stage
    at: Moment
    raw: str
    by: str


class Order(Shape):
    """An order. `ref` is the order system's own key, `code` the one that people know. Null is "not known". Where the
    shopper is stands in the answer about one order alone, not in lists."""

    source: str
    provider: str
    ref: str
    code: str | None
    store: str | None
    fulfilment: Fulfilment
    stage: Stage
    raw_status: str | None
    flags: list[str]
    reason: Reason | None
    placed_at: Moment
    promised: Window | None
    previous_promise: Window | None
    customer: Customer | None
    items: list[Item] | None
    total: Total | None
    shopper: Shopper | None
    shopper_location: Location | None
    destination: Destination | None
    handling: Handling | None
    delivery_code: str | None
    bags: int | None
    arrival: Arrival | None
    attention: Attention
    timeline: list[Line]
    version: int
    updated_at: Moment


class Orders(Shape):
    """A page of orders, the newest first; `next` is the `cursor` of the following page."""

    items: list[Order]
    next: str | None


class Followed(Shape):
    """`order` is null until the order system has been asked. `following`: will it be asked again?"""

    source: str
    ref: str
    following: bool
    order: Order | None


class LedgerLine(Shape):
    """A raw event. `verdict`: applied, duplicate, late, reverted, not understood, refused."""

    received: Moment
    event_time: Moment | None
    verdict: str
    name: str
    by: str
    note: str
    body: str


class Ledger(Shape):
    items: list[LedgerLine]
    next: None


class NewLink(Shape):
    """A tracking link. Its address is told this once; `expires_at` is null until the order has ended."""

    id: str
    kind: Literal["customer", "delegate"]
    url: str
    expires_at: Moment | None


class Link(Shape):
    """`made_from`: the customer's link that a delegate's was made on."""

    id: str
    kind: Literal["customer", "delegate"]
    created_at: Moment
    expires_at: Moment | None
    made_from: str | None


class Links(Shape):
    items: list[Link]
    next: None


class Board(Shape):
    """What stands on a store's board, and the position up to which it is true."""

    store: str
    epoch: str
    seq: int
    items: list[Order]


class NewScreen(Shape):
    """The address to open on the screen; it is told this once."""

    id: str
    url: str


class Call(Shape):
    """A call to an order system. `said` is what it answered to the last try."""

    key: str
    kind: str
    source: str
    ref: str
    state: Literal["waiting", "sending", "done", "refused", "dead"]
    tries: int
    said: str | None
    asked_at: Moment
    tried_at: Moment | None
    next_at: Moment | None


class Calls(Shape):
    items: list[Call]
    next: str | None


class Again(Shape):
    """How many calls will be made again."""

    again: int


class Source(Shape):
    """A feed's health. `silent`: nothing was heard for far longer than usual."""

    id: str
    provider: str
    last_event: Moment | None
    events: int
    usual_gap_seconds: float | None
    silent: bool
    polls: int
    errors: int
    breaker: str
    last_error: str | None
    last_error_at: Moment | None


class Sources(Shape):
    items: list[Source]
    next: None


class Kept(Shape):
    """What could not be read or understood. `count`: how often the same was sent."""

    id: str
    source: str
    why: str
    detail: str
    received_at: Moment
    count: int
    bytes: int


class KeptWhole(Kept):
    method: str
    tail: str
    query: str
    body: str


class Quarantine(Shape):
    items: list[Kept]
    next: str | None


class Replayed(Shape):
    id: str
    replayed: bool


class Left(Shape):
    """What still can't be used, and why."""

    id: str
    detail: str


class AllReplayed(Shape):
    replayed: int
    left: list[Left]


class Alive(Shape):
    status: Literal["ok"]


class Ready(Shape):
    redis: Literal["ok", "away"]
    relay: Literal["ok", "behind"]


class Problem(Shape):
    """RFC 9457. `detail` says what happened and what to do; `retry`, whether trying again helps."""

    type: str
    title: str
    status: int
    detail: str
    retry: bool
