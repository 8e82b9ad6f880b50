"""Jane Roots: one webhook for each new status of a cart, with the whole cart in it. There is no id of the event and
no stamp of it either, so the order of arrival counts, forward only."""

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from app.errors import Forged, NotUnderstood, Unreadable
from app.orders import Customer, Item, Order, OrderEvent, Promise, Shopper, Total
from app.providers.contract import (
    Call,
    Calling,
    Provider,
    Reply,
    Request,
    amount,
    digest,
    instant,
    normal,
    read,
    text,
)
from app.providers.signing import bearer, equal, hmac_hex
from app.settings import Source

EVENT: Final = "cart_status_updated"
ITEMS_MOST: Final = 500
MILLISECONDS: Final = 100_000_000_000  # a stamp above this can't be meant in seconds

Ref = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]+\Z")]


class Options(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """`arrival_*` shape the check-in call: its path, the `Authorization` header's value, the JSON body."""

    signing_secret: str | None = None
    signature_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    delivery_started: Literal["staged", "in_transit"] = "staged"
    arrival_path: Annotated[str, Meta(pattern="^/")] = (
        "/roots/store_operations_api/v1/reservations/{uuid}/curbside_arrival"
    )
    arrival_auth: str | None = None
    arrival_body: dict[str, Any] | None = None


class Cart(Struct, gc=False, frozen=True):
    """What is read of a cart. `object` where Jane's page does not say the type, or shows null only."""

    uuid: Ref
    status: str
    id: int | str | None = None
    store_id: int | str | None = None
    queue_number: int | str | None = None
    reservation_mode: str | None = None
    reservation_start_window: str | None = None
    checked_out_time: str | None = None
    amount: float | None = None
    customer_name: str | None = None
    customer_phone_number: str | None = None
    customer_email_address: str | None = None
    external_user_id: int | str | None = None
    assigned_employee_id: object = None
    assigned_employee_name: object = None
    products: object = None


class Hook(Struct, gc=False, frozen=True):
    webhook_event: str
    cart: Cart


class Named(Struct, gc=False, frozen=True):
    webhook_event: str


HOOK: Final = msgspec.json.Decoder(Hook)
NAMED: Final = msgspec.json.Decoder(Named)


class Meaning(Struct, gc=False, frozen=True):
    """A status in our words; `over` is its stage once preparing has begun."""

    stage: str | None
    flags: tuple[str, ...] = ()
    by: str = ""
    over: str | None = None


STATUSES: Final[dict[str, Meaning]] = {
    "pending": Meaning("cart"),
    "verification": Meaning("placed", ("in_review",)),
    "staff_member_review": Meaning("placed", ("in_review",)),
    "preparing": Meaning("preparing"),
    "delivery_started": Meaning("staged"),  # "packed and ready" by its text, on its way by its name: an option decides
    "ready_for_pickup": Meaning("ready"),
    "delivery_finished": Meaning("fulfilled"),
    "finished": Meaning("closed"),
    "finished_without_review": Meaning("closed"),
    "with_review": Meaning("closed", ("reviewed",)),
    "canceled": Meaning("canceled", by="customer"),
    "dismissed": Meaning("rejected", by="store", over="canceled"),
}
UNKNOWN: Final = Meaning(None, ("unknown",))


def first(source: Source, call: Call) -> None:
    bearer(call.headers.get(b"authorization"), source.secret)


def verify(source: Source, call: Call) -> None:
    first(source, call)
    options: Options = source.options
    if options.signing_secret is not None:
        _signed(options.signing_secret, options.signature_seconds, call)


_STAMP: Final = re.compile(rb"\d{1,16}")


def _signed(secret: str, window: int, call: Call) -> None:
    stamp = call.headers.get(b"x-jane-request-timestamp", b"")
    if not _STAMP.fullmatch(stamp):
        raise Forged("X-Jane-Request-Timestamp must be Unix time in seconds or milliseconds.")
    sent = int(stamp) / 1000 if int(stamp) > MILLISECONDS else float(stamp)
    if abs(call.heard - sent) > window:
        raise Forged(f"X-Jane-Request-Timestamp is more than {window} s off. Check both clocks, sign anew.")
    given = call.headers.get(b"x-jane-signature", b"")
    if not equal(given.lower(), hmac_hex(secret, stamp + b":" + call.body)):
        raise Forged("X-Jane-Signature does not fit the body and the timestamp. Check the signing secret.")


def parse(source: Source, call: Call) -> list[OrderEvent]:
    cart = _cart(call.body)
    options: Options = source.options
    word = normal(cart.status)
    meaning = STATUSES.get(word, UNKNOWN)
    said = text(cart.store_id, 128)
    event = OrderEvent(
        source=source.id,
        provider="jane",
        ref=cart.uuid,
        name=EVENT,
        digest=digest(cart.uuid, cart.status, call.body),
        policy="forward",
        heard=call.heard,
        by=meaning.by,
        stage=options.delivery_started if word == "delivery_started" else meaning.stage,
        over=meaning.over,
        raw_status=text(cart.status, 80),
        flags=meaning.flags,
        code=text(cart.queue_number, 32) or (text(cart.id, 128) or cart.uuid)[-4:],
        said=said,
        store=source.home(said) if said is not None else None,
        home=source.fallback,
        outcomes=False,
        fulfilment=_fulfilment(cart.reservation_mode),
        placed_at=instant(cart.checked_out_time, source.zone),
        promised=_promise(instant(cart.reservation_start_window, source.zone)),
        customer=_customer(cart),
        items=_items(cart.products),
        whole=True,
        total=_total(cart.amount, source.currency),
        shopper=_shopper(cart),
    )
    return [event]


def _cart(body: bytes) -> Cart:
    try:
        hook = read(body, HOOK)
    except Unreadable:
        _understood(read(body, NAMED).webhook_event)  # another kind of webhook may lack a cart, and that is no fault
        raise
    _understood(hook.webhook_event)
    return hook.cart


def _understood(name: str) -> None:
    if normal(name) != EVENT:
        raise NotUnderstood(f"Jane's event {text(name, 80)!r} is not known here; {EVENT} is.")


def _fulfilment(mode: str | None) -> str | None:
    """Jane's exact words are not published ("curbside_pickup"?): the particular ones are looked for first."""
    if mode is None:
        return None
    return next((known for known in ("curbside", "kiosk", "delivery") if known in normal(mode)), "pickup")


def _promise(start: float | None) -> Promise | None:
    return None if start is None else Promise(start)


def _customer(cart: Cart) -> Customer | None:
    customer = Customer(
        text(cart.customer_name),
        text(cart.customer_phone_number, 40),
        text(cart.customer_email_address),
        text(cart.external_user_id, 128),
    )
    return None if customer == Customer() else customer


def _total(sum_: float | None, currency: str | None) -> Total | None:
    """Jane counts dollars in floats; the rounding takes away what adding them up left behind."""
    said = None if sum_ is None else amount(round(sum_, 2))
    return None if said is None else Total(said, currency)


def _shopper(cart: Cart) -> Shopper | None:
    name = text(cart.assigned_employee_name)
    return None if name is None else Shopper(text(cart.assigned_employee_id, 128), name)


def _items(products: object) -> tuple[Item, ...] | None:
    """The shape of a product is not published, so nothing of it can be wrong: what can't be read is left out."""
    if not isinstance(products, list):
        return None
    if len(products) > ITEMS_MOST:
        raise Unreadable(f"The cart has more than {ITEMS_MOST} products.")
    lines: dict[str, Item] = {}
    for number, product in enumerate(products, 1):
        if isinstance(product, dict):
            own = _free(text(_first(product, "id", "product_id", "productId"), 128) or str(number), lines)
            lines[own] = _item(own, product)
    return tuple(lines.values()) if lines or not products else None


def _free(own: str, lines: dict[str, Item]) -> str:
    """The id, numbered from the second time on that a list has it."""
    count, key = 1, own
    while key in lines:
        count += 1
        key = f"{own}#{count}"
    return key


def _item(own: str, product: dict[str, Any]) -> Item:
    return Item(own, text(_first(product, "name", "product_name")), _count(_first(product, "count", "quantity")))


def _first(product: dict[str, Any], *names: str) -> object:
    return next((product[name] for name in names if product.get(name) is not None), None)


def _count(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1e9 else None


def arrived(source: Source, order: Order, _: str | None) -> Request | None:
    """The check-in. How Jane wants it is not published in full, so path, authorization and body are configured."""
    options: Options = source.options
    if not source.base_url or order.fulfilment not in ("pickup", "curbside"):
        return None
    path = options.arrival_path.replace("{uuid}", quote(order.ref, safe=""))
    headers = {"Accept": "application/json"}
    if options.arrival_auth is not None:
        headers["Authorization"] = options.arrival_auth
    if options.arrival_body is None:
        return Request(url=source.base_url.rstrip("/") + path, method="POST", headers=headers)
    headers["Content-Type"] = "application/json"
    body = msgspec.json.encode(options.arrival_body)
    return Request(url=source.base_url.rstrip("/") + path, method="POST", headers=headers, body=body)


def outcome(reply: Reply) -> tuple[str, str]:
    status = reply.status
    if 200 <= status < 300:
        return "done", ""
    if status in (408, 429) or status >= 500:
        return "retry", f"Jane answers {status} to the check-in."
    return "refused", REFUSALS.get(status, f"Jane refused the check-in with {status}.") + " Look after the customer."


REFUSALS: Final = {
    401: "Jane does not know our key: arrival_auth must be set right.",
    403: "Jane does not know our key: arrival_auth must be set right.",
    404: "Jane does not know this order.",
    409: "Jane takes no check-in for this order now.",
    422: "Jane takes no check-in for this order now.",
}

PROVIDER: Final = Provider(
    name="jane",
    first=first,
    label="Jane",
    verify=verify,
    parse=parse,
    options=Options,
    calls={"arrived": Calling(request=arrived, outcome=outcome)},  # after a timeout a person decides
)
