"""Instacart Connect after checkout: tokens, orders, items, handling, location, pickup."""

from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

import msgspec

from app.sandbox.api.call import WORD, Answer, Request, Route
from app.sandbox.connect import AT_DOOR, LAST_MILE, PICKUP, Order
from app.sandbox.deeds import Line, Sorted
from app.sandbox.world import World

ASSERTED, PLAIN = "fulfillment_user_assertion", "client_credentials"
SCOPES: Final = {ASSERTED: {"connect:post_checkout"}, PLAIN: {"connect:fulfillment"}}
SECRETS: Final = {"client_id", "client_secret", "assertion"}
VEHICLES: Final = {"hatchback", "minivan", "sedan", "suv", "truck", "other"}
COLORS: Final = {"black", "blue", "brown", "gray", "green", "yellow", "orange", "red", "silver", "white"}


def wrong(status: int, message: str, code: int | None = None, **meta: str) -> Answer:
    return Answer(status, {"error": {"message": message, "code": code}, "meta": meta})


MISSING: Final = wrong(404, "Resource not found", 4000)
UNREADABLE: Final = wrong(400, "Params error", 2001, key="body")


def token(world: World, request: Request) -> Answer:
    """Credentials in the address are refused: they end up in logs."""
    if SECRETS & request.query.keys():
        return wrong(403, "Send the credentials in the body")
    body = request.table()
    if body is None:
        return UNREADABLE
    secret = world.accounts.get(("instacart", str(body.get("client_id", ""))))
    if not secret or body.get("client_secret") != secret:
        return wrong(401, "Unknown client")
    grant = str(body.get("grant_type"))
    if grant not in SCOPES:
        return wrong(400, "Params error", 2001, key="grant_type")
    scope = body.get("scope") or "".join(SCOPES[grant])
    if not isinstance(scope, str) or not set(scope.split(",")) <= SCOPES[grant]:
        return wrong(403, "This grant has no such scope")
    user = _user(body.get("assertion")) if grant == ASSERTED else None
    if grant == ASSERTED and user is None:
        return wrong(400, "Params error", 2001, key="assertion")
    return Answer(200, _granted(world, scope, user))


def _granted(world: World, scope: str, user: str | None) -> dict[str, object]:
    return {
        "access_token": world.grant("instacart", scope, user, world.instacart_seconds),
        "token_type": "Bearer",
        "expires_in": int(world.instacart_seconds),
        "scope": scope,
        "created_at": int(world.clock()),
    }


def _user(assertion: object) -> str | None:
    """The user in the base64 of {"user_id": "…"}."""
    try:
        found = msgspec.json.decode(b64decode(str(assertion), validate=True), type=dict[str, Any])
    except (Error, ValueError):
        return None
    user = found.get("user_id")
    return user if isinstance(user, str) and user else None


Handler = Callable[[World, Request, Order], Answer]


def own(handler: Handler) -> Callable[[World, Request, str], Answer]:
    """Only the order's own customer gets through: with a token of theirs, in its time."""

    @wraps(handler)
    def guarded(world: World, request: Request, ref: str) -> Answer:
        grant = world.granted("instacart", request.authorization)
        if grant is None:
            return wrong(401, "The access token is missing, unknown or expired")
        if grant.user_id is None:
            return wrong(400, "User ID not found", 4001)
        order = world.orders.get(ref)
        if order is None or order.bought.user_id != grant.user_id:
            return MISSING
        return handler(world, request, order)

    return guarded


@own
def order(_world: World, _request: Request, order: Order) -> Answer:
    bought = order.bought
    found: dict[str, object] = {
        "id": bought.id,
        "creation_date": _stamp(bought.created),
        "workflow_state": order.state,
        "fulfillment_type": bought.kind,
        "fulfillment_details": {
            "window_starts_at": _stamp(order.window[0]),
            "window_ends_at": _stamp(order.window[1]),
        },
    }
    return Answer(200, found | ({"pickup_category": "curbside"} if bought.curbside else {}))


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@own
def items(world: World, _request: Request, order: Order) -> Answer:
    if order.bought.kind == LAST_MILE:
        return wrong(400, "Items unavailable for last mile delivery orders", 4001)
    return Answer(200, {"line_items": [_item(world, order, line) for line in order.bought.lines]})


