"""An export holds all that must last, and an import puts it back: the same to the last bit, or nothing at all."""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis
from msgspec.structs import replace
from pastdays import over, put
from rig import BEGUN, TOKEN, WAIT, Served, free_port, housed, settings_of
from rig import Shop as Premises
from test_relay import Screen

from app import main, providers
from app.cli import demo
from app.errors import Fatal
from app.intake import standing
from app.main import House
from app.orders import Order, OrderEvent, Step
from app.pace import Sample
from app.sandbox.day import rush
from app.sandbox.play import play
from app.sandbox.server import serve
from app.sandbox.shop import Shop
from app.sandbox.world import World
from app.settings import Settings, check
from app.store.carried import KINDS, LEFT, ORDERS, checked, meant, said, word
from app.store.carry import Export, Import
from app.store.clients import commands
from app.store.erasing import Erasing
from app.store.orders import Record, Write
from app.store.paces import Paces
from app.store.people import Guest, User
from app.store.quarantine import Kept

pytestmark = pytest.mark.anyio

APP = Path(__file__).parents[2] / "app"
CHANNELS = {"c", "node", "p", "pulse"}  # what is said there is kept nowhere
UNSEEN = {"qlost"}  # only of what quarantine has no room for
STEPS = 300  # of the sandbox's story, after how it began: at any start of it all kinds have come by the 155th


# ---- both ways ----


async def exported(url: str) -> list[bytes]:
    client = commands(url)
    try:
        export = Export(client)
        lines = [line async for line in export.lines("0.1", 1_800_000_000.0)]
        assert not export.unknown
        return lines
    finally:
        await client.aclose()


async def imported(house: House, lines: list[bytes], again: Iterable[bytes] = ()) -> dict[str, int]:
    orders, now = house.site.orders, time.time()
    back = Import(
        orders._client, orders, Erasing(orders._client, orders), lambda order, here: standing(order, here, now)
    )
    await back.run(again or lines, checked(lines))
    return dict(back.done)


def line(lines: list[bytes], key: str) -> dict[str, Any]:
    """What an export says of a key."""
    return next(told for text in lines if (told := json.loads(text)).get("key") == key)


def ended(lines: list[bytes]) -> list[bytes]:
    """With the end that fits."""
    return [*lines, json.dumps({"end": True, "lines": len(lines)}).encode()]


# ---- a shop as it is after a while ----


@contextlib.asynccontextmanager
async def lived(url: str, data: Path) -> AsyncIterator[Settings]:
    """The store that the application has left behind after the sandbox's story and all that staff do."""
    world = World()
    async with serve(world) as other:
        systems = {name: one.options for name, one in providers.load().items()}
        settings = check(demo.config(data, free_port(), other), {}, systems)
        served = await asyncio.to_thread(Served(settings, url).start)
        feeds = demo.feeds_of(settings, served.base)
        world.enrol(feeds)
        story = rush(feeds, seed=1, start=datetime.now(UTC))
        async with Shop(served.base, demo.TOKEN) as shop:
            await play(islice(story, STEPS), feeds, speed=1e6, world=world, on_follow=shop.follow)
            assert not shop.complaints
        try:
            await asyncio.to_thread(served.call, staff(served.house, settings))
            until = time.monotonic() + WAIT
            while missing := KINDS.keys() - words_of(url) - UNSEEN - {"outbox", "erased"}:
                assert time.monotonic() < until, f"never written: {missing}"
                await asyncio.sleep(0.1)  # what is heard, polled and called is written in its time
        finally:
            await asyncio.to_thread(served.stop)
    async with housed(url, settings) as house:
        await check_in(house, "later")  # a call that nobody makes any more
        await house.site.orders.ask("HSET", "ob:erased", "jane-68:erased", repr(time.time()))
    yield settings


def words_of(url: str) -> set[str]:
    with redis.Redis.from_url(url) as client:
        return {word(key.decode()) for key in client.keys("*")}


