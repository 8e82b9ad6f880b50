"""How the feeds are, and what to do about it, in words."""

from datetime import tzinfo
from typing import Any, Final

from msgspec import Struct

from app.orders import spell
from app.render.cards import Chip
from app.render.ledger import KIND_OF_CALL
from app.render.times import stamp

FRESH: Final = 900.0  # seconds for which an error of a poll is worth a word

STATES: Final[dict[str, Chip]] = {
    "down": ("chip-late-soft", "unplug", "Can’t be asked"),
    "silent": ("chip-risk", "clock-alert", "Quiet"),
    "failing": ("chip-risk", "triangle-alert", "Some polls fail"),
    "young": ("chip-still", "circle-dashed", "Nothing yet"),
    "fine": ("chip-good", "check", "Fine"),
}
WORST: Final = ("down", "silent", "failing", "young", "fine")


class Call(Struct, frozen=True, kw_only=True):
    """A call to an order system that needs a person. `board`: the path to its order on a board, where it is on one."""

    key: str
    kind: str
    code: str
    board: str | None
    words: str
    tries: int
    at: float


class Source(Struct, frozen=True, kw_only=True):
    """A source as it stands. `pushes`: where its order system sends; `asked`: is it polled? `held`: in quarantine."""

    id: str
    mark: tuple[str, str, str]
    stores: tuple[str, ...]
    pushes: str
    asked: bool
    last: float | None
    usual: float | None
    silent: bool
    breaker: str
    events: int
    polls: int
    errors: int
    error: str | None
    error_at: float | None
    held: int
    calls: tuple[Call, ...] = ()


def state(source: Source, now: float) -> str:
    if source.breaker == "open":
        return "down"
    if source.silent:
        return "silent"
    if source.error_at is not None and now - source.error_at < FRESH:
        return "failing"
    return "fine" if source.last is not None or source.polls else "young"


def told(sources: list[Source], now: float, zone: tzinfo) -> list[dict[str, Any]]:
    """The worst first."""
    made = [_told(source, now, zone) for source in sources]
    return sorted(made, key=lambda one: (WORST.index(one["state"]), -len(one["calls"]), one["label"], one["id"]))


def _told(source: Source, now: float, zone: tzinfo) -> dict[str, Any]:
    shape, letter, label = source.mark
    kind = state(source, now)
    return {
        "id": source.id, "shape": shape, "letter": letter, "label": label, "stores": ", ".join(source.stores),
        "state": kind, "chip": STATES[kind], "say": _say(source, kind, now), "do": _do(source, kind),
        "last": stamp(source.last, now, zone) if source.last is not None else None,
        "age": spell(now - source.last) if source.last is not None else "",
        "usual": spell(source.usual) if source.usual else None, "events": source.events, "asked": source.asked,
        "polls": source.polls, "errors": source.errors, "error": source.error, "held": source.held,
        "error_at": stamp(source.error_at, now, zone) if source.error_at is not None else None,
        "pushes": source.pushes,
        "calls": [
            {"key": call.key, "said": KIND_OF_CALL.get(call.kind, call.kind), "code": call.code, "board": call.board,
             "words": call.words, "tries": call.tries, "at": stamp(call.at, now, zone)}
            for call in source.calls
        ],
    }  # fmt: skip


def _say(source: Source, kind: str, now: float) -> str:
    label = source.mark[2]
    if kind == "down":
        return f"{label} does not answer. After five failures in a row we leave it alone for 30 seconds at a time."
    if kind == "silent" and source.last is not None:
        usual = f"; usually something comes every {spell(source.usual)}" if source.usual else ""
        return f"Nothing was heard for {spell(now - source.last)}{usual}."
    if kind == "failing":
        return f"{label} refused or missed a poll in the last quarter of an hour. We go on trying."
    if kind == "young":
        return f"Nothing that could be used was ever heard of {label}."
    return "It is heard as usual." if source.last is not None else "It answers when it is asked."


def _do(source: Source, kind: str) -> str:
    """What a person can do about it; nothing where nothing has to be done."""
    label = source.mark[2]
    if kind in ("down", "failing"):
        return (
            f"Look at the last error below and at {label}’s own status page. If it goes on, check base_url and the "
            "credentials of this source in the config."
        )
    if kind == "silent":
        polled = " Open orders that are past their promise are polled meanwhile." if source.asked else ""
        return (
            f"Ask {label} whether it still sends, and to the address below. A quiet hour of the shop looks the "
            f"same.{polled}"
        )
    if kind == "young":
        return f"Have {label} send to the address below, with this source’s secret. Its page in docs/ says how."
    return ""
