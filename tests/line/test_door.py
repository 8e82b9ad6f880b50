"""Who sends without end, or keeps us waiting, is let go; everybody else is not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
import uvicorn
from rig import Served, free_port, settings_of
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app import main
from app.door import AHEAD_MOST, Http

pytestmark = pytest.mark.anyio

WAIT = 30.0  # seconds until a test gives up
PIECE = b"x" * 65_536
ASKED = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BEGUN = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """Reads a body, then says ok; or, at /big, more than any kernel keeps."""
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(300 if scope["path"] == "/big" else 0):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[uvicorn.Server]:
    server = main.web(settings_of(free_port()), answers)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def talking(server: uvicorn.Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.config.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def heard(reader: asyncio.StreamReader) -> bytes:
    """All until the other side has ended it."""
    said = b""
    async with asyncio.timeout(WAIT):
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65_536):
                said += piece
    return said


def endless(piece: bytes) -> Iterator[bytes]:
    for _ in range(400):
        yield piece


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        pytest.param(b"GET /", PIECE, id="address"),
        pytest.param(b"GET / HTTP/1.1\r\nA: ", PIECE, id="header"),
        pytest.param(b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 10_000, id="headers"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 10_000, id="tail"),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=", PIECE, id="chunk"),
    ],
)
async def test_what_never_becomes_a_request_is_cut(first: bytes, piece: bytes) -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(first)
        async with asyncio.timeout(WAIT):
            with contextlib.suppress(ConnectionError):
                for part in endless(piece):
                    writer.write(part)
                    await writer.drain()
                pytest.fail("it was all taken")
        await heard(reader)


async def test_a_long_head_and_a_long_body_are_taken() -> None:
    async with serving() as server:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.config.port}") as client:
            answer = await client.post("/", content=PIECE * 40, headers={"A": "b" * 30_000})
        assert answer.text == "ok"


async def test_a_few_requests_may_come_ahead_of_their_answers() -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(ASKED * AHEAD_MOST + ASKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await heard(reader)).count(b" 200 OK") == AHEAD_MOST + 1


async def test_many_requests_ahead_of_their_answers_are_not_kept() -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(ASKED * 5_000)
        said = await heard(reader)
        assert said.count(b" 200 OK") <= AHEAD_MOST + 1
        assert b"HTTP/1.1 400 " in said


async def test_of_bodies_that_fill_the_memory_the_largest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may be as large as it is; all together may not."""
    monkeypatch.setattr(Http, "held_most", 1_000_000)
    began = Http.held_by_all
    async with serving() as server, contextlib.AsyncExitStack() as stack:
        small = await stack.enter_async_context(talking(server))
        small[1].write(BEGUN + b"abc")
        large = [await stack.enter_async_context(talking(server)) for _ in range(8)]
        for _, writer in large:
            writer.write(BEGUN.replace(b": 9", b": 900000") + b"x" * 300_000)
        async with asyncio.timeout(WAIT):
            while sum(reader.at_eof() or writer.is_closing() for reader, writer in large) < 5:
                await asyncio.sleep(0.05)
        small[1].write(b"abcdef")
        async with asyncio.timeout(WAIT):
            assert b" 200 OK" in await small[0].readuntil(b"ok")
        assert Http.held_by_all - began <= 1_000_000
    async with asyncio.timeout(WAIT):
        while Http.held_by_all > began:
            await asyncio.sleep(0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Http, "whole_within", 0.5)
    monkeypatch.setattr(Http, "taken_within", 2.0)
    monkeypatch.setattr(main, "SWEEP", 1)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("first", "told"),
    [(b"", b""), (ASKED[:20], b"HTTP/1.1 408 "), (BEGUN + b"abc", b"HTTP/1.1 408 ")],
    ids=["nothing", "half a head", "half a body"],
)
async def test_who_never_ends_a_request_is_let_go(first: bytes, told: bytes) -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(first)
        assert (await heard(reader)).startswith(told)


@pytest.mark.usefixtures("impatient")
async def test_a_blank_line_after_an_answer_does_not_keep_a_connection() -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(ASKED)
        async with asyncio.timeout(WAIT):
            await reader.readuntil(b"ok")
        writer.write(b"\r\n")
        await heard(reader)


@pytest.mark.usefixtures("impatient")
async def test_a_drip_does_not_keep_a_request_open() -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(BEGUN.replace(b": 9", b": 999"))
        end = asyncio.create_task(heard(reader))
        while not end.done():
            writer.write(b"x")
            await asyncio.sleep(0.1)
        assert b" 408 " in await end


@pytest.mark.usefixtures("impatient")
async def test_who_takes_nothing_of_an_answer_is_let_go() -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(ASKED.replace(b"/ ", b"/big "))
        await reader.read(1)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(WAIT):
            while server.server_state.connections:
                await asyncio.sleep(0.1)


@pytest.mark.usefixtures("impatient")
async def test_who_takes_an_answer_slowly_gets_it() -> None:
    async with serving() as server, talking(server) as (reader, writer):
        writer.write(ASKED.replace(b"/ HTTP", b"/big HTTP").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        size = 0
        async with asyncio.timeout(2 * WAIT):
            while piece := await reader.read(256_000):
                size += len(piece)
                await asyncio.sleep(0.06)
        assert size > 300 * len(PIECE)


def test_a_socket_at_a_hooks_address_is_refused_without_a_word(
    served: Served, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/hooks/jane-68", "/hooks/nobody", "/hooks/lola/secret"):
        with pytest.raises(InvalidStatus) as refused, connect(served.ws + path):
            pass
        assert refused.value.response.status_code == 403
    assert not caplog.records
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
