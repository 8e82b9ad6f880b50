"""How each source's feed is: when it was last heard, its usual gap, its polls and their errors."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from msgspec import Struct
from redis.asyncio import Redis

from app.store.ask import Ask
from app.store.line import Line

GAP_LEAST: Final = 120.0  # seconds: a busy feed's short pause is no silence
EVENTS_LEAST: Final = 20  # before that nothing is usual
TIMES: Final = 3.0  # this many usual gaps without a word are a silence
QUARTER: Final = 900  # seconds: every zone's midnight falls on a quarter of an hour
DAY: Final = 86_400
KEPT: Final = 35 * DAY  # seconds that a day's counts are kept


class Feed(Struct, frozen=True, kw_only=True):
    """A source's feed. `last`: its last event; `usual`: seconds between two events (None: not known yet); `said`: the
    breaker and the last error in words, as some node last saw them."""

    last: float | None = None
    events: int = 0
    usual: float | None = None
    polls: int = 0
    errors: int = 0
    breaker: str = "closed"
    error: str | None = None
    error_at: float | None = None

    def silent(self, now: float) -> bool:
        return self.last is not None and self.usual is not None and now - self.last > TIMES * self.usual


class Tally(Struct):
    """What came of a source in a day. `silence`: the longest time between two of its events, in seconds."""

    events: int = 0
    polls: int = 0
    errors: int = 0
    silence: float | None = None


class Heard(Struct):
    """What a node heard of a source since it last told."""

    first: float
    last: float
    events: int = 1
    gaps: list[float] = []

    def add(self, at: float) -> None:
        self.events += 1
        if at > self.last:
            self.gaps.append(at - self.last)
            self.last = at


class Feeds(Ask):
    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self._line = Line(client, Path(__file__).with_suffix(".lua").read_text())

    async def heard(self, source: str, heard: Heard) -> None:
        gaps = [f"{gap:.3f}" for gap in heard.gaps[-50:]]
        await self._line.call([source, repr(heard.first), repr(heard.last), heard.events, KEPT, *gaps])

    async def polled(self, source: str, polls: int, errors: int, error: tuple[str, float] | None, now: float) -> None:
        key, day, quarter = "ob:feed:" + source, _day(source, now), int(now // QUARTER * QUARTER)
        words: list[tuple[str | float, ...]] = []
        if error is not None:
            words.append(("HSET", key, "error", error[0], "error_at", repr(error[1])))
        for name, count in (("polls", polls), ("errors", errors)):
            words += [("HINCRBY", key, name, count), ("HINCRBY", day, f"{quarter}:{name}", count)]
        await self.every(*words, ("EXPIRE", day, KEPT))

    async def breaker(self, source: str, state: str) -> None:
        await self.ask("HSET", "ob:feed:" + source, "breaker", state)

    async def read(self, sources: Sequence[str]) -> dict[str, Feed]:
        """Each source's feed, in one round trip."""
        commands = [("HGETALL", "ob:feed:" + source) for source in sources]
        rows = await self.every(*commands, *(("LRANGE", "ob:gaps:" + source, 0, 49) for source in sources))
        half = len(sources)
        return {source: _feed(rows[i], rows[half + i]) for i, source in enumerate(sources)}

    async def tallies(self, sources: Sequence[str], start: float, end: float) -> dict[str, Tally | None]:
        """What came of each source in [start, end); None where nothing was counted."""
        days = range(int(start // DAY), int((end - 1) // DAY) + 1)
        keys = [(source, _day(source, day * DAY)) for source in sources for day in days]
        rows = await self.every(*(("HGETALL", key) for _, key in keys)) if keys else []
        found: dict[str, Tally | None] = dict.fromkeys(sources)
        for (source, _), row in zip(keys, rows, strict=True):
            for name, value in _pairs(row):
                at, _, kind = name.decode().partition(":")
                if start <= int(at) < end:
                    tally = found[source] = found[source] or Tally()
                    _count(tally, kind, value, start)
        return found


def _day(source: str, at: float) -> str:
    return f"ob:feedday:{source}:{int(at // DAY)}"


def _pairs(row: Any) -> Iterable[tuple[bytes, bytes]]:
    return row.items() if isinstance(row, dict) else zip(row[::2], row[1::2], strict=True)


def _count(tally: Tally, kind: str, value: bytes, start: float) -> None:
    """A silence that began before the day, a night's, is none of the day's."""
    if kind == "gap":
        length, since = (float(part) for part in value.split())
        if since >= start:
            tally.silence = max(tally.silence or 0.0, length)
    else:
        setattr(tally, kind, getattr(tally, kind) + int(value))


def _feed(row: Any, gaps: Iterable[bytes]) -> Feed:
    said = dict(_pairs(row))
    events, lengths = int(said.get(b"events", 0)), [float(gap) for gap in gaps]
    usual = max(median(lengths), GAP_LEAST) if lengths and events >= EVENTS_LEAST else None
    error = said.get(b"error")
    return Feed(
        last=_number(said.get(b"last")),
        events=events,
        usual=usual,
        polls=int(said.get(b"polls", 0)),
        errors=int(said.get(b"errors", 0)),
        breaker=said.get(b"breaker", b"closed").decode(),
        error=error.decode() if error else None,
        error_at=_number(said.get(b"error_at")),
    )


def _number(value: bytes | None) -> float | None:
    return None if value is None else float(value)
