"""Snapshot and frames together are always a fresh snapshot, whatever is lost, late or cut on the way."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import pytest
import redis
from msgspec.structs import replace
from rig import SECRET, TOKEN, Served, free_port, housed, settings_of
from websockets.asyncio.client import connect

from app.mailbox import Mailbox
from app.orders import OrderEvent
from app.render import card_id
from app.sandbox.day import Feed, day
from app.sandbox.play import play
from app.store.clients import commands
from app.store.erasing import Erasing
from app.wire import Frame, Socket

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
NOW = 1_800_000_000.0
PART = re.compile(r'<hx-partial hx-target="#(\w+)" hx-swap="(\w+)">(.*?)</hx-partial>', re.DOTALL)
CARD = re.compile(r'<(article|li)\b[^>]*\bid="(o-[0-9a-f]{16})".*?</\1>', re.DOTALL)
GONE = re.compile(r'<i id="(o-[0-9a-f]{16})">')
SETTLED = 8.0  # seconds of quiet that a fault may take to heal: the heads are compared every second


class Screen:
    """What a board shows: its cards, by the frames it was sent."""

    def __init__(self) -> None:
        self.cards: dict[str, str] = {}
        self.views = self.frames = 0

    def take(self, content: str) -> None:
        for _, swap, inner in PART.findall(content):
            found = {card.group(2): card.group(0) for card in CARD.finditer(inner)}
            if swap == "view":
                self.cards, self.views = found, self.views + 1
            elif swap == "cards":
                self.cards.update(found)
                self.frames += 1
            else:
                for name in GONE.findall(inner):
                    self.cards.pop(name, None)

    async def watch(self, served: Served, store: str = "68") -> None:
        async with connect(f"{served.ws}/live/board/{store}", additional_headers=API, max_size=None) as socket:
            async for text in socket:
                said = json.loads(text)
                if "content" in said:
                    self.take(said["content"])


def truth(served: Served, store: str = "68") -> dict[str, str]:
    """The board as it would be drawn from the data now, by nobody who heard of changes."""
    snapshot = served.call(served.house.site.orders.board(store, NOW))
    made = (served.house.site.render.card(order, NOW) for order in snapshot.orders)
    return {card.id: card.html.strip() for card in made if card is not None}


@pytest.fixture
def nodes(redis_url: str) -> Iterator[list[Served]]:
    """Two nodes on one Redis. Their clock stands still, so that equal orders look equal."""
    running = [Served(settings_of(free_port()), redis_url, clock=lambda: NOW).start() for _ in range(2)]
    yield running
    for node in running:
        node.stop()


async def quiet(screens: list[Screen], node: Served) -> dict[str, str]:
    """Waits until every screen shows the truth, or for as long as a fault may take to heal."""
    async with asyncio.timeout(5 * SETTLED):
        while True:
            await asyncio.sleep(0.3)
            wanted = await asyncio.to_thread(truth, node)
            if all(screen.cards == wanted for screen in screens):
                return wanted


def feeds(node: Served) -> list[Feed]:
    common = {"secret": SECRET, "store": "68", "store_name": "Jane's Shop", "timezone": "America/Los_Angeles"}
    return [
        Feed(source="jane-68", provider="jane", url=f"{node.base}/hooks/jane-68", **common),
        Feed(source="lola", provider="lolamarket", url=f"{node.base}/hooks/lola", bags_item="98761", **common),
    ]


async def test_screens_that_join_at_any_time_end_up_equal(nodes: list[Served]) -> None:
    rng = Random(7)
    story = day(feeds(nodes[0]), seed=7, start=datetime.fromtimestamp(NOW - 36_000, UTC), orders=40)
    screens: list[Screen] = []
    async with asyncio.TaskGroup() as tasks:
        watching = []

        async def come_and_go() -> None:
            for _ in range(12):
                screen = Screen()
                task = tasks.create_task(screen.watch(rng.choice(nodes)))
                watching.append(task)
                if rng.random() < 0.3:
                    await asyncio.sleep(rng.uniform(0.05, 0.4))
                    task.cancel()
                else:
                    screens.append(screen)
                await asyncio.sleep(rng.uniform(0.05, 0.3))

        coming = tasks.create_task(come_and_go())
        half = len(story) // 2
        odd = [step for step in story if hash(step.ref) % 2]
        even = [step for step in story if not hash(step.ref) % 2]
        assert half
        await asyncio.gather(play(odd, feeds(nodes[0]), speed=1e9), play(even, feeds(nodes[1]), speed=1e9))
        await coming
        wanted = await quiet(screens, nodes[0])
        for task in watching:
            task.cancel()
    assert len(wanted) > 5, "nothing was on the board, so nothing was tested"
    assert sum(screen.frames for screen in screens) > 20, "nothing changed while they watched"
    assert all(screen.views for screen in screens)


def change(number: int) -> OrderEvent:
    """A new order each time: what is lost on the way is never made good by a later change."""
    return OrderEvent(
        source="lola", provider="lolamarket", ref=f"r{number}", name="word", digest=str(number), policy="event_time",
        heard=NOW, at=NOW - 5000 + number, stage="placed", store="68", code=f"C{number}",
    )  # fmt: skip


async def test_a_subscription_killed_three_times_loses_nothing(nodes: list[Served], redis_url: str) -> None:
    """1,500 changes at one node, watched at the other: what is announced in the gaps is read from the journal."""
    screens = [Screen() for _ in range(4)]
    killed = 0
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(screen.watch(node)) for screen, node in zip(screens, nodes * 2, strict=True)]
        await asyncio.sleep(0.5)
        with redis.Redis.from_url(redis_url) as client:
            for number in range(1500):
                nodes[0].call(nodes[0].house.site.intake.take(change(number)))
                if number in (400, 800, 1200):
                    killed += int(client.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))
                if number % 50 == 0:
                    await asyncio.sleep(0)
        wanted = await quiet(screens, nodes[0])
        for task in watching:
            task.cancel()
    assert killed >= 3, "no subscription was killed"
    assert len(wanted) == 1500
    assert all(screen.frames > 1 for screen in screens), "nothing changed while they watched"


async def test_emptied_data_is_noticed_and_shown(nodes: list[Served], redis_url: str) -> None:
    screen = Screen()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(screen.watch(nodes[1]))
        for number in range(3):
            nodes[0].call(nodes[0].house.site.intake.take(change(number)))
        assert len(await quiet([screen], nodes[0])) == 3
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        assert await quiet([screen], nodes[0]) == {}
        nodes[0].call(nodes[0].house.site.intake.take(change(5)))
        assert len(await quiet([screen], nodes[0])) == 1
        watching.cancel()


def moving() -> OrderEvent:
    """Of the order of `change(0)`."""
    return OrderEvent(
        source="lola", provider="lolamarket", ref="r0", name="word", digest="moved", policy="event_time", heard=NOW,
        at=NOW, stage="confirmed", store="123",
    )  # fmt: skip


async def test_a_move_takes_the_card_from_one_board_to_the_other(nodes: list[Served]) -> None:
    here, there = Screen(), Screen()
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(here.watch(nodes[1], "68")), tasks.create_task(there.watch(nodes[0], "123"))]
        nodes[0].call(nodes[0].house.site.intake.take(change(0)))
        await quiet([here], nodes[0])
        nodes[1].call(nodes[1].house.site.intake.take(moving()))
        async with asyncio.timeout(5 * SETTLED):
            while here.cards or not there.cards:
                await asyncio.sleep(0.1)
        for task in watching:
            task.cancel()
    assert list(there.cards) == [card_id("lola:r0")]


async def erased(node: Served, key: str) -> None:
    async with commands(node.url) as client:
        await Erasing(client, node.house.site.orders).erase(key, NOW)


async def shows(screen: Screen, *refs: str) -> None:
    wanted = {card_id(f"lola:{ref}") for ref in refs}
    async with asyncio.timeout(5 * SETTLED):
        while not screen.views or screen.cards.keys() != wanted:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("watched", ["when it left", "only afterwards"])
@pytest.mark.parametrize("how", ["moved", "erased"])
async def test_an_answer_older_than_the_leaving_puts_nothing_back(nodes: list[Served], watched: str, how: str) -> None:
    """A node's own event was stored, then the order left the store, and the store's answer to the event comes last."""
    site, other, screen = nodes[0].house.site, nodes[1].house.site, Screen()
    nodes[0].call(site.intake.take(change(0)))
    record = nodes[0].call(site.orders.get("lola:r0"))
    late = replace(record.order, rev=record.order.rev + 1)
    seq = nodes[0].call(site.orders.heads(["68"])).seqs["68"] + 1
    async with asyncio.TaskGroup() as tasks:
        if watched == "when it left":
            watching = tasks.create_task(screen.watch(nodes[0]))
            await shows(screen, "r0")
        nodes[1].call(other.intake.touch("lola:r0", NOW))  # stands for the event: it has the number `seq`
        if how == "moved":
            nodes[1].call(other.intake.take(moving()))
        else:
            nodes[1].call(erased(nodes[1], "lola:r0"))
        if watched == "only afterwards":
            watching = tasks.create_task(screen.watch(nodes[0]))
        await shows(screen)
        nodes[0].loop.call_soon_threadsafe(site.relay.told, late, "68", seq, None, None)
        nodes[0].call(site.intake.take(change(1)))
        await shows(screen, "r1")
        watching.cancel()


class Paper(Socket):
    """Takes down what a page is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def write(self, frame: Frame, shared: bool) -> None:
        self.told.append(json.loads(frame.data)["content"])


async def test_who_was_there_before_sees_what_a_newcomer_has_read(redis_url: str) -> None:
    """The newcomer's reading is ahead of the news, which is none any more when it comes."""
    first, second = Paper(), Paper()
    async with housed(redis_url) as here, housed(redis_url) as there:
        await there.site.intake.take(change(1))
        key = change(1).key
        await here.site.relay.join_track(key, "track", "en", Mailbox(first))
        await there.site.intake.take(replace(change(1), digest="2", at=NOW - 1, stage="preparing"))
        await here.site.relay.join_track(key, "track", "en", Mailbox(second))
    assert len(first.told) == 2, "it still shows what was so before"
    assert first.told[1] == second.told[0]
    assert len(second.told) == 1
