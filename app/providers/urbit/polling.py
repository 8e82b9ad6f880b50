"""How urb-it is asked for a checkout: when, signed how, and until when."""

import hmac
import secrets
import time
from base64 import b64decode, b64encode
from hashlib import md5
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from app.errors import Problem, Unreadable
from app.orders import Order
from app.providers.contract import Follow, Heard, Polling, Reply, Request, digest, read, text
from app.providers.urbit.checkout import CHECKOUT, expired, facts, spelled, stage
from app.settings import Source

RESOURCE: Final = "checkout"
SLOWEST: Final = 60.0  # seconds between two polls
UNKNOWN_FOR: Final = 600.0  # seconds that a reference may be unknown to urb-it: the shop may ask before it is created
FOLLOWED_MOST: Final = 7 * 86_400.0  # seconds, however urb-it answers
GONE: Final = frozenset({404, 410, 422})


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """`store_key` and the source's `secret` (base64) sign our calls. `status_call`: urb-it's document defines the call
    for a checkout's status as a GET and shows it as a POST. `expires_hours`: a checkout not bought by then never is."""

    store_key: Annotated[str, Meta(pattern=r"^[!-9;-~]*\Z")] = ""
    status_call: Literal["get", "post"] = "get"
    expires_hours: Annotated[float, Meta(gt=0, le=168)] = 24


ERROR: Final = msgspec.json.Decoder(dict[str, Any])


def plan(source: Source, follow: Follow, order: Order | None, now: float) -> dict[str, float]:
    options: Options = source.options
    silent = not source.base_url or not options.store_key
    if silent or RESOURCE in follow.stopped or now - follow.began > FOLLOWED_MOST:
        return {}
    last = follow.asked.get(RESOURCE)
    return {RESOURCE: follow.began if last is None else last + _pause(source.poll_seconds, order)}


def _pause(seconds: float, order: Order | None) -> float:
    """Slow while the customer is at the checkout. A delivery that has begun means it was bought: then at full pace."""
    if order is not None and order.stage != "cart":
        return min(seconds, SLOWEST)
    return min(6 * seconds, SLOWEST)


def request(source: Source, follow: Follow, resource: str, token: str | None) -> Request:
    options: Options = source.options
    base = (source.base_url or "").rstrip("/")
    stamp, nonce = str(int(time.time())), secrets.token_hex(16)
    method, url, body = "GET", f"{base}/v2/checkouts/reference-id/{quote(follow.ref, safe='')}", b""
    headers = {"Accept": "application/json"}
    if options.status_call == "post":
        method, url = "POST", f"{base}/checkout/status"
        body = msgspec.json.encode({"reference_id": follow.ref})
        headers["Content-Type"] = "application/json"
    signed = signature(options.store_key, source.secret, method, url, stamp, nonce, body)
    headers["Authorization"] = f"UWA {options.store_key}:{signed}:{nonce}:{stamp}"
    return Request(url=url, method=method, headers=headers, body=body)


def signature(key: str, secret: str, method: str, url: str, stamp: str, nonce: str, body: bytes = b"") -> str:
    """The signature of urb-it's UWA scheme. The URL counts in small letters, whatever is sent."""
    try:
        raw = b64decode(secret, validate=True)
    except ValueError:
        raise Problem("The secret of this source must be base64, as urb-it gave it, to sign calls.") from None
    hashed = b64encode(md5(body, usedforsecurity=False).digest()).decode() if body else ""
    message = f"{key}{method.upper()}{url.lower()}{stamp}{nonce}{hashed}"
    return b64encode(hmac.digest(raw, message.encode(), "sha256")).decode()


def hear(source: Source, follow: Follow, order: Order | None, resource: str, reply: Reply) -> Heard:
    """Never raises: an answer that can't be read has failed."""
    if reply.status in GONE:
        lost = reply.asked - follow.began > UNKNOWN_FOR
        return Heard(stop=lost, over=lost)
    if reply.status != 200:
        return Heard(failed=_failure(reply))
    try:
        return _heard(source, follow, order, reply)
    except Unreadable as error:
        return Heard(failed=f"urb-it's answer can't be used. {error}")


def _failure(reply: Reply) -> str:
    if reply.status in (401, 403):
        return f"urb-it refuses our signature ({reply.status}). Check store_key, secret and this machine's clock."
    if reply.status == 405:
        return "urb-it does not take this method (405). Set status_call to the other one of get and post."
    try:
        code = text(read(reply.body, ERROR).get("code"), 80)
    except Unreadable:
        code = None
    return f"urb-it answered {reply.status}" + (f" {code}." if code else ".")


def _heard(source: Source, follow: Follow, order: Order | None, reply: Reply) -> Heard:
    """The stage goes by an event of its own: where a callback has already told more, it is refused, and with it would
    go all that only the checkout tells. An answer like the one before says nothing."""
    told, options = read(reply.body, CHECKOUT), cast(Options, source.options)
    seen, events = digest(reply.body), []
    if follow.marks.get("seen") != seen:
        events = [stage(source, follow, order, reply, told), facts(source, follow, order, reply, told)]
    settled = spelled(told.checkout_status) in ("complete", "failed")
    late = not settled and reply.asked - follow.began >= options.expires_hours * 3600
    if late and (order is None or order.stage == "cart"):
        events.append(expired(source, follow, reply, options.expires_hours))
    over = settled or late or (order is not None and order.end is not None)
    return Heard(events=tuple(events), stop=over, over=over, marks={"seen": seen})


POLLING: Final = Polling(plan=plan, request=request, hear=hear, needed=True)
