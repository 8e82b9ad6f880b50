"""An order is forgotten: nothing of it is left, whoever looks at it is told, and nothing brings it back."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
from beside import settings, until, working
from msgspec.structs import replace
from pastdays import over, put
from rig import SECRET, TOKEN, WAIT, Served, Shop, free_port, housed, settings_of
from test_line import lola
from test_relay import Screen, truth
from test_store import event, take
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app import metrics, providers
from app.cli.erase import about
from app.embedded import find
from app.main import House
from app.orders import Customer, Step
from app.services.retention import Retention
from app.store.clients import commands
from app.store.erasing import Erasing, Gone
from app.store.orders import Write
from app.store.quarantine import Kept
from app.trips import Fix

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
BEARER = {"Authorization": f"Bearer {SECRET}"}
# what is known of one person's order, and of nobody else's
REF, CODE, OLD = "cart-9f3a", "qx77", "qx76"
TEXTS = (REF, CODE, OLD, "Wilhelmina", "5550147", "Larkspur")


def jane(ref: str = REF, status: str = "ready_for_pickup", **more: Any) -> dict[str, Any]:
    cart = {
        "id": 7469, "uuid": ref, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
        "queue_number": CODE, "customer_name": "Wilhelmina Oduya", "customer_phone_number": "+1 555 5550147",
        "customer_address": "9 Larkspur Row", "products": [], **more,
    }  # fmt: skip
    return {"cart": cart, "webhook_event": "cart_status_updated"}


OTHER = {"queue_number": "B2", "customer_name": "Ann", "customer_phone_number": "1", "customer_address": "2 Elm St"}


async def call(served: Served, method: str, path: str, body: Any = None, head: Any = API) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        content = None if body is None else json.dumps(body).encode()
        answer = await client.request(method, path, content=content, headers=head)
    assert answer.status_code < 300, answer.text
    return answer


async def link(served: Served, ref: str = REF) -> str:
    answer = await call(served, "POST", f"/api/orders/jane-68/{ref}/links")
    return str(answer.json()["url"]).rpartition("/")[2]


async def lived(served: Served) -> None:
    """An order that has left something wherever an order can; and another, of which everything stays."""
    for ref, more in ((REF, {}), ("other", OTHER)):
        await call(served, "POST", "/hooks/jane-68", jane(ref, "verification", **{"queue_number": OLD, **more}), BEARER)
        await call(served, "POST", "/hooks/jane-68", jane(ref, **more), BEARER)
        await link(served, ref)
    site = served.house.site
    for state in ("on_my_way", "here"):
        said = event(REF, None, source="jane-68", provider="jane", policy="local", arrival=Step(state), code=None)
        served.call(site.intake.take(said))
    key = f"jane-68:{REF}"
    assert served.call(site.positions.locate(key, "68", Fix(37.7, -122.4, 1.0)))
    assert served.call(site.follows.follow("jane-68", key, b"Wilhelmina", 9e9))
    assert served.call(site.follows.swept(key))


def left(url: str, *texts: str) -> dict[str, list[str]]:
    """By text, the keys that have it in their name or value; without what may name an erased order."""
    with redis.Redis.from_url(url) as client:
        found: dict[str, list[str]] = {text: [] for text in texts}
        for name in sorted(set(client.scan_iter())):
            whole = name + repr(_value(client, name)).encode()
            for text in texts:
                if text.encode() in whole and name not in (b"ob:erased", b"ob:audit"):
                    found[text].append(name.decode())
    return found


def _value(client: redis.Redis, name: bytes) -> Any:
    read = {
        b"string": client.get, b"hash": client.hgetall, b"set": client.smembers, b"stream": client.xrange,
        b"list": lambda key: client.lrange(key, 0, -1), b"zset": lambda key: client.zrange(key, 0, -1),
        b"none": lambda _: None,  # it has expired since it was listed
    }  # fmt: skip
    return read[client.type(name)](name)


@contextlib.asynccontextmanager
async def eraser(url: str, house: House) -> AsyncIterator[Erasing]:
    client = commands(url)
    try:
        yield Erasing(client, house.site.orders)
    finally:
        await client.aclose()


def erased(served: Served, key: str = f"jane-68:{REF}") -> Gone | None:
    async def erase() -> Gone | None:
        async with eraser(served.url, served.house) as erasing:
            return await erasing.erase(key, 1000.0)

    gone: Gone | None = served.call(erase())
    return gone


@contextlib.asynccontextmanager
async def watched(served: Served) -> AsyncIterator[Screen]:
    """The board, with both orders on it."""
    screen = Screen()
    watching = asyncio.create_task(screen.watch(served))
    async with asyncio.timeout(WAIT):
        while len(screen.cards) < 2:
            await asyncio.sleep(0.02)
    try:
        yield screen
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def settled(screen: Screen, served: Served) -> None:
    async with asyncio.timeout(WAIT):
        while len(screen.cards) != 1 or screen.cards.keys() != truth(served).keys():
            await asyncio.sleep(0.02)


async def code(socket: ClientConnection) -> int:
    """With which the socket is closed."""
    async with asyncio.timeout(WAIT):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code


async def test_nothing_is_left_of_it(served: Served) -> None:
    await lived(served)
    before = left(served.url, *TEXTS, "other")
    kinds = {name.partition(":")[2].partition(":")[0] for names in before.values() for name in names}
    assert {"o", "l", "d", "f", "pos", "links", "link", "out", "outs", "code", "codes", "all", "due", "s"} <= kinds
    assert all(before.values()), "each text was somewhere"
    gone = erased(served)
    assert gone is not None
    assert (gone.store, gone.order, gone.journeys, gone.links, gone.calls) == ("68", True, 0, 1, 1)
    assert gone.lines >= 4
    after = left(served.url, *TEXTS, "other")
    assert {text: names for text, names in after.items() if text != "other"} == {text: [] for text in TEXTS}
    assert after["other"] == before["other"], "nothing of another order has gone"
    assert erased(served, "jane-68:nobody") is None
    assert erased(served) == Gone(f"jane-68:{REF}", "", False, 0, 0, 0, 0), (
        "asked for again it finds nothing, and is no error"
    )


async def test_who_looks_at_it_is_told(served: Served) -> None:
    await lived(served)
    token = await link(served)
    async with watched(served) as screen, connect(f"{served.ws}/live/track/{token}") as socket:
        await socket.recv()
        site, key = served.house.site, f"jane-68:{REF}"
        assert key in site.intake._known
        assert any(name[1] == REF for name in site.render._pages)
        assert erased(served) is not None
        assert await code(socket) == 4404
        async with asyncio.timeout(WAIT):
            while key in site.intake._known or any(name[1] == REF for name in site.render._pages):
                await asyncio.sleep(0.02)
        await settled(screen, served)
        assert screen.views == 1, "its card went by name, not with the whole view"


async def test_who_missed_the_word_reads_anew(served: Served, redis_url: str) -> None:
    await lived(served)
    async with watched(served) as screen:
        with redis.Redis.from_url(redis_url) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        assert erased(served) is not None
        await settled(screen, served)


async def test_a_late_event_brings_nothing_back(served: Served, redis_url: str) -> None:
    await lived(served)
    assert erased(served) is not None
    late = jane(status="completed", customer_note="Larkspur")
    answers = [await call(served, "POST", "/hooks/jane-68", late, BEARER) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    async with housed(redis_url) as other:  # a node that never knew it
        said = event(REF, "ready", source="jane-68", provider="jane", customer=Customer(name="Wilhelmina"))
        assert await take(other, said) == ["duplicate"]
        assert not await other.site.follows.follow("jane-68", f"jane-68:{REF}", b"Wilhelmina", 1.0)
        assert not await other.site.positions.locate(f"jane-68:{REF}", "68", Fix(37.7, -122.4, 1.0))
    assert not any(left(served.url, *TEXTS).values())
    assert await call(served, "POST", "/hooks/jane-68", jane("other", "completed", **OTHER), BEARER)


async def test_it_can_be_neither_followed_nor_placed_again(redis_url: str) -> None:
    served = Served(settings("http://127.0.0.1:9", free_port()), redis_url).start()
    try:
        follow = {"source": "insta", "ref": "order-o1"}
        place = {"source": "manual", "ref": "order-m1", "store": "68", "code": "7"}
        for said in (follow, {**place, "fulfilment": "pickup"}):
            await call(served, "POST", "/api/orders", said)
            new = event(said["ref"], source=said["source"], provider="instacart")
            served.call(served.house.site.intake.take(new))
            assert erased(served, f"{said['source']}:{said['ref']}") is not None
            with pytest.raises(AssertionError, match="was erased"):
                await call(served, "POST", "/api/orders", said)
        assert not any(left(served.url, "order-o1", "order-m1").values())
    finally:
        served.stop()


async def test_a_journey_goes_with_the_order_that_it_became(redis_url: str) -> None:
    async with housed(redis_url) as house, eraser(redis_url, house) as erasing:
        aifi: dict[str, Any] = {"source": "aifi", "provider": "aifi", "store": "123", "code": None}
        entered = event("session:b3b2c1", "cart", **aifi)
        paid = event("order-77", "placed", heard=101.0, journey="session:b3b2c1", **aifi)
        assert await take(house, entered, paid) == ["applied", "applied"]
        gone = await erasing.erase("aifi:session:b3b2c1", 1000.0)
        assert gone is not None
        assert gone.journeys == 1
        again = [event("session:b3b2c1", "cart", heard=102.0, **aifi), event("order-77", "ready", heard=103.0, **aifi)]
        assert await take(house, *again, paid) == ["duplicate"] * 3
        assert left(redis_url, "b3b2c1", "order-77") == {"b3b2c1": [], "order-77": []}


async def test_what_an_import_brought_back_is_erased_again(redis_url: str) -> None:
    async with housed(redis_url) as house, eraser(redis_url, house) as erasing:
        await take(house, event("gone", customer=Customer(name="Wilhelmina")), event("stays"))
        with redis.Redis.from_url(redis_url) as client:
            saved = {name: client.dump(name) for name in client.scan_iter("ob:?:lola:gone")}
            assert len(saved) == 3
            assert await erasing.erase("lola:gone", 1000.0) is not None
            assert await erasing.replay() == 0
            for name, value in saved.items():
                client.restore(name, 0, value)
            assert await erasing.replay() == 1
            assert client.hgetall("ob:erased") == {b"lola:gone": b"1000.0"}
        assert left(redis_url, "gone", "Wilhelmina") == {"gone": [], "Wilhelmina": []}
        assert await house.site.orders.get("lola:stays") is not None


async def test_full_memory_keeps_nothing_from_being_erased(redis_url: str) -> None:
    async with housed(redis_url) as house, eraser(redis_url, house) as erasing:
        await take(house, event())
        with redis.Redis.from_url(redis_url) as client:
            client.config_set("maxmemory", "1")
            try:
                assert await erasing.erase("lola:a", 1000.0) is not None
            finally:
                client.config_set("maxmemory", "0")
        assert await house.site.orders.get("lola:a") is None


# ---- what ended long ago ----

DAY = 86_400.0


def retired() -> float:
    return metrics.REGISTRY.get_sample_value("orderboard_retired_total") or 0.0


async def test_what_ended_long_ago_goes_once_and_the_rest_stays(redis_url: str) -> None:
    now, counted = time.time(), retired()
    async with housed(redis_url) as house:
        old = [over(f"old{i}", now - 31 * DAY) for i in range(120)]
        standing = replace(over("open", now - 90 * DAY), end=None, ended_at=None)
        await put(house, [*old, over("young", now - 29 * DAY), standing])
        await house.site.links.make("jane-68:old7", "customer", now - 31 * DAY, "68")
        with redis.Redis.from_url(redis_url) as client:
            client.hset("ob:o:jane-68:broken", mapping={"t": "1", "b": "no order"})
            client.zadd("ob:ended", {"jane-68:broken": 1.0})
            async with working(redis_url, settings_of(), "retention"), working(redis_url, settings_of(), "retention"):
                await until(lambda: client.zcard("ob:ended") == 2, "retention")
                await asyncio.sleep(0.3)
                async with eraser(redis_url, house) as third:
                    assert not await third.turn(60), "it was somebody's turn a moment ago"
                    async with asyncio.timeout(WAIT):
                        assert await Retention(third, 30, time.time).clean() == 0
            kept = {key.decode() for key in client.scan_iter("ob:o:*")}
            assert kept == {"ob:o:jane-68:young", "ob:o:jane-68:open", "ob:o:jane-68:broken"}
            assert not client.exists("ob:erased"), "nobody asked for it: an order of that name may come again"
            assert list(client.scan_iter("ob:link*")) == []
        assert retired() - counted == 120
        assert left(redis_url, "old") == {"old": []}


async def test_an_order_that_is_open_again_stays(redis_url: str) -> None:
    async with housed(redis_url) as house, eraser(redis_url, house) as erasing:
        await take(house, event(heard=100.0), event(stage="fulfilled", heard=200.0), event("b", heard=100.0))
        assert await erasing.over(300.0, 10) == ["lola:a"]
        assert await erasing.retire(["lola:a", "lola:b"], 200.0) == 0, "it ended then, not before"
        ended = await house.site.orders.get("lola:a")
        assert ended is not None
        back = replace(ended.order, end=None, ended_at=None)
        await house.site.orders.commit(
            Write("lola:a", "", ended.tag, b"", 300.0, order=back, changed=True, state="open")
        )
        assert await erasing.retire(["lola:a", "lola:b"], 400.0) == 0
        assert await house.site.orders.get("lola:a") is not None


async def test_without_a_period_orders_stay(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await put(house, [over("old", time.time() - 900 * DAY)])
        async with working(redis_url, settings_of(retention_days=0), "retention"):
            await asyncio.sleep(0.5)
        assert await house.site.orders.get("jane-68:old") is not None


# ---- the command ----


async def test_the_command_beside_a_running_server(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.start()
    try:
        await shop.ready()
        with httpx2.Client(base_url=shop.base, timeout=WAIT, headers=BEARER) as client:
            assert client.post("/hooks/jane-68", json=jane()).status_code == 202
            ours, others = jane(), [jane(REF + "1", **OTHER), jane("1" + REF, **OTHER)]
            odd = [{**body, "webhook_event": "unheard of"} for body in (ours, *others)]
            assert [client.post("/hooks/jane-68", json=body).status_code for body in odd] == [202, 202, 202]
            torn = json.dumps(jane())[:-9].encode()
            head = {"Content-Type": "application/json"}
            assert client.post("/hooks/jane-68", content=torn, headers=head).status_code == 400
            assert client.post(f"/api/orders/jane-68/{REF}/links", headers=API).status_code == 201
            assert b"Wilhelmina" in _written(shop)
            wrong = _refused(shop, "erase", "jane-68", CODE)
            assert f"no order '{CODE}' of 'jane-68'" in wrong
            assert "no source 'jane'" in _refused(shop, "erase", "jane", REF)
            said = shop.command("erase", "jane-68", REF)
            assert said == f"Erased jane-68 {REF}: the order, 1 ledger line, 1 link, 2 bodies in quarantine.\n"
            assert client.get(f"/api/orders/jane-68/{REF}", headers=API).status_code == 404
            again = shop.command("erase", "jane-68", REF)
            assert again == f"jane-68 {REF} was erased before. Nothing of it was left.\n"
            assert client.post("/hooks/jane-68", json=jane(status="completed")).status_code == 202
        url = await asyncio.to_thread(find, tmp_path / "data")
        assert url is not None
        assert b"Wilhelmina" not in _written(shop), "nor is it on disk"
        names = {name for names in left(url, *TEXTS).values() for name in names}
        with redis.Redis.from_url(url) as data:
            kept = {f"ob:qe:{name.decode()}" for name in data.zrange("ob:q:jane-68", 0, -1)}
            assert names == kept, "bodies about other orders stay in quarantine"
            assert len(kept) == 2
            assert b"order_erased" in data.xrevrange("ob:audit", count=1)[0][1][b"d"]
    finally:
        shop.stop()


@pytest.mark.parametrize(
    ("ref", "body", "meant"),
    [
        ("3fa85f64", lola("order.confirmed", "2026-01-10T10:00:00Z"), True),
        ("3fa85f64", lola("order.confirmed", "2026-01-10T10:00:00Z", "other", note="3fa85f64"), False),
        ("3fa85f64", {"id": "3fa85f64"}, True),
        ("3f", {"id": "3f"}, False),
    ],
)
def test_what_is_in_quarantine_about_an_order(ref: str, body: Any, meant: bool) -> None:
    """Where a body can be read, that tells; where not, a ref of some length standing by itself."""
    source, system = settings_of().sources["lola"], providers.load()["lolamarket"]
    kept = Kept("lola", "unknown store", "", 1.0, "POST", "", b"", json.dumps(body).encode())
    assert about(kept, f"lola:{ref}", source, system) is meant


def _written(shop: Shop) -> bytes:
    """What the files of Redis hold."""
    return b"".join(
        path.read_bytes() for path in (shop.folder / "data" / "redis").rglob("appendonly*") if path.is_file()
    )


def _refused(shop: Shop, *words: str) -> str:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        shop.command(*words)
    assert refused.value.returncode == 1
    return str(refused.value.stderr)


async def test_the_file_of_redis_is_written_anew_once_a_day(redis_url: str) -> None:
    async with housed(redis_url) as house, eraser(redis_url, house) as erasing:
        with redis.Redis.from_url(redis_url) as client:
            await erasing.tidy(0)
            assert not client.exists("ob:rewritten")
            await erasing.tidy(3)
            assert client.ttl("ob:rewritten") > 80_000
            assert not client.exists("ob:unwritten")
            await erasing.tidy(1)
            await erasing.tidy(0)
            assert client.exists("ob:unwritten"), "what went since waits for tomorrow"
            client.delete("ob:rewritten")
            await erasing.tidy(0)
            assert not client.exists("ob:unwritten")
