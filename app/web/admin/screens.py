"""Screens on the wall: what a store has, whether they are on, a new one, and ending one."""

from typing import Annotated, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect

from app.errors import Invalid, Unknown
from app.render import admin
from app.render.ledger import qr
from app.settings import Store
from app.store.people import User
from app.store.screens import ON
from app.web.desk import Call, Form, done, frame, keeper, shown, store_of, stores_of
from app.web.screens import PANES
from app.web.site import Site

PATH: Final = "/admin/screens"


@get(PATH)
async def page(
    request: Call,
    site: NamedDependency[Site],
    store: FromQuery[str] = "",
    said: FromQuery[str] = "",
    n: FromQuery[int] = 0,
) -> Response[str]:
    user = await keeper(site, request)
    return shown(await _page(site, user, store_of(site, user, store), told=admin.said(said, n)))


async def _page(
    site: Site, user: User, home: Store | None, *, told: object = None, url: str = "", kind: str = ""
) -> str:
    now = site.clock()
    known = [] if home is None else await site.screens.of(home.id)
    seen = await site.screens.seen([screen.id for screen in known])
    rows = [
        admin.Screen(
            id=screen.id, kind=screen.kind, made=screen.created, seen=seen.get(screen.id),
            on=now - seen.get(screen.id, 0.0) < ON,
        )
        for screen in known
    ]  # fmt: skip
    return site.render.page(
        "admin/screens", **frame(site, user, "screens"), home=home, stores=stores_of(site, user), told=told, url=url,
        rows=admin.screens(rows, now, home.zone) if home is not None else [], kinds=admin.WALLS, kind=kind,
        qr=qr(url) if url else "",
    )  # fmt: skip


@post(PATH, status_code=200)
async def make(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[str]:
    """A new screen. Its address is shown this once: only its hash is kept."""
    site.guard(request)
    user = await keeper(site, request)
    home, kind = store_of(site, user, data.get("store", "-")), data.get("kind", "")
    if home is None or kind not in PANES:
        raise Invalid("kind must be tv or ready.")
    screen, token = await site.screens.make(home.id, kind, site.clock())
    await site.audit.note(user.name, "screen_made", store=home.id, about=screen.id, detail=kind)
    url = f"{site.settings.server.public_url}/screen/{token}"
    return shown(await _page(site, user, home, url=url, kind=kind))


@post(PATH + "/{screen:str}/revoke", status_code=303)
async def revoke(request: Call, site: NamedDependency[Site], screen: FromPath[str]) -> Redirect:
    site.guard(request)
    user = await keeper(site, request)
    known = await site.screens.get(screen)
    if known is None:
        return done(PATH, "screen_gone")
    if not user.sees(known.store):
        raise Unknown("There is no such screen, or it is not of a store of yours.")
    await site.screens.revoke(known)
    await site.audit.note(user.name, "screen_revoked", store=known.store, about=known.id, detail=known.kind)
    return done(f"{PATH}?store={known.store}", "screen_ended")


HANDLERS: Final = (page, make, revoke)
