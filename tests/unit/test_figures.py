"""A day's figures: which orders count, what a wait is, what a promise is worth, the day's hours; and the CSV of it."""

import csv
import io
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.figures import Spread, Trace, bounds, done_at, figures, hour_of, over, spread, stages, wait, well
from app.orders import Arrival, Entry, Promise
from app.render import day as said
from app.web import tables

NOON = 1_700_000_000.0
LA = ZoneInfo("America/Los_Angeles")


def trace(**said: Any) -> Trace:
    plain = {"source": "jane-68", "provider": "jane", "ref": "1", "first": NOON, "fulfilment": "curbside"}
    return Trace(**{**plain, **said})


def here(state: str = "handed_over", at: float = NOON + 60, ended: float | None = NOON + 150, **more: Any) -> Arrival:
    return Arrival(state, at, ended_at=ended, **{"before": "claimed", **more})


# ---- percentiles ----


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Spread()),
        ([3.0, 1.0], Spread(2, few=(1.0, 3.0))),
        ([4.0, 3.0, 2.0, 1.0], Spread(4, few=(1.0, 2.0, 3.0, 4.0))),
        ([5.0, 4.0, 3.0, 2.0, 1.0], Spread(5, 1.0, 3.0, 5.0)),
        ([float(n) for n in range(1, 11)], Spread(10, 1.0, 5.0, 9.0)),
        ([float(n) for n in range(1, 101)], Spread(100, 10.0, 50.0, 90.0)),
        ([7.0] * 6, Spread(6, 7.0, 7.0, 7.0)),
    ],
)
def test_percentiles_are_values_that_were_there(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


# ---- one order ----

WAITS = [
    ("nobody checked in", trace(stage="fulfilled", ended_at=NOON + 500), None),
    ("handed over", trace(arrival=here()), 90.0),
    ("the order system ended it first", trace(stage="fulfilled", ended_at=NOON + 120, arrival=here()), 60.0),
    ("nobody pressed", trace(stage="fulfilled", ended_at=NOON + 200, arrival=here("claimed", ended=None)), 140.0),
    ("still waiting", trace(arrival=here("here", ended=None)), None),
    ("only on the way", trace(stage="fulfilled", ended_at=NOON + 9, arrival=here("on_my_way", ended=None)), None),
    ("handed over from the way", trace(arrival=here(before="on_my_way")), None),
    ("handed over with no check-in", trace(arrival=here(before=None, at=NOON + 150)), None),
    ("cancelled meanwhile", trace(stage="canceled", ended_at=NOON + 99, arrival=here("here", ended=None)), None),
    ("ended before the check-in", trace(stage="fulfilled", ended_at=NOON, arrival=here()), 0.0),
]


@pytest.mark.parametrize(("order", "expected"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_a_wait_runs_from_the_check_in_to_the_handover(order: Trace, expected: float | None) -> None:
    assert wait(order) == expected


def way(*points: tuple[str, float]) -> tuple[Entry, ...]:
    return tuple(Entry(stage, NOON + at) for stage, at in points)


DONE = [
    ("a pickup is done once ready", {"timeline": way(("preparing", 10), ("ready", 50), ("fulfilled", 900))}, 50.0),
    ("what went back was not", {"timeline": way(("ready", 50), ("preparing", 60), ("ready", 80))}, 80.0),
    ("handed over before it was called ready", {"timeline": way(("preparing", 1), ("ready", 300))}, 200.0),
    ("never called ready", {"timeline": way(("preparing", 10), ("fulfilled", 200))}, 200.0),
    ("a delivery is done at the door", {"fulfilment": "delivery", "timeline": way(("ready", 50))}, 200.0),
]


@pytest.mark.parametrize(("more", "expected"), [row[1:] for row in DONE], ids=[row[0] for row in DONE])
def test_when_the_store_had_done_its_part(more: dict[str, Any], expected: float) -> None:
    assert done_at(trace(stage="fulfilled", ended_at=NOON + 200, **more)) == NOON + expected


def test_an_open_order_is_done_by_nothing_but_being_ready() -> None:
    assert done_at(trace(timeline=way(("preparing", 10)))) is None
    assert done_at(trace(timeline=way(("ready", 10)))) == NOON + 10


def test_the_lanes_of_an_order_add_up_to_its_whole_time() -> None:
    timeline = way(("confirmed", 5), ("preparing", 60), ("picked", 200), ("staged", 240), ("in_transit", 300))
    spent = stages(trace(stage="fulfilled", ended_at=NOON + 700, fulfilment="delivery", timeline=timeline))
    assert spent == {"new": 60.0, "picking": 180.0, "ready": 60.0, "courier": 400.0}


def test_a_step_back_counts_where_it_led() -> None:
    timeline = way(("preparing", 10), ("ready", 20), ("preparing", 30), ("ready", 100), ("fulfilled", 110))
    spent = stages(trace(stage="fulfilled", ended_at=NOON + 110, timeline=timeline))
    assert spent == {"new": 10.0, "picking": 80.0, "ready": 20.0}


def test_lines_that_came_out_of_order_never_count_backwards() -> None:
    timeline = way(("preparing", 50), ("ready", 20), ("fulfilled", 90))
    assert stages(trace(stage="fulfilled", ended_at=NOON + 90, timeline=timeline)) == {"new": 50.0, "ready": 40.0}


def test_what_a_shop_sees_is_no_stage() -> None:
    assert stages(trace(stage="closed", fulfilment="in_store", ended_at=NOON + 5)) == {}


def test_whoever_hears_first_ends_it() -> None:
    assert over(trace(ended_at=NOON + 200, arrival=here())) == NOON + 150
    assert over(trace(ended_at=NOON + 100, arrival=here())) == NOON + 100
    assert over(trace()) is None
    assert not well(trace(stage="returned", ended_at=NOON, arrival=here()))


# ---- a day ----


def day_of(traces: list[Trace], now: float = NOON + 10_000) -> Any:
    return figures(traces, NOON - 3600, NOON + 20_000, now, UTC)


def test_carts_and_joined_journeys_and_other_days_count_for_nothing() -> None:
    made = day_of(
        [
            trace(stage="cart", ended_at=NOON),
            trace(stage="closed", flags=("joined",), ended_at=NOON),
            trace(stage="fulfilled", ended_at=NOON - 4000),
            trace(stage="fulfilled", ended_at=NOON + 20_000),
        ]
    )
    assert (made.done, made.off, made.hours) == (0, 0, ())


def test_promises_are_kept_missed_or_still_open_past_their_time() -> None:
    window = Promise(NOON, NOON + 600)
    early = way(("ready", 500), ("fulfilled", 900))
    late = way(("ready", 700), ("fulfilled", 900))
    made = day_of(
        [
            trace(ref="kept", stage="fulfilled", ended_at=NOON + 900, promised=window, timeline=early),
            trace(ref="late", stage="fulfilled", ended_at=NOON + 900, promised=window, timeline=late),
            trace(ref="moved", stage="fulfilled", ended_at=NOON + 900, promised=window, timeline=early,
                  previous_promise=Promise(NOON, NOON + 100)),
            trace(ref="open", stage="preparing", promised=window, timeline=way(("preparing", 1))),
            trace(ref="ready", stage="ready", promised=window, timeline=way(("ready", 1))),
            trace(ref="soon", stage="preparing", promised=Promise(NOON, NOON + 15_000)),
            trace(ref="off", stage="canceled", ended_at=NOON + 900, promised=window),
            trace(ref="none", stage="fulfilled", ended_at=NOON + 900),
        ]
    )  # fmt: skip
    assert (made.kept, made.promised, made.moved, made.overdue) == (2, 4, 1, 1)
    assert (made.done, made.off) == (4, 1)


def test_hours_hold_waits_that_end_in_them_and_orders_that_came_in_them() -> None:
    hour = 3600.0
    start = NOON - NOON % hour
    met = here(at=start + hour - 30, ended=start + hour + 60)
    one = trace(stage="fulfilled", first=start + 60, ended_at=start + hour + 60, arrival=met)
    old = trace(ref="2", stage="fulfilled", first=start - 9 * hour, ended_at=start + 99)
    made = figures([one, old], start, start + 6 * hour, start + 3 * hour, UTC)
    assert [(at.at, at.waits.n, at.orders) for at in made.hours] == [(start, 0, 1), (start + hour, 1, 0)]
    assert made.before == 1
    assert made.hours[0].few == ({"new": hour},)


# ---- days and hours of a zone ----


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 8), "America/Los_Angeles", 23),
        (date(2026, 11, 1), "America/Los_Angeles", 25),
        (date(2026, 11, 21), "America/Los_Angeles", 24),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        (date(2026, 9, 6), "America/Santiago", 23),
        (date(2026, 11, 21), "Asia/Kathmandu", 24),
    ],
)
def test_a_day_is_as_long_as_its_zone_makes_it(day: date, zone: str, hours: float) -> None:
    start, end = bounds(day, ZoneInfo(zone))
    assert (end - start) / 3600 == hours
    assert datetime.fromtimestamp(start, ZoneInfo(zone)).date() == day
    assert datetime.fromtimestamp(start - 1, ZoneInfo(zone)).date() < day
    assert datetime.fromtimestamp(end, ZoneInfo(zone)).date() > day


