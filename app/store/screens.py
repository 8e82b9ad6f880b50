"""Screens on the wall: their addresses are random, stored hashed. Whoever holds the text sees the screen."""

import secrets
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask
from app.store.links import hashed


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
        await self.every(("SET", "ob:screen:" + mark, _ENCODE(screen)), ("SET", "ob:screenid:" + screen.id, mark))
        return screen, token

    async def find(self, token: str) -> Screen | None:
        found = await self.ask("GET", "ob:screen:" + hashed(token))
        return None if found is None else _SCREEN.decode(found)

    async def revoke(self, screen: str) -> bool:
        """Was there such a screen?"""
        mark = await self.ask("GET", "ob:screenid:" + screen)
        if mark is None:
            return False
        await self.every(("DEL", "ob:screen:" + mark.decode()), ("DEL", "ob:screenid:" + screen))
        return True
