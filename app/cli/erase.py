"""`orderboard erase`: one order is forgotten, because somebody asked for it."""

import argparse
import re
import sys
import time
from typing import Final

from app import providers
from app.cli.beside import beside
from app.errors import Away, Fatal, NotUnderstood, Unreadable
from app.providers.contract import Call, Provider
from app.settings import Settings, Source
from app.store.audit import Audit
from app.store.clients import commands, listening
from app.store.erasing import Erasing, Gone
from app.store.orders import Orders
from app.store.quarantine import Kept, Quarantine

TELLING: Final = 6  # characters that a ref needs to mean one order wherever it stands


STALE: Final = (
    "It is erased, but the append-only file of Redis still holds it, until that is written anew: have its operator run "
    "BGREWRITEAOF."
)


async def erase(settings: Settings, args: argparse.Namespace) -> None:
    async def work(url: str) -> None:
        client = commands(url)
        orders = Orders(client, commands(url), listening(url), replicas=settings.server.replicas)
        try:
            erasing = Erasing(client, orders, replicas=settings.server.replicas)
            gone = await erasing.erase(f"{args.source}:{args.ref}", time.time())
            if gone is None:
                raise Fatal(_unknown(settings, args.source, args.ref))
            bodies = await _unquarantine(settings, Quarantine(client), gone.key)
            await Audit(client, time.time).note("command line", "order_erased", store=gone.store, about=gone.key)
            print(_said(args.source, args.ref, gone, bodies))
            if not await _rewritten(erasing):
                print(STALE, file=sys.stderr)
        finally:
            await orders.close()

    await beside(settings, work)


async def _rewritten(erasing: Erasing) -> bool:
    try:
        return await erasing.rewrite()
    except Away:
        return False


def _unknown(settings: Settings, source: str, ref: str) -> str:
    known = "" if source in settings.sources else f" There is no source {source!r} in the config either."
    return (
        f"There is no order {ref!r} of {source!r}, and nothing has changed. Trying again won't help.{known} REF is the "
        "order system's own key, not the code that people know: GET /api/orders?code=… tells it."
    )


def _said(source: str, ref: str, gone: Gone, bodies: int) -> str:
    counts = (
        (gone.journeys, "journey", "journeys"),
        (gone.lines, "ledger line", "ledger lines"),
        (gone.links, "link", "links"),
        (gone.calls, "call", "calls"),
        (bodies, "body in quarantine", "bodies in quarantine"),
    )
    went = ["the order"] * gone.order + [
        f"{count} {one if count == 1 else more}" for count, one, more in counts if count
    ]
    if not went:
        return f"{source} {ref} was erased before. Nothing of it was left."
    return f"Erased {source} {ref}: {', '.join(went)}."


async def _unquarantine(settings: Settings, quarantine: Quarantine, key: str) -> int:
    """Drops the bodies about the order that could not be used. Answers how many."""
    source, systems, dropped = settings.sources.get(key.partition(":")[0]), providers.load(), 0
    for name in await quarantine.ids(key.partition(":")[0]):
        kept = await quarantine.get(name)
        if kept is not None and about(kept, key, source, systems[source.provider] if source else None):
            await quarantine.drop(kept)
            dropped += 1
    return dropped


def about(kept: Kept, key: str, source: Source | None, provider: Provider | None) -> bool:
    """Is it about this order? What nobody can read is, where the order's ref stands in it."""
    if source is not None and provider is not None:
        call = Call(method=kept.method, tail=kept.tail, query=kept.query, body=kept.body, heard=kept.heard)
        try:
            return any(event.key == key for event in provider.parse(source, call))
        except (Unreadable, NotUnderstood):
            pass
    ref = key.partition(":")[2]
    word = rb"(?<![\w-])" + re.escape(ref.encode()) + rb"(?![\w-])"
    return len(ref) >= TELLING and re.search(word, kept.query + b" " + kept.body) is not None
