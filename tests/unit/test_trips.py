"""Where somebody is, how far, and when they may be there: honest about how little may be known."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.orders import Destination, Order
from app.render.drawing import PAPER, Spot, picture
from app.trips import (
    BASIS,
    FLOOR,
    LOST,
    OLD,
    Estimate,
    Fix,
    Trip,
    compass,
    delivering,
    estimated,
    metres,
    minutes,
    point,
    speed,
    trip,
)

NOW = 1_800_000_000.0
SHOP, DOOR = (37.7599, -122.4148), (37.7710, -122.4282)
distances = some.floats(0, 60_000)
paces = some.none() | some.floats(0, 60)
ages = some.floats(0, BASIS)


def order(**more: Any) -> Order:
    said = {"stage": "in_transit", "destination": Destination("1 Main St", *DOOR), **more}
    return Order(source="i", provider="instacart", ref="1", first=NOW, **said)


def seen(*ages: float, **more: Any) -> Trip | None:
    fixes = [Fix(37.7668, -122.4224, NOW - age) for age in ages]
    return trip(order(**more), fixes, SHOP, NOW)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(0.0, 0.0), (0.0004, -0.0002), (91.0, 0.0), (0.0, 181.0), (math.nan, 1.0), (1.0, math.inf), (None, 1.0)],
)
def test_what_is_nowhere_counts_as_missing(latitude: float | None, longitude: float | None) -> None:
    assert point(latitude, longitude) is None


@pytest.mark.parametrize(
    "stage", ["placed", "preparing", "picked", "staged", "courier_at_store", "fulfilled", "canceled"]
)
def test_nobody_is_on_the_way_before_or_after(stage: str) -> None:
    assert seen(5.0, stage=stage) is None


@pytest.mark.parametrize("more", [{"fulfilment": "curbside"}, {"flags": ("returning",)}])
def test_nobody_comes_to_who_collects_or_sends_back(more: dict[str, Any]) -> None:
    assert not delivering(order(**more))


@pytest.mark.parametrize(
    ("age", "level", "shown", "expected"),
    [
        (0.0, "", True, True),
        (OLD - 1, "", True, True),
        (OLD, "old", True, True),
        (LOST - 1, "old", True, True),
        (LOST, "lost", False, True),
        (BASIS - 1, "lost", False, True),
        (BASIS, "", False, False),
    ],
)
def test_a_position_ages(age: float, level: str, shown: bool, expected: bool) -> None:
    made = seen(age)
    assert made is not None
    assert (made.level, made.fix is not None, made.estimate is not None) == (level, shown, expected)
    assert (made.left is not None) == shown


def test_a_placeholder_in_the_ocean_is_not_believed() -> None:
    made = trip(order(), [Fix(1.0, 1.0, NOW)], SHOP, NOW)
    assert made == Trip(SHOP, DOOR)


def test_without_a_door_there_is_a_position_and_no_estimate() -> None:
    made = trip(order(destination=Destination("1 Main St")), [Fix(37.7668, -122.4224, NOW)], SHOP, NOW)
    assert made is not None
    assert made.fix is not None
    assert made.estimate is None


def test_a_speed_leaves_jumps_out() -> None:
    steady = [Fix(37.76 + i * 0.0004, -122.41, NOW + i * 10) for i in range(6)]  # 4.4 m/s
    assert speed(steady) == pytest.approx(4.45, abs=0.05)
    jump = [*steady, Fix(37.90, -122.41, NOW + 60), Fix(37.90 + 0.0004, -122.41, NOW + 70)]
    assert speed(jump) == pytest.approx(4.45, abs=0.05)
    assert speed(steady[:2]) is None, "ten seconds are no basis"


@given(distances, paces, ages, ages)
def test_a_range_only_widens_as_it_ages(left: float, pace: float | None, one: float, other: float) -> None:
    sooner, later = sorted((one, other))
    young, old = estimated(left, pace, NOW, NOW + sooner), estimated(left, pace, NOW, NOW + later)
    assert old.late - old.early >= young.late - young.early - 1e-6
    assert old.late >= young.late
    assert old.early >= young.early


@given(distances, paces, ages)
def test_a_range_is_never_past_nor_too_sure(left: float, pace: float | None, age: float) -> None:
    now = NOW + age
    made = estimated(left, pace, NOW, now)
    assert now <= made.early
    assert made.late - made.early >= FLOOR - 1e-6
    early, late = minutes(made, now)
    assert early >= now - now % 60
    assert late >= made.late
    assert late - early >= FLOOR


@given(distances, paces, ages, some.floats(0, 5))
def test_nearer_is_never_later(left: float, pace: float | None, age: float, nearer: float) -> None:
    one, other = estimated(left, pace, NOW, NOW + age), estimated(left / (1 + nearer), pace, NOW, NOW + age)
    assert other.late <= one.late + 1e-6
    assert other.early <= one.early + 1e-6


def test_wide_ranges_are_told_in_fives() -> None:
    assert minutes(Estimate(NOW + 61, NOW + 500), NOW) == (NOW + 60, NOW + 540)
    assert minutes(Estimate(NOW + 700, NOW + 1400), NOW) == (NOW + 600, NOW + 1500)
    assert minutes(Estimate(NOW + 110, NOW + 1400), NOW + 100)[0] == NOW + 60, "not before this minute"


@pytest.mark.parametrize(
    ("to", "way"), [((1, 0), 0), ((1, 1), 1), ((0, 1), 2), ((-1, 0), 4), ((0, -1), 6), ((1, -1), 7)]
)
def test_directions(to: tuple[float, float], way: int) -> None:
    assert compass((0.0, 0.0), to) == way


def test_the_date_line_is_no_wall() -> None:
    assert metres((0.0, 179.99), (0.0, -179.99)) == pytest.approx(2224, abs=5)


# ---- the drawing ----

near = some.tuples(some.floats(-0.08, 0.08), some.floats(-0.08, 0.08))


@given(near, near)
def test_a_drawing_is_to_scale_and_on_the_paper(one: tuple[float, float], other: tuple[float, float]) -> None:
    door = (DOOR[0] + one[0], DOOR[1] + one[1])
    who = (door[0] + other[0], door[1] + other[1])
    made = picture(
        [Spot("shop", SHOP, "Shop"), Spot("door", door, "Your door"), Spot("who", who, "Dev, 1.2 km")],
        door,
        "en_US",
    )
    at = [(float(spot.x), float(spot.y)) for spot in made.spots]
    close = metres(door, who) < 0.3 * metres(door, SHOP)
    assert all(0 < x < PAPER.width and 0 < y < PAPER.height for x, y in (at[1:] if close else at))
    ways = [(math.dist(at[1], at[i]), metres(door, where)) for i, where in ((0, SHOP), (2, who))]
    scales = [real / drawn for drawn, real in ways if drawn > 25]
    assert not scales or max(scales) / min(scales) < 1.06
