"""One call to our hook as its order system would make it: signed, and with a token of ours where it wants one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count

import httpx2
import msgspec

from app.sandbox.instacart import EVENTS, callback
from app.sandbox.sides import Feed, Step, side
from app.sandbox.world import World


class Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float


class Caller:
    """Keeps each feed's token until it ends or is refused."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.tokens: dict[str, tuple[str, float]] = {}

    async def call(self, feed: Feed, step: Step) -> int:
        """The status of one try, 0 for no answer. Each try has its own time and signature, the body stays."""
        try:
            status = await self._call(feed, step)
            if status == 401 and feed.source in self.tokens:
                del self.tokens[feed.source]
                status = await self._call(feed, step)
        except httpx2.TransportError:
            return 0
        return status

    async def _call(self, feed: Feed, step: Step) -> int:
        about = side(feed.provider)
        headers = about.headers(feed, step.body, time.time())
        if about.login:
            status, token = await self._token(feed, about.login(feed))
            if status != 200:
                return status
            headers |= {"Authorization": f"Bearer {token}"}
        if step.method != "GET":
            headers |= {"Content-Type": "application/json"}
        url = feed.url + (f"/{step.tail}" if step.tail else "") + (f"?{step.query}" if step.query else "")
        answer = await self.client.request(step.method, url, content=step.body or None, headers=headers)
        return answer.status_code

    async def _token(self, feed: Feed, form: dict[str, str]) -> tuple[int, str]:
        """The status of the call for a token, and the token."""
        token, until = self.tokens.get(feed.source, ("", 0.0))
        if time.monotonic() < until:
            return 200, token
        answer = await self.client.post(f"{feed.url}/token", data=form)
        if answer.status_code != 200:
            return answer.status_code, ""
        try:
            said = msgspec.json.decode(answer.content, type=Token)
        except msgspec.MsgspecError:
            return 0, ""
        self.tokens[feed.source] = (said.access_token, time.monotonic() + said.expires_in * 0.9)
        return 200, said.access_token


@asynccontextmanager
async def calling_back(world: World, feed: Feed) -> AsyncIterator[None]:
    """While this lasts, what is done to orders through Instacart's own sandbox calls is called back to the feed."""
    waiting: asyncio.Queue[Step] = asyncio.Queue()
    numbers = count(1_201_895_966_044_343_902)

    def heard(order: str, word: str) -> None:
        if word in EVENTS:
            at = datetime.fromtimestamp(world.clock(), UTC)
            waiting.put_nowait(Step(0.0, feed.source, order, word, callback(next(numbers), word, order, at)))

    async with httpx2.AsyncClient(timeout=10.0) as client:
        task = asyncio.create_task(_pass_on(Caller(client), feed, waiting))
        world.on_event = heard
        try:
            yield
        finally:
            world.on_event = None
            task.cancel()
            await asyncio.wait((task,))


async def _pass_on(caller: Caller, feed: Feed, waiting: asyncio.Queue[Step]) -> None:
    while True:
        await caller.call(feed, await waiting.get())
