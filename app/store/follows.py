"""Polled orders that we follow: each source has its queue, so that a slow one holds up nobody else."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from redis.asyncio import Redis

from app.store.lease import Leased, Taken
from app.store.orders import Record, decoded

ORDERS: Final = "ob:o:"
SWEPT_FOR: Final = 3600  # seconds until an order that a sweep has tried is tried again


class Due(Struct, frozen=True):
    """A followed order whose time has come: the follow and its waits as the poller wrote them, the order as stored."""

    source: str
    key: str
    body: bytes
    waits: bytes
    poked: bool
    record: Record | None


class Follows(Leased):
    def __init__(self, client: Redis) -> None:
        super().__init__(client, "ob:f:")

    @staticmethod
    def queue(source: str) -> str:
        return "ob:follow:" + source

    async def due(self, now: float, wanted: Mapping[str, int]) -> tuple[list[Due], float | None]:
        """Claims at most so many of each source; and when the next is due."""
        claim = await self.claim(now, {self.queue(source): most for source, most in wanted.items()}, ORDERS)
        return [_due(taken) for taken in claim.taken], claim.next

    async def follow(self, source: str, key: str, body: bytes, due: float) -> bool:
        """False where the order is followed already."""
        return await self.start(self.queue(source), key, due, b=body)

    async def hurry(self, now: float, keys: Iterable[str]) -> int:
        """Makes followed orders due at once; the others among `keys` are left alone."""
        return await self.poke(now, [(self.queue(key.partition(":")[0]), key) for key in keys])

    async def body(self, key: str) -> bytes | None:
        return (await self.fields(key)).get(b"b")

    async def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the orders that are followed."""
        if not keys:
            return set()
        there = await self.every(*(("EXISTS", self.prefix + key) for key in keys))
        return {key for key, found in zip(keys, there, strict=True) if found}

    async def count(self, source: str) -> int:
        return int(await self.ask("ZCARD", self.queue(source)))

    async def sweeping(self, seconds: int) -> bool:
        """May this node look for silent orders now? One node in so many seconds."""
        return await self.ask("SET", "ob:sweep", self.node, "NX", "EX", seconds) is not None

    async def swept(self, key: str) -> bool:
        """Marks an order as tried by a sweep; True the first time in an hour."""
        return await self.ask("SET", "ob:swept:" + key, "1", "NX", "EX", SWEPT_FOR) is not None


def _due(taken: Taken) -> Due:
    tag, body = taken.beside
    record = None if tag is None or body is None else Record(decoded(body), tag.decode())
    source = taken.key.partition(":")[0]
    return Due(source, taken.key, taken.fields[b"b"], taken.fields.get(b"w", b""), taken.poked, record)
