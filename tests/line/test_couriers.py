"""Positions on the wire: to whom they belong, while somebody is on the way, and to nobody else."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from rig import TOKEN, WAIT, Served, free_port, settings_of
from websockets.asyncio.client import ClientConnection, connect

from app.hub import Hub
from app.mailbox import Fragment, Mailbox
from app.orders import Destination, OrderEvent, Shopper
from app.trips import Fix
from app.wire import Sender

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
SHOP = (37.7599, -122.4148)
DOORS = {"a": (37.7710, -122.4282), "b": (37.7480, -122.4010)}
WAYS = {"a": (37.765131, -122.421377), "b": (37.753219, -122.408765)}
PLACE = re.compile(r'data-kind="who" data-place="([^"]+)"')


@pytest.fixture
def shop(redis_url: str) -> Iterator[Served]:
    made = settings_of(free_port(), map_tiles="none")
    store = replace(made.stores["68"], latitude=SHOP[0], longitude=SHOP[1])
    running = Served(replace(made, stores=made.stores | {"68": store}), redis_url).start()
    yield running
    running.stop()


def take(shop: Served, ref: str, stage: str, **more: Any) -> None:
    now = time.time()
    said = {"destination": Destination(f"{ref} Street", *DOORS[ref]), "shopper": Shopper("1", "Dev Patel"), **more}
    event = OrderEvent(
        source="lola", provider="lolamarket", ref=ref, name=stage, digest=f"{ref}{now}", policy="event_time", heard=now,
        at=now, stage=stage, store="68", code=f"C{ref}", **said,
    )  # fmt: skip
    shop.call(shop.house.site.intake.take(event))


def locate(shop: Served, ref: str, place: tuple[float, float], at: float | None = None) -> bool:
    fix = Fix(*place, time.time() if at is None else at)
    kept: bool = shop.call(shop.house.site.positions.locate(f"lola:{ref}", "68", fix))
    return kept


def path(shop: Served, ref: str, kind: str = "customer") -> str:
    _, token = shop.call(shop.house.site.links.make(f"lola:{ref}", kind, time.time()))
    return f"/live/track/{token}"


def track(shop: Served, ref: str, kind: str = "customer") -> connect:
    return connect(shop.ws + path(shop, ref, kind), max_size=None)


async def until(socket: ClientConnection, fits: Callable[[str], object], all_of_it: list[str] | None = None) -> str:
    """The first content that fits; what came on the way is kept in `all_of_it`."""
    async with asyncio.timeout(WAIT):
        while True:
            content = json.loads(await socket.recv()).get("content", "")
            if all_of_it is not None:
                all_of_it.append(content)
            if fits(content):
                return str(content)


async def rest(socket: ClientConnection, seconds: float = 0.5) -> str:
    said = ""
    try:
        async with asyncio.timeout(seconds):
            while True:
                said += str(await socket.recv())
    except TimeoutError:
        return said


def near(place: tuple[float, float]) -> str:
    return f"{place[0]:.6f},{place[1]:.6f}"


async def test_each_page_hears_of_its_own_courier_alone(shop: Served) -> None:
    for ref in "ab":
        take(shop, ref, "in_transit")
    heard: dict[str, list[str]] = {"a": [], "b": []}
    async with track(shop, "a") as one, track(shop, "b") as other:
        for socket in (one, other):
            assert PLACE.search(await until(socket, bool)) is None
        for step in range(3):
            for ref in "ab":
                assert locate(shop, ref, (WAYS[ref][0] + step * 0.0003, WAYS[ref][1]))
        for ref, socket in (("a", one), ("b", other)):
            last = near((WAYS[ref][0] + 2 * 0.0003, WAYS[ref][1]))
            await until(socket, lambda said, last=last: last in said, heard[ref])
    for ref, foreign in (("a", "b"), ("b", "a")):
        said = "".join(heard[ref])
        assert "#trip-map" in said
        for number in (f"{WAYS[foreign][1]:.6f}", f"{DOORS[foreign][0]:.6f}", f"{foreign} Street", f"C{foreign}"):
            assert number not in said


async def test_a_position_moves_no_number(shop: Served) -> None:
    take(shop, "a", "in_transit")
    async with track(shop, "a") as socket:
        first = json.loads(await socket.recv())
        locate(shop, "a", WAYS["a"])
        second = json.loads(await socket.recv())
        assert "#trip-map" in second["content"]
        assert second["id"] == first["id"]
        take(shop, "a", "in_transit", bags=3)
        third = json.loads(await socket.recv())
        assert int(third["id"].rpartition(":")[2]) == int(first["id"].rpartition(":")[2]) + 1
        assert near(WAYS["a"]) in third["content"], "the page itself has the position too"
    record = shop.call(shop.house.site.orders.get("lola:a"))
    assert record.order.version == 2
    lines = shop.call(shop.house.site.orders.ledger("lola:a"))
    assert not any(b"37.7651" in line.body for line in lines)


async def test_nobody_sees_anybody_before_or_after(shop: Served) -> None:
    take(shop, "a", "preparing")
    locate(shop, "a", WAYS["a"])
    async with track(shop, "a") as socket:
        page = await until(socket, bool)
        assert "trip-map" not in page
        locate(shop, "a", WAYS["a"])
        assert "37.765131" not in await rest(socket)
        take(shop, "a", "in_transit")
        await until(socket, lambda said: near(WAYS["a"]) in said)
        take(shop, "a", "fulfilled")
        ended = await until(socket, lambda said: "Delivered" in said)
        assert "trip-map" not in ended
        assert "37.765" not in ended
        assert not locate(shop, "a", (37.7652, -122.4214)), "an order that has ended takes no position"
        assert "37.765" not in await rest(socket)
    left = shop.call(shop.house.site.positions.ask("TTL", "ob:pos:lola:a"))
    assert 0 < left <= 60


async def test_a_delegate_hears_when_and_never_where(shop: Served) -> None:
    take(shop, "a", "in_transit")
    locate(shop, "a", WAYS["a"], time.time() - 30)
    async with track(shop, "a", "delegate") as socket:
        said = [await until(socket, bool)]
        locate(shop, "a", (WAYS["a"][0] + 0.001, WAYS["a"][1]))
        await until(socket, lambda content: "#trip-when" in content, said)
    whole = "".join(said)
    assert "position" in whole, "the range says what it rests on"
    assert "<b>" in whole
    for told in ("data-place", "from your door", "37.7", "122.4", "a Street"):
        assert told not in whole


async def test_odd_positions_say_nothing(shop: Served) -> None:
    take(shop, "a", "in_transit")
    async with track(shop, "a") as socket:
        await until(socket, bool)
        for odd in ((0.0, 0.0), (91.0, 10.0), (10.0, 181.0), (float("nan"), 1.0), (float("inf"), 1.0)):
            assert not locate(shop, "a", odd)
        at = time.time()
        locate(shop, "a", WAYS["a"], at)
        await until(socket, lambda said: near(WAYS["a"]) in said)
        locate(shop, "a", (37.7, -122.4), at - 5)
        assert "37.700000" not in await rest(socket), "older than what is shown"


async def test_a_board_hears_of_all_at_most_once_a_second(shop: Served) -> None:
    for ref in "ab":
        take(shop, ref, "in_transit")
    async with connect(f"{shop.ws}/live/board/68", additional_headers=API, max_size=None) as socket:
        await until(socket, bool)
        frames: list[str] = []
        until_then = time.monotonic() + 2.5
        step = 0
        while time.monotonic() < until_then:
            step += 1
            for ref in "ab":
                locate(shop, ref, (WAYS[ref][0] + step * 0.0001, WAYS[ref][1]))
            frames += re.findall("#way-in", await rest(socket, 0.1))
        last = [near((WAYS[ref][0] + step * 0.0001, WAYS[ref][1])) for ref in "ab"]
        said = await until(socket, lambda content: all(place in content for place in last))
        assert 1 <= len(frames) <= 3
        assert "Street" not in said
        take(shop, "a", "fulfilled")
        gone = await until(socket, lambda content: "#way-in" in content and last[0] not in content)
        assert last[1] in gone


async def test_a_page_that_comes_later_is_told_at_once(shop: Served) -> None:
    take(shop, "a", "in_transit")
    for age in (60, 40, 20):
        locate(shop, "a", (WAYS["a"][0] - age * 0.00002, WAYS["a"][1]), time.time() - age)
    async with track(shop, "a") as socket:
        page = await until(socket, bool)
    assert PLACE.search(page)
    assert "away." in page


async def test_what_waits_for_a_slow_page_is_not_told_after_the_end() -> None:
    """A position is superseded by the page's next state, though both wait for the same socket."""

    async def send(_: object) -> None:
        """Nobody reads."""

    hub, socket = Hub(), Sender(send)
    mailbox = Mailbox(socket)
    hub.join("track:a", mailbox)
    mailbox.open("e:1", "the page", {"track": 1, "trip": 5})
    socket.congested = True
    hub.deliver("track:a", "e:1", {"trip": Fragment(6, "on Main Street")})
    hub.deliver("track:a", "e:2", {"track": Fragment(2, "delivered"), "trip": Fragment(7, "")})
    socket.congested = False
    mailbox.flush()
    assert mailbox.position == "e:2"
    written = socket.buffered()
    hub.deliver("track:a", "e:2", {"trip": Fragment(4, "on Oak Street")})
    assert socket.buffered() == written, "older than the page that was read"
    assert written < len('{"id":"e:1","content":"the page"}{"id":"e:2","content":"delivered"}') + 10
