"""A store's day in figures: who may see them, which day, what they rest on; and the same as CSV."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, tzinfo

import httpx2
import pytest
from pastdays import busy, over, put
from rig import WAIT, Served, settings_of

from app import main
from app.errors import Unreadable
from app.figures import bounds
from app.intake import Raw
from app.orders import Arrival
from app.store.feeds import Heard, Tally
from app.store.people import User

pytestmark = pytest.mark.anyio
PAGE = "/board/123/today"
ZONE = settings_of().stores["123"].zone


@asynccontextmanager
async def signed_in(served: Served, role: str = "staff", store: str = "123") -> AsyncIterator[httpx2.AsyncClient]:
    people = served.house.site.people
    served.call(people.save(User(role, role, (store,), "")))
    secret = served.call(people.enter(role, served.house.site.clock()))
    cookies = {served.house.site.cookie: secret}
    async with httpx2.AsyncClient(base_url=served.base, cookies=cookies, timeout=WAIT) as client:
        yield client


def yesterday(zone: tzinfo = ZONE) -> tuple[str, float]:
    day = (datetime.now(zone) - timedelta(days=1)).date()
    return day.isoformat(), bounds(day, zone)[0]


def rows(answer: httpx2.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_a_day_of_which_nothing_is_known_says_so(served: Served) -> None:
    async with signed_in(served) as client:
        now = await client.get(PAGE)
        then = await client.get(PAGE, params={"day": yesterday()[0]})
    assert "Nothing was handed over yet today." in now.text
    assert "Nothing was handed over on this day." in then.text
    assert now.headers["cache-control"] == "no-store"


async def test_a_day_shows_its_own_orders_only(served: Served) -> None:
    day, start = yesterday()
    noon = start + 43_200
    mine = [over(str(n), noon + 60 * n, store="123", waited=60.0 + n) for n in range(7)]
    before = over("old", start - 7200, store="123")
    there = over("68", noon, store="68")
    served.call(put(served.house, [*mine, before, there]))
    async with signed_in(served) as client:
        page = await client.get(PAGE, params={"day": day})
        orders = rows(await client.get(PAGE + ".csv", params={"day": day, "rows": "orders"}))
        whole = rows(await client.get(PAGE + ".csv", params={"day": day}))[0]
    assert [row["ref"] for row in orders] == [str(n) for n in range(7)]
    assert {row["on_time"] for row in orders} == {"yes"}
    assert whole["hour"] == "all"
    assert (whole["waits"], whole["wait_p50_s"], whole["wait_p90_s"]) == ("7", "63", "66")
    assert (whole["handed_over"], whole["promised"], whole["on_time"]) == ("7", "7", "7")
    assert "1:03" in page.text
    assert "7 of 7" in page.text


async def test_an_order_handed_over_before_midnight_and_ended_after_it_counts_once(served: Served) -> None:
    day, start = yesterday()
    late = start + 86_400 - 60
    ended = start + 86_400 + 1
    met = Arrival("handed_over", late - 30, ended_at=late, before="claimed")
    served.call(put(served.house, [over("1", late - 1000, store="123", ended_at=ended, arrival=met)]))
    async with signed_in(served) as client:
        then = rows(await client.get(PAGE + ".csv", params={"day": day, "rows": "orders"}))
        now = rows(await client.get(PAGE + ".csv", params={"rows": "orders"}))
    assert [row["wait_s"] for row in then] == ["30"]
    assert now == []


async def test_who_may_not_see_the_store_sees_no_figures(served: Served) -> None:
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as nobody:
        assert (await nobody.get(PAGE)).status_code == 302
    async with signed_in(served, store="68") as other:
        for path in (PAGE, PAGE + ".csv", "/board/nowhere/today"):
            assert (await other.get(path)).status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"day": "2026-02-30"},
        {"day": "soon"},
        {"day": "9999-12-31"},
        {"day": "0001-01-01"},
        {"day": (datetime.now(UTC) + timedelta(days=2)).date().isoformat()},
        {"rows": "people"},
    ],
)
async def test_what_is_no_day_or_no_table_is_refused_with_the_reason(served: Served, asked: dict[str, str]) -> None:
    async with signed_in(served) as client:
        assert (await client.get(PAGE + ".csv", params=asked)).status_code == 400


async def test_days_go_as_far_back_as_something_is_kept(served: Served) -> None:
    _, start = yesterday()
    served.call(put(served.house, [over("1", start - 86_400, store="123")]))
    async with signed_in(served) as client:
        now = (await client.get(PAGE)).text
        first = (await client.get(PAGE, params={"day": (datetime.now(ZONE) - timedelta(days=2)).date()})).text
    assert 'aria-label="The day before"' in now
    assert 'aria-label="The day after"' not in now
    assert 'aria-label="The day before"' not in first
    assert 'aria-label="The day after"' in first


async def test_three_thousand_orders_of_a_day_are_all_counted(served: Served) -> None:
    day, start = yesterday(served.settings.stores["68"].zone)
    served.call(put(served.house, busy(start, 3000)))
    async with signed_in(served, store="68") as client:
        whole = rows(await client.get("/board/68/today.csv", params={"day": day}))[0]
    assert whole["handed_over"] == "3000"


# ---- feeds ----


async def test_feeds_are_counted_by_the_day(redis_url: str) -> None:
    house = main.build(settings_of(), redis_url)
    feeds, start = house.site.feeds, 1_700_006_400.0  # a midnight in UTC
    try:
        await feeds.heard("lola", Heard(start - 10, start - 10, 4, [5.0]))
        await feeds.heard("lola", Heard(start + 36_000, start + 36_300, 3, [120.0, 180.0]))
        await feeds.heard("lola", Heard(start + 40_000, start + 40_000, 1))
        await feeds.polled("lola", 5, 2, ("HTTP 502", start + 50_000), start + 50_000)
        known = await feeds.tallies(["lola", "aifi"], start, start + 86_400)
        assert known == {"lola": Tally(events=4, polls=5, errors=2, silence=3700.0), "aifi": None}
        morning = await feeds.tallies(["lola"], start + 36_000, start + 37_800)
        assert morning["lola"] == Tally(events=3)  # the night before it is no silence of the day
        feed = (await feeds.read(["lola"]))["lola"]
        assert (feed.events, feed.polls, feed.errors, feed.error) == (8, 5, 2, "HTTP 502")
    finally:
        await house.site.orders.close()


async def test_quarantine_is_counted_by_the_day(served: Served) -> None:
    site = served.house.site

    async def keep(heard: float) -> None:
        raw = Raw(source="lola", heard=heard, body=b"%f" % heard)
        await site.intake.keep(raw, "unreadable", Unreadable("no"), bytes)

    day, start = yesterday()
    for heard in (start - 1, start, start + 86_399, start + 86_400):
        served.call(keep(heard))
    async with signed_in(served) as client:
        told = rows(await client.get(PAGE + ".csv", params={"day": day, "rows": "feeds"}))
    assert {row["source"]: row["in_quarantine"] for row in told} == {"aifi": "0", "lola": "2"}
