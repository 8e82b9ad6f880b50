"""Tracking links: 192 random bits, stored hashed. Whoever holds the text holds the key, and only the text does."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from hashlib import sha256
from hmac import digest
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask, Word
from app.store.control import told
from app.store.orders import NOWHERE

SHARES: Final = 3  # links for someone else that a customer's own link may have at once
LISTED_MOST: Final = 10_000  # of a store, the newest, in its list; the others work as well


class Link(Struct, frozen=True):
    """`key` is the order's; `kind` is customer or delegate; `id` is what staff see and revoke; `parent` is the id of
    the customer's link that it was made from; `store`: where it was made."""

    id: str
    key: str
    kind: str
    created: float
    parent: str = ""
    store: str = ""


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_LINK: Final = msgspec.msgpack.Decoder(Link)


def hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def shared(token: str, link: str) -> str:
    """The token of the link `link` that was made from the one with `token`: who holds that can always read it again,
    and the other way round nothing can be told."""
    return urlsafe_b64encode(digest(token.encode(), b"shared " + link.encode(), "sha256")[:24]).decode()


class Links(Ask):
    async def make(self, key: str, kind: str, now: float, store: str | None = None) -> tuple[Link, str]:
        """A new link and its token, which is told this once."""
        token, link = secrets.token_urlsafe(24), Link(secrets.token_hex(8), key, kind, now, store=store or "")
        await self.every(*_kept(link, token))
        return link, token

    async def share(self, link: Link, token: str, now: float) -> Link | None:
        """A link for someone else, made by the customer; None where there are as many as there may be."""
        if len([one for one in await self.of(link.key) if one.parent == link.id]) >= SHARES:
            return None
        made = Link(secrets.token_hex(8), link.key, "delegate", now, link.id, link.store)
        await self.every(*_kept(made, shared(token, made.id)))
        return made

    async def find(self, token: str) -> Link | None:
        found = await self.ask("GET", "ob:link:" + hashed(token))
        return None if found is None else _LINK.decode(found)

    async def of(self, key: str) -> list[Link]:
        """An order's live links, oldest first."""
        ids = [link.decode() for link in await self.ask("SMEMBERS", "ob:links:" + key)]
        marks = [mark for mark in await self._each("ob:linkid:", ids) if mark]
        rows = await self._each("ob:link:", [mark.decode() for mark in marks])
        return sorted((_LINK.decode(row) for row in rows if row), key=lambda link: (link.created, link.id))

    async def made(self, store: str, before: float = 0.0, count: int = 50) -> list[Link]:
        """Live links that were made at a store, the newest first, those made before `before` (0: all). The last one's
        `created` is where to go on. An order may have moved on to another store since."""
        found: list[Link] = []
        while len(found) < count:
            top = f"({before!r}" if before else "+inf"
            rows = await self.ask("ZREVRANGEBYSCORE", _listed(store), top, "-inf", "LIMIT", 0, count)
            names = [row.decode() for row in rows]
            links = [await self.get(name) for name in names]
            found += [link for link in links if link is not None]
            gone = [name for name, link in zip(names, links, strict=True) if link is None]
            if gone:
                await self.ask("ZREM", _listed(store), *gone)
            if len(rows) < count:
                break
            before = found[-1].created if found else before
        return found[:count]

    async def _each(self, prefix: str, names: list[str]) -> list[bytes | None]:
        return list(await self.ask("MGET", *(prefix + name for name in names))) if names else []

    async def get(self, link: str) -> Link | None:
        mark = await self.ask("GET", "ob:linkid:" + link)
        found = await self.ask("GET", "ob:link:" + mark.decode()) if mark else None
        return None if found is None else _LINK.decode(found)

    async def ended(self, ids: list[str]) -> set[str]:
        """Those of these links that are no more."""
        return {one for one, mark in zip(ids, await self._each("ob:linkid:", ids), strict=True) if mark is None}

    async def revoke(self, link: Link) -> list[str]:
        """Ends a link and those that were made from it. Answers their ids; open pages of all nodes close."""
        ended, commands = await self._end(link)
        if commands:
            await self.every(*commands)
        return ended

    async def renew(self, link: Link, now: float) -> tuple[Link, str, list[str]]:
        """In one act: a new link of the same kind, its token, and the ids of those that end."""
        ended, commands = await self._end(link)
        token, made = secrets.token_urlsafe(24), Link(secrets.token_hex(8), link.key, link.kind, now, store=link.store)
        await self.every(*commands, *_kept(made, token))
        return made, token, ended

    async def _end(self, link: Link) -> tuple[list[str], list[tuple[Word, ...]]]:
        ids = [link.id, *(one.id for one in await self.of(link.key) if one.parent == link.id)]
        marks = await self._each("ob:linkid:", ids)
        commands: list[tuple[Word, ...]] = []
        for name, mark in zip(ids, marks, strict=True):
            if mark:
                commands += [
                    ("DEL", "ob:link:" + mark.decode(), "ob:linkid:" + name),
                    ("SREM", "ob:links:" + link.key, name),
                    ("ZREM", _listed(link.store), name),
                    told("link", name),
                ]
        return ids, commands


def _kept(link: Link, token: str) -> Iterable[tuple[Word, ...]]:
    mark = hashed(token)
    return (
        ("SET", "ob:link:" + mark, _ENCODE(link)),
        ("SET", "ob:linkid:" + link.id, mark),
        ("SADD", "ob:links:" + link.key, link.id),
        ("ZADD", _listed(link.store), link.created, link.id),
        ("ZREMRANGEBYRANK", _listed(link.store), 0, -LISTED_MOST - 1),
    )


def _listed(store: str) -> str:
    return f"ob:s:{store or NOWHERE}:links"
