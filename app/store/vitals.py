"""How the Redis itself is: what it is, how fast, how sure its writes, how full. Reads only."""

import time
from statistics import median
from typing import Any, Final

from msgspec import Struct
from redis.exceptions import AuthenticationError, BusyLoadingError, InvalidResponse, NoPermissionError, ResponseError
from redis.sentinel import MasterNotFoundError

from app.errors import Away
from app.store.ask import Ask

TRIPS: Final = 5
# fields of INFO that say how the last writing of its kind went, and what that was
WRITINGS: Final = (
    ("aof_last_write_status", "the last write to its AOF"),
    ("aof_last_bgrewrite_status", "the last rewrite of its AOF"),
    ("rdb_last_bgsave_status", "its last snapshot"),
)


class Vitals(Struct, frozen=True, kw_only=True):
    """`trip`: seconds of a round trip; `ahead`: seconds that its clock is before ours; `fsync`, `policy`: None where it
    may not be asked; `used` and `most` (0: no limit) in bytes; `failed`: what it could not write; `replicas`: how many
    are online."""

    name: str
    version: str
    trip: float
    ahead: float = 0.0
    role: str = "master"
    appendonly: bool = True
    fsync: str | None = "always"
    policy: str | None = "noeviction"
    used: int = 0
    most: int = 0
    failed: tuple[str, ...] = ()
    replicas: int = 0


class Pulse(Ask):
    async def take(self) -> Vitals:
        """Raises Away; `why` has it in words."""
        trips = [await self._trip() for _ in range(TRIPS)]
        before = time.time()
        seconds, micro = await self.ask("TIME")
        ours = (before + time.time()) / 2
        info: dict[str, Any] = await self.ask("INFO")
        return Vitals(
            name="Valkey" if "valkey_version" in info else "Redis",
            version=str(info.get("valkey_version", info.get("redis_version", ""))),
            trip=median(trips), ahead=int(seconds) + int(micro) / 1e6 - ours, role=str(info.get("role", "master")),
            appendonly=bool(info.get("aof_enabled")), fsync=await self._fsync(), policy=info.get("maxmemory_policy"),
            used=int(info.get("used_memory", 0)), most=int(info.get("maxmemory", 0)),
            failed=tuple(what for field, what in WRITINGS if info.get(field, "ok") != "ok"),
            replicas=sum(isinstance(said, dict) and said.get("state") == "online" for said in info.values()),
        )  # fmt: skip

    async def _trip(self) -> float:
        began = time.perf_counter()
        await self.ask("PING")
        return time.perf_counter() - began

    async def _fsync(self) -> str | None:
        """None where it is not told: hosted servers keep CONFIG to themselves."""
        try:
            said = await self.ask("CONFIG", "GET", "appendfsync")
        except Away as error:
            if isinstance(error.__cause__, ResponseError):
                return None
            raise
        pairs = said.values() if isinstance(said, dict) else said[1::2]
        value = next(iter(pairs), None)
        return value.decode() if isinstance(value, bytes) else value


# what a failure says of the server, and what to do
WHY: Final = (
    (AuthenticationError, "it refuses the user or the password: check both in redis_url"),
    (NoPermissionError, "its ACL forbids what is needed: allow the user of redis_url all keys, channels and commands"),
    (BusyLoadingError, "it is loading its data: ask again when it has done so"),
    (MasterNotFoundError, "no Sentinel knows a master of that name: check redis_url, and that the master is up"),
    (InvalidResponse, "what answers is no Redis: check redis_url"),
    (ResponseError, "it answers with an error: look into its own log"),
)


def why(error: Away) -> str:
    """A failed command in words, without an address or a password."""
    causes: list[BaseException] = []
    cause = error.__cause__
    while cause is not None:  # redis-py puts what happened while it connected into a plain ConnectionError
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for kind, words in WHY:
        if any(isinstance(one, kind) for one in causes):
            return words
    return f"it does not answer ({type(error.__cause__).__name__}): see that it runs, and check redis_url"
