"""AiFi, stores without tills: an order's checkout (draft, completed, and reviewed where it was contested, days later),
and what comes before there is an order: a journey, whose people come, go and stand in checkout zones."""

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.errors import Unreadable
from app.orders import Customer, Item, OrderEvent, Reason, Total
from app.providers.contract import GONE, Call, Provider, amount, digest, instant, normal, pruned, read, text
from app.providers.signing import bearer
from app.settings import Source

ITEMS_MOST: Final = 500
VISITS: Final = frozenset({"entered", "left"})

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[str, Meta(max_length=128, pattern=r"^[0-9A-Za-z._-]+\Z")]
Quantity = Annotated[float, Meta(ge=0, le=1e9)]


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """AiFi publishes one word for the outcome of a payment, "success". These say which words mean paid and unpaid;
    any other leaves a completed order as it is: the goods are gone, the money is not yet known of."""

    paid: tuple[str, ...] = ("success", "paid")
    unpaid: tuple[str, ...] = ("unpaid", "failed")


class Session(Struct, frozen=True, rename="camel"):
    session_id: object = None
    session_token: object = None
    suspected_fraud: object = None


class Person(Struct, frozen=True, rename="camel"):
    external_id: object = None


class Product(Struct, frozen=True):
    name: object = None
    thumbnail: object = None


class Line(Struct, frozen=True, rename="camel"):
    id: object = None
    product_id: object = None
    name: object = None
    thumbnail: object = None
    quantity: Quantity | None = None
    product_snapshot: Product | None = None


class Payment(Struct, frozen=True, rename="camel"):
    payment_status: str | None = None


class Told(Struct, frozen=True, kw_only=True, rename="camel"):
    """What all of AiFi's calls have. `sessionId` at the top is the older spelling of `session.sessionId`."""

    session: Session | None = None
    session_id: object = None
    customer: Person | None = None
    store_id: Id | None = None
    time_of_origin: str | None = None
    time_of_issue: str | None = None
    special_attention: object = None
    cart: list[Line] | None = None


class Checkout(Told, frozen=True, kw_only=True, rename="camel"):
    order_id: Id
    status: str
    reviewed_total_price: object = None
    total_price: object = None
    amount: object = None
    payment: Payment | None = None


class Visit(Told, frozen=True, kw_only=True, rename="camel"):
    """A zone's call is known by its zone: transitions come to the same address without one."""

    checkout_zone_id: Id | UnsetType | None = UNSET
    shopper_id: object = None
    shopper: object = None


CHECKOUT: Final = msgspec.json.Decoder(Checkout)
VISIT: Final = msgspec.json.Decoder(Visit)

Meaning = tuple[str, tuple[str, ...]]
# The calls say draft, completed or reviewed; the other words are those of AiFi's console for the same orders. Whatever
# is said of an order, its goods have left the store: so an overlay stands on "picked", which no end gives way to.
STATUSES: Final[dict[str, Meaning]] = {
    "draft": ("picked", ("processing",)),
    "completed": ("fulfilled", ()),
    "payment_processing": ("fulfilled", ()),
    "paid": ("closed", ()),
    "unpaid": ("fulfilled", ("payment_failed",)),
    "pending": ("picked", ("on_hold",)),
    "contested": ("picked", ("on_hold",)),
    "reviewed": ("closed", ()),
}
UNKNOWN: Final = ("picked", ("unknown",))
UNPLACED: Final = frozenset({"completed", "payment_processing", "paid", "unpaid"})
CONTEST: Final = Reason("contest", "The customer contests the receipt.")


def verify(source: Source, call: Call) -> None:
    bearer(call.headers.get(b"authorization"), source.secret)


def parse(source: Source, call: Call) -> list[OrderEvent]:
    return [_visit(source, call) if call.tail in VISITS else _checkout(source, call)]


def _checkout(source: Source, call: Call) -> OrderEvent:
    """A checkout, or the cart as AiFi offers it for changes, which says the same things of an order."""
    told = read(call.body, CHECKOUT)
    name, ref, word = call.tail or "checkout", str(told.order_id), normal(told.status)
    stage, flags = _offered(word) if name == "cart" else _meaning(word, told.payment, source.options)
    return OrderEvent(
        ref=ref,
        name=name,
        digest=digest(name, ref, word, told.time_of_issue or told.time_of_origin or ""),
        # All calls of an order share the time of its origin (a review's, days later, is that of the shopping), so
        # only the time of issue can tell which of two totals is the last word.
        at=_instant(source, told.time_of_issue, told.time_of_origin),
        placed_at=instant(told.time_of_origin, source.zone),
        stage=stage,
        flags=(*flags, *_suspicion(told)),
        reason=CONTEST if "on_hold" in flags else None,
        raw_status=text(told.status, 80),
        code=ref,
        journey=_journey(told),
        total=_total(source.currency, told.reviewed_total_price, told.total_price, told.amount),
        **_common(source, call, told),
    )


