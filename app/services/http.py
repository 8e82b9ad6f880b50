"""HTTP/1.1 out, on kept connections: httpx2 takes 0.5 to 0.75 ms of CPU for a small GET, which ten thousand followed
orders can't afford; this takes a tenth. No redirects, no cookies, no compression, no proxies."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import urlsplit

import httptools
import httpx2
from msgspec import Struct

CONNECT: Final = 5.0  # seconds
READ: Final = 10.0  # seconds without a byte
WHOLE: Final = 30.0  # seconds for an exchange: an answer that drips in would never end
IDLE: Final = 60.0  # seconds a connection is kept unused
BODY_MOST: Final = 1_000_000  # bytes of an answer
HEADS_MOST: Final = 100  # header lines of an answer


class Failed(Exception):
    """No answer. `sent`: the call may have reached the other side all the same."""

    def __init__(self, words: str, *, sent: bool) -> None:
        super().__init__(words)
        self.sent = sent


class Answer(Struct):
    status: int
    headers: dict[str, str]
    body: bytes


class Place(Struct, frozen=True):
    """Where a connection goes."""

    host: str
    port: int
    secure: bool


class Talk(asyncio.Protocol):
    """One connection, one exchange at a time."""

    def __init__(self) -> None:
        self.closed = False
        self.unused = 0.0  # since then, by the loop's clock
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._begin()
        self._done: asyncio.Future[Answer] | None = None
        self._timeout: asyncio.Timeout | None = None
        self._until = 0.0

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._headed = False

    async def exchange(self, message: bytes) -> Answer:
        """Raises Failed, TimeoutError or OSError; the connection is of no more use then."""
        self._done = self._loop.create_future()
        self._until = self._loop.time() + WHOLE
        self._transport.write(message)
        try:
            async with asyncio.timeout(READ) as self._timeout:
                return await self._done
        finally:
            self._timeout = None
            if not self._done.done() or self._done.cancelled() or self._done.exception() is not None:
                self.close()
            self._done = None

    def close(self) -> None:
        self.closed = True
        self._transport.close()

    # ---- what the loop calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def data_received(self, data: bytes) -> None:
        if self._done is None or self._done.done():
            self.close()  # nobody asked
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
            self._fail(str(error.__context__ or error))
        if not self._done.done() and self._timeout is not None:
            self._timeout.reschedule(min(self._loop.time() + READ, self._until))

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._done is None or self._done.done():
            return
        if self._headed and error is None and "content-length" not in self._headers and not self._chunked:
            self.on_message_complete()  # an answer without a length ends with the connection
        else:
            self._fail("The connection was lost.")

    def _fail(self, words: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(Failed(words, sent=True))
        self.close()

    # ---- what the parser calls ----

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) >= HEADS_MOST:
            raise ValueError("The answer has too many headers.")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headed = self._parser.get_status_code() >= 200

    def on_body(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > BODY_MOST:
            raise ValueError(f"The answer is larger than {BODY_MOST} bytes.")
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # "continue" and its like: the answer itself is still to come
            self._headers = {}
            return
        if not self.closed and not self._parser.should_keep_alive():
            self.close()
        answer = Answer(status, self._headers, b"".join(self._chunks))
        self._begin()
        if self._done is not None and not self._done.done():
            self._done.set_result(answer)

    @property
    def _chunked(self) -> bool:
        return "chunked" in self._headers.get("transfer-encoding", "")


class Pool:
    """Connections to one source. How many there are at once is up to who calls."""

    def __init__(self) -> None:
        self._idle: dict[Place, list[Talk]] = {}
        self._trust: ssl.SSLContext | None = None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises Failed where no whole answer came."""
        place, message = written(method, url, headers, body)
        talk, kept = await self._talk(place)
        try:
            answer = await talk.exchange(message)
        except TimeoutError:  # an OSError too: who has waited so long doesn't ask again
            raise Failed("No answer came in time.", sent=True) from None
        except (Failed, OSError) as error:
            if not kept or method != "GET":
                raise Failed(str(error), sent=True) from None
            # The other side may close what has been idle for long just when it is used; a GET can be sent again.
            talk = await self._connect(place)
            answer = await self._second(talk, message)
        if not talk.closed:
            talk.unused = asyncio.get_running_loop().time()
            self._idle.setdefault(place, []).append(talk)
        return answer

    async def _second(self, talk: Talk, message: bytes) -> Answer:
        try:
            return await talk.exchange(message)
        except TimeoutError:
            raise Failed("No answer came in time.", sent=True) from None
        except OSError as error:
            raise Failed(str(error), sent=True) from None

    async def _talk(self, place: Place) -> tuple[Talk, bool]:
        """A connection, and whether it was used before."""
        idle = self._idle.get(place, [])
        now = asyncio.get_running_loop().time()
        while idle:
            talk = idle.pop()
            if not talk.closed and now - talk.unused < IDLE:
                return talk, True
            talk.close()
        return await self._connect(place), False

    async def _connect(self, place: Place) -> Talk:
        if place.secure and self._trust is None:
            self._trust = httpx2.create_ssl_context()
        trust = self._trust if place.secure else None
        try:
            async with asyncio.timeout(CONNECT):
                loop = asyncio.get_running_loop()
                _, talk = await loop.create_connection(Talk, place.host, place.port, ssl=trust)
                return talk
        except TimeoutError:
            raise Failed("It can't be reached: no connection in time.", sent=False) from None
        except (OSError, ValueError) as error:
            raise Failed(f"It can't be reached ({type(error).__name__}).", sent=False) from None

    def close(self) -> None:
        for idle in self._idle.values():
            for talk in idle:
                talk.close()
        self._idle.clear()


def written(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[Place, bytes]:
    """Where a request goes, and its bytes. Raises Failed for what would not be one request."""
    try:
        parts = urlsplit(url)
        secure, host = parts.scheme == "https", parts.hostname
        place = Place(host or "", parts.port or (443 if secure else 80), secure)
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc.rpartition('@')[2]}", *_FIXED]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method not in ("GET", "HEAD"):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines)
        message = head.encode("ascii") + b"\r\n\r\n" + body
    except ValueError:  # UnicodeError is one
        raise Failed("The request can't be made: check base_url.", sent=False) from None
    ends = len(lines) - 1  # more would be another header, or another request
    if parts.scheme not in ("http", "https") or not host or " " in target or {head.count(c) for c in "\r\n"} != {ends}:
        raise Failed("The request can't be made: check base_url.", sent=False)
    return place, message


_FIXED: Final = ("User-Agent: Orderboard", "Accept-Encoding: identity")
