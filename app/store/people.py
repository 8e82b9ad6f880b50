"""Staff accounts and their sessions. Passwords are Argon2, the secrets of sessions hashed."""

import secrets
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from app.errors import Conflict, Forbidden
from app.store.ask import Ask
from app.store.control import told

SESSION_FOR: Final = 12 * 3600  # seconds from sign-in
NAME_MOST: Final = 64  # characters
ODD: Final = frozenset("/\\?#%<>\"'")  # not in a name: it is part of addresses
TAKEN: Final = frozenset({"api", "board", "command line", "customer", "delegate"})  # who else does things, in ledgers
ROLES: Final = ("staff", "manager", "admin")


class User(Struct, frozen=True):
    """`stores`: the ids this person may see; an admin sees all. `password` and `pin` are hashes, "" where there is
    none; `subject`: who this is at the OIDC provider, for accounts that were made by signing in there."""

    name: str
    role: str
    stores: tuple[str, ...]
    password: str
    disabled: bool = False
    pin: str = ""
    subject: str = ""

    def sees(self, store: str) -> bool:
        return self.role == "admin" or store in self.stores


class Guest(Struct, frozen=True):
    """Somebody whom an OpenID provider vouches for, and what they may do here."""

    subject: str
    name: str
    role: str
    stores: tuple[str, ...]


class Session(Struct, frozen=True):
    """`id` is the hash of its secret, and opens nothing; `device` is a browser's family, in words."""

    id: str
    user: str
    since: float
    device: str = ""


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_USER: Final = msgspec.msgpack.Decoder(User)
_SESSION: Final = msgspec.msgpack.Decoder(Session)


def proper(name: str) -> bool:
    """May an account be called so?"""
    plain = 0 < len(name) <= NAME_MOST and name == name.strip() and name.isprintable()
    return plain and not ODD & set(name) and name.lower() not in TAKEN


