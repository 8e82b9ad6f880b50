"""Feed health, orders that their own clock moves, and what is in quarantine tried again."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from beside import settings, until, working
from rig import SECRET, TOKEN, Served, free_port, settings_of

from app import main
from app.intake import Raw
from app.main import House
from app.orders import OrderEvent, Promise, Step
from app.services.breaker import Breaker, retry_after
from app.store.feeds import Heard

pytestmark = pytest.mark.anyio
BASE = "http://127.0.0.1:9"


def event(ref: str, heard: float, **said: Any) -> OrderEvent:
    plain: dict[str, Any] = {"name": "new", "digest": f"{ref}{heard}", "policy": "event_time", "store": "68"}
    return OrderEvent(source="lola", provider="lolamarket", ref=ref, heard=heard, **{**plain, **said})


# ---- feeds ----


async def fed(house: House, gaps: list[float], now: float) -> None:
    """Events so far apart, the last one now."""
    at = now - sum(gaps)
    for gap in [0.0, *gaps]:
        at += gap
        house.work.watch.noted(event("f", at))
        await house.work.watch.tell()


async def test_a_feed_learns_its_usual_gap(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        now = time.time()
        await fed(house, [300.0] * 10 + [60.0] * 6 + [900.0] * 4, now)
        feed = (await house.site.feeds.read(["lola"]))["lola"]
        assert feed.events == 21
        assert feed.usual == pytest.approx(300.0, abs=0.01)
        assert not feed.silent(now + 899)
        assert feed.silent(now + 901)


async def test_a_busy_feed_may_pause_for_minutes(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        now = time.time()
        house.work.watch.noted(event("f", now - 30))
        for number in range(29):
            house.work.watch.noted(event("f", now - 29 + number))
        await house.work.watch.tell()
        feed = (await house.site.feeds.read(["lola"]))["lola"]
        assert feed.usual == 120.0
        assert not feed.silent(now + 300)


async def test_a_young_feed_raises_no_alarm(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        now = time.time()
        await fed(house, [10.0] * 18, now)
        feed = (await house.site.feeds.read(["lola"]))["lola"]
        assert (feed.events, feed.usual) == (19, None)
        assert not feed.silent(now + 1e6)


async def test_only_the_last_fifty_gaps_count(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        await fed(house, [2000.0] * 60 + [500.0] * 50, time.time())
        assert (await house.site.feeds.read(["lola"]))["lola"].usual == pytest.approx(500.0, abs=0.01)


async def test_two_nodes_feed_one_memory(redis_url: str) -> None:
    """What one heard between two events of the other is no gap of the other's."""
    async with working(redis_url, settings(BASE)) as house:
        feeds, now = house.site.feeds, 1_000_000.0
        for number in range(20):
            await feeds.heard("lola", Heard(now + 600 * number, now + 600 * number))
            await feeds.heard("lola", Heard(now + 600 * number + 300, now + 600 * number + 300))
        assert (await feeds.read(["lola"]))["lola"].usual == pytest.approx(300.0)


