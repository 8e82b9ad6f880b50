"""The live path alone, for fanout.py: Redis channel `board` in, hub, mailboxes, sockets out.
PORT and REDIS_PORT say where."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from litestar import Litestar, WebSocket, websocket
from redis.asyncio import Redis

from app.hub import Hub
from app.mailbox import Fragment, Mailbox
from app.wire import Protocol, attach, hold

GROUP = "board:1:en"
hub = Hub()


@websocket("/ws")
async def ws(socket: WebSocket) -> None:
    wire = await attach(socket.scope, socket.receive, socket.send)
    mailbox = Mailbox(wire)
    hub.join(GROUP, mailbox)
    mailbox.open("e:0", "", {})
    await hold(wire, socket.receive)


async def pump() -> None:
    listener = Redis(port=int(os.environ["REDIS_PORT"])).pubsub()
    await listener.subscribe("board")
    seq = 0
    async for event in listener.listen():
        if event["type"] == "message":
            seq += 1
            hub.deliver(GROUP, f"e:{seq}", {f"order-{seq % 200}": Fragment(seq, event["data"].decode())})


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(pump()), asyncio.create_task(hub.run())]
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    yield
    for task in tasks:
        task.cancel()


app = Litestar([ws], lifespan=[lifespan], openapi_config=None)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), ws=Protocol, log_level="error", access_log=False, loop="uvloop")
