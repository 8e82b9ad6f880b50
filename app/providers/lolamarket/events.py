"""Lolamarket (Glovo XL): stamped events in two dialects, the document's and its repository's latest. Each carries what
it is about and little else, so what an event leaves out is unchanged."""

from functools import lru_cache
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from app.errors import Forged, NotUnderstood, Unreadable
from app.orders import Item, OrderEvent, Promise, Reason, Replacement, Shopper
from app.providers.contract import Call, again, digest, instant, normal, read, text
from app.providers.signing import bearer, equal
from app.settings import Source

ITEMS_MOST: Final = 500  # lines and their replacements together
ID_MOST: Final = 128
T = TypeVar("T")

Ref = Annotated[str, Meta(min_length=1, max_length=ID_MOST, pattern=r"^[!-~]+\Z")]
Id = str | int  # text on one side of the contract, a number on the other; never a float
Quantity = Annotated[float, Meta(ge=0, le=1e9)]


class Options(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """`bags_item`: the id of the article that counts the bags. `client_id`, `client_secret`: the keys of the retailer
    API, for orders that fall silent."""

    bags_item: str | None = None
    client_id: str = ""
    client_secret: str = ""


class Place(Struct, gc=False, frozen=True):
    id: Id | None = None


class Slot(Struct, gc=False, frozen=True, rename="camel"):
    from_date: str | None = None
    to_date: str | None = None


class Person(Struct, gc=False, frozen=True):
    id: Id | None = None
    name: str | None = None
    picture: str | None = None


class Why(Struct, gc=False, frozen=True):
    code: str | None = None
    description: str | None = None


class Other(Struct, gc=False, frozen=True, rename="camel"):
    """What came in an article's stead."""

    item_id: Id | None = None
    id: Id | None = None
    quantity_fulfilled: Quantity | None = None
    quantity_fulfilled_unit: str | None = None
    shopper_provided_name: str | None = None


class Article(Struct, gc=False, frozen=True, rename="camel"):
    item_id: Id | None = None
    id: Id | None = None
    quantity_requested: Quantity | None = None
    quantity_requested_unit: str | None = None
    quantity_fulfilled: Quantity | None = None
    quantity_fulfilled_unit: str | None = None
    replaced: bool | None = None
    returned: bool | None = None
    replacement: Other | list[Other] | None = None


class Payload(Struct, gc=False, frozen=True, rename="camel"):
    id: Ref
    order_ref: Id | None = None
    service_type: str | None = None
    picking_location: Place | None = None
    time_slot: Slot | None = None
    timeslot: Slot | None = None
    old_timeslot: Slot | None = None
    old_time_slot: Slot | None = None
    previous_timeslot: Slot | None = None
    previous_time_slot: Slot | None = None
    shopper: Person | None = None
    articles: Article | list[Article] | None = None
    article: Article | list[Article] | None = None
    reason: Why | None = None


class Hook(Struct, gc=False, frozen=True, rename="camel"):
    event_id: Id
    event_name: str
    event_timestamp: str
    event_payload: Payload


class Named(Struct, gc=False, frozen=True, rename="camel"):
    event_name: str


HOOK: Final = msgspec.json.Decoder(Hook)
NAMED: Final = msgspec.json.Decoder(Named)

# What an event says about the stage, and the flag that it raises.
EVENTS: Final[dict[str, tuple[str | None, tuple[str, ...]]]] = {
    "order_received": ("placed", ()),
    "order_confirmed": ("confirmed", ()),
    "order_allocated": ("assigned", ()),
    "order_rescheduled": ("confirmed", ("rescheduled",)),  # it has to be allocated again
    "order_in_picking": ("preparing", ()),
    "item_pending": ("preparing", ()),
    "item_picked": ("preparing", ()),
    "item_replaced": ("preparing", ()),
    "item_not_found": ("preparing", ()),
    "item_added": ("preparing", ()),
    "order_picked": ("picked", ()),
    "order_in_transit": ("in_transit", ()),
    "order_delivered": ("fulfilled", ()),
    "order_on_hold": (None, ("on_hold",)),
    "order_rejected": ("rejected", ()),
    "order_canceled": ("canceled", ()),
    "order_in_return": (None, ("returning",)),
    "order_returned": ("returned", ()),
}
FULFILMENTS: Final = {"delivery": "delivery", "picking": "pickup"}
# As long as picking goes on, a list of all lines says 0 of what nobody has looked for yet.
UNDECIDED: Final = frozenset(
    {"order_received", "order_confirmed", "order_allocated", "order_rescheduled", "order_in_picking"}
)
# What an item event says by its name alone, where its article names no quantity.
UNSAID: Final = {
    "item_picked": "found", "item_replaced": "replaced", "item_not_found": "not_found", "item_added": "added",
}  # fmt: skip


def verify(source: Source, call: Call) -> None:
    """The provider documents no authentication: the secret comes as a Bearer token, or as the address's last word."""
    if not equal(call.tail.encode("utf-8", "surrogatepass"), source.secret.encode()):
        try:
            bearer(call.headers.get(b"authorization"), source.secret)
        except Forged:
            raise Forged("Send the secret of this source as a Bearer token, or as the last word of the URL.") from None


def parse(source: Source, call: Call) -> list[OrderEvent]:
    kind, hook = _hook(call.body)
    payload = hook.event_payload
    options: Options = source.options
    stage, flags = EVENTS[kind]
    at = instant(hook.event_timestamp, source.zone)
    if at is None:
        raise Unreadable("eventTimestamp is no RFC 3339 time.")
    place = payload.picking_location
    said = None if place is None else text(place.id, ID_MOST)
    shopper = _shopper(payload.shopper)
    items, bags = _articles(payload, kind, options.bags_item)
    event = OrderEvent(
        source=source.id,
        provider="lolamarket",
        ref=payload.id,
        name=kind,
        digest=_digest(hook, call.body),
        policy="event_time",
        heard=call.heard,
        at=at,
        # Several shoppers may share an order: the latest is shown, the timeline keeps them all.
        by=(shopper.name or shopper.id or "") if shopper and kind == "order_allocated" else "",
        note=kind == "order_allocated",
        stage=stage,
        flags=flags,
        raw_status=text(hook.event_name, 80),
        code=text(payload.order_ref, 64),
        said=said,
        store=source.home(said) if said is not None else None,
        home=source.fallback,
        fulfilment=FULFILMENTS.get(normal(payload.service_type or "")),
        promised=_window(source, payload.time_slot, payload.timeslot),
        # It stays on all events after a reschedule; only the rescheduling itself raises the flag.
        previous_promise=_window(
            source, payload.old_timeslot, payload.old_time_slot, payload.previous_timeslot, payload.previous_time_slot
        ),
        shopper=shopper,
        reason=_reason(payload.reason),
        items=items,
        bags=bags,
    )
    return [event]


def _hook(body: bytes) -> tuple[str, Hook]:
    try:
        hook = read(body, HOOK)
    except Unreadable:
        kind_of(read(body, NAMED).event_name)  # an unknown event may have any shape, and that is no fault
        raise
    return kind_of(hook.event_name), hook


def kind_of(name: str) -> str:
    """The one spelling of an event's name: `order.article.notFound`, `item.not.found` are both `item_not_found`."""
    word = normal(name)
    if word.startswith(("order_item_", "order_article_")):
        word = word.removeprefix("order_")
    if word.startswith("article_"):
        word = "item_" + word.removeprefix("article_")
    if word not in EVENTS:
        raise NotUnderstood(f"Lolamarket's event {text(name, 80)!r} is not known here.")
    return word


def _digest(hook: Hook, body: bytes) -> str:
    """One eventId is seen on many different events, so it is not enough to know one by: the body counts as it came. A
    sender's repeat is the same to the byte; one written anew finds its own stamp and changes nothing."""
    return digest(_id(hook.event_id, "eventId"), hook.event_name, hook.event_payload.id, body)


def _id(value: Id | None, what: str) -> str:
    word = text(value, ID_MOST + 1)
    if word is None or len(word) > ID_MOST:
        raise Unreadable(f"{what} must be an id of 1 to {ID_MOST} characters.")
    return word


def _window(source: Source, *slots: Slot | None) -> Promise | None:
    for slot in slots:
        if slot is not None:
            break
    else:
        return None
    start, end = again(slot.from_date, source.zone), again(slot.to_date, source.zone)
    return None if start is None and end is None else Promise(start, end)


def _shopper(person: Person | None) -> Shopper | None:
    if person is None:
        return None
    picture = person.picture or ""
    shown = text(picture, 2000) if picture.startswith("https://") and len(picture) <= 2000 else None
    own, name = text(person.id, ID_MOST), text(person.name)
    return None if own is None and name is None and shown is None else Shopper(own, name, shown)


def _reason(why: Why | None) -> Reason | None:
    reason = Reason(text(why.code, 80), text(why.description, 400)) if why else Reason()
    return None if reason == Reason() else reason


def _articles(payload: Payload, kind: str, bags_item: str | None) -> tuple[tuple[Item, ...] | None, int | None]:
    """The lines, and how many bags the bags line counts."""
    rows = _several(payload.articles) + _several(payload.article)
    if len(rows) + sum([len(_several(row.replacement)) for row in rows if row.replacement is not None]) > ITEMS_MOST:
        raise Unreadable(f"There are more than {ITEMS_MOST} articles and replacements.")
    lines: dict[str, Item] = {}
    bags = None
    for row in rows:
        own = _id(row.item_id if row.item_id is not None else row.id, "itemId")
        if own == bags_item:
            bags = bags if row.quantity_fulfilled is None else int(row.quantity_fulfilled)
        else:
            key = _free(own, lines)
            lines[key] = _item(key, row, kind)
    return tuple(lines.values()) or None, bags


def _several(value: T | list[T] | None) -> list[T]:
    """One, many or none, as a list: which of them comes differs by event and dialect."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _free(own: str, lines: dict[str, Item]) -> str:
    """The id, numbered from the second time on that a list has it."""
    count, key = 1, own
    while key in lines:
        count += 1
        key = f"{own}#{count}"
    return key


def _item(key: str, row: Article, kind: str) -> Item:
    return Item(
        key,
        quantity=row.quantity_requested,
        unit=_unit(row.quantity_requested_unit),
        fulfilled=row.quantity_fulfilled,
        fulfilled_unit=_unit(row.quantity_fulfilled_unit),
        state=outcome(row, kind),
        replacements=tuple([_replacement(other) for other in _several(row.replacement)]) if row.replacement else (),
    )


def _replacement(other: Other) -> Replacement:
    own = other.item_id if other.item_id is not None else other.id
    return Replacement(
        _id(own, "A replacement's itemId"),
        text(other.shopper_provided_name),
        other.quantity_fulfilled,
        _unit(other.quantity_fulfilled_unit),
    )


@lru_cache(256)  # a handful of words, twice in each line
def _unit(word: str | None) -> str | None:
    return text(word, 20)


def outcome(row: Article, kind: str) -> str:
    """What became of a line. Units compare only where they are the same: 5 units may well be 0.43 kilograms."""
    if row.returned:
        return "returned"
    if row.replaced or (row.replaced is None and kind == "item_replaced"):
        return "replaced"
    asked, got = row.quantity_requested, row.quantity_fulfilled
    if kind == "item_pending" or (not got and kind in UNDECIDED):
        return "pending"
    if got is None:
        return UNSAID.get(kind, "pending")
    if got == 0:
        return "not_found"
    if asked == 0 or (asked is None and kind == "item_added"):
        return "added"
    one, other = row.quantity_requested_unit, row.quantity_fulfilled_unit
    alike = one == other or normal(one or "") == normal(other or "")
    return "partial" if asked is not None and alike and got < asked else "found"
