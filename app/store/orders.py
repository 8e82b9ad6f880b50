"""Every order's truth: one commit per event, snapshots, ledgers, and the changes as they come."""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from app.orders import DONE_FOR, Effect, Order
from app.store.ask import Ask
from app.store.clients import FAILURES, LIMIT, away
from app.store.line import Line
from app.store.pulse import pulse, subscribe

HERE: Final = Path(__file__).parent
DONE_MOST: Final = 60  # rows of the Done lane
NOWHERE: Final = "-"  # the store of orders without a store


class Record(Struct, gc=False, frozen=True):
    """An order as it is stored; `tag` is what the next commit must find."""

    order: Order
    tag: str


class Entry(Struct, gc=False, frozen=True, array_like=True):
    """A line of an order's ledger. `body` is redacted; `at` is the provider's stamp."""

    heard: float
    at: float | None
    verdict: str
    name: str
    by: str
    note: str = ""
    body: bytes = b""


class Write(Struct, gc=False, frozen=True):
    """What a commit stores. `changed`: give it a number and tell; `order` None: the ledger line alone."""

    key: str
    digest: str
    expected: str
    line: bytes
    heard: float
    order: Order | None = None
    changed: bool = False
    left: str = ""
    state: str = ""
    due: str = ""
    code: str = ""
    effects: tuple[Effect, ...] = ()


class Commit(Struct, gc=False, frozen=True):
    """How it went: `seq` (None: no number was due), `left_seq` of the store it moved out of; or a repeat; or the
    newer record to apply the event to again."""

    seq: int | None = None
    left_seq: int | None = None
    tag: str = ""
    repeat: bool = False
    newer: Record | None = None


class Message(Struct, gc=False, frozen=True):
    """One change, as a node hears it. rev -1: the order has left this store. `own`: this node made it."""

    store: str
    seq: int
    rev: int
    key: str
    own: bool


class Head(Struct, gc=False, frozen=True):
    """Where the data is: its epoch, and the last number of each store asked for."""

    epoch: str
    seqs: dict[str, int]


class Snapshot(Struct, gc=False, frozen=True):
    seq: int
    orders: list[Order]


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_ORDER: Final = msgspec.msgpack.Decoder(Order)
_LINE: Final = msgspec.msgpack.Decoder(Entry)


