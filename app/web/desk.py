"""What the staff's quiet pages have in common: who may open them, the way between them, and what was done last."""

from datetime import UTC, tzinfo
from typing import Any, Final
from urllib.parse import quote, urlencode

from litestar import Request, Response
from litestar.response import Redirect

from app.errors import Forbidden, Unknown
from app.render.times import today
from app.settings import Source, Store
from app.store.people import User
from app.web.site import HEADERS, PRIVATE, Site

Call = Request[Any, Any, Any]
Form = dict[str, str]

KEEPERS: Final = ("manager", "admin")
ADMIN: Final = (
    ("feeds", "Feeds", KEEPERS),
    ("quarantine", "Quarantine", KEEPERS),
    ("links", "Links", KEEPERS),
    ("screens", "Screens", KEEPERS),
    ("people", "People", ("admin",)),
    ("audit", "Who did what", ("admin",)),
)


def frame(site: Site, user: User, here: str, store: Store | None = None) -> dict[str, Any]:
    """What `desk.html` shows around a page; `here` names the page."""
    return {
        "user": user.name,
        "role": user.role,
        "here": here,
        "store": store,
        "day_long": today(site.clock(), store.zone, "en") if store is not None else "",
        "ways": ways(site, user, store),
    }


def ways(site: Site, user: User, store: Store | None) -> list[tuple[str, str, str]]:
    """The pages that this person may open: name, title, path."""
    mine = stores_of(site, user)
    one = store or (mine[0] if len(mine) == 1 else None)
    made = [("board", "Board", "/")]
    if one is not None:
        path = "/board/" + quote(one.id, safe="")
        made = [("board", "Board", path), ("today", "Today", path + "/today")]
    return made + [(name, title, "/admin/" + name) for name, title, roles in ADMIN if user.role in roles]


async def keeper(site: Site, request: Call, *roles: str) -> User:
    """The person who asks, a manager or admin, or of these roles. Raises Forbidden for anyone else."""
    _, user = await site.staff(request)
    allowed = roles or KEEPERS
    if user.role not in allowed:
        raise Forbidden(f"This page is for {' and '.join(role + 's' for role in allowed)}.")
    return user


def stores_of(site: Site, user: User) -> list[Store]:
    return [store for store in site.settings.stores.values() if user.sees(store.id)]


def store_of(site: Site, user: User, name: str | None) -> Store | None:
    """The store that is asked for; the first of the person's own where none is. Raises Unknown for another's."""
    mine = stores_of(site, user)
    if not name:
        return mine[0] if mine else None
    for store in mine:
        if store.id == name:
            return store
    raise Unknown("There is no such store, or it is not yours. Ask an admin if it should be.")


def sources_of(site: Site, user: User) -> list[Source]:
    """The sources whose orders may come to a store of the person's."""
    return [source for source in site.settings.sources.values() if any(user.sees(store) for store in source.stores)]


def whole(user: User, source: Source) -> bool:
    """Do all its orders come to stores of the person's?"""
    return all(user.sees(store) for store in source.stores)


def zone_of(site: Site, user: User) -> tzinfo:
    """Whose clock a page about several stores shows: the first one's."""
    return next((store.zone for store in stores_of(site, user)), UTC)


def shown(page: str, status: int = 200) -> Response[str]:
    return Response(page, status_code=status, media_type="text/html", headers=dict(PRIVATE))


def done(path: str, said: str, **more: str | int) -> Redirect:
    """On to the page that shows what has come of it; its own script follows as well, and puts in the part."""
    joint = "&" if "?" in path else "?"
    return Redirect(
        f"{path}{joint}{urlencode({'said': said, **more})}", status_code=303, headers={**HEADERS, **PRIVATE}
    )
