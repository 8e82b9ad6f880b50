"""`orderboard export` and `orderboard import`: all that must last, as lines of JSON. This is the backup, and the way to
another engine. The lines hold customers' data and the hashes of passwords."""

import argparse
import shutil
import sys
import time
from collections import Counter
from importlib.metadata import version
from tempfile import SpooledTemporaryFile
from typing import Any, Final

from app.cli.beside import beside
from app.errors import Away, Fatal
from app.intake import standing
from app.settings import Settings
from app.store.carried import UNCHANGED, checked
from app.store.carry import Export, Import
from app.store.clients import commands, listening
from app.store.erasing import Erasing
from app.store.orders import Orders

SPOOL: Final = 16 * 1024 * 1024  # bytes of an export that are kept in memory, the rest on disk

COUNTED: Final = {
    "orders": "orders", "link": "links", "screen": "screens", "user": "accounts", "token": "API tokens",
    "f": "followed orders", "out": "calls", "qe": "quarantined messages",
}  # fmt: skip


async def send(settings: Settings, _: argparse.Namespace) -> None:
    """To stdout. Raises BrokenPipeError where nobody reads it any more."""

    async def work(url: str) -> None:
        client = commands(url)
        export = Export(client)
        try:
            async for line in export.lines(version("orderboard"), time.time()):
                sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Fatal(f"The export can't be written ({error.strerror}): what there is of it is of no use.") from None
        finally:
            await client.aclose()
        if export.unread:
            print(f"Left out, because they can't be read: {export.unread:,} orders.", file=sys.stderr)
        if export.unknown:
            print(f"Left out, of a newer version: {', '.join(sorted(export.unknown))}.", file=sys.stderr)

    await beside(settings, work)


async def take(settings: Settings, _: argparse.Namespace) -> None:
    """From stdin, all of it read and checked before anything is written."""
    if sys.stdin.isatty():
        raise Fatal("Say what to import: orderboard import < orderboard.jsonl")
    with SpooledTemporaryFile(SPOOL) as file:
        try:
            shutil.copyfileobj(sys.stdin.buffer, file)
        except OSError as error:
            raise Fatal(f"There is no room to check the input first ({error.strerror}). {UNCHANGED}") from None
        file.seek(0)
        erased = checked(file)

        async def work(url: str) -> None:
            file.seek(0)
            back = await _taken(settings, url, file, erased)
            print(told(back.done), *_homeless(back.stores - {"", *settings.stores}), sep="\n", file=sys.stderr)

        await beside(settings, work)


async def _taken(settings: Settings, url: str, file: Any, erased: set[str]) -> Import:
    client = commands(url)
    replicas = settings.server.replicas
    orders = Orders(client, commands(url), listening(url), replicas=replicas)
    erasing = Erasing(client, orders, replicas=replicas)
    back = Import(client, orders, erasing, lambda order, here: standing(order, here, time.time()))
    try:
        await back.run(file, erased)
    except Away as error:
        done = back.done["orders"]
        raise Fatal(f"After {done:,} orders: {error} Import the same again: what is here by now is left.") from error
    finally:
        await orders.close()
    return back


def _homeless(stores: set[str]) -> list[str]:
    names = ", ".join(sorted(stores))
    return [f"No board shows the orders of these stores, which the config doesn't name: {names}."] if stores else []


def told(done: Counter[str]) -> str:
    parts = [
        f"{done[kind]:,} {name.removesuffix('s') if done[kind] == 1 else name}"
        for kind, name in COUNTED.items()
        if done[kind] or kind == "orders"
    ]
    newer = f" {done['newer']:,} stood here as new or newer, and stayed." if done["newer"] else ""
    was = "was" if done["gone"] == 1 else "were"
    gone = f" {done['gone']:,} had been erased, and {was} left out." if done["gone"] else ""
    return f"Imported {', '.join(parts)}.{newer}{gone}"


def parsers(commands_: Any) -> None:
    out = commands_.add_parser(
        "export",
        help="write everything that must last to stdout, as JSON lines: the backup. It holds customers' data",
    )
    out.set_defaults(run=send)
    back = commands_.add_parser("import", help="read an export from stdin; what stands here and is newer stays")
    back.set_defaults(run=take)
