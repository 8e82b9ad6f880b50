"""What Instacart is told of a customer who has come: that they are here, and in which vehicle."""

import re
from typing import Final
from urllib.parse import quote

import msgspec

from app.errors import Unreadable
from app.orders import Order
from app.providers.contract import Calling, Reply, Request, read, text
from app.providers.instacart.polling import address, bearer, fault, refusal
from app.providers.instacart.shapes import TAKEN
from app.providers.instacart.states import PICKUPS
from app.settings import Source

KINDS: Final = {
    "hatchback": "hatchback",
    "hatch": "hatchback",
    "minivan": "minivan",
    "van": "minivan",
    "sedan": "sedan",
    "saloon": "sedan",
    "suv": "suv",
    "crossover": "suv",
    "truck": "truck",
    "pickup": "truck",
}
COLOURS: Final = {
    name: name for name in ("black", "blue", "brown", "gray", "green", "yellow", "orange", "red", "silver", "white")
} | {"grey": "gray"}
MODEL_MOST: Final = 80


def arrived(source: Source, order: Order, token: str | None) -> Request | None:
    return _call(source, order, "POST", "user_arrived", {"is_pickup_delegate": False}, token)


def vehicle(source: Source, order: Order, token: str | None) -> Request | None:
    """Only where a colour of Instacart's is in what the customer wrote: it takes no other words."""
    said = text(order.arrival.vehicle, MODEL_MOST) if order.arrival is not None else None
    words = re.findall(r"[a-z]+", (said or "").lower())
    colour = next((COLOURS[word] for word in words if word in COLOURS), None)
    if said is None or colour is None:
        return None
    kind = next((KINDS[word] for word in words if word in KINDS), "other")
    body = {"model": said, "vehicle_type": kind, "color": colour, "is_pickup_delegate": False}
    return _call(source, order, "PUT", "vehicle_info", body, token)


def _call(
    source: Source, order: Order, method: str, name: str, body: dict[str, object], token: str | None
) -> Request | None:
    if not source.base_url or order.fulfilment not in PICKUPS:
        return None
    return Request(
        url=address(source, f"/v2/post_checkout/orders/{quote(order.ref, safe='')}/pickup/{name}"),
        method=method,
        headers={"Accept": "application/json", "Content-Type": "application/json"} | bearer(token),
        body=msgspec.json.encode(body),
    )


def outcome(reply: Reply) -> tuple[str, str]:
    status = reply.status
    if 200 <= status < 300:
        return ("refused", "Instacart did not take the check-in.") if _no(reply) else ("done", "")
    if status in (401, 408, 429) or not 400 <= status < 500:
        return "retry", refusal("the check-in", reply)
    return "refused", _why(reply)


def _no(reply: Reply) -> bool:
    try:
        return read(reply.body, TAKEN).success is False
    except Unreadable:
        return False


def _why(reply: Reply) -> str:
    code = fault(reply).code
    if reply.status == 404:
        return "Instacart knows no pickup of this order. Tell the store's runner yourself."
    if code == 2001:
        return "Instacart has not staged this order yet, so it can't tell a runner. Look after the customer yourself."
    if code == 4001:
        return "Instacart does not take this for a pickup of this customer. Look after the customer yourself."
    return refusal("the check-in", reply)


CALLS: Final = {
    "arrived": Calling(request=arrived, outcome=outcome, repeatable=True),
    "vehicle": Calling(request=vehicle, outcome=outcome, repeatable=True),
}
