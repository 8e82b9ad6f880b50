"""Instacart's words in ours: the states of an order, the events of its callbacks, what became of a line."""

from typing import Final

from app.providers.contract import normal

Meaning = tuple[str | None, tuple[str, ...]]  # the stage, and the flags raised

# Said by an order's workflow_state, by a callback, or by both.
STATES: Final[dict[str, Meaning]] = {
    "brand_new": ("placed", ()),
    "acknowledged": ("assigned", ()),
    "picking": ("preparing", ()),
    "verifying_replacements": ("reviewing", ()),
    "checkout": ("picked", ()),
    "receipt_sanity_check": ("picked", ()),  # a batch's state, as `completed` is: no order should show it
    "bags_check": ("picked", ()),
    "staged": ("staged", ()),
    "staged_for_delivery": ("staged", ()),
    "waiting_for_delivery": ("staged", ()),
    "acknowledged_for_delivery": ("staged", ("courier_assigned",)),  # last mile: `assigned` would rank before staged
    "at_store": ("courier_at_store", ()),
    "bags_verified": ("courier_at_store", ()),
    "ready_for_pickup": ("ready", ()),
    "user_at_store": ("arrived", ()),
    "runner_awaiting": ("arrived", ()),
    "runner_acknowledged": ("arrived", ()),
    "delivering": ("in_transit", ()),
    "delivered": ("fulfilled", ()),
    "completed": ("fulfilled", ()),
    "canceled": ("canceled", ()),
    "rescheduled": (None, ("rescheduled",)),
    "late_delivery": (None, ("late",)),
    "late_pickup": (None, ("late",)),
    "customer_missing": (None, ("customer_missing",)),
    "unable_to_find_customer": (None, ("customer_missing",)),
    "runner_not_found": (None, ("on_hold",)),
}
HANDING: Final[Meaning] = ("arrived", ())
UNKNOWN: Final[Meaning] = (None, ("unknown",))

NOTHING: Final[Meaning] = (None, ())
# Said by callbacks only; most exact names are not published, so likely spellings are listed.
EVENTS: Final[dict[str, Meaning]] = {
    "pickup_runner_started": ("arrived", ()),
    "runner_started": ("arrived", ()),
    "arrival_at_customer": ("in_transit", ()),
    "arrived_at_customer": ("in_transit", ()),
    "customer_not_found": (None, ("customer_missing",)),
    "customer_acknowledged": NOTHING,
    "pickup_geofence_reached": NOTHING,
    "geofence_reached": NOTHING,
    "item_replacement": NOTHING,
    "item_replaced": NOTHING,
    "item_refund": NOTHING,
    "item_refunded": NOTHING,
    "tip_adjustment": NOTHING,
    "tip_adjusted": NOTHING,
    "at_store_eta": NOTHING,
    "rating_updated": NOTHING,
    "rating_reminder": NOTHING,
}
# Worth a line of the timeline, though no stage of their own.
NOTED: Final = frozenset(
    {
        "arrival_at_customer",
        "arrived_at_customer",
        "customer_acknowledged",
        "pickup_geofence_reached",
        "geofence_reached",
    }
)
PICKUPS: Final = frozenset({"pickup", "curbside"})
LOCATIONS: Final = frozenset({"location", "location_updated", "shopper_location"})

TYPES: Final = {
    "delivery": "delivery",
    "pickup": "pickup",
    "last_mile_delivery": "last_mile",
    "last_mile": "last_mile",
}

LINES: Final = {
    "not_picked": "pending",
    "found": "found",
    "replaced": "replaced",
    "approved": "replaced",
    "rejected": "refunded",
    "to_refund": "refunded",
    "refunded": "refunded",
}


def meaning(word: str, fulfilment: str | None) -> Meaning:
    """Of a state in its normal spelling. Not every state is published, so any is taken."""
    if word == "bags_verified" and fulfilment in PICKUPS:  # by the customer's car, not by a courier's
        return HANDING
    return STATES.get(word, UNKNOWN)


def fulfilment(kind: str | None, category: str | None) -> str | None:
    """In our words; None where it isn't said, or said in a way that we don't know."""
    ours = TYPES.get(normal(kind or ""))
    return "curbside" if ours == "pickup" and "curbside" in normal(category or "") else ours


def outcome(status: str, answer: str | None) -> str:
    """What became of a line: its status and the customer's answer to a replacement. Nothing said is nothing claimed."""
    state = LINES.get(normal(status), "pending")
    return "refunded" if state == "replaced" and normal(answer or "") == "rejected" else state


def unanswered(answer: str | None) -> bool:
    """Has the customer yet to say whether they want the replacement? They can until the shopper is at the till."""
    return normal(answer or "").endswith("pending")
