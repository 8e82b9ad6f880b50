"""A store's ways: orders for later, who has not been seen, what is learnt; all by the clock, on every node alike."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx2
import msgspec
import pytest
from rig import TOKEN, WAIT, Served, free_port, housed, settings_of
from test_relay import Screen
from websockets.asyncio.client import ClientConnection, connect

from app.orders import Entry, Item, Mark, Order, OrderEvent, Promise, Stamp, Step, attention
from app.settings import Settings

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
HOUR = 3600.0


class Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def settings(**store: Any) -> Settings:
    plain = settings_of(free_port())
    return msgspec.structs.replace(
        plain, stores={**plain.stores, "68": msgspec.structs.replace(plain.stores["68"], **store)}
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(redis_url: str, clock: Clock) -> Iterator[Served]:
    made = Served(settings(show_before=60, checkin_before=20, phone="+1 555 0100"), redis_url, clock).start()
    yield made
    made.stop()


def event(ref: str = "1", **said: Any) -> OrderEvent:
    known: dict[str, Any] = {"source": "lola", "provider": "lolamarket", "ref": ref, "name": "word", "store": "68"}
    known |= {"digest": f"{ref}{said}", "policy": "event_time", "fulfilment": "curbside", "code": f"G{ref}"}
    return OrderEvent(**known | said)


def take(served: Served, ref: str = "1", **said: Any) -> Any:
    site = served.house.site
    return served.call(site.intake.take(event(ref, **{"heard": site.clock(), **said})))


def board(served: Served) -> Any:
    return connect(f"{served.ws}/live/board/68", additional_headers=API)


async def content(socket: ClientConnection, words: str) -> str:
    """The first frame with these words in it."""
    async with asyncio.timeout(WAIT):
        while True:
            said = json.loads(await socket.recv())
            if words in said.get("content", ""):
                return str(said["content"])


async def get(served: Served, path: str) -> Any:
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        return (await client.get(path, headers=API)).json()


def lanes(markup: str) -> dict[str, str]:
    return dict(re.findall(r'id="([^"]+)" data-lane="(\w+)"', markup))


async def test_an_order_for_later_comes_by_the_clock_alone(shop: Served, clock: Clock) -> None:
    async with board(shop) as socket:
        begins = time.time() + 3 * HOUR
        await asyncio.to_thread(take, shop, stage="placed", promised=Promise(begins, begins + HOUR))
        assert list(lanes(await content(socket, "G1")).values()) == ["later"]
        assert [order["ref"] for order in (await get(shop, "/api/stores/68/board"))["items"]] == ["1"]
        clock.ahead = 2 * HOUR + 1
        moved = lanes(await content(socket, 'data-lane="new"'))
        async with board(shop) as fresh:
            assert lanes(await content(fresh, "G1")) == moved


async def test_what_needs_somebody_is_never_for_later(shop: Served) -> None:
    begins = time.time() + 3 * HOUR
    promised = Promise(begins, begins + HOUR)
    for ref, said in {"1": {"flags": ("on_hold",)}, "2": {"stage": "preparing"}, "3": {"flags": ("late",)}}.items():
        await asyncio.to_thread(take, shop, ref, **{"stage": "placed", "promised": promised, **said})
    await asyncio.to_thread(take, shop, "4", stage="placed", promised=promised)
    way = Step("on_my_way")
    await asyncio.to_thread(take, shop, "4", policy="local", arrival=way)
    async with board(shop) as socket:
        assert set(lanes(await content(socket, "G1")).values()) == {"new", "picking"}


async def test_a_check_in_that_nobody_has_seen_alarms_by_the_clock_alone(shop: Served, clock: Clock) -> None:
    await asyncio.to_thread(take, shop, stage="ready")
    _, token = await asyncio.to_thread(shop.call, shop.house.site.links.make("lola:1", "customer", time.time()))
    async with (
        board(shop) as socket,
        connect(f"{shop.ws}/live/track/{token}", additional_headers={"Origin": shop.base}) as page,
    ):
        await asyncio.to_thread(take, shop, name="here", digest="", policy="local", arrival=Step("here", "1"))
        assert "data-alarm" not in await content(socket, 'data-lane="waiting"')
        clock.ahead = 21.0
        assert "Nobody has seen this check-in" in await content(socket, 'data-alarm="unseen"')
        await content(page, "555 0100")
        await socket.send(json.dumps({"shown": "lola:1"}))
        assert "data-alarm" not in await content(socket, 'data-lane="waiting"')
    seen = (await get(shop, "/api/orders/lola/1"))["attention"]
    assert seen["level"] == "waiting"


async def test_a_store_says_how_early_people_may_come(shop: Served, clock: Clock) -> None:
    begins = time.time() + HOUR
    await asyncio.to_thread(take, shop, stage="preparing", promised=Promise(begins, None))
    _, token = await asyncio.to_thread(shop.call, shop.house.site.links.make("lola:1", "customer", time.time()))

    async def here() -> int:
        async with httpx2.AsyncClient(base_url=shop.base, timeout=WAIT) as client:
            answer = await client.post(f"/t/{token}/arrival", data={"state": "here"}, headers={"Origin": "null"})
            return answer.status_code

    clock.ahead = HOUR - 21 * 60
    assert await here() == 409
    clock.ahead = HOUR - 19 * 60
    assert await here() == 303


# ---- what is learnt ----


def finished(ref: str, item: float) -> Order:
    began = time.time() - HOUR
    steps = {"preparing": 0, "picked": item * 10, "ready": item * 10 + 90, "fulfilled": item * 10 + 900}
    line = tuple(Entry(stage, began + at) for stage, at in steps.items())
    stamp = Stamp(line[-1].at, line[-1].at)
    return Order(
        source="lola", provider="lolamarket", ref=ref, first=began, stage="fulfilled", store="68", fulfilment="pickup",
        items=tuple(Item(str(n), state="found") for n in range(10)), timeline=line, ended_at=line[-1].at,
        end=Mark("fulfilled", "", stamp, stamp),
    )  # fmt: skip


async def test_every_node_learns_the_same_and_a_replay_teaches_nothing(redis_url: str) -> None:
    async with housed(redis_url) as one, housed(redis_url) as two:
        asked = finished("asked", 1)
        for n in range(9):
            one.work.houses.ended(finished(f"o{n}", 20 + n))
        for _ in range(50):
            one.work.houses.ended(finished("o0", 20))  # again and again the same
        await one.work.houses.look()
        await two.work.houses.look()
        assert one.work.houses.of(asked) is two.work.houses.of(asked) is None
        two.work.houses.ended(finished("o9", 29))
        await two.work.houses.look()
        await one.work.houses.look()
        house = one.work.houses.of(asked)
        assert house is not None
        assert house == two.work.houses.of(asked)
        assert (round(house.pace.item, 1), house.pace.picked, house.pace.learnt) == (24.5, pytest.approx(90.0), 10)
        asked.fulfilment = "delivery"
        assert one.work.houses.of(asked) is None


async def test_an_order_carries_the_pace_it_was_judged_by(redis_url: str) -> None:
    async with housed(redis_url) as one, housed(redis_url) as two:
        now = time.time()
        goods = tuple(Item(str(n)) for n in range(40))
        said = event(stage="confirmed", heard=now, at=now, items=goods, whole=True, promised=Promise(None, now + 2000))
        before = (await one.site.intake.take(said)).order
        for n in range(10):
            one.work.houses.ended(finished(f"o{n}", 50))
        await one.work.houses.look()
        assert attention(before, now).code == ""
        await one.site.intake.touch(before.key, now)
        stored = await two.site.orders.get(before.key)
        assert stored is not None
        assert stored.order.house is not None
        # 40 lines of 50 s and 90 s at the till: too late, though nobody has begun
        assert attention(stored.order, now).code == "at_risk"


async def test_a_new_config_reaches_open_orders(redis_url: str) -> None:
    begins = time.time() + 3 * HOUR
    async with housed(redis_url) as plain:
        await plain.site.intake.take(event(stage="placed", heard=time.time(), promised=Promise(begins, None)))
        assert await plain.work.houses.settle()
        seq = (await plain.site.orders.heads(["68"])).seqs["68"]
    for _ in range(2):
        async with housed(redis_url, settings(show_before=60)) as later:
            await later.work.houses.settle()
            stored = await later.site.orders.get("lola:1")
            assert stored is not None
            assert attention(stored.order, time.time()).code == "later"
            assert (await later.site.orders.heads(["68"])).seqs["68"] == seq + 1  # told once
            due = await later.site.orders.due(["lola:1"])
            assert due["lola:1"] == pytest.approx(begins - HOUR)


# ---- whatever happens, and whenever: what was pushed is what a fresh page shows ----


class Still:
    """A clock that moves only when it is told to."""

    now = 1_795_300_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pair(redis_url: str) -> Iterator[tuple[Still, list[Served]]]:
    still = Still()
    nodes = [Served(settings(show_before=30), redis_url, still).start() for _ in range(2)]
    yield still, nodes
    for node in nodes:
        node.stop()


FIGURES = re.compile(r'<b>[^<]*</b><span class="unit">[^<]*|(?<=data-ago=")[^<]*|<rect class="(?:needle|wait)[^>]*>')


def said(card: str) -> str:
    """A card without what the page itself keeps up to date: clocks, ages, how far the needle is."""
    return FIGURES.sub("", card)


def truth(node: Served, now: float) -> dict[str, str]:
    site = node.house.site
    made = (site.render.card(order, now) for order in node.call(site.orders.board("68", now)).orders)
    return kept({card.id: card.html.strip() for card in made if card is not None}, now)


def kept(cards: dict[str, str], now: float) -> dict[str, str]:
    """What ended an hour ago the page takes off by itself: the Done lane counts for an hour."""
    early = now < Still.now + HOUR
    return {name: said(card) for name, card in cards.items() if early or 'data-lane="done"' not in card}


STAGES = ("placed", "confirmed", "assigned", "preparing", "preparing", "picked", "staged", "ready", "fulfilled")


def happening(rng: Random, now: float) -> OrderEvent:
    ref = str(rng.randrange(9))
    match rng.randrange(7):
        case 0:
            by_hand = {"policy": "hand", "name": "by hand", "by": "sam", "stage": rng.choice((*STAGES, None))}
            return event(ref, heard=now, digest="", store=None, code=None, fulfilment=None, **{**by_hand})
        case 1 | 2:
            step = Step(rng.choice(("on_my_way", "here", "here", "claimed", "cannot_find", "handed_over")), "1")
            return event(ref, heard=now, digest="", policy="local", name=step.state, by="sam", arrival=step)
        case 3:
            return event(ref, heard=now, at=now, flags=(rng.choice(("on_hold", "late", "rescheduled")),))
        case 4:
            left = rng.randrange(12)
            goods = tuple(Item(str(n), state="pending" if n < left else "found", asked=n == 11) for n in range(12))
            return event(ref, heard=now, at=now, items=goods, whole=True)
        case _:
            end, at = now + rng.randrange(-300, 7200), now - rng.choice((0, 0, 900))
            return event(ref, heard=now, at=at, stage=rng.choice(STAGES), promised=Promise(end - 900, end))


@pytest.mark.parametrize("seed", [1, 2])
async def test_what_was_pushed_is_what_a_fresh_page_shows(pair: tuple[Still, list[Served]], seed: int) -> None:
    still, nodes = pair
    rng, screens, codes = Random(seed), [Screen(), Screen()], set[str]()
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(screen.watch(node)) for screen, node in zip(screens, nodes, strict=True)]
        late = 0  # how often the clock alone had to move something
        for _ in range(14):
            for _ in range(8):
                node = rng.choice(nodes)
                await asyncio.to_thread(node.call, node.house.site.intake.take(happening(rng, still.now)))
            still.now += rng.choice((5, 21, 61, 130, 290, 950))
            async with asyncio.timeout(5 * WAIT):
                while True:
                    wanted = await asyncio.to_thread(truth, nodes[0], still.now)
                    shown = [kept(screen.cards, still.now) for screen in screens]
                    if shown == [wanted, wanted]:
                        break
                    late += 1
                    await asyncio.sleep(0.05)
            codes |= set(re.findall(r'data-lane="(\w+)"', "".join(wanted.values())))
        for task in watching:
            task.cancel()
    assert late > 0, "the clock moved nothing"
    assert codes >= {"waiting", "needs", "later"}


async def test_a_word_that_comes_too_late_still_ends_no_news(redis_url: str) -> None:
    async with housed(redis_url) as house:
        intake, now = house.site.intake, time.time()
        await intake.take(event(stage="preparing", heard=now - 2000, at=now - 2000))
        await intake.touch("lola:1", now)
        before = (await house.site.orders.heads(["68"])).seqs["68"]
        outcome = await intake.take(event(stage="placed", heard=now, at=now - 3000))
        assert (outcome.verdict, outcome.order.version) == ("late", 1)
        assert attention(outcome.order, now).code == ""
        assert (await house.site.orders.heads(["68"])).seqs["68"] == before + 1  # boards are told
