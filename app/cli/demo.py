"""A chain of two shops to look at: the server on data of its own, and the sandbox playing all five order systems over
real HTTP, their side of every call included."""

import asyncio
import base64
import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import structlog

from app import main, providers
from app.errors import Fatal
from app.main import House
from app.sandbox.customers import Customers
from app.sandbox.day import Feed, Step, rush
from app.sandbox.play import play
from app.sandbox.server import serve as play_other_side
from app.sandbox.shop import Shop
from app.sandbox.world import World
from app.settings import Settings, Source, check
from app.store.people import User
from app.trips import delivering
from app.web.staff import HASHER

log = structlog.get_logger()

MISSION: Final = {
    "id": "68",
    "name": "Jane’s Shop",
    "timezone": "America/Los_Angeles",
    "latitude": 37.7599,
    "longitude": -122.4148,
    "bays": ["1", "2", "3", "4"],
    "currency": "USD",
    "street": "Mission Street",
    "phone": "+1 555 0100",
}
HARBOUR: Final = {
    "id": "7",
    "name": "Harbour Market",
    "timezone": "America/Los_Angeles",
    "latitude": 37.7936,
    "longitude": -122.3958,
    "bays": ["A", "B"],
    "currency": "USD",
    "street": "Harbour Walk",
    "phone": "+1 555 0107",
}
TOKEN: Final = "demo-" + secrets.token_urlsafe(24)
SYSTEMS: Final = (("jane", "68"), ("lolamarket", "68"), ("instacart", "68"), ("aifi", "7"), ("urbit", "7"))
FIRST: Final = ("instacart", "jane", "lolamarket")  # whose orders the printed links show


def config(data: Path, port: int, other: str) -> dict[str, Any]:
    """Two shops, five order systems, secrets made up for this run. `other`: where their APIs answer."""
    return {
        "server": {
            "port": port,
            "public_url": f"http://localhost:{port}",
            "data_dir": str(data),
            "api_token": TOKEN,
        },
        "stores": [MISSION, HARBOUR],
        "sources": [_source(system, store, other) for system, store in SYSTEMS],
    }


def _source(system: str, store: str, other: str) -> dict[str, Any]:
    secret = secrets.token_urlsafe(24)
    made: dict[str, Any] = {"id": f"{system}-{store}", "provider": system, "secret": secret, "store": store}
    if system == "jane":
        made |= {"base_url": other, "arrival_auth": f"Bearer {secret[:12]}"}
    elif system in ("lolamarket", "instacart"):
        made |= {"base_url": other, "client_id": "demo", "client_secret": secrets.token_urlsafe(12)}
        made |= {"bags_item": "98761"} if system == "lolamarket" else {}
    elif system == "urbit":
        made["secret"] = base64.b64encode(secrets.token_bytes(32)).decode()
        made |= {"base_url": other, "store_key": secrets.token_hex(8)}
    return made


async def run(data: Path, *, port: int, seed: int, speed: float) -> None:
    """Until Ctrl-C. What an earlier demo left is thrown away, so that every one begins alike."""
    if (data / "engine.json").exists():
        shutil.rmtree(data)
    elif data.exists() and any(data.iterdir()):
        raise Fatal(f"{data} holds something that no demo has left there. Name another folder with --data.")
    systems = providers.load()
    world = World()
    async with play_other_side(world) as other:
        told = {name: os.environ[name] for name in ("ORDERBOARD_MAP_TILES",) if name in os.environ}
        settings = check(config(data, port, other), told, {name: system.options for name, system in systems.items()})

        async def beside(house: House) -> None:
            await _show(house, settings, world, seed, speed)

        await main.serve(settings, beside)


async def _show(house: House, settings: Settings, world: World, seed: int, speed: float) -> None:
    password = secrets.token_urlsafe(9)
    await house.site.people.save(User("demo", "admin", (), await asyncio.to_thread(HASHER.hash, password)))
    base = f"http://127.0.0.1:{settings.server.port}"
    feeds = feeds_of(settings, base)
    world.enrol(feeds)
    story = rush(feeds, seed=seed, start=datetime.now(UTC))
    past, first = _past(story)
    bays = {store.id: store.bays for store in settings.stores.values()}
    async with Shop(base, TOKEN) as shop, Customers(base, TOKEN, bays, seed) as customers:
        await play(past, feeds, speed=1e6, world=world, on_follow=shop.follow)
        await _greet(house, settings, password)
        for complaint in shop.complaints:
            log.warning("an order is not followed", why=complaint)
        outside = asyncio.create_task(customers.come())
        try:
            await play(chain([first], story), feeds, speed=speed, world=world, on_follow=shop.follow)
        finally:
            outside.cancel()


def _past(story: Iterator[Step]) -> tuple[list[Step], Step]:
    """What had happened when the curtain rises, and the first step after it: the story has no end."""
    past: list[Step] = []
    for step in story:
        if step.at >= 0:
            return past, step
        past.append(step)
    raise Fatal("The sandbox has nothing to play.")


def feeds_of(settings: Settings, url: str) -> list[Feed]:
    """The configured sources as their order systems see them, calling a server at `url`."""
    return [_feed(settings, source, url) for source in settings.sources.values() if source.store]


def _feed(settings: Settings, source: Source, url: str) -> Feed:
    store, options = settings.stores[source.store or ""], source.options
    auth = getattr(options, "arrival_auth", None) or ""
    return Feed(
        source=source.id,
        provider=source.provider,
        url=f"{url}/hooks/{source.id}",
        secret=source.secret,
        signing_secret=getattr(options, "signing_secret", None) or "",
        store=store.id,
        store_name=store.name,
        timezone=store.timezone,
        bags_item=getattr(options, "bags_item", None) or "",
        client_id=getattr(options, "client_id", None) or "",
        client_secret=auth.removeprefix("Bearer ") or getattr(options, "client_secret", None) or "",
        store_key=getattr(options, "store_key", None) or "",
        currency=store.currency or "USD",
        place=(store.latitude or 0.0, store.longitude or 0.0),
    )


async def _greet(house: House, settings: Settings, password: str) -> None:
    """Says where to look. The links go to an order of each of two systems that is under way."""
    await asyncio.sleep(1.5)  # the first polls
    url = settings.server.public_url
    links = [link for system in FIRST if (link := await _link(house, system, url))]
    lines = [
        "",
        "  Orderboard is running, with sandbox orders coming in.",
        "",
        *(f"  Board     {url}/board/{store.id}   {store.name}" for store in settings.stores.values()),
        f"  Sign in   demo / {password}",
        *(f"  Tracking  {link}" for link in links[:2]),
        "",
        "  Ctrl-C ends it.",
        "",
    ]
    print("\n".join(lines), flush=True)


async def _link(house: House, system: str, url: str) -> str | None:
    site = house.site
    orders = (await site.orders.board("68", site.clock())).orders
    for order in sorted(orders, key=lambda order: not delivering(order)):  # the one with a map, if there is one
        if order.provider == system and order.end is None and order.stage != "cart":
            _, token = await site.links.make(order.key, "customer", site.clock(), order.store)
            return f"{url}/t/{token}"
    return None
