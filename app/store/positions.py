"""Where shoppers are: the last few fixes under a key that soon ends, and a word on a channel. Never in the ledger,
never a version."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from app.store.ask import Ask
from app.store.orders import NOWHERE
from app.store.pulse import pulse, subscribe
from app.trips import Fix

KEPT: Final = 600  # seconds positions outlive the last word about them
AFTER_END: Final = 60  # seconds they outlive the order
LOCATE: Final = (Path(__file__).parent / "locate.lua").read_text()
FIXES: Final = 24  # the last so many, for a speed


class Said(Struct, frozen=True):
    """What is announced on a store's channel of positions."""

    store: str
    key: str
    position: Fix


_ENCODE: Final = msgspec.json.Encoder().encode
_FIX: Final = msgspec.json.Decoder(Fix)
_SAID: Final = msgspec.json.Decoder(Said)


def channel(store: str | None) -> str:
    return "ob:p:" + (store or NOWHERE)


class Positions(Ask):
    """`listener` is a client without a time-out; without one nothing can be listened to."""

    def __init__(self, client: Redis, listener: Redis | None = None) -> None:
        super().__init__(client)
        self._pubsub = (listener or client).pubsub(ignore_subscribe_messages=True)

    async def locate(self, key: str, store: str | None, position: Fix) -> bool:
        """Keeps and announces a position. One that is nowhere on Earth, at 0,0 or of an order that has ended is dropped
        (False)."""
        if not position.real:
            return False
        said = _ENCODE(Said(store or NOWHERE, key, position))
        words = (key, channel(store), _ENCODE(position), said, FIXES, KEPT)
        return bool(await self.ask("EVAL", LOCATE, 0, *words))

    async def get(self, key: str) -> Fix | None:
        found = await self.ask("LINDEX", "ob:pos:" + key, -1)
        return None if found is None else _FIX.decode(found)

    async def read(self, keys: Iterable[str]) -> dict[str, tuple[Fix, ...]]:
        """The last fixes of each, oldest first, in one round trip; those without any are left out."""
        wanted = list(keys)
        if not wanted:
            return {}
        rows = await self.every(*(("LRANGE", "ob:pos:" + key, 0, -1) for key in wanted))
        return {key: tuple(map(_FIX.decode, row)) for key, row in zip(wanted, rows, strict=True) if row}

    async def end(self, key: str) -> None:
        """The order is over: its positions have a minute left."""
        await self.ask("EXPIRE", "ob:pos:" + key, AFTER_END, "LT")

    # ---- what is said ----

    async def listen(self, store: str) -> None:
        await subscribe(self._pubsub, channel(store))

    async def forget(self, store: str) -> None:
        await self._pubsub.unsubscribe(channel(store))

    async def said(self) -> AsyncIterator[Said]:
        """Positions in the stores listened to, as they come. What is lost, the next one makes good."""
        await subscribe(self._pubsub, "ob:p:" + NOWHERE)
        with pulse(self._pubsub) as beat:
            while True:
                heard = await self._pubsub.get_message(timeout=None)
                beat.heard += 1
                if heard is not None and heard["type"] == "message":
                    yield _SAID.decode(heard["data"])

    async def close(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]
