"""Invented ways through a town of straight streets, and where on them somebody is."""

from collections.abc import Sequence
from itertools import pairwise
from math import cos, hypot, radians
from random import Random

from app.sandbox.deeds import Point

# A block in degrees, north-south and east-west: long and narrow as in the Mission, and turned a little like there.
TALL, WIDE, TURNED = 0.00158, 0.00232, 0.00009
DEGREE = 111_320.0  # metres


def way(start: Point, rng: Random, legs: int = 6) -> tuple[Point, ...]:
    """Corner after corner from the start to a door in the middle of a block; never back the way it came."""
    north, east = rng.choice((-1, 1)), rng.choice((-1, 1))
    points = [start]
    for leg in range(legs):
        blocks: float = rng.randint(1, 3)
        if leg == legs - 1:
            blocks += rng.uniform(-0.7, -0.3)
        latitude, longitude = points[-1]
        if leg % 2 == 0:
            points.append(_point(latitude + north * blocks * TALL, longitude - north * blocks * TURNED))
        else:
            points.append(_point(latitude + east * blocks * TURNED, longitude + east * blocks * WIDE))
    return tuple(points)


def _point(latitude: float, longitude: float) -> Point:
    return (round(latitude, 6), round(longitude, 6))


def along(route: Sequence[Point], share: float) -> Point:
    """The point after this share (0 to 1) of the way's length."""
    lengths = [metres(one, other) for one, other in pairwise(route)]
    left = min(max(share, 0.0), 1.0) * sum(lengths)
    for (one, other), length in zip(pairwise(route), lengths, strict=True):
        if left <= length > 0:
            part = left / length
            return _point(one[0] + (other[0] - one[0]) * part, one[1] + (other[1] - one[1]) * part)
        left -= length
    return route[-1]


def metres(one: Point, other: Point) -> float:
    """Near enough within a town."""
    return DEGREE * hypot(other[0] - one[0], (other[1] - one[1]) * cos(radians(one[0])))