async def staff(house: House, settings: Settings) -> None:
    site, now = house.site, time.time()
    await site.people.save(User("mara", "manager", ("68",), "$argon2id$x", pin="$argon2id$y"))
    await site.people.admit(Guest("https://id.example|1", "Ola Nordmann", "staff", ("68",)))
    await site.people.meet("a browser", "mara", 3600)
    await site.tokens.issue("till", now)
    await site.people.enter("mara", now)
    await site.people.tries("mara", 5, 60)
    await site.screens.make("68", "tv", now - 1)
    screen, _ = await site.screens.make("68", "ready", now)
    await site.screens.saw([screen.id], now)
    for number in range(1_200):  # more than one line holds
        await site.audit.note("mara", "claimed", store="68", about=f"jane-68:{number}")
    own = (await site.orders.board("68", now)).orders[0]
    link, token = await site.links.make(own.key, "customer", now, "68")
    await site.links.share(link, token, now)
    paces = Paces(site.orders._client)
    await paces.learn("68", "pickup", own.key, now, Sample(item=61.5))
    await paces.settled("68", "ways")
    await check_in(house, "unheard-of")  # its order system refuses the call
    for number, body in enumerate((b"{nonsense", b"\xff\x00\x81", b'{"webhook_event": "x"}')):
        async with httpx2.AsyncClient(base_url=settings.server.public_url) as client:
            secret = settings.sources["jane-68"].secret
            await client.post(
                "/hooks/jane-68", content=body * (number + 1), headers={"Authorization": f"Bearer {secret}"}
            )


async def check_in(house: House, ref: str) -> None:
    common: Any = {"source": "jane-68", "provider": "jane", "ref": ref, "policy": "local", "heard": time.time()}
    new = OrderEvent(name="new", digest=f"n{ref}", stage="ready", fulfilment="curbside", store="68", **common)
    await house.site.intake.take(new, b'{"body": "\xc3\xa9"}')
    await house.site.intake.take(new, b'{"body": "\xc3\xa9"}')  # a repeat is a line of the ledger
    await house.site.intake.take(OrderEvent(name="here", digest="", arrival=Step("here"), **common), b"\xff\xfe")


async def answers(url: str, settings: Settings, now: float) -> dict[str, Any]:
    """What the application says of its data at an instant: boards, the API, and what its loops go by."""
    house = main.build(settings, url, lambda: now)
    site = house.site
    try:
        told: dict[str, Any] = {"pages of the API": await pages(house)}
        for store in settings.stores:
            snapshot = await site.orders.board(store, now)
            told["board " + store] = sorted(snapshot.orders, key=lambda order: order.key)
            told["links " + store] = await site.links.made(store)
            told["screens " + store] = await site.screens.of(store)
            told["day " + store] = await site.days.first(store)
        keys = [key for key, _ in await site.orders.page(0, 10_000)]
        told["newest first"] = keys
        for key in keys:
            record = await site.orders.get(key)
            told[key] = record and record.order, await site.orders.ledger(key)
            told["calls of " + key] = await site.outbox.of(key)
        told["coded"] = [await site.orders.coded(order.code) for order in told["board 68"] if order.code]
        told["due"] = (await site.orders.due(keys)).keys()
        told["dead"], told["people"] = await site.outbox.dead(100), await site.people.all()
        told["audit"] = await site.audit.page(count=5_000)
        told["paces"] = await Paces(site.orders._client).read()
        told["room"] = await site.orders.ask("GET", "ob:qsize:jane-68")
        told["follows"] = {name: await site.follows.count(name) for name in settings.sources}
        return told
    finally:
        await site.orders.close()


