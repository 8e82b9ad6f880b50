"""Screens on the wall: who may see them, how they end, what never reaches them; and they always equal a fresh one."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2
import pytest
import redis
from rig import TOKEN, WAIT, Served, free_port, settings_of
from test_relay import NOW, Screen, change, feeds
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.orders import Customer, Destination, Handling, Item, OrderEvent, Promise, Reason, Shopper, Step
from app.sandbox.day import Step as Said
from app.sandbox.day import day
from app.sandbox.play import play

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
PANES = {"tv": "screen", "ready": "ready"}


async def call(served: Served, method: str, path: str, body: Any = None, headers: Any = None) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        content = None if body is None else json.dumps(body).encode()
        return await client.request(method, path, content=content, headers=API if headers is None else headers)


async def made(served: Served, kind: str = "tv", store: str = "68") -> tuple[str, str]:
    """A new screen: its id and its token."""
    answer = await call(served, "POST", f"/api/stores/{store}/screens", {"kind": kind})
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert set(said) == {"id", "url"}
    assert said["url"].startswith(f"{served.base}/screen/")
    return said["id"], said["url"].rsplit("/", 1)[1]


async def frame(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(WAIT):
        while "content" not in (said := json.loads(await socket.recv())):
            pass
        return dict(said)


async def code(socket: ClientConnection) -> int:
    """With which the socket is closed."""
    async with asyncio.timeout(WAIT):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
        await socket.wait_closed()
    return socket.close_code or 0


def take(served: Served, ref: str, **said: Any) -> None:
    plain: dict[str, Any] = {"name": "word", "digest": f"{ref}{said}", "policy": "event_time", "store": "68"}
    heard = said.pop("heard", time.time())
    served.call(
        served.house.site.intake.take(
            OrderEvent(source="lola", provider="lolamarket", ref=ref, heard=heard, **{**plain, **said})
        )
    )


# ---- who may ----


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/api/stores/68/screens", {"kind": "tv"}, {"X-None": "1"}, 401),
        ("POST", "/api/stores/68/screens", {"kind": "tv"}, {"Authorization": "Bearer x"}, 401),
        ("POST", "/api/stores/none/screens", {"kind": "tv"}, API, 404),
        ("POST", "/api/stores/68/screens", {"kind": "wall"}, API, 400),
        ("POST", "/api/stores/68/screens", {}, API, 400),
        ("POST", "/api/stores/68/screens", {"kind": "tv", "more": 1}, API, 400),
        ("DELETE", "/api/screens/none", None, API, 404),
        ("DELETE", "/api/screens/none", None, {"X-None": "1"}, 401),
    ],
)
async def test_who_may_make_a_screen(
    served: Served, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    assert (await call(served, method, path, body, headers)).status_code == status


@pytest.mark.parametrize("kind", PANES)
async def test_an_ended_screen_closes_and_looks_like_one_that_never_was(served: Served, kind: str) -> None:
    name, token = await made(served, kind)
    other = await made(served, kind)
    page = await call(served, "GET", f"/screen/{token}", headers={})
    assert page.status_code == 200
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    async with (
        connect(f"{served.ws}/live/screen/{token}") as socket,
        connect(f"{served.ws}/live/screen/{other[1]}") as stays,
    ):
        await frame(socket)
        await frame(stays)
        assert (await call(served, "DELETE", f"/api/screens/{name}")).status_code == 204
        assert await code(socket) == 4403
        take(served, "a", stage="ready", fulfilment="pickup", code="G1")
        assert "G1" in (await frame(stays))["content"]
    gone = [await call(served, "GET", f"/screen/{one}", headers={}) for one in (token, "x", "y" * 32, "z" * 300)]
    assert {page.status_code for page in gone} == {404}
    assert len({page.text for page in gone}) == 1
    async with connect(f"{served.ws}/live/screen/{token}") as socket:
        assert await code(socket) == 4404
    assert (await call(served, "DELETE", f"/api/screens/{name}")).status_code == 404


async def test_another_sites_page_opens_no_screen(served: Served) -> None:
    _, token = await made(served)
    async with connect(f"{served.ws}/live/screen/{token}", origin="https://evil.example") as socket:  # type: ignore[arg-type]
        assert await code(socket) == 4403


async def test_a_tracking_link_opens_no_screen(served: Served) -> None:
    take(served, "a", stage="confirmed")
    url = (await call(served, "POST", "/api/orders/lola/a/links")).json()["url"]
    assert (await call(served, "GET", "/screen/" + url.rsplit("/", 1)[1], headers={})).status_code == 404
    _, token = await made(served)
    assert (await call(served, "GET", f"/t/{token}", headers={})).status_code == 404


async def test_a_screen_never_says_that_it_has_shown_somebody(served: Served) -> None:
    _, token = await made(served)
    take(served, "a", stage="ready", fulfilment="curbside")
    take(served, "a", policy="local", arrival=Step("here", bay="2"))
    async with connect(f"{served.ws}/live/screen/{token}") as socket:
        assert "o-" in (await frame(socket))["content"]
        await socket.send(json.dumps({"shown": "lola:a"}))
        take(served, "b", stage="preparing")
        await frame(socket)
        await asyncio.sleep(0.2)
    record = served.call(served.house.site.orders.get("lola:a"))
    assert record.order.arrival.shown_at is None


# ---- what never reaches a screen ----

SECRETS = (
    "Smithers", "555 0199", "5550199", "smith@", "Tesla", "7ABC123", "Lukasz", "Nowak", "Elm Street", "buzzer", "Brie",
    "wrong door", "zq98xk",
)  # fmt: skip
ATTRIBUTES = {
    "id", "class", "href", "datetime", "aria-hidden", "hx-target", "hx-swap", "data-lane", "data-key", "data-attention",
    "data-level", "data-clock", "data-at", "data-ago", "data-since", "data-about",
}  # fmt: skip


def people(served: Served) -> None:
    """Orders in every place of a screen, each with all that an order can know of a person."""
    now = time.time()
    whole: dict[str, Any] = {
        "customer": Customer("Ada Smithers", "+1 555 0199", "smith@example.com", "ZQ98XK"),
        "shopper": Shopper("s", "Lukasz Nowak"),
        "destination": Destination("12 Elm Street"),
        "handling": Handling("Ring the buzzer", notes="wrong door"),
        "items": (Item("1", "Brie", 1.0), Item("2", "Brie de Meaux", 1.0, state="found")),
        "whole": True,
        "delivery_code": "ZQ98XK",
        "reason": Reason("X", "wrong door, ask Nowak"),
    }
    for ref, stage, kind, due, flags in (
        ("new", "confirmed", "delivery", 5000, ()),
        ("pick", "preparing", "pickup", 5000, ()),
        ("hold", "preparing", "pickup", 5000, ("on_hold",)),
        ("late", "preparing", "delivery", -60, ("Lukasz_called",)),
        ("missing", "in_transit", "delivery", 5000, ("customer_missing",)),
        ("ready", "ready", "pickup", 5000, ()),
        ("here", "ready", "curbside", 5000, ()),
        ("lost", "ready", "curbside", 5000, ()),
        ("courier", "in_transit", "delivery", 5000, ()),
        ("back", "canceled", "delivery", 5000, ("returning",)),
    ):
        take(served, ref, stage=stage, fulfilment=kind, promised=Promise(None, now + due), flags=flags, **whole)
    for ref in ("here", "lost"):
        take(served, ref, policy="local", arrival=Step("here", bay="2", vehicle="Red Tesla 7ABC123"))
    take(served, "lost", policy="local", by="mara", arrival=Step("claimed"))
    take(served, "lost", policy="local", by="mara", arrival=Step("cannot_find"))


@pytest.mark.parametrize(("kind", "places"), [("tv", 10), ("ready", 5)])
async def test_only_codes_and_first_names_reach_a_screen(served: Served, kind: str, places: int) -> None:
    _, token = await made(served, kind)
    async with connect(f"{served.ws}/live/screen/{token}") as socket:
        wire = [(await frame(socket))["content"]]
        await asyncio.to_thread(people, served)
        pushed: set[str] = set()
        async with asyncio.timeout(WAIT):
            while len(pushed) < places:
                wire.append((await frame(socket))["content"])
                pushed |= set(re.findall(r'id="(o-\w+)"', wire[-1]))
    async with connect(f"{served.ws}/live/screen/{token}") as socket:
        wire.append((await frame(socket))["content"])
    page = (await call(served, "GET", f"/screen/{token}", headers={})).text
    cards = "".join(re.findall(r"<(?:article|li)[^>]*data-lane.*?</(?:article|li)>", wire[-1], re.DOTALL))
    assert cards.count("Ada") == places
    for text in [*wire, page]:
        assert not [word for word in SECRETS if word.lower() in text.lower()]
    assert set(re.findall(r'\s([\w-]+)="', cards)) <= ATTRIBUTES


# ---- always equal to a fresh one ----


class Wall(Screen):
    async def look(self, served: Served, token: str) -> None:
        async with connect(f"{served.ws}/live/screen/{token}", max_size=None) as socket:
            async for text in socket:
                said = json.loads(text)
                if "content" in said:
                    self.take(said["content"])


def truth(served: Served, kind: str) -> dict[str, str]:
    """The screen as it would be drawn from the data now, by nobody who heard of changes."""
    snapshot = served.call(served.house.site.orders.board("68", NOW))
    pane = served.house.site.render.panes[PANES[kind]]
    cards = (pane.card(order, NOW, None) for order in snapshot.orders)
    return {card.id: card.html.strip() for card in cards if card is not None}


@pytest.fixture
def pair(redis_url: str) -> Iterator[list[Served]]:
    """Two nodes on one Redis. Their clock stands still, so that equal orders look equal."""
    running = [Served(settings_of(free_port()), redis_url, clock=lambda: NOW).start() for _ in range(2)]
    yield running
    for node in running:
        node.stop()


async def quiet(walls: list[tuple[str, Wall]], node: Served) -> dict[str, dict[str, str]]:
    """Waits until every screen shows the truth."""
    async with asyncio.timeout(40):
        while True:
            await asyncio.sleep(0.3)
            wanted = {kind: await asyncio.to_thread(truth, node, kind) for kind in PANES}
            if all(wall.cards == wanted[kind] for kind, wall in walls):
                return wanted


def unended(story: Sequence[Said]) -> list[Said]:
    """A day without each order's last three events: so that many are still under way."""
    left = Counter(step.ref for step in story)
    kept = []
    for step in story:
        left[step.ref] -= 1
        if left[step.ref] >= 3:
            kept.append(step)
    return kept


