"""urb-it's callback: a GET for each new status of a delivery, with all of it in the query."""

from hashlib import md5
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from app.errors import Forged, Unreadable
from app.orders import OrderEvent
from app.providers.contract import Call, digest, text
from app.providers.signing import equal
from app.providers.urbit.checkout import spelled
from app.settings import Source

FIELDS_MOST: Final = 50
DELIVERY: Final[dict[str, str]] = {
    "pending": "confirmed",
    "open": "confirmed",
    "claimed": "assigned",
    "pickedup": "in_transit",
    "delivered": "fulfilled",
    "canceled": "canceled",
}


def verify(source: Source, call: Call) -> None:
    """urb-it sends the MD5 of the secret in the query, which is all there is to know it by."""
    given = _query(call.query).get("consumer_secret_hash", "")
    expected = md5(source.secret.encode(), usedforsecurity=False).hexdigest()
    if not equal(given.lower().encode("utf-8", "surrogatepass"), expected.encode()):
        raise Forged("consumer_secret_hash must be the MD5, in hex, of the secret of this source.")


def parse(source: Source, call: Call) -> list[OrderEvent]:
    query = _query(call.query)
    ref, status = query.get("order_reference_id", ""), query.get("order_status", "")
    if not (0 < len(ref) <= 128 and ref.isascii() and ref.isprintable() and " " not in ref):
        raise Unreadable("order_reference_id must be 1 to 128 ASCII characters without spaces.")
    if not status:
        raise Unreadable("order_status is missing.")
    word = spelled(status)
    event = OrderEvent(
        source=source.id,
        provider="urbit",
        ref=ref,
        name="callback",
        digest=digest("callback", ref, word),
        policy="forward",
        heard=call.heard,
        by="urb-it" if word == "canceled" else "",
        stage=DELIVERY.get(word),
        flags=() if word in DELIVERY else ("unknown",),
        raw_status=text(status, 80),
        home=source.fallback,
        outcomes=False,
        fulfilment="delivery",
    )
    return [event]


def _query(query: bytes) -> dict[str, str]:
    """The query's fields; none of one that has more than any callback."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS_MOST)
    except ValueError:
        return {}
    return {name.lower(): value for name, value in pairs}


def masked(query: bytes) -> bytes:
    """The query without the hash: MD5 is soon undone, and the hash alone lets anybody call."""
    fields = query.split(b"&")
    return b"&".join(one for one in fields if b"consumer_secret_hash" not in unquote_to_bytes(one).lower())
