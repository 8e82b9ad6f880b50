"""The HTTP client of polls and calls, against a server that answers byte by byte as it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from app.services import http
from app.services.http import Failed, Pool

pytestmark = pytest.mark.anyio
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """Answers each request with the next of its scripts: bytes; `hang` instead of bytes waits, `end` closes."""

    def __init__(self, *scripts: list[bytes]) -> None:
        self.scripts = list(scripts)
        self.asked: list[bytes] = []
        self.connections = 0
        self.base = ""
        self._writers: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                self.asked.append(head + (await reader.readexactly(int(length)) if length else b""))
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                for part in script:
                    if part == b"end":
                        writer.close()
                        return
                    if part == b"hang":
                        await asyncio.sleep(0.1)
                        continue
                    writer.write(part)
                    await writer.drain()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def serving(*scripts: list[bytes]) -> AsyncIterator[tuple[Server, Pool]]:
    server, pool = Server(*scripts), Pool()
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server, pool
    finally:
        pool.close()
        server.close()
        listening.close()
        await listening.wait_closed()
        await asyncio.sleep(0)


async def get(server: Server, pool: Pool, path: str = "/a?b=c") -> http.Answer:
    return await pool.send("GET", server.base + path, {"X-One": "1"}, b"")


async def test_a_connection_is_kept() -> None:
    async with serving([PLAIN]) as (server, pool):
        for _ in range(3):
            assert (await get(server, pool)).body == b"ok"
        assert server.connections == 1
        host = server.base.removeprefix("http://").encode()
        assert server.asked[0].startswith(b"GET /a?b=c HTTP/1.1\r\nHost: " + host + b"\r\n")
        assert b"\r\nX-One: 1\r\n" in server.asked[0]


async def test_a_body_is_sent() -> None:
    async with serving([PLAIN]) as (server, pool):
        await pool.send("POST", server.base, {}, b"hello")
        await pool.send("POST", server.base, {}, b"")
        assert server.asked[0].endswith(b"Content-Length: 5\r\n\r\nhello")
        assert server.asked[1].startswith(b"POST / HTTP/1.1")
        assert server.asked[1].endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("script", "status", "body"),
    [
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n"],
            200,
            b"abcde",
        ),
        ([b"HTTP/1.1 200 OK\r\n\r\nall ", b"hang", b"of it", b"end"], 200, b"all of it"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", PLAIN], 200, b"ok"),
        ([b"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n"], 302, b""),
        ([PLAIN[:20], b"hang", PLAIN[20:]], 200, b"ok"),
    ],
)
async def test_answers(script: list[bytes], status: int, body: bytes) -> None:
    async with serving(script) as (server, pool):
        said = await get(server, pool)
        assert (said.status, said.body) == (status, body)
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ([b"SSH-2.0-hello\r\n"], "HTTP"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", b"end"], "lost"),
        ([CHUNKED, b"3\r\nabc\r\n", b"end"], "lost"),
        ([b"end"], "lost"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n", b"x" * 1_200_000], "larger"),
        ([b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n"], "headers"),
    ],
)
async def test_what_is_no_answer(script: list[bytes], word: str) -> None:
    async with serving(script) as (server, pool):
        with pytest.raises(Failed, match=word) as failed:
            await get(server, pool)
        assert failed.value.sent
        assert server.connections == 1


async def test_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ", 0.3)
    async with serving([b"hang"] * 20) as (server, pool):
        with pytest.raises(Failed, match="in time") as failed:
            await get(server, pool)
        assert failed.value.sent


async def test_an_answer_that_drips_in_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ", 0.5)
    monkeypatch.setattr(http, "WHOLE", 1.0)
    drip = [b"HTTP/1.1 200 OK\r\n", *[b"hang", b"X-A: 1\r\n"] * 40]
    async with serving(drip) as (server, pool):
        with pytest.raises(Failed, match="in time"):
            await get(server, pool)


async def test_a_get_on_a_connection_that_was_just_closed_is_sent_again() -> None:
    async with serving([PLAIN], [b"end"], [PLAIN]) as (server, pool):
        await get(server, pool)
        assert (await get(server, pool)).body == b"ok"
        assert (len(server.asked), server.connections) == (3, 2)


async def test_a_post_is_not() -> None:
    async with serving([PLAIN], [b"end"], [PLAIN]) as (server, pool):
        await get(server, pool)
        with pytest.raises(Failed) as failed:
            await pool.send("POST", server.base, {}, b"{}")
        assert failed.value.sent
        assert len(server.asked) == 2


async def test_nobody_listens() -> None:
    async with serving([PLAIN]) as (server, _):
        pass
    with pytest.raises(Failed, match="reached") as failed:
        await get(server, Pool())
    assert not failed.value.sent


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("ftp://127.0.0.1/", {}),
        ("http:///path", {}),
        ("http://127.0.0.1:x/", {}),
        ("http://127.0.0.1/a b", {}),
        ("http://127.0.0.1/ü", {}),
        ("http://127.0.0.1/", {"X": "1\r\nY: 2"}),
        ("http://127.0.0.1/", {"X": "1\nY: 2"}),
        ("http://127.0.0.1/", {"X": "1\r"}),
    ],
)
async def test_what_would_be_no_single_request(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(Failed, match="base_url") as failed:
        await Pool().send("GET", url, headers, b"")
    assert not failed.value.sent
