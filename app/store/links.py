"""Tracking links: 192 random bits, stored hashed. Whoever holds the text holds the key, and only the text does."""

import secrets
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask

AFTER_END: Final = 86_400.0  # seconds a link outlives the handover


class Link(Struct, frozen=True):
    """`key` is the order's; `kind` is customer or delegate; `id` is what staff see and revoke."""

    id: str
    key: str
    kind: str
    created: float


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_LINK: Final = msgspec.msgpack.Decoder(Link)


def hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()


class Links(Ask):
    async def make(self, key: str, kind: str, now: float) -> tuple[Link, str]:
        """A new link and its token, which is told this once."""
        token, link = secrets.token_urlsafe(24), Link(secrets.token_hex(8), key, kind, now)
        mark = hashed(token)
        await self.every(
            ("SET", "ob:link:" + mark, _ENCODE(link)),
            ("SET", "ob:linkid:" + link.id, mark),
            ("SADD", "ob:links:" + key, link.id),
        )
        return link, token

    async def find(self, token: str) -> Link | None:
        found = await self.ask("GET", "ob:link:" + hashed(token))
        return None if found is None else _LINK.decode(found)

    async def of(self, key: str) -> list[Link]:
        """An order's live links, oldest first."""
        made = [await self.ask("GET", "ob:linkid:" + i.decode()) for i in await self.ask("SMEMBERS", "ob:links:" + key)]
        rows = [await self.ask("GET", "ob:link:" + mark.decode()) for mark in made if mark]
        return sorted((_LINK.decode(row) for row in rows if row), key=lambda link: link.created)

    async def get(self, link: str) -> Link | None:
        mark = await self.ask("GET", "ob:linkid:" + link)
        found = await self.ask("GET", "ob:link:" + mark.decode()) if mark else None
        return None if found is None else _LINK.decode(found)

    async def revoke(self, link: Link) -> None:
        mark = await self.ask("GET", "ob:linkid:" + link.id)
        if mark:
            await self.every(
                ("DEL", "ob:link:" + mark.decode()),
                ("DEL", "ob:linkid:" + link.id),
                ("SREM", "ob:links:" + link.key, link.id),
            )
