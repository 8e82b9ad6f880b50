"""Where an order stands on a board."""

import itertools
from functools import lru_cache
from typing import Final

from app.orders.arrivals import DONE_FOR, over_at
from app.orders.attention import Attention
from app.orders.forecast import deadline
from app.orders.words import RANK, Entry, Order

LANES: Final = ("waiting", "needs", "new", "later", "picking", "ready", "courier", "done", "instore")
# on hold stays in its lane
_NEEDS: Final = {"lost": 0, "late": 2, "at_risk": 3, "unanswered": 4, "customer_missing": 4, "quiet": 4}
_LAST: Final = 9_999_999_999.0


def place(order: Order, seen: Attention) -> tuple[str, str]:
    """The lane, and a key that sorts as text. Empty lane: shown nowhere (a cart, or a journey that became an order)."""
    if "joined" in order.flags:
        return "", ""
    if seen.code in ("waiting", "unseen"):
        return "waiting", _digits(seen.since)
    if seen.code in _NEEDS:
        return "needs", f"{_NEEDS[seen.code]}{_digits(seen.sort)}"
    if order.end is not None and "returning" in order.flags:
        return "courier", _digits(order.ended_at)
    handed = order.arrival is not None and order.arrival.state == "handed_over"
    if handed or order.end is not None:
        over = order.arrival.ended_at if order.arrival is not None and handed else order.ended_at
        return "done", _digits(_LAST - (over or 0.0))
    placed = order.first if order.placed_at is None else order.placed_at
    if order.fulfilment == "in_store":
        return "instore", _digits(placed)
    stage = "later" if seen.code == "later" else lane(order)
    return stage, _digits(deadline(order)) + _digits(placed)


def past(order: Order, lane: str, now: float) -> bool:
    """Was it over long ago, be it that its order system never said so? Boards that show it let it go by themselves."""
    over = over_at(order) if lane == "done" else None
    return over is not None and now - over > DONE_FOR


def lane(order: Order) -> str:
    """The lane of the order's stage alone."""
    rank = RANK[order.stage]
    if order.end is not None:
        return "done"
    if rank >= RANK["in_transit"]:
        return "courier"
    if rank >= RANK["staged"]:
        return "ready"
    if rank >= RANK["preparing"]:
        return "picking"
    return "new" if rank > 0 else ""


@lru_cache(8192)  # an order's promise and its placing are asked for with each of its changes
def _digits(instant: float | None) -> str:
    """Ten digits, so that instants compare as text; None comes last."""
    return f"{int(min(max(_LAST if instant is None else instant, 0.0), _LAST)):010d}"


def went_back(order: Order) -> Entry | None:
    """The timeline's line by which the order went back to its present stage, while it is still there."""
    for line, was in itertools.pairwise(reversed(order.timeline)):
        if was.stage != line.stage:
            back = order.end is None and RANK[line.stage] < RANK[was.stage] and "rescheduled" not in order.flags
            return line if back else None
    return None
