"""A map drawn to scale without any streets: who is where, how far, and which way. Geometry only; templates draw it.

North is up. The scale moves in steps, and so does the frame, so that only who moves is seen to move.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import product
from types import SimpleNamespace
from typing import Final

from msgspec import Struct

from app.render.local import MILE, YARD, distance, miles
from app.trips import DEGREE, Point, metres

LADDER: Final = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
STEPS: Final = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)  # metres
YARDS: Final = tuple(yards * YARD for yards in (50, 100, 200, 500)) + tuple(
    miles * MILE for miles in (0.6, 1, 2, 5, 10, 20, 50)
)
LETTER: Final = 6.6  # units that a letter is wide, about
LINE: Final = 15.0
CLOSER: Final = 0.3  # of the way from shop to door
FINEST: Final = 0.8  # metres a unit: closer than that a position says less than it seems to
ANGLES: Final = (225, 315, 135, 45, 200, 160, 340, 20, 250, 290, 110, 70)  # clockwise from north, for a ring's label

Box = tuple[float, float, float, float]  # left, top, right, bottom


class Spot(Struct, frozen=True):
    """Somebody or something on the map. `kind`: shop, door or who; `size`: its radius in units."""

    kind: str
    at: Point
    label: str
    size: float = 15.0
    id: str = ""
    seen: float = 0.0
    level: str = ""


class Frame(Struct, frozen=True):
    """The paper: units wide and high, and the margins that nothing is put into."""

    width: float = 350.0
    height: float = 250.0
    side: float = 46.0
    top: float = 40.0
    foot: float = 48.0


PAPER: Final = Frame()


class Chart(Struct, frozen=True):
    """From the Earth onto the paper: `scale` in metres a unit, `middle` in metres east and south of `origin`."""

    origin: Point
    scale: float
    middle: Point
    frame: Frame

    def put(self, where: Point) -> Point:
        x, y = flat(self.origin, where)
        frame = self.frame
        centre = (frame.top + frame.height - frame.foot) / 2
        return frame.width / 2 + (x - self.middle[0]) / self.scale, centre + (y - self.middle[1]) / self.scale


def flat(origin: Point, where: Point) -> Point:
    """Metres east and south."""
    east = (where[1] - origin[1] + 180) % 360 - 180
    return east * DEGREE * math.cos(math.radians(origin[0])), (origin[0] - where[0]) * DEGREE


def chart(origin: Point, places: Sequence[Point], frame: Frame, steps: Sequence[float] = STEPS) -> Chart:
    """The finest scale of the ladder at which all places are on the paper."""
    points = [flat(origin, place) for place in places]
    wide, high = frame.width - 2 * frame.side, frame.height - frame.top - frame.foot
    span = max(_span(points, 0) / wide, _span(points, 1) / high, FINEST)
    grid = _step(_ladder(span), steps) / 2
    edges = [(math.floor(min(a) / grid) * grid, math.ceil(max(a) / grid) * grid) for a in zip(*points, strict=True)]
    (left, right), (top, bottom) = edges
    scale = _ladder(max((right - left) / wide, (bottom - top) / high, FINEST))
    return Chart(origin, scale, ((left + right) / 2, (top + bottom) / 2), frame)


def _span(points: Sequence[Point], axis: int) -> float:
    return max(point[axis] for point in points) - min(point[axis] for point in points)


def _ladder(least: float) -> float:
    """The next step up from `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((step * power for step in LADDER if step * power >= least * 0.999), 10 * power)


def _step(scale: float, steps: Sequence[float]) -> float:
    """A round length, to be drawn some 60 units long or more."""
    return next((step for step in steps if step / scale >= 58), steps[-1])


# ---- the picture ----


def picture(spots: Sequence[Spot], home: Point, tag: str, frame: Frame = PAPER) -> SimpleNamespace:
    """What a template needs: rings around `home`, spots with their labels, a scale bar. `tag`: the
    locale of its lengths."""
    places = _in_view(spots)
    steps = YARDS if miles(tag) else STEPS
    made = chart(home, places, frame, steps)
    step = _step(made.scale, steps)
    placed = [(spot, made.put(spot.at)) for spot in spots]
    taken = [_around(at, spot.size + 3) for spot, at in placed]
    north = _north(taken, frame)
    taken.append(_around((north[0], north[1] + 14), 18))
    bar = _bar(step / made.scale, taken, frame)
    taken.append((bar[0] - 4, bar[1] - 18, bar[0] + step / made.scale + 4, bar[1] + 6))
    lines = [box for spot, at in placed if spot.kind == "who" for box in _along(at, made.put(home))]
    drawn = [_spot(spot, at, taken, lines, frame) for spot, at in placed]
    taken += lines + [box for spot, at in placed if spot.kind == "shop" for box in _along(at, made.put(spots[-1].at))]
    return SimpleNamespace(
        width=frame.width, height=frame.height, spots=drawn, north=_xy(north), bar=_xy(bar),
        bar_end=f"{bar[0] + step / made.scale:.1f}", bar_mid=f"{bar[0] + step / made.scale / 2:.1f}",
        bar_words=distance(step, tag), lines=_lines(drawn),
        home=next((spot.kind for spot in spots if spot.at == home), ""),
        rings=list(_rings(made.put(home), step, made.scale, taken, frame, tag)),
    )  # fmt: skip


def _in_view(spots: Sequence[Spot]) -> list[Point]:
    """The last of the way is seen closer: the shop then lies beyond the edge, and the line to it says where."""
    at = {spot.kind: spot.at for spot in spots}
    if len(at) == len(spots) == 3 and metres(at["door"], at["who"]) < CLOSER * metres(at["door"], at["shop"]):
        return [at["door"], at["who"]]
    return [spot.at for spot in spots]


def _lines(drawn: Sequence[SimpleNamespace]) -> list[SimpleNamespace]:
    """From the shop to whoever is on the way, and on to the door."""
    at = {spot.kind: spot for spot in drawn}
    who = at.get("who")
    if who is None or sum(spot.kind == "who" for spot in drawn) > 1:
        return []
    return [
        SimpleNamespace(kind=kind, x1=at[end].x, y1=at[end].y, x2=who.x, y2=who.y, to=who.id)
        for end, kind in (("shop", "gone"), ("door", "way"))
        if end in at
    ]


def _xy(at: Point) -> tuple[str, str]:
    return f"{at[0]:.1f}", f"{at[1]:.1f}"


def _around(at: Point, size: float) -> Box:
    return at[0] - size, at[1] - size, at[0] + size, at[1] + size


def _clear(box: Box, taken: Iterable[Box], frame: Frame) -> bool:
    inside = box[0] >= 4 and box[1] >= 4 and box[2] <= frame.width - 4 and box[3] <= frame.height - 4
    return inside and not any(
        box[0] < other[2] and box[2] > other[0] and box[1] < other[3] and box[3] > other[1] for other in taken
    )


def _north(taken: Sequence[Box], frame: Frame) -> Point:
    corners = [(frame.width - 20, 16.0), (20.0, 16.0)]
    return next((c for c in corners if _clear(_around((c[0], c[1] + 14), 15), taken, frame)), corners[0])


def _bar(long: float, taken: Sequence[Box], frame: Frame) -> Point:
    low = frame.height - 12
    corners = [(14.0, low), (frame.width - 14 - long, low)]
    return next((c for c in corners if _clear((c[0], c[1] - 18, c[0] + long, low + 6), taken, frame)), corners[0])


def _along(one: Point, other: Point) -> list[Box]:
    """Room for a line."""
    steps = max(int(math.dist(one, other) / 10), 1)
    return [
        _around((one[0] + (other[0] - one[0]) * i / steps, one[1] + (other[1] - one[1]) * i / steps), 4.0)
        for i in range(steps + 1)
    ]


def _spot(spot: Spot, at: Point, taken: list[Box], lines: list[Box], frame: Frame) -> SimpleNamespace:
    """A spot and its label: below it, else above, right or left; where nothing is free, below."""
    wide, off = len(spot.label) * LETTER, spot.size + 4
    tries = (
        ("middle", at[0], at[1] + off + 12),
        ("middle", at[0], at[1] - off - 3),
        ("start", at[0] + off + 2, at[1] + 4),
        ("end", at[0] - off - 2, at[1] + 4),
    )
    places = []
    for anchor, x, y in tries if spot.label else ():
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        places.append((anchor, x, y, (left, y - LINE + 3, left + wide, y + 4)))
    free = (place for avoided in ([*taken, *lines], taken) for place in places if _clear(place[3], avoided, frame))
    label = None
    if place := next(free, places[0] if places else None):
        anchor, x, y, box = place
        label = SimpleNamespace(x=f"{x - at[0]:.1f}", y=f"{y - at[1]:.1f}", anchor=anchor)
        taken.append(box)
    return SimpleNamespace(
        kind=spot.kind, x=f"{at[0]:.1f}", y=f"{at[1]:.1f}", words=spot.label, label=label, id=spot.id,
        size=spot.size, seen=int(spot.seen), level=spot.level,
        latitude=f"{spot.at[0]:.6f}", longitude=f"{spot.at[1]:.6f}",
    )  # fmt: skip


def _rings(
    home: Point, step: float, scale: float, taken: Sequence[Box], frame: Frame, tag: str
) -> Iterable[SimpleNamespace]:
    """Circles of equal distance: whole steps drawn through and named, halves dotted."""
    far = max(math.dist(home, corner) for corner in product((0.0, frame.width), (0.0, frame.height)))
    used = list(taken)
    for half in range(1, 2 * 12):
        radius = half * step / 2 / scale
        if radius > far:
            return
        label = None
        for angle in ANGLES if half % 2 == 0 else ():
            x = home[0] + radius * math.sin(math.radians(angle))
            y = home[1] - radius * math.cos(math.radians(angle))
            wide = len(distance(half * step / 2, tag)) * LETTER / 2
            box = (x - wide - 2, y - 8, x + wide + 2, y + 8)
            if _clear(box, used, frame):
                label = SimpleNamespace(x=f"{x:.1f}", y=f"{y + 4:.1f}", words=distance(half * step / 2, tag))
                used.append(box)
                break
        yield SimpleNamespace(r=f"{radius:.1f}", whole=half % 2 == 0, label=label)
