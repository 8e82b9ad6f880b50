"""The fall-back when a feed is down: orders that people enter, and stages that they set, through intake like any other
event."""

import secrets
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from msgspec import Meta, Struct

from app.errors import Conflict, Forbidden, Invalid
from app.orders import BY_HAND, HAND_STAGES, MANUAL, Customer, Item, Order, OrderEvent, Promise
from app.providers.contract import digest, instant, stored, text
from app.settings import Store
from app.web import pins
from app.web.board import Call, Form, seen
from app.web.ledger import PLACE, theirs
from app.web.site import Site

LINES_MOST: Final = 500
REF: Final = r"^[A-Za-z0-9][A-Za-z0-9._~:@+-]*\Z"  # whole in an address; a journey's ref is no order's

Ref = Annotated[str, Meta(min_length=1, max_length=128, pattern=REF)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Kind = Literal["delivery", "pickup", "curbside", "kiosk", "last_mile"]


class Good(Struct, frozen=True, forbid_unknown_fields=True):
    """A line item; without an id it is known by its place."""

    name: Word
    id: Ref | None = None
    quantity: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    unit: Annotated[str, Meta(max_length=20)] | None = None
    image_url: Annotated[str, Meta(max_length=2000, pattern="^https://")] | None = None


class Window(Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from", "end": "to"}):
    """RFC 3339; a time without a zone is the store's."""

    start: str | None = None
    end: str | None = None


class Person(Struct, frozen=True, forbid_unknown_fields=True):
    name: Word | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    email: Word | None = None
    external_id: Word | None = None


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """An order to enter. `ref` is the retailer's own, and makes a repeat harmless."""

    source: Literal["manual"]
    store: str
    code: Annotated[str, Meta(min_length=1, max_length=40)]
    fulfilment: Kind
    promised: Window | None = None
    ref: Ref | None = None
    items: Annotated[list[Good], Meta(max_length=LINES_MOST)] | None = None
    customer: Person | None = None


_WANTED: Final = msgspec.json.Decoder(Wanted)


def read(body: bytes | dict[str, Any]) -> Wanted:
    """JSON, or what a form's fields come to. Raises Invalid, with the place and what is expected."""
    try:
        return _WANTED.decode(body) if isinstance(body, bytes) else msgspec.convert(body, Wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The order does not fit: {error}") from None


async def entered(site: Site, wanted: Wanted, by: str, via: str = "") -> tuple[Order, bool]:
    """The order, and whether it is new: a ref that was entered before changes nothing."""
    event = _event(site, wanted, by)
    known = await site.orders.get(event.key)
    if known is None:
        outcome = await site.intake.take(event, stored(wanted))
        if outcome.verdict == "applied":
            await site.audit.note(by, "order_placed", store=wanted.store, about=event.key, via=via)
            return outcome.order, True
        known = await site.orders.get(event.key)
    if known is None:
        raise Conflict("An order with this ref was here before, and was erased. Give this one another ref.")
    return known.order, False


def _event(site: Site, wanted: Wanted, by: str) -> OrderEvent:
    store = site.settings.stores.get(wanted.store)
    if store is None:
        raise Invalid(f"There is no store {wanted.store!r} in the config.")
    code = text(wanted.code, 40)
    if code is None:
        raise Invalid("code must have a letter or a digit that can be seen.")
    ref, now = wanted.ref or secrets.token_hex(6), site.clock()
    if ":" in ref and ref.startswith("session"):
        raise Invalid("ref can't begin with session: that is how visits to a shop are named.")
    return OrderEvent(
        source=MANUAL, provider=MANUAL, ref=ref, name=BY_HAND, digest=digest(MANUAL, ref), policy="hand", heard=now,
        by=by, stage="placed", raw_status=BY_HAND, code=code, store=store.id, outcomes=False,
        fulfilment=wanted.fulfilment, placed_at=now, promised=_promised(wanted.promised, store),
        customer=_customer(wanted.customer), items=_items(wanted.items), whole=True,
    )  # fmt: skip


def _promised(window: Window | None, store: Store) -> Promise | None:
    if window is None or window == Window():
        return None
    made = Promise(_time("from", window.start, store), _time("to", window.end, store))
    if made.start is not None and made.end is not None and made.end < made.start:
        raise Invalid("promised.to must not lie before promised.from.")
    return made


def _time(name: str, said: str | None, store: Store) -> float | None:
    at = instant(said, store.zone)
    if said is not None and at is None:
        raise Invalid(f"promised.{name} must be a time like 2027-03-01T16:30:00Z.")
    return at


def _customer(person: Person | None) -> Customer | None:
    if person is None:
        return None
    made = Customer(text(person.name), text(person.phone, 40), text(person.email), text(person.external_id))
    return None if made == Customer() else made


def _items(goods: list[Good] | None) -> tuple[Item, ...] | None:
    if goods is None:
        return None
    made = [
        Item(good.id or str(place), text(good.name), good.quantity, text(good.unit, 20), image_url=good.image_url)
        for place, good in enumerate(goods, 1)
    ]
    if len({item.id for item in made}) < len(made):
        raise Invalid("Two items have the same id.")
    return tuple(made)


async def staged(site: Site, order: Order, stage: str, by: str, via: str = "") -> Order:
    """Sets the stage by hand; "" takes that back."""
    if order.fulfilment == "in_store":
        raise Conflict("People in the shop go their own way: nobody moves them by hand.")
    if stage and stage not in HAND_STAGES[order.fulfilment]:
        raise Invalid("stage must be one of " + ", ".join(HAND_STAGES[order.fulfilment]) + ".")
    event = OrderEvent(
        source=order.source, provider=order.provider, ref=order.ref, name=BY_HAND, digest="", policy="hand",
        heard=site.clock(), by=by, stage=stage or None, raw_status=BY_HAND,
    )  # fmt: skip
    outcome = await site.intake.take(event)
    if outcome.verdict == "refused":
        raise Conflict(f"That can't be done now: {outcome.note}.")
    if outcome.verdict != "same":
        detail = stage or "taken back"
        await site.audit.note(by, "stage_set", store=order.store or "", about=order.key, via=via, detail=detail)
    return outcome.order


# ---- from the board ----


@post("/board/{store:str}/orders", status_code=204)
async def enter(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[None]:
    """The board's form. `ref` is the form's own, so that to send it twice enters one order."""
    site.guard(request)
    user = await seen(site, request, store)
    order, _ = await entered(site, read(_filled(store, data)), user.name)
    if order.store != store:
        raise Forbidden("That ref is an order's of another store.")
    return Response(None, status_code=204)


def _filled(store: str, data: Form) -> dict[str, Any]:
    """The form's fields as the API's. Times are the store's; a line of `items` may lead with how many."""
    said = {name: value.strip() for name, value in data.items() if value.strip()}
    made: dict[str, Any] = {"source": MANUAL, "store": store}
    made |= {name: said[name] for name in ("ref", "code", "fulfilment") if name in said}
    made["promised"] = {name: said[name] for name in ("from", "to") if name in said} or None
    made["customer"] = {name: said[name] for name in ("name", "phone") if name in said} or None
    lines = [line.strip() for line in said.get("items", "").splitlines() if line.strip()]
    made["items"] = [_counted(line) for line in lines] or None
    return made


def _counted(line: str) -> dict[str, Any]:
    """ "2 oat milk" is two of them."""
    count, _, name = line.partition(" ")
    number = count.rstrip("x×")
    if name.strip() and number.isdecimal() and len(number) < 5:
        return {"name": name.strip(), "quantity": float(number)}
    return {"name": line}


@post(PLACE + "/stage", status_code=204)
async def move(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    source: FromPath[str],
    ref: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> None:
    site.guard(request)
    user, order = await theirs(site, request, store, source, ref)
    stage, who, via = data.get("stage", ""), user.name, ""
    if stage:  # taking it back asks for nothing
        who, via = await pins.person(site, request, site.store(store), user)
    await staged(site, order, stage, who, via)


HANDLERS: Final = (enter, move)
