"""The order systems' API on its own: `python -m app.sandbox --port 8900 --orders 20`. What is needed to call it is
written to the standard output, a line of JSON for each account and each Instacart order."""

import argparse
import asyncio
import contextlib
import secrets
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec

from app.sandbox import instacart
from app.sandbox.server import serve
from app.sandbox.sides import Feed, Plan
from app.sandbox.world import World


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m app.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--orders", type=int, default=10, help="Instacart orders, each of another customer")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(given.port, given.orders, given.seed))


async def run(port: int, orders: int, seed: int) -> None:
    world = World()
    feeds = [_feed("instacart"), _feed("lolamarket"), _feed("jane"), _feed("urbit")]
    world.enrol(feeds)
    async with serve(world, port=port) as url:
        for feed in feeds:
            _say({"system": feed.provider, "base_url": url, **_account(feed)})
        for number in range(orders):
            _say({"order": fill(world, feeds[0], number, Random(f"{seed}/{number}"))})
        await asyncio.Event().wait()


def _feed(provider: str) -> Feed:
    name, secret = f"{provider}-sandbox", b64encode(secrets.token_bytes(24)).decode()
    return Feed(
        source=name,
        provider=provider,
        url="",
        secret=secret,
        store="1",
        store_name="Sandbox",
        timezone="UTC",
        client_id=name if provider in ("instacart", "lolamarket") else "",
        client_secret=secrets.token_urlsafe(24),
        store_key=name if provider == "urbit" else "",
    )


def _account(feed: Feed) -> dict[str, str]:
    if feed.store_key:
        return {"store_key": feed.store_key, "secret": feed.secret}
    return {"client_id": feed.client_id, "client_secret": feed.client_secret}


def _say(line: object) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


def fill(world: World, feed: Feed, number: int, rng: Random) -> object:
    """An order somewhere in its story, where it stays. What to follow it by."""
    story = rng.choice(list(instacart.STORIES))
    beats = instacart.tell(feed, Plan(number, story, 5400.0), rng).beats
    began = datetime.fromtimestamp(world.clock(), UTC) - timedelta(hours=1)
    times: list[datetime] = []
    follow = None
    for beat in beats[: rng.randrange(1, len(beats) + 1)]:
        times.append((times[-1] if times else began) + timedelta(seconds=beat.wait))
        news = beat.write(times)
        follow = follow or news.follow
        for deed in news.deeds:
            world.happen(deed)
    return follow


if __name__ == "__main__":
    main()
