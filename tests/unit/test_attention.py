"""What needs a person, when that changes next, and where the card then stands."""

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.orders import (
    ENDS,
    LANES,
    RANK,
    Arrival,
    Entry,
    House,
    Item,
    Mark,
    Order,
    Pace,
    Promise,
    Reason,
    Stamp,
    attention,
    deadline,
    forecast,
    own_pace,
    past,
    place,
    progress,
    spell,
    tally,
)

T = 1_700_000_000.0
MINUTE = 60.0


def order(stage: str = "preparing", **more: Any) -> Order:
    """An order heard of at T; `due` is the end of its promise, in seconds after T."""
    due = more.pop("due", None)
    promised = None if due is None else Promise(None, T + due)
    mark = Mark(stage, stage, Stamp(None, T), Stamp(None, T)) if stage in ENDS else None
    ended = T if mark else None
    known = {"source": "jane", "provider": "jane", "ref": "1", "first": T, "updated_at": T, "heard": T, "end": mark}
    made = Order(**known | {"stage": stage, "promised": promised, "fulfilment": "pickup", "ended_at": ended} | more)
    made.own = own_pace(made)  # as `apply` does it
    return made


def lines(done: int, left: int) -> tuple[Item, ...]:
    return tuple(Item(str(n), state="found" if n < done else "pending") for n in range(done + left))


HOUR = 3600.0
# nine lines of 75 s and 240 s at the till: 915 s of work, at risk from 1,215 s before the promise
NINE = {"items": lines(13, 9), "due": HOUR}
HERE = Arrival("here", T)
SEEN = Arrival("here", T, shown_at=T + 1)


@pytest.mark.parametrize(
    ("what", "now", "level", "code", "next_"),
    [
        (order("cart", due=HOUR), 2 * HOUR, "ok", "", None),
        (order("placed"), 9 * HOUR, "ok", "", None),
        (order("placed", due=HOUR), 0, "ok", "", HOUR),
        (order("placed", due=HOUR), HOUR, "late", "late", None),
        (order("ready", due=HOUR), 2 * HOUR, "ok", "", None),
        (order("ready", due=HOUR, fulfilment="delivery"), 2 * HOUR, "late", "late", None),
        (order("in_transit", due=HOUR, fulfilment="delivery"), 0, "ok", "", 2700),
        (order("in_transit", fulfilment="delivery"), 2700, "stuck", "quiet", None),
        *((order(end, due=HOUR), 2 * HOUR, "ok", "", None) for end in ENDS),
        (order(**NINE), 0, "ok", "", 1500),
        (order(**NINE, heard=T + 1000), HOUR - 1216, "ok", "", HOUR - 1215),
        (order(**NINE, heard=T + 1000), HOUR - 1215, "at_risk", "at_risk", 2400),
        (order(**NINE), HOUR - 1, "at_risk", "at_risk", HOUR),
        (order(**NINE), HOUR, "late", "late", None),
        (order(**NINE), 1500, "stuck", "quiet", HOUR - 1215),
        (order(**NINE), HOUR - 1215, "at_risk", "at_risk", 2400),
        (order(**NINE, fulfilment="delivery"), HOUR - 1215 - 1200, "at_risk", "at_risk", 1200),
        (order("picked", due=HOUR), HOUR - 541, "stuck", "quiet", HOUR - 540),
        (order("picked", due=HOUR), HOUR - 540, "at_risk", "at_risk", HOUR - 480),
        (order("staged", due=HOUR), HOUR - 900, "at_risk", "at_risk", HOUR - 840),
        (order(due=HOUR), HOUR - 1, "stuck", "quiet", HOUR),
        (order("preparing"), 1499, "ok", "", 1500),
        (order("reviewing"), 900, "stuck", "quiet", None),
        (order(**NINE, flags=("on_hold",)), HOUR - 9, "stuck", "on_hold", HOUR),
        (order(**NINE, flags=("customer_missing", "on_hold")), 0, "stuck", "customer_missing", HOUR),
        (order(**NINE, flags=("on_hold",)), HOUR, "late", "late", None),
        (order("ready", arrival=HERE, due=0.0), 9, "waiting", "waiting", 20),
        (order("ready", arrival=HERE, due=0.0), 20, "waiting", "unseen", 120),
        (order("ready", arrival=SEEN, due=0.0), 9, "waiting", "waiting", 120),
        (order("preparing", arrival=SEEN, due=0.0), 120, "waiting", "waiting", 300),
        (order("canceled", arrival=HERE), 300, "waiting", "unseen", HOUR),
        (order("ready", arrival=Arrival("claimed", T, claimed_by="Sam")), 0, "waiting", "waiting", 120),
        (order("ready", arrival=Arrival("cannot_find", T)), 0, "waiting", "lost", 120),
        (order("ready", arrival=Arrival("on_my_way", T)), 9 * HOUR, "ok", "", None),
        (order("preparing", arrival=Arrival("handed_over", T), due=0.0), 9 * HOUR, "ok", "", None),
    ],
)
def test_the_level_its_rule_and_the_next_instant(
    what: Order, now: float, level: str, code: str, next_: float | None
) -> None:
    seen = attention(what, T + now)
    assert (seen.level, seen.code) == (level, code)
    assert seen.next == (None if next_ is None else T + next_)
    assert (seen.why is None) == (level == "ok")