def _visit(source: Source, call: Call) -> OrderEvent:
    """Somebody of a journey came, went, or walked through a checkout zone. A zone's word about the stage is "cart"
    again, so that leaving one ends the flag of having entered it, and a journey first heard of in a zone is no order.
    """
    told = read(call.body, VISIT)
    ref = _journey(told)
    if ref is None:
        raise Unreadable("There is no session.sessionId to know the journey by.")
    zone, came = told.checkout_zone_id, call.tail == "entered"
    place = "" if zone is UNSET else " ".join(["checkout zone", *([] if zone is None else [str(zone)])])
    return OrderEvent(
        ref=ref,
        name=f"{'zone' if place else 'transition'}_{call.tail}",
        digest=digest(ref, place, call.tail, told.time_of_origin or told.time_of_issue or "", _shopper(told)),
        # Zones may be buffered: sent late, they still happened when they did, and before the checkout was issued.
        at=_instant(source, told.time_of_origin, told.time_of_issue),
        stage="cart" if came or place else "picked",
        flags=(*(("in_zone",) if came and place else ()), *_suspicion(told)),
        note=True,
        raw_status=f"{place} {call.tail}".strip(),
        **_common(source, call, told),
    )


def _common(source: Source, call: Call, told: Told) -> dict[str, Any]:
    said = None if told.store_id is None else str(told.store_id)
    customer = text(told.customer.external_id, 128) if told.customer else None
    return {
        "source": source.id,
        "provider": "aifi",
        "policy": "event_time",
        "heard": call.heard,
        "said": said,
        "store": source.home(said) if said is not None else None,
        "home": source.fallback,
        "fulfilment": "in_store",
        "customer": Customer(external_id=customer) if customer is not None else None,
        "items": _items(told.cart),
        "whole": True,
    }


def _meaning(word: str, payment: Payment | None, options: Options) -> Meaning:
    paid = normal(payment.payment_status or "") if payment else ""
    if word == "completed" and paid in map(normal, options.paid):
        return STATUSES["paid"]
    if word == "completed" and paid in map(normal, options.unpaid):
        return STATUSES["unpaid"]
    return STATUSES.get(word, UNKNOWN)


def _offered(word: str) -> Meaning:
    """While its cart is offered for changes an order is being placed, not yet completed: its checkout follows."""
    return STATUSES["draft"] if word in UNPLACED else STATUSES.get(word, UNKNOWN)


def _instant(source: Source, *stamps: str | None) -> float:
    found = next((at for stamp in stamps if (at := instant(stamp, source.zone)) is not None), None)
    if found is None:
        raise Unreadable("Neither timeOfIssue nor timeOfOrigin is an RFC 3339 time.")
    return found


_SESSION: Final = re.compile(r"[!-~]{1,100}")


def _journey(told: Told) -> str | None:
    """The ref of the journey. AiFi has three names for one session id."""
    session = told.session or Session()
    words = (text(word) for word in (session.session_id, session.session_token, told.session_id))
    return next(("session:" + word for word in words if word is not None and _SESSION.fullmatch(word)), None)


def _shopper(told: Visit) -> str:
    """Which of a group it was: its people share the session, and at times the instant."""
    own = told.shopper.get("id") if isinstance(told.shopper, dict) else None
    return text(told.shopper_id if told.shopper_id is not None else own) or ""


def _suspicion(told: Told) -> tuple[str, ...]:
    fraud = told.session is not None and told.session.suspected_fraud is True
    return ("suspected",) if fraud or told.special_attention is True else ()


def _total(currency: str | None, *said: object) -> Total | None:
    """The first of them that is an amount. One that a review has set outweighs what the cart adds up to."""
    found = next((sum_ for one in said if one is not None and (sum_ := amount(one)) is not None), None)
    return None if found is None else Total(found, currency)


def _items(cart: list[Line] | None) -> tuple[Item, ...] | None:
    if cart is None:
        return None
    if len(cart) > ITEMS_MOST:
        raise Unreadable(f"The cart has more than {ITEMS_MOST} lines.")
    lines: dict[str, Item] = {}
    for number, row in enumerate(cart, 1):
        own = text(row.id, 128) or text(row.product_id, 128) or str(number)
        key = own if own not in lines else f"{own}#{number}"
        lines[key] = _item(key, row)
    return tuple(lines.values())


def _item(key: str, row: Line) -> Item:
    """What is in the cart has been taken: there is nothing to look for."""
    product = row.product_snapshot or Product()
    picture = text(row.thumbnail or product.thumbnail, 2000) or ""
    return Item(
        id=key,
        name=text(row.name) or text(product.name),
        quantity=row.quantity,
        fulfilled=row.quantity,
        state="found",
        image_url=picture if picture.startswith("https://") else None,
    )


NEVER: Final = frozenset(
    {
        "cardbin",
        "cardlast4",
        "cardexpmonth",
        "cardexpyear",
        "cardbrand",
        "paymenttransactionid",
        "paymenttransactionids",
    }
)


def redact(body: bytes) -> bytes:
    """The body without payment cards, wherever in it. Of one that can't be read nothing is kept: who knows where."""
    return pruned(body, _unpaid)


def _unpaid(name: str, value: Any) -> Any:
    if name in NEVER:
        return GONE
    return _kind(value) if name == "paymentinstrument" else value


def _kind(instrument: Any) -> dict[str, Any] | None:
    kind = instrument.get("type") if isinstance(instrument, dict) else None
    return {"type": text(kind, 40)} if kind is not None else None


# Whoever answers a checkout or an offered cart decides for AiFi what is paid and what is sold: `{}` decides nothing.
PROVIDER: Final = Provider(
    name="aifi",
    label="AiFi",
    verify=verify,
    parse=parse,
    redact=redact,
    options=Options,
    tails=frozenset({"", "entered", "left", "cart"}),
    status=200,
    answer=b"{}",
)