def hashed(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


# Two who change one account at once must not undo each other: one may have disabled it.
_SWAP: Final = """
if redis.call('GET', 'ob:user:' .. ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('SET', 'ob:user:' .. ARGV[1], ARGV[3])
return 1
"""


class People(Ask):
    """Every change tells all nodes, so that open sockets that it touches are closed."""

    # ---- accounts ----

    async def save(self, user: User) -> None:
        """Makes an account, or puts it in place of the one with this name. Its sessions stay: see `expel`."""
        await self.every(
            ("SET", "ob:user:" + user.name, _ENCODE(user)),
            ("SADD", "ob:users", user.name),
            told("user", user.name),
        )

    async def user(self, name: str) -> User | None:
        found = await self.ask("GET", "ob:user:" + name)
        return None if found is None else _USER.decode(found)

    async def all(self) -> list[User]:
        """Every account, by name."""
        names = [name.decode() for name in await self.ask("SMEMBERS", "ob:users")]
        rows = await self.ask("MGET", *("ob:user:" + name for name in names)) if names else []
        return sorted((_USER.decode(row) for row in rows if row is not None), key=lambda user: user.name.lower())

    async def change(
        self,
        name: str,
        *,
        role: str | None = None,
        stores: tuple[str, ...] | None = None,
        disabled: bool | None = None,
        password: str | None = None,
        pin: str | None = None,
        keep: str = "",
    ) -> User | None:
        """Changes what is given; None where there is no such account. A new `password` (its hash) and `disabled` end
        its sessions, but for `keep`; after another role or other stores, its sockets are looked at again."""
        given = {"role": role, "stores": stores, "disabled": disabled, "password": password, "pin": pin}
        wanted = {field: value for field, value in given.items() if value is not None}
        while True:
            found = await self.ask("GET", "ob:user:" + name)
            if found is None:
                return None
            user = msgspec.structs.replace(_USER.decode(found), **wanted)
            swapped, _ = await self.every(("EVAL", _SWAP, 0, name, found, _ENCODE(user)), told("user", name))
            if swapped:
                break
        if password is not None or disabled:
            await self.expel(name, keep=keep)
        return user

    async def admit(self, guest: Guest) -> User:
        """The account of a guest, made the first time; later it follows what the provider says. Raises Forbidden where
        it is disabled here, Conflict where the name is somebody else's: never is an account given to another person
        for being called the same."""
        mark = "ob:subject:" + hashed(guest.subject)
        name = await self.ask("GET", mark)
        if name is None:
            made = User(guest.name, guest.role, guest.stores, "", subject=guest.subject)
            if not await self.ask("SET", "ob:user:" + made.name, _ENCODE(made), "NX"):
                raise Conflict(f"The name {made.name} is another account's here. Ask an admin to rename one of them.")
            await self.every(("SET", mark, made.name), ("SADD", "ob:users", made.name))
            return made
        user = await self.user(name.decode())
        if user is None or user.subject != guest.subject:
            await self.ask("DEL", mark)  # that account was removed here, or made anew for another person
            return await self.admit(guest)
        if user.disabled:
            raise Forbidden("Your account is disabled here. Ask an admin.")
        if (user.role, user.stores) != (guest.role, guest.stores):
            return await self.change(user.name, role=guest.role, stores=guest.stores) or user
        return user

    async def remove(self, name: str) -> None:
        await self.every(("DEL", "ob:user:" + name), ("SREM", "ob:users", name), told("user", name))
        await self.expel(name)

    # ---- sessions ----

    async def enter(self, user: str, now: float, device: str = "") -> str:
        """A new session's secret, for the cookie; what is stored is its hash."""
        secret = secrets.token_urlsafe(32)
        mark = hashed(secret)
        await self.every(
            ("SET", "ob:session:" + mark, _ENCODE(Session(mark, user, now, device)), "EX", SESSION_FOR),
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

    async def sessions(self, user: str) -> list[Session]:
        """A person's open sessions, newest first."""
        marks = [mark.decode() for mark in await self.ask("SMEMBERS", "ob:sessions:" + user)]
        rows = await self.ask("MGET", *("ob:session:" + mark for mark in marks)) if marks else []
        gone = [mark for mark, row in zip(marks, rows, strict=True) if row is None]
        if gone:
            await self.ask("SREM", "ob:sessions:" + user, *gone)
        return sorted((_SESSION.decode(row) for row in rows if row is not None), key=lambda one: -one.since)

    async def standing(self, sessions: list[str]) -> dict[str, User]:
        """Whose these sessions (by id) are; those that have ended, or of a disabled account, are left out."""
        if not sessions:
            return {}
        rows = await self.ask("MGET", *("ob:session:" + mark for mark in sessions))
        names = {mark: _SESSION.decode(row).user for mark, row in zip(sessions, rows, strict=True) if row is not None}
        wanted = sorted(set(names.values()))
        found = await self.ask("MGET", *("ob:user:" + name for name in wanted)) if wanted else []
        users = {name: _USER.decode(row) for name, row in zip(wanted, found, strict=True) if row is not None}
        return {mark: users[name] for mark, name in names.items() if name in users and not users[name].disabled}

    async def leave(self, session: Session) -> None:
        await self.every(
            ("DEL", "ob:session:" + session.id),
            ("SREM", "ob:sessions:" + session.user, session.id),
            told("session", session.id),
        )

    async def expel(self, user: str, *, keep: str = "") -> int:
        """Ends every session of a person but the one with the id `keep`; how many that were."""
        marks = [mark.decode() for mark in await self.ask("SMEMBERS", "ob:sessions:" + user)]
        ended = [mark for mark in marks if mark != keep]
        if ended:
            await self.every(
                ("DEL", *("ob:session:" + mark for mark in ended)),
                ("SREM", "ob:sessions:" + user, *ended),
                told("user", user),
            )
        return len(ended)

    # ---- guessing ----

    async def tries(self, mark: str, limit: int, window: int) -> bool:
        """Counts one more try under `mark`; False once there were more than `limit` in `window` seconds."""
        key = "ob:tries:" + hashed(mark)[:32]
        count, _ = await self.every(("INCR", key), ("EXPIRE", key, window, "NX"))
        return int(count) <= limit

    async def tried(self, mark: str) -> int:
        """How often in the window that the last try was counted in."""
        return int(await self.ask("GET", "ob:tries:" + hashed(mark)[:32]) or 0)

    async def meet(self, secret: str, name: str, seconds: int) -> None:
        """From now on a browser with this secret is known to a person."""
        await self.ask("SET", "ob:known:" + hashed(f"{secret} {name}"), 1, "EX", seconds)

    async def knows(self, secret: str, name: str) -> bool:
        return bool(await self.ask("EXISTS", "ob:known:" + hashed(f"{secret} {name}")))

    async def forgive(self, *marks: str) -> None:
        """What was tried under these marks counts no more."""
        await self.ask("DEL", *("ob:tries:" + hashed(mark)[:32] for mark in marks))
