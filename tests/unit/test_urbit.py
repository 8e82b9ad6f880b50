"""urb-it: how calls are signed, when they are made, what a query may keep, and what the hash lets in."""

import json
from base64 import b64decode, b64encode
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import time_machine
from msgspec.structs import replace

from app.errors import Fatal, Forged, Problem
from app.orders import Order
from app.providers.contract import Call, Follow, Polling, Provider, Reply
from app.providers.urbit import PROVIDER
from app.providers.urbit.polling import FOLLOWED_MOST, UNKNOWN_FOR, signature
from app.settings import Source, check

NOON = 1767614400.0
SECRET = b64encode(b"0123456789abcdef0123456789abcdef").decode()
KEY = "b0477a45-1198-419f-b159-e484be341512"
NONCE = "48e0e160cbc94953ad33f3d17c5330dc"
HASH = md5(SECRET.encode()).hexdigest()
HOST = "https://stage-retailer-api.urb-it.com"
POLLING: Polling = PROVIDER.polling  # type: ignore[assignment]
FOLDER = Path(__file__).parent.parent / "providers" / "urbit"


def source(**changed: Any) -> Source:
    """A source as the config file would make it; None takes a key away."""
    base = {"id": "urb", "provider": "urbit", "secret": SECRET, "base_url": HOST + "/", "store_key": KEY} | changed
    table = {key: value for key, value in base.items() if value is not None}
    store = {"id": "123", "name": "North", "timezone": "Europe/Stockholm"}
    return check({"stores": [store], "sources": [table]}, {}, {"urbit": PROVIDER.options}).sources["urb"]


def follow(ref: str = "1234", **more: Any) -> Follow:
    return Follow(source="urb", ref=ref, began=NOON, **more)


# ---- how calls are signed ----


def test_signature_of_a_get() -> None:
    url = HOST + "/v2/checkouts/reference-id/1234"
    assert signature(KEY, SECRET, "GET", url, "1444981142", NONCE) == "ycxfkd6ccr5JN2hLKXyeUcQo4vrYMBYoaOvkrM3cnxU="


def test_signature_of_a_post() -> None:
    said = signature(KEY, SECRET, "post", HOST + "/checkout/status", "1444981142", NONCE, b'{"reference_id":"1234"}')
    assert said == "DsOrEaKPxQIJ10+2zP+YBDU0orYIHgrMPWl4MOnCpl0="


def test_the_url_is_signed_in_small_letters() -> None:
    one, other = (signature(KEY, SECRET, "GET", HOST + path, "1", NONCE) for path in ("/A%2FB", "/a%2fb"))
    assert one == other


@pytest.mark.parametrize("secret", ["not base64 at all, but long", "a-url-safe_alphabet_is_no_base64", "AAA", "å" * 32])
def test_a_secret_that_is_no_base64(secret: str) -> None:
    with pytest.raises(Problem, match="base64"):
        signature(KEY, secret, "GET", HOST, "1", NONCE)


def signed(header: str) -> tuple[str, str, str, str]:
    scheme, _, rest = header.partition(" ")
    assert scheme == "UWA"
    key, said, nonce, stamp = rest.split(":")
    return key, said, nonce, stamp


@time_machine.travel(NOON, tick=False)
def test_the_call_that_the_document_defines() -> None:
    call = POLLING.request(source(), follow("Ab/7 å"), "checkout", None)
    assert (call.method, call.body) == ("GET", b"")
    assert call.url == HOST + "/v2/checkouts/reference-id/Ab%2F7%20%C3%A5"
    key, said, nonce, stamp = signed(call.headers["Authorization"])
    assert (key, stamp) == (KEY, "1767614400")
    assert said == signature(KEY, SECRET, "GET", call.url, stamp, nonce)


def test_the_call_that_the_document_shows() -> None:
    call = POLLING.request(source(status_call="post", base_url=HOST + "/api"), follow("Ab/7"), "checkout", None)
    assert (call.method, call.url) == ("POST", HOST + "/api/checkout/status")
    assert json.loads(call.body) == {"reference_id": "Ab/7"}
    assert call.headers["Content-Type"] == "application/json"
    _, said, nonce, stamp = signed(call.headers["Authorization"])
    assert said == signature(KEY, SECRET, "POST", call.url, stamp, nonce, call.body)


def test_every_call_has_a_nonce_of_its_own() -> None:
    calls = [POLLING.request(source(), follow(), "checkout", None) for _ in range(20)]
    assert len({signed(call.headers["Authorization"])[2] for call in calls}) == 20


@pytest.mark.parametrize(
    ("key", "value"),
    [("status_call", "put"), ("store_key", "a:b"), ("store_key", "a b"), ("expires_hours", 0), ("client_id", "x")],
)
def test_options_are_checked(key: str, value: object) -> None:
    with pytest.raises(Fatal, match=key):
        source(**{key: value})


# ---- when they are made ----


def order(stage: str) -> Order:
    return Order(source="urb", provider="urbit", ref="1234", first=NOON, stage=stage)


PACES = [
    (5, None, 30),
    (5, "cart", 30),
    (5, "confirmed", 5),
    (5, "assigned", 5),
    (20, "cart", 60),
    (90, "cart", 60),
    (90, "confirmed", 60),
]


@pytest.mark.parametrize(("seconds", "stage", "pause"), PACES)
def test_pace(seconds: float, stage: str | None, pause: float) -> None:
    known = None if stage is None else order(stage)
    at = source(poll_seconds=seconds)
    assert POLLING.plan(at, follow(), known, NOON + 3) == {"checkout": NOON}
    assert POLLING.plan(at, follow(asked={"checkout": NOON + 7}), known, NOON + 8) == {"checkout": NOON + 7 + pause}


