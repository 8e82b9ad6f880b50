"""Lolamarket's own record of an order, asked for when its webhooks have been silent past the promised slot.

The shape of an order's lines there is not published, so the likely spellings are looked for and none can be wrong.
"""

from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from app.errors import NotUnderstood, Unreadable
from app.orders import Item, Order, OrderEvent, Promise, Shopper, Total, deadline
from app.providers.contract import Follow, Heard, Polling, Reply, Request, amount, instant, normal, read, text
from app.providers.lolamarket.events import EVENTS, ID_MOST, ITEMS_MOST, UNDECIDED, Id, Options, Slot, kind_of
from app.settings import Source

ORDER: Final = "order"
PAST: Final = 600.0  # seconds after the slot, and after the last word
SOONEST: Final = 60.0  # seconds between two questions, which grow with the time the order has been asked about
LATEST: Final = 900.0
GIVEN_UP: Final = 3 * 86_400.0  # seconds an order that never ends is asked about


class Money(Struct, frozen=True):
    amount: str | float | None = None
    currency: str | None = None


class Totals(Struct, frozen=True, rename="camel"):
    amount_charged: Money | None = None
    bag_count: Annotated[int, Meta(ge=0, le=10_000)] | None = None


class Record(Struct, frozen=True, rename="camel"):
    status: str
    order_ref: Id | None = None
    service_type: str | None = None
    service_date: Slot | None = None
    shopper_id: Id | None = None
    articles: Any = None
    totals: Totals | None = None


class Grant(Struct, frozen=True, rename="camel"):
    token: Annotated[str, Meta(min_length=1, max_length=8192)]
    expires_in: Annotated[float, Meta(gt=0)] = 3600.0


class Fault(Struct, frozen=True):
    detail: str | None = None
    title: str | None = None


RECORD: Final = msgspec.json.Decoder(Record)
GRANT: Final = msgspec.json.Decoder(Grant)
FAULT: Final = msgspec.json.Decoder(Fault)
LINES: Final = {"picked": "found", "not_found": "not_found", "replaced": "replaced", "pending": "pending"}


def token(source: Source, _: Follow) -> tuple[str, Request]:
    options: Options = source.options
    body = {"clientId": options.client_id, "clientSecret": options.client_secret, "grantType": "client_credentials"}
    return "client", Request(
        url=_address(source, "/v1/oauth/token"),
        method="POST",
        headers={"Content-Type": "application/json"},
        body=msgspec.json.encode(body),
    )


def granted(reply: Reply) -> tuple[str, float]:
    if not 200 <= reply.status < 300:
        raise Unreadable(_refusal(reply))
    grant = read(reply.body, GRANT)
    return grant.token, min(grant.expires_in, 86_400.0)


def _address(source: Source, path: str) -> str:
    return (source.base_url or "").rstrip("/") + path


def request(source: Source, follow: Follow, resource: str, token: str | None) -> Request:
    url = _address(source, f"/v1/orders/{quote(follow.ref, safe='')}")
    return Request(url=url, headers={"Authorization": f"Bearer {token}"})


def plan(source: Source, follow: Follow, order: Order | None, now: float) -> dict[str, float]:
    """At once when the following begins; then ever more slowly, and not while the webhooks speak."""
    options: Options = source.options
    over = order is not None and order.end is not None and ORDER in follow.asked
    if not (source.base_url and options.client_id and options.client_secret) or over or now > follow.began + GIVEN_UP:
        return {}
    asked = follow.asked.get(ORDER)
    if asked is None:
        return {ORDER: follow.began}
    again = asked + min(max((asked - follow.began) / 4, SOONEST), LATEST)
    if order is None or order.heard <= asked + 1:
        return {ORDER: again}
    return {ORDER: max(again, order.heard + PAST, (deadline(order) or 0.0) + PAST)}


def hear(source: Source, follow: Follow, order: Order | None, resource: str, reply: Reply) -> Heard:
    if reply.status == 401:
        return Heard(renew=True)
    if reply.status == 404:
        return Heard(over=True)  # it has gone there: what the webhooks have said is all there is
    if not 200 <= reply.status < 300:
        return Heard(failed=_refusal(reply))
    try:
        return Heard(events=(_event(source, follow, order, reply),))
    except (Unreadable, NotUnderstood) as error:
        return Heard(failed=f"Lolamarket's answer can't be used. {error}")


