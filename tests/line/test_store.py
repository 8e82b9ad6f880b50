"""The store on a real server: one commit per event, refused repeats, numbers without gaps, snapshots in one piece."""

import asyncio

import pytest
import redis
from rig import housed

from app.errors import Away
from app.intake import Intake
from app.main import House
from app.orders import OrderEvent, Promise, Reason, Step
from app.store.orders import NOWHERE

pytestmark = pytest.mark.anyio


def event(ref: str = "a", stage: str | None = "placed", *, heard: float = 100.0, **more: object) -> OrderEvent:
    base = {
        "source": "lola",
        "provider": "lolamarket",
        "ref": ref,
        "name": stage or "note",
        "digest": f"{ref}{stage}{heard}{more}",
        "policy": "event_time",
        "heard": heard,
        "at": heard,
        "stage": stage,
        "store": "68",
        "code": ref,
    }
    return OrderEvent(**{**base, **more})  # type: ignore[arg-type]


async def take(house: House, *events: OrderEvent) -> list[str]:
    return [(await house.site.intake.take(one, b"{}")).verdict for one in events]


async def test_an_event_is_saved_numbered_and_told(redis_url: str) -> None:
    async with housed(redis_url) as house:
        orders = house.site.orders
        heard = []
        await orders.listen("68")

        async def hear() -> None:
            async for message in orders.changes():
                heard.append(message)

        hearing = asyncio.create_task(hear())
        await asyncio.sleep(0.1)
        assert await take(house, event()) == ["applied"]
        snapshot = await orders.board("68", 100.0)
        record = await orders.get("lola:a")
        for _ in range(100):
            if heard:
                break
            await asyncio.sleep(0.05)
        hearing.cancel()
        assert record is not None
        assert [snapshot.seq, [order.key for order in snapshot.orders]] == [1, ["lola:a"]]
        assert record.order == snapshot.orders[0]
        assert [(m.store, m.seq, m.rev, m.key, m.own) for m in heard] == [("68", 1, 1, "lola:a", True)]


async def test_a_repeat_changes_nothing_but_the_ledger(redis_url: str) -> None:
    async with housed(redis_url) as house:
        first = event()
        assert await take(house, first, first, first) == ["applied", "duplicate", "duplicate"]
        ledger = await house.site.orders.ledger("lola:a")
        assert [entry.verdict for entry in ledger] == ["applied", "duplicate", "duplicate"]
        assert (await house.site.orders.board("68", 100.0)).seq == 1


async def test_a_repeat_at_another_node_is_refused_too(redis_url: str) -> None:
    async with housed(redis_url) as one, housed(redis_url) as other:
        same = event()
        verdicts = [(await house.site.intake.take(same, b"")).verdict for house in (one, other)]
        assert verdicts == ["applied", "duplicate"]


async def test_two_nodes_on_one_order_lose_nothing(redis_url: str) -> None:
    """Hot orders from both sides: the compare sends each back to the rule until its event has its effect."""
    async with housed(redis_url) as one, housed(redis_url) as other:
        events = [event(f"o{i % 3}", "preparing", heard=100.0 + i) for i in range(120)]
        await asyncio.gather(*((one, other)[i % 2].site.intake.take(e, b"") for i, e in enumerate(events)))
        for ref in ("o0", "o1", "o2"):
            record = await one.site.orders.get(f"lola:{ref}")
            ledger = await one.site.orders.ledger(f"lola:{ref}")
            assert record is not None
            assert record.order.open is not None
            assert len(ledger) == 40, "each event stands in the ledger once"
            assert record.order.open.stamp.at == max(e.at or 0 for e in events if e.ref == ref)


