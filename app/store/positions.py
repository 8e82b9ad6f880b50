"""Where shoppers are: a key that soon ends, and a word on a channel. Never in the ledger, never a version."""

import math
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask
from app.store.orders import NOWHERE

KEPT: Final = 600  # seconds a position outlives the last word about it
AFTER_END: Final = 60  # seconds it outlives the order


class Position(Struct, frozen=True, array_like=True):
    latitude: float
    longitude: float
    at: float

    @property
    def real(self) -> bool:
        return math.isfinite(self.at) and abs(self.latitude) <= 90 and abs(self.longitude) <= 180


class Said(Struct, frozen=True, array_like=True):
    """What is announced on a store's channel of positions."""

    key: str
    position: Position


_ENCODE: Final = msgspec.json.Encoder().encode
_POSITION: Final = msgspec.json.Decoder(Position)
SAID: Final = msgspec.json.Decoder(Said)


def channel(store: str | None) -> str:
    return "ob:p:" + (store or NOWHERE)


class Positions(Ask):
    async def locate(self, key: str, store: str | None, position: Position) -> bool:
        """Keeps and announces a position; one that lies nowhere on Earth is dropped (False)."""
        if not position.real:
            return False
        await self.every(
            ("SET", "ob:pos:" + key, _ENCODE(position), "EX", KEPT),
            ("PUBLISH", channel(store), _ENCODE(Said(key, position))),
        )
        return True

    async def get(self, key: str) -> Position | None:
        found = await self.ask("GET", "ob:pos:" + key)
        return None if found is None else _POSITION.decode(found)

    async def end(self, key: str) -> None:
        """The order is over: its position has a minute left."""
        await self.ask("EXPIRE", "ob:pos:" + key, AFTER_END, "LT")
