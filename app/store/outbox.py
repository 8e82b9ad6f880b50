"""Calls to order systems that commits have asked for. Each has a key of its own and is done once; what can't be done
stays to be seen and tried again."""

from typing import Final, Literal

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from app.store.lease import Leased

QUEUE: Final = "ob:outbox"
DEAD: Final = "ob:outdead"
KEPT: Final = 30 * 86_400  # seconds a call that is over can be read, and its key refuses a second one

State = Literal["waiting", "sending", "done", "refused", "dead"]


class Note(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a call stands, and what the other side said to its last try."""

    state: State = "waiting"
    tries: int = 0
    words: str = ""
    at: float = 0.0
    next: float | None = None


class Outgoing(Struct, frozen=True):
    """A call: `kind` of effect, the order it is about, when it was asked for, and how it stands."""

    key: str
    kind: str
    order: str
    asked: float
    note: Note = Note()


_EFFECT: Final = msgspec.msgpack.Decoder(tuple[str, str, float])
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_NOTE: Final = msgspec.msgpack.Decoder(Note)


class Outbox(Leased):
    def __init__(self, client: Redis) -> None:
        super().__init__(client, "ob:out:")

    async def due(self, now: float, most: int) -> tuple[list[Outgoing], float | None]:
        claim = await self.claim(now, {QUEUE: most})
        return [_outgoing(taken.key, taken.fields) for taken in claim.taken], claim.next

    async def sending(self, call: Outgoing) -> bool:
        """Written before the call is made: a node that dies now leaves it in doubt. False: it is another's by now."""
        note = msgspec.structs.replace(call.note, state="sending")
        return await self.note(call.key, "n", _ENCODE(note))

    async def again(self, call: Outgoing, note: Note, due: float) -> bool:
        return await self.save(QUEUE, call.key, due, n=_ENCODE(note))

    async def over(self, call: Outgoing, note: Note) -> bool:
        """The call has ended: done, or put where people see it."""
        if note.state != "done":
            return await self.lay(QUEUE, call.key, DEAD, note.at, n=_ENCODE(note))
        if not await self.save(QUEUE, call.key, "*", n=_ENCODE(note)):
            return False
        await self.every(("EXPIRE", self.prefix + call.key, KEPT), ("ZREM", DEAD, call.key))
        return True

    async def of(self, order: str) -> list[Outgoing]:
        """An order's calls, oldest first."""
        keys = [key.decode() for key in await self.ask("SMEMBERS", "ob:outs:" + order)]
        return sorted(await self._read(keys), key=lambda call: call.asked)

    async def dead(self, count: int, start: int = 0) -> list[Outgoing]:
        """Calls that need a person, the latest first."""
        keys = await self.ask("ZREVRANGE", DEAD, start, start + count - 1)
        return await self._read([key.decode() for key in keys])

    async def one(self, key: str) -> Outgoing | None:
        return next(iter(await self._read([key])), None)

    async def replay(self, key: str, now: float) -> bool:
        """Tries a call that needed a person once more, from the beginning. False where there is no such call."""
        if await self.ask("ZSCORE", DEAD, key) is None:
            return False
        await self.every(
            ("HSET", self.prefix + key, "n", _ENCODE(Note(words="asked for again", at=now))),
            ("ZREM", DEAD, key),
            ("ZADD", QUEUE, repr(now), key),
        )
        return True

    async def _read(self, keys: list[str]) -> list[Outgoing]:
        if not keys:
            return []
        rows = await self.every(*(("HMGET", self.prefix + key, "e", "n") for key in keys))
        return [
            _outgoing(key, {b"e": effect, **({b"n": note} if note else {})})
            for key, (effect, note) in zip(keys, rows, strict=True)
            if effect is not None
        ]


def _outgoing(key: str, fields: dict[bytes, bytes]) -> Outgoing:
    kind, order, asked = _EFFECT.decode(fields[b"e"])
    return Outgoing(key, kind, order, asked, _NOTE.decode(fields[b"n"]) if b"n" in fields else Note())