async def test_silence_is_told_and_ends(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        watch, now = house.work.watch, time.time()
        heard: list[frozenset[str]] = []
        watch.changed = lambda: heard.append(watch.silent)
        await fed(house, [100.0] * 30, now - 500)
        await watch.look()
        await watch.look()
        assert heard == [frozenset({"lola"})]
        watch.noted(event("f", now))
        await watch.tell()
        await watch.look()
        assert heard == [frozenset({"lola"}), frozenset()]


async def test_a_pushed_event_is_heard_of(redis_url: str) -> None:
    async with working(redis_url, settings(BASE), "watch") as house:
        raw = Raw(source="lola", heard=time.time())
        await house.site.intake.accept(raw, lambda: [event("a", raw.heard)], lambda body: body)

        async def told() -> bool:
            return (await house.site.feeds.read(["lola"]))["lola"].events == 1

        await until(told)


# ---- the ticker ----


async def test_an_order_turns_late_with_no_event(redis_url: str) -> None:
    async with working(redis_url, settings(BASE), "ticker") as house:
        now = time.time()
        due = now + 1.0
        await house.site.intake.take(event("a", now, stage="confirmed", promised=Promise(now - 60, due)))
        before = await house.site.orders.get("lola:a")
        assert before is not None
        told: list[int] = []
        house.site.intake._told = lambda change: told.append(change.order.rev)

        async def moved() -> Any:
            found = await house.site.orders.get("lola:a")
            return found if found and found.order.rev > before.order.rev else None

        after = await until(moved, "the touch")
        assert time.time() >= due
        assert (after.order.rev, after.order.version) == (before.order.rev + 1, before.order.version)
        assert told == [after.order.rev]
        assert len(await house.site.orders.ledger("lola:a")) == 1
        assert len(await house.site.orders.since("68", 0, 10) or []) == 2, "it was announced"
        assert await house.site.orders.due(["lola:a"]) == {}, "late stays late: nothing more is due"


async def test_a_waiting_customer_is_shown_again_as_time_goes_by(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        now = time.time()
        await house.site.intake.take(event("a", now, stage="ready", fulfilment="curbside"))
        await house.site.intake.take(event("a", now, policy="local", digest="", arrival=Step("here")))
        assert await house.site.orders.due(["lola:a"]) == {"lola:a": pytest.approx(now + 120)}
        house.work.ticker._clock = lambda: now + 121
        assert await house.work.ticker.tick() == 1
        assert await house.site.orders.due(["lola:a"]) == {"lola:a": pytest.approx(now + 300)}


async def test_an_event_since_the_claim_is_not_ticked_over(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        now = time.time()
        await house.site.intake.take(event("a", now, stage="confirmed", promised=Promise(None, now - 1 + 2)))
        house.work.ticker._clock = lambda: now + 2
        claim = house.site.orders.claim

        async def slow(*rest: Any) -> list[str]:
            keys = await claim(*rest)
            await house.site.intake.take(event("a", now + 2, promised=Promise(None, now + 900)))
            return keys

        house.site.orders.claim = slow  # type: ignore[method-assign]
        assert await house.work.ticker.tick() == 1
        found = await house.site.orders.get("lola:a")
        assert found is not None
        assert found.order.rev == 2, "the event's own commit, and no touch"
        assert await house.site.orders.due(["lola:a"]) == {"lola:a": pytest.approx(now + 900)}


async def test_an_order_that_is_gone_is_due_no_more(redis_url: str) -> None:
    async with working(redis_url, settings(BASE)) as house:
        await house.site.orders.ask("ZADD", "ob:due", 1, "lola:gone")
        assert await house.work.ticker.tick() == 1
        assert await house.site.orders.due(["lola:gone"]) == {}


# ---- the quarantine ----


def hook(ref: str, name: str = "order.confirmed", place: str = "68") -> bytes:
    payload = {"id": ref, "orderRef": ref, "pickingLocation": {"id": place}}
    stamp = "2023-01-10T18:31:00Z"
    return msgspec.json.encode({"eventId": ref, "eventName": name, "eventTimestamp": stamp, "eventPayload": payload})


async def call(running: Served, method: str, path: str, **more: Any) -> httpx2.Response:
    more.setdefault("headers", {"Authorization": f"Bearer {TOKEN}"})
    async with httpx2.AsyncClient(base_url=running.base) as client:
        return await client.request(method, path, **more)


async def sent(running: Served, body: bytes) -> int:
    said = await call(running, "POST", "/hooks/lola", content=body, headers={"Authorization": f"Bearer {SECRET}"})
    return said.status_code


async def test_what_is_in_quarantine_can_be_read(served: Served) -> None:
    assert await sent(served, b"{nonsense") == 400
    assert await sent(served, hook("a", "order.teleported")) == 202
    listed = (await call(served, "GET", "/api/quarantine")).json()["items"]
    assert {one["why"] for one in listed} == {"unreadable", "not understood"}
    first = next(one for one in listed if one["why"] == "unreadable")
    whole = (await call(served, "GET", f"/api/quarantine/{first['id']}")).json()
    assert whole["body"] == "{nonsense"
    again = await call(served, "POST", f"/api/quarantine/{first['id']}/replay")
    assert again.status_code == 409
    assert len((await call(served, "GET", "/api/quarantine?limit=1")).json()["items"]) == 1
    assert (await call(served, "GET", "/api/quarantine/none")).status_code == 404
    assert (await call(served, "GET", "/api/quarantine", headers={})).status_code == 401


async def test_an_unknown_store_heals(redis_url: str) -> None:
    """Two events of two orders came from a store that was not in the config; then it is, and one replay mends both."""
    running = await asyncio.to_thread(Served(settings_of(free_port()), redis_url).start)
    try:
        for body in (hook("a", place="77"), hook("a", "order.allocated", "77"), hook("b", place="77")):
            assert await sent(running, body) == 202
        assert await sent(running, b"{nonsense") == 400
        assert (await call(running, "GET", "/api/orders/lola/a")).json()["store"] is None
        [*_, entry] = (await call(running, "GET", "/api/quarantine")).json()["items"]
        assert (await call(running, "POST", f"/api/quarantine/{entry['id']}/replay")).status_code == 409
    finally:
        await asyncio.to_thread(running.stop)
    plain = settings_of(free_port())
    source = msgspec.structs.replace(plain.sources["lola"], store_ids={"77": "123"}, stores=frozenset({"123"}))
    fixed = msgspec.structs.replace(plain, sources={**plain.sources, "lola": source})
    running = await asyncio.to_thread(Served(fixed, redis_url).start)
    try:
        said = (await call(running, "POST", "/api/quarantine/replay")).json()
        assert said["replayed"] == 3
        assert len(said["left"]) == 1
        for ref in ("a", "b"):
            assert (await call(running, "GET", f"/api/orders/lola/{ref}")).json()["store"] == "123"
        board = (await call(running, "GET", "/api/stores/123/board")).json()
        assert {one["ref"] for one in board["items"]} == {"a", "b"}
        assert len((await call(running, "GET", "/api/quarantine")).json()["items"]) == 1
    finally:
        await asyncio.to_thread(running.stop)


async def test_the_command_line_replays(served: Served, redis_url: str, tmp_path: Path) -> None:
    """Beside a running server, with the config put right; it takes effect at once."""
    for body in (hook("a", place="77"), hook("b", place="77"), hook("c", "order.teleported")):
        assert await sent(served, body) == 202
    config = tmp_path / "orderboard.toml"
    config.write_text(
        f"""
        [server]
        redis_url = "{redis_url}"
        [[stores]]
        id = "123"
        name = "North"
        timezone = "UTC"
        [[sources]]
        id = "lola"
        provider = "lolamarket"
        secret = "{SECRET}"
        store_ids = {{ "77" = "123" }}
        """
    )
    listed = (await call(served, "GET", "/api/quarantine")).json()["items"]
    entry = next(one["id"] for one in listed if one["why"] == "not understood")
    code, said = await command(config, "replay", entry)
    assert code == 1
    assert "not known" in said
    code, said = await command(config, "replay", "--all")
    assert code == 0
    assert "2 replayed, 1 left" in said
    for ref in ("a", "b"):
        assert (await call(served, "GET", f"/api/orders/lola/{ref}")).json()["store"] == "123"
    assert (await command(config, "replay"))[0] == 1


async def command(config: Path, *words: str) -> tuple[int, str]:
    line = [sys.executable, "-m", "app.cli", "--config", str(config), *words]
    done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


async def test_the_sources_are_shown(served: Served) -> None:
    await sent(served, hook("a"))

    async def heard() -> Any:
        items = (await call(served, "GET", "/api/sources")).json()["items"]
        return next((one for one in items if one["last_event"]), None)

    one = await until(heard)
    assert (one["id"], one["provider"], one["silent"], one["breaker"]) == ("lola", "lolamarket", False, "closed")
    assert one["usual_gap_seconds"] is None


async def test_a_house_without_anything_to_poll_still_runs(redis_url: str) -> None:
    house = main.build(settings_of(), redis_url)
    tasks = [asyncio.create_task(run()) for run in house.work.runs]
    await asyncio.sleep(0.3)
    assert not [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await house.work.close()
    await house.site.orders.close()


# ---- the small parts ----


def test_the_breaker() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.bad(0.0)
    breaker.good()
    for _ in range(4):
        breaker.bad(0.0)
    assert (breaker.state(0.0), breaker.room(0.0, 8)) == ("closed", 8)
    breaker.bad(0.0)
    assert (breaker.state(29.0), breaker.room(29.0, 8), breaker.wait(29.0)) == ("open", 0, 1.0)
    assert (breaker.state(31.0), breaker.room(31.0, 8)) == ("half-open", 1)
    breaker.begin(31.0)
    assert breaker.room(31.0, 8) == 0
    breaker.bad(31.0)
    assert breaker.state(60.0) == "open"
    breaker.begin(62.0)
    breaker.good()
    assert (breaker.state(62.0), breaker.room(62.0, 8)) == ("closed", 8)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("999999999999", 3600.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("", None),
        ("soon", None),
    ],
)
def test_retry_after(said: str, seconds: float | None) -> None:
    assert retry_after(said, 10.0) == seconds
