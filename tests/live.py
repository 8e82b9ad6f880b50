"""A real server on the loopback with a hub behind it, and a client that reads only when it is told to."""

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from app import wire
from app.hub import Hub
from app.mailbox import Mailbox

WAIT = 15.0  # seconds: far more than anything here takes
LOOPS = [("asyncio", {}), ("asyncio", {"use_uvloop": True})]
MASK = b"\x01\x02\x03\x04"


class Live:
    """Paths: /GROUP is joined and opened with an empty view, /wait/GROUP joined only, /refuse/CODE refused.
    /fail and /caught fail once they have joined, the second within a framework that says so with its own code."""

    def __init__(self, hub: Hub, **config: Any) -> None:
        self.hub = hub
        self.mailboxes: list[Mailbox] = []
        self.deaf: list[Deaf] = []  # closed with the server
        options = {"port": 0, "ws": wire.Protocol, "lifespan": "off", "log_config": None, "interface": "asgi3"}
        self.server = uvicorn.Server(uvicorn.Config(self.app, **(options | config)))

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        what, _, rest = scope["path"][1:].partition("/")
        if what == "refuse":
            await wire.refuse(scope, receive, send, int(rest))
            return
        attached = await wire.attach(scope, receive, send)
        mailbox = Mailbox(attached)
        self.mailboxes.append(mailbox)
        self.hub.join(rest or what, mailbox)
        if what == "fail":
            raise LookupError("as planned")
        if what == "caught":
            await send({"type": "websocket.close", "code": 4500})
            return
        if what != "wait":
            mailbox.open("e:0", "", {})
        await wire.hold(attached, receive)

    @property
    def port(self) -> int:
        return int(self.server.servers[0].sockets[0].getsockname()[1])

    def client(self, path: str, **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/{path}", **options)

    async def stop(self) -> None:
        self.server.should_exit = True
        await until(lambda: not self.server.server_state.connections)


@asynccontextmanager
async def served(hub: Hub | None = None, **config: Any) -> AsyncIterator[Live]:
    live = Live(hub or Hub(), **config)
    serving = asyncio.create_task(live.server.serve())
    running = asyncio.create_task(live.hub.run())
    await until(lambda: live.server.started)
    try:
        yield live
    finally:
        live.server.should_exit = True
        await asyncio.wait_for(serving, WAIT)
        for client in live.deaf:
            client.socket.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT):
        while not true():
            await asyncio.sleep(0.01)


async def received(client: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(await asyncio.wait_for(client.recv(), WAIT)))


class Deaf:
    """A client down to the bytes. Its own buffer is small, so that the server soon notices that it doesn't read."""

    def __init__(self, live: Live) -> None:
        live.deaf.append(self)
        self.port = live.port
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self.had = b""

    async def open(self, path: str) -> "Deaf":
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self.socket, ("127.0.0.1", self.port))
        words = [f"GET /{path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
        words += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", ""]
        await loop.sock_sendall(self.socket, "\r\n".join(words).encode())
        while b"\r\n\r\n" not in self.had:
            await self.more()
        assert self.had.startswith(b"HTTP/1.1 101")
        self.had = self.had.partition(b"\r\n\r\n")[2]
        return self

    async def more(self, size: int = 65536) -> None:
        got = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, size), WAIT)
        if not got:
            raise EOFError
        self.had += got

    async def send(self, first: int, data: bytes, mask: bytes = MASK) -> None:
        size = len(data)
        flag = 0x80 if mask else 0
        head = bytes((first, flag | size)) if size < 126 else struct.pack("!BBQ", first, flag | 127, size)
        key = (mask or bytes(4)) * (size // 4 + 1)
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(key[:size], "big")).to_bytes(size, "big")
        await asyncio.get_running_loop().sock_sendall(self.socket, head + mask + masked)

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and data of the next frame; EOFError where there is none to come."""
        while True:
            had = self.had
            size, start = (had[1] & 127, 2) if len(had) > 1 else (0, 2)
            if size > 125:
                start = 4 if size == 126 else 10
                size = int.from_bytes(had[2:start], "big")
            if len(had) >= max(start, 2) and len(had) >= start + size:
                self.had = had[start + size :]
                return had[0] & 15, had[start : start + size]
            await self.more()

    async def message(self) -> dict[str, Any]:
        while True:
            opcode, data = await self.frame()
            if opcode == 1:
                return dict(json.loads(data))

    async def code(self) -> int:
        """Of the close frame that must come."""
        while True:
            opcode, data = await self.frame()
            if opcode == 8:
                return int.from_bytes(data[:2], "big")


def noise(size: int) -> str:
    """Text that no compression makes much smaller."""
    return os.urandom(size // 2).hex()
