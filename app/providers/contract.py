"""What an order system's file must offer, and how its bodies are read: bytes in, order events out, nothing done."""

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from app.errors import Unreadable
from app.orders import OrderEvent
from app.settings import Source

DEPTH_MOST: Final = 32
LAST: Final = 32_503_680_000  # the year 3000: beyond the calendar's end no screen could show it
T = TypeVar("T")


class Call(Struct, frozen=True, kw_only=True):
    """A webhook as it came in. `tail` is the word after the source; header names are lower case; `heard` is now."""

    method: str = "POST"
    tail: str = ""
    query: bytes = b""
    headers: dict[bytes, bytes] = {}
    body: bytes = b""
    heard: float


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """For a provider without keys of its own."""


def same(body: bytes) -> bytes:
    return body


class Provider(Struct, frozen=True, kw_only=True):
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
    signed: bool = False  # `verify` needs the body
    masked: Callable[[bytes], bytes] = same  # the query as it may be kept


_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # an unclosed one too: else this is quadratic
_ODD: Final = re.compile(rb"\\u|\d[eE]")  # a lone surrogate, a number without end
_BRACKETS: Final = re.compile(rb"[\[\]{}]")


def read(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Strict JSON of a known shape. Anything else is Unreadable, with the place and what was expected."""
    try:
        body.decode()
        if too_deep(body):
            raise Unreadable(f"The body is nested deeper than {DEPTH_MOST} levels.")
        if _ODD.search(body):  # in a field that the shape leaves out they would pass unread
            msgspec.json.decode(body)
        return decoder.decode(body)
    except UnicodeDecodeError:
        raise Unreadable("The body is not UTF-8.") from None
    except RecursionError:
        raise Unreadable("The body is nested too deep.") from None
    except msgspec.MsgspecError as error:
        raise Unreadable(f"The body does not fit: {error}") from None


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
    seen = sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        seen.update(len(raw).to_bytes(4, "big") + raw)
    return seen.hexdigest()[:32]


_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def text(value: object, most: int = 200) -> str | None:
    """A word for people: control and direction characters gone, cut to `most`; None where nothing is left."""
    if value is None or isinstance(value, dict | list | bool):
        return None
    plain = _UNSEEN.sub(" ", str(value)).strip()
    return plain[:most] or None


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
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (OverflowError, OSError, ValueError):
        return None
    return seconds if 0 <= seconds < LAST else None


def normal(status: str) -> str:
    """A raw status in the one spelling that tables use."""
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", status.strip().replace("\\", "").replace("*", ""))
    word = re.sub(r"[.\-\s_]+", "_", word).strip("_").lower()
    return word.replace("cancelled", "canceled")


def stored(value: Any) -> bytes:
    """The ledger's body of a changed payload."""
    return msgspec.json.encode(value)
