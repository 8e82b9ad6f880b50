"""Behind the boards: how the feeds are, what could not be read, links, screens, accounts, and who did what."""

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Redirect

from app.web.admin import audit, feeds, links, people, quarantine, screens
from app.web.desk import Call, keeper
from app.web.site import PRIVATE, Site


@get("/admin")
async def start(request: Call, site: NamedDependency[Site]) -> Redirect:
    await keeper(site, request)
    return Redirect(feeds.PATH, headers=dict(PRIVATE))


HANDLERS: Final = (
    start,
    *feeds.HANDLERS,
    *quarantine.HANDLERS,
    *links.HANDLERS,
    *screens.HANDLERS,
    *people.HANDLERS,
    *audit.HANDLERS,
)
