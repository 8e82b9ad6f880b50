"""The data as lines that outlast this engine and this version, and back. Each order and each key is read whole, not all
of them at one instant; what stands here when lines come back is newer than any export, and stays."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import MsgspecError
from redis.asyncio import Redis

from app.errors import Away
from app.orders import Order
from app.store.ask import Ask
from app.store.carried import (
    KINDS,
    LEASE,
    LEFT,
    ORDERS,
    QUEUES,
    SCHEMA,
    WHOLE,
    encode,
    read,
    row,
    told,
    value,
    word,
    words,
)
from app.store.carried import Line as Said
from app.store.erasing import Erasing
from app.store.line import Line
from app.store.orders import Orders, Record, Write, decoded

HERE: Final = Path(__file__).parent
BATCH: Final = 20  # orders or keys at once: the boards' work gets its turn in between
PAUSES: Final = (0.5, 2.0, 5.0, 10.0)  # seconds until a reading that failed is tried again
PAGE: Final = 1_000  # entries of a stream on a line

# The tail that a stream has got here behind the last one of an export, and the whole in its place.
_JOIN: Final = """
for _, entry in ipairs(redis.call('XRANGE', ARGV[1], ARGV[3], '+')) do
  redis.call('XADD', ARGV[2], entry[1], unpack(entry[2]))
end
redis.call('RENAME', ARGV[2], ARGV[1])
redis.call('PERSIST', ARGV[1])
"""


class Export(Ask):
    """What was left out: `unknown`, the kinds of keys that nobody has said anything of, and `unread`, the number of
    orders that can't be read."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self._take = Line(client, (HERE / "take.lua").read_text())
        self._keys = Line(client, (HERE / "keys.lua").read_text())
        self.unknown: set[str] = set()
        self.unread = 0

    async def lines(self, version: str, now: float) -> AsyncIterator[bytes]:
        yield encode(Said(orderboard=version, schema=SCHEMA, exported_at=datetime.fromtimestamp(now, UTC).isoformat()))
        count = 1
        for part in (self._orders(), self._others()):
            async for line in part:
                yield encode(line)
                count += 1
        yield encode(Said(end=True, lines=count))

    async def _orders(self) -> AsyncIterator[Said]:
        last = "-inf"
        while rows := await _patient(self._take.call, [last, BATCH]):
            for _, body, *rest in rows:
                if body is not None:
                    try:
                        yield _order(body, *rest)
                    except MsgspecError:
                        self.unread += 1
            last = rows[-1][0].decode()

    async def _others(self) -> AsyncIterator[Said]:
        names = await self._names()
        for begin in range(0, len(names), BATCH):
            some = names[begin : begin + BATCH]
            rows = await _patient(self._keys.call, some)
            for name, (kind, ends, held) in zip(some, rows, strict=True):
                if kind == b"stream":
                    async for line in self._stream(name):
                        yield line
                elif kind != b"none":  # it has ended meanwhile
                    yield _line(name, kind.decode(), max(ends, 0), held)

    async def _names(self) -> list[str]:
        found: set[str] = set()
        cursor = 0
        while True:
            cursor, rows = await _patient(self.ask, "SCAN", cursor, "MATCH", "ob:*", "COUNT", 1_000)
            found |= {name for name in map(bytes.decode, rows) if word(name) in KINDS}
            self.unknown |= {word(row.decode()) for row in rows} - KINDS.keys() - ORDERS - LEFT
            if int(cursor) == 0:
                return sorted(found)

    async def _stream(self, name: str) -> AsyncIterator[Said]:
        start = "-"
        while rows := await _patient(self.ask, "XRANGE", name, start, "+", "COUNT", PAGE):
            start = "(" + rows[-1][0].decode()
            yield Said(key=name, type="stream", value=value("stream", [(number, _flat(held)) for number, held in rows]))


