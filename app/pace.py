"""How fast a store works, learnt from what it has finished. Pure; durations in seconds."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from app.orders import BY_HAND, PICKUPS, RANK, Entry, Order, Pace

LEAST: Final = 10  # finished orders before a measure counts
KEPT: Final = 200  # the newest of each store and kind are what is learnt from
SHORTEST: Final = 60.0  # from the start of picking until ready: what takes less was played back, not done
OLD: Final = 3600.0  # an end heard so long after it happened is history coming in
# what is believed of a single order; the rest was forgotten on a shelf, clicked through or played back
LEAST_OF: Final = {"item": 3.0, "picked": 0.0, "staged": 0.0, "courier_at_store": 0.0, "trip": 60.0}
MOST_OF: Final = {"item": 1800.0, "picked": 7200.0, "staged": 14_400.0, "courier_at_store": 7200.0, "trip": 10_800.0}


class Sample(Struct, gc=False, frozen=True, array_like=True):
    """What one finished order says, in the measures of `Pace`; None where it says nothing of one."""

    item: float | None = None
    picked: float | None = None
    staged: float | None = None
    courier_at_store: float | None = None
    trip: float | None = None


def kind(order: Order) -> str:
    """Pickups wait on a shelf and deliveries for a courier: each is learnt by itself."""
    return "pickup" if order.fulfilment in PICKUPS else "delivery"


def sample(order: Order) -> Sample | None:
    """None where nothing can be learnt: it never came to its end, people moved it by hand, or it is old."""
    if order.end is None or order.fulfilment == "in_store" or any(line.raw == BY_HAND for line in order.timeline):
        return None
    ended = next((line for line in order.timeline if RANK[line.stage] >= RANK["fulfilled"]), None)
    if ended is None or ended.stage not in ("fulfilled", "closed") or (order.ended_at or 0.0) - ended.at > OLD:
        return None
    pickup = kind(order) == "pickup"
    ready = _came(order, "ready" if pickup else "in_transit")
    if ready is not None and RANK[ready.stage] >= RANK["fulfilled"]:
        ready = None  # nobody said when it was ready, only that it is gone
    began, picked = _came(order, "preparing"), _came(order, "picked")
    if began is None or ready is None or ready.at - began.at < SHORTEST:
        return None
    said: dict[str, float | None] = {"item": order.own, "trip": None if pickup else ended.at - ready.at}
    if picked is not None:
        said["picked"] = ready.at - picked.at
        if order.own is None and order.items and began.stage in ("preparing", "reviewing"):
            said["item"] = (picked.at - began.at) / len(order.items)
    for stage in ("staged", "courier_at_store"):
        if (line := next((line for line in order.timeline if line.stage == stage), None)) is not None:
            said[stage] = ready.at - line.at
    kept = {name: value for name, value in said.items() if value is not None and _likely(name, value)}
    return Sample(**kept) if kept else None


def _likely(name: str, seconds: float) -> bool:
    return LEAST_OF[name] <= seconds <= MOST_OF[name]


def _came(order: Order, stage: str) -> Entry | None:
    """The line by which it came to this stage or beyond, for the last time."""
    low, came = RANK[stage], None
    for line in order.timeline:
        if RANK[line.stage] < low:
            came = None
        elif came is None:
            came = line
    return came


def learn(samples: Sequence[Sample]) -> Pace:
    """Each measure's median, where enough orders tell of it; the usual guess else."""
    if len(samples) < LEAST:
        return Pace()
    known = {}
    for name in Sample.__struct_fields__:
        values = [value for one in samples if (value := getattr(one, name)) is not None]
        if len(values) >= LEAST:
            known[name] = median(values)
    return Pace(**known, learnt=len(samples))
