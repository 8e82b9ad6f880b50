"""The words of the pages behind the boards."""

import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from msgspec import Struct

from app.orders import spell
from app.render.cards import Chip
from app.render.ledger import KIND_OF_LINK
from app.render.times import stamp

WHYS: Final[dict[str, Chip]] = {
    "unreadable": ("chip-late-soft", "circle-x", "Unreadable"),
    "not understood": ("chip-risk", "circle-question-mark", "Not understood"),
    "unknown store": ("chip-changed", "store", "Unknown store"),
}
ODD: Final[Chip] = ("chip-still", "circle-dashed", "Kept")

# what a page says after something was done: tone, text; {n} is filled in
SAID: Final[dict[str, tuple[str, str]]] = {
    "call_again": ("good", "The call is made again. What comes of it is in the order’s drawer, under Calls."),
    "call_gone": ("still", "That call does not need a person any more."),
    "replayed": ("good", "Replayed. What it said is on the order now."),
    "not_yet": ("late", "It still can’t be used. Why is said below; it stays here."),
    "gone": ("still", "It is not in quarantine any more: it was replayed, or it has grown too old."),
    "healed": ("good", "{n} replayed, none is left of them."),
    "some": ("risk", "{n} replayed; the others still can’t be used and stay here."),
    "none": ("late", "None of them can be used yet. Once the config or the program is set right, replay again."),
    "more": ("risk", "{n} replayed so far. There are more: replay again to go on."),
    "link_ended": ("good", "The link is revoked. Whoever has it sees nothing any more, on open pages too."),
    "link_gone": ("still", "That link had ended already."),
    "screen_ended": ("good", "The screen is ended. It goes dark within seconds."),
    "screen_gone": ("still", "That screen had been ended already."),
    "user_added": ("good", "The account is made."),
    "user_changed": ("good", "Role and stores are changed. Boards that are no longer theirs close now."),
    "user_disabled": ("good", "The account is disabled, and signed out everywhere."),
    "user_enabled": ("good", "The account can sign in again."),
    "expelled": ("good", "Signed out everywhere. Signing in again works as before."),
    "pin_set": ("good", "The PIN is set."),
    "pin_gone": ("good", "The PIN is taken away."),
    "password_changed": ("good", "The password is changed, and the account signed out everywhere."),
}


def said(code: str, n: int) -> tuple[str, str] | None:
    """What to say, and how; None for what is no word of ours."""
    found = SAID.get(code)
    return None if found is None else (found[0], found[1].format(n=n))


class Held(Struct, frozen=True, kw_only=True):
    """An entry of the quarantine. `reads`: may this person read and replay it?"""

    id: str
    mark: tuple[str, str, str]
    source: str
    why: str
    detail: str
    heard: float
    count: int
    size: int
    reads: bool


def held(entries: list[Held], now: float, zone: tzinfo) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id, "shape": one.mark[0], "letter": one.mark[1], "label": one.mark[2], "source": one.source,
            "chip": WHYS.get(one.why, ODD), "detail": one.detail, "heard": stamp(one.heard, now, zone),
            "age": spell(now - one.heard), "count": one.count, "size": weight(one.size), "reads": one.reads,
        }
        for one in entries
    ]  # fmt: skip


def weight(size: int) -> str:
    return f"{size} bytes" if size < 1000 else f"{size / 1000:.0f} kB"


# ---- links, screens, accounts ----

WALLS: Final = {
    "tv": ("TV for the staff", "Everything that needs a person, readable from afar"),
    "ready": ("Ready screen", "For customers who wait: codes and first names, nothing else"),
}
ROLES: Final = (
    ("staff", "Staff", "works on the boards of their stores"),
    ("manager", "Manager", "also feeds, quarantine, links and screens of their stores"),
    ("admin", "Admin", "everything, in every store, and accounts"),
)


class Link(Struct, frozen=True, kw_only=True):
    """`board`: the path to its order. `own`: made by the customer. `expires`: None until the order is over."""

    id: str
    code: str
    board: str | None
    kind: str
    own: bool
    made: float
    expires: float | None