def test_when_it_is_not_asked() -> None:
    assert POLLING.plan(source(base_url=None), follow(), None, NOON) == {}
    assert POLLING.plan(source(store_key=None), follow(), None, NOON) == {}
    assert POLLING.plan(source(), follow(stopped=frozenset({"checkout"})), None, NOON) == {}
    assert POLLING.plan(source(), follow(), None, NOON + FOLLOWED_MOST + 1) == {}


def answer(status: int, body: object = None, after: float = 1.0) -> Reply:
    raw = b"" if body is None else json.dumps(body).encode()
    return Reply(status=status, asked=NOON + after, heard=NOON + after + 0.2, body=raw)


def test_a_reference_that_is_not_known_is_asked_for_a_while() -> None:
    for status in (404, 410, 422):
        soon = POLLING.hear(source(), follow(), None, "checkout", answer(status, after=UNKNOWN_FOR))
        late = POLLING.hear(source(), follow(), None, "checkout", answer(status, after=UNKNOWN_FOR + 1))
        assert (soon.over, soon.failed, soon.events) == (False, None, ())
        assert (late.over, late.stop, late.events) == (True, True, ())


@pytest.mark.parametrize("status", [301, 400, 401, 403, 405, 429, 500, 502, 503])
def test_a_failure_ends_nothing_and_says_why(status: int) -> None:
    heard = POLLING.hear(source(), follow(), order("cart"), "checkout", answer(status, {"code": "x\u202ey" * 99}, 9e4))
    assert heard.failed is not None
    assert str(status) in heard.failed
    assert "\u202e" not in heard.failed
    assert (heard.over, heard.stop, heard.renew, heard.events) == (False, False, False, ())
    assert len(heard.failed) < 300


def test_a_change_back_and_forth_is_heard_each_time() -> None:
    bodies = [{"checkout_status": "READY", "delivery_expected_at": f"2026-01-05T15:00:0{second}"} for second in "121"]
    seen, marks = [], {}
    for number, body in enumerate(bodies):
        heard = POLLING.hear(source(), follow(marks=marks), None, "checkout", answer(200, body, number))
        seen += [event.digest for event in heard.events]
        marks = heard.marks
    assert len(seen) == len(set(seen)) == 6


# ---- what may be kept ----


def test_control_digits_are_not_kept() -> None:
    body = json.loads((FOLDER / "document.json").read_text("utf-8"))["polls"][0]["body"]
    assert body["payment_method_info"].pop("control_digits") == "456"
    spoiled = body | {"payment_method_info": {"type": "card", "control_digits": "456"}, "x": [{"controlDigits": "456"}]}
    assert json.loads(PROVIDER.redact(json.dumps(spoiled).encode())) == body | {"x": [{}]}
    assert PROVIDER.redact(b"") == b""
    assert PROVIDER.redact(b'{"control_digits": "456"') == b""


@pytest.mark.parametrize(
    "query",
    [
        f"order_reference_id=7&order_status=OPEN&consumer_secret_hash={HASH}",
        f"consumer_secret_hash={HASH}&order_reference_id=7&order_status=OPEN",
        f"order_reference_id=7&Consumer_Secret_Hash={HASH}&order_status=OPEN&consumer_secret_hash={HASH}",
        f"order_reference_id=7&order_status=OPEN&consumer%5Fsecret%5fhash={HASH}",
    ],
)
def test_the_hash_is_not_kept(query: str) -> None:
    assert allowed(query)
    assert PROVIDER.masked(query.encode()) == b"order_reference_id=7&order_status=OPEN"


# ---- who may call ----


def allowed(query: str, at: Source | None = None) -> bool:
    try:
        PROVIDER.verify(at or source(), Call(method="GET", query=query.encode("utf-8", "surrogateescape"), heard=NOON))
    except Forged:
        return False
    return True


def test_the_hash_is_that_of_the_secret_as_configured() -> None:
    assert allowed(f"consumer_secret_hash={HASH}")
    assert allowed(f"consumer_secret_hash={HASH.upper()}")
    other = md5(b64decode(SECRET)).hexdigest()
    assert not allowed(f"consumer_secret_hash={other}"), "not of what the base64 holds"
    assert not allowed("consumer_secret_hash=" + md5(b"").hexdigest())
    assert not allowed(f"consumer_secret_hash={HASH}", replace(source(), secret=SECRET + "A"))


@pytest.mark.parametrize(
    "query", ["", "&", "=", "consumer_secret_hash", "consumer_secret_hash=\udcff", "%ff=%fe", "a;b"]
)
def test_an_odd_query_is_refused(query: str) -> None:
    assert not allowed(query)


def test_only_a_get_is_a_callback() -> None:
    assert PROVIDER.methods == {"GET"}


def test_the_same_status_again_is_the_same_event() -> None:
    def digests(provider: Provider, *queries: str) -> set[str]:
        calls = [Call(method="GET", query=query.encode(), heard=NOON + n) for n, query in enumerate(queries)]
        return {event.digest for call in calls for event in provider.parse(source(), call)}

    same = ["PickedUp", "PICKEDUP", "picked_up"]
    assert len(digests(PROVIDER, *(f"order_reference_id=7&order_status={word}" for word in same))) == 1
    assert len(digests(PROVIDER, *(f"order_reference_id={ref}&order_status=OPEN" for ref in "789"))) == 3
    assert parse_qs(PROVIDER.masked(f"order_status=OPEN&consumer_secret_hash={HASH}".encode()).decode()) == {
        "order_status": ["OPEN"]
    }
