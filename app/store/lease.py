"""Work shared by all nodes: due entries are taken with a lease, and put back with their next due time in one step."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis

from app.store.ask import Ask
from app.store.line import Line

LEASE: Final = 10.0  # seconds until the work of a node that died is taken over
RENEW: Final = 3.0  # seconds between a living node's renewals
Value = str | bytes | int | float


class Taken(Struct, frozen=True):
    """An entry in hand. `fields` as stored; `poked`: somebody asked for it by name; `beside`: tag and body of what
    was read along."""

    queue: str
    key: str
    fields: dict[bytes, bytes]
    poked: bool
    beside: tuple[bytes | None, bytes | None] = (None, None)


class Claim(Struct, frozen=True):
    """What was due, and the instant of the next due entry (None: nothing is left)."""

    taken: list[Taken]
    next: float | None


class Leased(Ask):
    """Entries lie under `prefix` + key, their due times in the named queues."""

    prefix: str

    def __init__(self, client: Redis, prefix: str) -> None:
        super().__init__(client)
        self.prefix = prefix
        self.node = secrets.token_hex(6)
        self._line = Line(client, (Path(__file__).with_name("lease.lua")).read_text())

    async def claim(self, now: float, wanted: Mapping[str, int], along: str = "") -> Claim:
        """At most so many due entries of each queue, from now on ours for `LEASE` seconds."""
        args: list[Value] = ["claim", self.prefix, self.node, repr(now), repr(now + LEASE), along]
        for queue, most in wanted.items():
            args += [queue, most]
        soonest, *rows = await self._line.call(args)
        return Claim([_taken(row) for row in rows], float(soonest) if soonest else None)

    async def save(self, queue: str, key: str, due: float | str, **fields: Value) -> bool:
        """Puts an entry back: due again then, `-` gone for good, `*` kept but done. False: it is no longer ours."""
        when = due if isinstance(due, str) else repr(due)
        flat = [part for pair in fields.items() for part in pair]
        return bool(await self._line.call(["save", self.prefix, self.node, queue, key, when, *flat]))

    async def lay(self, queue: str, key: str, other: str, score: float, **fields: Value) -> bool:
        """Moves an entry that is due no more into another queue. False: it is no longer ours."""
        flat = [part for pair in fields.items() for part in pair]
        return bool(await self._line.call(["lay", self.prefix, self.node, queue, key, other, repr(score), *flat]))

    async def note(self, key: str, field: str, value: Value) -> bool:
        return bool(await self._line.call(["note", self.prefix, self.node, key, field, value]))

    async def renew(self, until: float, held: Iterable[tuple[str, str]]) -> int:
        flat = [part for pair in held for part in pair]
        return int(await self._line.call(["renew", self.prefix, self.node, repr(until), *flat])) if flat else 0

    async def start(self, queue: str, key: str, due: float, **fields: Value) -> bool:
        """A new entry; False where it is there already."""
        flat = [part for pair in fields.items() for part in pair]
        return bool(await self._line.call(["start", self.prefix, queue, key, repr(due), *flat]))

    async def poke(self, now: float, entries: Sequence[tuple[str, str]]) -> int:
        """Makes entries due at once; answers how many of them there are."""
        flat = [part for pair in entries for part in pair]
        return int(await self._line.call(["poke", self.prefix, repr(now), *flat])) if flat else 0

    async def fields(self, key: str) -> dict[bytes, bytes]:
        """An entry as it is stored; empty where there is none."""
        row: dict[bytes, bytes] = await self.ask("HGETALL", self.prefix + key)
        return row


def _taken(row: Any) -> Taken:
    queue, key, flat, beside = row
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    along = (beside[0], beside[1]) if beside else (None, None)
    return Taken(queue.decode(), key.decode(), fields, b"p" in fields, along)
