"""Several workers on one socket: they share the work, one that dies is replaced, and all stop together."""

import asyncio
import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from rig import SECRET, TOKEN, WAIT, Shop
from websockets.asyncio.client import connect

pytestmark = pytest.mark.anyio


def children(pid: int) -> list[int]:
    """The workers: children of the parent that run our command line."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"app.cli" in command:
            found.append(int(stat.parent.name))
    return found


def metrics(shop: Shop) -> str:
    return httpx2.get(f"{shop.base}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text


def order(ref: str) -> dict[str, object]:
    payload = {"id": ref, "orderRef": ref, "serviceType": "DELIVERY"}
    return {
        "eventId": ref,
        "eventName": "order.confirmed",
        "eventTimestamp": "2023-01-10T18:31:00Z",
        "eventPayload": payload,
    }


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path, "workers = 2")
    shop.start()
    yield shop
    if shop.process is not None and shop.process.poll() is None:
        shop.stop()


async def test_workers_share_the_work_and_are_replaced(shop: Shop) -> None:
    await shop.ready()
    assert shop.process is not None
    before = children(shop.process.pid)
    assert len(before) == 2
    seen: list[set[str]] = [set() for _ in range(8)]

    async def watch(mine: set[str]) -> None:
        address = f"ws://127.0.0.1:{shop.port}/live/board/68"
        async with connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
            async for text in socket:
                content = json.loads(text).get("content", "")
                mine |= {f"w-{number}" for number in range(20) if f">w-{number}<" in content}

    headers = {"Authorization": f"Bearer {SECRET}"}
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watch(mine)) for mine in seen]
        await asyncio.sleep(1.0)
        for number in range(20):  # a new connection each: the kernel deals them out
            answer = httpx2.post(f"{shop.base}/hooks/lola", json=order(f"w-{number}"), headers=headers)
            assert answer.status_code == 202
        async with asyncio.timeout(WAIT):
            while any(len(mine) < 20 for mine in seen):
                await asyncio.sleep(0.1)
        for task in watching:
            task.cancel()
    async with asyncio.timeout(WAIT):  # the workers' figures are added up, each told every second
        while 'orderboard_hooks_total{source="lola",status="202"} 20.0' not in metrics(shop):
            await asyncio.sleep(0.2)
    os.kill(before[0], signal.SIGKILL)
    until = time.monotonic() + 3 * WAIT
    while len(set(children(shop.process.pid)) - {before[0]}) < 2:
        assert time.monotonic() < until, "the dead worker was not replaced"
        await asyncio.sleep(0.1)
    await shop.ready()
    began = time.monotonic()
    shop.stop()
    assert time.monotonic() - began < 5 + WAIT / 2
    for pid in before:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_worker_that_cannot_be_started_for_now_harms_no_other(shop: Shop) -> None:
    await shop.ready()
    assert shop.process is not None
    parent = shop.process.pid
    first, second = children(parent)
    limits = resource.prlimit(parent, resource.RLIMIT_NOFILE)
    resource.prlimit(parent, resource.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 3 * WAIT
    while "Too many open files" not in (shop.folder / "log").read_text() and time.monotonic() < until:
        await asyncio.sleep(0.1)
    assert second in children(parent)
    resource.prlimit(parent, resource.RLIMIT_NOFILE, limits)
    while len(children(parent)) < 2 and time.monotonic() < until:
        await asyncio.sleep(0.1)
    assert len(children(parent)) == 2


async def test_a_worker_that_keeps_ending_holds_up_no_stop(shop: Shop) -> None:
    await shop.ready()
    assert shop.process is not None
    parent = shop.process.pid
    limits = resource.prlimit(parent, resource.RLIMIT_NOFILE)
    resource.prlimit(parent, resource.RLIMIT_NOFILE, (3, limits[1]))
    os.kill(children(parent)[0], signal.SIGKILL)
    until = time.monotonic() + 3 * WAIT
    while '"again_in": 5' not in (shop.folder / "log").read_text() and time.monotonic() < until:
        await asyncio.sleep(0.1)
    resource.prlimit(parent, resource.RLIMIT_NOFILE, limits)
    began = time.monotonic()
    shop.stop()
    assert time.monotonic() - began < 4.5
