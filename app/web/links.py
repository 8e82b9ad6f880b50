"""What a tracking link opens and when it ends. Wrong, malformed, expired and revoked ones cost the same and say the
same: nothing."""

from typing import Final

from app.errors import Conflict, TooMany, Unknown
from app.orders import Order, over_at
from app.render.tongue import _
from app.store.links import Link
from app.web.site import Connection, Site

TOKEN_MOST: Final = 64


async def opened(site: Site, token: str, connection: Connection) -> tuple[Link, Order]:
    """The order behind a link. Raises Unknown for every link that opens nothing (any more)."""
    link = await site.links.find(token if len(token) <= TOKEN_MOST else "")
    record = await site.orders.get(link.key if link is not None else "")  # asked in vain too: so it takes as long
    if link is not None and record is not None and not expired(site, record.order):
        return link, record.order
    peer = connection.client.host if connection.client else ""
    if not site.guesses.fits(peer, site.clock()):
        raise TooMany(_("Too many links that open nothing were tried from here. Wait a minute, then try again."))
    raise Unknown(_("This link opens nothing."))


def expiry(site: Site, order: Order) -> float | None:
    """When an order's links die; None until it is over."""
    over = over_at(order)
    return None if over is None else over + site.settings.server.link_hours * 3600


def expired(site: Site, order: Order) -> bool:
    dies = expiry(site, order)
    return dies is not None and site.clock() >= dies


# ---- what staff and programs do with them: `who` does it, where `via` was signed in ----


async def make(site: Site, order: Order, kind: str, who: str, via: str = "") -> tuple[Link, str]:
    if expired(site, order):
        raise Conflict("This order has been over for too long (link_hours): a link to it would open nothing.")
    made, token = await site.links.make(order.key, kind, site.clock(), order.store)
    await site.audit.note(who, "link_made", store=order.store or "", about=order.key, via=via, detail=kind)
    return made, token


async def end(site: Site, link: Link, who: str, via: str = "") -> None:
    """Ends a link and those made from it, with every page that is open under them."""
    await site.links.revoke(link)
    await site.audit.note(who, "link_revoked", store=link.store, about=link.key, via=via, detail=link.kind)


async def renew(site: Site, link: Link, who: str, via: str = "") -> tuple[Link, str]:
    made, token, _ = await site.links.renew(link, site.clock())
    await site.audit.note(who, "link_renewed", store=link.store, about=link.key, via=via, detail=link.kind)
    return made, token
