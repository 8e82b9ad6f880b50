"""What an event does to an order. An `Order` is never changed in place: `apply` returns a new one."""

from msgspec.structs import replace

from app.orders.arrivals import arrive
from app.orders.facets import facets, items, judge, settle, status
from app.orders.hand import bared, by_hand, overrules
from app.orders.words import ENDS, RANK, SKEW, Change, Order, OrderEvent, Stamp, Under, begun


def apply(old: Order | None, event: OrderEvent) -> Change:
    """What `event` makes of `old` (None: the first word about it)."""
    if event.arrival is not None:
        return arrive(old, event, event.arrival)
    if event.policy == "hand":
        return by_hand(old, event)
    own = old if old is None or old.under is None else bared(old, old.under)
    stage = meant(own, event)
    if old is not None and own is not None and event.policy == "forward" and stage and goes_back(own, stage):
        return Change(old, "late", f"{stage} after {old.stage}", saved=False)
    order = begun(event) if own is None else replace(own, stamps=dict(own.stamps))
    at, note = trusted(event)
    stamp = Stamp(at, event.heard, RANK[stage] if stage else 0, event.digest[:12])
    stale = status(order, event, stage, stamp) + facets(order, event, stamp)
    if event.items is not None:
        stale += items(order, event.items, event.whole, stamp)
    if old is not None and own is not None and old.hand is not None and not overrules(event, own, order, old.hand):
        order.hand, order.under = old.hand, Under(order.open, order.end, order.ended_at)
        order.open, order.end, order.ended_at = old.open, old.end, old.ended_at
    settle(order)
    return judge(old, order, event, stamp, stale, note)


def meant(old: Order | None, event: OrderEvent) -> str | None:
    """The stage that the event stands for: `over` once preparing has begun."""
    begun = old is not None and old.open is not None and RANK[old.open.stage] >= RANK["preparing"]
    return event.over if event.over is not None and begun else event.stage


def trusted(event: OrderEvent) -> tuple[float | None, str]:
    """The provider's stamp, unless it lies more than five minutes ahead of the receipt."""
    if event.at is not None and event.at > event.heard + SKEW:
        return event.heard, "its stamp lies in the future and counted as its receipt"
    return event.at, ""


def goes_back(old: Order, stage: str) -> bool:
    """Under `forward`: is this word about the stage one that may not lower the rank?"""
    if stage in ENDS:
        return old.end is not None and ENDS[stage] < ENDS[old.end.stage]
    return old.end is not None or (old.open is not None and RANK[stage] < RANK[old.open.stage])
