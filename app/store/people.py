"""Staff accounts, their sessions, and the tokens of programs. Passwords are Argon2, tokens and sessions hashed."""

import secrets
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask

SESSION_FOR: Final = 12 * 3600  # seconds from sign-in
ROLES: Final = ("staff", "manager", "admin")


class User(Struct, frozen=True):
    """`stores`: the ids this person may see; an admin sees all."""

    name: str
    role: str
    stores: tuple[str, ...]
    password: str
    disabled: bool = False

    def sees(self, store: str) -> bool:
        return self.role == "admin" or store in self.stores


class Session(Struct, frozen=True):
    id: str
    user: str
    since: float


class Token(Struct, frozen=True):
    id: str
    name: str


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_USER: Final = msgspec.msgpack.Decoder(User)
_SESSION: Final = msgspec.msgpack.Decoder(Session)
_TOKEN: Final = msgspec.msgpack.Decoder(Token)


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


class People(Ask):
    async def save(self, user: User) -> None:
        await self.every(("SET", "ob:user:" + user.name, _ENCODE(user)), ("SADD", "ob:users", user.name))

    async def user(self, name: str) -> User | None:
        found = await self.ask("GET", "ob:user:" + name)
        return None if found is None else _USER.decode(found)

    async def enter(self, user: str, now: float) -> str:
        """A new session's secret, for the cookie; what is stored is its hash."""
        secret = secrets.token_urlsafe(32)
        mark = hashed(secret)
        session = _ENCODE(Session(mark[:16], user, now))
        await self.every(
            ("SET", "ob:session:" + mark, session, "EX", SESSION_FOR),
            ("SADD", "ob:sessions:" + user, mark),
            ("EXPIRE", "ob:sessions:" + user, SESSION_FOR),
        )
        return secret

    async def session(self, secret: str) -> tuple[Session, User] | None:
        """Who a cookie belongs to: None where it has ended, or the person is gone or disabled."""
        found = await self.ask("GET", "ob:session:" + hashed(secret))
        if found is None:
            return None
        session = _SESSION.decode(found)
        user = await self.user(session.user)
        return None if user is None or user.disabled else (session, user)

    async def leave(self, secret: str) -> None:
        await self.ask("DEL", "ob:session:" + hashed(secret))

    async def expel(self, user: str) -> None:
        """Ends every session of a person."""
        for mark in await self.ask("SMEMBERS", "ob:sessions:" + user):
            await self.ask("DEL", "ob:session:" + mark.decode())
        await self.ask("DEL", "ob:sessions:" + user)

    async def issue(self, name: str) -> str:
        """A new API token, told this once."""
        secret = secrets.token_urlsafe(32)
        await self.ask("SET", "ob:token:" + hashed(secret), _ENCODE(Token(secrets.token_hex(8), name)))
        return secret

    async def token(self, secret: str) -> Token | None:
        found = await self.ask("GET", "ob:token:" + hashed(secret))
        return None if found is None else _TOKEN.decode(found)

    async def tries(self, mark: str, limit: int, window: int) -> bool:
        """Counts one more try under `mark`; False once there were more than `limit` in `window` seconds."""
        key = "ob:tries:" + hashed(mark)[:32]
        count, _ = await self.every(("INCR", key), ("EXPIRE", key, window, "NX"))
        return int(count) <= limit
