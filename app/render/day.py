"""A store's day in figures, as words, tables and the geometry of two charts. Charts have no text that shrinks: lengths
are shares of the width, heights are pixels."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, tzinfo
from itertools import pairwise
from typing import Any, Final

from babel.dates import format_date
from msgspec import Struct

from app.figures import LEAST, SOON, STAGES, Day, Hour, Spread
from app.orders import spell
from app.render.times import exact, lasted

TALL: Final = 190.0  # pixels from the chart's foot to its top
HEAD: Final = 10.0  # pixels above it
SCALES: Final = (  # seconds that the waits' chart may reach, and between two of its lines
    (240, 120), (360, 120), (600, 120), (900, 300), (1200, 300), (1800, 600), (3600, 1200), (7200, 2400),
    (14400, 3600), (28800, 7200), (90000, 18000),
)  # fmt: skip
LABEL: Final = 13  # pixels between two labels of a scale
BAR: Final = 28.0  # pixels an hour's bar is tall
SLOTS_LEAST: Final = 6  # hours a chart has room for, so that one hour is no wall
GOOD: Final = 0.95
POOR: Final = 0.8
TITLES: Final = {"new": "New", "picking": "Picking", "ready": "Ready", "courier": "With courier"}


class Feeding(Struct, frozen=True, kw_only=True):
    """A source in the day. None: nothing was counted. `quiet`: seconds since its last event, where it is silent now."""

    source: str
    mark: tuple[str, str, str]
    state: str = ""
    events: int | None = None
    polls: int | None = None
    errors: int | None = None
    usual: float | None = None
    silence: float | None = None
    quiet: float | None = None
    held: int = 0


class Around(Struct, frozen=True):
    """The day among others: None where there is no page for it."""

    day: date
    today: date
    before: date | None
    after: date | None
    first: date


def told(figures: Day, feeds: Iterable[Feeding], around: Around, now: float, zone: tzinfo) -> dict[str, Any]:
    """Everything that the page shows."""
    is_today = around.day == around.today
    rows = sorted(feeds, key=_badness, reverse=True)
    return {
        "title": "Today so far" if is_today else _long(around.day),
        "lead": lead(figures, rows, is_today=is_today),
        "empty": not figures.done,
        "is_today": is_today,
        "as_of": exact(now, zone),
        "around": around,
        "day_short": format_date(around.day, "d MMMM", locale="en"),
        "tiles": tiles(figures),
        "waits": waits(figures.hours, now, zone),
        "spent": spent(figures.hours, zone),
        "left_out": figures.before,
        "feeds": [_feed(feed) for feed in rows],
        "titles": TITLES,
    }


def _long(day: date) -> str:
    return format_date(day, "EEEE d MMMM", locale="en")


# ---- words ----


def lead(figures: Day, feeds: Sequence[Feeding], *, is_today: bool) -> str:
    """What stands out, in a sentence or two."""
    if not figures.done and not figures.off and not figures.overdue:
        return "Nothing was handed over yet today." if is_today else "Nothing was handed over on this day."
    said = [*_door(figures), *_promises(figures)]
    said += [f"{feed.mark[2]} {_worse(feed)}." for feed in feeds if feed.state][:1] if is_today else []
    few = f"{figures.done} {'order' if figures.done == 1 else 'orders'} handed over."
    return " ".join(said) or few


def _door(figures: Day) -> list[str]:
    mid = figures.waits.mid
    if mid is None:
        return []
    if mid <= SOON:
        return ["Waits at the door are short."]
    return [f"Waits at the door are usually {lasted(mid)}; the goal is {lasted(SOON)}."]


def _promises(figures: Day) -> list[str]:
    if figures.promised < LEAST:
        return []
    late, share = figures.promised - figures.kept, figures.kept / figures.promised
    if not late:
        return ["Every promise was kept."]
    if share >= GOOD:
        return ["Nearly every promise was kept."]
    return [f"{late} of {figures.promised} came later than promised."] if share < POOR else []


def _worse(feed: Feeding) -> str:
    if feed.state == "down":
        return "can’t be asked now"
    return f"has said nothing for {spell(feed.quiet or 0.0)}"


def tiles(figures: Day) -> list[dict[str, Any]]:
    """The figures across the page: title, value, unit, what it rests on."""
    waits, lead_ = figures.waits, figures.lead
    share = f"{100 * figures.kept // figures.promised}" if figures.promised else ""
    return [
        _tile("Usual wait at the door", waits, waits.mid, _of(waits, "wait", "waits")),
        _tile("Longest tenth waits over", waits, waits.high, f"goal {lasted(SOON)}: {figures.soon} of {waits.n}"),
        {
            "title": "On time",
            "value": share or "–",
            "unit": "%" if share else "",
            "few": "",
            "sub": _kept(figures) if figures.promised else "nothing was promised",
        },
        _tile("Usually from order to handover", lead_, lead_.mid, _of(lead_, "order", "orders")),
        {
            "title": "Handed over",
            "value": str(figures.done),
            "unit": "",
            "few": "",
            "sub": f"{figures.off} cancelled, refused or brought back" if figures.off else "none cancelled",
        },
    ]


def _tile(title: str, known: Spread, value: float | None, sub: str) -> dict[str, Any]:
    """A percentile; of few values the values themselves."""
    if value is None:
        few = " · ".join(lasted(gone) for gone in known.few)
        return {"title": title, "value": "" if few else "–", "unit": "", "few": few, "sub": sub if few else "none yet"}
    shown, _, unit = lasted(value).partition(" ")
    return {"title": title, "value": shown, "unit": unit, "few": "", "sub": sub}


def _of(known: Spread, one: str, many: str) -> str:
    if known.n < LEAST:
        return "each shown: too few for a usual one"
    return f"of {known.n} {one if known.n == 1 else many}"


def _kept(figures: Day) -> str:
    said = f"{figures.kept} of {figures.promised}"
    if figures.overdue:
        said += f", {figures.overdue} still open"
    return said + (f", {figures.moved} to a new time" if figures.moved else "")


# ---- charts ----


def slots(hours: Iterable[float], zone: tzinfo) -> list[tuple[float, str]]:
    """Every hour from the first to the last, with its label; the hour that a clock shows twice names its zone."""
    known = sorted(hours)
    if not known:
        return []
    count = round((known[-1] - known[0]) / 3600) + 1
    every = sorted({*known, *(known[0] + 3600 * n for n in range(count))})
    there = [datetime.fromtimestamp(at, zone) for at in every]
    names = [str(one.hour) for one in there]
    twice = {a for a, b in pairwise(names) if a == b}
    labels = [f"{one.hour} {one:%Z}" if name in twice else name for one, name in zip(there, names, strict=True)]
    return list(zip(every, labels, strict=True))


def waits(hours: Sequence[Hour], now: float, zone: tzinfo) -> dict[str, Any] | None:
    """A bar an hour from the quick tenth to the slow tenth, a dot at the middle; of few waits a dot each."""
    known = {hour.at: hour.waits for hour in hours if hour.waits.n}
    if not known:
        return None
    longest = max(max(one.few, default=one.high or 0.0) for one in known.values())
    top, step = next((scale for scale in SCALES if scale[0] >= longest), SCALES[-1])
    places = slots(known, zone)
    width = 100 / max(len(places), SLOTS_LEAST)
    bars = []
    for place, (at, label) in enumerate(places):
        one = known.get(at, Spread())
        bars.append(_bar(one, top) | {"x": _share(width * (place + 0.5)), "label": label, "on": at <= now < at + 3600})
    return {
        "bars": bars,
        "ticks": _ticks(top, step),
        "goal": _px(SOON, top),
        "rows": [(label, known[at].n, *_cells(known[at])) for at, label in places if at in known],
    }


def _bar(known: Spread, top: float) -> dict[str, Any]:
    if known.low is None or known.mid is None or known.high is None:
        return {"bar": None, "dots": [_px(gone, top) for gone in known.few], "hot": False}
    head, foot = _px(known.high, top), _px(known.low, top)
    return {"bar": (head, max(foot - head, 4)), "dots": [_px(known.mid, top)], "hot": known.mid > SOON}


def _px(seconds: float, top: float) -> int:
    return round(HEAD + TALL - 10 - (TALL - 10) * min(seconds / top, 1.0))


def _ticks(top: float, step: int) -> list[dict[str, Any]]:
    """The scale's lines and labels; the goal has one too, before which others give way."""
    goal = _px(SOON, top)
    lines = [(float(at), _px(at, top)) for at in range(0, int(top) + 1, step)]
    made = [
        {"y": y, "label": _tick(at) if at == SOON or abs(y - goal) >= LABEL else "", "line": True, "on": at == SOON}
        for at, y in lines
    ]
    return made if step == SOON else [*made, {"y": goal, "label": _tick(SOON), "line": False, "on": True}]


