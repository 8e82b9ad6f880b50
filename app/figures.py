"""A store's day in figures: waits at the door, promises kept, where the time went. Pure: traces in, numbers out.

An order counts on the day it was over: handed over, or ended by its order system, whichever came first. Percentiles are
nearest-rank: a value that somebody really had. Of fewer than `LEAST` values none is told; they are shown themselves.
"""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from math import ceil
from typing import Final

from msgspec import Struct

from app.orders import OFF_PATH, PICKUPS, RANK, Arrival, Entry, Promise

LEAST: Final = 5  # values from which on percentiles are told
SOON: Final = 120.0  # seconds: the goal for a wait at the door
STAGES: Final = ("new", "picking", "ready", "courier")
_EDGES: Final = ((RANK["in_transit"], "courier"), (RANK["staged"], "ready"), (RANK["preparing"], "picking"))
_WELL: Final = frozenset({"fulfilled", "closed"})


class Trace(Struct, gc=False, kw_only=True):
    """What figures need of a stored order: to read the rest would take three times as long."""

    source: str
    provider: str
    ref: str
    first: float
    stage: str = "cart"
    flags: tuple[str, ...] = ()
    code: str | None = None
    fulfilment: str = "delivery"
    placed_at: float | None = None
    promised: Promise | None = None
    previous_promise: Promise | None = None
    arrival: Arrival | None = None
    timeline: tuple[Entry, ...] = ()
    ended_at: float | None = None

    @property
    def came(self) -> float:
        return self.first if self.placed_at is None else self.placed_at


class Spread(Struct, frozen=True):
    """`n` lengths of time in seconds: the quick tenth, the middle and the slow tenth, each None where `n` < LEAST; then
    `few` holds them all, shortest first."""

    n: int = 0
    low: float | None = None
    mid: float | None = None
    high: float | None = None
    few: tuple[float, ...] = ()


class Hour(Struct, frozen=True):
    """An hour by the store's clock, which begins at the instant `at`. `waits` end in it; `stages` are of the `orders`
    that came in it; fewer than LEAST are in `few`, each with its own seconds by stage."""

    at: float
    waits: Spread = Spread()
    orders: int = 0
    stages: dict[str, Spread] = {}
    few: tuple[dict[str, float], ...] = ()


class Day(Struct, frozen=True, kw_only=True):
    """`soon`: waits within the goal. `kept` of `promised` promises; `moved`: those that had been set anew; `overdue`:
    not kept because the order is still open. `off`: cancelled, refused, failed or brought back. `lead`: from coming in
    to the handover. `before`: orders that came in on an earlier day, whose hours are not in `hours`."""

    start: float
    end: float
    waits: Spread = Spread()
    soon: int = 0
    kept: int = 0
    promised: int = 0
    moved: int = 0
    overdue: int = 0
    done: int = 0
    off: int = 0
    lead: Spread = Spread()
    before: int = 0
    hours: tuple[Hour, ...] = ()


def bounds(day: date, zone: tzinfo) -> tuple[float, float]:
    """A day's first instant and the next day's: 23 to 25 hours, by the zone's own clock."""
    first, after = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (day, day + timedelta(days=1)))
    return first.timestamp(), after.timestamp()


def hour_of(at: float, zone: tzinfo) -> float:
    """When the hour that an instant lies in began. The hour that a clock shows twice is two hours."""
    there = datetime.fromtimestamp(at, zone).replace(minute=0, second=0, microsecond=0)
    return there.astimezone(UTC).timestamp()


def spread(values: Iterable[float]) -> Spread:
    known = sorted(values)
    if len(known) < LEAST:
        return Spread(len(known), few=tuple(known))
    return Spread(len(known), rank(known, 0.1), rank(known, 0.5), rank(known, 0.9))


