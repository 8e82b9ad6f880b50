"""The quarantine: what could not be read or understood, why, and again after a fix."""

from time import monotonic
from typing import Annotated, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from litestar.response import Redirect

from app.errors import Invalid, Unknown
from app.render import admin
from app.render.ledger import pretty
from app.settings import Source
from app.store.people import User
from app.store.quarantine import CURSOR, Kept
from app.web.desk import Call, Form, done, frame, keeper, shown, sources_of, whole, zone_of
from app.web.site import Site

PATH: Final = "/admin/quarantine"
PAGE: Final = 25
PATIENCE: Final = 5.0  # seconds that a replay of many goes on; then the person is told how far it came


@get(PATH)
async def page(
    request: Call,
    site: NamedDependency[Site],
    source: FromQuery[str] = "",
    why: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
    said: FromQuery[str] = "",
    n: FromQuery[int] = 0,
) -> Response[str]:
    user = await keeper(site, request)
    mine = sources_of(site, user)
    wanted = [one for one in mine if source in ("", one.id)]
    if (source and not wanted) or (why and why not in admin.WHYS):
        raise Unknown("There is no such source or kind, or it is not yours.")
    if cursor and not CURSOR.fullmatch(cursor):
        raise Invalid("cursor must be one that a page has named.")
    found, after = await site.quarantine.page([one.id for one in wanted], why=why, cursor=cursor, count=PAGE)
    sizes = await site.quarantine.sizes([one.id for one in mine])
    body = site.render.page(
        "admin/quarantine",
        **frame(site, user, "quarantine"),
        rows=admin.held([_held(site, user, kept) for kept in found], site.clock(), zone_of(site, user)),
        sources=[(one.id, site.render.mark(one.id)[2], sizes[one.id]) for one in mine],
        whys=admin.WHYS,
        source=source,
        why=why,
        all_of=bool(source and why and found and whole(user, wanted[0])),
        here_path=_here(source, why, cursor),
        newer=_here(source, why, "") if cursor else "",
        older=_here(source, why, after) if after else "",
        told=admin.said(said, n),
    )
    return shown(body)


def _here(source: str, why: str, cursor: str) -> str:
    given = {name: value for name, value in (("source", source), ("why", why), ("cursor", cursor)) if value}
    return PATH + ("?" + urlencode(given) if given else "")


def _held(site: Site, user: User, kept: Kept) -> admin.Held:
    source = site.settings.sources.get(kept.source)
    return admin.Held(
        id=kept.id, mark=site.render.mark(kept.source), source=kept.source, why=kept.why, detail=kept.detail,
        heard=kept.heard, count=kept.count, size=len(kept.body), reads=source is not None and whole(user, source),
    )  # fmt: skip


async def theirs(site: Site, user: User, name: str) -> Kept:
    """The entry, if this person may read it: all orders of its source come to their stores."""
    kept = await site.quarantine.get(name)
    source = next((one for one in sources_of(site, user) if kept is not None and one.id == kept.source), None)
    if kept is None or source is None or not whole(user, source):
        raise Unknown("It is not in quarantine any more, or not of a source of yours.")
    return kept


@get(PATH + "/{entry:str}")
async def body(request: Call, site: NamedDependency[Site], entry: FromPath[str]) -> Response[str]:
    """What the order system sent, as far as it may be kept."""
    user = await keeper(site, request)
    kept = await theirs(site, user, entry)
    await site.audit.note(user.name, "body_read", about=kept.id, detail=kept.source)
    text = pretty(kept.body) or "(no body)"
    if kept.tail or kept.query:
        text = f"{kept.method} …/{kept.tail}?{kept.query.decode(errors='replace')}\n\n{text}"
    if "hx-request" in request.headers:
        return shown(site.render.page("raw", text=text))
    rows = admin.held([_held(site, user, kept)], site.clock(), zone_of(site, user))
    page = site.render.page("admin/body", **frame(site, user, "quarantine"), row=rows[0], text=text, back=PATH)
    return shown(page)


@post(PATH + "/{entry:str}/replay", status_code=303)
async def again(
    request: Call,
    site: NamedDependency[Site],
    entry: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    site.guard(request)
    user = await keeper(site, request)
    back = own(data.get("back", ""))
    try:
        kept = await theirs(site, user, entry)
    except Unknown:
        return done(back, "gone")
    failed = await site.replay(kept)
    await site.audit.note(
        user.name, "replayed", about=kept.id, detail=f"{kept.source}, {'done' if failed is None else 'not yet'}"
    )
    return done(back, "replayed" if failed is None else "not_yet")


@post(PATH + "/replay", status_code=303)
async def every(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """All of one source and kind, the oldest first."""
    site.guard(request)
    user = await keeper(site, request)
    name, why = data.get("source", ""), data.get("why", "")
    source = next((one for one in sources_of(site, user) if one.id == name), None)
    if source is None or not whole(user, source) or why not in admin.WHYS:
        raise Unknown("There is no such source or kind, or it is not yours.")
    healed, left, more = await _through(site, source, why)
    await site.audit.note(user.name, "replayed", detail=f"{name}, {why}: {healed} healed, {left} left")
    code = "more" if more else "healed" if not left else "some" if healed else "none"
    return done(_here(name, why, ""), code, n=healed)


async def _through(site: Site, source: Source, why: str) -> tuple[int, int, bool]:
    """How many it healed, how many are left, and whether there are some that it did not come to."""
    healed, left, until = 0, 0, monotonic() + PATIENCE
    for name in await site.quarantine.ids(source.id):
        if monotonic() > until:
            return healed, left, True
        kept = await site.quarantine.get(name)
        if kept is not None and kept.why == why:
            failed = await site.replay(kept)
            healed, left = healed + (failed is None), left + (failed is not None)
    return healed, left, False


def own(path: str) -> str:
    """A page of the quarantine to go back to."""
    return path if path.partition("?")[0] == PATH and path.isprintable() else PATH


HANDLERS: Final = (page, body, again, every)
