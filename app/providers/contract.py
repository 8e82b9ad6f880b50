"""What an order system's file must offer, and how its bodies are read: bytes in, order events out, nothing done."""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from app.errors import Unreadable
from app.orders import Item, Order, OrderEvent
from app.settings import Source

DEPTH_MOST: Final = 32
LAST: Final = 32_503_680_000  # the year 3000: beyond the calendar's end no screen could show it
T = TypeVar("T")


class Call(Struct, gc=False, frozen=True, kw_only=True):
    """A webhook as it came in. `tail` is the word after the source; header names are lower case; `heard` is now."""

    method: str = "POST"
    tail: str = ""
    query: bytes = b""
    headers: dict[bytes, bytes] = {}
    body: bytes = b""
    heard: float


class Options(Struct, gc=False, frozen=True, forbid_unknown_fields=True):
    """For a provider without keys of its own."""


def same(body: bytes) -> bytes:
    return body


class Request(Struct, gc=False, frozen=True, kw_only=True):
    """A call to an order system, ready to be sent."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: bytes = b""


class Reply(Struct, gc=False, frozen=True, kw_only=True):
    """What it answered. `asked` is when the request began, `heard` when it was read; header names lower case."""

    status: int
    asked: float
    heard: float
    headers: dict[str, str] = {}
    body: bytes = b""


class Follow(Struct, gc=False, frozen=True, kw_only=True):
    """A polled order as we follow it. `asked`: the start of each resource's last good request; `stopped`: resources
    that are over for good; `marks`: the provider's own notes from one poll to the next."""

    source: str
    ref: str
    began: float
    store: str | None = None
    user_id: str | None = None
    items: tuple[Item, ...] | None = None
    asked: dict[str, float] = {}
    stopped: frozenset[str] = frozenset()
    marks: dict[str, str] = {}

    @property
    def key(self) -> str:
        return f"{self.source}:{self.ref}"


class Location(Struct, gc=False, frozen=True):
    """Where the shopper is: kept in a key of its own that soon ends, never in the ledger."""

    latitude: float
    longitude: float
    at: float


class Heard(Struct, gc=False, frozen=True, kw_only=True):
    """What a poll's answer means. `stop`: this resource is over for good; `over`: so is the following; `renew`: the
    token was refused, get another and ask once more; `failed`: in words, to be asked again after a pause."""

    events: tuple[OrderEvent, ...] = ()
    location: Location | None = None
    stop: bool = False
    over: bool = False
    renew: bool = False
    failed: str | None = None
    marks: dict[str, str] = {}


class Polling(Struct, gc=False, frozen=True, kw_only=True):
    """How an order system is asked. `plan` names each resource to ask and when (an empty plan ends the following);
    `token` gives the name a token is kept under and the request for it, `granted` the token and its seconds."""

    plan: Callable[[Source, Follow, Order | None, float], dict[str, float]]
    request: Callable[[Source, Follow, str, str | None], Request]
    hear: Callable[[Source, Follow, Order | None, str, Reply], Heard]
    token: Callable[[Source, Follow], tuple[str, Request]] | None = None
    granted: Callable[[Reply], tuple[str, float]] | None = None
    needed: bool = False  # is nothing heard of an order unless it is asked for?


class Calling(Struct, gc=False, frozen=True, kw_only=True):
    """How an effect reaches the order system. `request` is None where there is no such call; `outcome` reads the
    answer: done, retry (trying again may help) or refused, with a reason for the staff."""

    request: Callable[[Source, Order, str | None], Request | None]
    outcome: Callable[[Reply], tuple[str, str]]
    repeatable: bool = False  # may an answer that never came be asked for again?


class Provider(Struct, gc=False, frozen=True, kw_only=True):
    """An order system. `verify` raises Forged; `parse` raises Unreadable or NotUnderstood; `redact` returns the body
    as the ledger may keep it (card data, control digits and positions gone)."""

    name: str
    label: str
    verify: Callable[[Source, Call], None]
    parse: Callable[[Source, Call], list[OrderEvent]]
    redact: Callable[[bytes], bytes] = same
    options: type[Struct] = Options
    methods: frozenset[str] = frozenset({"POST"})
    tails: frozenset[str] | None = frozenset({""})  # None: the word after the source is the secret or empty
    status: int = 202
    answer: bytes = b""
    first: Callable[[Source, Call], None] | None = None  # asked before the body is read, where `verify` needs that
    forms: frozenset[str] = frozenset()  # tails whose body is a form, not JSON
    respond: Callable[[Source, Call], bytes | None] | None = None  # answers a verified call itself: no event in it
    polling: Polling | None = None
    calls: dict[str, Calling] = {}  # by kind of effect
    masked: Callable[[bytes], bytes] = same  # the query as it may be kept