def test_the_hour_that_comes_twice_is_two_hours_and_both_are_named() -> None:
    start, end = bounds(date(2026, 11, 1), LA)
    ends = [start + 1.5 * 3600, start + 2.5 * 3600, start + 3.5 * 3600]
    traces = [
        trace(ref=str(n), stage="fulfilled", first=start + 60, ended_at=at, arrival=here(at=at - 30, ended=at))
        for n, at in enumerate(ends)
    ]
    made = figures(traces, start, end, end, LA)
    waits = said.waits(made.hours, end, LA)
    assert waits is not None
    assert [bar["label"] for bar in waits["bars"]] == ["1 PDT", "1 PST", "2"]
    assert hour_of(ends[0], LA) != hour_of(ends[1], LA)
    written = tables.by_hour("2026-11-01", made, LA).decode()
    assert "2026-11-01T01:00:00-07:00" in written
    assert "2026-11-01T01:00:00-08:00" in written


def test_the_hour_that_never_comes_has_no_place() -> None:
    start, end = bounds(date(2026, 3, 8), LA)
    ends = [start + 1.5 * 3600, start + 2.5 * 3600]
    traces = [
        trace(ref=str(n), stage="fulfilled", ended_at=at, arrival=here(at=at - 30, ended=at))
        for n, at in enumerate(ends)
    ]
    waits = said.waits(figures(traces, start, end, end, LA).hours, end, LA)
    assert waits is not None
    assert [bar["label"] for bar in waits["bars"]] == ["1", "3"]


