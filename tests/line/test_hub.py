"""The hub and its mailboxes: nobody ends on an old state, nobody waits for a slow one, nobody takes too much."""

import asyncio
import json
import time
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live import LOOPS, WAIT, Deaf, Live, noise, received, served, until
from websockets.asyncio.client import ClientConnection

from app import wire
from app.hub import Hub, Limits
from app.mailbox import Fragment, Group, Mailbox, Tick
from app.wire import BUFFER_HIGH, Frame, Socket

KEYS = "abc"


class Page(Socket):
    """A socket whose far end shows what it gets: `content` is "key=rev;" for each, a whole view starts with "!"."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, int] = {}
        self.position = ""
        self.views = 0
        self.line = cast("asyncio.WriteTransport", Line(self))

    def write(self, frame: Frame, shared: bool) -> None:
        self.take(json.loads(frame.data))

    def take(self, got: dict[str, str]) -> None:
        assert not self.congested
        self.position = got["id"]
        new = {k: int(v) for k, _, v in (one.partition("=") for one in got["content"].lstrip("!").split(";") if one)}
        for key, rev in self.shown.items():
            assert new.get(key, rev) >= rev, f"{key} went back"
        whole = got["content"].startswith("!")
        self.views += whole
        self.shown = new if whole else self.shown | new

    def close(self, code: int, reason: str = "") -> None:
        self.gone(code)


class Line:
    """The shortcut past `write`, for bytes ready made."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def write(self, data: bytes) -> None:
        assert data[1] < 126
        self.page.take(json.loads(data[2:]))


class World:
    """What is true, what of it has been told, and one page that must end up showing it."""

    def __init__(self) -> None:
        self.revs: dict[str, int] = {}
        self.seq = 0
        self.untold: list[tuple[int, str, int]] = []
        self.page = Page()
        self.mailbox = Mailbox(self.page)
        self.group = Group()
        self.mailbox.enter(self.group)
        self.read: tuple[int, dict[str, int]] | None = None

    def change(self, key: str) -> None:
        self.seq += 1
        self.revs[key] = self.revs.get(key, -1) + 1
        self.untold.append((self.seq, key, self.revs[key]))

    def tell(self, some: int) -> None:
        told, self.untold = self.untold[:some], self.untold[some:]
        if told:
            newest = {key: Fragment(rev, f"{key}={rev};") for _, key, rev in told}
            self.group.put(Tick(f"e:{told[-1][0]}", newest, shared=True))

    def look(self) -> None:
        self.read = self.seq, dict(self.revs)

    def open(self) -> None:
        if self.read is not None:
            seq, revs = self.read
            content = "!" + "".join(f"{key}={rev};" for key, rev in revs.items())
            show = self.mailbox.open if self.mailbox.joining else self.mailbox.resync
            show(f"e:{seq}", content, revs)
            self.read = None

    def again(self) -> None:
        if not self.mailbox.joining:
            self.mailbox.rejoin()
            self.look()

    def pause(self) -> None:
        if not self.page.congested:
            self.page.congested = True
            self.page.on_pause()

    def resume(self) -> None:
        if self.page.congested:
            self.page.congested = False
            self.page.on_drain()

    def end(self) -> None:
        self.tell(len(self.untold))
        if self.mailbox.joining:
            self.look()
        self.open()
        self.resume()


STEPS = st.one_of(
    st.tuples(st.just("change"), st.sampled_from(KEYS)),
    st.tuples(st.just("tell"), st.integers(1, 4)),
    *(st.tuples(st.just(name)) for name in ("look", "open", "again", "pause", "resume", "beat")),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, min_size=30, max_size=80))
