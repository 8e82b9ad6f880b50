"""The line, from an order system's call to every screen, over real HTTP and real sockets."""

import asyncio
import hmac
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest
import redis
from rig import SECRET, TOKEN, WAIT, Served, free_port, settings_of
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app import providers
from app.settings import check

pytestmark = pytest.mark.anyio

BEARER = {"Authorization": f"Bearer {SECRET}"}
API = {"Authorization": f"Bearer {TOKEN}"}


def jane(
    status: str = "verification", uuid: str = "fed89a88-2928-4a1f-9134-45c2fd27b2ca", **more: Any
) -> dict[str, Any]:
    cart = {
        "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "pickup", "amount": 41.8, "store_id": 68,
        "store_name": "Jane's Shop", "queue_number": "G19", "customer_name": "John Smith",
        "checked_out_time": "2021-06-21 21:41:28", "created_at": "2021-06-21 21:41:20",
        "reservation_start_window": "2021-06-21 22:45:00", "customer_phone_number": "+1112223333", "products": [],
    }  # fmt: skip
    return {"cart": {**cart, **more}, "webhook_event": "cart_status_updated"}


def lola(name: str, at: str, ref: str = "3fa85f64", **more: Any) -> dict[str, Any]:
    payload = {
        "id": ref,
        "orderRef": "238120381238",
        "serviceType": "DELIVERY",
        "pickingLocation": {"id": "68", "name": "N"},
    }
    return {
        "eventId": 1201895966044343902, "eventName": name, "eventProvider": "glovo-xl", "eventTimestamp": at,
        "eventPayload": {**payload, **more},
    }  # fmt: skip


async def post(base: str, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=base, timeout=WAIT) as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(
            path, content=content, headers={"Content-Type": "application/json", **(headers or BEARER)}
        )


async def get(base: str, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=base, timeout=WAIT) as client:
        return await client.get(path, headers=headers or API)


@asynccontextmanager
async def board(served: Served, store: str = "68") -> AsyncIterator[ClientConnection]:
    async with connect(f"{served.ws}/live/board/{store}", additional_headers=API) as socket:
        yield socket


async def frame(socket: ClientConnection) -> dict[str, Any]:
    """The next frame with content."""
    async with asyncio.timeout(WAIT):
        while True:
            said: dict[str, Any] = json.loads(await socket.recv())
            if "content" in said:
                return said


async def until(socket: ClientConnection, pattern: str) -> dict[str, Any]:
    async with asyncio.timeout(WAIT):
        while not re.search(pattern, (said := await frame(socket))["content"]):
            pass
        return said


async def test_one_webhook_reaches_every_screen(served: Served) -> None:
    async with board(served) as one, board(served) as two:
        first = await frame(one)
        await frame(two)
        epoch, seq = first["id"].split(":")
        answer = await post(served.base, "/hooks/jane-68", jane())
        assert answer.status_code == 202
        for socket in (one, two):
            said = await until(socket, "G19")
            assert said["id"] == f"{epoch}:{int(seq) + 1}"
    order = (await get(served.base, "/api/orders/jane-68/fed89a88-2928-4a1f-9134-45c2fd27b2ca")).json()
    assert (order["stage"], order["code"], order["store"], order["version"]) == ("placed", "G19", "68", 1)
    assert order["total"] == {"amount": "41.80", "currency": "USD"}
    assert order["promised"] == {"from": "2021-06-22T05:45:00Z", "to": None}


async def test_the_first_frame_is_the_whole_view(served: Served) -> None:
    await post(served.base, "/hooks/jane-68", jane(status="preparing"))
    async with board(served) as socket:
        assert "G19" in (await frame(socket))["content"]


