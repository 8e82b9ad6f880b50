"""What people say of a stage by hand: over the order system's word until it says something new; the truth on manual
orders."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.orders import BY_HAND, MANUAL, RANK, Arrival, Change, Item, Order, OrderEvent, Policy, Promise, apply

T = 1_700_000_000.0


def said(stage: str | None, at: float, policy: Policy = "event_time", **more: Any) -> OrderEvent:
    """The order system's word, heard a second after it happened."""
    known: dict[str, Any] = {"source": "lola", "provider": "lolamarket", "ref": "1", "name": f"order.{stage}"}
    clock = None if policy == "snapshot" else T + at
    return OrderEvent(
        **known | {"digest": f"{at}", "policy": policy, "heard": T + at + 1, "at": clock, "stage": stage} | more
    )


def hand(stage: str | None, at: float, by: str = "Sam", **more: Any) -> OrderEvent:
    known: dict[str, Any] = {"source": "lola", "provider": "lolamarket", "ref": "1", "name": BY_HAND, "digest": ""}
    return OrderEvent(**known | {"policy": "hand", "heard": T + at, "stage": stage, "by": by} | more)


def after(*events: OrderEvent) -> Order:
    order = None
    for event in events:
        order = apply(order, event).order
    assert order is not None
    return order


def last(*events: OrderEvent) -> Change:
    return apply(after(*events[:-1]), events[-1])


def test_a_move_by_hand_is_marked_and_told() -> None:
    change = last(said("preparing", 0, raw_status="order.inPicking"), hand("ready", 60))
    order = change.order
    assert (change.verdict, change.changed, order.stage, order.version) == ("applied", True, "ready", 2)
    assert order.hand is not None
    assert (order.hand.by, order.hand.at) == ("Sam", T + 60)
    line = order.timeline[-1]
    assert (line.stage, line.raw, line.by, line.at) == ("ready", BY_HAND, "Sam", T + 60)
    assert order.raw_status == "order.inPicking"  # still the order system's word


@pytest.mark.parametrize("policy", ["event_time", "forward", "snapshot"])
@pytest.mark.parametrize("by_hand", ["assigned", "ready", "fulfilled", "canceled"])
@pytest.mark.parametrize("then", ["preparing", "picked", "in_transit", "fulfilled", "canceled"])
def test_the_next_word_of_the_order_system_counts(policy: Policy, by_hand: str, then: str) -> None:
    words = said("assigned", -9, policy), said("preparing", 0, policy)
    told = said(then, 90, policy, raw_status=f"now {then}")
    order, plain = after(*words, hand(by_hand, 60), told), after(*words, told)
    assert order.hand is order.under is None
    assert (order.stage, order.ended_at, order.open, order.end) == (plain.stage, plain.ended_at, plain.open, plain.end)


def test_a_poll_that_finds_the_same_again_is_no_word() -> None:
    words = [said("preparing", 0, "snapshot", raw_status="picking"), hand("ready", 60)]
    again = [said("preparing", at, "snapshot", raw_status="picking") for at in (90, 100, 110)]
    order = after(*words, *again)
    assert (order.stage, order.hand is not None) == ("ready", True)
    assert apply(order, said("preparing", 115, "snapshot", raw_status="picking")).verdict == "same"
    order = after(*words, *again, said("picked", 120, "snapshot", raw_status="checkout"))
    assert (order.stage, order.hand) == ("picked", None)


def test_what_is_older_than_the_systems_own_word_is_late_as_ever() -> None:
    change = last(said("preparing", 0), hand("ready", 60), said("assigned", -30, heard=T + 90))
    assert (change.verdict, change.order.stage, change.order.hand is not None) == ("late", "ready", True)


def test_a_poll_that_began_before_the_move_does_not_undo_it() -> None:
    order = after(said("preparing", 0, "snapshot"), hand("ready", 60), said("picked", 50, "snapshot"))
    assert (order.stage, order.hand is not None) == ("ready", True)
    assert (
        after(said("preparing", 0, "snapshot"), hand("ready", 60), said("picked", 50, "snapshot"), hand(None, 70)).stage
        == "picked"
    )


