"""Orders that turn late, waiting or stuck by the clock alone: at that instant they are numbered and shown again."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from app.errors import Away
from app.intake import Intake
from app.store.orders import Orders

log = structlog.get_logger()

LEASE: Final = 10.0  # seconds; what a node that died has claimed is due again after that
LOOK: Final = 0.5  # seconds between two looks
BATCH: Final = 100


class Ticker:
    def __init__(self, orders: Orders, intake: Intake, clock: Callable[[], float]) -> None:
        self._orders = orders
        self._intake = intake
        self._clock = clock

    async def run(self) -> None:
        while True:
            try:
                while await self.tick() == BATCH:
                    pass
            except Away as error:
                log.warning("the ticker waits for the store", why=str(error))
            await asyncio.sleep(LOOK)

    async def tick(self) -> int:
        """Moves on what is due now; answers how many orders were claimed."""
        now = self._clock()
        claimed = await self._orders.claim(now, BATCH, LEASE)
        scores = await self._orders.due(claimed)
        # An event that came since the claim has reckoned the next instant itself: its score is not the claim's.
        still = [key for key in claimed if abs(scores.get(key, 0.0) - (now + LEASE)) < 0.001]
        await asyncio.gather(*(self._intake.touch(key, self._clock()) for key in still))
        return len(claimed)
