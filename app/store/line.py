"""Concurrent script calls share one pipeline, one in flight: it clocks itself, and costs two thirds of one by one."""

import asyncio
from collections.abc import Sequence
from hashlib import sha1
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from app.errors import Away
from app.store.clients import FAILURES, LIMIT, TIMEOUT, away

BATCH_MOST: Final = 256
Args = Sequence[str | bytes | int | float]


class Line:
    """Calls of one script, in the order of `call`. With `replicas`, a batch counts only once WAIT has seen that many
    hold it, asked on the very connection that wrote it."""

    def __init__(self, client: Redis, script: str, replicas: int = 0) -> None:
        self._client = client
        self._script = script
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._replicas = replicas
        self._waiting: list[tuple[Args, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    def call(self, args: Args) -> "asyncio.Future[Any]":
        """The script's reply. Raises Away where it is not known to be stored."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((args, reply))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return reply

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MOST], self._waiting[BATCH_MOST:]
                try:
                    async with asyncio.timeout(LIMIT):
                        await self._send(batch)
                except FAILURES as error:
                    # Who queued behind a dead connection has waited as long: tell them now, not after a time-out each.
                    batch, self._waiting = batch + self._waiting, []
                    for _, reply in batch:
                        if not reply.done():
                            reply.set_exception(away(error))
        finally:
            self._task = None

    async def _send(self, batch: list[tuple[Args, "asyncio.Future[Any]"]]) -> None:
        replies = await self._pipe([args for args, _ in batch])
        if any(isinstance(reply, NoScriptError) for reply in replies):
            # A restarted server has forgotten the script. What did run is refused as a repeat, or moves on by its tag.
            await self._client.script_load(self._script)
            missed = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            for i, reply in zip(missed, await self._pipe([batch[i][0] for i in missed]), strict=True):
                replies[i] = reply
        for (_, waiter), reply in zip(batch, replies, strict=True):
            if waiter.done():
                continue
            if isinstance(reply, Exception):
                waiter.set_exception(away(reply))
            else:
                waiter.set_result(reply)

    async def _pipe(self, calls: list[Args]) -> list[Any]:
        pipe = self._client.pipeline(transaction=False)
        for args in calls:
            pipe.execute_command("EVALSHA", self._sha, 0, *args)
        if self._replicas:
            pipe.execute_command("WAIT", self._replicas, int(TIMEOUT * 600))
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        if self._replicas:
            held = replies.pop()
            if not isinstance(held, int) or held < self._replicas:
                # It may be stored, but not where it was promised to be; the sender's repeat will find out.
                late = Away("Too few replicas hold it yet. Try again in a moment.")
                return [reply if isinstance(reply, RedisError) else late for reply in replies]
        return replies
