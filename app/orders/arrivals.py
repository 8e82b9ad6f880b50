"""People who come for their order: what they and the staff say of it, and when they may."""

from typing import Final

from msgspec.structs import replace

from app.orders.words import (
    AS_USUAL,
    PICKUPS,
    RANK,
    TIMELINE_MOST,
    Arrival,
    Change,
    Effect,
    Entry,
    Order,
    OrderEvent,
    Step,
    begun,
    soonest,
)

MOVES: Final[dict[str, tuple[str | None, ...]]] = {
    "on_my_way": (None, "on_my_way"),
    "here": (None, "on_my_way", "here", "claimed", "cannot_find"),
    "claimed": ("here", "claimed", "cannot_find"),
    "cannot_find": ("here", "claimed", "cannot_find"),
    "handed_over": (None, "on_my_way", "here", "claimed", "cannot_find", "handed_over"),
}
UNDO: Final = frozenset({"claimed", "cannot_find", "handed_over"})


def arrive(old: Order | None, event: OrderEvent, step: Step) -> Change:
    """A check-in never changes the stage. A repeat has no effect; an impossible move is refused with the reason."""
    if old is None:
        return Change(begun(event), "refused", "there is no such order", saved=False)
    was = old.arrival
    if step.state == "shown":
        return _shown(old, event)
    if step.undo:
        return _undone(old, event, step)
    if old.end is not None and step.state in ("on_my_way", "here"):
        return Change(old, "refused", f"the order is {old.stage}", saved=False)
    if (was.state if was else None) not in MOVES.get(step.state, ()):
        return Change(old, "refused", f"{step.state} does not follow {was.state if was else 'nothing'}", saved=False)
    new = _moved(was, event, step)
    if new == was:
        return Change(old, "same", saved=False)
    return _arrived(old, event, new)


def _moved(was: Arrival | None, event: OrderEvent, step: Step) -> Arrival:
    now, state = event.heard, step.state
    base = was or Arrival(state, now)
    if state == "on_my_way":
        new = replace(base, state=state, way_at=now if base.way_at is None else base.way_at)
        return replace(new, bay=_where(step, base), vehicle=step.vehicle or base.vehicle, proxy=step.proxy)
    if state == "here":
        return _here(was, now, step)
    if was is not None and was.state == state:
        return was
    if state == "claimed":
        return replace(base, state=state, claimed_by=event.by, claimed_at=now)
    claimer = base.claimed_by or event.by
    if state == "handed_over":
        return replace(base, state=state, claimed_by=claimer, ended_at=now, before=was and was.state)
    return replace(base, state=state, claimed_by=claimer)


def _here(was: Arrival | None, now: float, step: Step) -> Arrival:
    """Said again it may name another bay; the clock goes on, and so does the claim."""
    if was is None:
        return Arrival("here", now, step.bay or None, step.vehicle, proxy=step.proxy, near=step.near)
    new = replace(was, bay=_where(step, was), vehicle=step.vehicle or was.vehicle, proxy=step.proxy, near=step.near)
    if was.state == "on_my_way":
        return replace(new, state="here", at=now)
    return replace(new, state="claimed" if was.claimed_by else "here", near=step.near or was.near)


def _where(step: Step, was: Arrival) -> str | None:
    """The bay: as it was where nothing is said of it, none where that is said ("")."""
    return was.bay if step.bay is None else step.bay or None


def _undone(old: Order, event: OrderEvent, step: Step) -> Change:
    was = old.arrival
    if was is None or was.state != step.state or step.state not in UNDO:
        return Change(old, "refused", f"there is no {step.state} to undo", saved=False)
    if step.state == "handed_over":
        return _arrived(old, event, taken_back(was))
    if step.state == "cannot_find" and was.claimed_at is not None:
        return _arrived(old, event, replace(was, state="claimed"))
    return _arrived(old, event, replace(was, state="here", claimed_by=None, claimed_at=None))


def taken_back(was: Arrival) -> Arrival | None:
    """The arrival before it was handed over; None where there was none."""
    if was.before is None:
        return None
    claimed = was.claimed_at is not None or was.before == "cannot_find"
    return replace(was, state=was.before, before=None, ended_at=None, claimed_by=was.claimed_by if claimed else None)


def _shown(old: Order, event: OrderEvent) -> Change:
    if old.arrival is None or old.arrival.shown_at is not None or old.arrival.state not in ("here", "claimed"):
        return Change(old, "same", saved=False)
    return _arrived(old, event, replace(old.arrival, shown_at=event.heard))


def _arrived(old: Order, event: OrderEvent, new: Arrival | None) -> Change:
    was = old.arrival
    first = new is not None and new.state == "here" and (was is None or was.state == "on_my_way")
    effects = (Effect("arrived", f"{old.key}:arrived"),) if first else ()
    if first and new is not None and new.vehicle:
        effects = (*effects, Effect("vehicle", f"{old.key}:vehicle"))
    timeline = old.timeline
    if event.name != "shown":
        entry = Entry(old.stage, event.heard, new.state if new else "undone", event.by)
        timeline = (*timeline, entry)[-TIMELINE_MOST:]
    seen = max(old.updated_at, event.heard)
    order = replace(old, arrival=new, timeline=timeline, version=old.version + 1, updated_at=seen)
    return Change(order, "applied", effects=effects, changed=True)


DONE_FOR: Final = 3600.0  # seconds that an order stays on a board after its end


def over_at(order: Order) -> float | None:
    """Since when it has been over for its customer: handed over outside, or at an end."""
    arrival = order.arrival
    handed = arrival.ended_at if arrival is not None and arrival.state == "handed_over" else None
    return soonest(handed, order.ended_at)


APART: Final = 60.0  # seconds between "on my way" and "here"
UNSEEN_AFTER: Final = 20.0  # seconds after which the customer hears that no screen has shown the check-in


def may_check_in(order: Order, now: float) -> bool:
    """From when it is packed, or nearly promised, until it is handed over."""
    if order.fulfilment not in PICKUPS or order.end is not None or order.stage == "cart":
        return False
    if order.arrival is not None:
        return order.arrival.state != "handed_over"
    opens = _opens(order)
    return RANK[order.stage] >= RANK["staged"] or (opens is not None and now >= opens)


def may_be_here(order: Order, now: float) -> bool:
    """The word "on my way" is not "here": the second tap waits a minute. Without a first one it may come at once. A
    first one that lies ahead is of a clock that was wrong."""
    arrival = order.arrival
    if arrival is not None and arrival.state == "on_my_way":
        return abs(now - (arrival.way_at or arrival.at)) >= APART
    return may_check_in(order, now)


def _opens(order: Order) -> float | None:
    begins = starts(order)
    return None if begins is None else begins - (order.house or AS_USUAL).opens


def starts(order: Order) -> float | None:
    """The promised window's start, or else its end."""
    if order.promised is None:
        return None
    return order.promised.end if order.promised.start is None else order.promised.start


def turns(order: Order, now: float) -> float | None:
    """The next instant at which the customer's page changes with no event."""
    arrival = order.arrival
    if order.fulfilment not in PICKUPS or order.end is not None:
        return None
    at = _opens(order)
    if arrival is not None:
        at = {"on_my_way": (arrival.way_at or arrival.at) + APART, "here": arrival.at + UNSEEN_AFTER}.get(arrival.state)
        at = None if arrival.shown_at is not None else at
    elif RANK[order.stage] >= RANK["staged"]:
        at = None
    return at if at is not None and at > now else None
