"""Instants and lengths of time as people read them. Every instant is Unix seconds and is shown in a store's zone."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Final

from babel import Locale
from babel.dates import format_date, get_timezone_location, get_timezone_name
from babel.units import format_unit
from markupsafe import Markup

SECONDS_UNDER: Final = 600  # seconds matter below this
HOURS_FROM: Final = 7200
DAYS_FROM: Final = 172_800
UNITS: Final = ("s", "min", "h", "days")


def stamp(at: float, now: float, zone: tzinfo, lang: str = "en") -> Markup:
    """`<time>` of an instant: the time alone today, with the day before it else."""
    return _stamp(int(at // 60), int(now // 900), zone, lang)


@lru_cache(8192)
def _stamp(minute: int, quarter: int, zone: tzinfo, lang: str) -> Markup:
    """Every zone's midnight falls on a quarter of an hour, so that is how long "today" stays the same."""
    there = datetime.fromtimestamp(minute * 60, zone)
    shown = f"{there:%H:%M}"
    if there.date() != datetime.fromtimestamp(quarter * 900, zone).date():
        shown = f"{format_date(there, 'EEE d MMM', locale=lang)}, {shown}"
    return Markup(f'<time datetime="{there.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}">{shown}</time>')


def exact(at: float, zone: tzinfo) -> Markup:
    """`<time>` with seconds."""
    there = datetime.fromtimestamp(at, zone)
    return Markup(f'<time datetime="{there.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}">{there:%H:%M:%S}</time>')


def day(at: float, now: float, zone: tzinfo, lang: str) -> str:
    """The day of an instant that is not today, like "Sunday 22 November"; empty for today."""
    there = datetime.fromtimestamp(at, zone).date()
    return "" if there == datetime.fromtimestamp(now, zone).date() else _long(there.toordinal(), lang)


def today(now: float, zone: tzinfo, lang: str) -> str:
    return _long(datetime.fromtimestamp(now, zone).toordinal(), lang)


@lru_cache(256)
def _long(ordinal: int, lang: str) -> str:
    return format_date(datetime.fromordinal(ordinal), "EEEE d MMMM", locale=lang)


@lru_cache(256)
def zone_name(zone: tzinfo, lang: str) -> str:
    """A zone as people know it, like "Pacific Time (Los Angeles)"."""
    locale = Locale.parse(lang)
    if "Unknown" in get_timezone_name(zone, zone_variant="generic", locale="en"):  # UTC, or too new a zone for Babel
        known = "Unknown" not in get_timezone_name(zone, zone_variant="standard", locale="en")
        plain = str(zone).rpartition("/")[2].replace("_", " ")
        return get_timezone_name(zone, zone_variant="standard", locale=locale) if known else plain
    generic = get_timezone_name(zone, zone_variant="generic", locale=locale)
    city = get_timezone_location(zone, locale=locale, return_city=True)
    return generic if city in generic else f"{generic} ({city})"


def until(at: float, now: float) -> tuple[str, str]:
    """A countdown's figure and unit: seconds only under ten minutes, a minus past the instant."""
    left = int(at - now + 0.999) if at > now else -int(now - at)
    return _figure(abs(left), "−" if left < 0 else "")


def since(at: float, now: float, units: Sequence[str] = UNITS) -> tuple[str, str]:
    """A wait's figure and unit: always with seconds, for an hour. `units`: a language's own."""
    gone = max(int(now - at), 0)
    return (f"{gone // 60}:{gone % 60:02d}", "") if gone < 3600 else _figure(gone, "", units)


def age(at: float, now: float) -> tuple[str, str]:
    """How long something has been so, in whole minutes, hours or days."""
    return _figure(max(int(now - at), SECONDS_UNDER), "") if now - at >= SECONDS_UNDER else _minutes(now - at)


def _minutes(seconds: float) -> tuple[str, str]:
    return str(max(int(seconds // 60), 0)), "min"


def _figure(seconds: int, sign: str, units: Sequence[str] = UNITS) -> tuple[str, str]:
    if seconds < SECONDS_UNDER:
        return f"{sign}{seconds // 60}:{seconds % 60:02d}", ""
    if seconds < HOURS_FROM:
        return f"{sign}{seconds // 60}", units[1]
    if seconds < DAYS_FROM:
        return f"{sign}{seconds // 3600}", units[2]
    return f"{sign}{seconds // 86400}", units[3]


def ago(at: float, now: float, units: Sequence[str] = UNITS) -> Markup:
    """A length of time that the page keeps up to date."""
    return Markup(f'<span class="num" data-ago="{int(at)}">{" ".join(brief(now - at, units))}</span>')


def brief(seconds: float, units: Sequence[str] = UNITS) -> tuple[str, str]:
    whole = max(int(seconds), 0)
    if whole < 60:
        return str(whole), units[0]
    return _figure(whole, "", units) if whole >= SECONDS_UNDER else (str(whole // 60), units[1])


@lru_cache(64)
def lasting(hours: int, tag: str) -> str:
    """A whole length of time in full: "1 day", "36 hours"."""
    unit, count = ("duration-day", hours // 24) if hours % 24 == 0 else ("duration-hour", hours)
    return format_unit(count, unit, "long", locale=tag)


def lasted(seconds: float) -> str:
    """A finished length of time: "1:22", "14 min"."""
    whole = max(int(seconds), 0)
    return " ".join(_figure(whole, "")).strip()
