"""Why does this card say that? An order's ledger, stages, calls and links, in a drawer beside the board."""

from typing import Annotated, Final
from urllib.parse import quote

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath

from app.errors import Forbidden, Invalid, Unknown
from app.orders import Order
from app.render import ledger
from app.store.orders import Entry
from app.store.people import User
from app.web import links as tracking
from app.web import pins
from app.web.board import Call, Form, seen
from app.web.site import PRIVATE, Site

READERS: Final = ("manager", "admin")  # who may read what an order system sent, word for word
PLACE: Final = "/board/{store:str}/orders/{source:str}/{ref:str}"


async def theirs(site: Site, request: Call, store: str, source: str, ref: str) -> tuple[User, Order]:
    """The person who asks and the order, if it is one of this store."""
    user = await seen(site, request, store)
    record = await site.orders.get(f"{source}:{ref}")
    if record is None or record.order.store != store:
        raise Unknown("That order is not at this store any more.")
    return user, record.order


@get(PLACE)
async def drawer(
    request: Call, site: NamedDependency[Site], store: FromPath[str], source: FromPath[str], ref: FromPath[str]
) -> Response[str]:
    user, order = await theirs(site, request, store, source, ref)
    reads = user.role in READERS
    page = site.render.drawer(
        order,
        site.clock(),
        base=_base(store, order),
        lines=[_line(entry, reads) for entry in await site.orders.ledger(order.key)],
        calls=[
            ledger.Call(call.kind, call.note.state, call.note.tries, call.note.words, call.asked)
            for call in await site.outbox.of(order.key)
        ],
        links=await _links(site, order),
    )
    return _html(page)


def _base(store: str, order: Order) -> str:
    return "/board/" + "/".join(quote(part, safe="") for part in (store, "orders", order.source, order.ref))


def _line(entry: Entry, reads: bool) -> ledger.Line:
    mark = _mark(entry) if reads and entry.body else ""
    return ledger.Line(entry.heard, entry.at, entry.verdict, entry.name, entry.by, entry.note, mark)


def _mark(entry: Entry) -> str:
    """Names a line's body. What one call said in several events has the same body."""
    return str(int(entry.heard * 1e6))


async def _links(site: Site, order: Order) -> list[ledger.Link]:
    made = await site.links.of(order.key)
    return [ledger.Link(link.id, link.kind, link.created, own=bool(link.parent)) for link in made]


def _html(page: str) -> Response[str]:
    return Response(page, media_type="text/html", headers=dict(PRIVATE))


@get(PLACE + "/bodies/{mark:str}")
async def body(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    source: FromPath[str],
    ref: FromPath[str],
    mark: FromPath[str],
) -> Response[str]:
    """What an order system sent."""
    user, order = await theirs(site, request, store, source, ref)
    if user.role not in READERS:
        raise Forbidden("Managers and admins may read this.")
    for entry in await site.orders.ledger(order.key):
        if entry.body and _mark(entry) == mark:
            who, via = await pins.person(site, request, site.store(store), user)
            await site.audit.note(who, "body_read", store=store, about=order.key, via=via)
            return _html(site.render.page("raw", text=ledger.pretty(entry.body)))
    raise Unknown("That is not kept any more.")


@post(PLACE + "/links", status_code=200)
async def link(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    source: FromPath[str],
    ref: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[str]:
    """A new link, shown this once: only its hash is kept."""
    site.guard(request)
    user, order = await theirs(site, request, store, source, ref)
    kind = data.get("kind", "")
    if kind not in ledger.KIND_OF_LINK:
        raise Invalid("kind must be customer or delegate.")
    _, token = await tracking.make(site, order, kind, *await pins.person(site, request, site.store(store), user))
    return await _shown(site, store, order, f"{site.settings.server.public_url}/t/{token}", kind)


@delete(PLACE + "/links/{link_id:str}", status_code=200)
async def revoke(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    source: FromPath[str],
    ref: FromPath[str],
    link_id: FromPath[str],
) -> Response[str]:
    site.guard(request)
    user, order = await theirs(site, request, store, source, ref)
    found = await site.links.get(link_id)
    if found is not None and found.key == order.key:  # one that is gone already: the list shows it
        await tracking.end(site, found, *await pins.person(site, request, site.store(store), user))
    return await _shown(site, store, order)


@post(PLACE + "/links/{link_id:str}/reissue", status_code=200)
async def reissue(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    source: FromPath[str],
    ref: FromPath[str],
    link_id: FromPath[str],
) -> Response[str]:
    """The old link dies and a new one is shown in its place."""
    site.guard(request)
    user, order = await theirs(site, request, store, source, ref)
    old = await site.links.get(link_id)
    if old is None or old.key != order.key:
        return await _shown(site, store, order)
    made, token = await tracking.renew(site, old, *await pins.person(site, request, site.store(store), user))
    return await _shown(site, store, order, f"{site.settings.server.public_url}/t/{token}", made.kind)


async def _shown(site: Site, store: str, order: Order, url: str = "", kind: str = "") -> Response[str]:
    made = await _links(site, order)
    return _html(site.render.links(order, made, site.clock(), base=_base(store, order), url=url, kind=kind))


HANDLERS: Final = (drawer, body, link, revoke, reissue)
