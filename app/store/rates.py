"""How fast all nodes together may ask a source, and how long it wants to be left alone."""

from pathlib import Path

from redis.asyncio import Redis

from app.store.line import Line


class Rates:
    def __init__(self, client: Redis) -> None:
        self._line = Line(client, Path(__file__).with_suffix(".lua").read_text())

    async def turns(self, source: str, rate: float, most: float, count: int) -> float:
        """Takes the next slots, 1/rate seconds apart, and answers the seconds until the first comes; where these are
        more than `most`, takes none."""
        return float(await self._line.call(["ob:rate:" + source, repr(rate), repr(most), 0, count]))

    async def hold(self, source: str, rate: float, seconds: float) -> None:
        """No node gets a slot for so long."""
        await self._line.call(["ob:rate:" + source, repr(rate), 0, repr(seconds), 0])
