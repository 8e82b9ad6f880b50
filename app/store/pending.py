"""Sign-ins that have been begun elsewhere and not come back yet: each is good once, for ten minutes."""

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from app.store.ask import Ask

KEPT: Final = 600  # seconds


class Begun(Struct, frozen=True):
    """`after`: the path of ours to go on to."""

    nonce: str
    verifier: str
    after: str


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_BEGUN: Final = msgspec.msgpack.Decoder(Begun)


def _key(state: str) -> str:
    return "ob:oidc:" + sha256(state.encode()).hexdigest()


class Pending(Ask):
    async def keep(self, state: str, begun: Begun) -> None:
        await self.ask("SET", _key(state), _ENCODE(begun), "EX", KEPT)

    async def take(self, state: str) -> Begun | None:
        """None where there is none, or it was taken before."""
        found = await self.ask("GETDEL", _key(state))
        return None if found is None else _BEGUN.decode(found)
