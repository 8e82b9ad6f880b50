"""What an event says, set facet by facet: each remembers by which stamp it was set, and refuses an older one."""

from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from app.orders.forecast import own_pace
from app.orders.words import (
    AFTER_END,
    ENDS,
    RANK,
    STICKY,
    TIMELINE_MOST,
    Change,
    Entry,
    Item,
    Mark,
    Order,
    OrderEvent,
    Stamp,
    lasting,
    newer,
    older,
)

FACETS: Final = (
    "code", "store", "fulfilment", "placed_at", "promised", "previous_promise", "customer", "total", "shopper",
    "destination", "handling", "delivery_code", "bags",
)  # fmt: skip


def status(order: Order, event: OrderEvent, stage: str | None, stamp: Stamp) -> int:
    """Sets the marks of the stage, the flags and the reason; answers how many came too late."""
    stale = 0
    if stage is not None:
        stale += _mark(order, event, stage, stamp)
    for flag in event.flags:
        stale += not _set(order, "flag:" + flag, stamp)
    if (stage or event.flags) and _set(order, "raw", stamp):
        order.word = event.raw_status or event.name
    if event.reason is not None:
        if _set(order, "reason", stamp):
            order.told = event.reason
        else:
            stale += 1
    return stale


def _mark(order: Order, event: OrderEvent, stage: str, stamp: Stamp) -> int:
    """Sets the mark of the end or of the open stage; 1 where the word came too late for it to be seen."""
    raw = event.raw_status or event.name
    if stage in ENDS:
        return _end(order, stage, raw, stamp)
    was = order.open
    ahead = event.policy == "forward" and was is not None and RANK[stage] > RANK[was.stage]
    if was is not None and not ahead and not newer(stamp, was.stamp):
        return 1
    clear = stamp
    same = was is not None and event.policy == "snapshot" and (was.stage, was.raw) == (stage, raw)
    if same and was is not None and "unknown" not in order.flags:
        clear = was.clear  # a poll that finds the same stage again ends no flag
    order.open = Mark(stage, raw, lasting(stamp, was.stamp if was else None), clear)
    return int(order.end is not None)


def _end(order: Order, stage: str, raw: str, stamp: Stamp) -> int:
    was = order.end
    # The first word of any end counts, the one that loses too: so its instant is the same in any order of arrival.
    ended = max(stamp.heard, stamp.at or 0.0)
    order.ended_at = ended if order.ended_at is None else min(order.ended_at, ended)
    said = was.stamp if was else None
    more = ENDS[stage] - (ENDS[was.stage] if was else 0)
    if more < 0 or (more == 0 and not newer(stamp, said)):
        return 1
    order.end = Mark(stage, raw, lasting(stamp, said), stamp)
    return 0


def _set(order: Order, name: str, stamp: Stamp) -> bool:
    was = order.stamps.get(name)
    if not newer(stamp, was):
        return False
    order.stamps[name] = lasting(stamp, was)
    return True


def facets(order: Order, event: OrderEvent, stamp: Stamp) -> int:
    stale, stamps = 0, order.stamps
    last, fresh, kept = None, True, stamp  # as of a facet that was never set
    for name in FACETS:
        value = getattr(event, name)
        if value is None:
            continue
        was = stamps.get(name)
        if was is not last:  # most facets were set together: what holds of one stamp needs asking once
            last, fresh, kept = was, newer(stamp, was), lasting(stamp, was)
        if not fresh:
            stale += 1
            continue
        stamps[name] = kept
        if name == "promised" and event.policy != "event_time" and order.promised not in (None, value):
            order.previous_promise = order.promised
        setattr(order, name, value)
    return stale


def items(order: Order, items: tuple[Item, ...], whole: bool, stamp: Stamp) -> int:
    """Line by line, each with its own stamp. A whole list also says their order, and ends the lines it leaves out."""
    if not items and not whole:
        return 0
    known = order.items or ()
    lines = {item.id: item for item in (*known, *order.gone)}
    listed = [item.id for item in known[: order.listed]]
    if whole and _set(order, "items", stamp):
        listed = list(dict.fromkeys(item.id for item in items))
    floor = order.stamps.get("items")
    stale = 0
    for item in items:
        lines[item.id], fresh = _line(order, lines.get(item.id), item, stamp)
        stale += not fresh or (floor is not None and older(stamp, floor))
    if not whole and not order.gone and len(lines) == len(known):  # the same lines: each keeps its place
        order.items = tuple([lines[item.id] for item in known])
    else:
        ended = {key for key in lines if floor is not None and older(order.stamps["item:" + key], floor)}
        rest = sorted(lines.keys() - ended - set(listed), key=_natural)
        order.items = tuple(lines[key] for key in [*listed, *rest])
        order.listed = len(listed)
        order.gone = tuple(lines[key] for key in sorted(ended))
    order.asked, order.own = sum([item.asked for item in order.items]), own_pace(order)
    return stale


