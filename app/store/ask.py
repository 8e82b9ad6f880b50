"""Plain commands, their failures told apart from everything else."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from app.store.clients import FAILURES, LIMIT, away

Word = str | bytes | int | float


class Ask:
    """A store's way to Redis for what is not on the hot path."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def ask(self, *command: Word) -> Any:
        try:
            async with asyncio.timeout(LIMIT):
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]
        except FAILURES as error:
            raise away(error) from error

    async def every(self, *commands: tuple[Word, ...]) -> list[Any]:
        """All or none of the commands, in one round trip."""
        pipe = self._client.pipeline(transaction=True)
        for command in commands:
            pipe.execute_command(*command)
        try:
            async with asyncio.timeout(LIMIT):
                replies: list[Any] = await pipe.execute()
        except FAILURES as error:
            raise away(error) from error
        return replies
