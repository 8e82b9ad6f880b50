"""What ended long ago is erased: once an hour one node looks, and goes through it a piece at a time."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from app.errors import Away
from app.store.erasing import Erasing

log = structlog.get_logger()

EVERY: Final = 3600  # seconds
LOOK: Final = 60.0  # seconds between two looks whether it is this node's turn
BATCH: Final = 50  # orders, then the boards' work gets its turn
PAUSE: Final = 0.1  # seconds between two of them
DAY: Final = 86_400.0


class Retention:
    """`days` after its end an order goes; 0: never. One that never ends stays."""

    def __init__(self, erasing: Erasing, days: int, clock: Callable[[], float]) -> None:
        self._erasing = erasing
        self._days = days
        self._clock = clock

    async def run(self) -> None:
        if not self._days:
            await asyncio.Event().wait()
        while True:
            try:
                if await self._erasing.turn(EVERY):
                    await self._erasing.tidy(await self.clean())
            except Away as error:
                log.warning("orders whose time is over wait for the store", why=str(error))
            await asyncio.sleep(LOOK)

    async def clean(self) -> int:
        """Erases all orders whose time is over. Answers how many; what can't be erased is left for the next time."""
        before, gone, stay = self._clock() - self._days * DAY, 0, 0
        while keys := await self._erasing.over(before, BATCH, stay):
            went = await self._erasing.retire(keys, before)
            gone, stay = gone + went, stay + len(keys) - went
            await asyncio.sleep(PAUSE)
        if gone:
            log.info("orders erased whose time was over", orders=gone)
        return gone
