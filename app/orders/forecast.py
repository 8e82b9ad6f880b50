"""How far an order is, and when it should be done: by its own pace, or by what the store usually takes."""

from typing import Final

from app.orders.words import PICKUPS, RANK, UNBEGUN, USUAL, Order, Pace, instant

RETOLD: Final = 120.0  # seconds after which a forecast that is shown is reckoned anew


def deadline(order: Order) -> float | None:
    """The instant by which the order is to be ready (pickup) or at the door (delivery)."""
    if order.promised is None:
        return None
    return order.promised.end if order.promised.end is not None else order.promised.start


def met(order: Order) -> bool:
    """Has the store done its part of the promise?"""
    if order.end is not None or (order.arrival is not None and order.arrival.state == "handed_over"):
        return True
    return order.fulfilment in PICKUPS and RANK["ready"] <= RANK[order.stage]


def pace_of(order: Order) -> Pace:
    return USUAL if order.house is None else order.house.pace


def forecast(order: Order, now: float) -> float | None:
    """When it should be ready or at the door; None where that can't be told. Moves on while nothing is heard, in steps
    that `attention` names: so a card that was drawn before says what a fresh one does."""
    left = work(order)
    if left is None:
        return None
    began, step, rest = left
    return max(reckoned(order, now), began + step) + rest


def reckoned(order: Order, now: float) -> float:
    """The last instant, up to now, at which a forecast was reckoned."""
    steps = max(now - order.updated_at, 0.0) // RETOLD
    at = order.updated_at + steps * RETOLD
    return at + RETOLD if at + RETOLD <= now else at


def work(order: Order) -> tuple[float, float, float] | None:
    """What is left: when the present step began (0 where that is not known), how long it takes, and all that follows,
    in seconds. None where it can't be told."""
    rank, pace = RANK[order.stage], pace_of(order)
    pickup = order.fulfilment in PICKUPS
    trip = 0.0 if pickup else pace.trip
    if rank >= RANK["in_transit"]:
        began = entered(order) if pace.learnt and not pickup else None
        return None if began is None else (began, trip, 0.0)
    if rank >= RANK["picked"]:
        left = 0.0 if pickup and rank >= RANK["ready"] else getattr(pace, order.stage, 0.0)
        began = entered(order)
        return (0.0, 0.0, left + trip) if began is None else (began, left, trip)
    if rank < RANK["preparing"] and not (pace.learnt and order.outcomes and order.items):
        return None
    return _picking(order, pace, trip)


def _picking(order: Order, pace: Pace, trip: float) -> tuple[float, float, float] | None:
    """By the order's own pace. A store's own will do for what has not begun and for what tells of no items."""
    items, begun = order.items, order.stage not in UNBEGUN
    if items is None:
        return None
    if begun and items and not order.outcomes and pace.learnt and (began := entered(order)) is not None:
        return began, len(items) * pace.item, pace.picked + trip
    if begun and items and not counted(order):
        return None
    lines = tally(order)[2]
    return 0.0, 0.0, lines * (order.own or pace.item) + pace.picked + trip


def entered(order: Order) -> float | None:
    """When the order came to its present stage."""
    at = None
    for line in reversed(order.timeline):
        if line.stage != order.stage:
            break
        at = line.at
    return at


def own_pace(order: Order) -> float | None:
    """This order's median seconds a line, once three are done. Lines that a poll finds done at once share the time."""
    stamps, times = order.stamps, []
    for item in order.items or ():
        if item.state != "pending":
            stamp = stamps.get("done:" + item.id) or stamps.get("item:" + item.id)
            if stamp is not None:
                times.append(instant(stamp))
    if len(times) < 3:
        return None
    times.sort()
    gaps, since, lines = list[float](), times[0], 0
    for at, after in zip(times[1:], [*times[2:], None], strict=True):
        lines += 1
        if at != after:
            if at > since:
                gaps += [(at - since) / lines] * lines
                since = at
            lines = 0
    gaps.sort()
    return gaps[len(gaps) // 2] if len(gaps) >= 2 else None


def tally(order: Order) -> tuple[int, int, int]:
    """Lines done, lines in all, lines left."""
    items = order.items or ()
    left = len([item for item in items if item.state == "pending"])  # a third of the price of a sum()
    return len(items) - left, len(items), left


def counted(order: Order) -> bool:
    """Is it known how many lines are done, of how many? Some systems tell no outcomes; some name a line only when it
    is picked, and the whole list after the last."""
    if not order.items or not order.outcomes:
        return False
    return RANK[order.stage] >= RANK["picked"] or "items" in order.stamps or tally(order)[2] > 0


def progress(order: Order) -> str:
    done, lines, _ = tally(order)
    if lines and not order.outcomes:
        return f"{lines} items"
    if lines and not counted(order):
        return f"{done} picked so far"
    if lines and RANK["preparing"] <= RANK[order.stage] < RANK["staged"]:
        return f"{done} of {lines} picked"
    return order.stage.replace("_", " ")


def spell(seconds: float) -> str:
    """A length of time as people say it."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(int(seconds), 0)} s"
    if minutes < 90:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"