_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # an unclosed one too: else this is quadratic
_BRACKETS: Final = re.compile(rb"[\[\]{}]")


def read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Strict JSON of a known shape. Anything else is Unreadable, with the place and what was expected."""
    try:
        body.decode()
        if too_deep(body):
            raise Unreadable(f"The body is nested deeper than {DEPTH_MOST} levels.")
        if _odd(body):  # of what the shape leaves out, a lone surrogate and a number without end would pass unread
            msgspec.json.decode(body)
        return decoder.decode(body)
    except UnicodeDecodeError:
        raise Unreadable("The body is not UTF-8.") from None
    except RecursionError:
        raise Unreadable("The body is nested too deep.") from None
    except msgspec.MsgspecError as error:
        raise Unreadable(f"The body does not fit: {error}") from None


_FIGURES: Final = bytes.maketrans(b"123456789E", b"000000000e")


def _odd(body: bytes) -> bool:
    """May it hold a lone surrogate or a number that no float can hold? To look costs a third of decoding it all."""
    flat = body.translate(_FIGURES)
    return b"\\" in body or b"0e" in flat or b"0" * 300 in flat


def too_deep(body: bytes) -> bool:
    if body.count(b"[") + body.count(b"{") <= DEPTH_MOST:
        return False
    depth = most = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        most = max(most, depth)
    return most > DEPTH_MOST


def digest(*parts: str | bytes) -> str:
    """The provider's dedupe key in one short text."""
    raw = b"\0".join([part if type(part) is bytes else part.encode() for part in parts])  # type: ignore[union-attr]
    return blake2b(raw, digest_size=16).hexdigest()


_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def text(value: object, most: int = 200) -> str | None:
    """A word for people: control and direction characters gone, cut to `most`; None where nothing is left."""
    if type(value) is str and value.isprintable():
        return value[:most].strip() or None
    if value is None or isinstance(value, dict | list | bool):
        return None
    return _UNSEEN.sub(" ", str(value)).strip()[:most] or None


def amount(value: object) -> str | None:
    """An amount as a decimal string with at least two decimals; None where it is no finite number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= 10**12:
        return None
    exponent = number.as_tuple().exponent
    return f"{number:f}" if isinstance(exponent, int) and exponent <= -2 else f"{number:.2f}"


def instant(value: str | None, zone: tzinfo) -> float | None:
    """Unix seconds of an ISO stamp; one without a zone is in `zone`. None where it can't be read."""
    return _instant(value, zone) if value and len(value) < 64 else None


def again(value: str | None, zone: tzinfo) -> float | None:
    """As `instant`, for what is said many times over: the same slot comes with each event of its orders."""
    return _remembered(value, zone) if value and len(value) < 64 else None


def _instant(value: str, zone: tzinfo) -> float | None:
    try:
        moment = datetime.fromisoformat(value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (OverflowError, OSError, ValueError):
        return None
    return seconds if 0 <= seconds < LAST else None


_remembered: Final = lru_cache(4096)(_instant)


def normal(status: str) -> str:
    """A raw status in the one spelling that tables use."""
    return _normal(status[:128])


@lru_cache(1024)
def _normal(status: str) -> str:
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", status.strip().replace("\\", "").replace("*", ""))
    word = re.sub(r"[.\-\s_]+", "_", word).strip("_").lower()
    return word.replace("cancelled", "canceled")


def stored(value: Any) -> bytes:
    """The ledger's body of a changed payload."""
    return msgspec.json.encode(value)


def pruned(body: bytes, part: Callable[[str, Any], Any]) -> bytes:
    """A JSON body without what may not be kept. `part` sees every member's name, plain (lower case, no underscores),
    and its value, and answers what stays of it: GONE for nothing. Of a body that can't be read nothing is kept."""
    try:
        return stored(_pruned(msgspec.json.decode(body), part))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return b""


GONE: Final = object()


def _pruned(value: Any, part: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, list):
        return [_pruned(one, part) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, one in value.items():
        left = part(name.replace("_", "").lower(), one)
        if left is not GONE:
            kept[name] = _pruned(left, part)
    return kept
