"""A shop to look at: the server on data of its own, and the sandbox playing the order systems over real HTTP."""

import asyncio
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from app import main, providers
from app.errors import Fatal
from app.main import House
from app.sandbox.day import Feed, Step, rush
from app.sandbox.play import play
from app.settings import Settings, Source, check
from app.store.people import User
from app.web.staff import HASHER

STORE: Final = {
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


def config(data: Path, port: int) -> dict[str, Any]:
    """One shop, two order systems, secrets made up for this run."""
    return {
        "server": {"port": port, "public_url": f"http://localhost:{port}", "data_dir": str(data), "map_tiles": "none"},
        "stores": [STORE],
        "sources": [
            {"id": "jane-68", "provider": "jane", "secret": secrets.token_urlsafe(24), "store": "68"},
            {
                "id": "lola",
                "provider": "lolamarket",
                "secret": secrets.token_urlsafe(24),
                "store": "68",
                "bags_item": "98761",
            },
        ],
    }


async def run(data: Path, *, port: int, seed: int, speed: float) -> None:
    """Until Ctrl-C. What an earlier demo left is thrown away, so that every one begins alike."""
    if (data / "engine.json").exists():
        shutil.rmtree(data)
    elif data.exists() and any(data.iterdir()):
        raise Fatal(f"{data} holds something that no demo has left there. Name another folder with --data.")
    systems = providers.load()
    settings = check(config(data, port), {}, {name: system.options for name, system in systems.items()})

    async def beside(house: House) -> None:
        await _show(house, settings, seed, speed)

    await main.serve(settings, beside)


async def _show(house: House, settings: Settings, seed: int, speed: float) -> None:
    password = secrets.token_urlsafe(9)
    user = User("demo", "admin", (), await asyncio.to_thread(HASHER.hash, password))
    await house.site.people.save(user)
    feeds = [_feed(settings, source) for source in settings.sources.values()]
    story = rush(feeds, seed=seed, start=datetime.now(UTC))
    first = None
    past = []
    for step in story:
        if step.at >= 0:
            first = step
            break
        past.append(step)
    await play(past, feeds, speed=1e6)
    await _greet(house, settings, password, past)
    await play(_from(first, story), feeds, speed=speed)


def _from(first: Step | None, rest: Any) -> Any:
    if first is not None:
        yield first
    yield from rest


def _feed(settings: Settings, source: Source) -> Feed:
    store = settings.stores[source.store or ""]
    return Feed(
        source=source.id,
        provider=source.provider,
        url=f"http://127.0.0.1:{settings.server.port}/hooks/{source.id}",
        secret=source.secret,
        store=store.id,
        store_name=store.name,
        timezone=store.timezone,
        bags_item=getattr(source.options, "bags_item", None) or "",
    )


async def _greet(house: House, settings: Settings, password: str, past: list[Step]) -> None:
    """Says where to look. The links go to one open order of each system."""
    site, shown = house.site, dict[str, str]()
    for step in reversed(past):
        key = f"{step.feed}:{step.ref}"
        record = await site.orders.get(key)
        if step.feed not in shown and record is not None and record.order.end is None and record.order.stage != "cart":
            _, token = await site.links.make(key, "customer", site.clock())
            shown[step.feed] = f"{settings.server.public_url}/t/{token}"
    lines = [
        "",
        "  Orderboard is running, with sandbox orders coming in.",
        "",
        f"  Board     {settings.server.public_url}/board/68",
        f"  Sign in   demo / {password}",
        *(f"  Tracking  {url}" for url in shown.values()),
        "",
        "  Ctrl-C ends it.",
        "",
    ]
    print("\n".join(lines), flush=True)
