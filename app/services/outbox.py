"""Calls to order systems that the rule has asked for: at least once each, under one idempotency key, tried for three
quarters of an hour; where it is not known whether one arrived, a person decides."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Final

import structlog

from app import metrics
from app.errors import Away, Problem
from app.orders import Order
from app.providers.contract import Calling, Follow, Provider, Reply
from app.services.breaker import retry_after
from app.services.gate import Gate, Later
from app.services.http import Failed
from app.services.poller import FOLLOW
from app.services.tokens import Tokens
from app.settings import Source
from app.store.follows import Follows
from app.store.lease import LEASE, RENEW
from app.store.orders import Orders
from app.store.outbox import QUEUE, Note, Outbox, Outgoing, State

log = structlog.get_logger()

DELAYS: Final = (5.0, 15.0, 45.0, 120.0, 300.0, 600.0, 900.0, 900.0)  # 48 minutes in all
LOOK: Final = 0.5  # seconds between two looks
HAND_MOST: Final = 32
PATIENCE: Final = 5.0  # seconds a call waits for its slot
DOUBT: Final = "No answer came, and it may have arrived all the same: check with {label}, then call again or let it be."

Told = tuple[str, str, float | None]  # done, retry, refused or doubt; in words; the seconds it asks us to wait


class Caller:
    def __init__(
        self,
        sources: Mapping[str, tuple[Source, Provider]],
        gates: Mapping[str, Gate],
        tokens: Tokens,
        follows: Follows,
        orders: Orders,
        outbox: Outbox,
        clock: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._gates = gates
        self._tokens = tokens
        self._follows = follows
        self._orders = orders
        self._outbox = outbox
        self._clock = clock
        self._hand: set[str] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renewing())
            while True:
                try:
                    found, _ = await self._outbox.due(self._clock(), HAND_MOST - len(self._hand))
                except Away as error:
                    log.warning("the outbox waits for the store", why=str(error))
                    found = []
                for call in found:
                    if call.key not in self._hand:
                        self._hand.add(call.key)
                        tasks.create_task(self._called(call))
                await asyncio.sleep(LOOK)

    async def _renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            with suppress(Away):
                await self._outbox.renew(self._clock() + LEASE, [(QUEUE, key) for key in self._hand])

    async def _called(self, call: Outgoing) -> None:
        try:
            await self._settle(call, await self._told(call))
        except Later as later:
            with suppress(Away):
                await self._outbox.again(call, call.note, self._clock() + later.seconds)
        except Away:
            await asyncio.sleep(1.0)  # its lease ends, then it is taken again
        except Exception:
            log.exception("a call failed", kind=call.kind)
            with suppress(Away):
                await self._settle(call, ("retry", "a fault of ours, see the log", None))
        finally:
            self._hand.discard(call.key)

    async def _told(self, call: Outgoing) -> Told:
        """Makes the call. Answers what came of it."""
        name = call.order.partition(":")[0]
        if name not in self._sources:
            return "refused", "Its source is no longer in the config.", None
        source, provider = self._sources[name]
        calling = provider.calls.get(call.kind)
        if calling is None:
            return "done", "This order system has no such call.", None
        if call.note.state == "sending" and not calling.repeatable:
            return "doubt", DOUBT.format(label=provider.label), None  # whoever made it died before it could say
        record = await self._orders.get(call.order)
        if record is None:
            return "refused", "The order is gone.", None
        try:
            return await self._exchanged(call, source, provider, calling, record.order)
        except Failed as error:
            if error.sent and not calling.repeatable:
                return "doubt", DOUBT.format(label=provider.label), None
            return "retry", str(error), None
        except Problem as error:
            if isinstance(error, Away):
                raise
            return "refused", str(error), None

    async def _exchanged(
        self, call: Outgoing, source: Source, provider: Provider, calling: Calling, order: Order
    ) -> Told:
        if calling.request(source, order, None) is None:
            return "done", "There is nothing to call for this order.", None
        gate = self._gates[source.id]
        token = await self._token(gate, provider, order)
        for _ in range(2):
            request = calling.request(source, order, token)
            assert request is not None
            if not await self._outbox.sending(call):
                raise Away("Another node has taken this call over.")
            headers = {**request.headers, "Idempotency-Key": _plain(call.key)}
            reply = await gate.send(
                type(request)(url=request.url, method=request.method, headers=headers, body=request.body),
                PATIENCE,
                anyway=True,
            )
            if reply.status != 401 or token is None:
                break
            token = await self._token(gate, provider, order, refused=token)
        verdict, words = calling.outcome(reply)
        return verdict, words, _asked_for(reply)

    async def _token(self, gate: Gate, provider: Provider, order: Order, refused: str | None = None) -> str | None:
        """The token by which the order is polled: a customer's own, where the system has one for each."""
        if provider.polling is None or provider.polling.token is None:
            return None
        body = await self._follows.body(order.key)
        plain = Follow(source=order.source, ref=order.ref, began=self._clock(), store=order.store)
        follow = plain if body is None else FOLLOW.decode(body)
        return await self._tokens.get(gate, provider.polling, follow, refused)

    async def _settle(self, call: Outgoing, told: Told) -> None:
        verdict, words, asked = told
        now, tries = self._clock(), call.note.tries + 1
        metrics.CALLS.labels(call.order.partition(":")[0], verdict).inc()
        if verdict == "retry" and tries <= len(DELAYS):
            due = now + max(DELAYS[tries - 1] * random.uniform(0.8, 1.2), asked or 0.0)
            await self._outbox.again(call, Note(state="waiting", tries=tries, words=words, at=now, next=due), due)
            return
        state: State = _STATES.get(verdict, "dead")
        if state != "done":
            log.warning("a call needs a person", kind=call.kind, source=call.order.partition(":")[0], state=state)
        await self._outbox.over(call, Note(state=state, tries=tries, words=words, at=now))


_STATES: Final[dict[str, State]] = {"done": "done", "refused": "refused"}


def _plain(key: str) -> str:
    """A header takes ASCII only."""
    return key if key.isascii() else sha256(key.encode()).hexdigest()


def _asked_for(reply: Reply) -> float | None:
    return retry_after(reply.headers.get("retry-after"), reply.heard)