def _tick(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:g} h"
    return f"{int(seconds // 60)}:00" if seconds else "0"


def _share(value: float) -> str:
    return f"{value:.2f}%"


def _cells(known: Spread) -> tuple[str, str, str]:
    if known.low is None or known.mid is None or known.high is None:
        return "", " · ".join(lasted(gone) for gone in known.few), ""
    return lasted(known.low), lasted(known.mid), lasted(known.high)


def spent(hours: Sequence[Hour], zone: tzinfo) -> dict[str, Any] | None:
    """A bar of stages an hour, as long as their usual times together; of few orders a thin bar each."""
    known = {hour.at: hour for hour in hours if hour.orders}
    if not known:
        return None
    labels = dict(slots(known, zone))
    longest = max(sum(part.values()) for hour in known.values() for part in _bars(hour))
    rows = []
    for at, hour in sorted(known.items()):
        made = _bars(hour)
        bars = [_parts(part, longest, place, len(made)) for place, part in enumerate(made)]
        total = "" if hour.few else str(round(sum(made[0].values()) / 60))
        cells = [_usual(hour, stage) for stage in STAGES]
        rows.append({"label": labels[at], "bars": bars, "total": total, "orders": hour.orders, "cells": cells})
    return {"rows": rows}


def _bars(hour: Hour) -> Sequence[Mapping[str, float]]:
    if hour.few:
        return hour.few
    return [{stage: one.mid for stage, one in hour.stages.items() if one.mid is not None}]


