"""The other side of every configured order system, played against a server that runs: for trials and for training."""

import argparse
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from app.cli.demo import feeds_of
from app.errors import Fatal
from app.sandbox.day import Step, rush
from app.sandbox.play import Chaos, play
from app.sandbox.server import serve
from app.sandbox.shop import Shop
from app.sandbox.trouble import Trouble
from app.sandbox.world import World
from app.settings import Settings

CHAOS = Chaos(drop=0.02, repeat=0.15, reorder=0.1, delay=0.1, revert=0.03, errors=0.03, limits=0.02, slow=0.05)


async def run(settings: Settings, args: argparse.Namespace) -> None:
    """Until Ctrl-C. Polled sources find the sandbox under `base_url = "http://127.0.0.1:<port>"`."""
    token = args.token or settings.server.api_token
    if not token:
        raise Fatal("The sandbox needs an API token to have orders followed: --token, or server.api_token.")
    url = args.url or f"http://127.0.0.1:{settings.server.port}"
    chaos = CHAOS if args.chaos else None
    feeds = feeds_of(settings, url)
    if not feeds:
        raise Fatal("No source in the config has a store: there is nobody to play.")
    world = World(trouble=Trouble(chaos=chaos or Chaos()))
    world.enrol(feeds)

    def told(step: Step, status: int) -> None:
        print(f"{datetime.now(UTC):%H:%M:%S} {step.feed} {step.ref} {step.label}: {status or 'no answer'}", flush=True)

    async with AsyncExitStack() as open_:
        try:
            other = await open_.enter_async_context(serve(world, port=args.port))
        except (OSError, OverflowError) as error:
            raise Fatal(f"Port {args.port} can't be had ({error}). Name another with --port.") from None
        shop = await open_.enter_async_context(Shop(url, token))
        print(f"The order systems answer at {other}; their orders come to {url}. Ctrl-C ends it.", flush=True)
        story = rush(feeds, seed=args.seed, start=datetime.now(UTC))
        await play(story, feeds, speed=args.speed, chaos=chaos, world=world, on_follow=shop.follow, on_step=told)
