"""Somebody in a shop without tills: a journey first, then the order that it becomes."""

from typing import Any

import httpx2
import pytest
from rig import SECRET, TOKEN, WAIT, Served

pytestmark = pytest.mark.anyio

SESSION = "b3b2c1d0-0000-4000-8000-000000000001"
COMMON = {
    "sessionId": SESSION, "session": {"sessionId": SESSION},
    "customer": {"id": "42", "externalId": "c-42"}, "storeId": 0,
    "store": {"oasisApiStoreId": 0, "aifiUniqueStoreId": "s"}, "storeExternalId": None, "shopperId": "1", "shopper": {},
}  # fmt: skip


async def say(served: Served, tail: str, minute: int, **more: Any) -> None:
    at = f"2026-01-10T10:{minute:02d}:00.000Z"
    body = {**COMMON, "timeOfOrigin": at, "timeOfIssue": at, **more}
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        answer = await client.post(f"/hooks/aifi{tail}", json=body, headers={"Authorization": f"Bearer {SECRET}"})
    assert (answer.status_code, answer.content) == (200, b"{}"), answer.text


async def ask(served: Served, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        return await client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})


def checkout(status: str) -> dict[str, Any]:
    return {
        "orderId": 0, "status": status, "cart": [], "amount": 3.5, "totalPrice": "3.50", "totalTax": "0.5",
        "subtotalPrice": "3.00", "payment": {"paymentProvider": "NONE", "paymentStatus": "success"},
    }  # fmt: skip


async def test_a_journey_becomes_its_order(served: Served) -> None:
    await say(served, "/entered", 0)
    await say(served, "/entered", 5, checkoutZoneId="2")
    journey = (await ask(served, f"/api/orders/aifi/session:{SESSION}")).json()
    assert (journey["stage"], journey["flags"], journey["store"]) == ("cart", ["in_zone"], "123")
    board = (await ask(served, "/api/stores/123/board")).json()["items"]
    assert [order["ref"] for order in board] == [f"session:{SESSION}"]
    await say(served, "/left", 6)
    await say(served, "", 8, **checkout("draft"))
    moved = await ask(served, f"/api/orders/aifi/session:{SESSION}")
    assert (moved.status_code, moved.headers["location"]) == (308, "/api/orders/aifi/0")
    order = (await ask(served, "/api/orders/aifi/0")).json()
    assert order["total"]["amount"] == "3.50"
    listed = (await ask(served, "/api/orders")).json()["items"]
    assert [one["ref"] for one in listed] == ["0"], "the visit is no second order"
    assert len(order["timeline"]) > 3, "the journey's timeline has moved over"
    await say(served, "/left", 9, checkoutZoneId="2")
    await say(served, "", 10, **checkout("completed"))
    again = (await ask(served, "/api/orders/aifi/0")).json()
    assert again["stage"] in ("fulfilled", "closed")
    board = (await ask(served, "/api/stores/123/board")).json()["items"]
    assert [order["ref"] for order in board] == ["0"], "nobody is shown twice"