def rank(known: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return known[max(ceil(share * len(known)), 1) - 1]


# ---- one order ----


def counts(trace: Trace) -> bool:
    """A cart is no order yet, a journey that became one no order of its own."""
    return trace.stage != "cart" and "joined" not in trace.flags


def handed(trace: Trace) -> float | None:
    """When the staff handed it over."""
    arrival = trace.arrival
    return arrival.ended_at if arrival is not None and arrival.state == "handed_over" else None


def over(trace: Trace) -> float | None:
    return min((at for at in (trace.ended_at, handed(trace)) if at is not None), default=None)


def well(trace: Trace) -> bool:
    return trace.stage not in OFF_PATH and (trace.stage in _WELL or handed(trace) is not None)


def wait(trace: Trace) -> float | None:
    """Seconds from "I'm here" to the handover; None where nobody checked in, or it has not been handed over."""
    arrival, ended = trace.arrival, over(trace)
    if arrival is None or ended is None or arrival.state == "on_my_way" or not well(trace):
        return None
    if arrival.state == "handed_over" and arrival.before in (None, "on_my_way"):
        return None  # handed over with a button, with no word that anybody was here
    return max(ended - arrival.at, 0.0)


def due(trace: Trace) -> float | None:
    """The instant of the promise that stands; of a window, its end."""
    promised = trace.promised
    return None if promised is None else promised.start if promised.end is None else promised.end


def done_at(trace: Trace) -> float | None:
    """When the store had done its part: packed and ready for who collects, at the door for everyone else."""
    ready: float | None = None
    for entry in trace.timeline if trace.fulfilment in PICKUPS else ():
        if entry.stage in OFF_PATH:
            continue
        if RANK[entry.stage] < RANK["ready"]:
            ready = None
        elif ready is None:
            ready = entry.at
    ended = over(trace)
    return ended if ready is None or (ended is not None and ended < ready) else ready


def stages(trace: Trace) -> dict[str, float]:
    """Seconds in each lane of the board, up to when it was over; steps back count where they led."""
    ended = over(trace)
    if ended is None or trace.fulfilment == "in_store":
        return {}
    points = [(trace.came, "new")]
    for entry in trace.timeline:
        points.append((min(max(entry.at, points[-1][0]), ended), _lane(entry.stage, points[-1][1])))
    spent = dict.fromkeys(STAGES, 0.0)
    for (since, lane), (until, _) in itertools.pairwise([*points, (ended, "")]):
        spent[lane] += max(until - since, 0.0)
    return {lane: seconds for lane, seconds in spent.items() if seconds > 0}


def _lane(stage: str, was: str) -> str:
    rank = RANK[stage]
    if rank >= RANK["fulfilled"]:
        return was
    return next((lane for edge, lane in _EDGES if rank >= edge), "new")


# ---- a day of them ----


def figures(traces: Iterable[Trace], start: float, end: float, now: float, zone: tzinfo) -> Day:
    """The figures of [start, end). Of traces that are of no concern for it, nothing is counted."""
    known = [trace for trace in traces if counts(trace)]
    ended = [trace for trace in known if start <= (over(trace) or -1.0) < end]
    good = [trace for trace in ended if well(trace)]
    waits = [gone for trace in good if (gone := wait(trace)) is not None]
    promised = [trace for trace in good if due(trace) is not None and trace.fulfilment != "in_store"]
    late = [trace for trace in known if over(trace) is None and _missed(trace, start, min(end, now))]
    fresh = [trace for trace in good if start <= trace.came < end]
    return Day(
        start=start,
        end=end,
        waits=spread(waits),
        soon=sum(gone <= SOON for gone in waits),
        kept=sum(_kept(trace) for trace in promised),
        promised=len(promised) + len(late),
        moved=sum(trace.previous_promise is not None for trace in (*promised, *late)),
        overdue=len(late),
        done=len(good),
        off=len(ended) - len(good),
        lead=spread((over(trace) or 0.0) - trace.came for trace in good if trace.fulfilment != "in_store"),
        before=len(good) - len(fresh),
        hours=_hours(good, fresh, zone),
    )


def _kept(trace: Trace) -> bool:
    promise, ready = due(trace), done_at(trace)
    return promise is not None and ready is not None and ready <= promise


def _missed(trace: Trace, start: float, end: float) -> bool:
    """Was it promised for then, and is not there yet?"""
    promise = due(trace)
    return promise is not None and start <= promise < end and done_at(trace) is None


def _hours(good: Iterable[Trace], fresh: Iterable[Trace], zone: tzinfo) -> tuple[Hour, ...]:
    waits: dict[float, list[float]] = {}
    spent: dict[float, list[dict[str, float]]] = {}
    for trace in good:
        gone = wait(trace)
        if gone is not None:
            waits.setdefault(hour_of(over(trace) or 0.0, zone), []).append(gone)
    for trace in fresh:
        if lanes := stages(trace):
            spent.setdefault(hour_of(trace.came, zone), []).append(lanes)
    return tuple(_hour(at, waits.get(at, ()), spent.get(at, [])) for at in sorted(waits.keys() | spent.keys()))


def _hour(at: float, waits: Iterable[float], orders: Sequence[dict[str, float]]) -> Hour:
    known = {stage: [one[stage] for one in orders if stage in one] for stage in STAGES}
    return Hour(
        at,
        spread(waits),
        len(orders),
        {stage: spread(values) for stage, values in known.items() if values},
        tuple(orders) if len(orders) < LEAST else (),
    )
