"""`orderboard replay`: what is in quarantine, or a call that needed a person, tried again."""

import argparse
import time

from app import providers
from app.cli.beside import beside
from app.errors import Fatal
from app.intake import Intake
from app.services.replay import Replay
from app.settings import Settings
from app.store.clients import commands, listening
from app.store.orders import Orders
from app.store.outbox import Outbox
from app.store.quarantine import Quarantine

CALLS_MOST = 10_000


async def replay(settings: Settings, args: argparse.Namespace) -> None:
    if bool(args.id) == (args.all or args.calls):
        raise Fatal("Name one ID (of a quarantine entry or a call), or --all of the quarantine, or --calls.")

    async def work(url: str) -> None:
        client = commands(url)
        orders = Orders(client, commands(url), listening(url), replicas=settings.server.replicas)
        quarantine, outbox = Quarantine(client), Outbox(client)
        systems = providers.load()
        sources = {source.id: (source, systems[source.provider]) for source in settings.sources.values()}
        intake = Intake(orders, quarantine, lambda _: None)  # a running server hears of it through Redis
        try:
            done = Replay(sources, orders, intake, quarantine, time.time)
            if args.calls:
                await _calls(outbox)
            elif args.all:
                await _all(done)
            else:
                await _one(done, quarantine, outbox, args.id)
        finally:
            await orders.close()

    await beside(settings, work)


async def _calls(outbox: Outbox) -> None:
    again = sum([await outbox.replay(call.key, time.time()) for call in await outbox.dead(CALLS_MOST)])
    print(f"{again} calls will be made again.")


async def _all(replay: Replay) -> None:
    healed, left = await replay.every()
    for kept, said in left:
        print(f"{kept.id}  {kept.source}  {said}")
    print(f"{healed} replayed, {len(left)} left.")


async def _one(replay: Replay, quarantine: Quarantine, outbox: Outbox, name: str) -> None:
    kept = await quarantine.get(name)
    if kept is None:
        if not await outbox.replay(name, time.time()):
            raise Fatal(f"There is no {name!r} in quarantine, nor a call that needs a person.")
        print("The call will be made again.")
        return
    said = await replay.one(kept)
    if said is not None:
        raise Fatal(f"It can't be used yet: {said}")
    print("Replayed.")
