"""The demo's customers: they come to the bays that are free, a few at a time, and the board shows them."""

import asyncio
from collections.abc import Iterator

import httpx2
import pytest
from crowd import jane
from msgspec.structs import replace
from rig import TOKEN, Served, free_port, settings_of

from app.sandbox.customers import MOST, Customers

API = {"Authorization": f"Bearer {TOKEN}"}
BAYS = ("1", "2", "3", "4", "5")


@pytest.fixture
def served(redis_url: str) -> Iterator[Served]:
    settings = settings_of(free_port())
    settings.stores["68"] = replace(settings.stores["68"], bays=BAYS)
    running = Served(settings, redis_url).start()
    yield running
    running.stop()


def visits(served: Served, bays: tuple[str, ...], tries: int) -> list[str | None]:
    async def called() -> list[str | None]:
        async with Customers(served.base, TOKEN, {"68": bays}, seed=1) as customers:
            return [await customers.one("68") for _ in range(tries)]

    return asyncio.run(called())


@pytest.mark.parametrize(("bays", "most"), [(BAYS[:2], 2), (BAYS, MOST)])
def test_as_many_come_as_there_is_room_for(served: Served, bays: tuple[str, ...], most: int) -> None:
    for number in range(5):
        jane(served, "ready_for_pickup", number)
    jane(served, "preparing", 9)
    codes = visits(served, bays, 5)
    assert [code is not None for code in codes] == [True] * most + [False] * (5 - most)
    orders = httpx2.get(f"{served.base}/api/orders", params={"store": "68"}, headers=API).json()["items"]
    outside = [order for order in orders if order["arrival"]]
    assert {order["code"] for order in outside} == set(codes[:most])
    assert len({order["arrival"]["bay"] for order in outside}) == most


def test_nobody_comes_for_what_is_not_ready_or_not_brought_out(served: Served) -> None:
    jane(served, "preparing", 1)
    jane(served, "ready_for_pickup", 2, kind="pickup")
    assert visits(served, BAYS, 2) == [None, None]
