"""What the staff's quiet pages have in common: whose they are, and the way between them."""

from typing import Any
from urllib.parse import quote

from app.render.times import today
from app.settings import Store
from app.store.people import User
from app.web.site import Site


def frame(site: Site, user: User, here: str, store: Store | None = None) -> dict[str, Any]:
    """What `desk.html` shows around a page; `here` names the page."""
    return {
        "user": user.name,
        "role": user.role,
        "here": here,
        "ways": ways(user, store),
        "store": store,
        "day_long": today(site.clock(), store.zone, "en") if store is not None else "",
        "several": len(site.settings.stores) > 1,
    }


def ways(user: User, store: Store | None) -> list[tuple[str, str, str]]:
    """The pages that this person may open: name, title, path."""
    board = [("board", "Board", "/")] if store is None else []
    if store is not None:
        path = "/board/" + quote(store.id, safe="")
        board = [("board", "Board", path), ("today", "Today", path + "/today")]
    return board
