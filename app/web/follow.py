"""The API's side of the work that runs beside the web: followed orders, feeds, and calls to order systems."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Meta, Struct

from app.errors import Conflict, Invalid, Unknown
from app.orders import MANUAL, Item
from app.providers.contract import Follow, Provider, text
from app.settings import Source
from app.store.feeds import Feed
from app.store.outbox import Outgoing
from app.web import manual
from app.web.api import PAGE_MOST, Call, found, read
from app.web.shape import shaped, stamp
from app.web.site import Site

FRESH_WITHIN: Final = 3.0  # seconds a second POST waits for the poll that it asks for
LINES_MOST: Final = 500
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_FOLLOW: Final = msgspec.msgpack.Decoder(Follow)

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]+\Z")]


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A line item that its order system never tells of."""

    id: Id
    name: Text | None = None
    quantity: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    unit: Annotated[str, Meta(max_length=20)] | None = None
    image_url: Annotated[str, Meta(max_length=2000, pattern="^https://")] | None = None


class Named(Struct, frozen=True):
    source: str = ""


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    source: Id
    ref: Id
    store: Id | None = None
    user_id: Id | None = None
    items: Annotated[list[Line], Meta(max_length=LINES_MOST)] | None = None


@post("/orders")
async def follow(request: Call, site: NamedDependency[Site], ticket: NamedDependency[bool]) -> Response[dict[str, Any]]:
    """Follows a polled order, or enters a manual one. 201; where it is followed already it is polled at once, and 200
    tells what came of it."""
    if (await read(request, Named)).source == MANUAL:
        return await _entered(request, site)
    wanted = await read(request, Wanted)
    source, provider = _asked(site, wanted)
    made = _follow(site, source, wanted)
    if provider.polling is None or not provider.polling.plan(source, made, None, site.clock()):
        raise Invalid(
            f"{provider.label} orders of {source.id} can't be polled: see the source's base_url and keys in the "
            "config. An order system that only calls us needs no POST."
        )
    fresh = await site.follows.follow(source.id, made.key, _ENCODE(made), site.clock())
    site.stirred(made.key)
    if not fresh:
        await site.follows.hurry(site.clock(), [made.key])
        await _polled(site, made.key, site.clock())
    record, followed = await site.orders.get(made.key), await site.follows.body(made.key) is not None
    if record is None and not fresh and not followed:
        raise Conflict("This order was erased because somebody asked for it. It can't be followed again.")
    body = {
        "source": source.id,
        "ref": made.ref,
        "following": followed,
        "order": None if record is None else shaped(record.order, site.clock()),
    }
    return Response(body, status_code=201 if fresh else 200)


async def _entered(request: Call, site: Site) -> Response[dict[str, Any]]:
    order, fresh = await manual.entered(site, manual.read(await request.body()), "api")
    body = {"source": MANUAL, "ref": order.ref, "following": False, "order": shaped(order, site.clock())}
    return Response(body, status_code=201 if fresh else 200)


def _asked(site: Site, wanted: Wanted) -> tuple[Source, Provider]:
    source = site.settings.sources.get(wanted.source)
    if source is None:
        raise Invalid(f"There is no source {wanted.source!r} in the config.")
    if wanted.store is not None and wanted.store not in source.stores:
        raise Invalid(f"The source {source.id} places no orders in a store {wanted.store!r}.")
    names = [line.id for line in wanted.items or ()]
    if len(set(names)) < len(names):
        raise Invalid("Two items have the same id.")
    return source, site.providers[source.provider]


def _follow(site: Site, source: Source, wanted: Wanted) -> Follow:
    lines = [
        Item(line.id, text(line.name), line.quantity, text(line.unit, 20), image_url=line.image_url)
        for line in wanted.items or ()
    ]
    return Follow(
        source=source.id,
        ref=wanted.ref,
        began=site.clock(),
        store=wanted.store,
        user_id=wanted.user_id,
        items=None if wanted.items is None else tuple(lines),
    )


