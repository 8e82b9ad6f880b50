"""API tokens, of programs: random, stored hashed, and each ended by itself."""

import secrets
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask
from app.store.control import told
from app.store.links import hashed

ALL: Final = "ob:tokens"


class Token(Struct, frozen=True):
    """`name` is what its maker calls it, `id` what ends it."""

    id: str
    name: str
    made: float = 0.0


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_TOKEN: Final = msgspec.msgpack.Decoder(Token)


class Tokens(Ask):
    async def issue(self, name: str, now: float) -> tuple[Token, str]:
        """A new one and its secret, which is told this once."""
        secret, token = secrets.token_urlsafe(32), Token(secrets.token_hex(8), name, now)
        mark = hashed(secret)
        await self.every(
            ("SET", "ob:token:" + mark, _ENCODE(token)),
            ("SET", "ob:tokenid:" + token.id, mark),
            ("SADD", ALL, token.id),
        )
        return token, secret

    async def find(self, secret: str) -> Token | None:
        found = await self.ask("GET", "ob:token:" + hashed(secret))
        return None if found is None else _TOKEN.decode(found)

    async def all(self) -> list[Token]:
        """Oldest first."""
        names = sorted(name.decode() for name in await self.ask("SMEMBERS", ALL))
        marks = await self.ask("MGET", *("ob:tokenid:" + name for name in names)) if names else []
        standing = ["ob:token:" + mark.decode() for mark in marks if mark is not None]
        rows = await self.ask("MGET", *standing) if standing else []
        return sorted((_TOKEN.decode(row) for row in rows if row is not None), key=lambda token: token.made)

    async def ended(self, tokens: list[str]) -> set[str]:
        """Those of these tokens, by id, that are no more."""
        rows = await self.ask("MGET", *("ob:tokenid:" + name for name in tokens)) if tokens else []
        return {name for name, row in zip(tokens, rows, strict=True) if row is None}

    async def revoke(self, token: str) -> Token | None:
        """By id. Tells all nodes, so that what it has opened is closed. None: there is no such token."""
        mark = await self.ask("GET", "ob:tokenid:" + token)
        if mark is None:
            return None
        key = "ob:token:" + mark.decode()
        row, *_ = await self.every(
            ("GET", key), ("DEL", key), ("DEL", "ob:tokenid:" + token), ("SREM", ALL, token), told("token", token)
        )
        return None if row is None else _TOKEN.decode(row)
