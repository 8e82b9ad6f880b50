"""One socket, on a real server and real connections: what goes out, what may come in, and every way it can end."""

import asyncio
import logging
from typing import Any

import pytest
from live import LOOPS, WAIT, Deaf, noise, received, served, until
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from app import wire
from app.mailbox import Mailbox
from app.wire import BUFFER_HIGH, Frame, Sender

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire.Protocol, "close_wait", 0.3)


@pytest.mark.parametrize("size", [0, 40, 125, 126, 2000, 65535, 65536, 300_000])
async def test_both_forms_of_a_frame_read_the_same(size: int) -> None:
    text = ("<li>déjà vu</li>" * size)[:size]
    async with (
        served() as live,
        live.client("board", compression="deflate") as packed,
        live.client("board", compression=None) as plain,
    ):
        frame = Frame(text.encode())
        for mailbox in live.mailboxes:
            mailbox.socket.write(frame, True)
        for client in (packed, plain):
            assert await received(client) == {"id": "e:0", "content": ""}
            assert await asyncio.wait_for(client.recv(), WAIT) == text


def test_compressed_only_where_it_helps() -> None:
    assert len(Frame(b"<li></li>" * 200).deflated) < 200
    short = Frame(noise(20).encode())
    assert short.deflated == short.plain


async def test_a_client_with_a_small_window_gets_it_plain() -> None:
    small = [ClientPerMessageDeflateFactory(server_max_window_bits=9)]
    async with served() as live, live.client("board", compression=None, extensions=small) as client:
        assert not live.mailboxes[0].socket.deflate
        text = "far apart " + noise(2000) + " far apart"
        live.mailboxes[0].socket.write(Frame(text.encode()), True)
        await client.recv()
        assert await asyncio.wait_for(client.recv(), WAIT) == text


async def test_parked_it_keeps_no_task_and_answers_pings() -> None:
    async with served(ws_ping_interval=0.05, ws_ping_timeout=5) as live, live.client("board") as client:
        await until(lambda: not live.server.server_state.tasks)
        await asyncio.sleep(0.5)  # ten of the server's pings
        pong = await client.ping()
        await asyncio.wait_for(pong, WAIT)
        assert not live.mailboxes[0].socket.closed


async def test_who_answers_no_ping_is_let_go() -> None:
    async with served(ws_ping_interval=0.1, ws_ping_timeout=0.2) as live:
        client = await Deaf(live).open("board")
        assert await client.code() == 1011
        await until(lambda: not live.server.server_state.connections)
        assert live.hub.figures().closed == {1011: 1}


async def test_a_slow_reader_is_not_a_dead_one() -> None:
    """The ping waits behind data for longer than a pong may take, but the data moves."""
    async with served(ws_ping_interval=0.1, ws_ping_timeout=0.4) as live:
        client = await Deaf(live).open("board")
        socket = live.mailboxes[0].socket
        for _ in range(40):
            socket.write(Frame(noise(10_000).encode()), False)
        read = 0
        while socket.buffered():
            await client.more(4096)
            read += 1
            await asyncio.sleep(0.02)
        assert read > 40  # 0.8 s at the least: two deadlines
        assert not socket.closed


async def test_what_comes_in_is_heard() -> None:
    heard: list[str] = []
    async with served() as live:
        live.hub.on_text = lambda mailbox, text: heard.append(text)
        async with live.client("board") as client:
            await client.send('{"shown": "é"}')
            await client.send(["in ", "three ", "pieces"])
            await until(lambda: len(heard) == 2)
    assert heard == ['{"shown": "é"}', "in three pieces"]


BAD = {
    "binary": (1003, [(0x82, b"abc")]),
    "too large": (1009, [(0x81, b"a" * (wire.MESSAGE_MOST + 1))]),
    "too large in sum": (1009, [(0x01, b"a" * 40_000), (0x80, b"a" * 40_000)]),
    "too many pieces": (1009, [(0x01, b"a"), *[(0x00, b"a")] * wire.PIECES_MOST]),
    "not UTF-8": (1007, [(0x81, b"\xff\xfe")]),
    "reserved bits": (1002, [(0xB1, b"a")]),
    "unknown opcode": (1002, [(0x83, b"a")]),
    "nothing to continue": (1002, [(0x80, b"a")]),
    "a code that is never sent": (1002, [(0x88, b"\x03\xed")]),
    "too many": (1008, [(0x81, b"{}")] * (wire.MESSAGES_A_MINUTE + 1)),
    "too many pings": (1008, [(0x89, b"")] * (wire.MESSAGES_A_MINUTE + 1)),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_may_not_come_in(name: str) -> None:
    code, frames = BAD[name]
    async with served() as live:
        client = await Deaf(live).open("board")
        for first, data in frames:
            await client.send(first, data)
        assert await client.code() == code
        await until(lambda: not live.server.server_state.connections)
        assert live.hub.figures().closed == {code: 1}


async def test_unmasked_is_refused() -> None:
    async with served() as live:
        client = await Deaf(live).open("board")
        await client.send(0x81, b"a", mask=b"")
        assert await client.code() == 1002


async def test_pings_of_a_client_that_never_reads_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MESSAGES_A_MINUTE", 10**9)
    async with served() as live:
        client = await Deaf(live).open("board")
        socket = live.mailboxes[0].socket
        while not socket.congested:
            socket.write(Frame(noise(50_000).encode()), False)
            await asyncio.sleep(0)
        full = socket.buffered()
        for _ in range(1000):
            await client.send(0x89, b"p" * 100)
        await client.send(0x81, b"done")
        heard: list[str] = []
        socket.on_text = heard.append
        await until(lambda: heard)
        assert socket.buffered() <= full


async def test_refused_with_its_code_and_nothing_else() -> None:
    async with served() as live, live.client("refuse/4404") as client:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), WAIT)
        assert client.close_code == 4404