async def test_screens_that_join_at_any_time_end_up_equal(pair: list[Served]) -> None:
    rng = Random(11)
    story = day(feeds(pair[0]), seed=11, start=datetime.fromtimestamp(NOW - 36_000, UTC), orders=40)
    tokens = {kind: (await made(pair[0], kind))[1] for kind in PANES}
    walls: list[tuple[str, Wall]] = []
    boards = [Screen()]
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(boards[0].watch(pair[1]))]

        async def come_and_go() -> None:
            for number in range(12):
                kind, wall = ("tv", "ready")[number % 2], Wall()
                task = tasks.create_task(wall.look(rng.choice(pair), tokens[kind]))
                watching.append(task)
                if rng.random() < 0.3:
                    await asyncio.sleep(rng.uniform(0.05, 0.4))
                    task.cancel()
                else:
                    walls.append((kind, wall))
                await asyncio.sleep(rng.uniform(0.05, 0.3))

        coming = tasks.create_task(come_and_go())
        await play(unended(story), feeds(pair[0]), speed=1e9)
        await coming
        wanted = await quiet(walls, pair[0])
        for task in watching:
            task.cancel()
    assert len(wanted["tv"]) > 5, "nothing was on the screen, so nothing was tested"
    assert sum(wall.frames for _, wall in walls) > 10, "nothing changed while they watched"
    assert all(wall.views for _, wall in walls)
    assert len(boards[0].cards) >= len(wanted["tv"]), "a board shows all that a screen does"


async def test_a_killed_subscription_and_emptied_data_are_made_good(pair: list[Served], redis_url: str) -> None:
    _, token = await made(pair[0], "tv")
    wall = Wall()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(wall.look(pair[1], token))
        await asyncio.sleep(0.5)
        with redis.Redis.from_url(redis_url) as client:
            for number in range(60):
                pair[0].call(pair[0].house.site.intake.take(change(number)))
                if number == 30:
                    client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            assert len((await quiet([("tv", wall)], pair[0]))["tv"]) == 60
            names = [name for name in client.keys("ob:screen*") if client.type(name) == b"string"]
            with client.pipeline() as all_but_the_screen:
                kept = client.mget(names)
                all_but_the_screen.flushall().mset(dict(zip(names, kept, strict=True))).execute()
        assert await quiet([("tv", wall)], pair[0]) == {"tv": {}, "ready": {}}
        watching.cancel()