class Import(Ask):
    """`standing`: what writes an order in the place of what stands here. `done` counts what was put in, by kind; orders
    that were newer here, and those that had been erased, are `newer` and `gone`. `stores`: whose orders came."""

    def __init__(
        self, client: Redis, orders: Orders, erasing: Erasing, standing: Callable[[Order, Record | None], Write]
    ) -> None:
        super().__init__(client)
        self._orders = orders
        self._erasing = erasing
        self._standing = standing
        self._put = Line(client, (HERE / "put.lua").read_text())
        self._same: set[str] = set()  # entries that are here as in the export, which may so be in its queues
        self._ends: dict[str, str] = {}  # how far each stream is
        self.done: Counter[str] = Counter()
        self.stores: set[str] = set()

    async def run(self, lines: Iterable[bytes], erased: Collection[str]) -> None:
        """All of a file that has been checked, without the orders in `erased`. Raises Away; begun again it goes on."""
        gone = {*erased, *(name.decode() for name in await self.ask("HKEYS", "ob:erased"))}
        await self.ask("DEL", *("ob:carried:" + name for name, kind in KINDS.items() if kind == "stream"))
        later: list[Said] = []
        batch: list[Said] = []
        try:
            for _, line in read(lines):
                (later if word(line.key) in QUEUES else batch).append(line)
                if len(batch) == BATCH:
                    await self._all(batch, gone)
                    batch = []
            await self._all(batch, gone)
            await self._all(later, gone)
            await self._joined()
            await self._erasing.replay()  # links and calls of what was erased are in the export too
        finally:
            await self.ask("SET", "ob:id", secrets.token_hex(8))  # every node reads its views anew

    async def _all(self, batch: Iterable[Said], gone: Collection[str]) -> None:
        orders = {line.order.key: line for line in batch if line.order is not None and line.order.key not in gone}
        self.done["gone"] += sum(line.order is not None and line.order.key in gone for line in batch)
        here = await self._orders.read(orders)
        await asyncio.gather(
            *(self._order(line, here.get(key)) for key, line in orders.items()),
            *(self._key(line) for line in batch if line.key and line.type != "stream"),
        )
        for line in batch:
            if line.type == "stream":
                await self._stream(line)

    async def _order(self, line: Said, here: Record | None) -> None:
        assert line.order is not None
        ledger = [row(one) for one in line.ledger]
        while here is None or here.order.rev < line.order.rev:
            self.stores.add(line.order.store or "")
            went = await self._orders.restore(self._standing(line.order, here), ledger, line.digests, line.codes)
            if went:
                self.done["orders" if went > 0 else "gone"] += 1
                return
            here = await self._orders.get(line.order.key)
        self.done["newer"] += 1

    async def _key(self, line: Said) -> None:
        kind = word(line.key)
        flat = words(line.type, line.value)
        if kind in QUEUES:
            entries = list(zip(flat[::2], flat[1::2], strict=True))
            flat = [part for pair in entries if QUEUES[kind] + pair[0].decode() in self._same for part in pair]
        if not flat:
            return
        whole = kind in WHOLE
        stood, same = await self._put.call([line.key, line.type, line.expires, int(whole), *map(_exact, flat)])
        if same and whole:
            self._same.add(line.key)
        if not stood:
            self.done[kind] += 1

    async def _stream(self, line: Said) -> None:
        """Streams only grow at their end: what an export has and what stands here are put in order in a new one."""
        aside = "ob:carried:" + word(line.key)
        rows = dict(words("stream", line.value))
        if not rows:
            return
        last = list(rows)[-1]
        here = await self.ask("XRANGE", line.key, self._ends.get(line.key, "-"), last)
        rows |= {number.decode(): _flat(held) for number, held in here}
        ordered = sorted(rows, key=lambda number: tuple(map(int, number.split("-"))))
        await self.every(*(("XADD", aside, number, *rows[number]) for number in ordered), ("EXPIRE", aside, 3600))
        self._ends[line.key] = "(" + last

    async def _joined(self) -> None:
        for name, last in self._ends.items():
            await self.ask("EVAL", _JOIN, 0, name, "ob:carried:" + word(name), last)


async def _patient(read: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """A store that has something else to do for a moment must not cost the night's backup."""
    for pause in PAUSES:
        with contextlib.suppress(Away):
            return await read(*args)
        await asyncio.sleep(pause)
    return await read(*args)


def _order(body: bytes, ledger: list[bytes], digests: list[bytes], codes: list[bytes]) -> Said:
    return Said(
        order=decoded(body),
        ledger=[told(line) for line in ledger],
        digests={digest.decode(): int(count) for digest, count in _pairs(digests)},
        codes=sorted(code.decode() for code in codes),
    )


def _line(name: str, kind: str, ends: int, held: list[Any]) -> Said:
    if word(name) in WHOLE:
        held = [part for field, one in _pairs(held) if field not in LEASE for part in (field, one)]
    return Said(key=name, type=kind, expires=ends, value=value(kind, held))


def _pairs(flat: list[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _flat(held: Any) -> list[Any]:
    return [part for pair in held.items() for part in pair]


def _exact(part: bytes | float) -> bytes | str:
    return repr(part) if isinstance(part, float) else part
