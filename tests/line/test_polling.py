"""Polling over real HTTP: which calls are made and which are not, tokens, refusals, and what is written."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
from beside import PAUSE, buy, settings, until, working, world
from rig import SECRET, TOKEN, Served, free_port

from app.main import House
from app.orders import Item, OrderEvent, Promise, Step
from app.providers.contract import Call, Follow
from app.sandbox.deeds import Shown, Sorted
from app.sandbox.world import World
from app.services.poller import encode

pytestmark = pytest.mark.anyio


async def follow(house: House, ref: str, source: str = "insta", **more: Any) -> str:
    more.setdefault("user_id", "u1")
    made = Follow(source=source, ref=ref, began=time.time(), **more)
    assert await house.site.follows.follow(source, made.key, encode(made), time.time())
    return made.key


def tally(made: World) -> Counter[str]:
    paths = [call.path.rpartition("/orders/")[2] for call in made.called("GET", "/orders/")]
    return Counter(path.partition("/")[2] or "order" for path in paths)


async def stage(house: House, key: str) -> str | None:
    record = await house.site.orders.get(key)
    return record.order.stage if record else None


async def test_a_delivery_is_asked_by_the_rules(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        order = buy(made)
        key = await follow(house, "o1")
        await until(lambda: stage(house, key), "the order")
        await asyncio.sleep(4 * PAUSE)
        early = tally(made)
        assert (early["items"], early["handling"], early["location"]) == (1, 1, 0)
        assert early["order"] == 1, "slow while nobody has taken it"

        order.enter("acknowledged", time.time())
        await until(lambda: tally(made)["handling"] == 2, "handling with the shopper")
        order.enter("picking", time.time())
        await until(lambda: tally(made)["items"] >= 4, "items while picking")
        order.lines["1"] = Sorted("o1", "1", "FOUND")
        record = await until(lambda: _found(house, key), "the first line")
        assert record is not None

        order.enter("checkout", time.time())
        await until(lambda: _is(house, key, "picked"), "checkout")
        await asyncio.sleep(6 * PAUSE)
        items, handling = tally(made)["items"], tally(made)["handling"]
        await asyncio.sleep(3 * PAUSE)
        assert tally(made)["items"] == items, "items are over at the checkout"
        assert tally(made)["location"] == 0

        order.enter("delivering", time.time())
        await until(lambda: tally(made)["location"] >= 2, "the location")
        assert await house.site.positions.get(key) is not None
        order.enter("delivered", time.time())
        await until(lambda: _left(house, key), "the end of the following")
        calls = len(made.calls)
        await asyncio.sleep(4 * PAUSE)
        assert len(made.calls) == calls, "nothing is asked of a delivered order"
        assert tally(made)["handling"] == handling
        assert len(made.called("POST", "/oauth/token")) == 1
        left = await house.site.positions.ask("TTL", "ob:pos:" + key)
        assert 0 < left <= 60


async def _found(house: House, key: str) -> Any:
    record = await house.site.orders.get(key)
    return record if record and any(item.state == "found" for item in record.order.items or ()) else None


async def _is(house: House, key: str, wanted: str) -> bool:
    return await stage(house, key) == wanted


async def _left(house: House, key: str) -> bool:
    return await house.site.follows.body(key) is None


async def test_an_unchanged_poll_writes_nothing_of_the_order(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        buy(made).enter("picking", time.time())
        key = await follow(house, "o1")
        await until(lambda: tally(made)["items"] >= 2)
        await asyncio.sleep(2 * PAUSE)
        before, lines = await house.site.orders.get(key), await house.site.orders.ledger(key)
        polls = tally(made)["order"]
        await until(lambda: tally(made)["order"] >= polls + 3)
        after = await house.site.orders.get(key)
        assert before is not None
        assert after is not None
        assert after.tag == before.tag
        assert await house.site.orders.ledger(key) == lines


async def test_a_location_that_is_forbidden_is_asked_once(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        made.trouble.plan(403, times=1000, path="/location")
        order = buy(made)
        order.enter("delivering", time.time())
        await follow(house, "o1")
        await until(lambda: tally(made)["order"] >= 4)
        assert tally(made)["location"] == 1


async def test_a_last_mile_order_has_the_shops_own_items(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        buy(made, kind="last_mile_delivery").enter("delivering", time.time())
        key = await follow(house, "o1", items=(Item("a", "Bread", 2),))
        await until(lambda: tally(made)["order"] >= 3)
        record = await house.site.orders.get(key)
        assert record is not None
        assert [item.name for item in record.order.items or ()] == ["Bread"]
        assert tally(made)["items"] == 0


async def test_tokens_end_and_are_refused(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        made.instacart_seconds = 1.0
        buy(made).enter("picking", time.time())
        buy(made, "o2").enter("picking", time.time())
        await follow(house, "o1")
        await follow(house, "o2")
        await until(lambda: tally(made)["order"] >= 4)
        assert len(made.called("POST", "/oauth/token")) <= 2, "one token for both, asked for once"
        await until(lambda: len(made.called("POST", "/oauth/token")) >= 3, "a token after the first has ended")
        refused = len([call for call in made.calls if call.status == 401])
        made.instacart_seconds = 3600
        await asyncio.sleep(1.2)
        tokens = len(made.called("POST", "/oauth/token"))
        made.tokens.clear()  # revoked on their side
        polls = tally(made)["order"]
        await until(lambda: tally(made)["order"] >= polls + 6)
        assert len(made.called("POST", "/oauth/token")) == tokens + 1
        assert len([call for call in made.calls if call.status == 401]) > refused
        assert (await house.site.feeds.read(["insta"]))["insta"].errors == 0


async def test_wrong_keys_are_not_tried_by_every_order(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        made.accounts[("instacart", "me")] = "another"
        for number in range(20):
            buy(made, f"o{number}")
            await follow(house, f"o{number}")
        await until(lambda: made.called("POST", "/oauth/token"))
        await asyncio.sleep(1.0)
        assert len(made.called("POST", "/oauth/token")) == 1
        await house.work.watch.tell()
        feed = (await house.site.feeds.read(["insta"]))["insta"]
        assert feed.errors == 20
        assert feed.error
        assert "token" in feed.error.lower()


@pytest.mark.parametrize("retry_after", ["2", ""])
async def test_too_many_requests(redis_url: str, retry_after: str) -> None:
    """With Retry-After nothing is asked before its end; without, not for some seconds either, and then again."""
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        for number in range(10):
            buy(made, f"o{number}").enter("picking", time.time())
            await follow(house, f"o{number}")
        await until(lambda: tally(made)["order"] >= 20)
        made.trouble.plan(429, times=1, path="/orders/", retry_after=retry_after)
        refusal = await until(lambda: next((call for call in made.calls if call.status == 429), None))
        await asyncio.sleep(1.5)
        # What was on the wire when the refusal came is not counted against it.
        during = [call for call in made.calls if refusal.at + 0.3 < call.at < refusal.at + 1.5]
        assert not during
        seen = len(made.calls)
        await until(lambda: len(made.calls) > seen + 5, "polls after the pause")
        later = next(call for call in made.calls if call.at > refusal.at + 0.3)
        assert later.at - refusal.at >= (1.9 if retry_after else 3.0)


async def test_the_breaker_opens_and_lets_one_try(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.breaker.OPEN_FOR", 2.0)
    monkeypatch.setattr("app.services.breaker.PAUSE", 0.05)
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        for number in range(30):
            buy(made, f"o{number}").enter("picking", time.time())
        made.trouble.plan(500, times=1000, path="/v2/post_checkout")
        for number in range(30):
            await follow(house, f"o{number}")
        gate = house.work.gates["insta"]
        await until(lambda: gate.state == "open", "the open breaker")
        await asyncio.sleep(0.5)
        failed = len(made.called("GET", "/orders/"))
        assert 5 <= failed <= 5 + 8, "five in a row, and what was on its way"
        await asyncio.sleep(1.0)
        assert len(made.called("GET", "/orders/")) == failed
        await until(lambda: len(made.called("GET", "/orders/")) > failed, "the one that tries")
        await asyncio.sleep(0.7)
        assert len(made.called("GET", "/orders/")) == failed + 1
        made.trouble.planned.clear()
        await until(lambda: gate.state == "closed", "the closed breaker")
        await until(lambda: len(made.called("GET", "/orders/")) > failed + 30)


async def test_the_rate_holds_for_all_nodes(redis_url: str) -> None:
    async with world() as (made, base):
        config = settings(base, rate=20.0)
        async with working(redis_url, config, "poller") as first, working(redis_url, config, "poller"):
            for number in range(40):
                buy(made, f"o{number}").enter("picking", time.time())
                await follow(first, f"o{number}")
            await until(lambda: len(made.calls) >= 80)
        times = sorted(call.at for call in made.calls)
        most = max(sum(1 for at in times if start <= at < start + 1.0) for start in times)
        assert most <= 24  # 20, and a little for what the scheduler delays


async def test_an_order_unknown_at_first_is_tried_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.breaker.PAUSE", 0.2)
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        key = await follow(house, "o1")
        await until(lambda: any(call.status == 404 for call in made.calls))
        buy(made)
        await until(lambda: stage(house, key), "the order")


async def test_a_provider_that_stumbles_holds_up_nobody(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        hear = house.site.providers["instacart"].polling.hear  # type: ignore[union-attr]

        def stumbles(source: Any, follow: Follow, *rest: Any) -> Any:
            if follow.ref == "bad":
                raise ZeroDivisionError
            return hear(source, follow, *rest)

        pair = house.work.poller._sources["insta"]
        broken = msgspec.structs.replace(pair[1].polling, hear=stumbles)
        house.work.poller._sources["insta"] = (pair[0], msgspec.structs.replace(pair[1], polling=broken))
        for ref in ("bad", "o1"):
            buy(made, ref).enter("picking", time.time())
            await follow(house, ref)
        await until(lambda: stage(house, "insta:o1"))
        await until(lambda: tally(made)["order"] >= 4)
        assert len(made.called("GET", "/orders/bad")) == 1, "put back, not asked without end"


# ---- the API ----


@pytest.fixture
async def site(redis_url: str) -> AsyncIterator[tuple[World, Served]]:
    async with world() as (made, base):
        running = await asyncio.to_thread(Served(settings(base, free_port()), redis_url).start)
        yield made, running
        await asyncio.to_thread(running.stop)


async def call(running: Served, method: str, path: str, **more: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=running.base, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        return await client.request(method, path, **more)


async def test_posting_an_order(site: tuple[World, Served]) -> None:
    made, running = site
    buy(made)
    said = await call(running, "POST", "/api/orders", json={"source": "insta", "ref": "o1", "user_id": "u1"})
    assert said.status_code == 201
    shown = await until(lambda: _shown(running, "/api/orders/insta/o1"))
    assert shown["stage"] == "placed"
    polls = tally(made)["order"]
    made.orders["o1"].enter("picking", time.time())
    again = await call(running, "POST", "/api/orders", json={"source": "insta", "ref": "o1", "user_id": "u1"})
    assert again.status_code == 200
    assert again.json()["order"]["stage"] == "preparing", "freshly polled"
    assert tally(made)["order"] > polls


async def _shown(running: Served, path: str) -> Any:
    said = await call(running, "GET", path)
    return said.json() if said.status_code == 200 else None


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"source": "insta", "ref": "o1", "colour": "red"}, "colour"),
        ({"source": "nobody", "ref": "o1"}, "nobody"),
        ({"source": "jane", "ref": "o1"}, "polled"),
        ({"source": "insta"}, "ref"),
        ({"source": "insta", "ref": "a b"}, "ref"),
        ({"source": "insta", "ref": "o1", "store": "9"}, "store"),
        ({"source": "insta", "ref": "o1", "items": [{"id": "1"}, {"id": "1"}]}, "same id"),
        ({"source": "insta", "ref": "o1", "items": [{"name": "Bread"}]}, "id"),
    ],
)
async def test_orders_that_do_not_fit(site: tuple[World, Served], body: dict[str, Any], word: str) -> None:
    made, running = site
    said = await call(running, "POST", "/api/orders", json=body)
    assert said.status_code == 400
    assert word in said.json()["detail"]
    assert not made.calls


async def test_a_callback_makes_a_followed_order_due(site: tuple[World, Served]) -> None:
    made, running = site
    buy(made)
    await call(running, "POST", "/api/orders", json={"source": "insta", "ref": "o1", "user_id": "u1"})
    await until(lambda: tally(made)["handling"])
    await asyncio.sleep(0.2)
    made.orders["o1"].enter("picking", time.time())
    polls = tally(made)["order"]
    for ref in ("o1", "nobody-follows-this"):
        hook = {
            "event_id": 1, "event_name": "fulfillment.picking", "event_timestamp": "2020-07-07T16:35:22Z",
            "event_metadata": {"order_id": ref},
        }  # fmt: skip
        said = await call(running, "POST", "/hooks/insta", json=hook, headers={"Authorization": f"Bearer {SECRET}"})
        assert said.status_code == 202
    await until(lambda: tally(made)["order"] > polls)
    assert not made.called("GET", "nobody-follows-this")


# ---- orders that fall silent ----


async def test_a_silent_order_is_asked_about_past_its_slot(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        key = await _webhook(house, "L1", slot=-1200.0, ago=2000.0)
        await _webhook(house, "L2", slot=-1200.0, ago=60.0)
        await _webhook(house, "L3", slot=3600.0, ago=2000.0)
        made.happen(Shown("lolamarket", "L1", record("L1", "ORDER_DELIVERED")))
        assert await house.work.sweep.sweep() == 1
        await until(lambda: _is(house, key, "fulfilled"), "the record's word")
        await until(lambda: _left(house, key))
        found = await house.site.orders.get(key)
        assert found is not None
        assert (found.order.bags, found.order.items and found.order.items[0].state) == (2, "found")
        assert {call.path for call in made.calls} == {"/v1/oauth/token", "/v1/orders/L1"}
        assert await house.work.sweep.sweep() == 0


async def test_orders_of_a_silent_feed_are_asked_about(redis_url: str) -> None:
    async with world() as (made, base), working(redis_url, settings(base), "poller") as house:
        key = await _webhook(house, "L1", slot=3600.0)
        made.happen(Shown("lolamarket", "L1", record("L1", "ORDER_IN_PICKING")))
        assert await house.work.sweep.sweep() == 0
        house.work.watch.silent = frozenset({"lola"})
        assert await house.work.sweep.sweep() == 1
        await until(lambda: _is(house, key, "preparing"))


async def _webhook(house: House, ref: str, slot: float, ago: float = 0.0) -> str:
    source = house.site.settings.sources["lola"]
    now = time.time()
    said = house.site.providers["lolamarket"].parse(source, _hook(ref, now - ago))[0]
    event = msgspec.structs.replace(said, promised=Promise(now + slot - 3600, now + slot))
    await house.site.intake.take(event)
    return event.key


def _hook(ref: str, heard: float) -> Call:
    body = {
        "eventId": ref, "eventName": "order.confirmed", "eventTimestamp": "2023-01-10T18:31:00Z",
        "eventPayload": {"id": ref, "orderRef": ref},
    }  # fmt: skip
    return Call(body=msgspec.json.encode(body), heard=heard)


def record(ref: str, status: str) -> bytes:
    lines = [{"sku": "1", "shortDescription": "Milk", "status": "PICKED", "requested": {"quantity": 1, "unit": "unit"}}]
    totals = {"amountCharged": {"amount": 12.5, "currency": "EUR"}, "bagCount": 2}
    return msgspec.json.encode({"id": ref, "status": status, "articles": lines, "totals": totals})


# ---- urb-it ----


def checkout(ref: str, status: str) -> Shown:
    body = {
        "store_id": "s", "retailer_reference_id": ref, "checkout_status": status, "total_amount": 12500,
        "checkout_items": [{"id": 1, "name": "Shoes", "amount": 12500, "vat_rate": 2500, "type": "Product"}],
    }  # fmt: skip
    return Shown("urbit", ref, msgspec.json.encode(body), "key")


async def test_the_return_page_of_a_shop(site: tuple[World, Served]) -> None:
    """The customer comes back from urb-it before we have asked again: the shop posts once more, and knows."""
    made, running = site
    made.happen(checkout("R1", "READY"))
    said = await call(running, "POST", "/api/orders", json={"source": "urb", "ref": "R1"})
    assert said.status_code == 201
    shown = await until(lambda: _shown(running, "/api/orders/urb/R1"))
    assert shown["stage"] == "cart", "the redirect is no receipt"
    made.happen(checkout("R1", "COMPLETE"))
    said = await call(running, "POST", "/api/orders", json={"source": "urb", "ref": "R1"})
    assert said.status_code == 200
    assert said.json()["order"]["stage"] == "confirmed", "bought, not delivered"
    assert said.json()["order"]["total"]["amount"] == "125.00"
    assert {call.status for call in made.calls} == {200}


async def test_calls_are_shown(site: tuple[World, Served]) -> None:
    _, running = site
    common: Any = {"source": "jane", "provider": "jane", "ref": "a", "policy": "local", "heard": time.time()}
    new = OrderEvent(name="new", digest="n", stage="ready", fulfilment="curbside", store="68", **common)
    for event in (new, OrderEvent(name="here", digest="", arrival=Step("here"), **common)):
        running.call(running.house.site.intake.take(event))

    async def refused() -> Any:
        items = (await call(running, "GET", "/api/calls")).json()["items"]
        return items[0] if items else None

    one = await until(refused, "the refusal: the sandbox knows no such reservation")
    assert (one["key"], one["ref"], one["state"], one["tries"]) == ("jane:a:arrived", "a", "refused", 1)
    assert (await call(running, "GET", "/api/orders/jane/a/calls")).json()["items"] == [one]
    said = await call(running, "POST", "/api/calls/replay", json={"key": one["key"]})
    assert said.json() == {"again": 1}
    again = await until(refused)
    assert again["tried_at"] > one["tried_at"]
    assert (await call(running, "POST", "/api/calls/replay", json={"key": "none"})).status_code == 404