def test_any_order_of_joining_telling_and_waiting_ends_in_the_truth(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for name, *values in steps:
        if name == "beat":
            if not world.untold:  # the time that a beat stands for has passed: nothing old is on its way
                world.mailbox.settle()
        elif name == "look":
            if world.mailbox.joining:
                world.look()
        else:
            getattr(world, name)(*values)
        assert len(world.mailbox._pending) <= len(KEYS)
        assert world.mailbox.position == world.page.position
    world.end()
    assert world.page.shown == world.revs
    assert world.page.views
    assert world.mailbox.position == f"e:{world.seq}"
    world.change("a")
    world.tell(1)
    assert world.page.shown == world.revs, "it stopped listening"


@pytest.mark.parametrize("joined", [False, True])
def test_a_new_epoch_counts_anew(joined: bool) -> None:
    """A restored store has lower revs: what is pending of the old one must not win over the new view."""
    world = World()
    if joined:
        world.mailbox.open("e:1", "!", {})
        world.pause()
    world.group.put(Tick("e:9", {"a": Fragment(9, "a=9;")}, shared=True))
    world.mailbox.resync("f:2", "!a=5;", {"a": 5})
    world.group.put(Tick("f:3", {"b": Fragment(0, "b=0;")}, shared=True))
    world.resume()
    assert world.page.shown == {"a": 5, "b": 0}
    assert world.mailbox.position == "f:3"


def test_what_a_new_view_lacks_is_gone() -> None:
    world = World()
    world.mailbox.open("e:1", "!", {})
    world.pause()
    world.group.put(Tick("e:2", {"a": Fragment(2, "a=2;")}, shared=True))
    world.mailbox.resync("e:4", "!b=0;", {"b": 0})
    world.resume()
    assert world.page.shown == {"b": 0}


def test_the_newer_wins_whatever_comes_last() -> None:
    world = World()
    for rev in (2, 3, 1):
        world.group.put(Tick("e:4", {"a": Fragment(rev, f"a={rev};")}, shared=True))
    world.mailbox.open("e:2", "!a=0;", {"a": 0})
    assert world.page.shown == {"a": 3}


def test_a_late_first_view_is_dropped_after_a_resync() -> None:
    world = World()
    world.mailbox.resync("e:5", "!a=5;", {"a": 5})
    world.mailbox.open("e:3", "!a=3;", {"a": 3})
    assert world.page.shown == {"a": 5}


# From here on with real connections


@pytest.fixture(scope="module", params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.Protocol, "close_wait", 0.3)


async def push(live: Live, healthy: Mailbox | None = None) -> dict[str, str]:
    """20 orders, 20 times, 8 MB in all: above 4 MB, or only the kernel is tested. What each shows in the end.
    The healthy one is given the time to read."""
    last = {}
    for seq in range(400):
        key, rev = f"o{seq % 20}", seq // 20
        last[key] = html = f"[{key} {rev} {noise(20_000)}]"
        live.hub.deliver("board", f"e:{seq + 1}", {key: Fragment(rev, html)})
        await asyncio.sleep(0)
        if healthy is not None:
            await until(lambda: not healthy.socket.buffered())
    return last


def show(shown: dict[str, str], content: str) -> None:
    for html in content.split("]")[:-1]:
        shown[html[1:].split()[0]] = html + "]"


async def reads_all(client: ClientConnection, shown: dict[str, str], until_id: str) -> int:
    count = 0
    while True:
        got = await received(client)
        count += 1
        show(shown, got["content"])
        if got["id"] == until_id:
            return count


@pytest.mark.anyio
async def test_a_congested_one_gets_the_newest_and_its_neighbour_everything() -> None:
    async with served() as live, live.client("board", compression=None, max_size=None) as healthy:
        deaf = await Deaf(live).open("board")
        shown: dict[str, str] = {}
        reading = asyncio.create_task(reads_all(healthy, shown, "e:400"))
        last = await push(live, live.mailboxes[0])
        behind = live.mailboxes[1]
        assert behind.socket.congested
        assert behind.weight() <= 20 * 20_100
        assert behind.socket.buffered() <= BUFFER_HIGH + 25_000
        assert await asyncio.wait_for(reading, WAIT) == 401
        assert shown == last

        seen: dict[str, str] = {}
        frames = 0
        while True:
            got = await deaf.message()
            frames += 1
            show(seen, got["content"])
            if got["id"] == "e:400":
                break
        assert seen == last
        assert frames < 100
        assert live.hub.deliver("board", "e:401", {"o1": Fragment(99, "[o1 99]")}) == 2
        assert (await deaf.message())["content"] == "[o1 99]"


@pytest.mark.anyio
async def test_a_whole_view_for_a_congested_one_is_the_newest_one() -> None:
    async with served() as live:
        deaf = await Deaf(live).open("board")
        await push(live)
        for seq in (500, 600, 700):
            live.hub.rejoin("board")
            live.hub.resync("board", f"e:{seq}", f"view {seq}", {"o1": 50})
        live.hub.deliver("board", "e:701", {"o1": Fragment(51, "[o1 51]"), "o2": Fragment(51, "[o2 51]")})
        late = []
        while not late or late[-1]["id"] != "e:701":
            got = await deaf.message()
            if int(got["id"][2:]) >= 500:
                late.append(got)
        assert [one["content"] for one in late] == ["view 700", "[o1 51][o2 51]"]


@pytest.mark.anyio
async def test_heartbeat_tells_where_each_one_is() -> None:
    hub = Hub(beat=0.05)
    async with served(hub) as live, live.client("board") as client, live.client("wait/board") as joining:
        await client.recv()
        live.hub.deliver("board", "e:7", {"a": Fragment(1, "x")})
        await client.recv()
        got = await received(client)
        assert got["id"] == "e:7"
        assert abs(got["at"] - time.time()) < WAIT
        live.mailboxes[1].open("e:8", "", {})
        first, second = await received(joining), await received(joining)
        assert (first["content"], first["id"], second["id"]) == ("", "e:8", "e:8")  # nothing came before the view
        hub.well = lambda: False
        await asyncio.sleep(0.2)
        count = hub.figures().frames
        await asyncio.sleep(0.3)
        assert hub.figures().frames == count


@pytest.mark.anyio
async def test_too_slow_is_closed_but_slow_is_not() -> None:
    async with served(Hub(deadline=0.6)) as live:
        deaf, slow = await Deaf(live).open("board"), await Deaf(live).open("board")
        last = await push(live)
        seen: dict[str, str] = {}
        position = ""
        while position != "e:400":
            got = await slow.message()
            show(seen, got["content"])
            position = got["id"]
            await asyncio.sleep(0.05)
        assert seen == last
        await until(lambda: live.mailboxes[0].socket.closed)
        assert not live.mailboxes[1].socket.closed
        assert live.hub.figures().closed == {1013: 1}
        await until(lambda: len(live.server.server_state.connections) == 1)
        assert deaf


@pytest.mark.anyio
async def test_where_too_much_waits_the_slowest_go() -> None:
    hub = Hub(pending_most=1_000_000)  # each of the stuck holds 0.7
    async with served(hub) as live, live.client("board", compression=None, max_size=None) as healthy:
        for _ in range(2):
            await Deaf(live).open("board")
        reading = asyncio.create_task(reads_all(healthy, {}, "e:400"))
        await push(live, live.mailboxes[0])
        await asyncio.wait_for(reading, WAIT)
        for _ in range(2):  # the second finds nothing more to do
            hub.watch()
            assert [mailbox.socket.closed for mailbox in live.mailboxes].count(True) == 1
            assert not live.mailboxes[0].socket.closed
            assert hub.figures().closed == {1013: 1}


@pytest.mark.anyio
async def test_limits_and_freed_seats() -> None:
    hub = Hub(Limits(ip=3, session=2, link=1))
    assert hub.admit(ip="1.1.1.1", link="l")
    assert not hub.admit(ip="1.1.1.1", link="l")
    assert hub.admit(ip="1.1.1.1", session="s")
    seat = hub.admit(ip="1.1.1.1", session="s")
    assert seat
    assert not hub.admit(ip="1.1.1.1")
    assert hub.admit(ip="2.2.2.2")
    assert not hub.admit(ip="2.2.2.2", session="s")
    page = Page()
    hub.join("board", Mailbox(page), seat)
    page.gone(1006)
    page.gone(1006)
    seat.free()
    again = hub.admit(ip="1.1.1.1", session="s")
    assert again
    assert not hub.admit(ip="1.1.1.1")
    closed = Page()
    closed.gone(1006)
    hub.join("board", Mailbox(closed), again)  # it left while it was being looked up
    assert not hub.watched("board")
    assert hub.admit(ip="1.1.1.1")


@pytest.mark.anyio
async def test_who_watches_and_who_is_told() -> None:
    told: list[str] = []
    hub = Hub(on_watched=lambda group: told.append("+" + group), on_unwatched=lambda group: told.append("-" + group))
    async with served(hub) as live:
        async with live.client("board") as one, live.client("board"), live.client("track"):
            await one.recv()
            await until(lambda: len(live.mailboxes) == 3)
            assert hub.watched("board")
            assert sorted(hub.groups()) == ["board", "track"]
            assert hub.figures().sockets == {"board": 2, "track": 1}
        await until(lambda: len(told) == 4)
    assert sorted(told[:2]) == ["+board", "+track"]
    assert sorted(told[2:]) == ["-board", "-track"]
    assert hub.deliver("board", "e:1", {"a": Fragment(1, "x")}) == 0


@pytest.mark.anyio
async def test_closed_by_group_by_session_and_all() -> None:
    async with served() as live:
        clients = [await live.client(path) for path in ("a", "b", "b", "c")]
        live.mailboxes[2].seat = live.hub.admit(session="s")
        live.hub.close_group("a", 4404)
        assert live.hub.seated("session") == {"s": [live.mailboxes[2]]}
        assert live.hub.seated("link") == {}
        live.mailboxes[2].close(4401)
        live.hub.close_all(1012)
        for client in clients:
            await asyncio.wait_for(client.wait_closed(), WAIT)
        assert [client.close_code for client in clients] == [4404, 1012, 4401, 1012]
        assert not live.hub.groups()


@pytest.mark.anyio
async def test_one_encoding_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("app.mailbox.message", lambda *words: made.append(words[0]) or wire.message(*words))
    async with served() as live:
        clients = [await live.client("board") for _ in range(5)]
        await until(lambda: len(live.mailboxes) == 5)
        made.clear()
        assert live.hub.deliver("board", "e:1", {"a": Fragment(1, "<p>x</p>" * 50)}) == 5
        for client in clients:
            await client.recv()
            assert (await received(client))["content"] == "<p>x</p>" * 50
            await client.close()
        assert made == ["e:1"]
