"""Commands work on the data of a running server, or start its Redis for as long as they take."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from app import main
from app.embedded import find
from app.settings import Settings


async def beside(settings: Settings, work: Callable[[str], Awaitable[None]], patience: float = 10.0) -> None:
    """Does `work` with the URL of the Redis; one that is starting is waited for so many seconds."""
    running: str | None = settings.server.redis_url
    if not running:
        running = await asyncio.to_thread(find, Path(settings.server.data_dir), patience)
    if running:
        await work(running)
        return
    async with main.backed(settings) as url:
        await work(url)
