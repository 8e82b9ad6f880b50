"""The command line. Every command but `serve` and `demo` works beside a running server and takes effect at once."""

import argparse
import contextlib
import os
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from getpass import getpass
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from app import main
from app.cli import carry, crew, demo, doctor, sandbox, tokens
from app.cli.beside import noted
from app.cli.erase import erase
from app.cli.replay import replay
from app.errors import Fatal, Problem
from app.settings import Settings
from app.store.audit import Audit
from app.store.people import NAME_MOST, ODD, ROLES, People, User, proper
from app.web.pins import checked_pin, wrong
from app.web.staff import PASSWORD_LEAST, sealed

FILES: Final = 65_536  # open at once: every socket is one, and the 1024 that a system gives by itself are soon gone

Command = Callable[[Settings, argparse.Namespace], Awaitable[int | None]]  # the exit code; None is 0


def many_files() -> None:
    """As many as the system lets us have; Redis and the workers have as many."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    with contextlib.suppress(ValueError, OSError):  # macOS says unlimited and means less
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), most))


async def serve(settings: Settings, _: argparse.Namespace) -> None:
    many_files()
    shared = crew.inherited()
    if shared is None and settings.server.workers > 1:
        await crew.run(settings)
    else:
        await main.serve(settings, shared=shared)


async def check(settings: Settings, _: argparse.Namespace) -> None:
    print(f"The config is fine: {len(settings.stores)} stores, {len(settings.sources)} sources.")


async def user_add(settings: Settings, args: argparse.Namespace) -> None:
    password = sys.stdin.readline().rstrip("\n") if args.password_stdin else getpass("Password: ")
    if len(password) < PASSWORD_LEAST:
        raise Fatal(f"The password needs {PASSWORD_LEAST} characters or more.")
    if not proper(args.name):
        raise Fatal(
            f"{args.name!r} can't be an account's name: 1 to {NAME_MOST} characters, none of {' '.join(sorted(ODD))}"
        )
    if not args.store and args.role != "admin":
        raise Fatal("Name at least one --store; only an admin sees all.")
    for store in args.store:
        if store not in settings.stores:
            raise Fatal(f"There is no store {store!r} in the config.")
    user = User(args.name, args.role, tuple(args.store), sealed(password))

    async def save(people: People, audit: Audit) -> None:
        was = await people.user(user.name)
        kept = msgspec.structs.replace(user, pin=was.pin, subject=was.subject) if was else user
        await people.save(kept)
        await people.expel(user.name)
        await audit.note("command line", "user_changed" if was else "user_added", about=user.name, detail=user.role)

    await noted(settings, People, save)
    print(f"{args.name} can sign in.")


async def user_pin(settings: Settings, args: argparse.Namespace) -> None:
    said = sys.stdin.readline().strip() if args.pin_stdin else getpass("PIN (empty: none): ")
    pin = sealed(checked_pin(said)) if said else ""

    async def change(people: People, audit: Audit) -> None:
        if await people.change(args.name, pin=pin) is None:
            raise Fatal(f"There is no account {args.name!r}.")
        await people.forgive(*wrong(args.name))
        await audit.note("command line", "pin_changed", about=args.name, detail="" if pin else "removed")

    await noted(settings, People, change)
    print(f"{args.name} has a PIN." if pin else f"{args.name} has no PIN.")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser("orderboard", description="A real-time board for what happens after checkout.")
    top.add_argument("--config", type=Path, help="the config file (else ORDERBOARD_CONFIG, else orderboard.toml)")
    commands_ = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands_.add_parser("serve", help="run the server").set_defaults(run=serve)
    commands_.add_parser("check-config", help="read the config and say what is wrong").set_defaults(run=check)
    commands_.add_parser("doctor", help="look at everything, and say what needs a person").set_defaults(run=doctor.run)
    show = commands_.add_parser("demo", help="run the server with sandbox traffic, on data of its own")
    show.add_argument("--port", type=int, default=8000)
    show.add_argument("--data", type=Path, default=Path("data/demo"))
    show.add_argument("--seed", type=int, default=1)
    show.add_argument("--speed", type=float, default=1.0)
    show.set_defaults(demo=True)
    again = commands_.add_parser("replay", help="try again what is in quarantine, or calls that needed a person")
    again.add_argument("id", nargs="?", metavar="ID", help="of a quarantine entry or a call")
    again.add_argument("--all", action="store_true", help="all of the quarantine")
    again.add_argument("--calls", action="store_true", help="all calls that need a person")
    again.set_defaults(run=replay)
    forget = commands_.add_parser("erase", help="erase an order and all that is kept of it, for good")
    forget.add_argument("source", metavar="SOURCE", help="its order system's id in the config")
    forget.add_argument("ref", metavar="REF", help="the order system's own key of it, not the code")
    forget.set_defaults(run=erase)
    other = commands_.add_parser("sandbox", help="play the configured order systems against a running server")
    other.add_argument("--url", default="", help="the server; else the config's port here")
    other.add_argument("--port", type=int, default=8100, help="where the order systems' own APIs answer")
    other.add_argument("--token", default="", help="an API token, else server.api_token")
    other.add_argument("--seed", type=int, default=1)
    other.add_argument("--speed", type=float, default=1.0)
    other.add_argument("--chaos", action="store_true", help="drop, repeat, reorder, delay and revert what is sent")
    other.set_defaults(run=sandbox.run)
    carry.parsers(commands_)
    users = commands_.add_parser("user", help="staff accounts").add_subparsers(dest="verb", required=True)
    add = users.add_parser("add", help="make or change an account")
    add.add_argument("name")
    add.add_argument("--role", choices=ROLES, default="staff")
    add.add_argument("--store", nargs="*", action="extend", default=[], metavar="ID")
    add.add_argument("--password-stdin", action="store_true")
    add.set_defaults(run=user_add)
    pin = users.add_parser("pin", help="set an account's PIN; an empty one takes it away")
    pin.add_argument("name")
    pin.add_argument("--pin-stdin", action="store_true")
    pin.set_defaults(run=user_pin)
    tokens.parsers(commands_)
    return top


def run(args: argparse.Namespace) -> int | None:
    if getattr(args, "demo", False):
        many_files()
        uvloop.run(demo.run(args.data, port=args.port, seed=args.seed, speed=args.speed))
        return None
    try:
        settings = main.configured(os.environ, args.config)
    except Fatal as error:
        if args.command != "doctor":
            raise
        return doctor.unread(error)
    code: int | None = uvloop.run(args.run(settings, args))
    return code


def entry(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    main.logging_on()
    try:
        code = run(args)
    except (Fatal, Problem) as error:
        print(f"orderboard: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code or 0
