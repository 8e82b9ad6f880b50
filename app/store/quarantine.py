"""What could not be read or understood, kept whole for a week, to be looked at and tried again after a fix."""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from app.store.ask import Ask
from app.store.line import Line

MOST: Final = 10_000  # entries a source
BYTES: Final = 64 * 1024 * 1024  # a source
AGE: Final = 7 * 86_400  # seconds
SCAN_MOST: Final = 1_000  # entries looked through for one page
CURSOR: Final = re.compile(r"\d{1,12}(\.\d{1,9})?\|[0-9a-f]{1,64}")  # where a page goes on: received, and the id


class Kept(Struct, frozen=True):
    """A body as it came. `why`: unreadable, not understood or unknown store; `detail` in words; `count` of repeats."""

    source: str
    why: str
    detail: str
    heard: float
    method: str
    tail: str
    query: bytes
    body: bytes
    id: str = ""
    count: int = 1


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_KEPT: Final = msgspec.msgpack.Decoder(Kept)


class Quarantine(Ask):
    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self._keep = Line(client, Path(__file__).with_suffix(".lua").read_text())

    async def keep(self, entry: Kept) -> None:
        seen = sha256(b"\0".join((entry.source.encode(), entry.tail.encode(), entry.query, entry.body))).hexdigest()[
            :24
        ]
        packed = _ENCODE(msgspec.structs.replace(entry, id=seen))
        await self._keep.call([seen, entry.source, packed, len(packed), repr(entry.heard), MOST, BYTES, AGE])

    async def get(self, entry: str) -> Kept | None:
        body, count = await self.ask("HMGET", "ob:qe:" + entry, "e", "n")
        return None if body is None else msgspec.structs.replace(_KEPT.decode(body), count=int(count))

    async def list(self, count: int) -> "list[Kept]":
        """The newest first, over all sources."""
        found: list[Kept] = []
        for source in await self.ask("SMEMBERS", "ob:qs"):
            for entry in await self.ask("ZREVRANGE", b"ob:q:" + source, 0, count - 1):
                kept = await self.get(entry.decode())
                if kept is not None:
                    found.append(kept)
        return sorted(found, key=lambda kept: -kept.heard)[:count]

    async def sources(self) -> Sequence[str]:
        """Those that something is kept of, in the config or not."""
        return [name.decode() for name in await self.ask("SMEMBERS", "ob:qs")]

    async def sizes(self, sources: Sequence[str]) -> dict[str, int]:
        """How many entries of each source are kept."""
        words = [("ZCARD", "ob:q:" + source) for source in sources]
        return dict(zip(sources, await self.every(*words), strict=True)) if sources else {}

    async def page(
        self, sources: Sequence[str], *, why: str = "", cursor: str = "", count: int = 50
    ) -> tuple[Sequence[Kept], str]:
        """Entries of these sources, the newest first, of one kind or ("") of all, behind `cursor`; and where to go on,
        "" at the end. A page may be short of `count` and still have a next one."""
        found: list[Kept] = []
        looked = 0
        while looked < SCAN_MOST:
            marks = await self._marks(sources, cursor, count)
            rows = await self.every(*(("HMGET", "ob:qe:" + name, "e", "n") for _, name in marks)) if marks else []
            for (heard, name), (body, times) in zip(marks, rows, strict=True):
                cursor = f"{heard!r}|{name}"
                if body is None:
                    continue
                kept = msgspec.structs.replace(_KEPT.decode(body), count=int(times))
                if why in ("", kept.why):
                    found.append(kept)
                    if len(found) == count:
                        return found, cursor
            looked += len(marks)
            if len(marks) < count:
                return found, ""
        return found, cursor

    async def _marks(self, sources: Sequence[str], cursor: str, count: int) -> Sequence[tuple[float, str]]:
        """When entries were received, and their ids; at most `count`, those behind the cursor."""
        at, _, last = cursor.partition("|")
        top = (float(at), last) if last else (float("inf"), "")
        words = [
            ("ZREVRANGEBYSCORE", "ob:q:" + source, at or "+inf", "-inf", "WITHSCORES", "LIMIT", 0, count + 1)
            for source in sources
        ]
        rows = await self.every(*words) if words else []
        pairs = [(float(score), name.decode()) for row in rows for name, score in _scored(row)]
        return sorted((pair for pair in pairs if pair < top), reverse=True)[:count]

    async def ids(self, source: str) -> Sequence[str]:
        """All of a source's entries, the oldest first."""
        return [name.decode() for name in await self.ask("ZRANGE", "ob:q:" + source, 0, -1)]

    async def counts(self, sources: Sequence[str], start: float, end: float) -> dict[str, int]:
        """How many entries of each source were received in [start, end)."""
        words = [("ZCOUNT", "ob:q:" + source, repr(start), f"({end!r}") for source in sources]
        return dict(zip(sources, await self.every(*words), strict=True)) if sources else {}

    async def drop(self, entry: Kept) -> None:
        size = await self.ask("HGET", "ob:qe:" + entry.id, "z")
        await self.every(
            ("DEL", "ob:qe:" + entry.id),
            ("ZREM", "ob:q:" + entry.source, entry.id),
            ("DECRBY", "ob:qsize:" + entry.source, size or 0),
        )


def _scored(row: Any) -> Iterable[tuple[bytes, float]]:
    """Members with their scores, in pairs or one after another as the protocol's version has it."""
    return row if row and isinstance(row[0], list | tuple) else zip(row[::2], row[1::2], strict=True)
