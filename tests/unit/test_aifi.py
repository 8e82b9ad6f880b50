"""AiFi: what is never kept, what is never answered, which calls are the same, and which journey becomes which order."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from app.orders import Order, OrderEvent, apply
from app.providers.aifi import PROVIDER
from app.providers.contract import Call
from app.settings import Source

NOON = 1767614400.0
SAMPLES = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in (Path(__file__).parent.parent / "providers" / "aifi").glob("*.json")
}
DOCUMENT: dict[str, Any] = SAMPLES["document"]["calls"][0]["body"]
AT = Source(
    id="walk-in",
    provider="aifi",
    secret="a-test-secret-of-many-letters",
    store="68",
    stores=frozenset({"68"}),
    options=PROVIDER.options(),
)


def told(body: dict[str, Any], tail: str = "") -> OrderEvent:
    (event,) = PROVIDER.parse(AT, Call(tail=tail, body=json.dumps(body).encode(), heard=NOON))
    return event


def visit(**fields: Any) -> dict[str, Any]:
    base = {"sessionId": "s-1", "storeId": 0, "timeOfOrigin": "2026-01-05T10:00:00Z", "shopperId": "p-1"}
    return base | {"timeOfIssue": "2026-01-05T10:00:01Z"} | fields


# ---- what is never kept ----

CARD = {"type": "card", "cardBin": "411111", "cardLast4": "9871", "cardExpMonth": 11, "cardExpYear": 2031}
PAYMENT = {
    "paymentProvider": "ADYEN",
    "paymentInstrument": CARD | {"cardBrand": "visa"},
    "paymentStatus": "success",
    "paymentTransactionIds": ["tx-5517"],
}
TRACES = ("411111", "9871", "2031", "visa", "tx-5517", "cardBin", "paymentTransactionIds")


@pytest.mark.parametrize(
    "body",
    [
        DOCUMENT | {"payment": PAYMENT},
        visit(payment=PAYMENT),
        DOCUMENT | {"payment": None, "session": {"sessionId": "s-1", "metadata": {"events": [{"payment": PAYMENT}]}}},
        DOCUMENT | {"customer": {"metadata": [[PAYMENT]]}},
        DOCUMENT | {"payment": {"payment_instrument": CARD, "card_last4": "9871"}},
        DOCUMENT | {"payment": PAYMENT | {"paymentInstrument": "411111 9871"}},
        DOCUMENT | {"payment": PAYMENT | {"paymentInstrument": [CARD]}},
    ],
)
def test_a_card_is_not_kept_wherever_it_stands(body: dict[str, Any]) -> None:
    kept = PROVIDER.redact(json.dumps(body).encode()).decode()
    assert [trace for trace in TRACES if trace in kept] == []


def test_all_else_is_kept() -> None:
    kept = json.loads(PROVIDER.redact(json.dumps(DOCUMENT | {"payment": PAYMENT}).encode()))
    payment = {"paymentProvider": "ADYEN", "paymentInstrument": {"type": "card"}, "paymentStatus": "success"}
    assert kept == DOCUMENT | {"payment": payment}


@pytest.mark.parametrize("body", [b'{"payment": {"cardLast4": "9871"}', b"\xff", b"", b"[" * 5000, b'"\\ud800"'])
def test_of_a_body_that_is_no_json_nothing_is_kept(body: bytes) -> None:
    assert PROVIDER.redact(body) == b""


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_order_knows_nothing_of_cards(name: str) -> None:
    for said in SAMPLES[name]["calls"]:
        if "body" in said and "order" in SAMPLES[name]["expect"]:
            order = repr(apply(None, told(said["body"], said.get("tail", ""))).order)
            assert not any(trace in order for trace in ("411111", "1111", "cardBin", "tx-1", "ADYEN"))


# ---- what is answered ----


def test_the_answer_decides_nothing() -> None:
    """Any payment status would tell AiFi that the order is paid, any cart would change what is sold."""
    assert (PROVIDER.status, json.loads(PROVIDER.answer)) == (200, {})
    assert PROVIDER.respond is None
    assert PROVIDER.tails == {"", "entered", "left", "cart"}


# ---- which calls are the same ----


def test_a_checkout_is_known_by_its_order_its_status_and_its_time_of_issue() -> None:
    same = [DOCUMENT, DOCUMENT | {"totalPrice": "1.00"}, DOCUMENT | {"status": " Reviewed"}]
    others = [{"orderId": 1}, {"status": "completed"}, {"timeOfIssue": "2019-08-24T14:15:23Z"}]
    first = told(DOCUMENT).digest
    assert {told(body).digest for body in same} == {first}
    seen = {first, told(DOCUMENT, "cart").digest, *(told(DOCUMENT | other).digest for other in others)}
    assert len(seen) == 5


def test_each_of_a_group_is_told_of() -> None:
    zone = visit(checkoutZoneId=1)
    calls = [
        (visit(), "entered"), (visit(), "left"), (visit(shopperId="p-2"), "entered"), (visit(shopperId=0), "entered"),
        (zone, "entered"), (zone, "left"), (zone | {"checkoutZoneId": 0}, "entered"),
        (zone | {"sessionId": "s-2"}, "left"),
        (zone | {"timeOfOrigin": "2026-01-05T10:00:02Z"}, "left"), (visit(checkoutZoneId=1, shopperId=None), "left"),
        (visit(checkoutZoneId=1, shopperId=None, shopper={"id": 0}), "left"),
    ]  # fmt: skip
    digests = [told(*one).digest for one in calls]
    assert len(set(digests)) == len(calls)
    again = [told(body | {"timeOfIssue": "2026-01-05T10:09:00Z"}, tail).digest for body, tail in calls]
    assert again == digests, "sent again it is the same"


# ---- journeys ----


def test_a_checkout_names_the_journey_that_it_ends() -> None:
    journey = told(visit(), "entered")
    assert journey.ref == "session:s-1"
    assert journey.journey is None
    sessions: list[dict[str, Any]] = [
        {"session": {"sessionId": "s-1", "sessionToken": "other"}, "sessionId": "older"},
        {"session": {"sessionToken": "s-1"}, "sessionId": "older"},
        {"session": None, "sessionId": "s-1"},
        {"session": {}, "sessionId": "s-1"},
    ]
    for tail in ("", "cart"):
        assert [told(DOCUMENT | one, tail).journey for one in sessions] == [journey.ref] * 4
    assert told(DOCUMENT | {"session": None, "sessionId": None}).journey is None


def test_a_zone_tells_a_zone_from_a_door() -> None:
    names = {
        told(visit(**({} if zone == "none" else {"checkoutZoneId": zone})), tail).name
        for zone in ("none", 0, "0", None)
        for tail in ("entered", "left")
    }
    assert names == {"transition_entered", "transition_left", "zone_entered", "zone_left"}
    assert told(visit(checkoutZoneId=0), "entered").flags == told(visit(checkoutZoneId=None), "entered").flags
    assert told(visit(), "entered").flags == ()


SHOWN = ("stage", "flags", "items", "total", "customer", "placed_at", "reason", "store", "code", "ended_at")


def shown(events: tuple[OrderEvent, ...]) -> dict[str, Any]:
    order: Order | None = None
    for event in events:
        order = apply(order, event).order
    return {name: getattr(order, name) for name in SHOWN}


SEVERAL = sorted(name for name, sample in SAMPLES.items() if len(sample["calls"]) > 1 and "order" in sample["expect"])


@pytest.mark.parametrize("name", SEVERAL)
def test_any_order_of_arrival_ends_alike(name: str) -> None:
    events = [told(said["body"], said.get("tail", "")) for said in SAMPLES[name]["calls"]]
    ends = [shown(order) for order in itertools.permutations([*events, events[0]])]
    assert all(one == ends[0] for one in ends)
