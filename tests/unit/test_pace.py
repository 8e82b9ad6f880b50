"""What is learnt from finished orders, and what is not believed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.orders import BY_HAND, Entry, Item, Mark, Order, Pace, Stamp
from app.pace import LEAST, MOST_OF, Sample, learn, sample

T = 1_700_000_000.0
LINES = tuple(Item(str(n), state="found") for n in range(10))
# preparing at 0, at the till after 600 s, packed after 660, ready after 780, collected after 1,800
PICKUP = {"placed": -60, "preparing": 0, "picked": 600, "staged": 660, "ready": 780, "fulfilled": 1800}
DELIVERY = {
    "preparing": 0,
    "picked": 600,
    "staged": 660,
    "courier_at_store": 1200,
    "in_transit": 1260,
    "fulfilled": 2460,
}


def finished(story: dict[str, float], fulfilment: str = "pickup", **more: Any) -> Order:
    timeline = tuple(Entry(stage, T + at) for stage, at in story.items())
    last = timeline[-1]
    stamp = Stamp(last.at, last.at)
    known: dict[str, Any] = {"source": "s", "provider": "p", "ref": "1", "first": T, "items": LINES}
    known |= {"stage": last.stage, "ended_at": last.at, "end": Mark(last.stage, "", stamp, stamp), "timeline": timeline}
    return Order(**known | {"fulfilment": fulfilment} | more)


def without(story: dict[str, float], *stages: str) -> dict[str, float]:
    return {stage: at for stage, at in story.items() if stage not in stages}


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (finished(PICKUP), Sample(60.0, 180.0, 120.0)),
        (finished(PICKUP, own=45.0), Sample(45.0, 180.0, 120.0)),
        (finished(DELIVERY, "delivery"), Sample(60.0, 660.0, 600.0, 60.0, 1200.0)),
        (finished(PICKUP, items=None), Sample(None, 180.0, 120.0)),
        (finished(without(PICKUP, "picked", "staged")), Sample(78.0, 0.0)),  # whole picking, nothing after it
        (finished(without(PICKUP, "ready")), None),  # when it was ready nobody said
        (finished(without(PICKUP, "preparing")), Sample(None, 180.0, 120.0)),
        (finished(without(DELIVERY, "in_transit"), "delivery"), None),
        (finished(DELIVERY | {"fulfilled": 99_999}, "delivery"), Sample(60.0, 660.0, 600.0, 60.0)),
        (finished(PICKUP, own=1e6), Sample(None, 180.0, 120.0)),
        (finished({stage: at / 1000 for stage, at in PICKUP.items()}), None),  # played back in two seconds
        (finished(PICKUP, ended_at=T + 90_000), None),  # heard of a day later
        (finished(without(PICKUP, "fulfilled") | {"canceled": 1900}), None),
        (finished(PICKUP, "in_store"), None),
        (finished(without(PICKUP, "fulfilled"), end=None), None),
    ],
)
def test_what_an_order_says(order: Order, said: Sample | None) -> None:
    assert sample(order) == said


def test_what_people_moved_says_nothing() -> None:
    order = finished(PICKUP)
    order.timeline = (*order.timeline, Entry("fulfilled", T + 1800, BY_HAND, "Sam"))
    assert sample(order) is None


def test_a_step_back_counts_from_the_last_time() -> None:
    order = finished(PICKUP)
    back = (Entry("picked", T + 300), Entry("preparing", T + 400))
    order.timeline = (*order.timeline[:2], *back, *order.timeline[2:])
    assert sample(order) == Sample(60.0, 180.0, 120.0)


def test_a_guess_until_there_are_enough() -> None:
    few = [Sample(30.0, 60.0)] * (LEAST - 1)
    assert learn(few) == Pace()
    assert learn([*few, Sample(30.0)]) == Pace(item=30.0, learnt=LEAST)  # nine of ten tell of the till


@given(st.lists(st.floats(3, 1800), min_size=LEAST, max_size=60), st.data())
def test_a_few_wild_ones_move_nothing_far(values: list[float], data: st.DataObject) -> None:
    """Fewer than half of all may say anything, and what is learnt stays among what the others say."""
    wild = data.draw(st.lists(st.floats(0, MOST_OF["item"]), max_size=(len(values) - 1) // 2))
    pace = learn([Sample(value) for value in (*values, *wild)])
    assert min(values) <= pace.item <= max(values)
    assert pace.learnt == len(values) + len(wild)