def _refusal(reply: Reply) -> str:
    try:
        fault = read(reply.body, FAULT)
    except Unreadable:
        fault = Fault()
    said = text(fault.detail or fault.title, 120)
    return f"Lolamarket answers {reply.status}" + (f": {said}" if said else ".")


def _event(source: Source, follow: Follow, order: Order | None, reply: Reply) -> OrderEvent:
    record = read(reply.body, RECORD)
    kind = kind_of(record.status)
    stage, flags = EVENTS[kind]
    totals = record.totals or Totals()
    return OrderEvent(
        source=source.id,
        provider="lolamarket",
        ref=follow.ref,
        name="record",
        digest="",  # the same words may be true again after others
        policy="snapshot",
        heard=reply.asked,
        stage=stage,
        flags=flags,
        raw_status=text(record.status, 80),
        code=text(record.order_ref, 64),
        store=follow.store,
        home=source.fallback,
        promised=_window(source, record.service_date),
        shopper=_shopper(order, record.shopper_id),
        items=_items(order, record.articles, kind),
        total=_total(totals.amount_charged),
        bags=totals.bag_count or None,
    )


def _window(source: Source, slot: Slot | None) -> Promise | None:
    if slot is None:
        return None
    window = Promise(instant(slot.from_date, source.zone), instant(slot.to_date, source.zone))
    return None if window == Promise() else window


def _shopper(order: Order | None, said: Id | None) -> Shopper | None:
    """The record knows the id alone: it says nothing new of a shopper whose name we have."""
    own = text(said, ID_MOST)
    known = order.shopper.id if order is not None and order.shopper is not None else None
    return None if own is None or own == known else Shopper(own)


def _total(money: Money | None) -> Total | None:
    said = None if money is None or money.amount is None else amount(money.amount)
    return None if said is None or money is None else Total(said, text(money.currency, 3))


def _items(order: Order | None, rows: Any, kind: str) -> tuple[Item, ...] | None:
    """What the record says of the lines. It names no replacement, so what we know of one stays."""
    if not isinstance(rows, list):
        return None
    if len(rows) > ITEMS_MOST:
        raise Unreadable(f"There are more than {ITEMS_MOST} articles.")
    known = {item.id: item for item in (order.items or ())} if order is not None else {}
    lines: dict[str, Item] = {}
    for row in rows:
        own = text(_first(row, "sku", "itemId", "id"), ID_MOST) if isinstance(row, dict) else None
        if own is not None and own not in lines:
            lines[own] = _line(own, row, kind, known.get(own))
    return tuple(lines.values()) or None


def _line(own: str, row: dict[Any, Any], kind: str, known: Item | None) -> Item:
    asked, asked_unit = _amount(row, "requested", "quantityRequested")
    got, got_unit = _amount(row, "picked", "quantityFulfilled")
    state = LINES.get(normal(str(row.get("status") or "")))
    if state is None:
        state = "pending" if got is None or (not got and kind in UNDECIDED) else "found" if got else "not_found"
    return Item(
        own,
        name=text(_first(row, "shortDescription", "name", "description")) or (known.name if known else None),
        quantity=asked,
        unit=asked_unit,
        fulfilled=got,
        fulfilled_unit=got_unit,
        state=state,
        replacements=known.replacements if known is not None and known.state == state else (),
        image_url=known.image_url if known else None,
    )


def _amount(row: dict[Any, Any], nested: str, flat: str) -> tuple[float | None, str | None]:
    table = row.get(nested)
    number, unit = row.get(flat), row.get(flat + "Unit")
    if isinstance(table, dict):
        number, unit = table.get("quantity"), table.get("unit")
    sound = isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1e9
    return (float(number) if sound and number is not None else None), text(unit, 20)


def _first(row: dict[Any, Any], *names: str) -> object:
    return next((row[name] for name in names if row.get(name) is not None), None)


POLLING: Final = Polling(plan=plan, request=request, hear=hear, token=token, granted=granted)