async def _polled(site: Site, key: str, since: float) -> None:
    """Waits until the order was asked about, or is followed no more; not for ever, for its system may be slow."""
    until = asyncio.get_running_loop().time() + FRESH_WITHIN
    while asyncio.get_running_loop().time() < until:
        body = await site.follows.body(key)
        if body is None or max(_FOLLOW.decode(body).asked.values(), default=0.0) >= since:
            return
        await asyncio.sleep(0.05)


@get("/orders/{source:str}/{ref:str}/calls")
async def calls(
    site: NamedDependency[Site], ticket: NamedDependency[bool], source: FromPath[str], ref: FromPath[str]
) -> dict[str, Any]:
    """What was to be told to the order's system, and what it said."""
    order = await found(site, source, ref)
    return {"items": [_call(call) for call in await site.outbox.of(order.key)], "next": None}


@get("/calls")
async def dead(
    site: NamedDependency[Site],
    ticket: NamedDependency[bool],
    limit: FromQuery[int] = 50,
    cursor: Annotated[int, QueryParameter(ge=0, le=10**9)] = 0,
) -> dict[str, Any]:
    """Calls that need a person: refused, tried in vain, or in doubt."""
    if not 1 <= limit <= PAGE_MOST:
        raise Invalid(f"limit must be from 1 to {PAGE_MOST}.")
    rows = await site.outbox.dead(limit, cursor)
    return {"items": [_call(call) for call in rows], "next": str(cursor + limit) if len(rows) == limit else None}


class Again(Struct, frozen=True, forbid_unknown_fields=True):
    key: str | None = None


@post("/calls/replay", status_code=200)
async def recalled(request: Call, site: NamedDependency[Site], ticket: NamedDependency[bool]) -> dict[str, Any]:
    """Makes one of them again (`{"key"}`), or all."""
    wish = await read(request, Again)
    if wish.key is not None and not await site.outbox.replay(wish.key, site.clock()):
        raise Unknown("There is no such call that needs a person.")
    if wish.key is not None:
        await site.audit.note("api", "call_replayed", about=wish.key)
        return {"again": 1}
    keys = [call.key for call in await site.outbox.dead(10_000)]
    again = sum([await site.outbox.replay(key, site.clock()) for key in keys])
    await site.audit.note("api", "call_replayed", detail=f"{again} again")
    return {"again": again}


def _call(call: Outgoing) -> dict[str, Any]:
    source, _, ref = call.order.partition(":")
    return {
        "key": call.key,
        "kind": call.kind,
        "source": source,
        "ref": ref,
        "state": call.note.state,
        "tries": call.note.tries,
        "said": call.note.words or None,
        "asked_at": stamp(call.asked),
        "tried_at": stamp(call.note.at) if call.note.at else None,
        "next_at": stamp(call.note.next) if call.note.next else None,
    }


@get("/sources")
async def sources(site: NamedDependency[Site], ticket: NamedDependency[bool]) -> dict[str, Any]:
    feeds = await site.feeds.read(list(site.settings.sources))
    now = site.clock()
    return {"items": [_feed(site, name, feed, now) for name, feed in feeds.items()], "next": None}


def _feed(site: Site, name: str, feed: Feed, now: float) -> dict[str, Any]:
    return {
        "id": name,
        "provider": site.settings.sources[name].provider,
        "last_event": stamp(feed.last) if feed.last is not None else None,
        "events": feed.events,
        "usual_gap_seconds": feed.usual,
        "silent": feed.silent(now),
        "polls": feed.polls,
        "errors": feed.errors,
        "breaker": feed.breaker,
        "last_error": feed.error,
        "last_error_at": stamp(feed.error_at) if feed.error_at is not None else None,
    }


HANDLERS: Final = (follow, calls, dead, recalled, sources)
