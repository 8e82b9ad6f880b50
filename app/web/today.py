"""A store's day in figures, as a page and as CSV. Reckoned from the orders that are kept, each time somebody looks."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from msgspec import Struct

from app.errors import Invalid
from app.figures import Day, Trace, bounds, figures
from app.render import day as said
from app.settings import Store
from app.store.feeds import Feed
from app.web import tables
from app.web.board import seen
from app.web.chips import feeding, health
from app.web.desk import frame
from app.web.site import PRIVATE, Site

Call = Request[Any, Any, Any]
ROWS: Final = ("hours", "orders", "feeds")


class Asked(Struct, frozen=True):
    """Which day of which store is looked at, and when."""

    store: Store
    day: date
    start: float
    end: float
    now: float

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.now, self.store.zone).date()


def asked(site: Site, store: str, day: str | None) -> Asked:
    """Raises Invalid for what is no day, or has not come yet."""
    home, now = site.store(store), site.clock()
    today = datetime.fromtimestamp(now, home.zone).date()
    try:
        wanted = date.fromisoformat(day) if day else today
    except ValueError:
        raise Invalid("day must be written like 2026-11-21.") from None
    if not date(1970, 1, 2) <= wanted <= today:
        raise Invalid("That day has not come yet." if wanted > today else "Nothing is kept of that day.")
    return Asked(home, wanted, *bounds(wanted, home.zone), now)


async def reckoned(site: Site, wanted: Asked) -> tuple[Day, list[Trace]]:
    traces = await site.days.traces(wanted.store.id, wanted.start, wanted.end)
    # A thread, since a long day takes a tenth of a second, in which no board could be told anything.
    zone = wanted.store.zone
    return await asyncio.to_thread(figures, traces, wanted.start, wanted.end, wanted.now, zone), traces


async def fed(site: Site, wanted: Asked) -> list[said.Feeding]:
    """The feeds whose orders may come to the store: how they were that day, and today how they are."""
    sources = feeding(site.settings, wanted.store.id)
    names = [source.id for source in sources]
    tallies = await site.feeds.tallies(names, wanted.start, wanted.end)
    held = await site.quarantine.counts(names, wanted.start, wanted.end)
    known = await site.feeds.read(names)
    live = wanted.day == wanted.today
    states = {one.source: one.state for one in health(sources, known, wanted.now)} if live else {}
    made = []
    for name in names:
        feed, tally, state = known.get(name, Feed()), tallies[name], states.get(name, "")
        made.append(
            said.Feeding(
                source=name, mark=site.render.mark(name), state=state, held=held[name],
                events=None if tally is None else tally.events, polls=None if tally is None else tally.polls,
                errors=None if tally is None else tally.errors, usual=feed.usual,
                silence=None if tally is None else tally.silence,
                quiet=wanted.now - feed.last if state and feed.last is not None else None,
            )
        )  # fmt: skip
    return made


async def around(site: Site, wanted: Asked) -> said.Around:
    """The days beside it that something is kept of."""
    oldest = await site.days.first(wanted.store.id)
    first = wanted.today if oldest is None else datetime.fromtimestamp(oldest, wanted.store.zone).date()
    before, after = wanted.day - timedelta(days=1), wanted.day + timedelta(days=1)
    return said.Around(
        wanted.day, wanted.today, before if before >= first else None, after if after <= wanted.today else None, first
    )


@get("/board/{store:str}/today")
async def page(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    day: FromQuery[str | None] = None,
) -> Response[str]:
    user = await seen(site, request, store)
    wanted = asked(site, store, day)
    made, _ = await reckoned(site, wanted)
    near = await around(site, wanted)
    told = said.told(made, await fed(site, wanted), near, wanted.now, wanted.store.zone)
    body = site.render.page("today", **frame(site, user, "today", wanted.store), **told, rows=ROWS)
    return Response(body, media_type="text/html", headers=dict(PRIVATE))


@get("/board/{store:str}/today.csv")
async def sheet(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    day: FromQuery[str | None] = None,
    rows: FromQuery[str] = "hours",
) -> Response[bytes]:
    await seen(site, request, store)
    wanted = asked(site, store, day)
    if rows not in ROWS:
        raise Invalid("rows must be one of " + ", ".join(ROWS) + ".")
    name = wanted.day.isoformat()
    if rows == "feeds":
        body = tables.by_feed(name, await fed(site, wanted))
    else:
        made, traces = await reckoned(site, wanted)
        if rows == "hours":
            body = tables.by_hour(name, made, wanted.store.zone)
        else:
            body = tables.by_order(name, traces, wanted.start, wanted.end)
    headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{store}-{name}-{rows}.csv"'}
    return Response(body, media_type="text/csv; header=present", headers=headers)


HANDLERS: Final = (page, sheet)
