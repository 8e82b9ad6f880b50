"""`orderboard api-token create | list | revoke`: what programs sign their calls with."""

import argparse
import time
from datetime import UTC, datetime

from app.cli.beside import noted
from app.errors import Fatal
from app.settings import Settings
from app.store.audit import Audit
from app.store.tokens import Tokens


async def create(settings: Settings, args: argparse.Namespace) -> None:
    async def issue(tokens: Tokens, audit: Audit) -> None:
        token, secret = await tokens.issue(args.name, time.time())
        await audit.note("command line", "token_made", about=token.id, detail=token.name)
        print(secret)

    await noted(settings, Tokens, issue)


async def listed(settings: Settings, args: argparse.Namespace) -> None:
    async def tell(tokens: Tokens, _: Audit) -> None:
        for token in await tokens.all():
            print(f"{token.id}  {datetime.fromtimestamp(token.made, UTC):%Y-%m-%d %H:%M} UTC  {token.name}")

    await noted(settings, Tokens, tell)


async def revoke(settings: Settings, args: argparse.Namespace) -> None:
    async def end(tokens: Tokens, audit: Audit) -> None:
        token = await tokens.revoke(args.id)
        if token is None:
            raise Fatal(f"There is no API token {args.id!r}. `orderboard api-token list` names them.")
        await audit.note("command line", "token_revoked", about=token.id, detail=token.name)
        print(f"{token.name} ({token.id}) opens nothing any more.")

    await noted(settings, Tokens, end)


def parsers(top: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs = top.add_parser("api-token", help="tokens of programs").add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("create", help="make one; it is shown once")
    one.add_argument("name", nargs="?", default="api", help="what it is for")
    one.set_defaults(run=create)
    verbs.add_parser("list", help="the id, the making and the name of each").set_defaults(run=listed)
    end = verbs.add_parser("revoke", help="end one at once, with what it has open")
    end.add_argument("id", metavar="ID", help="as `list` says it")
    end.set_defaults(run=revoke)
