"""Arrivals: every state, every step, every undo."""

import itertools
from typing import Any

import msgspec
import pytest

from app.orders import Arrival, Effect, Order, OrderEvent, Promise, Step, apply, may_be_here, may_check_in, turns

T = 1_700_000_000.0
STATES = (None, "on_my_way", "here", "claimed", "cannot_find", "handed_over")


def step(state: str, second: float = 0.0, by: str = "", **more: Any) -> OrderEvent:
    return OrderEvent(
        source="jane", provider="jane", ref="1", name=state, digest=f"{state}{second}", policy="local",
        heard=T + second, by=by, arrival=Step(state, **more),
    )  # fmt: skip


def order(stage: str = "ready", *steps: OrderEvent) -> Order:
    event = OrderEvent(
        source="jane", provider="jane", ref="1", name="x", digest="x", policy="forward", heard=T - 9, stage=stage
    )
    now = apply(None, event).order
    for one in steps:
        now = apply(now, one).order
    return now


WAYS: dict[str | None, list[OrderEvent]] = {
    None: [],
    "on_my_way": [step("on_my_way")],
    "here": [step("here", 1)],
    "claimed": [step("here", 1), step("claimed", 2, "Sam")],
    "cannot_find": [step("here", 1), step("claimed", 2, "Sam"), step("cannot_find", 3, "Sam")],
    "handed_over": [step("here", 1), step("claimed", 2, "Sam"), step("handed_over", 4, "Sam")],
}
# (from, step) → the state afterwards; "=" is a repeat without effect; all others are refused
MOVES: dict[tuple[str | None, str], str] = {
    (None, "on_my_way"): "on_my_way",
    ("on_my_way", "on_my_way"): "=",
    (None, "here"): "here",
    ("on_my_way", "here"): "here",
    ("here", "here"): "=",
    ("claimed", "here"): "=",
    ("cannot_find", "here"): "claimed",
    ("here", "claimed"): "claimed",
    ("claimed", "claimed"): "=",
    ("cannot_find", "claimed"): "claimed",
    ("here", "cannot_find"): "cannot_find",
    ("claimed", "cannot_find"): "cannot_find",
    ("cannot_find", "cannot_find"): "=",
    **{(state, "handed_over"): "handed_over" for state in STATES},
    ("handed_over", "handed_over"): "=",
}
UNDONE = {"claimed": "here", "cannot_find": "claimed", "handed_over": "claimed"}


@pytest.mark.parametrize(("state", "move"), list(itertools.product(STATES, STATES[1:])))
def test_every_step_from_every_state(state: str | None, move: str) -> None:
    before = order("ready", *WAYS[state])
    change = apply(before, step(move, 9, "Kim"))
    want = MOVES.get((state, move))
    if want is None or want == "=":
        assert change.verdict == ("refused" if want is None else "same")
        assert bool(change.note) == (want is None)
        assert change.order is before
        assert (change.saved, change.changed, change.effects) == (False, False, ())
        return
    assert change.verdict == "applied"
    assert change.changed
    after = change.order
    assert after.arrival is not None
    assert after.arrival.state == want
    assert (after.stage, after.version, after.heard) == (before.stage, before.version + 1, before.heard)
    assert after.timeline[-1].raw == want
    assert apply(after, step(move, 10, "Kim")).verdict == "same"


@pytest.mark.parametrize(("state", "move"), list(itertools.product(STATES, STATES[1:])))
def test_every_undo_from_every_state(state: str | None, move: str) -> None:
    before = order("ready", *WAYS[state])
    change = apply(before, step(move, 9, undo=True))
    if state != move or move not in UNDONE:
        assert (change.verdict, change.order is before) == ("refused", True)
        return
    assert change.order.arrival is not None
    assert change.order.arrival.state == UNDONE[move]
    assert change.order.arrival.at == T + 1


@pytest.mark.parametrize("state", STATES[:-1])
def test_a_handover_undone_leaves_what_was_before(state: str | None) -> None:
    before = order("ready", *WAYS[state])
    over = apply(before, step("handed_over", 9, "Kim")).order
    assert apply(over, step("handed_over", 10, undo=True)).order.arrival == before.arrival


def test_the_clock_runs_from_here_and_a_repeat_may_name_the_bay() -> None:
    now = order("ready", step("on_my_way", 1), step("here", 60, bay="2"), step("here", 90, bay="4", vehicle="red"))
    assert now.arrival == Arrival("here", T + 60, bay="4", vehicle="red", way_at=T + 1)
    claimed = order("ready", step("here", 1), step("claimed", 5, "Sam"), step("here", 9, bay="3")).arrival
    assert claimed == Arrival("claimed", T + 1, bay="3", claimed_by="Sam", claimed_at=T + 5)


def test_claimed_anew_names_the_new_one() -> None:
    now = order("ready", *WAYS["cannot_find"], step("claimed", 9, "Kim")).arrival
    assert now is not None
    assert (now.state, now.claimed_by, now.claimed_at, now.at) == ("claimed", "Kim", T + 9, T + 1)


def test_the_provider_is_told_once() -> None:
    told = []
    now = order()
    for one in [step("on_my_way"), step("here", 1), step("here", 2), step("claimed", 3), step("claimed", 4, undo=True)]:
        change = apply(now, one)
        now = change.order
        told += change.effects
    assert told == [Effect("arrived", "jane:1:arrived")]