@pytest.mark.parametrize(
    ("what", "now", "why", "since"),
    [
        (order(**NINE), HOUR + 451, "Late: 13 of 22 picked, 7 min past the promise", HOUR),
        (order("placed", due=0.0), 59, "Late: placed, 59 s past the promise", 0.0),
        (order(**NINE, heard=T + HOUR), HOUR - 449, "At risk: 13 of 22 picked, 7 min left", HOUR - 1215),
        (order(items=lines(0, 99), due=600), 0, "At risk: 0 of 99 picked, 10 min left", 0.0),
        (order("in_transit"), 2700 + 60, "No news for 46 min", 2700),
        (order(arrival=SEEN), 121, "Waiting for 2 min, nobody has it yet", 0.0),
        (order(arrival=HERE), 31, "Nobody has seen this check-in, 31 s old", 0.0),
        (order(arrival=Arrival("claimed", T, claimed_by="Sam")), 9, "Waiting for 9 s, Sam has it", 0.0),
        (order(arrival=Arrival("cannot_find", T)), 9, "Can't find the customer", 0.0),
        (order(flags=("on_hold",), stamps={"flag:on_hold": Stamp(T - 9, T)}), 9, "On hold", -9.0),
        (order(flags=("on_hold",), reason=Reason("X", "Card refused")), 9, "On hold: Card refused", 0.0),
        (order(flags=("customer_missing",), reason=Reason("NO_SHOW")), 9, "Customer missing: NO_SHOW", 0.0),
    ],
)
def test_why_and_since_when(what: Order, now: float, why: str, since: float) -> None:
    seen = attention(what, T + now)
    assert (seen.why, seen.since) == (why, T + since)


def test_the_promise_is_its_end_or_else_its_start() -> None:
    assert deadline(order(promised=Promise(T, T + 9))) == T + 9
    assert deadline(order(promised=Promise(T, None))) == T
    assert deadline(order(promised=Promise())) is None
    assert attention(order("placed", promised=Promise(0.0, 0.0)), T).code == "late"


def test_the_forecast_follows_the_orders_own_pace() -> None:
    stamps = {f"item:{n}": Stamp(T + when, T + when) for n, when in enumerate([0, 30, 60, 90])}
    what = order(items=lines(4, 10), stamps=stamps)
    assert own_pace(what) == 30
    assert forecast(what, T) == T + 10 * 30 + 240
    assert own_pace(order(items=lines(2, 10), stamps=stamps)) is None
    assert forecast(order(items=lines(2, 10), stamps=stamps, house=House(Pace(item=60))), T) == T + 840
    assert forecast(order(), T) is None
    assert forecast(order("confirmed", items=lines(0, 3)), T) is None
    assert forecast(order("in_transit"), T) is None
    assert forecast(order("staged", fulfilment="delivery"), T) == T + 1800
    assert forecast(order("ready"), T) == T