async def test_a_customer_follows_behind_a_link(served: Served) -> None:
    await post(served.base, "/hooks/lola", lola("order.confirmed", "2023-01-10T18:31:00Z"))
    made = await post(served.base, "/api/orders/lola/3fa85f64/links", b"", API)
    assert made.status_code == 201
    token = made.json()["url"].rsplit("/", 1)[1]
    page = await get(served.base, f"/t/{token}", {"Accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    async with connect(f"{served.ws}/live/track/{token}") as socket:
        first = await frame(socket)
        await post(served.base, "/hooks/lola", lola("order.in.picking", "2023-01-10T18:32:00Z"))
        second = await frame(socket)
        assert int(second["id"].split(":")[1]) == int(first["id"].split(":")[1]) + 1
        assert second["content"] != first["content"]
        revoked = await delete(served.base, f"/api/links/{made.json()['id']}")
        assert revoked.status_code == 204
        with pytest.raises(ConnectionClosed) as closed:
            await frame(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4403
    assert (await get(served.base, f"/t/{token}", {"Accept": "text/html"})).status_code == 404


async def delete(base: str, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=base, timeout=WAIT) as client:
        return await client.delete(path, headers=API)


async def test_links_of_strangers_all_look_alike(served: Served) -> None:
    pages = [await get(served.base, f"/t/{token}", {"Accept": "text/html"}) for token in ("x", "y" * 32, "z" * 300)]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1
    async with connect(f"{served.ws}/live/track/{'y' * 32}") as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await frame(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4404


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/hooks/nobody", BEARER, 404),
        ("/hooks/jane-68/cart", BEARER, 404),
        ("/hooks/jane-68", {}, 401),
        ("/hooks/jane-68", {"Authorization": "Bearer " + "x" * len(SECRET)}, 401),
        ("/hooks/jane-68", {"Authorization": "Bearer x"}, 401),
        ("/hooks/lola", {}, 401),
        ("/hooks/lola/wrong", {}, 401),
        (f"/hooks/lola/{SECRET}", {}, 400),  # the secret in the path is right; the body is Jane's
        ("/hooks/jane-68", {**BEARER, "Content-Type": "text/plain"}, 415),
        ("/hooks/jane-68", {**BEARER, "Content-Type": "application/json; charset=utf-16"}, 415),
        ("/hooks/jane-68", {**BEARER, "Content-Encoding": "gzip"}, 415),
    ],
)
async def test_who_may_call(served: Served, path: str, headers: dict[str, str], status: int) -> None:
    answer = await post(served.base, path, jane(), headers or {"X-None": "1"})
    assert answer.status_code == status
    assert answer.json()["status"] == status


async def test_a_signed_call_is_checked_over_the_body_that_came(redis_url: str) -> None:
    port = free_port()
    raw = msgspec.to_builtins(settings_of(port).server)
    config = {
        "server": raw,
        "stores": [{"id": "68", "name": "S", "timezone": "UTC"}],
        "sources": [
            {"id": "jane-68", "provider": "jane", "secret": SECRET, "signing_secret": SECRET[::-1], "store": "68"}
        ],
    }
    signed = Served(check(config, {}, {name: one.options for name, one in providers.load().items()}), redis_url).start()
    try:
        body, stamp = json.dumps(jane()).encode(), str(int(time.time()))
        proof = hmac.new(SECRET[::-1].encode(), f"{stamp}:".encode() + body, "sha256").hexdigest()
        headers = {**BEARER, "X-Jane-Signature": proof, "X-Jane-Request-Timestamp": stamp}
        assert (await post(signed.base, "/hooks/jane-68", body, headers)).status_code == 202
        assert (await post(signed.base, "/hooks/jane-68", body + b" ", headers)).status_code == 401
        assert (await post(signed.base, "/hooks/jane-68", body)).status_code == 401
    finally:
        signed.stop()


async def test_other_methods_are_refused(served: Served) -> None:
    async with httpx2.AsyncClient(base_url=served.base) as client:
        answer = await client.put("/hooks/jane-68", headers=BEARER)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def deep(levels: int) -> bytes:
    return b'{"cart":' + b"[" * levels + b"]" * levels + b"}"


BAD = {
    "empty": b"",
    "spaces": b"   ",
    "no JSON": b"{nope",
    "an array": b"[]",
    "null": b"null",
    "no cart": b"{}",
    "bad UTF-8": b'{"cart": "\xff\xfe"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"cart": {"uuid": "u", "status": "preparing", "amount": NaN}}',
    "a lone surrogate": json.dumps({**jane(), "x": "\ud800"}).encode(),
    "33 levels": deep(33),
    "100,000 levels": deep(100_000),
    "a wrong type": json.dumps(jane(status=["preparing"])).encode(),  # type: ignore[arg-type]
    "a number for a text": json.dumps(jane(uuid=5)).encode(),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_bodies_are_refused_and_kept(served: Served, name: str) -> None:
    answer = await post(served.base, "/hooks/jane-68", BAD[name])
    assert answer.status_code == 400, answer.text
    kept = served.call(served.house.site.quarantine.list(10))
    assert [(one.why, one.body) for one in kept] == [("unreadable", BAD[name])]
    assert (await get(served.base, "/api/orders")).json()["items"] == []


async def test_what_is_not_understood_is_kept_and_acknowledged(served: Served) -> None:
    body = lola("order.teleported", "2023-01-10T18:31:00Z")
    assert (await post(served.base, "/hooks/lola", body)).status_code == 202
    assert (await post(served.base, "/hooks/lola", body)).status_code == 202
    kept = served.call(served.house.site.quarantine.list(10))
    assert [(one.why, one.count) for one in kept] == [("not understood", 2)]


async def test_a_body_too_large_is_refused_whatever_its_length_says(served: Served) -> None:
    assert (await post(served.base, "/hooks/jane-68", b" " * (256 * 1024 + 1))).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1024

    async with httpx2.AsyncClient(base_url=served.base) as client:
        answer = await client.post(
            "/hooks/jane-68", content=chunks(), headers={**BEARER, "Content-Type": "application/json"}
        )
    assert answer.status_code == 413


async def test_an_unknown_store_is_kept_apart_and_healed_later(served: Served) -> None:
    await post(
        served.base,
        "/hooks/lola",
        lola("order.confirmed", "2023-01-10T18:31:00Z", pickingLocation={"id": "999", "name": "?"}),
    )
    order = (await get(served.base, "/api/orders/lola/3fa85f64")).json()
    kept = served.call(served.house.site.quarantine.list(10))
    assert order["store"] is None
    assert [one.why for one in kept] == ["unknown store"]


async def test_redis_away_is_a_503_within_two_seconds(served: Served) -> None:
    pid = int(redis.Redis.from_url(served.url).info("server")["process_id"])
    frozen(pid, True)
    try:
        began = time.monotonic()
        answer = await post(served.base, "/hooks/jane-68", jane())
        took = time.monotonic() - began
    finally:
        frozen(pid, False)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert took < 2
    again = await post(served.base, "/hooks/jane-68", jane())
    assert again.status_code == 202
    assert (await get(served.base, "/api/orders")).json()["items"][0]["version"] == 1


def frozen(pid: int, stop: bool) -> None:
    os.kill(pid, signal.SIGSTOP if stop else signal.SIGCONT)


async def test_no_order_is_readable_without_signing_in(served: Served) -> None:
    await post(served.base, "/hooks/jane-68", jane())
    for path in ("/api/orders", "/api/stores/68/board", "/api/orders/jane-68/fed89a88-2928-4a1f-9134-45c2fd27b2ca"):
        assert (await get(served.base, path, {"X-None": "1"})).status_code == 401
    page = await get(served.base, "/board/68", {"Accept": "text/html"})
    assert page.status_code in (302, 303)
    assert page.headers["location"].startswith("/login")
    for headers, code in (({}, 4403), ({"Origin": served.base}, 4401), ({"Origin": "http://evil.example"}, 4403)):
        async with connect(f"{served.ws}/live/board/68", additional_headers=headers) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await frame(socket)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code


async def test_every_answer_carries_the_security_headers(served: Served) -> None:
    for path in ("/login", "/t/nothing", "/nowhere", "/healthz", "/static/app.css", "/api/orders"):
        answer = await get(served.base, path, {"X-None": "1"})
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        wanted = "no-referrer" if path.startswith("/t/") else "same-origin"
        assert answer.headers["referrer-policy"] == wanted, path


async def test_the_api_describes_itself(served: Served) -> None:
    for path in ("/api/schema", "/api/schema/openapi.json"):
        answer = await get(served.base, path, {"X-None": "1"})
        assert "/api/orders/{source}/{ref}" in answer.json()["paths"], path


async def test_ready_tells_the_truth(served: Served) -> None:
    deadline = time.monotonic() + WAIT
    while (await get(served.base, "/readyz")).status_code != 200:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert (await get(served.base, "/readyz")).json() == {"redis": "ok", "relay": "ok"}
