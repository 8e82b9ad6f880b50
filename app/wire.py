"""One socket. `Protocol` is uvicorn's websocket protocol with a side door: ready frames go straight to the transport,
and once its handler has returned the connection lives on, parked, without a task. `Sender` does it over plain ASGI."""

import asyncio
import fcntl
import logging
import socket as sockets
import struct
import sys
import termios
import time
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

import msgspec
from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame as Received
from websockets.http11 import Request
from websockets.protocol import OPEN

EXTENSION: Final = "orderboard.wire"
MESSAGE_MOST: Final = 64 * 1024  # bytes of one incoming message
PIECES_MOST: Final = 64  # fragments of one incoming message
MESSAGES_A_MINUTE: Final = 100  # incoming, pings counted too
BUFFER_HIGH: Final = 256 * 1024  # bytes waiting: above it a socket counts as congested …
BUFFER_LOW: Final = 64 * 1024  # … until they are down to this
KERNEL_BUFFER: Final = 64 * 1024  # else the kernel takes 4 MB of stale frames before we notice anything
CLOSE_WAIT: Final = 2.0  # seconds for the peer to answer a close before the connection is cut
PING_BEHIND: Final = 4096  # bytes ahead of a ping that make a late pong forgivable, as long as they move

ACKED: Final = slice(120, 128)  # tcpi_bytes_acked within Linux' struct tcp_info
WINDOW: Final = 15
DEFLATE: Final = [ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)]

# Never below WARNING: uvicorn's and websockets' lines name the path, and a tracking page's path is its secret.
log = logging.getLogger("orderboard.wire")
log.setLevel(logging.WARNING)

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def head(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65536:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)