async def pages(house: House) -> list[Any]:
    """Answers of the JSON API, with none of the loops running that would change anything."""
    headers, found = {"Authorization": f"Bearer {demo.TOKEN}"}, list[Any]()
    through = httpx2.ASGITransport(app=house.app)
    async with httpx2.AsyncClient(transport=through, base_url="http://localhost:8000", headers=headers) as client:
        paths = ["/api/sources", "/api/quarantine"]
        wanted = {"limit": "20"}
        while True:
            page = (await client.get("/api/orders", params=wanted)).raise_for_status().json()
            found.append(page["items"])
            paths += [f"/api/orders/{item['source']}/{item['ref']}/ledger" for item in page["items"]]
            if not page["next"]:
                break
            wanted["cursor"] = page["next"]
        return [found, [(await client.get(path)).raise_for_status().json() for path in paths]]


async def test_all_that_must_last_comes_back_the_same(redis_url: str, tmp_path: Path) -> None:
    async with lived(redis_url, tmp_path) as settings:
        with redis.Redis.from_url(redis_url) as client:
            names = words_of(redis_url)
            lines, now = await exported(redis_url), time.time()
            before = await answers(redis_url, settings, now)
            client.flushall()
            async with housed(redis_url, settings) as house:
                done = await imported(house, lines)
            after, again = await answers(redis_url, settings, now), await exported(redis_url)
            kept = words_of(redis_url)
    assert names <= KINDS.keys() | ORDERS | LEFT, "a kind of key that nobody has said anything of"
    assert KINDS.keys() - names <= UNSEEN, "the story leaves some kinds of keys out, so that nothing is said of them"
    assert kept & LEFT <= {"id", "qsize"}
    assert again == lines
    for part, told in before.items():
        assert after[part] == told, part
    assert done["orders"] > 20


def test_every_key_in_the_code_is_carried_or_left_for_a_reason() -> None:
    text = "".join(path.read_text() for path in APP.rglob("*") if path.suffix in (".py", ".lua"))
    found = {name for name in re.findall(r"\bob:([a-z]+)", text) if name != "s"}
    assert found - KINDS.keys() - ORDERS - LEFT - CHANNELS == set()


@pytest.mark.parametrize(
    "value",
    [b"", b"text", "é\x00".encode(), b"\xff\xfe", b"\x81\xa1a\xc4\x02hi", b"\x82\xa1a\x01", b"\x91\xcb@" + bytes(7)],
)  # fmt: skip
def test_bytes_come_back(value: bytes) -> None:
    assert meant(json.loads(json.dumps(said(value)))) == value


