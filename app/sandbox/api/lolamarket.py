"""Lolamarket's retailer API: a token for an hour, and its own record of an order."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from app.sandbox.api.call import WORD, Answer, Request, Route
from app.sandbox.world import World


def wrong(world: World, request: Request, status: int, code: str, title: str) -> Answer:
    return Answer(
        status,
        {
            "title": title,
            "detail": title,
            "status": status,
            "errorCode": code,
            "timestamp": datetime.fromtimestamp(world.clock(), UTC).isoformat(),
            "requestId": str(UUID(int=next(world.numbers), version=4)),
            "instance": request.path,
        },
    )


def _known(world: World, body: dict[str, object]) -> bool:
    secret = world.accounts.get(("lolamarket", str(body.get("clientId", ""))))
    return bool(secret) and body.get("clientSecret") == secret


def token(world: World, request: Request) -> Answer:
    body = request.table()
    if body is None:
        return wrong(world, request, 400, "PARAMETER.INVALID", "The body must be a JSON object.")
    if not _known(world, body):
        return wrong(world, request, 401, "UNAUTHORIZED", "The client is unknown.")
    if body.get("grantType") != "client_credentials":
        return wrong(world, request, 403, "FORBIDDEN", "The grant type is not valid.")
    made = world.grant("lolamarket", "", None, world.lolamarket_seconds)
    return Answer(200, {"token": made, "tokenType": "Bearer", "expiresIn": int(world.lolamarket_seconds)})


def revoke(world: World, request: Request) -> Answer:
    body = request.table()
    if body is None or not _known(world, body):
        return wrong(world, request, 401, "UNAUTHORIZED", "The client is unknown.")
    world.tokens.pop(str(body.get("token")), None)
    return Answer(204)


def order(world: World, request: Request, ref: str) -> Answer:
    if world.granted("lolamarket", request.authorization) is None:
        return wrong(world, request, 401, "UNAUTHORIZED", "There is no valid token.")
    shown = world.shown.get(("lolamarket", ref))
    if shown is None:
        return wrong(world, request, 404, "ORDER.NOT_FOUND", "There is no such order.")
    return Answer(200, shown.document)


ROUTES: Final[list[Route]] = [
    ("POST", "/v1/oauth/token", token),
    ("POST", "/v1/oauth/token/revoke", revoke),
    ("GET", f"/v1/orders/{WORD}", order),
]
