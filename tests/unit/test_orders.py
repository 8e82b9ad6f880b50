"""What an event does to an order: the rules of movement, line by line."""

import copy
from typing import Any

import msgspec
import pytest

from app.orders import (
    ENDS,
    RANK,
    Customer,
    Item,
    Order,
    OrderEvent,
    Promise,
    Reason,
    Shopper,
    Step,
    apply,
    went_back,
)

T = 1_700_000_000.0


def word(stage: str | None = None, at: float | None = 0.0, **more: Any) -> OrderEvent:
    """An event of a timed source, `at` seconds after T, received a second later."""
    when = None if at is None else T + at
    known = {"source": "lola", "provider": "lolamarket", "ref": "0", "name": stage or "word", "policy": "event_time"}
    known |= {"digest": f"{stage}{at}", "heard": T + 1 if when is None else when + 1, "at": when, "stage": stage}
    return OrderEvent(**known | more)


def poll(stage: str | None, heard: float, **more: Any) -> OrderEvent:
    return word(stage, None, policy="snapshot", heard=T + heard, **more)


def jane(stage: str, heard: float, **more: Any) -> OrderEvent:
    return word(stage, None, policy="forward", heard=T + heard, **more)


def fold(*events: OrderEvent) -> Order:
    order: Order | None = None
    for event in events:
        order = apply(order, event).order
    assert order is not None
    return order


def verdicts(*events: OrderEvent) -> list[str]:
    order, seen = None, []
    for event in events:
        change = apply(order, event)
        order = change.order
        seen.append(change.verdict)
    return seen


# ---- movement ----


@pytest.mark.parametrize(
    ("events", "stage", "verdict"),
    [
        ([word("placed")], "placed", "applied"),
        ([word("placed"), word("preparing", 5)], "preparing", "applied"),
        ([word("preparing", 5), word("placed")], "preparing", "late"),
        ([word("picked", 5), word("preparing", 9)], "preparing", "reverted"),
        ([word("assigned", 5), word("confirmed", 9, flags=("rescheduled",))], "confirmed", "reverted"),
        # equal stamps: the higher rank, then the greater digest
        ([word("picked", 5), word("preparing", 5)], "picked", "late"),
        ([word("preparing", 5), word("picked", 5)], "picked", "applied"),
        ([word("staged", 5, digest="b"), word("staged", 5, digest="a", raw_status="x")], "staged", "late"),
        ([word("staged", 5, digest="a"), word("staged", 5, digest="b", raw_status="x")], "staged", "applied"),
        # polls: by the start of the request
        ([poll("picked", 5), poll("preparing", 9)], "preparing", "reverted"),
        ([poll("picked", 9), poll("preparing", 5)], "picked", "late"),
        ([poll("picked", 5), poll("picked", 9)], "picked", "same"),
        # a mix: by receipt and request start
        ([word("picked", 5), poll("preparing", 5)], "picked", "late"),
        ([word("picked", 5), poll("preparing", 7)], "preparing", "reverted"),
        ([poll("picked", 7), word("preparing", 5)], "picked", "late"),
        # what was late before a poll is late after it
        ([word("picked", 5), poll("picked", 9), word("preparing", 3, heard=T + 20)], "picked", "late"),
        ([word("picked", 5), poll("picked", 9), word("preparing", 6, heard=T + 20)], "preparing", "reverted"),
        # forward never lowers the rank, whatever the clocks say
        ([jane("ready", 5), jane("preparing", 9)], "ready", "late"),
        ([jane("preparing", 9), jane("ready", 5)], "ready", "applied"),
        ([jane("ready", 5), jane("canceled", 9)], "canceled", "applied"),
        ([jane("canceled", 5), jane("preparing", 9)], "canceled", "late"),
        ([jane("closed", 5), jane("fulfilled", 9)], "closed", "late"),
    ],
)
def test_movement(events: list[OrderEvent], stage: str, verdict: str) -> None:
    assert fold(*events).stage == stage
    assert verdicts(*events)[-1] == verdict