def test_words_for_progress_and_lengths() -> None:
    assert tally(order(items=lines(2, 3))) == (2, 5, 3)
    assert tally(order()) == (0, 0, 0)
    assert progress(order("courier_at_store", items=lines(2, 3))) == "courier at store"
    assert [spell(s) for s in (-3, 0, 59.9, 60, 5399, 5400)] == ["0 s", "0 s", "59 s", "1 min", "89 min", "1 h 30 min"]
    assert [spell(3600.0 * h) for h in (47.5, 48, 47488)] == ["47 h 30 min", "2 days", "1978 days"]


# ---- the next instant, for any order ----

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
instants = st.floats(-HOUR, 3 * HOUR).map(lambda second: T + second)


def maybe(strategy: Any) -> Any:
    return st.none() | strategy


stages = st.sampled_from(sorted(RANK))


paces = st.builds(Pace, item=st.floats(1, 600), trip=st.floats(0, HOUR), learnt=st.sampled_from([0, 50]))
houses = st.none() | st.builds(House, paces, st.none() | st.floats(0, 3 * HOUR))


@st.composite
def orders(draw: st.DrawFn) -> Order:
    done, left = draw(st.integers(0, 6)), draw(st.integers(0, 30))
    state = draw(st.sampled_from([None, None, None, "on_my_way", "here", "claimed", "cannot_find", "handed_over"]))
    return order(
        draw(st.sampled_from(sorted(RANK))),
        fulfilment=draw(st.sampled_from(["delivery", "pickup", "curbside", "kiosk", "in_store", "last_mile"])),
        promised=draw(maybe(st.builds(Promise, maybe(instants), maybe(instants)))),
        items=tuple(replace(item, asked=item.id == "0") for item in lines(done, left)) if draw(st.booleans()) else None,
        stamps={f"item:{n}": Stamp(draw(maybe(instants)), draw(instants)) for n in range(done)},
        flags=draw(st.sampled_from([(), (), ("on_hold",), ("customer_missing",), ("returning",), ("late",)])),
        heard=draw(instants),
        updated_at=draw(instants),
        placed_at=draw(maybe(instants)),
        timeline=tuple(Entry(stage, at) for stage, at in draw(st.lists(st.tuples(stages, instants), max_size=4))),
        house=draw(houses),
        outcomes=draw(st.sampled_from([True, True, False])),
        asked=0 if not done else draw(st.sampled_from([0, 1])),
        arrival=None if state is None else Arrival(state, draw(instants), ended_at=draw(maybe(instants))),
    )


@settings(calm, max_examples=500)
@given(orders(), instants, st.lists(st.floats(0, 1), max_size=6))
def test_nothing_changes_before_the_next_instant(what: Order, now: float, parts: list[float]) -> None:
    for _ in range(300):
        seen = attention(what, now)
        assert seen.next is None or seen.next > now
        until = seen.next or now + 1000 * HOUR
        for then in [math.nextafter(until, -math.inf), *(now + part * (until - now) for part in parts)]:
            if now <= then < until:
                later = attention(what, then)
                assert (later.level, later.code) == (seen.level, seen.code)
                assert place(what, later) == place(what, seen)
                if seen.code == "at_risk":
                    assert forecast(what, then) == forecast(what, now)
        if seen.next is None:
            return
        now = seen.next
    pytest.fail("the instants do not end")


# ---- places ----


@calm
@given(orders(), instants)
def test_one_lane_and_a_key_of_figures(what: Order, now: float) -> None:
    seen = attention(what, now)
    lane, key = place(what, seen)
    assert key.isdecimal()
    assert len(key) in {"needs": (11,), "waiting": (10,), "done": (10,), "courier": (10, 20), "instore": (10,)}.get(
        lane, (20,)
    )
    if what.stage == "cart" and what.arrival is None:
        assert lane == ("instore" if what.fulfilment == "in_store" else "")
    else:
        assert lane in (*LANES, "")
    if seen.code in ("waiting", "unseen", "lost", "late", "at_risk", "quiet", "unanswered", "customer_missing"):
        assert lane == ("waiting" if seen.code in ("waiting", "unseen") else "needs")