async def test_numbers_have_no_gaps_and_the_journal_holds_them(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await asyncio.gather(*(take(house, event(f"o{i}")) for i in range(50)))
        messages = await house.site.orders.since("68", 0, 1000)
        assert messages is not None
        assert [message.seq for message in messages] == list(range(1, 51))
        assert {message.key for message in messages} == {f"lola:o{i}" for i in range(50)}


async def test_a_trimmed_journal_says_so(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await take(house, *(event(f"o{i}") for i in range(5)))
        with redis.Redis.from_url(redis_url) as client:
            client.xtrim("ob:s:68:j", maxlen=2, approximate=False)
        assert await house.site.orders.since("68", 1, 1000) is None
        assert await house.site.orders.since("68", 3, 1000) is not None


async def test_a_move_is_one_commit_with_two_entries(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await take(house, event(), event(stage="confirmed", heard=101.0, store="123"))
        old = await house.site.orders.since("68", 0, 10)
        new = await house.site.orders.since("123", 0, 10)
        assert old is not None
        assert new is not None
        assert [(m.rev, m.key) for m in old] == [(1, "lola:a"), (-1, "lola:a")]
        assert [(m.rev, m.key) for m in new] == [(2, "lola:a")]
        assert not (await house.site.orders.board("68", 101.0)).orders
        assert (await house.site.orders.board("123", 101.0)).orders


async def test_a_late_event_writes_the_ledger_only(redis_url: str) -> None:
    async with housed(redis_url) as house:
        verdicts = await take(house, event(stage="preparing", heard=200.0), event(stage="placed", heard=150.0))
        record = await house.site.orders.get("lola:a")
        assert verdicts == ["applied", "late"]
        assert record is not None
        assert (record.order.stage, record.order.version) == ("preparing", 1)
        assert (await house.site.orders.board("68", 200.0)).seq == 1


async def test_an_order_without_a_store_is_kept_apart(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await take(house, event(store=None))
        assert [order.key for order in (await house.site.orders.board(NOWHERE, 100.0)).orders] == ["lola:a"]


async def test_ended_orders_leave_the_open_index_and_come_back(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await take(house, event(), event(stage="canceled", heard=101.0, reason=Reason("X", "why")))
        assert await house.site.orders.standing("68") == set()
        assert [order.stage for order in (await house.site.orders.board("68", 102.0)).orders] == ["canceled"]
        assert not (await house.site.orders.board("68", 102.0 + 4000)).orders


async def test_a_position_is_gone_a_minute_after_the_end(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await take(house, event(stage="in_transit"))
        with redis.Redis.from_url(redis_url) as client:
            client.set("ob:pos:lola:a", b"x", ex=600)
            await take(house, event(stage="fulfilled", heard=101.0))
            assert 0 < client.ttl("ob:pos:lola:a") <= 60


async def test_effects_are_stored_with_the_event_once(redis_url: str) -> None:
    async with housed(redis_url) as house:
        here = event(stage=None, digest="", policy="local", heard=101.0, arrival=Step("here"), store=None, code=None)
        assert await take(house, event(), here, here) == ["applied", "applied", "same"]
        with redis.Redis.from_url(redis_url) as client:
            assert client.zcard("ob:outbox") == 1


async def test_what_is_due_is_claimed_by_one(redis_url: str) -> None:
    async with housed(redis_url) as one, housed(redis_url) as other:
        await take(one, event(promised=Promise(None, 500.0), stage="preparing"))
        claims = await asyncio.gather(*(house.site.orders.claim(10_000.0, 10) for house in (one, other)))
        assert sorted(claims) == [[], ["lola:a"]]
        assert await one.site.orders.claim(10_011.0, 10) == ["lola:a"], "a lease ends by itself"


async def test_the_epoch_changes_when_the_data_is_emptied(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await take(house, event())
        before = await house.site.orders.heads(["68"])
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        after = await house.site.orders.heads(["68"])
        assert before.epoch != after.epoch
        assert (before.seqs, after.seqs) == ({"68": 1}, {"68": 0})
        assert await take(house, event(heard=102.0)) == ["applied"], "a remembered order does not stand in the way"


async def test_away_is_said_within_two_seconds() -> None:
    async with housed("unix:///nowhere/r.sock") as house:
        with pytest.raises(Away):
            async with asyncio.timeout(2):
                await house.site.intake.take(event(), b"")


async def test_unmet_replicas_are_not_acknowledged(redis_url: str) -> None:
    async with housed(redis_url) as plain:
        orders = type(plain.site.orders)(
            plain.site.orders._client, plain.site.orders._writer, plain.site.orders._listener, replicas=1
        )
        intake = Intake(orders, plain.site.quarantine, lambda told: None)
        with pytest.raises(Away):
            await intake.take(event(), b"")
        assert (await plain.site.intake.take(event(), b"")).verdict == "duplicate", "it may be stored all the same"


async def test_who_waits_for_its_turn_and_gives_up_is_no_harm_to_the_others(redis_url: str) -> None:
    async with housed(redis_url) as house:
        stages = ("placed", "confirmed", "assigned", "preparing")
        turns = [
            asyncio.create_task(take(house, event(stage=stage, heard=100.0 + n))) for n, stage in enumerate(stages)
        ]
        await asyncio.sleep(0)  # the first is at it, the others wait
        turns[1].cancel()
        done = await asyncio.wait_for(asyncio.gather(*turns, return_exceptions=True), 10)
        assert [isinstance(one, asyncio.CancelledError) for one in done] == [False, True, False, False]
        assert done[0] == done[2] == done[3] == ["applied"]
        order = await house.site.orders.get("lola:a")
        assert order is not None
        assert order.order.stage == "preparing"
