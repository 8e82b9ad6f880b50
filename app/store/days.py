"""A day's orders as far as figures need them: found through the indexes that commits keep, read a piece at a time."""

from typing import Final

import msgspec

from app.figures import Trace
from app.store.ask import Ask

BATCH: Final = 200  # orders read at once: the boards' work gets its turn in between
LATER: Final = 86_400.0  # seconds after its handover that an order system may take to end an order

_TRACE: Final = msgspec.msgpack.Decoder(Trace)


class Days(Ask):
    async def traces(self, store: str, start: float, end: float) -> list[Trace]:
        """The orders that were over in [start, end), and others near them: those ended up to a day later, which were
        perhaps handed over before, and all that are open still."""
        done = await self.ask("ZRANGEBYSCORE", f"ob:s:{store}:done", repr(start), repr(end + LATER))
        standing = await self.ask("SMEMBERS", f"ob:s:{store}:open")
        keys = list(dict.fromkeys([*done, *standing]))
        found: list[Trace] = []
        for begin in range(0, len(keys), BATCH):
            rows = await self.every(*(("HGET", b"ob:o:" + key, "b") for key in keys[begin : begin + BATCH]))
            found += [_TRACE.decode(row) for row in rows if row is not None]
        return found

    async def first(self, store: str) -> float | None:
        """When the oldest order that is kept ended."""
        rows = await self.ask("ZRANGE", f"ob:s:{store}:done", 0, 0, "WITHSCORES")
        flat = [part for row in rows for part in (row if isinstance(row, list) else [row])]
        return float(flat[1]) if flat else None
