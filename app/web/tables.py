"""A day's figures as CSV: RFC 4180, UTF-8, names in the first row. No cell can become a formula in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from app.figures import STAGES, Day, Hour, Spread, Trace, counts, done_at, due, over, stages, wait, well
from app.render.day import Feeding

Cell = str | int | float | None
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
HOURS: Final = (
    "day", "hour", "waits", "wait_p10_s", "wait_p50_s", "wait_p90_s", "wait_values_s", "waits_within_goal", "promised",
    "on_time", "handed_over", "not_handed_over", "lead_p50_s", "lead_p90_s",
    *(f"{stage}_{part}" for stage in STAGES for part in ("orders", "p50_s", "values_s")),
)  # fmt: skip
ORDERS: Final = (
    "day", "source", "ref", "code", "fulfilment", "stage", "came", "promised_by", "done", "over", "on_time", "wait_s",
    *(f"{stage}_s" for stage in STAGES),
)  # fmt: skip
FEEDS: Final = (
    "day", "source", "system", "state", "events", "usual_gap_s", "longest_silence_s", "polls", "failed_polls",
    "in_quarantine",
)  # fmt: skip


def written(names: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    out = io.StringIO()
    pen = csv.writer(out, lineterminator="\r\n")
    pen.writerow(names)
    pen.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def safe(cell: Cell) -> str:
    """Texts come from outside: one that a spreadsheet would reckon with begins with an apostrophe."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return "'" + cell if cell.startswith(FORMULAS) else cell
    return f"{cell:.0f}" if isinstance(cell, float) else str(cell)


def by_hour(day: str, figures: Day, zone: tzinfo) -> bytes:
    """The whole day first, its hour being "all", then each hour."""
    whole: list[Cell] = [day, "all", *_spread(figures.waits), figures.soon, figures.promised, figures.kept]
    whole += [figures.done, figures.off, figures.lead.mid, figures.lead.high]
    rows = [[*whole, *[None] * (3 * len(STAGES))]]
    rows += [_hour(day, hour, zone) for hour in figures.hours]
    return written(HOURS, rows)


def _hour(day: str, hour: Hour, zone: tzinfo) -> list[Cell]:
    row: list[Cell] = [day, datetime.fromtimestamp(hour.at, zone).isoformat(), *_spread(hour.waits), *[None] * 7]
    for stage in STAGES:
        known = hour.stages.get(stage, Spread())
        row += [known.n, known.mid, _few(known)]
    return row


def _spread(known: Spread) -> list[Cell]:
    return [known.n, known.low, known.mid, known.high, _few(known)]


def _few(known: Spread) -> str:
    return " ".join(f"{seconds:.0f}" for seconds in known.few)


def by_order(day: str, traces: Iterable[Trace], start: float, end: float) -> bytes:
    """The orders that were over on the day."""
    mine = [trace for trace in traces if counts(trace) and start <= (over(trace) or -1.0) < end]
    return written(ORDERS, [_order(day, trace) for trace in sorted(mine, key=lambda trace: over(trace) or 0.0)])


def _order(day: str, trace: Trace) -> list[Cell]:
    promise, ready = due(trace), done_at(trace)
    kept = "" if promise is None or not well(trace) else "yes" if ready is not None and ready <= promise else "no"
    spent = stages(trace)
    return [
        day, trace.source, trace.ref, trace.code, trace.fulfilment, trace.stage, _at(trace.came), _at(promise),
        _at(ready if well(trace) else None), _at(over(trace)), kept, wait(trace),
        *(spent.get(stage) for stage in STAGES),
    ]  # fmt: skip


def _at(instant: float | None) -> str | None:
    return None if instant is None else f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%SZ}"


def by_feed(day: str, feeds: Iterable[Feeding]) -> bytes:
    return written(
        FEEDS,
        [
            [day, feed.source, feed.mark[2], feed.state or "ok", feed.events, feed.usual, feed.silence, feed.polls,
             feed.errors, feed.held]
            for feed in feeds
        ],
    )  # fmt: skip
