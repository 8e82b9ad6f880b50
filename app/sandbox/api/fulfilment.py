"""Instacart's own sandbox calls: shoppers, batches that carry orders along, and callbacks on demand."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from app.sandbox.api.call import WORD, Answer, Request, Route
from app.sandbox.api.instacart import MISSING, UNREADABLE, wrong
from app.sandbox.connect import KINDS, OVER, SEQUENCES, Batch, Order, first_state
from app.sandbox.world import World

SIMULATED: Final = {"canceled", "rescheduled", "late_delivery"}


def blank(message: str, *keys: str) -> Answer:
    """The shape of an answer that finds fault with several fields."""
    errors = [{"error": {"message": message, "code": 1001}, "meta": {"key": key}} for key in keys]
    return Answer(400, {"error": {"message": "There were issues with your request", "code": 9999, "errors": errors}})


def admitted(handler: Callable[..., Answer]) -> Callable[..., Answer]:
    """Any token will do: the scope that the sandbox asks for is not published. The body must be an object."""

    @wraps(handler)
    def guarded(world: World, request: Request, *words: str) -> Answer:
        if world.granted("instacart", request.authorization) is None:
            return wrong(401, "The access token is missing, unknown or expired")
        body = request.table()
        return UNREADABLE if body is None else handler(world, body, *words)

    return guarded


@admitted
def shopper(world: World, body: dict[str, Any]) -> Answer:
    if empty := [key for key in ("email", "phone", "password") if not body.get(key)]:
        return blank("can't be blank", *empty)
    number = next(world.numbers)
    world.shoppers[number] = str(body["email"]).partition("@")[0].partition(".")[0].capitalize()
    return Answer(200, {"id": number})


@admitted
def batch(world: World, body: dict[str, Any]) -> Answer:
    kind, number = body.get("batch_type"), body.get("shopper_id")
    if kind not in SEQUENCES:
        return wrong(400, "Params error", 2001, key="batch_type")
    if number not in world.shoppers:
        return wrong(400, "Params error", 2001, key="shopper_id")
    orders = _orders(world, body.get("orders"))
    if not orders or any(order.bought.kind != KINDS[kind] for order in orders):
        return wrong(400, "Params error", 2001, key="orders")
    made = Batch(next(world.numbers), kind, world.shoppers[number], orders, "")
    state = body.get("workflow_state", first_state(kind))
    if state not in made.states:
        return wrong(400, "Params error", 2001, key="workflow_state")
    world.batches[made.id] = made
    return _entered(world, made, state)


def _orders(world: World, wanted: object) -> list[Order] | None:
    """None where one of them is unknown, or is another user's than it says."""
    if not isinstance(wanted, list) or not all(isinstance(row, dict) for row in wanted):
        return None
    found = [world.orders.get(str(row.get("id"))) for row in wanted]
    known = [order for order in found if order is not None]
    if len(known) != len(wanted):
        return None
    told = zip(known, wanted, strict=True)
    return known if all(row.get("user_id") in (None, order.bought.user_id) for order, row in told) else None


@admitted
def advance(world: World, body: dict[str, Any], number: str) -> Answer:
    """To the next state, or to the one that is named; going back is possible, as it is for a real shopper."""
    made = world.batches.get(int(number)) if number.isdecimal() else None
    if made is None:
        return MISSING
    state = body.get("workflow_state") or made.following()
    if state not in made.states:
        return wrong(400, "Params error", 2001, key="workflow_state")
    return _entered(world, made, state)


def _entered(world: World, made: Batch, state: str) -> Answer:
    before = [order.state for order in made.orders]
    made.enter(state, world.clock())
    for order, was in zip(made.orders, before, strict=True):
        if order.state != was or state == "brand_new":
            world.tell(order, order.state)
    return Answer(200, {"id": made.id, "workflow_state": state})


@admitted
def callbacks(world: World, body: dict[str, Any], ref: str) -> Answer:
    order, word = world.orders.get(ref), body.get("event_name")
    if order is None:
        return MISSING
    if word not in SIMULATED:
        return wrong(400, "Params error", 2001, key="event_name")
    if word == "canceled" and order.state not in OVER:
        order.enter("canceled", world.clock())
    world.tell(order, word)
    return Answer(200, {"success": True})


ROUTES: Final[list[Route]] = [
    ("POST", "/v2/fulfillment_sandbox/shoppers", shopper),
    ("POST", "/v2/fulfillment_sandbox/batches", batch),
    ("POST", f"/v2/fulfillment_sandbox/batches/{WORD}/advance", advance),
    ("POST", f"/v2/fulfillment_sandbox/orders/{WORD}/callbacks", callbacks),
]
