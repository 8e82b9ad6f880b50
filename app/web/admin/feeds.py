"""The feeds: each source's health, its calls that need a person, and trying those again."""

from typing import Annotated, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery
from litestar.response import Redirect

from app.errors import Unknown
from app.orders import Order
from app.render import admin, feedings
from app.render.times import exact
from app.settings import Source
from app.store.feeds import DAY, Feed
from app.store.outbox import Outgoing
from app.store.people import User
from app.web.admin.links import board_of
from app.web.desk import Call, Form, done, frame, keeper, shown, sources_of, zone_of
from app.web.site import Site

PATH: Final = "/admin/feeds"
DEAD_MOST: Final = 1_000  # calls that need a person and are looked through


@get(PATH)
async def page(
    request: Call, site: NamedDependency[Site], said: FromQuery[str] = "", n: FromQuery[int] = 0
) -> Response[str]:
    user = await keeper(site, request)
    now, zone = site.clock(), zone_of(site, user)
    rows = feedings.told(await sources(site, user, now), now, zone)
    body = site.render.page(
        "admin/feeds", **frame(site, user, "feeds"), feeds=rows, as_of=exact(now, zone), told=admin.said(said, n)
    )
    return shown(body)


async def sources(site: Site, user: User, now: float) -> list[feedings.Source]:
    """The sources that this person may see, as they stand."""
    mine = sources_of(site, user)
    names = [source.id for source in mine]
    known = await site.feeds.read(names) if names else {}
    tallies = await site.feeds.tallies(names, now // 900 * 900 - DAY, now + 900)
    held = await site.quarantine.sizes(names)
    calls = await _calls(site, user)
    made = []
    for source in mine:
        feed, tally = known.get(source.id, Feed()), tallies[source.id]
        made.append(
            feedings.Source(
                id=source.id, mark=site.render.mark(source.id), stores=_stores(site, user, source),
                pushes=f"{site.settings.server.public_url}/hooks/{source.id}", asked=_asked(site, source),
                last=feed.last, usual=feed.usual, silent=feed.silent(now), breaker=feed.breaker,
                events=tally.events if tally else 0, polls=tally.polls if tally else 0,
                errors=tally.errors if tally else 0, error=feed.error, error_at=feed.error_at, held=held[source.id],
                calls=tuple(calls.get(source.id, ())),
            )
        )  # fmt: skip
    return made


def _asked(site: Site, source: Source) -> bool:
    return bool(source.base_url) and site.providers[source.provider].polling is not None


def _stores(site: Site, user: User, source: Source) -> tuple[str, ...]:
    return tuple(sorted(site.settings.stores[store].name for store in source.stores if user.sees(store)))


async def _calls(site: Site, user: User) -> dict[str, list[feedings.Call]]:
    """Calls that need a person, by source, of orders that this person may see."""
    found: dict[str, list[feedings.Call]] = {}
    dead = await site.outbox.dead(DEAD_MOST)
    records = await site.orders.read({call.order for call in dead})
    for call in dead:
        record = records.get(call.order)
        if record is not None and _theirs(user, record.order):
            found.setdefault(record.order.source, []).append(_call(call, record.order))
    return found


def _theirs(user: User, order: Order) -> bool:
    return user.role == "admin" or (order.store is not None and user.sees(order.store))


def _call(call: Outgoing, order: Order) -> feedings.Call:
    return feedings.Call(
        key=call.key, kind=call.kind, code=order.code or order.ref[-6:], board=board_of(order), words=call.note.words,
        tries=call.note.tries, at=call.note.at or call.asked,
    )  # fmt: skip


@post(PATH + "/calls", status_code=303)
async def again(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """A call that was given up is made once more."""
    site.guard(request)
    user = await keeper(site, request)
    call = await site.outbox.one(data.get("key", ""))
    record = await site.orders.get(call.order) if call is not None else None
    if call is None or record is None or not _theirs(user, record.order):
        raise Unknown("There is no such call, or it is not of a store of yours.")
    if not await site.outbox.replay(call.key, site.clock()):
        return done(PATH, "call_gone")
    await site.audit.note(user.name, "call_replayed", store=record.order.store or "", about=call.key)
    return done(PATH, "call_again")


HANDLERS: Final = (page, again)
