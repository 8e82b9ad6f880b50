"""Screens on the wall: their addresses are random, stored hashed. Whoever holds the text sees the screen."""

import secrets
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask
from app.store.control import told
from app.store.links import hashed

SEEN: Final = "ob:screens:seen"
ON: Final = 60.0  # seconds after which a screen that nobody has told of is off


class Screen(Struct, frozen=True):
    """`kind` is tv (for the staff) or ready (for customers); `id` is what staff see and revoke."""

    id: str
    store: str
    kind: str
    created: float


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_SCREEN: Final = msgspec.msgpack.Decoder(Screen)


class Screens(Ask):
    async def make(self, store: str, kind: str, now: float) -> tuple[Screen, str]:
        """A new screen and its token, which is told this once."""
        token, screen = secrets.token_urlsafe(24), Screen(secrets.token_hex(8), store, kind, now)
        mark = hashed(token)
        await self.every(
            ("SET", "ob:screen:" + mark, _ENCODE(screen)),
            ("SET", "ob:screenid:" + screen.id, mark),
            ("SADD", f"ob:s:{store}:screens", screen.id),
        )
        return screen, token

    async def find(self, token: str) -> Screen | None:
        found = await self.ask("GET", "ob:screen:" + hashed(token))
        return None if found is None else _SCREEN.decode(found)

    async def of(self, store: str) -> list[Screen]:
        """A store's screens, oldest first."""
        names = await self.ask("SMEMBERS", f"ob:s:{store}:screens")
        found = [await self.get(name.decode()) for name in names]
        return sorted((screen for screen in found if screen is not None), key=lambda screen: screen.created)

    async def get(self, screen: str) -> Screen | None:
        mark = await self.ask("GET", "ob:screenid:" + screen)
        found = await self.ask("GET", "ob:screen:" + mark.decode()) if mark else None
        return None if found is None else _SCREEN.decode(found)

    async def ended(self, screens: list[str]) -> set[str]:
        """Those of these screens that are no more."""
        rows = await self.ask("MGET", *("ob:screenid:" + name for name in screens)) if screens else []
        return {name for name, row in zip(screens, rows, strict=True) if row is None}

    async def saw(self, screens: list[str], now: float) -> None:
        """These are on."""
        if screens:
            await self.ask("HSET", SEEN, *(word for name in screens for word in (name, repr(now))))

    async def seen(self, screens: list[str]) -> dict[str, float]:
        """When each was last on; those that never were are left out."""
        rows = await self.ask("HMGET", SEEN, *screens) if screens else []
        return {name: float(row) for name, row in zip(screens, rows, strict=True) if row is not None}

    async def revoke(self, screen: Screen) -> None:
        """Tells all nodes, so that it goes dark."""
        mark = await self.ask("GET", "ob:screenid:" + screen.id)
        if mark:
            await self.every(
                ("DEL", "ob:screen:" + mark.decode()),
                ("DEL", "ob:screenid:" + screen.id),
                ("SREM", f"ob:s:{screen.store}:screens", screen.id),
                ("HDEL", SEEN, screen.id),
                told("screen", screen.id),
            )
