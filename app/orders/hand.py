"""Moves by hand: what a person says of the stage while a feed is down, until the order system speaks again."""

from typing import Final

from msgspec.structs import replace

from app.orders.arrivals import taken_back
from app.orders.facets import facets, items, judge, settle
from app.orders.words import BY_HAND, ENDS, MANUAL, PICKUPS, Change, Hand, Mark, Order, OrderEvent, Stamp, Under, begun

# the stages that people may set, by fulfilment; one for each lane, and where it may end
_FETCHED: Final = ("placed", "preparing", "ready", "fulfilled", "canceled")
_BROUGHT: Final = ("placed", "preparing", "staged", "in_transit", "fulfilled", "canceled")
HAND_STAGES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(PICKUPS, _FETCHED), **dict.fromkeys(("delivery", "last_mile"), _BROUGHT), "in_store": (),
}  # fmt: skip


def by_hand(old: Order | None, event: OrderEvent) -> Change:
    """A person's word: a new order, or its stage (None: as the order system says). On an order system's order it lies
    over the system's own word until that says something new; on a manual order it is the truth."""
    if old is None:
        return _entered(event) if event.provider == MANUAL else Change(begun(event), "refused", saved=False)
    if event.store is not None:
        return Change(old, "same", saved=False)  # entered a second time
    if event.stage is None and old.under is None:
        return Change(old, "refused", "nothing was set by hand", saved=False)
    order = replace(old, stamps=dict(old.stamps))
    stamp = Stamp(None, event.heard)
    if event.stage is not None:
        if event.stage == old.stage:
            return Change(old, "same", saved=False)
        _set_by_hand(order, event, event.stage, stamp)
    elif old.under is not None:
        order = bared(order, old.under)
    settle(order)
    return judge(old, order, event, stamp, 0, event.stage or "taken back")


def _entered(event: OrderEvent) -> Change:
    order, stamp = begun(event), Stamp(None, event.heard)
    order.word = BY_HAND
    facets(order, event, stamp)
    items(order, event.items or (), True, stamp)
    _set_by_hand(order, event, event.stage or "placed", stamp)
    settle(order)
    return judge(None, order, event, stamp, 0, "")


def _set_by_hand(order: Order, event: OrderEvent, stage: str, stamp: Stamp) -> None:
    if order.provider != MANUAL:
        order.under = order.under or Under(order.open, order.end, order.ended_at)
        order.hand = Hand(event.by, event.heard)
    mark = Mark(stage, order.raw_status or BY_HAND, stamp, stamp)
    arrival, over = order.arrival, stage in ENDS
    order.end, order.ended_at = (mark, event.heard) if over else (None, None)
    order.open = order.open if over else mark
    if arrival is None:
        return
    if arrival.state == "handed_over":
        order.arrival = arrival if over else taken_back(arrival)
    elif stage == "fulfilled":
        order.arrival = replace(arrival, state="handed_over", ended_at=event.heard, before=arrival.state)


def bared(order: Order, under: Under) -> Order:
    """As its order system says it is."""
    return replace(order, open=under.open, end=under.end, ended_at=under.ended_at, hand=None, under=None)


def overrules(event: OrderEvent, own: Order, order: Order, hand: Hand) -> bool:
    """Is this the order system's next word about the stage? A poll that finds what was there before is none."""
    was, now = own.end or own.open, order.end or order.open
    if was == now or event.heard < hand.at:
        return False
    same = was is not None and now is not None and (was.stage, was.raw) == (now.stage, now.raw)
    return not same or event.policy != "snapshot"