# ---- CSV ----


@pytest.mark.parametrize("code", ["=1+1", "+1", "-1", "@a", "\tx", "\rx", "\nx", '=HYPERLINK("a")'])
def test_no_text_becomes_a_formula(code: str) -> None:
    rows = list(csv.reader(io.StringIO(tables.written(("code",), [(code,)]).decode(), newline="")))
    assert rows == [["code"], ["'" + code]]


def test_csv_keeps_commas_quotes_and_lines_and_ends_lines_as_the_standard_says() -> None:
    told = tables.written(("a", "b"), [('x,"y"', "two\r\nlines"), (None, 1.6)])
    assert told == b'a,b\r\n"x,""y""","two\r\nlines"\r\n,2\r\n'


def test_every_table_has_a_name_for_every_column() -> None:
    order = trace(stage="fulfilled", ended_at=NOON + 900, code="=G1", promised=Promise(NOON, NOON + 1), arrival=here())
    made = day_of([order])
    feed = said.Feeding(source="jane-68", mark=("jane", "J", "Jane"))
    for told in (
        tables.by_hour("d", made, UTC),
        tables.by_order("d", [order], NOON, NOON + 1000),
        tables.by_feed("d", [feed]),
    ):
        names, *rows = list(csv.reader(io.StringIO(told.decode(), newline="")))
        assert rows
        assert all(len(row) == len(names) == len(set(names)) for row in rows)
    assert "'=G1" in tables.by_order("d", [order], NOON, NOON + 1000).decode()
