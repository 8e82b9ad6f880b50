"""Instacart's callbacks, the fast path beside polling, and the tokens that it asks us for before it calls."""

import re
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from app.errors import Forged, NotUnderstood, Unreadable
from app.orders import OrderEvent
from app.providers.contract import GONE, Call, digest, instant, normal, pruned, read, text
from app.providers.instacart.shapes import CLIENT, HOOK, NAMED, WHOLE, Client, Hook
from app.providers.instacart.states import EVENTS, LOCATIONS, NOTED, PICKUPS, STATES, Meaning, fulfilment, meaning
from app.providers.signing import equal, hmac_hex, same_text
from app.settings import Source

TOKEN_SECONDS: Final = 3600
_TOKEN: Final = re.compile(rb"(\d{1,12})\.([0-9a-f]{64})")
_POSITIONS: Final = frozenset({"coordinates", "location", "position", "latitude", "longitude", "lat", "lng", "lon"})


def first(source: Source, call: Call) -> None:
    """Who asks for a token says who they are in the body."""
    if call.tail != "token":
        verify(source, call)


def verify(source: Source, call: Call) -> None:
    if call.tail == "token":
        client = _client(call.body)
        # Both are compared, whatever the first says, so that the time taken says nothing.
        known = (same_text(client.client_id, source.id), same_text(client.client_secret, source.secret))
        if not all(known):
            raise Forged("Send client_id (the id of this source) and client_secret (its secret) in the body.")
        return
    scheme, _, given = call.headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not (equal(given, source.secret.encode()) or _ours(source, given, call.heard)):
        raise Forged("Send Authorization: Bearer <token> with a token of ours that has not expired, or the secret.")


def _client(body: bytes) -> Client:
    """A form, as OAuth has it, or JSON. Of one that can't be read nothing is known."""
    try:
        if body.lstrip()[:1] == b"{":
            return read(body, CLIENT)
        fields = dict(parse_qsl(body.decode(), max_num_fields=20))
        return Client(*(fields.get(name, "") for name in Client.__struct_fields__))
    except (Unreadable, ValueError):
        return Client()


def respond(source: Source, call: Call) -> bytes | None:
    """The token, where one is asked for. It is not kept anywhere: it proves itself."""
    if call.tail != "token":
        return None
    if _client(call.body).grant_type != "client_credentials":
        raise Unreadable("Only grant_type=client_credentials is known here.")
    until = b"%d" % (call.heard + TOKEN_SECONDS)
    token = until + b"." + _proof(source, until)
    return msgspec.json.encode({"access_token": token.decode(), "token_type": "Bearer", "expires_in": TOKEN_SECONDS})


def _proof(source: Source, until: bytes) -> bytes:
    return hmac_hex(source.secret, b"callback-token\n%s\n%s" % (source.id.encode(), until))


def _ours(source: Source, given: bytes, now: float) -> bool:
    found = _TOKEN.fullmatch(given)
    if found is None:
        return False
    return equal(found[2], _proof(source, found[1])) and now < int(found[1])


def parse(source: Source, call: Call) -> list[OrderEvent]:
    word, hook = _hook(call.body)
    if hook is None:
        return []  # a position is never kept, and the poller asks for it anyway
    about, at = hook.event_metadata, instant(hook.event_timestamp, source.zone)
    if at is None:
        raise Unreadable("event_timestamp is no RFC 3339 time.")
    kind = fulfilment(text(about.fulfillment_type), text(about.pickup_category))
    stage, flags = _said(word, kind)
    ref = _ref(about.order_id)
    event = OrderEvent(
        source=source.id,
        provider="instacart",
        ref=ref,
        name=text(hook.event_name, 80) or word,
        digest=_digest(hook, ref, call.body),
        policy="event_time",
        heard=call.heard,
        at=at,
        note=word in NOTED,
        stage=stage,
        flags=flags,
        raw_status=word,  # as a poll would write it: one that finds the same state again then ends no flag
        code=ref[-6:],
        home=source.fallback,
        fulfilment=kind,
    )
    return [event]


def _hook(body: bytes) -> tuple[str, Hook | None]:
    """The event's word; no body where it is a position, whose shape nobody needs."""
    try:
        hook = read(body, HOOK)
    except Unreadable:
        if word_of(read(body, NAMED).event_name) not in LOCATIONS:  # an unknown event may have any shape
            raise
        return "location", None
    word = word_of(hook.event_name)
    return word, None if word in LOCATIONS else hook


def word_of(name: str) -> str:
    """The one spelling of an event's name: `fulfillment.order_item.refund` is `item_refund`."""
    word = normal(name)
    for prefix in ("fulfillment_", "order_"):
        word = word.removeprefix(prefix)
    if word not in STATES and word not in EVENTS and word not in LOCATIONS:
        raise NotUnderstood(f"Instacart's event {text(name, 80)!r} is not known here.")
    return word


def _said(word: str, kind: str | None) -> Meaning:
    if word == "staged" and kind in PICKUPS:
        return "ready", ()  # the fulfillment order's word for what the order itself calls ready_for_pickup
    return EVENTS[word] if word in EVENTS else meaning(word, kind)


def _ref(said: str | int) -> str:
    ref = str(said)
    if len(ref) > 128:
        raise Unreadable("order_id must have 1 to 128 characters.")
    return ref


def _digest(hook: Hook, ref: str, body: bytes) -> str:
    """Lolamarket's envelope is of the same make and repeats its event ids, so the body counts too, in one spelling."""
    canonical = msgspec.json.encode(read(body, WHOLE), order="sorted")
    return digest(str(hook.event_id), hook.event_name, ref, canonical)


def redact(body: bytes) -> bytes:
    """Without positions: where a shopper is, and where a customer lives."""
    return pruned(body, lambda name, value: GONE if name in _POSITIONS else value)