class Frame:
    """One text message, turned into wire bytes at most once however many sockets it goes to."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.plain = head(0x81, len(data)) + data

    @cached_property
    def deflated(self) -> bytes:
        """Level 1 by measurement: 7 µs for a card and 83 for 48 KB, where websockets' default takes 10 and 289
        for 10 % fewer bytes. A plain frame is legal on any connection, so what doesn't shrink stays plain."""
        packer = zlib.compressobj(1, zlib.DEFLATED, -WINDOW)
        packed = (packer.compress(self.data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        return head(0xC1, len(packed)) + packed if len(packed) < len(self.data) else self.plain


def message(position: str, content: str) -> Frame:
    return Frame(msgspec.json.encode({"id": position, "content": content}))


def ignore(*_: object) -> None:
    """What a socket calls before somebody listens, and after it has closed."""


class Socket:
    """What a mailbox sees of a browser. The four callbacks are for its owner to set, in the turn `attach` returns;
    `on_close(code)` comes once, 1006 where the peer just went away. Nothing is written after it."""

    __slots__ = (
        "closed",
        "congested",
        "deflate",
        "heard",
        "line",
        "on_close",
        "on_drain",
        "on_pause",
        "on_text",
        "since",
    )

    def __init__(self) -> None:
        self.closed = self.congested = self.deflate = False
        self.line: asyncio.WriteTransport | None = None  # where a frame's bytes may be put without asking `write`
        self.heard, self.since = 0, 0.0
        self.on_text: Callable[[str], None] = ignore
        self.on_pause: Callable[[], None] = ignore
        self.on_drain: Callable[[], None] = ignore
        self.on_close: Callable[[int], None] = ignore

    def write(self, frame: Frame, shared: bool) -> None:
        """`shared`: other sockets get this frame too, so that compressing it pays."""
        raise NotImplementedError

    def close(self, code: int, reason: str = "") -> None:
        """Takes effect at once, whether the peer reads or not. `reason` is at most 123 bytes."""
        raise NotImplementedError

    def buffered(self) -> int:
        """Bytes that wait on our side."""
        raise NotImplementedError

    def progress(self) -> int:
        """Changes as long as the peer takes anything at all."""
        raise NotImplementedError

    def gone(self, code: int) -> None:
        if not self.closed:
            self.closed = True
            told, self.on_close = self.on_close, ignore
            self.on_text = self.on_pause = self.on_drain = ignore
            told(code)

    def admits(self) -> bool:
        now = time.monotonic()
        if now - self.since >= 60:
            self.since, self.heard = now, 0
        self.heard += 1
        return self.heard <= MESSAGES_A_MINUTE

    def hear(self, text: str) -> None:
        if not self.admits():
            self.close(1008, "too many messages")
        elif not self.closed:
            self.on_text(text)


class Nowhere(asyncio.Queue[Any]):
    """Stands in for the receive queue of a parked connection: nobody would empty it."""

    def put_nowait(self, item: Any) -> None:
        pass


NOWHERE: Final = Nowhere()


class Protocol(WebSocketsSansIOProtocol, Socket):
    """Once `park` is called, what comes in goes to the callbacks instead of a queue, and the handler may return:
    task, scope, request and queue are dropped (10 KB a connection instead of 24), pings and 1012 go on."""

    close_wait = CLOSE_WAIT

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        Socket.__init__(self)
        self.parked = False
        self.ping_mark = self.ping_seen = 0
        self.logger = self.conn.logger = log
        self.conn.debug = False
        self.conn.available_extensions = DEFLATE
        self.conn.max_message_size = MESSAGE_MOST

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=BUFFER_HIGH, low=BUFFER_LOW)
        wire = transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, KERNEL_BUFFER)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):  # not there where the handshake was refused
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]

    async def run_asgi(self) -> None:
        """As uvicorn's, but for what happens when the handler of a parked connection returns: nothing."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("A socket's handler failed")
            self.send_500_response()
            self.close(1011)
        else:
            if not self.handshake_complete:
                self.send_500_response()
        if self.parked:
            self.forget()
        elif self.close_timer is None:
            self.transport.close()

    def park(self) -> None:
        self.parked = True
        self.deflate = any(
            isinstance(way, PerMessageDeflate) and way.local_max_window_bits >= WINDOW for way in self.conn.extensions
        )
        self.queue = NOWHERE
        self.line = self.transport
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if self.disconnected or self.transport.is_closing():
            self.gone(1006)

    def forget(self) -> None:
        for name in ("scope", "request", "response"):
            self.__dict__.pop(name, None)

    # What goes out

    def write(self, frame: Frame, shared: bool) -> None:
        if self.closed:
            return
        self.transport.write(frame.deflated if shared and self.deflate else frame.plain)

    def close(self, code: int, reason: str = "") -> None:
        if self.closed or not self.handshake_complete:
            return
        self.gone(code)
        if self.conn.state is OPEN and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.end()

    def end(self) -> None:
        """No way out of a closing connection depends on the peer: a flush that never ends is cut."""
        self.close_sent = True
        self.stop_keepalive()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(self.close_wait, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        if self.parked and message["type"] == "websocket.close":
            # A failure after `attach` comes as Litestar's 4500, on which htmx gives up for good; it returns on 1011.
            code = message.get("code") or 1000
            self.close(1011 if code == 4500 else code)
        else:
            await super().send(message)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.congested = True
        self.on_pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.congested = False
        self.on_drain()

    def buffered(self) -> int:
        return self.transport.get_write_buffer_size()

    def progress(self) -> int:
        return taken(self.transport)

    # What comes in

    def send_receive_event_to_app(self) -> None:
        if not self.parked:
            super().send_receive_event_to_app()
            return
        data, self.frames = b"".join(self.frames), []
        if self.closed:
            return
        if self.curr_msg_data_type != "text":
            self.close(1003, "text only")
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self.close(1007)
            return
        self.hear(text)

    def handle_cont(self, event: Received) -> None:
        if not self.parked:
            super().handle_cont(event)
        elif len(self.frames) >= PIECES_MOST:
            self.frames = []
            self.close(1009, "too many pieces")
        elif not self.closed:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if self.congested or self.closed:
            self.conn.data_to_send()  # dropped: a peer that pings and never reads would fill our memory with pongs
        else:
            super().handle_ping()
        if self.parked and not self.admits():
            self.close(1008, "too many messages")

    # How it ends

    def handle_close(self, event: Received) -> None:
        super().handle_close(event)
        if self.parked:
            told = self.conn.close_rcvd
            self.gone(told.code if told else 1006)
            self.end()

    def handle_parser_exception(self) -> None:
        if not self.parked:
            super().handle_parser_exception()
            return
        out = b"".join(self.conn.data_to_send())
        if not self.closed:
            self.gone(self.conn.close_sent.code if self.conn.close_sent else 1006)
            self.transport.write(out)
            if (
                self.transport.can_write_eof()
            ):  # closing with unread bytes resets the connection: the code would be lost
                self.transport.write_eof()
            self.end()

    def eof_received(self) -> None:
        if self.parked:
            self.gone(1006)
            self.end()  # the transport closes itself, but only once it has flushed

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone(1006)

    def shutdown(self) -> None:
        if self.parked:
            self.close(1012)
            self.transport.close()
        elif self.transport.is_closing():  # uvicorn's own raises here, and would take the whole shutdown with it
            self.transport.abort()
        else:
            super().shutdown()

    def send_keepalive_ping(self) -> None:
        self.ping_seen = self.progress()
        self.ping_mark = self.ping_seen + self.buffered() + unsent(self.transport)
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """A slow link is not a dead one: where the ping still queues behind data that moves, the pong has more time."""
        progress = self.progress()
        if self.ping_timeout and self.ping_seen < min(progress, self.ping_mark - PING_BEHIND):
            self.ping_seen = progress
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        super().keepalive_timeout()
        self.gone(1011)
        self.end()


def unsent(transport: asyncio.WriteTransport) -> int:
    """Bytes in the kernel that the peer's has not acknowledged; 0 where the system won't say."""
    wire = transport.get_extra_info("socket")
    try:
        return int.from_bytes(fcntl.ioctl(wire.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, AttributeError):
        return 0


def taken(transport: asyncio.WriteTransport) -> int:
    """Bytes that the peer's kernel has acknowledged. Our own buffer shrinks in steps of 40 KB and more, and a slow link
    takes longer for one than we have patience. Where the system won't say, what still waits is counted down instead."""
    wire = transport.get_extra_info("socket")
    try:
        told = wire.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, ACKED.stop)
        return int.from_bytes(told[ACKED], sys.byteorder)
    except (OSError, AttributeError):
        return -transport.get_write_buffer_size() - unsent(transport)