def _parts(part: Mapping[str, float], longest: float, place: int, of: int) -> list[dict[str, str | float]]:
    """One bar's rectangles; so many share the height of one."""
    tall, at = (BAR - 2 * (of - 1)) / of, 0.0
    made: list[dict[str, str | float]] = []
    for number, stage in enumerate(STAGES, 1):
        width = 100 * part.get(stage, 0.0) / max(longest, 1.0)
        if width > 0:
            made.append(
                {
                    "kind": f"s{number}", "x": _share(at), "width": _share(max(width - 0.4, 0.2)),
                    "y": round(place * (tall + 2), 1), "height": round(tall, 1), "round": 3 if of == 1 else 2,
                }
            )  # fmt: skip
        at += width
    return made


def _usual(hour: Hour, stage: str) -> str:
    known = hour.stages.get(stage, Spread())
    if known.mid is not None:
        return spell(known.mid)
    return " · ".join(spell(seconds) for seconds in known.few) or "–"


# ---- feeds ----


def _badness(feed: Feeding) -> tuple[int, int, float]:
    state = {"down": 2, "silent": 1}.get(feed.state, 0)
    return state, feed.held + (feed.errors or 0), (feed.silence or 0.0) / (feed.usual or 3600.0)


def _feed(feed: Feeding) -> dict[str, Any]:
    shape, letter, label = feed.mark
    silence = spell(feed.silence) if feed.silence else "–"
    if feed.quiet is not None:
        silence = f"{spell(feed.quiet)}, now"
    return {
        "source": feed.source, "shape": shape, "letter": letter, "label": label, "state": feed.state,
        "usual": spell(feed.usual) if feed.usual else "–", "silence": silence,
        "counts": [_count(feed.events), _count(feed.polls), _count(feed.errors)], "held": feed.held,
    }  # fmt: skip


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}".replace(",", " ")
