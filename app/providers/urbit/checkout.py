"""What urb-it's answer about a checkout says: what it is bought for, by whom, and how far the purchase is."""

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct, field

from app.errors import Unreadable
from app.orders import Customer, Destination, Handling, Item, Order, OrderEvent, Promise, Reason, Total
from app.providers.contract import GONE, Follow, Reply, amount, digest, instant, normal, pruned, text
from app.settings import Source

ITEMS_MOST: Final = 500
STOCKHOLM: Final = ZoneInfo("Europe/Stockholm")


class Person(Struct, frozen=True):
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone_number: str | None = None


class Place(Struct, frozen=True):
    street: str | None = None
    postal_code: str | int | None = None
    city: str | None = None
    delivery_location_type: str | None = None


class Article(Struct, frozen=True):
    id: int | str | None = None
    own: int | str | None = field(name="Id", default=None)  # so in the document's table
    reference_id: int | str | None = None
    name: str | None = None
    type: str | None = None


class Checkout(Struct, frozen=True):
    """Capitals as in the document's table, small letters as in its example. Amounts are in the currency's cents."""

    checkout_status: str
    store_id: str | int | None = None
    consumer: Person | None = None
    table_consumer: Person | None = field(name="Consumer", default=None)
    delivery: Place | None = None
    table_delivery: Place | None = field(name="Delivery", default=None)
    delivery_code: str | int | None = None
    delivery_expected_at: str | None = None
    order_number: int | str | None = None
    total_amount: Annotated[int, Meta(ge=-(10**12), le=10**12)] | None = None
    checkout_items: list[Article] | None = None
    gift: bool | None = None


CHECKOUT: Final = msgspec.json.Decoder(Checkout)

# In one spelling without underscores: "PICKEDUP", "PickedUp" and "picked_up" are one word.
PURCHASE: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "created": ("cart", ()),
    "ready": ("cart", ("payment_entered",)),
    "complete": ("confirmed", ()),  # bought, not delivered
    "failed": ("failed", ()),
}
NO_GOODS: Final = frozenset({"deliveryfee", "voucher"})
GIFTS: Final = frozenset({"beneficary", "beneficiary"})  # urb-it's spelling, and the usual one


def spelled(said: str | None) -> str:
    return normal(said or "").replace("_", "")


def _common(source: Source, follow: Follow, reply: Reply, name: str) -> dict[str, Any]:
    return {
        "source": source.id,
        "provider": "urbit",
        "ref": follow.ref,
        "name": name,
        # Each poll is an event of its own: what was so before the last one may well be so again.
        "digest": digest(name, follow.ref, repr(reply.asked)),
        "policy": "forward",
        "heard": reply.asked,
        "home": follow.store or source.fallback,
        "outcomes": False,
        "fulfilment": "delivery",
    }


def stage(source: Source, follow: Follow, order: Order | None, reply: Reply, told: Checkout) -> OrderEvent:
    # Whatever an unknown word means, only COMPLETE means bought.
    unknown = ("cart" if order is None else None, ("unknown",))
    meant, flags = PURCHASE.get(spelled(told.checkout_status), unknown)
    return OrderEvent(
        stage=meant,
        flags=flags,
        raw_status=text(told.checkout_status, 80),
        store=_store(source, follow, told),
        **_common(source, follow, reply, "checkout_status"),
    )


def facts(source: Source, follow: Follow, order: Order | None, reply: Reply, told: Checkout) -> OrderEvent:
    customer, destination, handling = _parties(told, order)
    due = instant(told.delivery_expected_at, source.zone if source.timezone or source.store else STOCKHOLM)
    items = _items(told.checkout_items)
    return OrderEvent(
        code=text(told.order_number, 64),
        said=text(told.store_id, 128) if follow.store is None else None,
        store=_store(source, follow, told),
        promised=None if due is None else Promise(None, due),
        customer=customer,
        destination=destination,
        handling=handling,
        delivery_code=text(told.delivery_code, 64),
        items=follow.items if items is None else items,
        whole=True,
        total=_total(told.total_amount, source.currency),
        **_common(source, follow, reply, "checkout"),
    )


def expired(source: Source, follow: Follow, reply: Reply, hours: float) -> OrderEvent:
    """Ours to say: urb-it has no word for it. It ends nothing: who buys after all has bought."""
    why = Reason("expired", f"The checkout was not completed within {hours:g} hours.")
    return OrderEvent(flags=("expired",), reason=why, by="local", **_common(source, follow, reply, "expired"))


def _store(source: Source, follow: Follow, told: Checkout) -> str | None:
    """Who asked us to follow the order knows its store best."""
    said = text(told.store_id, 128)
    return follow.store or (source.home(said) if said is not None else None)


def _parties(told: Checkout, order: Order | None) -> tuple[Customer | None, Destination | None, Handling | None]:
    """Who it is for and where it goes. Either party of a gift may be shown this order, so it names neither: what an
    answer named before it was a gift is taken back."""
    consumer, place = told.consumer or told.table_consumer, told.delivery or told.table_delivery
    kind = spelled(place.delivery_location_type) if place else ""
    if told.gift or kind in GIFTS:
        named, placed = order is not None and order.customer, order is not None and order.destination
        return Customer() if named else None, Destination() if placed else None, None
    handling = Handling(dropoff=text(place.delivery_location_type, 40)) if place and kind == "car" else None
    return _customer(consumer), _destination(place), handling


def _customer(person: Person | None) -> Customer | None:
    if person is None:
        return None
    name = text(f"{person.first_name or ''} {person.last_name or ''}")
    customer = Customer(name, text(person.phone_number, 40), text(person.email))
    return None if customer == Customer() else customer


def _destination(place: Place | None) -> Destination | None:
    if place is None:
        return None
    city = f"{'' if place.postal_code is None else place.postal_code} {place.city or ''}".strip()
    address = text(", ".join(part for part in (place.street, city) if part))
    return None if address is None else Destination(address)


def _total(cents: int | None, currency: str | None) -> Total | None:
    said = None if cents is None else amount(f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}")
    return None if said is None else Total(said, currency)


def _items(articles: list[Article] | None) -> tuple[Item, ...] | None:
    """The goods. What the delivery costs and what a voucher takes off are articles to urb-it, and in the total."""
    if articles is None:
        return None
    if len(articles) > ITEMS_MOST:
        raise Unreadable(f"The checkout has more than {ITEMS_MOST} articles.")
    lines: dict[str, Item] = {}
    for number, row in enumerate(articles, 1):
        if spelled(row.type) in NO_GOODS:
            continue
        given = next((one for one in (row.id, row.own, row.reference_id) if one is not None), None)
        own = text(given, 128) or str(number)
        key = own if own not in lines else f"{own}#{number}"
        lines[key] = Item(key, text(row.name))
    return tuple(lines.values())


def redact(body: bytes) -> bytes:
    """The body without the card's control digits. Of one that can't be read nothing is kept."""
    return pruned(body, lambda name, value: GONE if name == "controldigits" else value)
