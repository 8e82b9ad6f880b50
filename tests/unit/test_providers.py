"""Every provider reads its folder of samples in tests/providers; what two of them share is tested for both."""

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import errors
from app.orders import ITEM_STATES, Change, Order, OrderEvent, Promise, apply
from app.providers import load as load_providers
from app.providers import lolamarket, signing
from app.providers.contract import Call, Follow, Heard, Provider, Reply
from app.settings import Source, check

FOLDER = Path(__file__).parent.parent / "providers"
PROVIDERS = load_providers()
FILES = sorted(FOLDER.glob("*/*.json"))
SECRET = "a-test-secret-of-many-letters"
SIGNING = "a-signing-secret-of-many-letters"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()
STORES = [
    {"id": "68", "name": "West", "timezone": "America/Los_Angeles", "currency": "USD"},
    {"id": "123", "name": "North", "timezone": "Europe/Warsaw"},
]
# What a sample of each provider is sent to where it says nothing else; None in a sample takes a key away.
SOURCES: dict[str, dict[str, Any]] = {
    "aifi": {"id": "walk-in", "store": "68"},
    "urbit": {
        "id": "urb",
        "store": "123",
        "base_url": "https://urb-it.invalid",
        "secret": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "store_key": "b0477a45-1198-419f-b159-e484be341512",
        "currency": "SEK",
    },
    "jane": {"id": "jane-68", "store": "68"},
    "lolamarket": {"id": "lola", "store": "123"},
    "instacart": {
        "id": "insta",
        "store": "68",
        "base_url": "https://connect.invalid/",
        "client_id": "a-client",
        "client_secret": "a-client-secret-of-many-letters",
    },
}


def source(provider: str, **changed: Any) -> Source:
    """A source as the config file would make it, options checked."""
    table = {"id": provider, "provider": provider, "secret": SECRET} | SOURCES.get(provider, {}) | changed
    table = {key: value for key, value in table.items() if value is not None}
    options = {name: found.options for name, found in PROVIDERS.items()}
    return check({"stores": STORES, "sources": [table]}, {}, options).sources[table["id"]]


def call(said: dict[str, Any], heard: float = NOON) -> Call:
    """The webhook that a sample describes; without headers it has the source's secret as a Bearer token."""
    headers = said.get("headers", {"Authorization": f"Bearer {SECRET}"})
    return Call(
        method=said.get("method", "POST"),
        tail=said.get("tail", ""),
        query=said.get("query", "").encode(),
        headers={name.lower().encode(): value.encode() for name, value in headers.items()},
        body=payload(said),
        heard=instant(said["heard"]) if "heard" in said else heard,
    )


def payload(said: dict[str, Any]) -> bytes:
    if "bytes" in said:
        return bytes(said["bytes"])
    if "raw" in said:
        return str(said["raw"]).encode()
    return json.dumps(said["body"]).encode() if "body" in said else b""