class Orders(Ask):
    def __init__(self, client: Redis, writer: Redis, listener: Redis, *, replicas: int = 0) -> None:
        super().__init__(client)
        self._writer = writer
        self._listener = listener
        commit = (HERE / "commit.lua").read_text()
        self._commits = Line(writer, commit, replicas)
        whole = f"local function commit(ARGV)\n{commit}\nend\n{(HERE / 'restore.lua').read_text()}"
        self._restores = Line(writer, whole, replicas)
        self._boards = Line(client, (HERE / "board.lua").read_text())
        self._claims = Line(client, (HERE / "claim.lua").read_text())
        self.node = secrets.token_hex(4)
        self._count = 0
        self._pubsub = listener.pubsub(ignore_subscribe_messages=True)

    # ---- writing ----

    async def commit(self, write: Write) -> Commit:
        """Raises Away where the event is not known to be stored; the sender tries again and the digest refuses it."""
        words, tag = self._words(write)
        order = write.order
        args: list[str | bytes] = [words, _ENCODE(order) if order else b"", write.line]
        for effect in write.effects:
            args += [effect.key, _ENCODE([effect.kind, write.key, write.heard])]
        return self._reply(await self._commits.call(args), tag)

    async def restore(
        self, write: Write, ledger: Sequence[bytes], digests: Mapping[str, int], codes: Sequence[str]
    ) -> int:
        """An order of an export in its place, with its ledger, its digests and its codes; nobody is told. 0: it has
        changed since it was looked at; -1: it has been erased for good."""
        flat = [str(word) for pair in digests.items() for word in pair]
        words, _ = self._words(write)
        args: list[str | bytes | int] = [words, _ENCODE(write.order), len(ledger), *ledger, len(codes), *codes, *flat]
        return int(await self._restores.call(args))

    def _words(self, write: Write) -> tuple[bytes, str]:
        """What commit.lua is told beside the order itself; and the tag that it gives."""
        order = write.order
        self._count += 1
        tag = f"{order.rev}.{self.node}{self._count}" if order else ""
        store = (order.store or NOWHERE) if order else ""
        words = [
            write.key, write.digest, write.expected, tag, repr(write.heard), self.node,
            str(order.rev) if order and write.changed else "", store, write.left, write.state,
            repr(order.ended_at) if order and order.ended_at else "0", write.due, write.code,
        ]  # fmt: skip
        return _ENCODE(words), tag

    @staticmethod
    def _reply(reply: Any, tag: str) -> Commit:
        if isinstance(reply, int):
            return Commit(seq=reply if reply > 0 else None, tag=tag, repeat=reply == 0)
        first, second = reply
        if isinstance(first, int):
            return Commit(seq=first, left_seq=second, tag=tag)
        if first is None:  # gone meanwhile (erased, or the data was emptied): begin again
            return Commit(newer=_NOBODY)
        return Commit(newer=Record(_ORDER.decode(second), first.decode()))

    async def rename(self, key: str, to: str) -> None:
        """From now on, what is said of `key` is said of the order `to`; unless that was asked to be forgotten."""
        await self.ask("EVAL", _RENAME, 0, key, to)

    # ---- reading ----

    async def get(self, key: str) -> Record | None:
        found = await self.read([key])
        return found.get(key)

    async def read(self, keys: Iterable[str]) -> dict[str, Record]:
        """The orders among `keys` that exist, in one round trip."""
        wanted = list(keys)
        pipe = self._client.pipeline(transaction=False)
        for key in wanted:
            pipe.hmget("ob:o:" + key, "b", "t")
        try:
            async with asyncio.timeout(LIMIT):
                rows = await pipe.execute()
        except FAILURES as error:
            raise away(error) from error
        return {
            key: Record(_ORDER.decode(body), tag.decode())
            for key, (body, tag) in zip(wanted, rows, strict=True)
            if body is not None
        }

    async def board(self, store: str, now: float) -> Snapshot:
        """A store's whole view, with the number it stands at: read as one, so that nothing lies between the two."""
        seq, *bodies = await self._boards.call([store, now - DONE_FOR, DONE_MOST])
        return Snapshot(int(seq), [_ORDER.decode(body) for body in bodies if body is not None])

    async def alias(self, key: str) -> str | None:
        """The key of the order that a journey has become."""
        found = await self.ask("GET", "ob:alias:" + key)
        return None if found is None else str(found.decode())

    async def ledger(self, key: str) -> list[Entry]:
        rows: list[bytes] = await self.ask("LRANGE", "ob:l:" + key, 0, -1)
        return [_repeat(row) if row[:1] == b"~" else _LINE.decode(row) for row in rows]

    async def page(self, cursor: int, count: int) -> list[tuple[str, int]]:
        """Keys of all orders, newest first, with the number each came in at, below `cursor` (0: from the newest)."""
        below = f"({cursor}" if cursor else "+inf"
        rows = await self.ask("ZREVRANGEBYSCORE", "ob:all", below, "-inf", "LIMIT", 0, count)
        scores = await self.ask("ZMSCORE", "ob:all", *rows) if rows else []
        return [(key.decode(), int(score)) for key, score in zip(rows, scores, strict=True)]

    async def coded(self, code: str) -> set[str]:
        """Keys of orders that the retailer knows by this code."""
        return {key.decode() for key in await self.ask("SMEMBERS", "ob:code:" + code.lower())}

    async def standing(self, store: str) -> set[str]:
        """Keys of a store's open orders."""
        return {key.decode() for key in await self.ask("SMEMBERS", f"ob:s:{store}:open")}

    async def claim(self, now: float, count: int, lease: float = 10.0) -> list[str]:
        """Keys whose time has come. Whoever claims one has `lease` seconds before another node may."""
        return [key.decode() for key in await self._claims.call([now, now + lease, count])]

    async def due(self, keys: Sequence[str]) -> dict[str, float]:
        """When each is due; those that no longer are, are left out."""
        scores = await self.ask("ZMSCORE", "ob:due", *keys) if keys else []
        return {key: float(score) for key, score in zip(keys, scores, strict=True) if score is not None}

    async def undue(self, key: str) -> None:
        await self.ask("ZREM", "ob:due", key)

    # ---- what changes ----

    async def heads(self, stores: Sequence[str]) -> Head:
        """The epoch changes with a restart, a promotion, an emptied or restored data set: who sees it reads anew."""
        pipe = self._client.pipeline(transaction=False)
        pipe.set("ob:id", secrets.token_hex(8), nx=True)
        pipe.get("ob:id")
        pipe.info("server")
        pipe.info("replication")
        for store in stores:
            pipe.get(f"ob:s:{store}:seq")
        try:
            async with asyncio.timeout(LIMIT):
                _, data, server, replication, *seqs = await pipe.execute()
        except FAILURES as error:
            raise away(error) from error
        identity = f"{server['run_id']} {replication['master_replid']} {data.decode()}"
        epoch = sha256(identity.encode()).hexdigest()[:12]
        return Head(epoch, {store: int(seq or 0) for store, seq in zip(stores, seqs, strict=True)})

    async def since(self, store: str, seq: int, count: int) -> list[Message] | None:
        """The changes after `seq`; None where the journal no longer holds them all, or no longer says of whom."""
        rows = await self.ask("XRANGE", f"ob:s:{store}:j", f"{seq + 1}-0", "+", "COUNT", count)
        found = [
            Message(store, int(number.partition(b"-")[0]), int(row[b"r"]), row[b"k"].decode(), own=False)
            for number, row in rows
        ]
        whole = all(message.key and message.seq == seq + 1 + i for i, message in enumerate(found))
        return found if whole and len(found) < count else None

    async def listen(self, store: str) -> None:
        await subscribe(self._pubsub, "ob:c:" + store)

    async def forget(self, store: str) -> None:
        await self._pubsub.unsubscribe("ob:c:" + store)

    async def changes(self) -> AsyncIterator[Message]:
        """What is announced in the stores listened to. Only a hint: redis-py mends a broken link without a word, and
        what was said meanwhile is gone; the numbers tell."""
        await subscribe(self._pubsub, "ob:node:" + self.node)
        own = self.node.encode()
        with pulse(self._pubsub) as beat:
            while True:
                said = await self._said()
                beat.heard += 1
                if said is None or said[0] != b"message":
                    await self._pubsub.handle_message(said)  # type: ignore[no-untyped-call]  # who is subscribed to what is kept there
                    continue
                node, seq, rev, key = said[2].split(b" ", 3)
                yield Message(said[1].decode()[5:], int(seq), int(rev), key.decode(), own=node == own)

    async def _said(self) -> Any:
        """The next word on the line. redis-py's own reading mends a broken line, at a third more for each word; here
        it is told to the caller instead, and mended by the next to subscribe."""
        line: Any = self._pubsub.connection
        try:
            return await line.read_response(timeout=math.inf, disconnect_on_error=False, push_request=True)
        except FAILURES:
            await line.disconnect(nowait=True)
            raise

    async def ping(self) -> None:
        await self.ask("PING")

    async def close(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        for client in (self._client, self._writer, self._listener):
            await client.aclose()


_RENAME: Final = """
if redis.call('HEXISTS', 'ob:erased', ARGV[2]) == 1 then return 0 end
redis.call('SET', 'ob:alias:' .. ARGV[1], ARGV[2])
return redis.call('SADD', 'ob:aliases:' .. ARGV[2], ARGV[1])
"""
_NOBODY: Final = Record(Order(source="", provider="", ref="", first=0.0), "")


def _repeat(row: bytes) -> Entry:
    heard, _, digest = row[1:].decode().partition(" ")
    return Entry(float(heard), None, "duplicate", "", "", f"the same as {digest[:8]}")


def decoded(body: bytes) -> Order:
    """An order as a script of another file has read it."""
    return _ORDER.decode(body)


def line(entry: Entry) -> bytes:
    return _ENCODE(entry)
