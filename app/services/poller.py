"""One poller for all: followed orders whose time has come are asked about, and put back with their next due time.

N nodes share the work by leases. A poll that finds nothing new writes nothing but when to come back.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from app import metrics
from app.errors import Away, Problem
from app.intake import Intake
from app.orders import Order
from app.providers.contract import Follow, Heard, Location, Polling, Provider, Reply
from app.services.breaker import pause
from app.services.gate import AT_ONCE, Gate, Later
from app.services.http import Failed
from app.services.tokens import Tokens
from app.services.watch import Watch
from app.settings import Source
from app.store.follows import Due, Follows
from app.store.lease import LEASE, RENEW
from app.store.positions import Positions
from app.trips import Fix

log = structlog.get_logger()

LOOK: Final = 0.5  # seconds between two looks at what is due, where nobody says that something is
TOGETHER: Final = 0.1  # seconds from one look to the next while there is much to do: claims come in batches
JOIN: Final = 0.02  # seconds in which more stirring joins the first
HAND_MOST: Final = 200  # orders of one source in hand
ROUND_MOST: Final = 8  # resources asked of one order in a row
EARLY: Final = 60.0  # seconds: an order asked for by name is asked about what would soon be due anyway

Waits = dict[str, tuple[int, float]]  # by resource: failures in a row, and until when it is left alone
_WAITS: Final = msgspec.msgpack.Decoder(Waits)
FOLLOW: Final = msgspec.msgpack.Decoder(Follow)
encode: Final = msgspec.msgpack.Encoder().encode


class Round(Struct):
    """One order in hand, as its polls change it."""

    source: Source
    provider: Provider
    polling: Polling
    follow: Follow
    order: Order | None
    waits: Waits
    poked: bool
    over: bool = False
    not_before: float = 0.0  # the source wants to be left alone until then


class Poller:
    def __init__(
        self,
        sources: Mapping[str, tuple[Source, Provider]],
        gates: Mapping[str, Gate],
        tokens: Tokens,
        follows: Follows,
        positions: Positions,
        intake: Intake,
        watch: Watch,
        clock: Callable[[], float],
    ) -> None:
        self._sources = {name: pair for name, pair in sources.items() if pair[1].polling is not None}
        self._gates = gates
        self._tokens = tokens
        self._follows = follows
        self._positions = positions
        self._intake = intake
        self._watch = watch
        self._clock = clock
        self._hand: dict[str, set[str]] = {name: set() for name in self._sources}
        self._put: list[tuple[Due, Round, float | None]] = []
        self._stirred: set[str] = set()
        self._wake = asyncio.Event()

    def stir(self, key: str) -> None:
        """Something was heard of an order another way: should it be followed, it is asked about at once."""
        if key.partition(":")[0] in self._sources:
            self._stirred.add(key)
            self._wake.set()

    async def run(self) -> None:
        if not self._sources:
            await asyncio.Event().wait()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._renewing())
                while True:
                    await self._rest(await self._look(tasks))
        finally:
            await self._leave()

    async def _look(self, tasks: asyncio.TaskGroup) -> float | None:
        """Takes what is due, as much as each source has room for. Answers when the next will be due."""
        try:
            await self._flush()
            if self._stirred:
                stirred, self._stirred = self._stirred, set()
                await self._follows.hurry(self._clock(), stirred)
            wanted = {name: room for name, hand in self._hand.items() if (room := self._room(name, hand)) > 0}
            found, soonest = await self._follows.due(self._clock(), wanted) if wanted else ([], None)
        except Away as error:
            log.warning("the poller waits for the store", why=str(error))
            await asyncio.sleep(1.0)
            return None
        for due in found:
            if due.key not in self._hand[due.source]:
                self._hand[due.source].add(due.key)
                tasks.create_task(self._polled(due))
        return soonest

    def _room(self, name: str, hand: set[str]) -> int:
        """As much as its rate lets through in a second or so: what waits in one node's hand is lost to the others."""
        gate = self._gates[name]
        return gate.room(min(int(gate.source.rate) + AT_ONCE, HAND_MOST) - len(hand))

    async def _rest(self, soonest: float | None) -> None:
        """Until the next is due, somebody stirs, or a source may have room again."""
        left = LOOK if soonest is None else soonest - self._clock()
        busy = any(self._hand.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(TOGETHER if busy else min(max(left, TOGETHER), LOOK)):
                await self._wake.wait()
                await asyncio.sleep(JOIN)
        self._wake.clear()

    async def _renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            held = [(self._follows.queue(name), key) for name, hand in self._hand.items() for key in hand]
            with suppress(Away):
                await self._follows.renew(self._clock() + LEASE, held)

    async def _leave(self) -> None:
        """What is still in hand may be taken by another node at once."""
        with suppress(Away):
            await self._flush()
        held = [(self._follows.queue(name), key) for name, hand in self._hand.items() for key in hand]
        for hand in self._hand.values():
            hand.clear()
        with suppress(Away):
            await self._follows.renew(self._clock(), held)

    # ---- one order ----

    async def _polled(self, due: Due) -> None:
        source, provider = self._sources[due.source]
        assert provider.polling is not None
        try:
            waits = _WAITS.decode(due.waits) if due.waits else {}
            order = due.record.order if due.record else None
            follow = FOLLOW.decode(due.body)
            turn = Round(source, provider, provider.polling, follow, order, waits, due.poked)
            self._intake.know(due.key, due.record)
            await self._save(turn, due, await self._asked(turn))
        except Away:
            await asyncio.sleep(1.0)  # its lease ends, then it is taken again
            self._hand[due.source].discard(due.key)
        except Exception:
            # One order that a provider stumbles over must not hold up the others, nor be asked about without end.
            log.exception("a poll failed", source=due.source)
            self._watch.polled(due.source, "a fault of ours, see the log")
            await self._put_back(due)

    async def _put_back(self, due: Due) -> None:
        with suppress(Away):
            await self._follows.save(
                self._follows.queue(due.source), due.key, self._clock() + pause(4), b=due.body, w=due.waits
            )
        self._hand[due.source].discard(due.key)

    async def _asked(self, turn: Round) -> float | None:
        """Asks for what is due now. Answers when to come back; None where the following has ended."""
        seen: set[str] = set()
        for _ in range(ROUND_MOST):
            plan = turn.polling.plan(turn.source, turn.follow, turn.order, self._clock())
            if turn.over or not plan:
                return None
            ready = [name for name, at in plan.items() if name not in seen and self._ready(turn, name, at)]
            if not ready or turn.not_before:
                break
            seen.add(ready[0])
            await self._ask(turn, ready[0])
        return max(min(max(at, _wait(turn, name)) for name, at in plan.items()), turn.not_before)

    def _ready(self, turn: Round, name: str, at: float) -> bool:
        now = self._clock()
        if turn.poked:
            return at <= now + EARLY
        return max(at, _wait(turn, name)) <= now

    async def _ask(self, turn: Round, resource: str) -> None:
        """One resource, and what its answer means."""
        try:
            reply, heard = await self._heard(turn, resource)
        except Later as later:
            turn.not_before = self._clock() + later.seconds
            return
        except Away:
            raise
        except (Failed, Problem) as error:
            self._failed(turn, resource, str(error))
            return
        marks = {name: mark for name, mark in {**turn.follow.marks, **heard.marks}.items() if mark}
        turn.follow = replace(turn.follow, marks=marks)
        turn.over = heard.over
        for event in heard.events:
            outcome = await self._intake.take(event, lambda: turn.provider.redact(reply.body))
            turn.order = outcome.order
        if heard.location is not None:
            await self._locate(turn, heard.location)
        if heard.stop:
            turn.follow = replace(turn.follow, stopped=turn.follow.stopped | {resource})
        if heard.failed is not None:
            self._failed(turn, resource, heard.failed)
            return
        turn.waits.pop(resource, None)
        turn.follow = replace(turn.follow, asked={**turn.follow.asked, resource: reply.asked})
        self._count(turn.source.id, None)

    async def _heard(self, turn: Round, resource: str) -> tuple[Reply, Heard]:
        """Sends, and once more with another token where the first is refused."""
        gate, follow, polling = self._gates[turn.source.id], turn.follow, turn.polling
        token = await self._tokens.get(gate, polling, follow)
        for _ in range(2):
            reply = await gate.send(polling.request(turn.source, follow, resource, token))
            heard = polling.hear(turn.source, follow, turn.order, resource, reply)
            if not heard.renew:
                return reply, heard
            if token is None:
                break
            token = await self._tokens.get(gate, polling, follow, refused=token)
        raise Failed(f"It answers {reply.status} about {resource}: the keys of this source are refused.", sent=True)

    def _failed(self, turn: Round, resource: str, words: str) -> None:
        failures = turn.waits.get(resource, (0, 0.0))[0] + 1
        turn.waits[resource] = (failures, self._clock() + pause(failures))
        self._count(turn.source.id, words)

    def _count(self, source: str, error: str | None) -> None:
        metrics.POLLS.labels(source, "good" if error is None else "failed").inc()
        self._watch.polled(source, error)

    async def _locate(self, turn: Round, where: Location) -> None:
        if turn.order is None or turn.order.end is not None:
            return
        position = Fix(where.latitude, where.longitude, where.at)
        await self._positions.locate(turn.order.key, turn.order.store, position)

    async def _save(self, turn: Round, due: Due, back: float | None) -> None:
        if turn.order is not None and turn.order.end is not None:
            await self._positions.end(due.key)
        self._put.append((due, turn, back))

    async def _flush(self) -> None:
        """Puts back together what was asked about since the last look: one by one would cost as much as the polls. What
        the store does not take is not lost, its lease ends."""
        put, self._put = self._put, []
        try:
            await asyncio.gather(*(self._back(*one) for one in put))
        finally:
            for due, _, _ in put:
                self._hand[due.source].discard(due.key)

    async def _back(self, due: Due, turn: Round, back: float | None) -> bool:
        queue = self._follows.queue(due.source)
        if back is None:
            return await self._follows.save(queue, due.key, "-")
        return await self._follows.save(queue, due.key, back, b=encode(turn.follow), w=encode(turn.waits))


def _wait(turn: Round, name: str) -> float:
    """Until when a resource that failed is left alone."""
    return turn.waits.get(name, (0, 0.0))[1]
