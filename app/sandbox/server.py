"""The order systems' own API over HTTP, all of them on one port, each at its documented paths."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import uvicorn

from app.sandbox.api import fulfilment, instacart, jane, lolamarket, urbit
from app.sandbox.api.call import Answer, Request
from app.sandbox.world import Call, World

Message = MutableMapping[str, Any]
BODY_MOST: Final = 1 << 20
TABLE: Final[list[tuple[str, re.Pattern[str], Callable[..., Answer]]]] = [
    (method, re.compile(pattern), handler)
    for system in (instacart, fulfilment, urbit, lolamarket, jane)
    for method, pattern, handler in system.ROUTES
]


def answer(world: World, request: Request) -> Answer:
    """What the system behind this path says."""
    known = [(method, handler, match) for method, path, handler in TABLE if (match := path.fullmatch(request.path))]
    for method, handler, match in known:
        if method == request.method:
            return handler(world, request, *map(unquote, match.groups()))
    allowed = ", ".join(method for method, _, _ in known)
    return Answer(405, headers=(("allow", allowed),)) if known else Answer(404)


class Application:
    """ASGI. Every call is in the world's log before its answer is sent."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        at = self.world.clock()
        request = _request(scope, await _body(receive))
        ill = self.world.trouble.befall(request.method, request.path, at)
        retry = (("retry-after", ill.retry_after),) if ill.retry_after else ()
        said = Answer(ill.status, headers=retry) if ill.status else answer(self.world, request)
        self.world.calls.append(Call(request.method, request.path, said.status, at))
        if ill.seconds:
            await asyncio.sleep(ill.seconds)
        await _send(send, said)


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body, more = b"", True
    while more and len(body) < BODY_MOST:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _request(scope: Message, body: bytes) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    url = f"{scope['scheme']}://{headers.get('host', '')}{path}" + (f"?{query}" if query else "")
    return Request(scope["method"], url, path, dict(parse_qsl(query)), headers, body)


async def _send(send: Callable[[Message], Awaitable[None]], said: Answer) -> None:
    body = said.encoded()
    typed = [("content-type", "application/json")] if body else []
    length = [] if said.status == 204 else [("content-length", str(len(body)))]
    headers = [(name.encode(), value.encode()) for name, value in (*typed, *length, *said.headers)]
    await send({"type": "http.response.start", "status": said.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Server(uvicorn.Server):
    """Signals are the business of whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


@asynccontextmanager
async def serve(world: World, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Answers in this loop until left; gives the base URL, with a free port where 0 was asked for. OSError where the
    port is taken."""
    config = uvicorn.Config(
        Application(world),
        ws="none",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    with socket.create_server((host, port)) as listening:
        # asyncio would do so only for a socket that names its protocol; without it an answer takes 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started and not task.done():
                await asyncio.sleep(0.005)
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
