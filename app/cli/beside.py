"""Commands work on the data of a running server, or start its Redis for as long as they take."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from app import main
from app.embedded import find
from app.settings import Settings
from app.store.audit import Audit
from app.store.clients import commands

T = TypeVar("T")


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


async def noted(settings: Settings, shelf: Callable[[Any], T], work: Callable[[T, Audit], Awaitable[None]]) -> None:
    """Does `work` with a part of the store, as `shelf` makes it of a client, and the trail that says so."""

    async def on(url: str) -> None:
        client = commands(url)
        try:
            await work(shelf(client), Audit(client, time.time))
        finally:
            await client.aclose()

    await beside(settings, on)
