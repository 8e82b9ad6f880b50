"""Plays a story over HTTP, the way the order systems would: signed, in each order's own sequence, sent again until
taken."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import httpx2

from app.sandbox.chaos import Chaos, disturb
from app.sandbox.sides import Feed, Side, Step, side

__all__ = ["Chaos", "Report", "play"]

PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
AT_ONCE = 16
AGAIN = frozenset({408, 425, 429})


@dataclass
class Report:
    """Steps sent, and what became of them: taken (2xx), or refused or given up; `resent` counts the extra tries."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    resent: int = 0


async def play(
    steps: Iterable[Step],
    feeds: Sequence[Feed],
    *,
    speed: float,
    chaos: Chaos | None = None,
    on_step: Callable[[Step, int], None] | None = None,
    stop: asyncio.Event | None = None,
    pauses: Sequence[float] = PAUSES,
) -> Report:
    """Post each step when it is due (speed 1 is real time, `at` below 0 is at once), until there are no more or
    `stop` is set. `on_step` gets each step and its last status, 0 for no answer; `pauses` are the seconds before each
    further try. A 5xx, a time-out and no connection at all are tried again with the same body."""
    if not speed > 0:
        raise ValueError("the speed must be above 0")
    timeout = httpx2.Timeout(10.0, connect=3.0)
    async with httpx2.AsyncClient(timeout=timeout, headers={"User-Agent": "orderboard-sandbox"}) as client:
        player = Player(client, feeds, on_step, stop or asyncio.Event(), pauses)
        if chaos:
            steps = disturb(steps, player.feeds, chaos)
        await player.run(steps, speed)
    return player.report


class Player:
    def __init__(
        self,
        client: httpx2.AsyncClient,
        feeds: Sequence[Feed],
        on_step: Callable[[Step, int], None] | None,
        stop: asyncio.Event,
        pauses: Sequence[float],
    ) -> None:
        self.client = client
        self.feeds = {feed.source: feed for feed in feeds}
        self.sides: dict[str, Side] = {feed.source: side(feed.provider) for feed in feeds}
        self.on_step = on_step
        self.stop = stop
        self.pauses = pauses
        self.report = Report()
        self.room = asyncio.Semaphore(AT_ONCE)
        # The last post of each order under way: the next waits for it, as one system sends one order's news in turn.
        self.tails: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self, steps: Iterable[Step], speed: float) -> None:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for step in steps:
                if await self._stopped(began + step.at / speed - time.monotonic()):
                    break
                await self.room.acquire()
                key = (step.feed, step.ref)
                self.tails[key] = group.create_task(self._send(step, self.tails.get(key)))

    async def _stopped(self, seconds: float) -> bool:
        """Wait so long, or until `stop` is set; says which."""
        if seconds > 0 and not self.stop.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self.stop.wait()
            except TimeoutError:
                pass
        return self.stop.is_set()

    async def _send(self, step: Step, before: asyncio.Task[None] | None) -> None:
        try:
            if before:
                await asyncio.wait((before,))
            self.report.sent += 1
            status = await self._post(step)
            if 200 <= status < 300:
                self.report.accepted += 1
            else:
                self.report.refused += 1
            if self.on_step:
                self.on_step(step, status)
        finally:
            self.room.release()
            key = (step.feed, step.ref)
            if self.tails.get(key) is asyncio.current_task():
                del self.tails[key]

    async def _post(self, step: Step) -> int:
        """The last status of all tries."""
        status = await self._try(step)
        for pause in self.pauses:
            if (0 < status < 500 and status not in AGAIN) or await self._stopped(pause):
                break
            self.report.resent += 1
            status = await self._try(step)
        return status

    async def _try(self, step: Step) -> int:
        """One try: each has its own time and signature, the body stays. 0 is no answer."""
        feed = self.feeds[step.feed]
        headers = self.sides[step.feed].headers(feed, step.body, time.time())
        try:
            answer = await self.client.post(
                feed.url, content=step.body, headers={"Content-Type": "application/json", **headers}
            )
        except httpx2.TransportError:
            return 0
        return answer.status_code
