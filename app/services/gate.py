"""The one way out to a source: at most eight calls at once, its rate over all nodes, its pauses, and its breaker."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from app.providers.contract import Reply, Request
from app.services.breaker import Breaker, pause, retry_after
from app.services.http import Failed, Pool
from app.settings import Source
from app.store.rates import Rates

AT_ONCE: Final = 8
AHEAD: Final = 0.1  # seconds of slots taken at once
STALE: Final = 0.1  # seconds after which a slot that nobody used is void: used late, they would come in a crowd
PATIENCE: Final = 3.0  # seconds a call waits for its slot; after that it is put back


class Later(Exception):
    """Not now: the source is busy or wants to be left alone for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not for {seconds:.0f} s")
        self.seconds = seconds


class Gate:
    def __init__(self, source: Source, rates: Rates, clock: Callable[[], float]) -> None:
        self.source = source
        self.breaker = Breaker()
        self._rates = rates
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._taking = asyncio.Lock()
        self._slots: deque[float] = deque()
        self._wanted = 0  # calls under way and waiting
        self._quiet = 0.0  # until then the source wants to be left alone, by the monotonic clock
        self._slowed = 0  # refusals for too many requests in a row
        self._pool = Pool()

    @property
    def state(self) -> str:
        return self.breaker.state(time.monotonic())

    def room(self, most: int) -> int:
        """How many of `most` calls may begin now."""
        now = time.monotonic()
        return 0 if now < self._quiet else self.breaker.room(now, most)

    async def send(self, request: Request, patience: float = PATIENCE, *, anyway: bool = False) -> Reply:
        """Raises Later where it was not sent for lack of a slot, Failed where no answer came. `anyway`: the breaker,
        which is there for polls, does not hold it up."""
        self._wanted += 1
        try:
            async with self._turns:
                await self._turn(patience)
                closed = 0.0 if anyway else self.breaker.wait(time.monotonic())
                if closed:
                    raise Later(closed)
                reply = await self._sent(request)
        finally:
            self._wanted -= 1
        await self._judge(reply)
        return reply

    async def _sent(self, request: Request) -> Reply:
        self.breaker.begin(time.monotonic())
        try:
            return await self._exchange(request)
        except Failed:
            self.breaker.bad(time.monotonic())
            raise
        except BaseException:
            self.breaker.neither()
            raise

    async def _turn(self, patience: float) -> None:
        left = self._quiet - time.monotonic()
        if left > 0:
            raise Later(left)
        wait = await self._slot(patience) - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        left = self._quiet - time.monotonic()
        if left > 0:  # the source has asked for quiet meanwhile
            raise Later(left)

    async def _slot(self, patience: float) -> float:
        """When the next slot of this node comes, by the monotonic clock. They are taken for a moment's needs at once:
        a call to Redis for each would cost as much as the rest of a poll."""
        async with self._taking:
            now = time.monotonic()
            while self._slots and self._slots[0] < now - STALE:
                self._slots.popleft()
            if not self._slots:
                count = max(1, min(self._wanted, int(self.source.rate * AHEAD)))
                wait = await self._rates.turns(self.source.id, self.source.rate, patience, count)
                if wait > patience:
                    self._quiet = max(self._quiet, time.monotonic() + wait - patience)
                    raise Later(wait)
                first = time.monotonic() + wait
                self._slots.extend(first + number / self.source.rate for number in range(count))
            return self._slots.popleft()

    async def _exchange(self, request: Request) -> Reply:
        asked = self._clock()
        answer = await self._pool.send(request.method, request.url, request.headers, request.body)
        return Reply(status=answer.status, asked=asked, heard=self._clock(), headers=answer.headers, body=answer.body)

    async def _judge(self, reply: Reply) -> None:
        """What an answer says of the source as a whole: well, failing, or asked too often."""
        said = retry_after(reply.headers.get("retry-after"), reply.heard)
        if reply.status >= 500:
            self.breaker.bad(time.monotonic())
        elif reply.status == 429:
            self.breaker.neither()
        else:
            self.breaker.good()
            self._slowed = 0
        if reply.status == 429 or (reply.status == 503 and said is not None):
            self._slowed += 1
            await self._hush(pause(self._slowed) if said is None else said)

    async def _hush(self, seconds: float) -> None:
        """No node asks this source anything for so long."""
        self._quiet = max(self._quiet, time.monotonic() + seconds)
        await self._rates.hold(self.source.id, self.source.rate, seconds)

    def close(self) -> None:
        self._pool.close()
