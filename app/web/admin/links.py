"""Tracking links of a store: whose they are, until when, and ending them."""

from typing import Annotated, Final
from urllib.parse import quote, urlencode

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect

from app.errors import Invalid, Unknown
from app.orders import Order
from app.render import admin
from app.settings import Store
from app.store.links import Link
from app.web import links as tracking
from app.web.desk import Call, Form, done, frame, keeper, shown, store_of, stores_of
from app.web.site import Site

PATH: Final = "/admin/links"
PAGE: Final = 50


@get(PATH)
async def page(
    request: Call,
    site: NamedDependency[Site],
    store: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
    said: FromQuery[str] = "",
    n: FromQuery[int] = 0,
) -> Response[str]:
    user = await keeper(site, request)
    home = store_of(site, user, store)
    found = [] if home is None else await site.links.made(home.id, _before(cursor), PAGE)
    records = await site.orders.read({link.key for link in found})
    rows = [_row(site, link, records[link.key].order if link.key in records else None) for link in found]
    body = site.render.page(
        "admin/links",
        **frame(site, user, "links"),
        home=home,
        hours=site.settings.server.link_hours,
        stores=stores_of(site, user),
        rows=admin.links(rows, site.clock(), home.zone) if home is not None else [],
        here_path=_here(home, cursor),
        newer=_here(home, "") if cursor else "",
        older=_here(home, repr(found[-1].created)) if len(found) == PAGE else "",
        told=admin.said(said, n),
    )
    return shown(body)


def _before(cursor: str) -> float:
    try:
        return float(cursor or 0)
    except ValueError:
        raise Invalid("cursor must be one that a page has named.") from None


def _here(home: Store | None, cursor: str) -> str:
    given = {"store": home.id if home is not None else "", "cursor": cursor}
    return PATH + "?" + urlencode({name: value for name, value in given.items() if value})


def _row(site: Site, link: Link, order: Order | None) -> admin.Link:
    expires = tracking.expiry(site, order) if order is not None else site.clock()
    code = link.key.partition(":")[2][-6:] if order is None else order.code or order.ref[-6:]
    return admin.Link(
        id=link.id, code=code, board=board_of(order), kind=link.kind, own=bool(link.parent), made=link.created,
        expires=expires,
    )  # fmt: skip


def board_of(order: Order | None) -> str | None:
    """The path to an order's drawer on its board."""
    if order is None or order.store is None:
        return None
    path = "/".join(quote(part, safe="") for part in (order.source, order.ref))
    return f"/board/{quote(order.store, safe='')}#{path}"


@post(PATH + "/{link_id:str}/revoke", status_code=303)
async def revoke(
    request: Call,
    site: NamedDependency[Site],
    link_id: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    site.guard(request)
    user = await keeper(site, request)
    back = data.get("back", "")
    back = back if back.partition("?")[0] == PATH and back.isprintable() else PATH
    link = await site.links.get(link_id)
    if link is None:
        return done(back, "link_gone")
    if user.role != "admin" and not user.sees(link.store):
        raise Unknown("There is no such link, or it is not of a store of yours.")
    await tracking.end(site, link, user.name)
    return done(back, "link_ended")


HANDLERS: Final = (page, revoke)