async def test_people_can_read_it(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await check_in(house, "a1")
        await house.site.people.save(User("mara", "manager", ("68",), "hash"))
        await house.site.outbox.due(time.time(), 10)  # somebody has the call in hand
        lines = await exported(redis_url)
    head, order, *_, end = map(json.loads, lines)
    assert head == {"orderboard": "0.1", "schema": 1, "exported_at": "2027-01-15T08:00:00+00:00"}
    assert (order["order"]["ref"], order["order"]["stage"]) == ("a1", "ready")
    assert [row.get("body") for row in order["ledger"]] == ['{"body": "é"}', None, {"base64": "//4="}]
    assert line(lines, "ob:user:mara")["value"]["packed"]["stores"] == ["68"]
    assert line(lines, "ob:out:jane-68:a1:arrived")["value"].keys() == {"e"}
    assert end == {"end": True, "lines": len(lines) - 1}


async def test_a_store_that_is_busy_for_a_moment_costs_no_backup(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await check_in(house, "a1")
        lines = await exported(redis_url)
        await house.site.orders.ask("CLIENT", "PAUSE", 2_500, "ALL")
    assert await exported(redis_url) == lines


async def test_an_order_that_cannot_be_read_costs_no_other(redis_url: str) -> None:
    async with housed(redis_url) as house:
        for ref in ("a1", "a2", "a3"):
            await check_in(house, ref)
        await house.site.orders.ask("HSET", "ob:o:jane-68:a2", "b", b"\x91\x01")
    client = commands(redis_url)
    export = Export(client)
    lines = [json.loads(text) async for text in export.lines("0.1", 0.0)]
    await client.aclose()
    assert [told["order"]["ref"] for told in lines if "order" in told] == ["a1", "a3"]
    assert export.unread == 1
    assert lines[-1] == {"end": True, "lines": len(lines) - 1}


# ---- what is refused changes nothing ----

HEAD = b'{"orderboard":"0.1.0","schema":1,"exported_at":"2026-01-01T00:00:00+00:00"}'
GOOD = b'{"key":"ob:user:mara","type":"string","value":"x"}'
ORDER = b'{"order":{"source":"a","provider":"b","ref":"7","first":1.0}'
REFUSED = {
    "an empty one": ([], "ends early"),
    "a foreign one": ([b'{"some": "thing"}', GOOD], "isn't the header"),
    "no JSON": ([b"PK\x03\x04", GOOD], "isn't the header"),
    "a newer one": ([b'{"orderboard":"9.1","schema":2}', GOOD], "9.1"),
    "garbage": ([HEAD, GOOD, b"{nonsense", GOOD], "Line 3"),
    "no order": ([HEAD, b'{"order":{"source":"a","provider":"b","ref":7,"first":1.0}}'], "Line 2"),
    "a ledger's body": ([HEAD, ORDER + b',"ledger":[{"heard":1.0,"body":{"base64":"?"}}]}'], "Line 2"),
    "somebody's session": ([HEAD, b'{"key":"ob:session:x","type":"string","value":"x"}'], "Line 2"),
    "another program's key": ([HEAD, b'{"key":"user:mara","type":"string","value":"x"}'], "Line 2"),
    "another type": ([HEAD, GOOD, b'{"key":"ob:user:mara","type":"hash","value":{}}'], "Line 3"),
    "a score": ([HEAD, b'{"key":"ob:outbox","type":"zset","value":[["a","soon"]]}'], "Line 2"),
    "no number": ([HEAD, b'{"key":"ob:outbox","type":"zset","value":[["a",1e999]]}'], "Line 2"),
    "a number too large": ([HEAD, ORDER[:-1] + b',"rev":99999999999999999999}}'], "Line 2"),
    "a packed number too large": (
        [HEAD, b'{"key":"ob:user:a","type":"string","value":{"packed":[99999999999999999999]}}'],
        "Line 2",
    ),
    "a deep one": ([HEAD, b'{"key":"ob:user:a","type":"string","value":{"packed":' + b"[" * 9_000], "Line 2"),
    "an entry's number": ([HEAD, b'{"key":"ob:audit","type":"stream","value":[["now",{}]]}'], "Line 2"),
    "an end": ([HEAD, b'{"key":"ob:user:a","type":"string","expires":-7,"value":"x"}'], "Line 2"),
    "a list of one": ([HEAD, b'{"key":"ob:users","type":"set","value":7}'], "Line 2"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_no_export_changes_nothing(redis_url: str, what: str) -> None:
    lines, word_ = REFUSED[what]
    with pytest.raises(Fatal, match=re.escape(word_)) as told:
        async with housed(redis_url) as house:
            await imported(house, ended(lines) if lines else lines)
    assert "Nothing was changed." in str(told.value)
    with redis.Redis.from_url(redis_url) as client:
        assert client.keys("*") == []


async def test_a_cut_one_is_refused_wherever_it_is_cut(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await check_in(house, "a1")
    whole = b"\n".join(await exported(redis_url))
    for size in range(len(whole) - 1):
        with pytest.raises(Fatal):
            checked(whole[:size].splitlines())
    lines = whole.splitlines()
    for other in ([*lines[:2], *lines[3:]], [*lines, lines[1]], [*lines, *lines]):
        with pytest.raises(Fatal, match="too many"):
            checked(other)


# ---- what stands here ----


async def test_what_moved_on_since_is_left(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await put(house, [over(str(number), time.time() - 9_000) for number in range(3)])
        old = await exported(redis_url)
        event = {"source": "jane-68", "provider": "jane", "ref": "0", "policy": "local", "heard": time.time()}
        moved = OrderEvent(name="name", digest="n", store="123", **event)  # type: ignore[arg-type]
        await house.site.intake.take(moved)
        new = await exported(redis_url)
        await house.site.people.save(User("mara", "manager", ("68",), "new"))
        done = await imported(house, old)
        assert (done["newer"], done.get("orders", 0)) == (3, 0)
        assert (await exported(redis_url))[1:4] == new[1:4]


async def test_an_older_one_here_is_replaced_wherever_it_stood(redis_url: str) -> None:
    async with housed(redis_url) as house:
        came = time.time() - 5_000
        done = over("1", came)
        await put(house, [done])
        lines = await exported(redis_url)
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        await put(house, [replace(done, rev=2, store="123", stage="ready", end=None, ended_at=None)])
        assert (await imported(house, lines))["orders"] == 1
        assert [order.key for order in (await house.site.orders.board("68", time.time())).orders] == [done.key]
        assert (await house.site.orders.board("123", time.time())).orders == []
        again = await exported(redis_url)
        assert json.loads(again[1]) == {**json.loads(lines[1]), "codes": ["g1"]}
        assert await house.site.orders.coded("G1") == {done.key}


def cut(told: dict[str, Any]) -> dict[str, Any]:
    """A line without what stands in the middle of the trail."""
    if told.get("key") == "ob:audit":
        del told["value"][1]
    return told


async def test_what_staff_did_since_stays(redis_url: str) -> None:
    """Beside a server that has begun anew: accounts, links, calls and the trail of both are there in the end."""
    async with housed(redis_url) as house:
        site, now = house.site, time.time()
        await check_in(house, "a1")
        await site.people.save(User("mara", "manager", ("68",), "old"))
        await site.people.save(User("ola", "staff", ("68",), "old"))
        link, token = await site.links.make("jane-68:a1", "customer", now, "68")
        await site.audit.note("mara", "signed_in")
        await site.audit.note("mara", "claimed")
        await site.audit.note("mara", "signed_out")
        old = await exported(redis_url)
        between = line(old, "ob:audit")
        del between["value"][2], between["value"][0]
        old = ended([json.dumps(cut(json.loads(text))).encode() for text in old[:-1]])
        await site.outbox.due(time.time(), 10)
        call = (await site.outbox.of("jane-68:a1"))[0]
        await site.outbox.over(call, replace(call.note, state="done"))
        await imported(house, old)
        assert (await site.outbox.due(time.time() + 60, 10))[0] == [], "a call that was made is made again"
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
            client.xadd("ob:audit", {"d": meant(between["value"][0][1]["d"])}, between["value"][0][0])
        await site.people.save(User("mara", "manager", ("68",), "new"))
        await site.audit.note("mara", "expelled")
        for _ in range(2):  # twice is the same as once
            await imported(house, old)
            assert {user.name: user.password for user in await site.people.all()} == {"mara": "new", "ola": "old"}
            assert await site.links.find(token) == link
            trail = [deed.what for deed in (await site.audit.page())[0]]
            assert trail == ["expelled", "signed_out", "claimed", "signed_in"]
        assert [one.key for one in (await site.outbox.due(time.time(), 10))[0]] == [call.key]


async def test_what_was_erased_stays_out(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await put(house, [over(str(number), time.time() - 9_000) for number in range(3)])
        links = [await house.site.links.make(f"jane-68:{number}", "customer", time.time()) for number in range(3)]
        lines = await exported(redis_url)
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
            client.hset("ob:erased", "jane-68:0", repr(time.time()))
        erased = b'{"key":"ob:erased","type":"hash","value":{"jane-68:1":"1.0"}}'
        done = await imported(house, ended([*lines[:-1], erased]))
        assert [key for key, _ in await house.site.orders.page(0, 10)] == ["jane-68:2"]
        assert [await house.site.links.find(token) is None for _, token in links] == [True, True, False]
        await put(house, [over("3", time.time() - 9_000)])
        here = b'{"key":"ob:erased","type":"hash","value":{"jane-68:3":"1.0"}}'
        await imported(house, ended([lines[0], here]))
        assert await house.site.orders.get("jane-68:3") is None, "what another server was asked to forget goes here too"
    assert (done["orders"], done["gone"]) == (1, 2)


async def test_a_board_that_is_watched_shows_it(redis_url: str) -> None:
    async with housed(redis_url) as house:
        await check_in(house, "a1")
        lines = await exported(redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    served = await asyncio.to_thread(Served(settings_of(free_port()), redis_url).start)
    screen = Screen()
    watching = asyncio.create_task(screen.watch(served))
    async with asyncio.timeout(WAIT):
        while not screen.views:
            await asyncio.sleep(0.02)
        assert not screen.cards
        async with housed(redis_url) as house:
            await imported(house, lines)
        while not screen.cards:
            await asyncio.sleep(0.02)
    watching.cancel()
    await asyncio.to_thread(served.stop)


async def test_an_import_that_was_broken_off_is_begun_again(redis_url: str) -> None:
    async with housed(redis_url) as house:
        site = house.site
        for ref in ("a1", "a2"):
            await check_in(house, ref)
            await site.links.make("jane-68:" + ref, "customer", time.time(), "68")
            await site.audit.note("mara", "claimed")
            await site.quarantine.keep(Kept("jane-68", "unreadable", "", time.time(), "POST", "", b"", ref.encode()))
            await site.follows.follow("lola", "lola:" + ref, b"x", 1.0)
        lines, room = await exported(redis_url), await site.orders.ask("GET", "ob:qsize:jane-68")
        for count in range(1, len(lines)):
            await site.orders.ask("FLUSHALL")
            with pytest.raises(InterruptedError):
                await imported(house, lines, broken(lines, count))
            await imported(house, lines)
            assert (await exported(redis_url)) == lines
            assert await site.orders.ask("GET", "ob:qsize:jane-68") == room


def broken(lines: list[bytes], count: int) -> Iterator[bytes]:
    yield from lines[:count]
    raise InterruptedError


async def test_events_that_come_meanwhile_are_whole(redis_url: str) -> None:
    """Beside a server at work: whichever comes first, an order stands as its ledger says."""
    async with housed(redis_url) as house:
        for number in range(60):
            await house.site.intake.take(event(number, "placed", 1.0))
            await house.site.intake.take(event(number, "preparing", 2.0))
        lines = await exported(redis_url)
        await house.site.orders.ask("FLUSHALL")
    async with housed(redis_url) as house, housed(redis_url) as other:
        coming = [other.site.intake.take(event(number, "ready", 3.0)) for number in range(60)]
        _, *_ = await asyncio.gather(imported(house, lines), *coming)
        found = await house.site.orders.read([f"jane-68:{number}" for number in range(60)])
        assert len(found) == 60
        for key, record in found.items():
            names = [entry.name for entry in await house.site.orders.ledger(key)]
            assert names == ["placed", "preparing", "ready"][: len(names)]
            assert record.order.stage == names[-1]
            await other.site.intake.take(event(int(record.order.ref), "staged", 4.0))
        assert {order.stage for order in (await house.site.orders.board("68", 5.0)).orders} == {"staged"}


async def test_what_changes_while_it_is_looked_at_is_looked_at_again(redis_url: str) -> None:
    async with housed(redis_url) as house:
        orders, tags = house.site.orders, ["1.stale"]
        await house.site.intake.take(event(1, "placed", 1.0))
        lines = await exported(redis_url)
        await orders.ask("FLUSHALL")

        def stale(order: Order, here: Record | None) -> Write:
            write = standing(order, here, 1.0)
            return replace(write, expected=tags.pop()) if tags else write

        await Import(orders._client, orders, Erasing(orders._client, orders), stale).run(lines, set())
        assert not tags
        assert (await exported(redis_url)) == lines


def event(number: int, stage: str, heard: float) -> OrderEvent:
    return OrderEvent(
        source="jane-68", provider="jane", ref=str(number), name=stage, digest=f"{stage}{number}", policy="local",
        heard=heard, stage=stage, fulfilment="curbside", store="68",
    )  # fmt: skip


# ---- the commands ----


def command(shop: Premises, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-m", "app.cli", "--config", str(shop.config), *words]
    return subprocess.run(line, capture_output=True, timeout=BEGUN, check=False, **options)


def test_from_a_running_server_into_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = Premises(tmp_path / "a"), Premises(tmp_path / "b")
    one.start()
    one.wait()
    one.command("user", "add", "mara", "--store", "68", "--password-stdin", said="a long password\n")
    headers, path = {"Authorization": f"Bearer {TOKEN}"}, "/api/orders/jane-68/a1"
    with httpx2.Client(base_url=one.base, headers=headers, timeout=WAIT) as client:
        placed = {"source": "manual", "store": "68", "code": "G7", "customer": {"name": "Ada"}, "fulfilment": "pickup"}
        answer = client.post("/api/orders", json=placed)
        assert answer.status_code == 201, answer.text
        path = f"/api/orders/manual/{answer.json()['ref']}"
        before = [client.get(path).json(), client.get(path + "/ledger").json()]
    saved = command(one, "export")
    assert (saved.returncode, saved.stderr) == (0, b"")
    one.stop()

    cut = command(two, "import", input=saved.stdout[: len(saved.stdout) // 2])
    assert (cut.returncode, cut.stdout) == (1, b"")
    assert b"Nothing was changed." in cut.stderr
    done = command(two, "import", input=saved.stdout)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"Imported 1 order, 1 account." in done.stderr
    assert b"Ada" not in done.stderr
    assert command(two, "export").stdout.splitlines()[1:] == saved.stdout.splitlines()[1:]
    two.start()
    two.wait()
    with httpx2.Client(base_url=two.base, headers=headers, timeout=WAIT) as client:
        assert [client.get(path).json(), client.get(path + "/ledger").json()] == before
    again = command(two, "import", input=saved.stdout)
    assert b"Imported 0 orders. 1 stood here as new or newer, and stayed." in again.stderr
    two.stop()


async def test_stores_that_nobody_shows_are_named(redis_url: str, tmp_path: Path) -> None:
    async with housed(redis_url) as house:
        await put(house, [over(store, time.time() - 9_000, store=store) for store in ("68", "123")])
        lines = await exported(redis_url)
        await house.site.orders.ask("FLUSHALL")
    shop = Premises(tmp_path, f'redis_url = "{redis_url}"')
    done = await asyncio.to_thread(command, shop, "import", input=b"\n".join(lines))
    assert b"Imported 2 orders." in done.stderr
    assert b"which the config doesn't name: 123." in done.stderr


async def test_who_has_seen_enough_is_not_complained_to(redis_url: str, tmp_path: Path) -> None:
    async with housed(redis_url) as house:
        await put(house, [over(str(number), time.time() - 9_000) for number in range(500)])
    shop = Premises(tmp_path, f'redis_url = "{redis_url}"')
    line = f"{sys.executable} -m app.cli --config {shop.config} export | head -n 1"
    done = await asyncio.to_thread(subprocess.run, line, shell=True, capture_output=True, timeout=BEGUN, check=False)
    assert json.loads(done.stdout)["schema"] == 1
    assert done.stderr == b""
    full = await asyncio.to_thread(
        subprocess.run, line.replace("| head -n 1", "> /dev/full"), shell=True, capture_output=True, check=False
    )
    assert full.returncode == 1
    assert b"can't be written" in full.stderr
