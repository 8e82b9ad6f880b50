"""Screens on the wall: made and ended over the API, shown to whoever has the address. They only ever show."""

from typing import Annotated, Any, Final

from litestar import Request, Response, WebSocket, delete, get, post, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from app.errors import Away, Invalid, Unknown
from app.store.screens import Screen
from app.web.api import read
from app.web.board import healthy
from app.web.live import hold, member, refuse
from app.web.site import PRIVATE, SECRET, Site

TOKEN_MOST: Final = 64
PANES: Final = {"tv": "screen", "ready": "ready"}

Call = Request[Any, Any, Any]


class Wish(Struct, forbid_unknown_fields=True):
    kind: Annotated[str, Meta(extra_json_schema={"enum": ["tv", "ready"]})]


@post("/stores/{store:str}/screens")
async def made(
    request: Call, site: NamedDependency[Site], ticket: NamedDependency[bool], store: FromPath[str]
) -> dict[str, Any]:
    home = site.store(store)
    wish = await read(request, Wish)
    if wish.kind not in PANES:
        raise Invalid("kind must be tv or ready.")
    screen, token = await site.screens.make(home.id, wish.kind, site.clock())
    await site.audit.note("api", "screen_made", store=home.id, about=screen.id, detail=wish.kind)
    return {"id": screen.id, "url": f"{site.settings.server.public_url}/screen/{token}"}


@delete("/screens/{screen:str}", status_code=204)
async def ended(site: NamedDependency[Site], ticket: NamedDependency[bool], screen: FromPath[str]) -> None:
    known = await site.screens.get(screen)
    if known is None:
        raise Unknown("There is no such screen.")
    await site.screens.revoke(known)
    await site.audit.note("api", "screen_revoked", store=known.store, about=known.id)


async def opened(site: Site, token: str) -> Screen:
    """The screen behind an address. Raises Unknown for every one that opens nothing (any more)."""
    screen = await site.screens.find(token) if len(token) <= TOKEN_MOST else None
    if screen is None or screen.store not in site.settings.stores:
        raise Unknown("This address opens nothing.")
    return screen


@get("/screen/{token:str}")
async def page(site: NamedDependency[Site], token: FromPath[str]) -> Response[str]:
    try:
        screen = await opened(site, token)
    except Unknown:
        return _page(_nothing(site), 404)
    now, pane = site.clock(), site.render.panes[PANES[screen.kind]]
    snapshot = await site.orders.board(screen.store, now)
    cards = (pane.card(order, now, None) for order in snapshot.orders)
    body = site.render.screen_page(
        site.store(screen.store),
        [card for card in cards if card is not None],
        pane=pane.name,
        token=token,
        position=f"{site.relay.epoch}:{snapshot.seq}",
        now=now,
        feeds=await healthy(site, screen.store, now),
    )
    return _page(body, 200)


def _page(body: str, status: int) -> Response[str]:
    return Response(body, status_code=status, media_type="text/html", headers={**PRIVATE, **SECRET})


def _nothing(site: Site) -> str:
    detail = "It was ended, or the address is mistyped. Whoever runs Orderboard here can make a new one."
    return site.render.page("error", status=404, title="This screen shows nothing.", detail=detail, again=False)


@websocket("/live/screen/{token:str}")
async def live(socket: WebSocket[Any, Any, Any], site: NamedDependency[Site], token: FromPath[str]) -> None:
    if not site.ours(socket):
        return await refuse(socket, 4403)
    try:
        screen = await opened(site, token)
    except Unknown:
        return await refuse(socket, 4404)
    except Away:
        return await refuse(socket, 1013)
    joined = await member(site, socket, link=screen.id)
    if joined is not None:
        await hold(socket, joined[0], site.relay.join_board(screen.store, *joined, pane=PANES[screen.kind]))
    return None


HANDLERS: Final = (page, live)
API: Final = (made, ended)
