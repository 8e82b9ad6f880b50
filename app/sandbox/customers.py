"""Customers of orders that are ready: now and then one drives up and says so on the tracking page."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from random import Random
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

APART: Final = (12.0, 40.0)  # seconds from one to the next
MOST: Final = 3  # outside a store at once
DUE: Final = ("ready", "curbside")
CARS: Final = ("grey Corolla", "blue Civic", "white Model 3", "red Fiesta", "green Golf", "black Octavia")


class Customers:
    """`bays`: those of each store. Calls the API and the tracking pages at `base`."""

    def __init__(self, base: str, token: str, bays: Mapping[str, Sequence[str]], seed: int) -> None:
        self._client = httpx2.AsyncClient(base_url=base, timeout=10.0, headers={"Origin": base})
        self._token = {"Authorization": f"Bearer {token}"}
        self._bays = bays
        self._rng = Random(seed)

    async def __aenter__(self) -> "Customers":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self._client.aclose()

    async def come(self) -> None:
        """For ever. What goes wrong is no customer of today."""
        while True:
            for store in self._bays:
                with contextlib.suppress(httpx2.HTTPError):
                    await self.one(store)
            await asyncio.sleep(self._rng.uniform(*APART))

    async def one(self, store: str) -> str | None:
        """The code of the order whose customer is outside now; None where nobody comes."""
        orders = await self._orders(store)
        taken = {order["arrival"]["bay"] for order in orders if order["arrival"]}
        free = [bay for bay in self._bays[store] if bay not in taken]
        due = [order for order in orders if (order["stage"], order["fulfilment"]) == DUE and not order["arrival"]]
        if not due or not free or len(taken) >= MOST:
            return None
        order = self._rng.choice(due)
        made = await self._client.post(f"/api/orders/{order['source']}/{order['ref']}/links", headers=self._token)
        made.raise_for_status()
        said = {"state": "here", "bay": self._rng.choice(free), "vehicle": self._rng.choice(CARS)}
        page = urlsplit(made.json()["url"]).path
        answer = await self._client.post(f"{page}/arrival", data=said)
        return str(order["code"]) if answer.is_redirect else None

    async def _orders(self, store: str) -> list[dict[str, Any]]:
        wanted = {"store": store, "open": "true", "limit": "100"}
        answer = await self._client.get("/api/orders", params=wanted, headers=self._token)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return found
