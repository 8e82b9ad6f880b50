"""Someone else collects: the customer makes them a link, sees those that live, and ends them. No script is needed."""

from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from app.errors import Conflict, TooMany, Unknown
from app.orders import PICKUPS, Order, over_at
from app.render.tongue import _
from app.store.links import SHARES, Link, shared
from app.web.links import end, opened
from app.web.site import PRIVATE, SECRET, Site
from app.web.tongue import Tongue, tongue
from app.web.track import ended

Call = Request[Any, Any, Any]
Form = dict[str, str]
PLACE: Final = "/t/{token:str}/someone"
WHO: Final = "customer"  # in the audit trail
MADE: Final = 10  # links that one link may make, in WINDOW seconds
WINDOW: Final = 3600


async def own(site: Site, token: str, request: Call) -> tuple[Link, Order]:
    """A customer's own link. Raises Unknown for every other: a delegate's makes no further ones."""
    link, order = await opened(site, token, request)
    if link.kind != "customer" or order.fulfilment not in PICKUPS:
        raise Unknown(_("This link opens nothing."))
    return link, order


@get(PLACE)
async def page(request: Call, site: NamedDependency[Site], token: FromPath[str]) -> Response[Any]:
    try:
        link, order = await own(site, token, request)
    except Unknown:
        return ended(site, tongue(request))
    spoken = tongue(request)
    if over_at(order) is not None:
        return _to(f"/t/{token}", spoken)
    return await _shown(site, token, link, order, spoken)


async def _shown(
    site: Site, token: str, link: Link, order: Order, spoken: Tongue, note: str = "", status: int = 200
) -> Response[Any]:
    made = [one for one in await site.links.of(order.key) if one.parent == link.id]
    base = f"{site.settings.server.public_url}/t/"
    links = [(one.id, base + shared(token, one.id), one.created) for one in made]
    body = site.render.someone_page(
        order, site.clock(), token=token, links=links, full=len(links) >= SHARES, note=note, lang=spoken.lang,
        picked=spoken.picked,
    )  # fmt: skip
    headers = {**PRIVATE, **SECRET, **spoken.headers}
    return Response(body, status_code=status, media_type="text/html", headers=headers)


def _to(path: str, spoken: Tongue) -> Response[Any]:
    return Redirect(spoken.kept(path), status_code=303, headers={**PRIVATE, **SECRET})


@post(PLACE, status_code=303)
async def change(
    request: Call,
    site: NamedDependency[Site],
    token: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Makes a link, or ends the one that `end` names."""
    site.guard(request, keyed=True)
    spoken = tongue(request)
    try:
        link, order = await own(site, token, request)
    except Unknown:
        return ended(site, tongue(request))
    try:
        if "end" in data:
            await _end(site, link, data["end"])
        else:
            await _make(site, token, link, order)
    except (Conflict, TooMany) as error:
        return await _shown(site, token, link, order, spoken, site.render.told(str(error), spoken.lang), error.status)
    return _to(f"/t/{token}/someone", spoken)


async def _make(site: Site, token: str, link: Link, order: Order) -> None:
    if over_at(order) is not None:
        raise Conflict(_("This order is over. Nobody has to collect it any more."))
    if not await site.people.tries(f"share {link.id}", MADE, WINDOW):
        raise TooMany(_("That was a lot of links in an hour. Use one that you have, or try again later."))
    made = await site.links.share(link, token, site.clock())
    if made is None:
        raise Conflict(_("There are as many links as there can be. End one to make another."))
    await site.audit.note(WHO, "link_made", store=made.store, about=made.key, detail=made.kind)


async def _end(site: Site, link: Link, name: str) -> None:
    found = await site.links.get(name)
    if found is not None and found.parent == link.id:  # one that is gone already: the list shows it
        await end(site, found, WHO)


HANDLERS: Final = (page, change)
