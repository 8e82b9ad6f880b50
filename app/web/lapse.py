"""Pages that stay open longer than their link lives. (What is revoked, the doorman closes.)"""

import asyncio
from typing import Final

import structlog

from app.errors import Away
from app.mailbox import Mailbox
from app.web.links import expired
from app.web.site import Site

log = structlog.get_logger()

EVERY: Final = 30.0  # seconds
BATCH: Final = 500  # orders asked about at once


class Lapse:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except Away as error:
                log.warning("links can't be checked", why=str(error))

    async def look(self) -> None:
        """Once through every tracking page that is open on this node."""
        pages = [one for one in self._site.hub.members() if one.group.startswith("track:")]
        for start in range(0, len(pages), BATCH):
            await self._through(pages[start : start + BATCH])

    async def _through(self, pages: list[Mailbox]) -> None:
        records = await self._site.orders.read({_key(page) for page in pages})
        over = {key for key, record in records.items() if expired(self._site, record.order)}
        for page in pages:
            if _key(page) in over:
                page.close(4403)


def _key(page: Mailbox) -> str:
    """The order's, from a group like track:SOURCE:REF|AUDIENCE|LANGUAGE."""
    return page.group.removeprefix("track:").rsplit("|", 2)[0]
