"""Instants, days, numbers, money and distances as customers of a place write them. `tag` is a locale like "es_MX"."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from re import compile as regex
from typing import Final

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_datetime_format
from babel.numbers import format_currency, format_decimal
from babel.units import format_unit
from markupsafe import Markup

DASHES: Final = " \u2009\u202f–-"
HOUR: Final = regex(r"\d+")
YEAR: Final = regex(r",?( '[^']+')? y$|^y\.? ")
MILES: Final = frozenset({"US", "GB"})
YARD: Final = 0.9144  # metres
MILE: Final = 1609.344
NIGHT: Final = 360  # minutes: up to so much over midnight the second time needs no day
NEAR: Final = 975.0  # metres or yards; below, they are told in fifties


@lru_cache(8192)
def _clock(minute: int, zone: tzinfo, tag: str) -> str:
    return format_time(datetime.fromtimestamp(minute * 60, zone), "short", locale=tag)


@lru_cache(2048)
def _day(ordinal: int, tag: str) -> str:
    return format_skeleton("MMMEd", datetime.fromordinal(ordinal), locale=tag)


def _element(at: float, shown: str) -> Markup:
    return Markup(f'<time datetime="{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}">{shown}</time>')


def hour(at: float, zone: tzinfo, tag: str) -> str:
    """The time of day alone, for where no element can stand."""
    return _clock(int(at // 60), zone, tag)


def dated(at: float, now: float, zone: tzinfo, tag: str) -> str:
    """The short day of an instant that is not today; empty for today."""
    return _dated(int(at // 60), int(now // 900), zone, tag)


@lru_cache(8192)
def _dated(minute: int, quarter: int, zone: tzinfo, tag: str) -> str:
    """Every zone's midnight falls on a quarter of an hour, so that is how long "today" stays the same."""
    there = datetime.fromtimestamp(minute * 60, zone).date()
    today = datetime.fromtimestamp(quarter * 900, zone).date()
    return "" if there == today else _day(there.toordinal(), tag)


def clock(at: float, zone: tzinfo, tag: str) -> Markup:
    """`<time>` of an instant, its time of day alone."""
    return _shown(int(at // 60), zone, tag, "")


def stamp(at: float, now: float, zone: tzinfo, tag: str) -> Markup:
    """`<time>` of an instant: the time alone today, with the day before it else."""
    minute = int(at // 60)
    return _shown(minute, zone, tag, _dated(minute, int(now // 900), zone, tag))


@lru_cache(8192)
def _shown(minute: int, zone: tzinfo, tag: str, day: str) -> Markup:
    shown = _clock(minute, zone, tag)
    glue = str(get_datetime_format("short", locale=tag))
    return _element(minute * 60, glue.replace("{1}", day).replace("{0}", shown) if day else shown)


def oclock(at: float, zone: tzinfo, tag: str) -> int:
    """The hour as it is written, for languages whose articles depend on it."""
    shown = HOUR.match(_clock(int(at // 60), zone, tag))
    return int(shown[0]) if shown else 0


def span(start: float, end: float, near: float, zone: tzinfo, tag: str) -> Markup:
    """Two `<time>`s, from one to the other. `near`: an instant whose day goes without saying."""
    return _span(int(start // 60), int(end // 60), int(near // 900), zone, tag)


@lru_cache(2048)
def _span(start: int, end: int, quarter: int, zone: tzinfo, tag: str) -> Markup:
    first, last = (datetime.fromtimestamp(minute * 60, zone) for minute in (start, end))
    near = quarter * 900
    if dated(start * 60, near, zone, tag) or (first.date() != last.date() and end - start > NIGHT):
        return stamp(start * 60, near, zone, tag) + " – " + stamp(end * 60, near, zone, tag)
    locale = Locale.parse(tag)
    half = "h" in locale.time_formats["short"].pattern
    kind = "hm" if half else "Hm"
    field = "a" if half and (first.hour < 12) != (last.hour < 12) else kind[0] if first.hour != last.hour else "m"
    patterns = locale.interval_formats.get(kind, {}).get(field)
    if not patterns or len(patterns) != 2:
        return _shown(start, zone, tag, "") + " – " + _shown(end, zone, tag, "")
    before, after = (format_time(at, pattern, locale=tag) for at, pattern in zip((first, last), patterns, strict=True))
    shown = before.rstrip(DASHES)
    return _element(start * 60, shown) + before[len(shown) :] + _element(end * 60, after)


@lru_cache(2048)
def exact(at: int, zone: tzinfo, tag: str) -> Markup:
    """`<time>` with seconds."""
    return _element(at, format_time(datetime.fromtimestamp(at, zone), "medium", locale=tag))


def day(at: float, now: float, zone: tzinfo, tag: str) -> str:
    """The day of an instant that is not today, like "Sunday, 22 November"; empty for today."""
    there = datetime.fromtimestamp(at, zone).date()
    same = there == datetime.fromtimestamp(now, zone).date()
    return "" if same else _long(there.toordinal(), tag)


@lru_cache(256)
def _long(ordinal: int, tag: str) -> str:
    """Not every language has a skeleton of weekday, day and full month: its full date without the year is one."""
    pattern = YEAR.sub("", Locale.parse(tag).date_formats["full"].pattern)
    return format_date(datetime.fromordinal(ordinal), pattern, locale=tag)


@lru_cache(2048)
def number(value: float, tag: str) -> str:
    return format_decimal(value, "#,##0.###", locale=tag)


@lru_cache(2048)
def money(amount: str, currency: str | None, tag: str) -> str:
    try:
        value = Decimal(amount)
    except InvalidOperation:
        return amount
    return format_currency(value, currency, locale=tag) if currency else format_decimal(value, "#,##0.00", locale=tag)


@lru_cache
def miles(tag: str) -> bool:
    """Do people drive by miles where this locale is spoken?"""
    return Locale.parse(tag).territory in MILES


@lru_cache(2048)
def distance(metres: float, tag: str) -> str:
    """As far as one needs to know: in fifties when near, then kilometres; in miles where people drive by them."""
    small, large, name = (YARD, MILE, "yard mile") if miles(tag) else (1.0, 1000.0, "meter kilometer")
    near, far = name.split()
    if metres < NEAR * small:
        figure, unit, form = max(round(metres / small / 50) * 50.0, 50.0), near, "0"
    else:
        figure, unit, form = metres / large, far, "#,##0.#" if metres < 10 * large else "#,##0"
    return format_unit(figure, f"length-{unit}", "short", format=form, locale=tag).replace(" ", "\u00a0")