LANE = {
    "cart": "", "placed": "new", "confirmed": "new", "assigned": "new", "preparing": "picking", "reviewing": "picking",
    "picked": "picking", "staged": "ready", "ready": "ready", "courier_at_store": "ready", "arrived": "ready",
    "in_transit": "courier",
}  # fmt: skip


@pytest.mark.parametrize("stage", RANK)
def test_the_lane_of_each_stage(stage: str) -> None:
    assert placed(order(stage))[0] == LANE.get(stage, "done")
    assert placed(order(stage, flags=("on_hold",)))[0] == LANE.get(stage, "done")


def placed(what: Order, now: float = 0.0) -> tuple[str, str]:
    return place(what, attention(what, T + now))


def test_now_in_the_order_of_need() -> None:
    now = 2000.0
    rows = [
        order(arrival=Arrival("cannot_find", T + 100)),
        order(arrival=Arrival("cannot_find", T + 200)),
        order("placed", due=0.0),
        order("placed", due=60.0),
        order(items=lines(0, 40), due=2600.0),  # 400 s + 240 + 300 over: the least slack, though not the first promise
        order("picked", due=2300.0),
        order("placed", flags=("customer_missing",), due=4000.0),
        order("reviewing", due=5000.0),
        order("reviewing"),
    ]
    codes = ["lost", "lost", "late", "late", "at_risk", "at_risk", "customer_missing", "quiet", "quiet"]
    assert [attention(row, T + now).code for row in rows] == codes
    places = [placed(row, now) for row in rows]
    assert {lane for lane, _ in places} == {"needs"}
    assert [key for _, key in places] == sorted({key for _, key in places})


def test_waiting_by_arrival() -> None:
    rows = [order(arrival=Arrival(state, T + at)) for state, at in [("claimed", -90), ("here", 0), ("here", 9)]]
    places = [placed(row, 99) for row in rows]
    assert {lane for lane, _ in places} == {"waiting"}
    assert places == sorted(set(places))


def test_a_lane_by_promise_then_by_age() -> None:
    rows = [
        order("placed", due=600, placed_at=T - 5),
        order("placed", due=600, first=T - 3),
        order("placed", due=900, placed_at=0.0),
        order("placed", placed_at=T - 99),
        order("placed"),
    ]
    places = [placed(row) for row in rows]
    assert {lane for lane, _ in places} == {"new"}
    assert [key for _, key in places] == sorted({key for _, key in places})


def test_done_newest_first_by_end_or_handover() -> None:
    rows = [
        order("ready", arrival=Arrival("handed_over", T, ended_at=T + 90)),
        order("fulfilled", ended_at=T + 60),
        order("closed", ended_at=T + 99, arrival=Arrival("handed_over", T, ended_at=T + 30)),
        order("canceled", ended_at=T),
    ]
    places = [placed(row) for row in rows]
    assert {lane for lane, _ in places} == {"done"}
    assert [key for _, key in places] == sorted({key for _, key in places})


@pytest.mark.parametrize(
    ("what", "over"),
    [
        (order("ready", arrival=Arrival("handed_over", T, ended_at=T)), True),  # whose order system says no more of it
        (order("fulfilled", ended_at=T), True),
        (order("canceled", ended_at=T, flags=("returning",)), False),
        (order("ready", arrival=Arrival("claimed", T)), False),
        (order("ready"), False),
    ],
)
def test_what_was_over_an_hour_ago_stands_on_no_board(what: Order, over: bool) -> None:
    assert not past(what, placed(what, HOUR)[0], T + HOUR)
    assert past(what, placed(what, HOUR + 1)[0], T + HOUR + 1) is over


@pytest.mark.parametrize("state", ["here", "claimed", "cannot_find"])
def test_nobody_waits_for_what_was_over_an_hour_ago(state: str) -> None:
    what = order("fulfilled", arrival=Arrival(state, T - 60), ended_at=T)
    assert placed(what, HOUR - 1)[0] in ("waiting", "needs")
    assert attention(what, T + HOUR - 1).next == T + HOUR
    assert attention(what, T + HOUR).level == "ok"


def test_what_comes_back_is_with_the_courier_until_it_is_there() -> None:
    assert placed(order("canceled", flags=("returning",)))[0] == "courier"
    assert placed(order("returned"))[0] == "done"