def test_other_facets_leave_the_hand_alone() -> None:
    order = after(said("preparing", 0), hand("ready", 60), said(None, 90, promised=Promise(T, T + 900)))
    assert (order.stage, order.promised, order.hand is not None) == ("ready", Promise(T, T + 900), True)


def test_taken_back_it_is_as_the_system_says() -> None:
    change = last(said("preparing", 0), hand("fulfilled", 60), hand(None, 70, "Mara"))
    assert (change.order.stage, change.order.ended_at, change.order.hand) == ("preparing", None, None)
    assert change.order.timeline[-1].by == "Mara"
    assert last(said("preparing", 0), hand(None, 70)).verdict == "refused"
    assert last(said("preparing", 0), hand("preparing", 70)).verdict == "same"


def test_an_end_by_hand_ends_and_can_be_taken_back() -> None:
    order = after(said("preparing", 0), hand("fulfilled", 60))
    assert (order.end is not None, order.ended_at) == (True, T + 60)
    order = after(said("preparing", 0), hand("fulfilled", 60), hand("ready", 70))
    assert (order.stage, order.end, order.ended_at) == ("ready", None, None)
    assert after(said("preparing", 0), hand("fulfilled", 60), hand("ready", 70), said("picked", 80)).stage == "picked"


def test_done_by_hand_takes_who_waits_off_now_and_back() -> None:
    here = said(None, 30, arrival=None)
    order = after(said("ready", 0), here)
    order.arrival = Arrival("claimed", T, claimed_by="Sam", claimed_at=T)
    done = apply(order, hand("fulfilled", 60)).order
    assert done.arrival is not None
    assert (done.arrival.state, done.arrival.ended_at) == ("handed_over", T + 60)
    back = apply(done, hand("ready", 70)).order
    assert back.arrival is not None
    assert back.arrival.state == "claimed"


# ---- manual orders ----


def entered(**more: Any) -> OrderEvent:
    known: dict[str, Any] = {
        "source": MANUAL,
        "provider": MANUAL,
        "ref": "m1",
        "digest": "d",
        "code": "A7",
        "store": "68",
    }
    return hand("placed", 0, outcomes=False, **known | {"fulfilment": "curbside"} | more)


def test_a_manual_order_is_what_was_entered() -> None:
    change = apply(None, entered(items=(Item("2"), Item("1")), promised=Promise(T, None)))
    order = change.order
    assert (change.verdict, change.changed, order.stage, order.version) == ("applied", True, "placed", 1)
    assert (order.code, order.store, order.fulfilment, order.promised) == ("A7", "68", "curbside", Promise(T, None))
    assert [item.id for item in order.items or ()] == ["2", "1"]
    assert order.raw_status == BY_HAND


def test_on_a_manual_order_the_hand_is_the_truth() -> None:
    more = {"source": MANUAL, "provider": MANUAL, "ref": "m1"}
    order = after(
        entered(), *(hand(stage, at, **more) for at, stage in enumerate(("preparing", "ready", "fulfilled"), 1))
    )
    assert (order.stage, order.hand, order.under, order.ended_at) == ("fulfilled", None, None, T + 3)
    assert apply(order, hand(None, 9, **more)).verdict == "refused"
    assert apply(order, hand("preparing", 9, **more)).order.stage == "preparing"


def test_an_order_of_another_system_is_not_entered_by_hand() -> None:
    assert apply(None, hand("ready", 0)).verdict == "refused"


stages = st.sampled_from(sorted(RANK))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.booleans(), stages), max_size=8), stages)
def test_once_overruled_it_was_as_if_nobody_had_touched_it(story: list[tuple[bool, str]], then: str) -> None:
    events = [hand(stage, at * 10) if by_hand else said(stage, at * 10) for at, (by_hand, stage) in enumerate(story)]
    events = [said("placed", -10), *events, said(then, 1000)]
    order, plain = after(*events), after(*(event for event in events if event.policy != "hand"))
    if order.hand is None:
        same = ("stage", "open", "end", "ended_at", "flags", "raw_status", "reason")
        assert [getattr(order, name) for name in same] == [getattr(plain, name) for name in same]
    else:
        assert plain.end is not None  # what comes after the end is no news
