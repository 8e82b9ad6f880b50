"""Instacart's orders and batches as plain state: how far each is, and how a batch carries its orders along."""

from dataclasses import dataclass, field
from typing import Final

from app.sandbox import streets
from app.sandbox.deeds import Moved, Point, Purchase, Sorted

DELIVERY: Final = "delivery"
PICKUP: Final = "pickup"
LAST_MILE: Final = "last_mile_delivery"

# Each batch state with the order's state that comes of it; None leaves the order as it is. receipt_sanity_check and
# completed are states of a batch only. The rows of delivery_only after the second are not published.
SEQUENCES: Final[dict[str, dict[str, str | None]]] = {
    "delivery": {
        "brand_new": "brand_new",
        "acknowledged": "acknowledged",
        "picking": "picking",
        "verifying_replacements": "verifying_replacements",
        "checkout": "checkout",
        "receipt_sanity_check": None,
        "delivering": "delivering",
        "completed": "delivered",
    },
    "pickup": {
        "brand_new": "brand_new",
        "acknowledged": "acknowledged",
        "picking": "picking",
        "verifying_replacements": "verifying_replacements",
        "checkout": "checkout",
        "receipt_sanity_check": None,
        "bags_check": "bags_check",
        "staged": "ready_for_pickup",
    },
    "runner_customer": {
        "brand_new": None,
        "at_store": "runner_acknowledged",
        "bags_verified": "bags_verified",
        "completed": "delivered",
    },
    "delivery_only": {
        "brand_new": "waiting_for_delivery",
        "acknowledged_for_delivery": "acknowledged_for_delivery",
        "at_store": "at_store",
        "bags_verified": "bags_verified",
        "delivering": "delivering",
        "completed": "delivered",
    },
}
# Beside its sequence: the tutorial advances a delivery batch to "staged".
EXTRA: Final[dict[str, dict[str, str | None]]] = {"delivery": {"staged": "staged"}}
KINDS: Final = {"delivery": DELIVERY, "pickup": PICKUP, "runner_customer": PICKUP, "delivery_only": LAST_MILE}

OVER: Final = frozenset({"delivered", "canceled"})
AT_DOOR: Final = frozenset({"user_at_store", "runner_awaiting", "runner_acknowledged", "bags_verified"})


@dataclass
class Order:
    bought: Purchase
    window: tuple[float, float]
    state: str = "brand_new"
    lines: dict[str, Sorted] = field(default_factory=dict)
    left: float | None = None
    shopper: str = ""
    vehicle: dict[str, object] | None = None
    arrivals: int = 0

    def move(self, news: Moved, now: float) -> None:
        """A story's news. Who has come to the counter is not sent away from it by a story that hasn't noticed."""
        if self.state in OVER or (news.state in ("ready_for_pickup", "user_at_store") and self.state in AT_DOOR):
            return
        self.window = news.window or self.window
        self.shopper = news.shopper or self.shopper
        self.enter(news.state, min(news.at, now))

    def enter(self, state: str, at: float) -> None:
        if state == "delivering" and self.state != "delivering":
            self.left = at
        self.state = state

    def position(self, now: float) -> Point | None:
        """Where the shopper is, while delivering."""
        if self.state != "delivering" or self.left is None:
            return None
        return streets.along(self.bought.route, (now - self.left) / max(self.bought.drive, 0.001))


@dataclass
class Batch:
    id: int
    kind: str
    shopper: str
    orders: list[Order]
    state: str

    @property
    def states(self) -> dict[str, str | None]:
        return SEQUENCES[self.kind] | EXTRA.get(self.kind, {})

    def following(self) -> str | None:
        """The state after this one; None at the end."""
        names = list(SEQUENCES[self.kind])
        if self.state not in names:
            return "delivering"
        place = names.index(self.state) + 1
        return names[place] if place < len(names) else None

    def enter(self, state: str, at: float) -> None:
        self.state = state
        for order in self.orders:
            order.shopper = order.shopper or (self.shopper if state != "brand_new" else "")
            if reached := self.states[state]:
                order.enter(reached, at)


def first_state(kind: str) -> str:
    """A batch that is shopped starts acknowledged, by the tutorial; the others start at their sequence's head."""
    return "acknowledged" if "acknowledged" in SEQUENCES[kind] else "brand_new"
