"""The other side of every order system, and our loops against it: for tests of the work beside the web."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from rig import SECRET, TOKEN, WAIT

from app import main, providers
from app.main import House
from app.sandbox.connect import Order
from app.sandbox.deeds import Address, Line, Purchase
from app.sandbox.server import serve
from app.sandbox.world import World
from app.settings import Settings, check

PAUSE = 0.25  # seconds between two polls while things happen
URBIT = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def settings(base: str, port: int = 8000, **common: Any) -> Settings:
    system = {"store": "68", "base_url": base, "poll_seconds": PAUSE, "rate": 200.0, **common}
    keys = {"client_id": "me", "client_secret": "k"}
    raw = {
        "server": {"port": port, "public_url": f"http://127.0.0.1:{port}", "api_token": TOKEN},
        "stores": [{"id": "68", "name": "Shop", "timezone": "UTC", "bays": ["1"]}],
        "sources": [
            {"id": "insta", "provider": "instacart", "secret": SECRET, **keys, **system},
            {"id": "urb", "provider": "urbit", "secret": URBIT, "store_key": "key", **system},
            {"id": "lola", "provider": "lolamarket", "secret": SECRET, **keys, **system},
            {"id": "jane", "provider": "jane", "secret": SECRET, "store": "68", "base_url": base, "rate": 200.0},
        ],
    }
    return check(raw, {}, {name: one.options for name, one in providers.load().items()})


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[tuple[World, str]]:
    made = World()
    made.accounts |= {("instacart", "me"): "k", ("lolamarket", "me"): "k", ("urbit", "key"): URBIT}
    async with serve(made) as base:
        yield made, base


@contextlib.asynccontextmanager
async def working(url: str, config: Settings, *loops: str) -> AsyncIterator[House]:
    """The parts, with these of the loops going."""
    house = main.build(config, url)
    tasks = [asyncio.create_task(getattr(house.work, loop).run()) for loop in loops]
    try:
        yield house
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await house.work.close()
        await house.site.orders.close()


async def until(
    fits: Callable[[], Any] | Callable[[], Coroutine[Any, Any, Any]], what: str = "it", within: float = WAIT
) -> Any:
    end = time.monotonic() + within
    while time.monotonic() < end:
        said = fits()
        said = await said if asyncio.iscoroutine(said) else said
        if said:
            return said
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what} did not come to be")


def buy(made: World, ref: str = "o1", kind: str = "delivery", user: str = "u1") -> Order:
    now = time.time()
    lines = (Line("1", "Bananas", "6"), Line("2", "Milk", "1"))
    home = Address("1 Main St", "Town", "CA", "94100")
    return made.place(
        Purchase(ref, user, kind, now, (now + 1800, now + 3600), lines, home, ((37.77, -122.42), (37.78, -122.41)))
    )