@pytest.mark.parametrize("path", ["fail", "caught"])
async def test_a_failing_handler_says_come_back(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with served() as live, live.client(path) as client:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), WAIT)
        assert client.close_code == 1011
        assert not live.hub.groups()
    assert ("as planned" in caplog.text) == (path == "fail")


async def test_nothing_after_a_close() -> None:
    async with served() as live, live.client("board") as client:
        await client.recv()
        live.mailboxes[0].close(4403, "revoked")
        live.mailboxes[0].socket.write(Frame(b"late"), False)
        assert live.hub.deliver("board", "e:1", {}) == 0
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), WAIT)
        assert (client.close_code, client.close_reason) == (4403, "revoked")


async def stuck(live: Any) -> Deaf:
    client = await Deaf(live).open("board")
    mailbox: Mailbox = live.mailboxes[-1]
    while not mailbox.socket.congested:
        mailbox.socket.write(Frame(noise(50_000).encode()), False)
        await asyncio.sleep(0)
    return client


async def test_shutdown_is_told_and_waits_for_nobody() -> None:
    async with served(timeout_graceful_shutdown=None) as live:
        await stuck(live)
        async with live.client("board") as healthy:
            await healthy.recv()
            await live.stop()
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(healthy.recv(), WAIT)
            assert healthy.close_code == 1012
        assert live.hub.figures().closed == {1012: 2}


@pytest.mark.parametrize("how", ["close", "half close", "goodbye"])
async def test_one_that_never_reads_can_be_got_rid_of(how: str) -> None:
    async with served() as live:
        client = await stuck(live)
        if how == "close":
            live.mailboxes[0].close(1013)
        elif how == "half close":
            client.socket.shutdown(1)
        else:
            await client.send(0x88, b"\x03\xe8")
        await until(lambda: not live.server.server_state.connections)
        assert live.hub.figures().closed == {{"close": 1013, "half close": 1006, "goodbye": 1000}[how]: 1}


async def test_a_path_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served(log_level="debug") as live:
        async with live.client("refuse/4404?token=very-secret"), live.client("very-secret") as client:
            await client.recv()
        client = await Deaf(live).open("very-secret")
        await client.send(0xB1, b"a")
        assert await client.code() == 1002
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets.client")]
    assert not [line for line in ours if "very-secret" in line]


# The fall-back, driven by hand as a test client would


class Hand:
    """The ASGI server's side of one connection."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        await self.open.wait()

    async def attach(self) -> tuple[Mailbox, "asyncio.Task[None]"]:
        socket = await wire.attach({"type": "websocket"}, self.inbox.get, self.send)
        assert isinstance(socket, Sender)
        socket.close_wait = 0.1
        return Mailbox(socket), asyncio.create_task(wire.hold(socket, self.inbox.get))


async def test_fall_back_sends_hears_and_ends() -> None:
    hand, heard, ended = Hand(), list[str](), list[int]()
    mailbox, handler = await hand.attach()
    mailbox.socket.on_text, mailbox.socket.on_close = heard.append, ended.append
    mailbox.open("e:1", "<p>hi</p>", {})
    hand.inbox.put_nowait({"type": "websocket.receive", "text": "hello"})
    await until(lambda: len(hand.sent) == 2 and heard)
    hand.inbox.put_nowait({"type": "websocket.disconnect", "code": 1001})
    await asyncio.wait_for(handler, WAIT)
    assert hand.sent == [
        {"type": "websocket.accept"},
        {"type": "websocket.send", "text": '{"id":"e:1","content":"<p>hi</p>"}'},
    ]
    assert (heard, ended) == (["hello"], [1001])


async def test_fall_back_closes_after_what_was_written() -> None:
    hand = Hand()
    mailbox, handler = await hand.attach()
    mailbox.open("e:1", "", {})
    mailbox.close(4401, "sign in")
    await asyncio.wait_for(handler, WAIT)
    assert [message["type"] for message in hand.sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert hand.sent[-1]["code"] == 4401


async def test_fall_back_closes_a_stuck_one() -> None:
    hand = Hand()
    mailbox, handler = await hand.attach()
    hand.open.clear()
    for _ in range(3):
        mailbox.socket.write(Frame(b"x" * BUFFER_HIGH), False)
    assert mailbox.socket.congested
    await until(lambda: len(hand.sent) == 2)
    mailbox.close(1013)
    await asyncio.wait_for(handler, WAIT)
    assert hand.sent[-1] == {"type": "websocket.close", "code": 1013, "reason": ""}
    assert len(hand.sent) == 3


async def test_fall_back_drains_to_the_newest() -> None:
    from_here = asyncio.Event()
    hand = Hand()
    mailbox, handler = await hand.attach()
    hand.open.clear()
    mailbox.socket.on_pause()
    mailbox.socket.write(Frame(b"x" * (BUFFER_HIGH + 1)), False)
    drained, flush = from_here, mailbox.socket.on_drain

    def told() -> None:
        drained.set()
        flush()

    mailbox.socket.on_drain = told
    mailbox.open("e:7", "whole", {})
    assert mailbox.position == ""
    hand.open.set()
    await asyncio.wait_for(drained.wait(), WAIT)
    await until(lambda: hand.sent[-1].get("text") == '{"id":"e:7","content":"whole"}')
    mailbox.close(1000)
    await asyncio.wait_for(handler, WAIT)


async def test_refused_under_any_server() -> None:
    hand = Hand()
    await asyncio.wait_for(wire.refuse({}, hand.inbox.get, hand.send, 4403), WAIT)
    assert hand.sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 4403, "reason": ""}]