def _item(world: World, order: Order, line: Line) -> dict[str, object]:
    known = order.lines.get(line.id) or Sorted(order.bought.id, line.id, "NOT_PICKED")
    found: dict[str, object] = {
        "id": line.id,
        "replacement_status": known.answer,
        "status": known.status if world.capitals else known.status.lower(),
        "item": _good(line),
    }
    return found | ({"replacement": _good(known.instead)} if known.instead else {})


def _good(line: Line) -> dict[str, str]:
    return {"name": line.name, "quantity": line.quantity, "cost_unit": line.unit}


@own
def handling(world: World, _request: Request, order: Order) -> Answer:
    bought, address = order.bought, order.bought.address
    # What a shopper's fields are called is not published.
    shopper = {"shopper": {"name": order.shopper}} if order.shopper and not world.hidden else {}
    return Answer(
        200,
        {
            "address": {
                "address_line_1": address.street,
                "locality": address.locality,
                "administrative_area": address.area,
                "postal_code": address.postal_code,
                "country_code": address.country,
            },
            "coordinates": {"latitude": bought.route[-1][0], "longitude": bought.route[-1][1]},
            **shopper,
            "dropoff_location": bought.dropoff,
            "notes": bought.notes,
            "instructions": bought.instructions,
            "leave_unattended": bought.unattended,
            "alcoholic": bought.alcoholic,
            "certified_delivery": False,
        },
    )


@own
def location(world: World, _request: Request, order: Order) -> Answer:
    """Empty when nobody is on the way."""
    if world.hidden:
        return wrong(403, "Shopper PII")
    place = order.position(world.clock())
    return Answer(200, {"coordinates": {"latitude": place[0], "longitude": place[1]}} if place else {})


@own
def arrived(world: World, request: Request, order: Order) -> Answer:
    body = request.table()
    if body is None or not isinstance(body.get("is_pickup_delegate", False), bool):
        return UNREADABLE
    if order.bought.kind != PICKUP:
        return wrong(404, "No pickup status found for order", 4000)
    if order.state not in {"ready_for_pickup", *AT_DOOR}:
        return wrong(400, "Params error", 2001, order_delivery_id="Order delivery is not staged.")
    if order.state == "ready_for_pickup":
        order.enter("user_at_store", world.clock())
    order.arrivals += 1
    return Answer(200, {"success": True})


@own
def vehicle(world: World, request: Request, order: Order) -> Answer:
    body = request.table()
    if order.bought.kind != PICKUP:
        return wrong(400, "Pickup unavailable for non-pickup orders", 4001)
    if body is None:
        return UNREADABLE
    for key, allowed in (("vehicle_type", VEHICLES), ("color", COLORS)):
        if body.get(key) is not None and body[key] not in allowed:
            return wrong(400, "Params error", 2001, key=key)
    known = {key: body.get(key) for key in ("model", "vehicle_type", "license_plate", "color")}
    order.vehicle = {"id": next(world.numbers), **known}
    return Answer(200, {"vehicle_info": order.vehicle})


@own
def parked(_world: World, _request: Request, order: Order) -> Answer:
    if order.bought.kind != PICKUP:
        return wrong(400, "Pickup unavailable for non-pickup orders", 4001)
    return Answer(200, {"vehicle_info": order.vehicle} if order.vehicle else {})


ORDER: Final = f"/v2/post_checkout/orders/{WORD}"
ROUTES: Final[list[Route]] = [
    ("POST", "/v2/oauth/token", token),
    ("GET", ORDER, order),
    ("GET", f"{ORDER}/items", items),
    ("GET", f"{ORDER}/handling", handling),
    ("GET", f"{ORDER}/location", location),
    ("POST", f"{ORDER}/pickup/user_arrived", arrived),
    ("PUT", f"{ORDER}/pickup/vehicle_info", vehicle),
    ("GET", f"{ORDER}/pickup/vehicle_info", parked),
]
