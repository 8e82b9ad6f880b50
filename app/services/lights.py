"""Which screens on the wall are on: told to Redis, so that every node can say so."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from app.errors import Away
from app.hub import Hub
from app.store.screens import Screens

log = structlog.get_logger()

EVERY: Final = 20.0  # seconds
WALL: Final = ("screen:", "ready:")  # how the groups of screens begin


class Lights:
    def __init__(self, hub: Hub, screens: Screens, clock: Callable[[], float]) -> None:
        self._hub = hub
        self._screens = screens
        self._clock = clock

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Away as error:
                log.warning("which screens are on could not be told", why=str(error))
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        seated = self._hub.seated("link")
        lit = [name for name, boxes in seated.items() if any(box.group.startswith(WALL) for box in boxes)]
        await self._screens.saw(lit, self._clock())