def test_every_stage_and_its_rank() -> None:
    for stage, rank in RANK.items():
        assert fold(word(stage)).stage == stage
        assert fold(word("placed"), word(stage, 5)).stage == (stage if stage != "cart" else "cart")
        assert (rank >= 90) == (stage in ENDS)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("next_", RANK)
def test_an_end_gives_way_to_a_heavier_one_only(end: str, next_: str) -> None:
    later = fold(word("preparing"), word(end, 5), word(next_, 9))
    other = fold(word(next_, 9), word(end, 5), word("preparing"))
    wins = next_ in ENDS and ENDS[next_] >= ENDS[end]
    assert later.stage == other.stage == (next_ if wins else end)
    if next_ not in ENDS:
        change = apply(fold(word(end, 5)), word(next_, 9))
        assert (change.verdict, change.note) == ("late", f"{next_} after {end}")


def test_the_end_is_when_we_learned_of_it_and_never_before_its_own_time() -> None:
    assert fold(word("fulfilled", 5)).ended_at == T + 6
    assert fold(word("fulfilled", 100, heard=T + 50)).ended_at == T + 100
    assert fold(word("fulfilled", 5), word("closed", 9_000)).ended_at == T + 6
    assert fold(word("closed", 9_000), word("fulfilled", 5)).ended_at == T + 6
    assert fold(word("in_transit", 5)).ended_at is None


def test_a_refusal_by_the_store_is_a_cancellation_once_preparing_has_begun() -> None:
    refused = {"over": "canceled", "raw_status": "dismissed"}
    assert fold(jane("placed", 1), jane("rejected", 5, **refused)).stage == "rejected"
    assert fold(jane("placed", 1), jane("preparing", 2), jane("rejected", 5, **refused)).stage == "canceled"
    assert fold(jane("rejected", 5, **refused)).stage == "rejected"


# ---- clocks ----


def test_a_stamp_far_ahead_counts_as_its_receipt() -> None:
    change = apply(None, word("preparing", 86_400 * 365, heard=T))
    assert change.note == "its stamp lies in the future and counted as its receipt"
    assert change.order.timeline[-1].at == T
    assert apply(change.order, word("picked", 5)).order.stage == "picked"
    near = apply(None, word("preparing", 300, heard=T))
    assert not near.note
    assert apply(near.order, word("picked", 5)).verdict == "late"


def test_the_year_1970_is_a_stamp_too() -> None:
    old = word("placed", at=None, heard=T)
    old = msgspec.structs.replace(old, at=0.0)
    assert fold(old).timeline[-1].at == 0.0
    assert apply(fold(word("preparing")), old).verdict == "late"


# ---- overlays and reasons ----


@pytest.mark.parametrize("flag", ["on_hold", "courier_assigned", "customer_missing", "rescheduled"])
def test_an_overlay_keeps_the_stage_and_ends_with_the_next_word_about_it(flag: str) -> None:
    held = fold(word("preparing"), word(None, 5, flags=(flag,), reason=Reason("NO_SHOW")))
    assert (held.stage, held.flags, held.reason) == ("preparing", (flag,), Reason("NO_SHOW"))
    resumed = apply(held, word("preparing", 9)).order
    assert (resumed.flags, resumed.reason) == ((), None)
    assert apply(resumed, word(None, 5, flags=(flag,), digest="again")).order.flags == ()


def test_an_overlay_before_any_stage_is_shown() -> None:
    order = fold(word(None, 5, flags=("on_hold",), reason=Reason("X")))
    assert (order.stage, order.flags, order.reason, order.raw_status) == ("placed", ("on_hold",), Reason("X"), "word")


@pytest.mark.parametrize("flag", ["late", "reviewed", "payment_failed", "suspected"])
def test_some_flags_outlive_their_stage(flag: str) -> None:
    order = fold(word("preparing", flags=(flag,)), word("picked", 5))
    assert order.flags == (flag,)
    assert apply(order, word("fulfilled", 9)).order.flags == (() if flag == "late" else (flag,))