def _line(order: Order, was: Item | None, item: Item, stamp: Stamp) -> tuple[Item, bool]:
    """The line, and whether `item` was news of it. Names and pictures often come once only, so each is a facet of its
    own; the rest of a line is always said whole."""
    key = "item:" + item.id
    before = order.stamps.get(key)
    fresh = _set(order, key, stamp)
    if fresh and stamp.at is None and item.state != "pending":
        _done(order, was, item, stamp if before is None else before, stamp)
    line = item if fresh or was is None else was
    for facet in ("name", "image_url") if was is not None else ():
        known, said = getattr(was, facet), getattr(item, facet)
        if known is None and said is None:
            continue
        since = order.stamps.pop(f"{facet}:{item.id}", before) if known is not None else None
        if said is not None and newer(stamp, since):
            known, since = said, lasting(stamp, since)
        if known != getattr(line, facet):
            line = replace(line, **{facet: known})
        if since is not None and since != order.stamps[key]:
            order.stamps[f"{facet}:{item.id}"] = since
    return line, fresh


def _done(order: Order, was: Item | None, item: Item, before: Stamp, stamp: Stamp) -> None:
    """A poll says every line again each time: since when it has been as it is has a stamp of its own."""
    key, same = "done:" + item.id, was is not None and was.state == item.state
    if not same or key not in order.stamps:
        order.stamps[key] = before if same else stamp


def _natural(key: str) -> tuple[int, str]:
    number = key.partition("#")[0]
    return (len(number), key) if number.isdecimal() else (0, key)


def settle(order: Order) -> None:
    """Derives what is shown from what was said: stage, flags, reason."""
    top = order.end or order.open
    # Who is first heard of by an overlay ("on hold") has been placed, whatever else we don't know.
    order.stage = top.stage if top else "placed"
    order.raw_status = order.end.raw if order.end else order.word
    clear = top.clear if top else None
    flying = [
        name[5:] for name, stamp in order.stamps.items() if name[:5] == "flag:" and _flies(name[5:], stamp, clear)
    ]
    order.flags = tuple(sorted(flag for flag in flying if order.end is None or flag in AFTER_END))
    said = order.stamps.get("reason")
    order.reason = order.told if said is not None and (clear is None or not older(said, clear)) else None


def _flies(flag: str, stamp: Stamp, clear: Stamp | None) -> bool:
    return flag in STICKY or clear is None or not older(stamp, clear)


def judge(old: Order | None, order: Order, event: OrderEvent, stamp: Stamp, stale: int, note: str) -> Change:
    """The verdict; and where somebody can see a difference, the version and the timeline's line."""
    order.heard = max(order.heard, event.heard)
    order.first = min(order.first, event.heard)
    if old is not None and _looks(old) == _looks(order) and (stale or not event.note):
        if stale:
            return Change(order, "late", note or _too_late(event, order))
        return Change(order, "same" if event.policy == "snapshot" else "applied", note)
    if old is None or event.note or (old.stage, old.flags) != (order.stage, order.flags):
        at = event.heard if stamp.at is None else stamp.at
        entry = Entry(order.stage, at, event.raw_status or event.name, event.by or event.source)
        order.timeline = (*order.timeline, entry)[-TIMELINE_MOST:]
    order.version += 1
    order.updated_at = max(order.updated_at, event.heard)
    back = old is not None and order.end is None and RANK[order.stage] < RANK[old.stage]
    return Change(order, "reverted" if back else "applied", note, changed=True)


def _too_late(event: OrderEvent, order: Order) -> str:
    if order.end is not None and event.stage is not None and event.stage != order.stage:
        return f"{event.stage} after {order.stage}"
    return "older than what it would change"


# `ended_at` may be set right by an end that came too late to be seen, so it makes no version.
_HIDDEN: Final = frozenset(
    {
        "stamps",
        "open",
        "end",
        "told",
        "word",
        "gone",
        "listed",
        "heard",
        "first",
        "rev",
        "version",
        "updated_at",
        "ended_at",
        "asked",
        "own",
        "under",
        "house",
    }
)
_looks: Final = attrgetter(*(name for name in Order.__struct_fields__ if name not in _HIDDEN))
