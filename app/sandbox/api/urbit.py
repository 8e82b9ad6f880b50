"""urb-it's retailer API: the state of a purchase, for whoever can sign for it."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import wraps
from hashlib import md5, sha256
from typing import Final

from app.sandbox.api.call import WORD, Answer, Request, Route
from app.sandbox.world import World

TOLERANCE: Final = 900  # seconds


def sign(key: str, secret: str, method: str, url: str, nonce: str, stamp: str, body: bytes = b"") -> str:
    """The signature of one call; `secret` is base64, `url` absolute with its query, small letters whatever was sent."""
    digest = b64encode(md5(body, usedforsecurity=False).digest()).decode() if body else ""
    message = f"{key}{method.upper()}{url.lower()}{stamp}{nonce}{digest}"
    return b64encode(hmac.digest(b64decode(secret), message.encode(), sha256)).decode()


def wrong(status: int, code: str, message: str) -> Answer:
    fields = {"status": status, "code": code, "message": message, "developer_message": message, "more_info": ""}
    return Answer(status, fields)


def signed(handler: Callable[[World, Request, str, str], Answer]) -> Callable[..., Answer]:
    """Calls with the store's key, which was checked; every nonce is good once."""

    @wraps(handler)
    def guarded(world: World, request: Request, ref: str = "") -> Answer:
        scheme, _, rest = request.authorization.partition(" ")
        words = rest.split(":")
        if scheme.upper() != "UWA" or len(words) != 4:
            return wrong(401, "Unauthorized", "Authorization must be UWA StoreKey:Signature:Nonce:Timestamp.")
        key, given, nonce, stamp = words
        secret = world.accounts.get(("urbit", key))
        if secret is None or not nonce or not stamp.isdecimal() or len(stamp) > 12:
            return wrong(401, "Unauthorized", "The store key is unknown, or the nonce or timestamp can't be read.")
        if abs(world.clock() - int(stamp)) > TOLERANCE:
            return wrong(401, "Unauthorized", "The timestamp is more than 15 minutes off.")
        expected = sign(key, secret, request.method, request.url, nonce, stamp, request.body)
        if not hmac.compare_digest(given.encode(), expected.encode()):
            return wrong(401, "Unauthorized", "The signature does not fit.")
        if not world.fresh(key, nonce):
            return wrong(401, "Unauthorized", "The nonce was used before.")
        return handler(world, request, key, ref)

    return guarded


@signed
def checkout(world: World, _request: Request, key: str, ref: str) -> Answer:
    shown = world.shown.get(("urbit", ref))
    if shown is None or shown.owner != key:
        return wrong(404, "NotFound", "There is no checkout with this reference.")
    return Answer(200, shown.document)


@signed
def status(world: World, request: Request, key: str, _ref: str) -> Answer:
    """The older way to ask, as the document's example does."""
    body = request.table()
    ref = body.get("reference_id") if body else None
    if not isinstance(ref, str) or not ref:
        return wrong(422, "UnprocessableEntity", "reference_id must be given.")
    shown = world.shown.get(("urbit", ref))
    if shown is None or shown.owner != key:
        return wrong(404, "NotFound", "There is no checkout with this reference.")
    return Answer(200, shown.document)


ROUTES: Final[list[Route]] = [
    ("GET", f"/v2/checkouts/reference-id/{WORD}", checkout),
    ("POST", "/checkout/status", status),
]
