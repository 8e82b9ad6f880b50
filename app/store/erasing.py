"""An order is forgotten: because somebody asked for it, or because its time is over.

What was asked for leaves a tombstone, so that a late event or an import can't bring it back. The pace that a store has
learnt, its counted events and the audit trail stay: they hold nothing of a customer."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable
from pathlib import Path
from typing import Any, Final

import structlog
from msgspec import MsgspecError, Struct
from redis.asyncio import Redis

from app import metrics
from app.errors import Away
from app.orders import Order
from app.store.ask import Ask
from app.store.line import Line
from app.store.orders import NOWHERE, Orders, Record

log = structlog.get_logger()

TRIES: Final = 20  # an order may change so often while it is being erased
PAGE: Final = 1_000  # journal lines, or keys, looked at in one step
WRITTEN_IN: Final = 60.0  # seconds that a file may take to be written anew
LOOK: Final = 0.2  # seconds between two looks whether it is
DAILY: Final = 86_400 - 600  # seconds
HELD: Final = ("o", "l", "d", "links", "outs", "f", "aliases")  # what of an order may have come back with an import


class Gone(Struct, frozen=True):
    """What went: the order, where it was still there; the journeys that became it; ledger lines, links, calls."""

    key: str
    store: str
    order: bool
    journeys: int
    lines: int
    links: int
    calls: int


class Erasing(Ask):
    """`replicas`: how many must hold it before an erasure counts as done."""

    def __init__(self, client: Redis, orders: Orders, *, replicas: int = 0) -> None:
        super().__init__(client)
        self._orders = orders
        self._line = Line(client, (Path(__file__).parent / "erase.lua").read_text(), replicas)

    async def erase(self, key: str, now: float) -> Gone | None:
        """Because somebody asked for it: with its lines in the journals, and for good. None: there is no such order.
        Raises Away where it is not known to be done: it can be asked for again, though the order is gone by now."""
        key = await self._orders.alias(key) or key
        if await self._orders.get(key) is None and await self.erased(key) is None:
            return None
        journeys = await self._journeys(key)
        gone = await self._wipe([key, *journeys], repr(now))
        async for journal in self._journals():
            await self._clear(journal, {key, *journeys})
        return gone

    async def retire(self, keys: Iterable[str], before: float) -> int:
        """Those of these orders that ended before `before`. Answers how many went; one that can't be read stays, and is
        logged."""
        went, named = 0, defaultdict[str, set[str]](set)
        for key in keys:
            try:
                record = await self._orders.get(key)
            except MsgspecError as error:
                log.error("an order can't be read, and so not be erased", why=type(error).__name__)
                continue
            if record is None or _over(record.order, before):
                whole = [key, *await self._journeys(key)]
                gone = await self._wipe(whole, "")
                metrics.RETIRED.inc(gone.order + gone.journeys)
                named[NOWHERE if record is None else record.order.store or NOWHERE].update(whole)
                went += 1
        for store, names in named.items():
            await self._clear(f"ob:s:{store}:j", names)
        return went

    async def over(self, before: float, count: int, skip: int = 0) -> list[str]:
        """Keys of orders that ended before `before`, the oldest first, without the first `skip`."""
        rows = await self.ask("ZRANGEBYSCORE", "ob:ended", "-inf", f"({before!r}", "LIMIT", skip, count)
        return [row.decode() for row in rows]

    async def turn(self, seconds: int) -> bool:
        """May this node look for what is over now? One node in so many seconds."""
        return await self.ask("SET", "ob:retention", self._orders.node, "NX", "EX", seconds) is not None

    async def erased(self, key: str) -> float | None:
        """When it was asked for that this order be forgotten."""
        found = await self.ask("HGET", "ob:erased", key)
        return None if found is None else float(found)

    async def replay(self) -> int:
        """Erases again what was asked to be forgotten and is there all the same, after an import. Answers how many."""
        again = 0
        rows: dict[bytes, bytes] = await self.ask("HGETALL", "ob:erased")
        for key, when in ((key.decode(), float(when)) for key, when in rows.items()):
            if await self.ask("EXISTS", *(f"ob:{name}:{key}" for name in HELD)):
                await self.erase(key, when)
                again += 1
        return again

    # ---- what Redis has on disk ----

    async def rewrite(self) -> bool:
        """Has Redis write its append-only file anew, for that holds all that was ever written. False where it has not
        come to its end within a minute, or Redis says no; without such a file there is nothing to do."""
        asked = False
        for _ in range(int(WRITTEN_IN / LOOK)):
            said = await self.ask("INFO", "persistence")
            if not said["aof_enabled"]:
                return True
            if not (said["aof_rewrite_in_progress"] or said["aof_rewrite_scheduled"]):
                if asked:
                    return bool(said["aof_last_bgrewrite_status"] == "ok")
                await self.ask("BGREWRITEAOF")
                asked = True
            await asyncio.sleep(LOOK)
        return False

    async def tidy(self, went: int) -> None:
        """The same where orders went, once a day: the file may be large."""
        if went:
            await self.ask("SET", "ob:unwritten", 1)
        if await self.ask("EXISTS", "ob:unwritten") and await self.ask("SET", "ob:rewritten", 1, "NX", "EX", DAILY):
            await self.ask("DEL", "ob:unwritten")
            await self.rewrite()

    # ---- how ----

    async def _journeys(self, key: str) -> list[str]:
        return sorted(one.decode() for one in await self.ask("SMEMBERS", "ob:aliases:" + key))

    async def _wipe(self, keys: list[str], when: str) -> Gone:
        for _ in range(TRIES):
            found = await self._orders.read(keys)
            args = [when]
            for key in keys:
                args += _named(key, found.get(key))
            reply: Any = await self._line.call(args)
            if reply != -1:
                home = found[keys[0]].order.store or "" if keys[0] in found else ""
                return Gone(keys[0], home, keys[0] in found, len(found.keys() - {keys[0]}), *reply)
        raise Away("The order changes faster than it can be erased. Try again in a moment.")

    async def _journals(self) -> AsyncIterator[str]:
        """The journals of all stores, also of those that are no longer in the config."""
        cursor = 0
        while True:
            cursor, names = await self.ask("SCAN", cursor, "MATCH", "ob:s:*:j", "COUNT", PAGE)
            for name in names:
                yield name.decode()
            if not int(cursor):
                return

    async def _clear(self, journal: str, keys: Collection[str]) -> None:
        """Takes the lines of these orders out of a store's journal."""
        wanted, start = {key.encode() for key in keys}, "-"
        while True:
            rows = await self.ask("XRANGE", journal, start, "+", "COUNT", PAGE)
            lines = [number for number, row in rows if row[b"k"] in wanted]
            if lines:
                await self.ask("XDEL", journal, *lines)
            if len(rows) < PAGE:
                return
            start = f"({rows[-1][0].decode()}"


def _over(order: Order, before: float) -> bool:
    return order.end is not None and order.ended_at is not None and order.ended_at < before


def _named(key: str, record: Record | None) -> tuple[str, str, str]:
    """An order as the script wants it named; its tag is empty where there is none."""
    return (key, record.tag, record.order.store or NOWHERE) if record else (key, "", NOWHERE)