def test_returning_after_the_end_until_returned() -> None:
    order = fold(word("in_transit"), word("fulfilled", 5), word(None, 9, flags=("returning",)))
    assert (order.stage, order.flags) == ("fulfilled", ("returning",))
    assert apply(order, word(None, 10, flags=("on_hold",))).order.flags == ("returning",)
    assert apply(order, word("returned", 12)).order.flags == ()


def test_a_poll_that_finds_the_same_stage_again_ends_no_flag() -> None:
    order = fold(poll("staged", 1, name="a", flags=("courier_assigned",)), poll("staged", 5, name="a"))
    assert order.flags == ("courier_assigned",)
    assert apply(order, poll("staged", 9, name="b")).order.flags == ()


def test_a_reversal_is_named_while_the_order_is_there() -> None:
    order = fold(word("preparing"), word("picked", 5), word("preparing", 9))
    line = went_back(order)
    assert line is not None
    assert (line.stage, line.at) == ("preparing", T + 9)
    held = apply(order, word(None, 11, flags=("on_hold",))).order
    assert went_back(held) == line
    assert went_back(apply(order, word("picked", 12)).order) is None
    assert went_back(fold(word("assigned"), word("confirmed", 5, flags=("rescheduled",)))) is None
    assert went_back(fold(word("canceled"), word("fulfilled", 5))) is None


# ---- items ----


def line(key: str, state: str = "pending", **more: Any) -> Item:
    return Item(key, state=state, **more)


def states(order: Order) -> dict[str, str]:
    return {item.id: item.state for item in order.items or ()}


def test_a_merge_touches_the_lines_it_names_and_a_whole_list_ends_the_others() -> None:
    order = fold(word("preparing", items=(line("0"), line("2"), line("10"))))
    assert list(states(order)) == ["0", "2", "10"]
    order = apply(order, word(None, 5, items=(line("2", "found"),))).order
    assert states(order) == {"0": "pending", "2": "found", "10": "pending"}
    order = apply(order, word(None, 9, items=(line("10", "found"), line("2", "found")), whole=True)).order
    assert list(states(order)) == ["10", "2"]
    order = apply(order, word(None, 11, items=(line("7", "added"), line("2", "refunded")))).order
    assert states(order) == {"10": "found", "2": "refunded", "7": "added"}
    assert apply(order, word(None, 8, items=(line("5"),))).verdict == "late"


def test_each_line_has_its_own_clock() -> None:
    order = fold(word(None, 9, items=(line("1", "found"),)), word(None, 5, items=(line("1"), line("2", "found"))))
    assert states(order) == {"1": "found", "2": "found"}


def test_an_empty_whole_list_empties_and_an_empty_merge_says_nothing() -> None:
    order = fold(word(None, 1, items=(line("1"),)), word(None, 5, items=(), whole=True))
    assert order.items == ()
    assert fold(word("placed", items=())).items is None


def test_a_line_twice_in_one_list_is_one_line() -> None:
    order = fold(poll("placed", 1, items=(line("1"), line("1", "found")), whole=True))
    assert states(order) == {"1": "found"}


def test_a_name_said_once_stays_and_the_newest_name_wins() -> None:
    order = fold(word(None, 1, items=(line("1", name="Milk", image_url="/m.png"),)))
    order = apply(order, word(None, 9, items=(line("1", "found"),))).order
    assert order.items == (line("1", "found", name="Milk", image_url="/m.png"),)
    order = apply(order, word(None, 5, items=(line("1", name="Oat milk"),))).order
    assert order.items == (line("1", "found", name="Oat milk", image_url="/m.png"),)
    assert apply(order, word(None, 4, items=(line("1", name="Rye"),))).verdict == "late"
    gone = apply(order, word(None, 12, items=(), whole=True)).order
    back = apply(gone, word(None, 15, items=(line("1", "added"),))).order
    assert back.items == (line("1", "added", name="Oat milk", image_url="/m.png"),)