class Sender(Socket):
    """The fall-back over ASGI `send`, for any other server and for test clients. `run` is its loop."""

    __slots__ = ("_farewell", "_pump", "_queue", "_send", "_waiting", "_wake", "_written", "close_wait")

    def __init__(self, send: Send) -> None:
        super().__init__()
        self.close_wait = CLOSE_WAIT
        self._send = send
        self._queue: deque[bytes] = deque()
        self._waiting = self._written = 0
        self._wake = asyncio.Event()
        self._farewell: dict[str, Any] | None = None
        self._pump: asyncio.Task[None] | None = None

    def write(self, frame: Frame, shared: bool) -> None:
        if self.closed:
            return
        self._queue.append(frame.data)
        self._waiting += len(frame.data)
        self._written += len(frame.data)
        self.congested = self.congested or self._waiting > BUFFER_HIGH
        self._wake.set()

    def close(self, code: int, reason: str = "") -> None:
        if self.closed:
            return
        self._farewell = {"type": "websocket.close", "code": code, "reason": reason}
        self.gone(code)
        self._wake.set()
        if self._pump is not None:
            asyncio.get_running_loop().call_later(self.close_wait, self._pump.cancel)

    def buffered(self) -> int:
        return self._waiting

    def progress(self) -> int:
        return self._written - self._waiting

    async def run(self, receive: Receive) -> None:
        """Until the peer leaves or the socket is closed."""
        reader = asyncio.create_task(self._read(receive))
        self._pump = asyncio.create_task(self._flow())
        try:
            done, _ = await asyncio.wait((reader, self._pump), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()
            await self._part()
        finally:
            reader.cancel()
            self._pump.cancel()
            await asyncio.gather(reader, self._pump, return_exceptions=True)
            self.gone(1006)

    async def _read(self, receive: Receive) -> None:
        while (event := await receive())["type"] != "websocket.disconnect":
            text = event.get("text")
            if event["type"] == "websocket.receive" and not self.closed:
                if text is None:
                    self.close(1003, "text only")
                elif len(text) > MESSAGE_MOST:
                    self.close(1009)
                else:
                    self.hear(text)
        self._farewell = None
        self.gone(event.get("code") or 1005)

    async def _flow(self) -> None:
        while not self.closed or (self._queue and self._farewell):
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            data = self._queue.popleft()
            try:
                await self._send({"type": "websocket.send", "text": data.decode()})
            except OSError:  # ASGI's word for a peer that has gone
                self._farewell = None
                return
            self._waiting -= len(data)
            if self.congested and self._waiting <= BUFFER_LOW:
                self.congested = False
                self.on_drain()

    async def _part(self) -> None:
        if self._farewell is not None:
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._send(self._farewell), self.close_wait)


async def attach(scope: Mapping[str, object], receive: Receive, send: Send) -> Socket:
    """Accepts the handshake. What comes back may already be closed, where the peer has left meanwhile."""
    await receive()
    extensions = scope.get("extensions")
    parked = extensions.get(EXTENSION) if isinstance(extensions, dict) else None
    socket: Socket = parked if isinstance(parked, Protocol) else Sender(send)
    try:
        await send({"type": "websocket.accept"})
    except OSError:
        socket.gone(1006)
    if isinstance(socket, Protocol):
        socket.park()
    return socket


async def hold(socket: Socket, receive: Receive) -> None:
    """The handler's last line: returns at once where the socket is parked, else when it has ended."""
    if isinstance(socket, Sender):
        await socket.run(receive)


async def refuse(scope: Mapping[str, object], receive: Receive, send: Send, code: int) -> None:
    """Accepts, then closes with the code: refused before accept, a browser sees 1006 and comes back for ever."""
    socket = await attach(scope, receive, send)
    socket.close(code)
    await hold(socket, receive)
