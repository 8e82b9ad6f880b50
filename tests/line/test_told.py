"""What a customer's page gives away, looked for on the wire: in pages, in frames, and in what is asked for instead."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from rig import SECRET, TOKEN, WAIT, Served, free_port, settings_of
from websockets.sync.client import connect

from app.orders import OrderEvent, Step

API = {"Authorization": f"Bearer {TOKEN}"}
PRIVATE = {
    "phone": "2223344", "phone's end": "3344", "surname": "Brookes-Canary", "email": "canary@",
    "id of the cart": "7469133", "another order": "Z77", "its customer": "Zebra", "staff": "mara-the-clerk",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(redis_server: str) -> Iterator[Served]:
    running = Served(settings_of(free_port()), redis_server).start()
    yield running
    running.stop()


def order(served: Served, uuid: str, code: str, name: str) -> None:
    cart = {
        "id": 7469133, "uuid": uuid, "status": "ready_for_pickup", "reservation_mode": "curbside", "amount": 41.8,
        "store_id": 68, "queue_number": code, "customer_name": name, "customer_phone_number": "+1 112 222 3344",
        "customer_email": "canary@example.org", "reservation_start_window": "2036-06-21 22:45:00", "products": [],
    }  # fmt: skip
    body = {"cart": cart, "webhook_event": "cart_status_updated"}
    head = {"Authorization": f"Bearer {SECRET}"}
    assert httpx2.post(f"{served.base}/hooks/jane-68", json=body, headers=head).status_code == 202


def wire(served: Served, kind: str) -> dict[str, str]:
    """All that a link gets to see, through a check-in, by how it came."""
    made = httpx2.post(f"{served.base}/api/orders/jane-68/w1/links", json={"kind": kind}, headers=API).json()
    token = made["url"].rpartition("/")[2]
    seen = {}
    with (
        httpx2.Client(base_url=served.base, timeout=WAIT) as http,
        connect(f"{served.ws}/live/track/{token}", compression=None) as socket,
    ):
        frames = [str(socket.recv(WAIT))]
        http.post(f"/t/{token}/arrival", data={"state": "here", "bay": "2"}, headers={"Origin": "null"})
        frames.append(str(socket.recv(WAIT)))
        event = OrderEvent(source="jane-68", provider="jane", ref="w1", name="claimed", digest="", policy="local",
                           heard=served.house.site.clock(), by="mara-the-clerk", arrival=Step("claimed"))  # fmt: skip
        served.call(served.house.site.intake.take(event))
        frames.append(str(socket.recv(WAIT)))
        for path in ("", "/view", "/someone", "/app.webmanifest"):
            answer = http.get(f"/t/{token}{path}")
            seen[path or "page"] = answer.text + str(answer.headers)
    return {**seen, "frames": "".join(frames)}


def test_nothing_private_is_on_the_wire(served: Served) -> None:
    order(served, "w1", "G19", "Amida Brookes-Canary")
    order(served, "w2", "Z77", "Zebra Other")
    for kind in ("customer", "delegate"):
        for where, text in wire(served, kind).items():
            given = [name for name, value in PRIVATE.items() if value.lower() in without(text).lower()]
            assert given in ([], ["staff"]), (kind, where, given)
            assert "mara-the-clerk" not in text, (kind, where)


def without(text: str) -> str:
    """The text without what is random or a time, which may hold any digits."""
    return re.sub(r"data-[a-z]+=.?.[^ >]*|[0-9a-f]{12}|/t/[\\w-]+|datetime=.?.[^ >]*|[0-9.]{10,}", "", text)
