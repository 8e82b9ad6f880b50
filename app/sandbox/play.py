"""Plays a story over HTTP, the way the order systems would: in each order's own sequence, sent again until taken;
and in the world that calls to the order systems see."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import httpx2

from app.sandbox.caller import Caller
from app.sandbox.chaos import Chaos, disturb
from app.sandbox.sides import Feed, Step, side
from app.sandbox.world import World

__all__ = ["Chaos", "Report", "play"]

PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
AT_ONCE = 16
AGAIN = frozenset({408, 425, 429})
OnStep = Callable[[Step, int], None]
OnFollow = Callable[[Feed, Mapping[str, object]], Awaitable[None]]


@dataclass
class Report:
    """Calls made, and what became of them: taken (2xx), or refused or given up; `resent` counts the extra tries."""

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
    on_step: OnStep | None = None,
    on_follow: OnFollow | None = None,
    world: World | None = None,
    stop: asyncio.Event | None = None,
    pauses: Sequence[float] = PAUSES,
) -> Report:
    """Do each step when it is due (speed 1 is real time, `at` below 0 is at once), until there are no more or
    `stop` is set. Its deeds happen in `world`; `on_follow` gets its feed and what to follow, before the call that the
    step may make; `on_step` gets each step that made one and its last status, 0 for no answer. `pauses` are the
    seconds before each further try: a 5xx, a time-out and no connection at all are tried again with the same body."""
    if not speed > 0:
        raise ValueError("the speed must be above 0")
    timeout = httpx2.Timeout(10.0, connect=3.0)
    async with httpx2.AsyncClient(timeout=timeout, headers={"User-Agent": "orderboard-sandbox"}) as client:
        player = Player(Caller(client), feeds, on_step, on_follow, world or World(), stop or asyncio.Event(), pauses)
        if chaos:
            steps = disturb(steps, player.feeds, chaos)
        await player.run(steps, speed)
    return player.report


class Player:
    def __init__(
        self,
        caller: Caller,
        feeds: Sequence[Feed],
        on_step: OnStep | None,
        on_follow: OnFollow | None,
        world: World,
        stop: asyncio.Event,
        pauses: Sequence[float],
    ) -> None:
        self.caller = caller
        self.feeds = {feed.source: feed for feed in feeds}
        for feed in feeds:
            side(feed.provider)  # an unknown system is refused before anything is sent
        self.on_step = on_step
        self.on_follow = on_follow
        self.world = world
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
                for deed in step.deeds:
                    self.world.happen(deed)
                if not step.calls and not step.follow:
                    continue
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
            if step.follow and self.on_follow:
                await self.on_follow(self.feeds[step.feed], step.follow)
            if step.calls:
                await self._tell(step)
        finally:
            self.room.release()
            key = (step.feed, step.ref)
            if self.tails.get(key) is asyncio.current_task():
                del self.tails[key]

    async def _tell(self, step: Step) -> None:
        self.report.sent += 1
        status = await self._call(step)
        if 200 <= status < 300:
            self.report.accepted += 1
        else:
            self.report.refused += 1
        if self.on_step:
            self.on_step(step, status)

    async def _call(self, step: Step) -> int:
        """The last status of all tries."""
        feed = self.feeds[step.feed]
        status = await self.caller.call(feed, step)
        for pause in self.pauses:
            if (0 < status < 500 and status not in AGAIN) or await self._stopped(pause):
                break
            self.report.resent += 1
            status = await self.caller.call(feed, step)
        return status
