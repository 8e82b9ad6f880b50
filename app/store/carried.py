"""An export's lines, and what each stands for. Pure. Text stays text and what is packed is unpacked, so that people,
other versions and other engines can read it; what comes back is the same to the last bit.

A header; a line an order, with its ledger and the digests of its events, in the order they came in; a line for every
other key that must last; and an end, which says how many lines there are above it."""

import math
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from app.errors import Fatal
from app.orders import Order
from app.store.orders import Entry

SCHEMA: Final = 1  # of the file: an import refuses a newer one

# What is carried, by the word that leads its key, and its type. A store's keys are known by "s:" and their last word.
KINDS: Final = {
    "alias": "string", "aliases": "set", "audit": "stream", "erased": "hash", "f": "hash", "feed": "hash",
    "feedday": "hash", "follow": "zset", "gaps": "list", "known": "string", "link": "string", "linkid": "string",
    "links": "set", "out": "hash", "outbox": "zset", "outdead": "zset", "outs": "set", "pace": "hash",
    "paced": "zset", "q": "zset", "qe": "hash", "qlost": "string", "qs": "set", "s:links": "zset",
    "s:screens": "set", "samples": "hash", "screen": "string", "screenid": "string", "screens": "hash",
    "subject": "string", "token": "string", "tokenid": "string", "tokens": "set", "user": "string", "users": "set",
    "ways": "hash",
}  # fmt: skip

# The orders', which their lines hold or which follow from them.
ORDERS: Final = frozenset({"o", "l", "d", "all", "n", "ended", "due", "code", "codes", "s:open", "s:done"})

# What is left behind: what ends with a sign-in, is somebody's whereabouts, or means nothing to another server.
LEFT: Final = frozenset({
    "session", "sessions", "oidc", "tries", "grant",  # who is in, and what opens other systems
    "pos",  # where somebody is
    "id", "s:seq", "s:j", "control",  # the numbers of changes: they begin anew
    "rate", "sweep", "swept", "retention",  # turns that are over in a moment
    "unwritten", "rewritten",  # what this engine's own file still holds
    "qsize",  # reckoned anew
    "carried",  # an import that was broken off
})  # fmt: skip

QUEUES: Final = {"follow": "ob:f:", "outbox": "ob:out:", "outdead": "ob:out:", "q": "ob:qe:"}  # whose entries lie there
WHOLE: Final = frozenset({"f", "out", "qe"})  # entries: taken as they are or not at all
LEASE: Final = frozenset({b"o", b"p"})  # fields of an entry that say who has it in hand


class Heard(Struct, omit_defaults=True):
    """A line of a ledger. `again`: the digest of the event that this one repeats."""

    heard: float
    again: str = ""
    at: float | None = None
    verdict: str = ""
    name: str = ""
    by: str = ""
    note: str = ""
    body: Any = ""


