"""Two pollers on one Redis: no order is asked about twice, and what a killed one had in hand is taken over."""

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from beside import PAUSE, buy, settings, until, working, world

from app.main import House
from app.providers.contract import Follow
from app.sandbox.world import World
from app.services.poller import encode
from app.store.lease import LEASE

pytestmark = pytest.mark.anyio
ORDERS = 40

NODE = """
import asyncio, sys
sys.path[:0] = sys.argv[3:]
from beside import settings, working

async def main():
    async with working(sys.argv[1], settings(sys.argv[2]), "poller"):
        print("ready", flush=True)
        await asyncio.sleep(120)

asyncio.run(main())
"""


def node(url: str, base: str) -> subprocess.Popen[bytes]:
    here = Path(__file__).parents[1]
    words = [sys.executable, "-c", NODE, url, base, str(here), str(here.parent)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def asked(made: World) -> dict[str, list[float]]:
    """When each order itself was asked for."""
    times: dict[str, list[float]] = defaultdict(list)
    for call in made.called("GET", "/post_checkout/orders/"):
        name = call.path.rpartition("/orders/")[2]
        if "/" not in name:
            times[name].append(call.at)
    return times


async def followed(house: House, made: World) -> None:
    for number in range(ORDERS):
        buy(made, f"o{number}").enter("picking", time.time())
        follow = Follow(source="insta", ref=f"o{number}", began=time.time(), user_id="u1")
        await house.site.follows.follow("insta", follow.key, encode(follow), time.time())


async def test_nobody_asks_twice_and_a_dead_nodes_work_goes_on(redis_url: str) -> None:
    async with world() as (made, base):
        other = await asyncio.to_thread(node, redis_url, base)
        try:
            async with working(redis_url, settings(base), "poller") as house:
                await followed(house, made)
                await until(lambda: len(asked(made)) == ORDERS and min(map(len, asked(made).values())) >= 8, within=60)
                closest = min(b - a for times in asked(made).values() for a, b in pairwise(times))
                assert closest > 0.7 * PAUSE, "two nodes asked about one order"
                mine, all_ = house.work.watch._polls["insta"].polls, len(made.called("GET", "/post_checkout/"))
                assert 0.02 * all_ < mine < 0.98 * all_, "one of them did all the work"
        finally:
            other.kill()
            other.wait()
            assert other.stdout is not None
            other.stdout.close()


async def test_what_a_killed_node_had_in_hand_is_taken_over(redis_url: str) -> None:
    async with world() as (made, base):
        other = await asyncio.to_thread(node, redis_url, base)
        try:
            async with working(redis_url, settings(base)) as house:
                made.trouble.plan(0, times=8, path="/post_checkout/", seconds=30.0)
                await followed(house, made)
                await until(lambda: sum(map(len, asked(made).values())) >= 8, "eight calls under way", 50)
                other.kill()
                died = time.time()
                held = set(asked(made))
                task = asyncio.create_task(house.work.poller.run())
                await until(lambda: all(max(asked(made)[ref]) > died for ref in held), "the takeover", 5 * LEASE)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            last = max(min(at for at in asked(made)[ref] if at > died) for ref in held)
            assert last - died <= LEASE + 5.0
        finally:
            other.kill()
            other.wait()
            assert other.stdout is not None
            other.stdout.close()
