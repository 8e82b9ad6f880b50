"""Who did what, and when: one stream for the installation, bounded by number and age. It names staff, orders' keys and
ids; nothing of a customer."""

from collections.abc import Callable, Collection
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from app.store.ask import Ask

MOST: Final = 100_000  # entries
AGE: Final = 180 * 86_400  # seconds
SCAN: Final = 500  # entries read at once
SCAN_MOST: Final = 5_000  # entries looked through for one page

What = Literal[
    "signed_in", "sign_in_refused", "signed_out", "signed_out_everywhere", "expelled",
    "claimed", "cannot_find", "handed_over", "undone", "order_placed", "stage_set", "body_read",
    "link_made", "link_revoked", "link_renewed", "screen_made", "screen_revoked", "token_made", "token_revoked",
    "user_added", "user_changed", "user_disabled", "user_enabled", "password_changed", "pin_changed", "pin_refused",
    "replayed", "call_replayed", "order_erased",
]  # fmt: skip
WHATS: Final[tuple[str, ...]] = get_args(What)


class Deed(Struct, frozen=True, kw_only=True):
    """`who` did it: an account, "api" (a program), "customer", "command line", or "" (unknown). `via`: the account that
    was signed in where somebody else gave a PIN. `about`: an order's key, the id of a link, screen or quarantine entry,
    or an account. `detail` in words, without anything of a customer."""

    id: str = ""
    at: float
    who: str
    what: What
    store: str = ""
    about: str = ""
    via: str = ""
    detail: str = ""


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DEED: Final = msgspec.msgpack.Decoder(Deed)


class Audit(Ask):
    def __init__(self, client: Redis, clock: Callable[[], float]) -> None:
        super().__init__(client)
        self._clock = clock

    async def note(
        self, who: str, what: What, *, store: str = "", about: str = "", via: str = "", detail: str = ""
    ) -> None:
        """Kept once this returns. Raises Away where it could not be."""
        now = self._clock()
        deed = Deed(at=now, who=who, what=what, store=store, about=about, via="" if via == who else via, detail=detail)
        await self.every(
            ("XADD", "ob:audit", "MAXLEN", MOST, "*", "d", _ENCODE(deed)),
            ("XTRIM", "ob:audit", "MINID", f"{int((now - AGE) * 1000)}-0"),
        )

    async def page(
        self, *, stores: Collection[str] | None = None, who: str | None = None, cursor: str = "", count: int = 50
    ) -> tuple[list[Deed], str]:
        """The newest first, of these stores (None: of all, and those of no store), done by `who` or in their session,
        before `cursor` (an entry's id); and where to go on, "" at the end. A page may be short of `count` and still
        have a next one."""
        found: list[Deed] = []
        looked = 0
        while looked < SCAN_MOST:
            rows = await self.ask("XREVRANGE", "ob:audit", f"({cursor}" if cursor else "+", "-", "COUNT", SCAN)
            for number, row in rows:
                cursor = number.decode()
                deed = msgspec.structs.replace(_DEED.decode(row[b"d"] if isinstance(row, dict) else row[1]), id=cursor)
                if (stores is None or deed.store in stores) and (who is None or who in (deed.who, deed.via)):
                    found.append(deed)
                    if len(found) == count:
                        return found, cursor
            looked += len(rows)
            if len(rows) < SCAN:
                return found, ""
        return found, cursor
