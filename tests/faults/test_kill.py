"""What was acknowledged is there after `kill -9` of the app, of Redis, or of both, at any moment."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path
from random import Random

import httpx2
import pytest
from rig import SECRET, TOKEN, WAIT, Shop

pytestmark = pytest.mark.anyio

TRIES = int(os.environ.get("KILL_TRIES", "9"))  # 100 before a release
VICTIMS = ("app", "redis", "both")


def body(ref: str) -> bytes:
    return json.dumps(
        {
            "eventId": ref, "eventName": "order.confirmed", "eventProvider": "glovo-xl",
            "eventTimestamp": "2023-01-10T18:31:00Z",
            "eventPayload": {"id": ref, "orderRef": ref, "serviceType": "DELIVERY"},
        }
    ).encode()  # fmt: skip


async def pour(shop: Shop, name: str, acked: set[str], stop: asyncio.Event) -> None:
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    number = 0
    async with httpx2.AsyncClient(timeout=WAIT) as client:
        while not stop.is_set():
            number += 1
            ref = f"{name}-{number}"
            try:
                answer = await client.post(
                    f"http://127.0.0.1:{shop.port}/hooks/lola", content=body(ref), headers=headers
                )
            except httpx2.TransportError:
                await asyncio.sleep(0.02)
                continue
            assert answer.status_code in (202, 503), answer.status_code
            if answer.status_code == 202:
                acked.add(ref)


async def stored(shop: Shop) -> set[str]:
    found: set[str] = set()
    cursor = "0"
    async with httpx2.AsyncClient(timeout=WAIT, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        while cursor is not None:
            page = (await client.get(f"http://127.0.0.1:{shop.port}/api/orders?limit=200&cursor={cursor}")).json()
            found |= {order["ref"] for order in page["items"]}
            cursor = page["next"]
    return found


async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    rng = Random(20)
    shop = Shop(tmp_path)
    acked: set[str] = set()
    shop.start()
    await shop.ready()
    for turn in range(TRIES):
        victim = VICTIMS[turn % 3]
        stop = asyncio.Event()
        before = len(acked)
        async with asyncio.TaskGroup() as tasks:
            for lane in range(8):
                tasks.create_task(pour(shop, f"{turn}-{lane}", acked, stop))
            await asyncio.sleep(rng.uniform(0.05, 0.6))
            shop.kill(victim)
            if victim != "redis":
                shop.start()
            else:
                await asyncio.sleep(0.3)
            await shop.ready()
            await asyncio.sleep(0.1)
            stop.set()
        assert len(acked) > before, "nothing was acknowledged, so nothing was tested"
    lost = acked - await stored(shop)
    shop.stop()
    print(f"{TRIES} kills, {len(acked)} acknowledged, {len(lost)} lost")
    assert not lost


async def test_it_stops_within_five_seconds_and_leaves_nothing_running(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.start()
    await shop.ready()
    server = json.loads((tmp_path / "data" / "server.json").read_text())["pid"]
    began = time.monotonic()
    shop.stop()
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


async def test_it_stops_within_five_seconds_beside_a_store_that_answers_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.start()
    await shop.ready()
    server = json.loads((tmp_path / "data" / "server.json").read_text())["pid"]
    os.kill(server, signal.SIGSTOP)
    await asyncio.sleep(2)
    began = time.monotonic()
    shop.stop()
    assert time.monotonic() - began < 5
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