class Line(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Any of them. `codes`: all that the order can be found by; `expires`: Unix time in milliseconds, 0 never."""

    orderboard: str = ""
    schema: int = 0
    exported_at: str = ""
    order: Order | None = None
    ledger: list[Heard] = []
    digests: dict[str, int] = {}
    codes: list[str] = []
    key: str = ""
    type: str = ""
    expires: Annotated[int, Meta(ge=0, le=2**53)] = 0
    value: Any = None
    end: bool = False
    lines: int = 0


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Line).decode
_PACK: Final = msgspec.msgpack.Encoder().encode
_ENTRY: Final = msgspec.msgpack.Decoder(Entry)


def word(key: str) -> str:
    """The kind of a key, "" of one that isn't ours."""
    lead, _, rest = key.partition(":")
    first = rest.partition(":")[0]
    return "" if lead != "ob" else f"s:{key.rpartition(':')[2]}" if first == "s" else first


# ---- bytes ----


def said(value: bytes) -> Any:
    """Text as text; a packed struct, which is never text, as {"packed": …}; anything else as {"base64": …}."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        pass
    try:
        told = {"packed": _open(msgspec.msgpack.decode(value))}
        if meant(told) == value:
            return told
    except (msgspec.DecodeError, TypeError, ValueError):
        pass
    return {"base64": b64encode(value).decode()}


def meant(told: Any) -> bytes:
    """The bytes that `said` was given. Raises ValueError."""
    match told:
        case str():
            return told.encode()
        case {"packed": value}:
            return _PACK(_shut(value))
        case {"base64": str() as text}:
            return b64decode(text, validate=True)
    raise ValueError("a value is neither text nor packed nor base64")


def _open(value: Any) -> Any:
    """JSON has no bytes: they become {"bytes": …}."""
    if isinstance(value, bytes):
        return {"bytes": said(value)}
    if isinstance(value, dict):
        return {name: _open(part) for name, part in value.items()}
    return [_open(part) for part in value] if isinstance(value, list) else value


def _shut(value: Any) -> Any:
    if isinstance(value, dict):
        return meant(value["bytes"]) if value.keys() == {"bytes"} else {k: _shut(part) for k, part in value.items()}
    return [_shut(part) for part in value] if isinstance(value, list) else value


# ---- ledgers ----


def told(row: bytes) -> Heard:
    if row[:1] == b"~":
        heard, _, digest = row[1:].decode().partition(" ")
        return Heard(float(heard), again=digest)
    entry = _ENTRY.decode(row)
    return Heard(entry.heard, "", entry.at, entry.verdict, entry.name, entry.by, entry.note, said(entry.body))


def row(line: Heard) -> bytes:
    if line.again:
        return f"~{line.heard!r} {line.again}".encode()
    return _PACK(Entry(line.heard, line.at, line.verdict, line.name, line.by, line.note, meant(line.body)))


# ---- keys ----


def value(kind: str, flat: list[Any]) -> Any:
    """What a key holds, as its line says it; `flat` as the engine's scripts see it."""
    pairs = list(zip(flat[::2], flat[1::2], strict=False))
    match kind:
        case "string":
            return said(flat[0])
        case "list":
            return [said(one) for one in flat]
        case "set":
            return [said(one) for one in sorted(flat)]
        case "zset":
            return [[said(member), float(score)] for member, score in pairs]
        case "hash":
            return {field.decode(): said(one) for field, one in sorted(pairs)}
    return [[number.decode(), value("hash", fields)] for number, fields in flat]


def words(kind: str, value: Any) -> list[Any]:
    """The other way round, members and scores in turn. Raises one of BAD."""
    match kind:
        case "string":
            return [meant(value)]
        case "list" | "set":
            return [meant(one) for one in value]
        case "zset":
            return [part for member, score in value for part in (meant(member), _score(score))]
        case "hash":
            return [part for field, one in value.items() for part in (field.encode(), meant(one))]
    return [(_number(number), words("hash", fields)) for number, fields in value]


def _score(score: Any) -> float:
    if not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError("a score is no number")
    return float(score)


def _number(number: Any) -> str:
    if not isinstance(number, str) or not re.fullmatch(r"[0-9]{1,19}-[0-9]{1,19}", number):
        raise ValueError("an entry's number is none")
    return number


# ---- whole files ----


def read(lines: Iterable[bytes]) -> Iterator[tuple[int, Line]]:
    """The lines with their numbers. Raises Fatal at one that can't be read, at the first where it is no header."""
    for number, text in enumerate(lines, 1):
        try:
            line = decode(text)
        except BAD as error:
            raise Fatal(FOREIGN if number == 1 else _unreadable(number, error)) from None
        if number == 1:
            _known(line)
        yield number, line


def checked(lines: Iterable[bytes]) -> set[str]:
    """Raises Fatal where anything in the file can't be imported. Answers the orders that it says were erased."""
    erased: set[str] = set()
    number, last, lines = 0, Line(), iter(lines)
    for number, last in read(lines):
        if last.end:
            break
        try:
            _usable(last, header=number == 1)
        except BAD as error:
            raise Fatal(_unreadable(number, error)) from None
        if word(last.key) == "erased":
            erased |= set(last.value)
    if not last.end:
        raise Fatal(f"The input ends early: {number} lines were read, and no end. {UNCHANGED}")
    if last.lines != number - 1 or any(True for _ in lines):
        raise Fatal(f"The input's end doesn't fit the lines above it: some are missing or too many. {UNCHANGED}")
    return erased


def _known(header: Line) -> None:
    if not header.orderboard or header.schema < 1:
        raise Fatal(FOREIGN)
    if header.schema > SCHEMA:
        raise Fatal(
            f"Orderboard {header.orderboard} wrote this export in form {header.schema}; this one reads up to {SCHEMA}. "
            f"Trying again doesn't help: import it with that version or a newer one. {UNCHANGED}"
        )


def _usable(line: Line, *, header: bool) -> None:
    """Raises one of BAD where it is of no use."""
    if header:
        return
    if line.order is not None:
        _PACK(line.order)
        for one in line.ledger:
            row(one)
    elif KINDS.get(word(line.key)) == line.type:
        words(line.type, line.value)
    else:
        raise msgspec.ValidationError("it is of a kind that is not imported")


BAD: Final = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)  # what a line may lead to
UNCHANGED: Final = "Nothing was changed."
FOREIGN: Final = f"The first line isn't the header of an export of Orderboard. {UNCHANGED}"


def _unreadable(number: int, error: Exception) -> str:
    # msgspec says where in the line it is, never what stands there: that may be somebody's name.
    why = str(error) if isinstance(error, msgspec.ValidationError) else "it is cut or garbled"
    return f"Line {number} can't be read: {why}. {UNCHANGED}"
