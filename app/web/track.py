"""The customer's page. Wrong, expired and revoked links look the same, and say nothing."""

from typing import Any, Final

from litestar import Request, Response, WebSocket, get, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.errors import Away, Unknown
from app.orders import Order
from app.store.links import AFTER_END, Link
from app.web.live import hold, member, refuse
from app.web.site import PRIVATE, SECRET, Site

Call = Request[Any, Any, Any]
TOKEN_MOST: Final = 64
AUDIENCE: Final = {"customer": "track", "delegate": "delegate"}


async def opened(site: Site, token: str) -> tuple[Link, Order]:
    """The order behind a link. Raises Unknown for every link that opens nothing (any more)."""
    link = await site.links.find(token) if len(token) <= TOKEN_MOST else None
    record = await site.orders.get(link.key) if link is not None else None
    if link is None or record is None or expired(record.order, site.clock()):
        raise Unknown("This link opens nothing.")
    return link, record.order


def expired(order: Order, now: float) -> bool:
    return order.ended_at is not None and now >= order.ended_at + AFTER_END


@get("/t/{token:str}")
async def page(site: NamedDependency[Site], token: FromPath[str]) -> Response[str]:
    try:
        link, order = await opened(site, token)
    except Unknown:
        return Response(
            site.render.ended_page("en"), status_code=404, media_type="text/html", headers={**PRIVATE, **SECRET}
        )
    body = site.render.track_page(
        order,
        site.clock(),
        token=token,
        audience=AUDIENCE[link.kind],
        lang="en",
        position=f"{site.relay.epoch}:{order.rev}",
    )
    return Response(body, media_type="text/html", headers={**PRIVATE, **SECRET})


@websocket("/live/track/{token:str}")
async def live(socket: WebSocket[Any, Any, Any], site: NamedDependency[Site], token: FromPath[str]) -> None:
    if not site.ours(socket):
        return await refuse(socket, 4403)
    try:
        link, _ = await opened(site, token)
    except Unknown:
        return await refuse(socket, 4404)
    except Away:
        return await refuse(socket, 1013)
    joined = await member(site, socket, link=link.id)
    if joined is not None:
        await hold(socket, joined[0], site.relay.join_track(link.key, AUDIENCE[link.kind], "en", *joined))
    return None


HANDLERS: Final = (page, live)
