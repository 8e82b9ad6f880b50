"""Somebody on the way to a door: where they were last seen, how far that is, and when they may be there.

Pure: no clock, no I/O. Lengths are metres, instants Unix seconds. An estimate is a range, never an instant: it widens
as what it rests on ages, and without a basis there is none.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from app.orders import PICKUPS, Order

Point = tuple[float, float]  # latitude, longitude

OLD: Final = 60.0  # seconds after which a position is shown as old …
LOST: Final = 300.0  # … and after which it is not shown at all
BASIS: Final = 600.0  # seconds after which nothing is concluded from it
TRAIL: Final = 300.0  # seconds of fixes that a speed is taken from
LEAST: Final = 20.0  # seconds that they must span
FLOOR: Final = 180.0  # seconds that an estimate is wide at least
FAR: Final = 150_000.0  # metres from store or door that nobody delivers over: a placeholder, or a broken receiver
QUICKEST: Final = 40.0  # metres a second that nobody rides through a town
DOOR: Final = 45.0  # seconds from the kerb to the bell
NEAR: Final = 150.0  # metres that count as "almost there"

# How much longer than the straight line a way may be; how much faster and slower than lately somebody may go on; and
# what is assumed of somebody of whom no speed is known yet.
STRAIGHT, WINDING = 1.05, 1.4
FASTER, SLOWER = 1.25, 0.75
QUICK: Final = (2.5, 8.0, 18.0)  # at least, unknown, at most; metres a second
SLOW: Final = (1.4, 3.5, 10.0)

DEGREE: Final = 111_195.0  # metres


class Fix(Struct, frozen=True, array_like=True, gc=False):
    """A position that was heard, `at` when it was asked for."""

    latitude: float
    longitude: float
    at: float

    @property
    def real(self) -> bool:
        return math.isfinite(self.at) and point(self.latitude, self.longitude) is not None

    @property
    def point(self) -> Point:
        return self.latitude, self.longitude


class Estimate(Struct, frozen=True, gc=False):
    """The range in which somebody comes to the door; neither side lies in the past."""

    early: float
    late: float


class Trip(Struct, frozen=True, gc=False):
    """A delivery under way. `fix` is None where nobody was seen for too long, `seen` still says when they were last;
    `level` is "" (fresh), "old" or "lost"; `left` is the straight line to the door."""

    store: Point | None = None
    door: Point | None = None
    fix: Fix | None = None
    seen: float | None = None
    level: str = ""
    left: float | None = None
    estimate: Estimate | None = None


def point(latitude: float | None, longitude: float | None) -> Point | None:
    """None for what is missing, not on Earth, or 0,0: that is what receivers say that know nothing."""
    if latitude is None or longitude is None or not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    if abs(latitude) < 0.001 and abs(longitude) < 0.001:
        return None
    return latitude, longitude


def metres(one: Point, other: Point) -> float:
    """Near enough within a region; the short way around at the date line."""
    north = other[0] - one[0]
    east = (other[1] - one[1] + 180) % 360 - 180
    return DEGREE * math.hypot(north, east * math.cos(math.radians((one[0] + other[0]) / 2)))


def compass(one: Point, other: Point) -> int:
    """The direction of `other` as seen from `one`, in eighths of a turn from north, clockwise."""
    east = ((other[1] - one[1] + 180) % 360 - 180) * math.cos(math.radians((one[0] + other[0]) / 2))
    return round(math.atan2(east, other[0] - one[0]) / math.pi * 4) % 8


def delivering(order: Order) -> bool:
    """Is somebody on the way to the customer? Only then their position is anybody's business."""
    if order.stage != "in_transit" or order.end is not None:
        return False
    return order.fulfilment not in PICKUPS and "returning" not in order.flags


def trip(order: Order, fixes: Sequence[Fix], store: Point | None, now: float) -> Trip | None:
    """The trip as it stands; None while there is none. `fixes`: oldest first."""
    if not delivering(order):
        return None
    place = order.destination
    door = point(place.latitude, place.longitude) if place is not None else None
    known = [fix for fix in fixes if fix.real and -OLD < now - fix.at < BASIS and _plausible(fix.point, store, door)]
    if not known:
        return Trip(store, door)
    last, age = known[-1], now - known[-1].at
    level = "" if age < OLD else "old" if age < LOST else "lost"
    left = metres(last.point, door) if door is not None else None
    estimate = None if left is None else estimated(left, speed(known), last.at, now)
    shown = level != "lost"
    return Trip(store, door, last if shown else None, last.at, level, left if shown else None, estimate)


def _plausible(where: Point, *homes: Point | None) -> bool:
    known = [home for home in homes if home is not None]
    return not known or any(metres(where, home) <= FAR for home in known)


def speed(fixes: Sequence[Fix]) -> float | None:
    """Metres a second over the last minutes, jumps left out; None where too little is known."""
    recent = [fix for fix in fixes if fixes[-1].at - fix.at <= TRAIL]
    length = span = 0.0
    for one, other in pairwise(recent):
        took, way = other.at - one.at, metres(one.point, other.point)
        if took > 0 and way / took <= QUICKEST:
            length, span = length + way, span + took
    return length / span if span >= LEAST else None


def estimated(left: float, pace: float | None, at: float, now: float) -> Estimate:
    """From the distance at the instant `at`. At the earliest they went on at once, and fast; at the latest they have
    stood still since. So it only widens until something new is heard."""
    age = max(now - at, 0.0)
    quick = QUICK[1] if pace is None else min(max(pace * FASTER, QUICK[0]), QUICK[2])
    slow = SLOW[1] if pace is None else min(max(pace * SLOWER, SLOW[0]), SLOW[2])
    early = max(at + left * STRAIGHT / quick, now)
    late = now + left * WINDING / slow + DOOR + age / 4
    return Estimate(early, max(late, early + FLOOR))


def minutes(estimate: Estimate, now: float) -> tuple[float, float]:
    """The range as it is shown: whole minutes, outward; from ten minutes on whole fives. Never before this minute."""
    step = 60 if estimate.late - estimate.early < 600 else 300
    early = max(math.floor(estimate.early / step) * step, math.floor(now / 60) * 60)
    return early, math.ceil(estimate.late / step) * step
