"""Concurrent script calls share pipelines, two in flight: one is answered while the next is filled. It clocks itself,
and costs two thirds of one by one."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any, Final, cast

from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import NoScriptError, RedisError, ResponseError

from app.errors import Away
from app.store.clients import FAILURES, LIMIT, away

HELD_WITHIN: Final = 900  # milliseconds for replicas to say that they hold a batch
BATCH_MOST: Final = 64
FLIGHTS: Final = 2
Args = Sequence[str | bytes | int | float]


packed_command = cast("Callable[[tuple[str | bytes | int | float, ...]], bytes]", pack_command)  # its stub errs


class Line:
    """Calls of one script. With `replicas`, a batch counts only once WAIT has seen that many
    hold it, asked on the very connection that wrote it."""

    def __init__(self, client: Redis, script: str, replicas: int = 0) -> None:
        self._client = client
        self._script = script
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._replicas = replicas
        self._waiting: list[tuple[Args, asyncio.Future[Any]]] = []
        self._flights: set[asyncio.Task[None]] = set()

    def call(self, args: Args) -> "asyncio.Future[Any]":
        """The script's reply. Raises Away where it is not known to be stored."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((args, reply))
        if len(self._flights) < FLIGHTS:
            flight = asyncio.create_task(self._run())
            self._flights.add(flight)
            flight.add_done_callback(self._flights.discard)
        return reply

    async def _run(self) -> None:
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

    async def _send(self, batch: list[tuple[Args, "asyncio.Future[Any]"]]) -> None:
        try:
            replies = await self._pipe([args for args, _ in batch])
        except Lost:  # a connection that a restart has cut; once more on a new one, repeats being refused
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
        """The replies in order, errors among them. A pipeline of redis-py's does the same for twice the CPU."""
        packed = [packed_command(("EVALSHA", self._sha, "0", *args)) for args in calls]
        if self._replicas:
            packed.append(packed_command(("WAIT", self._replicas, HELD_WITHIN)))
        pool = self._client.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_packed_command(b"".join(packed), check_health=False)
            replies = [await _reply(connection) for _ in packed]
        except BaseException:
            # Answers that nobody waits for any more must not meet the next question.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return self._held(replies) if self._replicas else replies

    def _held(self, replies: list[Any]) -> list[Any]:
        held = replies.pop()
        if isinstance(held, int) and held >= self._replicas:
            return replies
        # It may be stored, but not where it was promised to be; the sender's repeat will find out.
        late = Away("Too few replicas hold it yet. Try again in a moment.")
        return [reply if isinstance(reply, RedisError) else late for reply in replies]


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