def links(rows: list[Link], now: float, zone: tzinfo) -> list[dict[str, Any]]:
    return [
        {
            "id": link.id, "code": link.code, "board": link.board, "kind": KIND_OF_LINK.get(link.kind, link.kind),
            "own": link.own, "made": stamp(link.made, now, zone),
            "over": link.expires is not None and link.expires <= now,
            "expires": None if link.expires is None else stamp(link.expires, now, zone),
        }
        for link in rows
    ]  # fmt: skip


class Screen(Struct, frozen=True, kw_only=True):
    id: str
    kind: str
    made: float
    seen: float | None
    on: bool


def screens(rows: list[Screen], now: float, zone: tzinfo) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id, "kind": WALLS.get(one.kind, (one.kind, ""))[0], "made": stamp(one.made, now, zone),
            "on": one.on, "seen": None if one.seen is None else stamp(one.seen, now, zone), "mark": one.id[:SHORT],
        }
        for one in rows
    ]  # fmt: skip


class Session(Struct, frozen=True):
    since: float
    device: str


def sessions(rows: list[Session], now: float, zone: tzinfo) -> list[dict[str, Any]]:
    return [{"since": stamp(one.since, now, zone), "device": one.device or "A browser"} for one in rows]


# ---- who did what ----

Zone = tzinfo
Row = dict[str, Any]
ABOUT_ORDERS: Final = frozenset(
    {"claimed", "cannot_find", "handed_over", "undone", "order_placed", "stage_set", "body_read", "link_made",
     "link_revoked", "link_renewed", "order_erased"}
)  # fmt: skip
_ID: Final = re.compile(r"[0-9a-f]{16,}")
SHORT: Final = 6  # characters of an id that are shown
DEEDS: Final = {
    "signed_in": "signed in", "sign_in_refused": "A sign-in was refused", "signed_out": "signed out",
    "signed_out_everywhere": "signed out everywhere", "expelled": "signed somebody out everywhere",
    "claimed": "took an order", "cannot_find": "could not find a customer", "handed_over": "handed an order over",
    "undone": "took back what was done", "order_placed": "placed an order", "stage_set": "moved an order by hand",
    "body_read": "read what an order system sent", "link_made": "made a tracking link",
    "link_revoked": "revoked a tracking link", "link_renewed": "replaced a tracking link",
    "screen_made": "made a screen", "screen_revoked": "ended a screen", "token_made": "made an API token",
    "token_revoked": "ended an API token", "user_added": "made an account",
    "user_changed": "changed an account", "user_disabled": "disabled an account",
    "user_enabled": "let an account sign in again", "password_changed": "changed a password",
    "pin_changed": "changed a PIN", "pin_refused": "gave a wrong PIN", "replayed": "replayed from quarantine",
    "call_replayed": "had a call made again", "order_erased": "erased an order",
}  # fmt: skip


class Deed(Struct, frozen=True):
    at: float
    who: str
    what: str
    store: str
    about: str
    via: str
    detail: str


def order_of(what: str, about: str) -> str:
    """The order's key that a deed is about; empty where it is about something else."""
    return about if what in ABOUT_ORDERS and ":" in about else ""


def deeds(rows: list[Deed], orders: Mapping[str, tuple[str, str | None]], now: float, zone: tzinfo) -> list[Row]:
    """`orders`: code and path by key, of those that are still kept."""
    made = []
    for deed in rows:
        code, board = orders.get(deed.about, (deed.about[:SHORT] if _ID.fullmatch(deed.about) else deed.about, None))
        made.append(
            {
                "at": stamp(deed.at, now, zone), "who": deed.who, "via": deed.via, "store": deed.store,
                "what": DEEDS.get(deed.what, deed.what.replace("_", " ")), "about": code, "board": board,
                "detail": deed.detail,
            }
        )  # fmt: skip
    return made