# ---- other facets ----


def test_an_absent_field_is_unchanged_and_nought_is_a_value() -> None:
    order = fold(word("placed", code="0", store="0", bags=0, customer=Customer("Ada")), word("preparing", 5))
    assert (order.key, order.code, order.store, order.bags) == ("lola:0", "0", "0", 0)
    assert order.customer == Customer("Ada")


def test_each_facet_has_its_own_clock() -> None:
    change = apply(fold(word("assigned", 5, shopper=Shopper("2"))), word("placed", 1, code="A", shopper=Shopper("1")))
    assert (change.verdict, change.changed) == ("applied", True)
    assert (change.order.stage, change.order.code, change.order.shopper) == ("assigned", "A", Shopper("2"))
    assert len(change.order.timeline) == 1


def test_the_promise_before() -> None:
    first, second = Promise(T, T + 60), Promise(T + 600, None)
    order = fold(poll("placed", 1, promised=first), poll("placed", 5, promised=second))
    assert (order.promised, order.previous_promise) == (second, first)
    assert apply(order, poll("placed", 9, promised=second)).order.previous_promise == first
    timed = fold(word("placed", promised=first), word(None, 5, promised=second))
    assert timed.previous_promise is None  # a timed source says it itself, in any order of arrival
    assert apply(timed, word(None, 6, previous_promise=first)).order.previous_promise == first


# ---- version and timeline ----


def test_only_what_can_be_seen_makes_a_version() -> None:
    order = fold(word("placed"), word("preparing", 5, items=(line("1"),)))
    assert (order.version, order.updated_at) == (2, T + 6)
    for event in [word("placed", 1), word("preparing", 5, items=(line("1"),)), word(None, 7), word("preparing", 8)]:
        change = apply(order, event)
        assert (change.changed, change.order.version, change.order.timeline) == (False, 2, order.timeline)
    assert apply(order, word(None, 9, bags=2)).order.version == 3


def test_a_late_word_of_a_forward_source_is_not_even_stored() -> None:
    order = fold(jane("ready", 5, code="A"))
    change = apply(order, jane("preparing", 9, code="B"))
    assert (change.verdict, change.saved, change.note) == ("late", False, "preparing after ready")
    assert change.order is order


def test_the_timeline_has_a_line_for_stages_flags_and_notes() -> None:
    order = fold(
        word("placed", raw_status="received"),
        word(None, 3, bags=1),
        word(None, 5, flags=("on_hold",), by="Sam"),
        word(None, 7, name="zone", note=True),
        word("picked", 6),
    )
    seen = [(entry.stage, entry.at - T, entry.raw, entry.by) for entry in order.timeline]
    assert seen == [
        ("placed", 0, "received", "lola"),
        ("placed", 5, "word", "Sam"),
        ("placed", 7, "zone", "lola"),
        ("picked", 6, "picked", "lola"),
    ]


def test_the_timeline_ends_somewhere() -> None:
    order = fold(*(word(None, second, note=True) for second in range(250)))
    assert (len(order.timeline), order.timeline[-1].at) == (200, T + 249)


# ---- the value ----


def test_apply_changes_nothing_it_was_given_and_an_order_survives_the_store() -> None:
    events = [
        word("placed", customer=Customer("Ada"), items=(line("1", name="Milk"), line("2")), promised=Promise(None, T)),
        poll("preparing", 5, items=(line("2", "found"),), whole=True, flags=("late",)),
        word("canceled", 9, reason=Reason("X", "said so")),
        word(None, None, name="handed_over", heard=T + 20, by="Sam", arrival=Step("handed_over")),
    ]
    order = None
    for event in events:
        before = copy.deepcopy(order)
        after = apply(order, event).order
        assert order == before
        assert after != before
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(after), type=Order) == after
        order = after
