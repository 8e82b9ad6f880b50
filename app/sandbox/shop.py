"""The retailer's own part: after checkout it names each polled order to Orderboard, which follows it from then on."""

from collections.abc import Mapping
from types import TracebackType

import httpx2

from app.sandbox.sides import Feed


class Shop:
    """Calls POST /api/orders at `base` with an API token. What goes wrong is kept in `complaints`."""

    def __init__(self, base: str, token: str) -> None:
        self._client = httpx2.AsyncClient(base_url=base, timeout=10.0, headers={"Authorization": f"Bearer {token}"})
        self.complaints: list[str] = []

    async def __aenter__(self) -> "Shop":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self._client.aclose()

    async def follow(self, feed: Feed, wanted: Mapping[str, object]) -> None:
        body = {"source": feed.source, **{name: value for name, value in wanted.items() if value}}
        try:
            answer = await self._client.post("/api/orders", json=body)
        except httpx2.TransportError as error:
            self.complaints.append(f"{feed.source}: {type(error).__name__}")
            return
        if answer.status_code >= 400:
            self.complaints.append(f"{feed.source}: {answer.status_code} {answer.text[:200]}")