def test_shown_once_and_without_a_line() -> None:
    here = order("ready", step("here", 1))
    seen = apply(here, step("shown", 3)).order
    assert seen.arrival is not None
    assert (seen.arrival.shown_at, seen.version) == (T + 3, here.version + 1)
    assert seen.timeline == here.timeline
    again = apply(seen, step("shown", 4))
    assert (again.verdict, again.saved, again.order is seen) == ("same", False, True)
    assert apply(order(), step("shown", 3)).verdict == "same"
    assert apply(order("ready", step("on_my_way")), step("shown", 3)).verdict == "same"


def test_nobody_arrives_for_no_order_or_an_ended_one() -> None:
    nothing = apply(None, step("here"))
    assert (nothing.verdict, nothing.saved, nothing.note) == ("refused", False, "there is no such order")
    for move in STATES[1:-1]:
        assert apply(order("canceled"), step(str(move))).verdict == "refused"
    assert apply(order("closed"), step("handed_over")).verdict == "applied"
    assert apply(order(), step("sleeping")).verdict == "refused"


def test_who_waits_when_the_order_is_closed_can_still_be_taken() -> None:
    closing = OrderEvent(
        source="jane", provider="jane", ref="1", name="f", digest="f", policy="forward", heard=T + 9, stage="fulfilled"
    )
    closed = apply(order("ready", step("here", 1)), closing).order
    assert closed.end is not None
    taken = apply(closed, step("claimed", 12, "Sam"))
    assert taken.order.arrival is not None
    assert (taken.verdict, taken.order.arrival.state) == ("applied", "claimed")
    assert apply(taken.order, step("here", 20)).verdict == "refused"


def test_an_arrival_does_not_count_as_news_and_no_clock_goes_back() -> None:
    before = order()
    after = apply(before, step("here", -100)).order
    assert (after.heard, after.updated_at) == (before.heard, before.updated_at)


def test_nothing_given_is_changed_on_any_way() -> None:
    for state, move, undo in itertools.product(STATES, (*STATES[1:], "shown"), (False, True)):
        before = order("ready", *WAYS[state])
        bytes_ = msgspec.msgpack.encode(before)
        after = apply(before, step(str(move), 9, undo=undo)).order
        assert msgspec.msgpack.encode(before) == bytes_
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(after), type=Order) == after


def curbside(stage: str, *steps: OrderEvent, **more: Any) -> Order:
    return msgspec.structs.replace(order(stage, *steps), fulfilment="curbside", **more)


def test_no_bay_is_an_answer_and_silence_is_none() -> None:
    def bay(*steps: OrderEvent) -> str | None:
        arrival = order("ready", *steps).arrival
        return arrival.bay if arrival else None

    first = step("here", bay="2")
    assert bay(first, step("here", 1)) == "2"
    assert bay(first, step("here", 1, bay="3")) == "3"
    assert bay(first, step("here", 1, bay="")) is None
    assert bay(step("on_my_way", bay="2"), step("here", 1, bay="")) is None
    assert bay(step("here", bay="")) is None


@pytest.mark.parametrize(
    ("what", "may"),
    [
        (curbside("preparing"), False),
        (curbside("staged"), True),
        (curbside("ready"), True),
        (curbside("fulfilled"), False),
        (curbside("canceled"), False),
        (curbside("ready", *WAYS["here"]), True),
        (curbside("ready", *WAYS["handed_over"]), False),
        (msgspec.structs.replace(order("ready"), fulfilment="delivery"), False),
        (curbside("preparing", promised=Promise(T + 300, T + 900)), True),
        (curbside("preparing", promised=Promise(T + 301, T + 900)), False),
        (curbside("preparing", promised=Promise(None, T + 300)), True),
        (curbside("cart", promised=Promise(T, T)), False),
    ],
)
def test_when_a_customer_may_check_in(what: Order, may: bool) -> None:
    assert may_check_in(what, T) is may


def test_here_comes_a_minute_after_on_my_way_only() -> None:
    assert may_be_here(curbside("ready"), T)
    coming = curbside("ready", step("on_my_way"))
    assert not may_be_here(coming, T + 59)
    assert may_be_here(coming, T + 60)
    assert not may_be_here(coming, T - 2)  # another node's clock


def test_a_clock_that_was_put_back_keeps_nobody_waiting() -> None:
    assert may_be_here(curbside("ready", step("on_my_way")), T - 3600)


def test_the_page_is_drawn_again_when_its_time_comes() -> None:
    assert turns(curbside("preparing", promised=Promise(T + 900, None)), T) == T + 600
    assert turns(curbside("preparing", promised=Promise(T + 900, None)), T + 600) is None
    assert turns(curbside("ready", promised=Promise(T + 900, None)), T) is None
    assert turns(curbside("ready", step("on_my_way")), T) == T + 60
    assert turns(curbside("ready", step("here")), T) == T + 20
    assert turns(curbside("ready", step("here"), step("shown", 2)), T) is None
    assert turns(curbside("ready", step("here")), T + 20) is None
    assert turns(curbside("canceled", promised=Promise(T + 900, None)), T) is None
    assert turns(order("preparing"), T) is None
