"""What open sockets have to be asked about again: told to every node, by the transaction that has changed it."""

from collections.abc import AsyncGenerator
from typing import Final

from msgspec import Struct
from redis.asyncio import Redis

from app.store.ask import Ask, Word
from app.store.pulse import pulse, subscribe

CHANNEL: Final = "ob:control"
_TELL: Final = f"return redis.call('PUBLISH', '{CHANNEL}', redis.call('INCR', 'ob:control:n') .. ' ' .. ARGV[1])"


def told(kind: str, who: str) -> tuple[Word, ...]:
    """The command that tells all nodes. `kind` is session, user, link, screen or token; `who` its id or name.
    (erase.lua tells of an order's key.)"""
    return "EVAL", _TELL, 0, f"{kind} {who}"


class Notice(Struct, frozen=True):
    """`number` grows by one with each; 0, with an empty `kind`: the line is new, anything may have been said before."""

    number: int = 0
    kind: str = ""
    who: str = ""


class Control(Ask):
    def __init__(self, client: Redis, listener: Redis) -> None:
        super().__init__(client)
        self._listener = listener

    async def number(self) -> int:
        """Of the last notice."""
        return int(await self.ask("GET", "ob:control:n") or 0)

    async def hear(self) -> AsyncGenerator[Notice]:
        """Only a hint: a broken link is mended without a word but this one's first, and what was said meanwhile is
        gone. The number tells."""
        async with self._listener.pubsub() as line:
            await subscribe(line, CHANNEL)
            with pulse(line) as beat:
                while True:
                    said = await line.get_message(timeout=None)
                    beat.heard += 1
                    if said is None or said["channel"] != CHANNEL.encode():
                        continue
                    if said["type"] == "subscribe":
                        yield Notice()
                    elif said["type"] == "message":
                        number, kind, who = said["data"].decode().split(" ", 2)
                        yield Notice(int(number), kind, who)