def instant(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def play(provider: Provider, sample: dict[str, Any]) -> list[Change]:
    """Every call of a sample, then every poll, a second apart, through verify, parse or hear, and apply."""
    at, order, changes = source(provider.name, **sample.get("source", {})), None, []
    follow = msgspec.convert({"source": at.id, "ref": "u-1", "began": NOON} | sample.get("follow", {}), Follow)
    for number, said in enumerate([*sample.get("calls", []), *sample.get("polls", [])]):
        if "resource" in said:
            heard = poll(provider, at, follow, order, said, NOON + number)
            follow = msgspec.structs.replace(follow, marks=follow.marks | heard.marks)
            assert only(said.get("hears", {}), readable(heard)) == said.get("hears", {})
            events: Any = heard.events
        else:
            one = call(said, NOON + number)
            provider.verify(at, one)
            events = provider.parse(at, one)
        for event in events:
            changes.append(apply(order, event))
            order = changes[-1].order
    return changes


def poll(
    provider: Provider, at: Source, follow: Follow, order: Order | None, said: dict[str, Any], asked: float
) -> Heard:
    """What the provider makes of the answer that a sample describes."""
    assert provider.polling is not None
    asked = instant(said["asked"]) if "asked" in said else asked
    reply = Reply(status=said.get("status", 200), asked=asked, heard=asked + 0.2, body=payload(said))
    return provider.polling.hear(at, follow, order, said["resource"], reply)


TIMES = {"at", "placed_at", "start", "end", "first", "updated_at", "ended_at", "heard"}


def readable(value: Any) -> Any:
    """An order as a sample writes it: plain JSON, its times RFC 3339."""
    if isinstance(value, msgspec.Struct):
        plain = {name: readable(getattr(value, name)) for name in value.__struct_fields__}
        return {name: stamp(held) if name in TIMES else held for name, held in plain.items()}
    return [readable(one) for one in value] if isinstance(value, tuple) else value


def stamp(held: Any) -> Any:
    if not isinstance(held, float):
        return held
    return datetime.fromtimestamp(held, UTC).isoformat().replace("+00:00", "Z")


def only(expected: Any, found: Any) -> Any:
    """Of what was found, what the expectation speaks of, so that a difference shows as one."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return {name: only(value, found.get(name, "(no such field)")) for name, value in expected.items()}
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [only(one, other) for one, other in zip(expected, found, strict=True)]
    return found


# ---- the samples ----


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_sample(path: Path) -> None:
    sample = json.loads(path.read_text("utf-8"))
    provider, expect = PROVIDERS[path.parent.name], sample["expect"]
    if "error" in expect:
        with pytest.raises(getattr(errors, expect["error"])):
            play(provider, sample)
        return
    changes = play(provider, sample)
    assert only(expect["order"], readable(changes[-1].order)) == expect["order"]
    if "verdicts" in expect:
        assert [change.verdict for change in changes] == expect["verdicts"]


def test_every_provider_has_samples() -> None:
    assert {path.parent.name for path in FILES} == set(PROVIDERS)


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_an_error_of_each_kind_is_among_the_samples(name: str) -> None:
    expects = [json.loads(path.read_text("utf-8"))["expect"] for path in FILES if path.parent.name == name]
    assert {expect.get("error", "none") for expect in expects} >= {"none", "Unreadable", "Forged"}


# ---- what a status means ----

MEANINGS: list[tuple[str, str, str | None, tuple[str, ...]]] = [
    ("aifi", "draft", "picked", ("processing",)),
    ("aifi", "completed", "fulfilled", ()),
    ("aifi", "payment_processing", "fulfilled", ()),
    ("aifi", "paid", "closed", ()),
    ("aifi", "unpaid", "fulfilled", ("payment_failed",)),
    ("aifi", "pending", "picked", ("on_hold",)),
    ("aifi", "contested", "picked", ("on_hold",)),
    ("aifi", "reviewed", "closed", ()),
    ("aifi", "never_heard_of", "picked", ("unknown",)),
    ("urbit checkout", "created", "cart", ()),
    ("urbit checkout", "ready", "cart", ("payment_entered",)),
    ("urbit checkout", "complete", "confirmed", ()),
    ("urbit checkout", "failed", "failed", ()),
    ("urbit checkout", "never_heard_of", "cart", ("unknown",)),
    ("urbit", "pending", "confirmed", ()),
    ("urbit", "open", "confirmed", ()),
    ("urbit", "claimed", "assigned", ()),
    ("urbit", "pickedup", "in_transit", ()),
    ("urbit", "picked_up", "in_transit", ()),
    ("urbit", "delivered", "fulfilled", ()),
    ("urbit", "cancelled", "canceled", ()),
    ("urbit", "canceled", "canceled", ()),
    ("urbit", "never_heard_of", None, ("unknown",)),
    ("jane", "pending", "cart", ()),
    ("jane", "verification", "placed", ("in_review",)),
    ("jane", "staff_member_review", "placed", ("in_review",)),
    ("jane", "preparing", "preparing", ()),
    ("jane", "delivery_started", "staged", ()),
    ("jane", "ready_for_pickup", "ready", ()),
    ("jane", "delivery_finished", "fulfilled", ()),
    ("jane", "finished", "closed", ()),
    ("jane", "finished_without_review", "closed", ()),
    ("jane", "with_review", "closed", ("reviewed",)),
    ("jane", "cancelled", "canceled", ()),
    ("jane", "dismissed", "rejected", ()),
    ("jane", "never_heard_of", None, ("unknown",)),
    ("lolamarket", "order.received", "placed", ()),
    ("lolamarket", "order.confirmed", "confirmed", ()),
    ("lolamarket", "order.allocated", "assigned", ()),
    ("lolamarket", "order.rescheduled", "confirmed", ("rescheduled",)),
    ("lolamarket", "order.in.picking", "preparing", ()),
    ("lolamarket", "order.inPicking", "preparing", ()),
    ("lolamarket", "order.in_picking", "preparing", ()),
    ("lolamarket", "order.picked", "picked", ()),
    ("lolamarket", "order.in.transit", "in_transit", ()),
    ("lolamarket", "order.inTransit", "in_transit", ()),
    ("lolamarket", "order.delivered", "fulfilled", ()),
    ("lolamarket", "order.on.hold", None, ("on_hold",)),
    ("lolamarket", "order.onHold", None, ("on_hold",)),
    ("lolamarket", "order.rejected", "rejected", ()),
    ("lolamarket", "order.canceled", "canceled", ()),
    ("lolamarket", "order.cancelled", "canceled", ()),
    ("lolamarket", "order.in.return", None, ("returning",)),
    ("lolamarket", "order.returned", "returned", ()),
    *(
        ("lolamarket", prefix + thing + outcome, "preparing", ())
        for prefix in ("order.", "")
        for thing in ("item.", "article.")
        for outcome in ("pending", "picked", "replaced", "notFound", "not.found", "not_found", "added")
    ),
]


def said(provider: str, status: str, **fields: Any) -> dict[str, Any]:
    """The least that a provider may send to say a status."""
    if provider == "jane":
        return {"webhook_event": "cart_status_updated", "cart": {"uuid": "u-1", "status": status, **fields}}
    if provider == "aifi":
        return {"orderId": 0, "status": status, "timeOfIssue": "2026-01-05T11:59:00Z", **fields}
    payload = {"id": "u-1", **fields}
    return {"eventId": 1, "eventName": status, "eventTimestamp": "2026-01-05T11:59:00Z", "eventPayload": payload}


def parse(provider: str, body: dict[str, Any], **changed: Any) -> OrderEvent:
    (event,) = PROVIDERS[provider].parse(source(provider, **changed), call({"body": body}))
    return event


def meant(provider: str, status: str) -> OrderEvent:
    """What a status means where the provider says it: in a body, in a query, or when it is asked."""
    if provider == "urbit":
        query = urlencode({"order_reference_id": "u-1", "order_status": status})
        (event,) = PROVIDERS[provider].parse(source(provider), call({"query": query}))
        return event
    if provider == "urbit checkout":
        answer = {"resource": "checkout", "body": {"checkout_status": status}}
        follow = Follow(source="urb", ref="u-1", began=NOON)
        return poll(PROVIDERS["urbit"], source("urbit"), follow, None, answer, NOON).events[0]
    return parse(provider, said(provider, status))


@pytest.mark.parametrize(("provider", "status", "stage", "flags"), MEANINGS)
def test_meaning(provider: str, status: str, stage: str | None, flags: tuple[str, ...]) -> None:
    spellings = {status, f" {status}\t", status.upper(), status.replace("_", "\\_"), status.replace("_", "*_****")}
    if provider == "jane":
        spellings |= {status.replace("_", " "), status.replace("_", "-"), status.replace("_", "__")}
    for spelling in spellings - ({status.upper()} if any(letter.isupper() for letter in status) else set()):
        event = meant(provider, spelling)
        assert (event.stage, event.flags) == (stage, flags), spelling


def test_an_early_and_a_late_dismissal_differ() -> None:
    event = parse("jane", said("jane", "dismissed"))
    assert (event.stage, event.over, event.by) == ("rejected", "canceled", "store")


@pytest.mark.parametrize("name", ["order", "item", "picked", "order.order.picked", "items.picked", "", "order.inTrans"])
def test_a_name_that_is_no_spelling_of_any(name: str) -> None:
    with pytest.raises(errors.NotUnderstood):
        lolamarket.kind_of(name)


OUTCOMES: list[tuple[dict[str, Any], str]] = [
    ({"quantityRequested": 2, "quantityFulfilled": 2}, "found"),
    ({"quantityRequested": 2, "quantityFulfilled": 3}, "found"),
    ({"quantityRequested": 2, "quantityFulfilled": 1.5}, "partial"),
    ({"quantityRequested": 2, "quantityFulfilled": 0}, "not_found"),
    ({"quantityRequested": 0, "quantityFulfilled": 1}, "added"),
    ({"quantityRequested": 2, "quantityFulfilled": 1, "replaced": True}, "replaced"),
    ({"quantityRequested": 2, "quantityFulfilled": 0, "replaced": True}, "replaced"),
    ({"quantityRequested": 2, "quantityFulfilled": 1, "replaced": True, "returned": True}, "returned"),
    ({"quantityRequested": 2, "quantityFulfilled": 2, "replaced": None, "returned": False}, "found"),
    ({"quantityRequested": 5, "quantityFulfilled": 0.4, "quantityFulfilledUnit": "kilograms"}, "found"),
    ({"quantityRequested": 5, "quantityFulfilled": 4, "quantityRequestedUnit": "Unit"}, "found"),
    ({"quantityRequested": 2}, "pending"),
    ({}, "pending"),
]


@pytest.mark.parametrize(("article", "state"), OUTCOMES)
def test_outcome_of_a_line(article: dict[str, Any], state: str) -> None:
    for form in ({"articles": [{"itemId": "1", **article}]}, {"article": {"id": "1", **article}}):
        event = parse("lolamarket", said("lolamarket", "order.picked", **form))
        assert event.items is not None
        assert [item.state for item in event.items] == [state]
        assert state in ITEM_STATES


def test_an_unknown_store_is_reported() -> None:
    jane = parse("jane", said("jane", "preparing", store_id=4711))
    place = {"pickingLocation": {"id": "4711"}}
    lola = parse("lolamarket", said("lolamarket", "order.confirmed", **place), store=None, store_ids={"9": "68"})
    assert (jane.said, jane.store) == ("4711", "68")
    assert (lola.said, lola.store) == ("4711", None)


def test_too_many_lines() -> None:
    many = [{"itemId": str(number)} for number in range(501)]
    assert len(parse("lolamarket", said("lolamarket", "order.picked", articles=many[:500])).items or ()) == 500
    assert len(parse("jane", said("jane", "preparing", products=[{"id": "same"}] * 500)).items or ()) == 500
    for body in (
        said("lolamarket", "order.picked", articles=many),
        said("lolamarket", "order.picked", articles=[{"itemId": "1", "replacement": many[:500]}]),
    ):
        with pytest.raises(errors.Unreadable):
            parse("lolamarket", body)
    with pytest.raises(errors.Unreadable):
        parse("jane", said("jane", "preparing", products=[{}] * 501))


# ---- which events are the same ----


def events(provider: str, *bodies: bytes) -> list[str]:
    at = source(provider)
    return [event.digest for body in bodies for event in PROVIDERS[provider].parse(at, Call(body=body, heard=NOON))]


def test_event_ids_that_one_float_would_hold_stay_apart() -> None:
    body = json.dumps(said("lolamarket", "order.confirmed"))
    ids = [1201895966044343902, *range(1201895966044343909, 1201895966044343913)]
    assert len({float(one) for one in ids}) == 1
    assert len(set(events("lolamarket", *(body.replace("1", str(one), 1).encode() for one in ids)))) == len(ids)


def test_the_document_reuses_an_event_id_for_different_events() -> None:
    bodies = [json.loads(path.read_text())["calls"][-1]["body"] for path in FILES if "document-0" in path.name]
    assert {body["eventId"] for body in bodies} == {1201895966044343902}
    assert len(set(events("lolamarket", *(json.dumps(body).encode() for body in bodies)))) == len(bodies) == 9


def test_an_event_is_known_by_its_body_to_the_byte_and_one_written_anew_changes_nothing() -> None:
    body = said("lolamarket", "order.confirmed", orderRef="7", express=True)
    turned = {key: body[key] for key in reversed(body)}
    spelled = [json.dumps(body).encode(), json.dumps(body).encode(), json.dumps(turned, indent=3).encode()]
    assert len(set(events("lolamarket", *spelled))) == 2
    order: Order | None = None
    for raw in spelled:
        (event,) = PROVIDERS["lolamarket"].parse(source("lolamarket"), Call(body=raw, heard=NOON))
        order = apply(order, event).order
    assert order is not None
    assert order.version == 1


def test_a_cart_is_known_by_its_uuid_its_status_and_its_body() -> None:
    one = said("jane", "preparing")
    others = [said("jane", "finished"), said("jane", "preparing", uuid="u-2"), said("jane", "preparing", rating=5)]
    digests = events("jane", *(json.dumps(body).encode() for body in [one, one, *others]))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


# ---- who may speak ----

HEADERS = [
    ("the secret", f"Bearer {SECRET}".encode(), True),
    ("another case of the scheme", f"bEARER {SECRET}".encode(), True),
    ("none", None, False),
    ("empty", b"", False),
    ("the scheme alone", b"Bearer", False),
    ("the scheme and a space", b"Bearer ", False),
    ("the secret alone", SECRET.encode(), False),
    ("another scheme", f"Basic {SECRET}".encode(), False),
    ("the first byte wrong", f"Bearer z{SECRET[1:]}".encode(), False),
    ("the last byte wrong", f"Bearer {SECRET[:-1]}z".encode(), False),
    ("one more byte", f"Bearer {SECRET}s".encode(), False),
    ("another case of the secret", f"Bearer {SECRET.upper()}".encode(), False),
    ("beyond ASCII", b"Bearer \xe9" + SECRET[1:].encode(), False),
    ("not even UTF-8", b"\xff\xfe \x00", False),
]


def allowed(provider: str, one: Call, **changed: Any) -> bool:
    try:
        PROVIDERS[provider].verify(source(provider, **changed), one)
    except errors.Forged:
        return False
    return True


@pytest.mark.parametrize("provider", ["jane", "lolamarket"])
@pytest.mark.parametrize(("header", "fits"), [row[1:] for row in HEADERS], ids=[row[0] for row in HEADERS])
def test_bearer(provider: str, header: bytes | None, fits: bool) -> None:
    headers = {} if header is None else {b"authorization": header}
    assert allowed(provider, Call(headers=headers, heard=NOON)) is fits


@pytest.mark.parametrize(
    ("tail", "fits"),
    [(SECRET, True), ("", False), (SECRET[:-1], False), (SECRET[:-1] + "z", False), ("\xe9", False), ("\udcff", False)],
)
def test_secret_in_the_url(tail: str, fits: bool) -> None:
    assert allowed("lolamarket", Call(tail=tail, heard=NOON)) is fits
    wrong = {b"authorization": b"Bearer of nothing"}
    assert allowed("lolamarket", Call(tail=tail, headers=wrong, heard=NOON)) is fits


def signed(stamp: bytes, body: bytes = b"{}", **changed: bytes) -> Call:
    seen = signing.hmac_hex(SIGNING, stamp + b":" + body)
    headers = {b"x-jane-request-timestamp": stamp, b"x-jane-signature": changed.get("signature", seen)}
    return Call(
        headers=headers | {b"authorization": f"Bearer {SECRET}".encode()}, body=changed.get("sent", body), heard=NOON
    )


STAMPS = [
    (f"{NOON:.0f}", True),
    (f"{NOON - 299:.0f}", True),
    (f"{NOON + 299:.0f}", True),
    (f"{NOON - 301:.0f}", False),
    (f"{NOON + 301:.0f}", False),
    (f"{NOON * 1000 - 299_000:.0f}", True),
    (f"{NOON * 1000 + 299_000:.0f}", True),
    (f"{NOON * 1000 - 301_000:.0f}", False),
    (f"{NOON * 1000 + 301_000:.0f}", False),
    ("", False),
    ("0", False),
    (f"-{NOON:.0f}", False),
    (f"+{NOON:.0f}", False),
    (f"{NOON:.1f}", False),
    (f"{NOON:.0f} ", False),
    (f"{NOON:.0f}\n", False),
    ("9" * 400, False),
    ("nan", False),
    ("1e9", False),
    ("\u0661\u0662", False),
]


@pytest.mark.parametrize(("stamp", "fits"), STAMPS)
def test_stamp_of_a_signature(stamp: str, fits: bool) -> None:
    assert allowed("jane", signed(stamp.encode()), signing_secret=SIGNING) is fits


def test_the_window_of_signatures_is_configured() -> None:
    old = signed(f"{NOON - 50:.0f}".encode())
    assert allowed("jane", old, signing_secret=SIGNING, signature_seconds=60)
    assert not allowed("jane", old, signing_secret=SIGNING, signature_seconds=40)


def test_signature() -> None:
    now = f"{NOON:.0f}".encode()
    good = signing.hmac_hex(SIGNING, now + b":{}")
    assert allowed("jane", signed(now, signature=good.upper()), signing_secret=SIGNING)
    for wrong in (b"", b"\xe9", good[:-1], b"0" * 64, signing.hmac_hex(SIGNING, b"{}"), b"sha256=" + good):
        assert not allowed("jane", signed(now, signature=wrong), signing_secret=SIGNING)
    for body in (b"{} ", b"{}\n", b"", b"[]"):
        assert not allowed("jane", signed(now, sent=body), signing_secret=SIGNING)
        assert allowed("jane", signed(now, sent=body)), "without a signing secret nothing is compared"


def test_a_signature_does_not_take_the_place_of_the_secret() -> None:
    one = signed(f"{NOON:.0f}".encode())
    bare = msgspec.structs.replace(one, headers={k: v for k, v in one.headers.items() if k != b"authorization"})
    assert allowed("jane", one, signing_secret=SIGNING)
    assert not allowed("jane", bare, signing_secret=SIGNING)


@pytest.mark.parametrize(
    ("provider", "key", "value"),
    [
        ("jane", "delivery_started", "gone"),
        ("jane", "signature_seconds", 0),
        ("jane", "signing_secret", "short"),
        ("jane", "bags_item", "1"),
        ("lolamarket", "bags_item", 1),
        ("lolamarket", "signing_secret", SIGNING),
    ],
)
def test_options_are_checked(provider: str, key: str, value: object) -> None:
    with pytest.raises(errors.Fatal, match=key):
        source(provider, **{key: value})


# ---- bodies that nobody would send ----

NASTY: list[Any] = [
    None, True, False, 0, -1, 1.5, -0.0, 1e308, 2**53 + 1, 2**63, 2**64, -(2**70), 10**400, float("nan"),
    float("inf"), "", " ", "x" * 20_000, "\x00", "\ud800", "\udfff\ud800", "\u202e\u200b", "\x1b[31m", "9" * 400, "-1",
    "1e999", "NaN", "{{7*7}}", "${jndi:x}", "__proto__", "<b>&\"'", [], {}, [[]], [{}], {"": None}, [None] * 600,
    [{"itemId": 1}] * 600, {"__proto__": {}}, "2021-06-21 22:45:00", "9999-12-31T23:59:59-23:59", "0001-01-01",
]  # fmt: skip
BYTES = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\\", b'"', b"{", b"]", b",", b"9" * 400]
NAMES = ["id", "itemId", "cart", "articles", "article", "replacement", "", "\x00", "\ud800", "__proto__", "x" * 20_000]
GOOD = [
    (path.parent.name, said)
    for path in FILES
    for sample in [json.loads(path.read_text("utf-8"))]
    if "order" in sample["expect"]
    for said in [*sample.get("calls", []), *sample.get("polls", [])]
    if "body" in said and said.get("tail") != "token"
]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree, however deep."""
    found, open_ = [], [tree]
    while open_:
        holder = open_.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        found += [(holder, key) for key in keys]
        open_ += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return found


def spoiled(rng: Random, good: Any) -> bytes:
    """A good body after one to four changes of its tree, and at times one of its bytes."""
    tree = {"top": copy.deepcopy(good)}
    for _ in range(rng.randint(1, 4)):
        if found := places(tree):
            spoil(rng, *rng.choice(found))
    body = json.dumps(tree.get("top")).encode()
    if rng.random() < 0.1:
        body = body.replace(b"1", b"7" * rng.choice([25, 4300, 4301]), 1)
    body = scratch(rng, body) if rng.random() < 0.3 else body
    return body[: 256 * 1024]  # more never gets past the door


def spoil(rng: Random, holder: Any, key: Any) -> None:
    how = rng.choice(["swap", "swap", "drop", "nest", "wrap", "rename", "text"])
    if how == "swap":
        holder[key] = copy.deepcopy(rng.choice(NASTY))
    elif how == "drop":
        del holder[key]
    elif how == "nest":
        for _ in range(rng.choice([1, 5, 31, 32, 90])):
            holder[key] = [holder[key]]
    elif how == "wrap":
        holder[key] = {rng.choice(NAMES): holder[key]}
    elif how == "rename" and isinstance(holder, dict):
        holder[rng.choice(NAMES)] = holder.pop(key)
    else:
        holder[key] = "".join(map(chr, rng.choices([*range(256), 0x2028, 0x202E, 0xD800, 0xFEFF, 0x1F600], k=20)))


def scratch(rng: Random, body: bytes) -> bytes:
    at = rng.randint(0, len(body))
    how = rng.choice(["cut", "insert", "over", "twice", "utf-16"])
    if how == "cut":
        return body[:at]
    if how == "insert":
        return body[:at] + rng.choice(BYTES) + body[at:]
    if how == "over":
        return body[:at] + rng.randbytes(2) + body[at + 2 :]
    return body + body if how == "twice" else body.decode().encode("utf-16")


@settings(max_examples=2_000, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(range(len(GOOD))))
def test_a_spoiled_body_is_refused_or_harmless(rng: Random, which: int) -> None:
    provider, said = GOOD[which]
    body = spoiled(rng, said["body"])
    found, refusal = read(provider, said, body)
    order = None
    for event in found:
        PROVIDERS[provider].redact(body).decode()
        order = apply(order, event).order
        fits(order)
    if not found:
        assert 0 < len(refusal.encode()) < 1_000


def read(provider: str, said: dict[str, Any], body: bytes) -> tuple[Sequence[OrderEvent], str]:
    """The events, or why there are none. Any other exception is what the test looks for."""
    at = SPOILED[provider]
    if "resource" in said:
        raw = {"resource": said["resource"], "status": said.get("status", 200), "bytes": body}
        heard = poll(PROVIDERS[provider], at, Follow(source=at.id, ref="u-1", began=NOON), None, raw, NOON)
        return heard.events, heard.failed or "nothing is said"
    try:
        one = Call(tail=said.get("tail", ""), body=body, heard=NOON)
        return PROVIDERS[provider].parse(at, one), "nothing is said"
    except (errors.Unreadable, errors.NotUnderstood) as error:
        return [], str(error)


@pytest.mark.parametrize(
    "stamp", ["9999-12-31T23:59:59-23:59", "9999-12-31", "0001-01-01", "0001-01-01T00:00:00+23:59"]
)
def test_a_time_beyond_the_calendar_says_nothing(stamp: str) -> None:
    """Such an instant can't be written in every zone: the page of an order that held it could never be shown."""
    jane = parse("jane", said("jane", "preparing", checked_out_time=stamp, reservation_start_window=stamp))
    slot = {"fromDate": stamp, "toDate": "2026-01-05T13:00:00Z"}
    lola = parse("lolamarket", said("lolamarket", "order.confirmed", timeSlot=slot))
    assert (jane.placed_at, jane.promised) == (None, None)
    assert lola.promised == Promise(None, instant("2026-01-05T13:00:00Z"))


SPOILED = {name: source(name) for name in PROVIDERS}
SPOILED_FOLLOW = Follow(source="spoiled", ref="u-1", began=NOON)


def fits(order: Order) -> None:
    """Nothing in the order is too long, unprintable, or more than JSON and Lua can carry."""
    assert 1 <= len(order.ref) <= 128
    assert order.ref.isascii()
    assert order.ref.isprintable()
    assert len(order.items or ()) <= 500
    assert json.loads(msgspec.json.encode(order))
    bounded(readable(order))


def bounded(value: Any) -> None:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            bounded(one)
    elif isinstance(value, str):
        assert len(value) <= 2_000
        assert not set(value) & set("\x00\x1b\u202e\u200b")
    elif isinstance(value, int | float):
        assert abs(value) <= 2**53
