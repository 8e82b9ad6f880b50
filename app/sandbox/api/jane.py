"""Jane's store operations: a customer is at the curb."""

from typing import Any, Final

import msgspec

from app.sandbox.api.call import WORD, Answer, Request, Route
from app.sandbox.world import World

MODES: Final = {"curbside", "pickup"}
OPEN: Final = {"verification", "staff_member_review", "preparing", "ready_for_pickup"}


def wrong(status: int, message: str) -> Answer:
    return Answer(status, {"error": message})


def arrival(world: World, request: Request, uuid: str) -> Answer:
    """A second one is as good as the first; each is counted."""
    scheme, _, given = request.authorization.partition(" ")
    if world.bearers and (scheme.lower() != "bearer" or given not in world.bearers):
        return wrong(401, "The bearer is missing or unknown.")
    shown = world.shown.get(("jane", uuid))
    if shown is None:
        return wrong(404, "There is no such reservation.")
    if request.table() is None:
        return wrong(422, "The body must be empty or a JSON object.")
    cart = msgspec.json.decode(shown.document, type=dict[str, Any])["cart"]
    if cart["reservation_mode"] not in MODES:
        return wrong(422, "Nobody comes to the curb for this reservation.")
    if cart["status"] not in OPEN:
        return wrong(409, f"The reservation is {cart['status']}.")
    world.arrivals[uuid] = world.arrivals.get(uuid, 0) + 1
    return Answer(200, {})


ROUTES: Final[list[Route]] = [
    ("POST", f"/roots/store_operations_api/v1/reservations/{WORD}/curbside_arrival", arrival),
]
