"""Instacart: which calls are made and which are not, whose tokens, who may call us, what its answers mean."""

import json
from base64 import b64decode
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Fatal, Forged, NotUnderstood, Unreadable
from app.orders import ITEM_STATES, RANK, Arrival, Item, Order, OrderEvent, apply
from app.providers import jane
from app.providers.contract import Call, Calling, Follow, Heard, Polling, Reply, Request
from app.providers.instacart import PROVIDER
from app.settings import Source, check

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp()
SECRET = "a-test-secret-of-many-letters"
KEYS = {"client_id": "a-client", "client_secret": "a-client-secret"}
POLLING: Polling = PROVIDER.polling  # type: ignore[assignment]
STORE = {"id": "68", "name": "West", "timezone": "America/Los_Angeles"}


def source(**changed: Any) -> Source:
    """A source as the config file would make it; None takes a key away."""
    base = {"id": "insta", "provider": "instacart", "secret": SECRET, "base_url": "https://connect.invalid/", **KEYS}
    table = {key: value for key, value in (base | changed).items() if value is not None}
    options = {"instacart": PROVIDER.options, "jane": jane.PROVIDER.options}
    return check({"stores": [STORE], "sources": [table]}, {}, options).sources["insta"]


AT = source()


def body(state: str, kind: str = "delivery", end: str = "2026-01-05T14:00:00Z") -> dict[str, Any]:
    window = {"window_starts_at": "2026-01-05T12:00:00Z", "window_ends_at": end}
    return {"id": "o-1", "workflow_state": state, "fulfillment_type": kind, "fulfillment_details": window}


# ---- a poller in small: asks what is planned when it is planned, and writes down what it asked ----

Told = tuple[float, str]  # seconds since noon, and the state from then on or the resource asked for


class Play:
    """`script`: the states and when they begin. `status`: of a resource that is refused."""

    def __init__(self, script: list[Told], kind: str = "delivery", **more: Any) -> None:
        self.script, self.kind = script, kind
        self.status: dict[str, int] = more.pop("status", {})
        self.pushed: list[Told] = more.pop("pushed", [])
        self.source = source(**more.pop("source", {}))
        self.follow = Follow(source="insta", ref="o-1", began=NOON, user_id="c", **more)
        self.order: Order | None = None
        self.asked: list[Told] = []

    def run(self, until: float = 1e6) -> "Play":
        now = NOON
        for _ in range(20_000):
            due = POLLING.plan(self.source, self.follow, self.order, now)
            self.ended = not due
            if self.ended:
                return self
            resource = min(due, key=lambda name: (due[name], name))
            now = max(now + 0.01, due[resource])
            if now - NOON > until:
                return self
            self.push(now)
            now = self.ask(resource, now)
        raise AssertionError("it never ends")

    def push(self, now: float) -> None:
        """The callbacks that came in meanwhile."""
        while self.pushed and NOON + self.pushed[0][0] <= now:
            at, state = self.pushed.pop(0)
            self.apply(*PROVIDER.parse(AT, hook(state, NOON + at)))

    def ask(self, resource: str, now: float) -> float:
        self.asked.append((round(now - NOON, 1), resource))
        heard = POLLING.hear(self.source, self.follow, self.order, resource, self.reply(resource, now))
        self.apply(*heard.events)
        follow, bad = self.follow, heard.failed is not None
        self.follow = msgspec.structs.replace(
            follow,
            asked=follow.asked if bad else follow.asked | {resource: now},
            stopped=follow.stopped | ({resource} if heard.stop else set()),
            marks=follow.marks | heard.marks,
        )
        return now + 5 if bad else now

    def apply(self, *events: OrderEvent) -> None:
        for event in events:
            self.order = apply(self.order, event).order

    def reply(self, resource: str, now: float) -> Reply:
        state = [state for at, state in self.script if at <= now - NOON][-1]
        said: Any = {"order": body(state, self.kind), "items": {"line_items": [{"id": "1", "status": "found"}]}}
        said = said.get(resource, {"coordinates": {"latitude": 1, "longitude": 1}})
        return Reply(status=self.status.get(resource, 200), asked=now, heard=now + 0.2, body=json.dumps(said).encode())

    def times(self, resource: str, start: float = -1, end: float = 1e9) -> list[float]:
        return [at for at, asked in self.asked if asked == resource and start <= at < end]


def gaps(times: list[float]) -> set[int]:
    return {round(later - sooner) for sooner, later in pairwise(times)}


WAY: list[Told] = [
    (0, "brand_new"), (100, "acknowledged"), (200, "picking"), (250, "verifying_replacements"), (300, "checkout"),
    (350, "staged"), (400, "delivering"), (500, "delivered"),
]  # fmt: skip


def test_a_delivery_from_its_beginning_to_its_end() -> None:
    play = Play(WAY).run()
    assert play.ended
    assert gaps(play.times("order", end=124)) == {30}
    assert gaps(play.times("order", 120)) == {5}
    assert len(play.times("items", end=200)) == 1, "once before picking begins"
    assert gaps(play.times("items", 200, 300)) == {5}
    assert len(play.times("items", 300)) == 1, "once more at the checkout"
    first, second = play.times("handling")
    assert first < 1
    assert 100 <= second < 130, "again for the shopper"
    assert 400 <= play.times("location")[0] < 406
    assert gaps(play.times("location")) == {5}
    assert play.times("location")[-1] < 506
    assert 500 <= play.asked[-1][0] < 506
    assert play.order is not None
    assert play.order.stage == "fulfilled"


def test_without_a_state_that_passed_between_two_polls() -> None:
    for script, after in [
        ([(0, "picking"), (100, "delivering"), (200, "delivered")], 100),
        ([(0, "picking"), (100, "bags_check"), (200, "delivered")], 100),
        ([(0, "picking"), (100, "delivered")], 100),
        ([(0, "brand_new"), (100, "delivered")], 100),
        ([(0, "brand_new"), (100, "checkout"), (200, "delivered")], 100),
    ]:
        play = Play(script).run()
        assert play.ended, script
        assert len(play.times("items", after)) == 1, script


@pytest.mark.parametrize("state", ["checkout", "delivering", "delivered"])
def test_followed_late_the_items_are_read_once(state: str) -> None:
    play = Play([(0, state), (300, "delivered")]).run()
    assert len(play.times("items")) == 1
    assert len(play.times("handling")) == (state != "delivered")


def test_a_state_that_goes_back_is_followed_again() -> None:
    play = Play([(0, "picking"), (100, "checkout"), (200, "picking"), (300, "checkout"), (400, "delivered")]).run()
    assert len(play.times("items", 100, 200)) == 1
    assert gaps(play.times("items", 201, 300)) == {5}
    assert len(play.times("items", 300)) == 1
    lost = Play([(0, "acknowledged"), (100, "brand_new"), (200, "acknowledged"), (300, "delivered")]).run()
    assert len(lost.times("handling", end=100)) == 1
    assert len(lost.times("handling", 200, 231)) == 1
    assert gaps(lost.times("order", 101, 224)) == {30}


def test_a_callback_makes_it_due_at_once() -> None:
    script = [(0, "brand_new"), (35, "picking"), (400, "delivered")]
    slow, fast = Play(script).run(), Play(script, pushed=[(36, "picking")])
    fast.run(until=59)
    assert slow.times("items", 1)[0] >= 60
    assert fast.order is not None
    push = Play(script, pushed=[])
    push.run(until=36)
    push.apply(*PROVIDER.parse(AT, hook("picking", NOON + 36)))
    due = POLLING.plan(AT, push.follow, push.order, NOON + 36)
    assert due["items"] <= NOON + 36
    assert due["order"] <= NOON + 36


def test_last_mile() -> None:
    states = ["brand_new", "staged_for_delivery", "waiting_for_delivery", "acknowledged_for_delivery", "at_store"]
    script: list[Told] = [(100.0 * n, state) for n, state in enumerate([*states, "delivering", "delivered"])]
    play = Play(script, "last_mile_delivery", items=(Item("7", "Oats", 2.0),)).run()
    assert play.ended
    assert not play.times("items"), "Instacart never learned of them"
    assert play.order is not None
    assert play.order.items == (Item("7", "Oats", 2.0),)
    assert [at // 100 for at in play.times("handling")] == [0, 3]
    assert {at // 100 for at in play.times("location")} <= {5, 6}
    bare = Play(script, "last_mile_delivery").run()
    assert bare.order is not None
    assert bare.order.items is None


def test_a_pickup_ends_and_nobody_drives() -> None:
    states = ["brand_new", "picking", "checkout", "ready_for_pickup", "user_at_store", "bags_verified", "delivered"]
    play = Play([(100.0 * n, state) for n, state in enumerate(states)], "pickup").run()
    assert play.ended
    assert not play.times("location")
    assert len(play.times("items", 200)) == 1


@pytest.mark.parametrize("state", ["canceled", "cancelled"])
def test_canceled_is_the_end(state: str) -> None:
    play = Play([(0, "picking"), (100, state)]).run()
    assert play.ended
    assert play.asked[-1] == (max(play.times("order")), "order")
    assert play.asked[-1][0] < 106


def test_shoppers_who_are_not_shown() -> None:
    play = Play([(0, "delivering"), (100, "delivered")], status={"location": 403}).run()
    assert len(play.times("location")) == 1
    assert gaps(play.times("order")) == {5}


def test_not_found_is_believed_the_third_time() -> None:
    gone = Play([(0, "brand_new")], status={"order": 404}).run()
    assert gone.ended
    assert [resource for _, resource in gone.asked] == ["order"] * 3
    aside = Play([(0, "picking"), (50, "delivered")], status={"items": 404, "handling": 404}).run()
    assert len(aside.times("items")) == len(aside.times("handling")) == 3
    assert aside.order is not None
    assert aside.order.stage == "fulfilled"


def test_what_never_ends_is_given_up() -> None:
    play = Play([(0, "acknowledged")], source={"poll_seconds": 60}).run()
    assert play.ended
    assert 8 * 3600 - 120 <= play.asked[-1][0] <= 8 * 3600, "six hours past the window's end"


def test_an_unknown_state_is_no_sleep() -> None:
    play = Play([(0, "teleporting"), (100, "delivered")]).run()
    assert gaps(play.times("order")) == {5}
    assert len(play.times("items", end=100)) == 1


@pytest.mark.parametrize(("seconds", "slow", "fast"), [(5, 30, 5), (1, 6, 1), (20, 60, 20), (90, 60, 60)])
def test_never_over_a_minute(seconds: float, slow: int, fast: int) -> None:
    idle = Play([(0, "brand_new")], source={"poll_seconds": seconds}).run(until=400)
    busy = Play([(0, "acknowledged")], source={"poll_seconds": seconds}).run(until=400)
    assert (gaps(idle.times("order")), gaps(busy.times("order"))) == ({slow}, {fast})


# ---- the plan, case by case ----

LATER = NOON + 1000


def plan(states: list[str], kind: str = "delivery", now: float = LATER, order: bool = True, **follow: Any) -> Any:
    """What is planned after these states were heard, ten seconds apart, the last of them 10 s ago."""
    came = Play([(0, state) for state in states], kind)
    for number, state in enumerate(states):
        asked_at, raw = LATER - 10 * (len(states) - number), msgspec.json.encode(body(state, kind))
        said = Reply(status=200, asked=asked_at, heard=LATER, body=raw)
        came.apply(*POLLING.hear(AT, came.follow, came.order, "order", said).events)
    asked = {"order": LATER - 10} | follow.pop("asked", {})
    found = Follow(source="insta", ref="o-1", began=NOON, **{"asked": asked} | follow)
    due = POLLING.plan(AT, found, came.order if order else None, now)
    return {name: round(at - LATER) for name, at in due.items()}


BOTH = {"items": LATER - 50, "handling": LATER - 50}
DONE: dict[str, Any] = {"asked": BOTH, "marks": {"items": "last", "handling": "shopper"}}
OPEN: dict[str, Any] = {"asked": BOTH, "marks": {"items": "open", "handling": "shopper"}}
LAST_MILE: dict[str, Any] = {"kind": "last_mile_delivery"}
PLANS: list[tuple[str, list[str], dict[str, Any], dict[str, int]]] = [
    ("all at the start", ["brand_new"], {}, {"order": 20, "items": -10, "handling": -10}),
    ("idle", ["brand_new"], {"asked": BOTH}, {"order": 20}),
    ("assigned", ["acknowledged"], {"asked": BOTH}, {"order": -5, "handling": -49}),
    ("picking", ["picking"], {"asked": BOTH, "marks": {"handling": "shopper"}}, {"order": -5, "items": -45}),
    ("reviewing", ["verifying_replacements"], DONE, {"order": -5, "items": -45}),
    ("at the checkout", ["picking", "checkout"], OPEN, {"order": -5, "items": -49}),
    ("all done", ["checkout"], DONE, {"order": -5}),
    ("back again", ["checkout", "picking"], DONE, {"order": -5, "items": -45}),
    ("on its way", ["delivering"], DONE, {"order": -5, "location": -10}),
    ("moving", ["delivering"], DONE | {"asked": BOTH | {"location": LATER - 3}}, {"order": -5, "location": 2}),
    ("not shown", ["delivering"], DONE | {"stopped": frozenset({"location"})}, {"order": -5}),
    ("unknown while delivering", ["delivering", "teleporting"], DONE, {"order": -5, "location": -10}),
    ("no items to be had", ["picking"], DONE | {"stopped": frozenset({"items"})}, {"order": -5}),
    ("delivered", ["delivered"], DONE, {}),
    ("delivered, the last items to come", ["picking", "delivered"], {"asked": BOTH}, {"items": -49}),
    ("delivered before the first look", ["delivered"], {}, {"items": -10}),
    ("canceled", ["picking", "canceled"], {"asked": BOTH}, {}),
    ("not known there", ["brand_new"], {"marks": {"over": "not found"}}, {}),
    ("stopped", ["brand_new"], {"stopped": frozenset({"order"})}, {}),
    ("never asked", [], {"asked": {}, "order": False}, {"order": 20}),
    ("in time", ["picking"], DONE | {"now": NOON + 8 * 3600 - 1}, {"order": -5, "items": -45}),
    ("out of time", ["picking"], DONE | {"now": NOON + 8 * 3600 + 1}, {}),
    ("last mile", ["brand_new"], LAST_MILE, {"order": 20, "handling": -10}),
    ("last mile, staged", ["staged_for_delivery"], LAST_MILE | {"asked": BOTH}, {"order": -5}),
    ("last mile, taken", ["acknowledged_for_delivery"], LAST_MILE | {"asked": BOTH}, {"order": -5, "handling": -49}),
    ("last mile, delivered", ["delivered"], LAST_MILE, {}),
    ("pickup, ready", ["ready_for_pickup"], DONE | {"kind": "pickup"}, {"order": -5}),
]  # fmt: skip


@pytest.mark.parametrize(("states", "given", "due"), [row[1:] for row in PLANS], ids=[row[0] for row in PLANS])
def test_plan(states: list[str], given: dict[str, Any], due: dict[str, int]) -> None:
    assert plan(states, **given) == due


def test_the_first_thing_asked_is_the_order() -> None:
    follow = Follow(source="insta", ref="o-1", began=NOON)
    assert POLLING.plan(AT, follow, None, NOON) == {"order": NOON}
    told = apply(None, *PROVIDER.parse(AT, hook("delivered", NOON))).order
    assert POLLING.plan(AT, follow, told, NOON) == {"order": NOON}, "a callback alone tells too little"


def test_the_last_items_are_not_tried_for_ever() -> None:
    states = ["picking", "delivered"]
    assert plan(states, asked=BOTH, now=LATER + 500) == {"items": -49}
    assert plan(states, asked=BOTH, now=LATER + 700) == {}


def test_a_window_that_was_over_before_we_heard_of_it() -> None:
    raw = json.dumps(body("picking", end="2022-01-13T20:28:06Z")).encode()
    old = Reply(status=200, asked=NOON, heard=NOON, body=raw)
    follow = Follow(source="insta", ref="o-1", began=NOON, asked={"order": NOON})
    order = apply(None, POLLING.hear(AT, follow, None, "order", old).events[0]).order
    assert POLLING.plan(AT, follow, order, NOON + 6 * 3600 - 1)
    assert not POLLING.plan(AT, follow, order, NOON + 6 * 3600 + 1)


@pytest.mark.parametrize("key", ["base_url", "client_id", "client_secret"])
def test_a_source_that_only_hears_callbacks(key: str) -> None:
    follow = Follow(source="insta", ref="o-1", began=NOON)
    assert not POLLING.plan(source(**{key: None}), follow, None, NOON)


def test_a_list_that_was_asked_for_before_the_checkout_is_not_the_last() -> None:
    follow = Follow(source="insta", ref="o-1", began=NOON)
    order = apply(None, *PROVIDER.parse(AT, hook("checkout", NOON + 2))).order
    for asked, mark in [(NOON + 1, "open"), (NOON + 2, "open"), (NOON + 3, "last")]:
        said = Reply(status=200, asked=asked, heard=NOON + 4, body=b'{"line_items": []}')
        assert POLLING.hear(AT, follow, order, "items", said).marks == {"items": mark}


def test_going_back_reopens_though_the_items_could_not_be_had_meanwhile() -> None:
    marks = {"items": "last", "handling": "shopper"}
    follow = Follow(source="insta", ref="o-1", began=NOON, marks=marks)
    for state, reopened in [
        ("brand_new", {"items": "open", "handling": "alone"}),
        ("verifying_replacements", {"items": "open"}),
        ("checkout", {}),
        ("teleporting", {}),
        ("canceled", {}),
    ]:
        said = Reply(status=200, asked=NOON, heard=NOON, body=json.dumps(body(state)).encode())
        assert POLLING.hear(AT, follow, None, "order", said).marks == reopened


# ---- requests and tokens ----


def test_requests() -> None:
    follow = Follow(source="insta", ref="a/b?c", began=NOON)
    base = "https://connect.invalid/v2/post_checkout/orders/a%2Fb%3Fc"
    for resource, path in [("order", ""), ("items", "/items"), ("handling", "/handling"), ("location", "/location")]:
        headers = {"Accept": "application/json", "Authorization": "Bearer t"}
        assert POLLING.request(AT, follow, resource, "t") == Request(url=base + path, headers=headers)


def asked_for(user: str | None, **changed: Any) -> tuple[str, Request, dict[str, Any]]:
    assert POLLING.token is not None
    name, request = POLLING.token(source(**changed), Follow(source="insta", ref="o-1", began=NOON, user_id=user))
    return name, request, json.loads(request.body)


def test_a_token_for_each_customer() -> None:
    name, request, said = asked_for("kamal")
    assert name == "instacart:insta:kamal"
    assert (request.method, request.url) == ("POST", "https://connect.invalid/v2/oauth/token")
    assert request.headers == {"Accept": "application/json", "Content-Type": "application/json"}
    assert said == KEYS | {
        "grant_type": "fulfillment_user_assertion",
        "scope": "connect:post_checkout",
        "assertion": "eyJ1c2VyX2lkIjoia2FtYWwifQ==",
    }
    assert json.loads(b64decode(asked_for('ä"\\')[2]["assertion"])) == {"user_id": 'ä"\\'}
    assert asked_for("other")[0] != name


def test_a_token_of_our_own_where_no_customer_is_named() -> None:
    name, _, said = asked_for(None)
    assert name == "instacart:insta:"
    assert said == KEYS | {"grant_type": "client_credentials", "scope": "connect:fulfillment"}
    assert asked_for(None, client_scope="connect:post_checkout")[2]["scope"] == "connect:post_checkout"


def granted(said: Any, status: int = 200) -> tuple[str, float]:
    assert POLLING.granted is not None
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return POLLING.granted(Reply(status=status, asked=NOON, heard=NOON, body=raw))


def test_granted() -> None:
    full = {"access_token": "t", "token_type": "Bearer", "expires_in": 86400, "scope": "s", "created_at": 1603897760}
    assert granted(full) == ("t", 86400)
    assert granted({"access_token": "t"}) == ("t", 86400)
    assert granted({"access_token": "t", "expires_in": 60}) == ("t", 60)
    assert granted({"access_token": "t", "expires_in": 10**8}) == ("t", 86400)


@pytest.mark.parametrize(
    "said", [b"", {}, {"access_token": ""}, {"access_token": "a\nb"}, {"access_token": 1}, {"access_token": "é"}, []]
)
def test_no_token_in_the_answer(said: Any) -> None:
    with pytest.raises(Unreadable):
        granted(said)
    with pytest.raises(Unreadable, match="answers 403 about token: Forbidden"):
        granted({"error": {"message": "Forbidden", "code": None}}, 403)


# ---- who may call us ----


def hook(state: str, heard: float = NOON, token: str = SECRET, **more: Any) -> Call:
    about = {"order_id": "o-1", **more}
    stamp = datetime.fromtimestamp(heard, UTC).isoformat()
    said = {"event_id": 1, "event_name": f"fulfillment.{state}", "event_timestamp": stamp, "event_metadata": about}
    headers = {b"authorization": f"Bearer {token}".encode()}
    return Call(headers=headers, body=json.dumps(said).encode(), heard=heard)


def allowed(call: Call, **changed: Any) -> bool:
    try:
        PROVIDER.verify(source(**changed), call)
    except Forged:
        return False
    return True


FORM = f"client_id=insta&client_secret={SECRET}&grant_type=client_credentials"


def door(raw: str, heard: float = NOON) -> Call:
    return Call(tail="token", body=raw.encode("utf-8", "surrogateescape"), heard=heard)


def issued(raw: str = FORM, **changed: Any) -> dict[str, Any]:
    at = source(**changed)
    assert PROVIDER.respond is not None
    PROVIDER.verify(at, door(raw))
    said: dict[str, Any] = json.loads(PROVIDER.respond(at, door(raw)) or b"")
    return said


def test_a_token_of_ours_opens_the_door_until_it_ends() -> None:
    said = issued()
    token = said.pop("access_token")
    assert said == {"token_type": "Bearer", "expires_in": 3600}
    assert allowed(hook("picking", NOON, token))
    assert allowed(hook("picking", NOON + 3599, token))
    assert not allowed(hook("picking", NOON + 3600, token))
    assert SECRET not in token


def test_a_token_opens_its_own_source_only() -> None:
    token = issued()["access_token"]
    assert not allowed(hook("picking", NOON, token), secret="another-secret-of-many-letters")
    other = msgspec.structs.replace(AT, id="insta-2")
    with pytest.raises(Forged):
        PROVIDER.verify(other, hook("picking", NOON, token))


def test_a_token_that_was_changed() -> None:
    until, _, proof = str(issued()["access_token"]).partition(".")
    for wrong in (
        f"{int(until) + 1}.{proof}", f"{until}.{proof[:-1]}0"[:-1], f"{until}.{proof.upper()}", f"0{until}.{proof}",
        f"{until}.{'0' * 64}", f"{until}.", f".{proof}", proof, until, "", f"{until}.{proof}.", f"-{until}.{proof}",
        f"{'9' * 400}.{proof}",
    ):  # fmt: skip
        assert not allowed(hook("picking", NOON, wrong)), wrong
    assert allowed(hook("picking", NOON, f"{until}.{proof}"))


def test_the_secret_itself_opens_too() -> None:
    assert allowed(hook("picking"))
    assert not allowed(hook("picking", token=SECRET[:-1]))
    assert not allowed(Call(body=b"{}", heard=NOON))
    assert not allowed(Call(headers={b"authorization": b"Bearer \xff\xfe"}, heard=NOON))
    assert not allowed(Call(headers={b"authorization": f"Basic {SECRET}".encode()}, heard=NOON))


def test_a_token_may_be_asked_for_in_json() -> None:
    said = {"client_id": "insta", "client_secret": SECRET, "grant_type": "client_credentials", "scope": "any"}
    assert issued(json.dumps(said)) == issued()


@pytest.mark.parametrize(
    "raw",
    [
        "", "{}", "[]", "{", "client_id=insta", f"client_secret={SECRET}", FORM.replace("insta", "other"),
        FORM.replace("=insta", "="), FORM.replace("letters", "letter"), FORM.replace(SECRET, ""), "\udcff\udcfe",
        "&" * 50, "a=1&" * 30 + FORM, json.dumps({"client_id": "insta", "client_secret": 7}),
        json.dumps({"client_id": "\ud800", "client_secret": "\ud800"}), "client_id=%ED%A0%80&client_secret=%FF",
    ],
)  # fmt: skip
def test_no_token_for_others(raw: str) -> None:
    assert not allowed(door(raw))


@pytest.mark.parametrize("grant", ["", "&grant_type=password", "&grant_type=CLIENT_CREDENTIALS"])
def test_another_kind_of_grant(grant: str) -> None:
    raw = FORM.replace("&grant_type=client_credentials", grant)
    assert allowed(door(raw)), "who asks is known"
    with pytest.raises(Unreadable, match="client_credentials"):
        issued(raw)


def test_only_the_token_address_answers_itself() -> None:
    assert PROVIDER.respond is not None
    assert PROVIDER.respond(AT, hook("picking")) is None


# ---- what a state means: every row of Instacart's table, polled and called ----

MEANINGS: list[tuple[str, str | None, tuple[str, ...]]] = [
    ("brand_new", "placed", ()),
    ("acknowledged", "assigned", ()),
    ("picking", "preparing", ()),
    ("verifying_replacements", "reviewing", ()),
    ("checkout", "picked", ()),
    ("receipt_sanity_check", "picked", ()),
    ("bags_check", "picked", ()),
    ("staged", "staged", ()),
    ("staged_for_delivery", "staged", ()),
    ("waiting_for_delivery", "staged", ()),
    ("acknowledged_for_delivery", "staged", ("courier_assigned",)),
    ("at_store", "courier_at_store", ()),
    ("ready_for_pickup", "ready", ()),
    ("user_at_store", "arrived", ()),
    ("runner_awaiting", "arrived", ()),
    ("runner_acknowledged", "arrived", ()),
    ("delivering", "in_transit", ()),
    ("delivered", "fulfilled", ()),
    ("completed", "fulfilled", ()),
    ("canceled", "canceled", ()),
    ("cancelled", "canceled", ()),
    ("rescheduled", None, ("rescheduled",)),
    ("late_delivery", None, ("late",)),
    ("late_pickup", None, ("late",)),
    ("customer_missing", None, ("customer_missing",)),
    ("unable_to_find_customer", None, ("customer_missing",)),
    ("runner_not_found", None, ("on_hold",)),
]


def heard(resource: str, said: Any, **reply: Any) -> Heard:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    follow = Follow(source="insta", ref="o-1", began=NOON)
    known: Any = {"status": 200, "asked": NOON, "heard": NOON, "body": raw}
    return POLLING.hear(AT, follow, None, resource, Reply(**known | reply))


@pytest.mark.parametrize(("state", "stage", "flags"), MEANINGS)
def test_meaning(state: str, stage: str | None, flags: tuple[str, ...]) -> None:
    assert stage is None or stage in RANK
    spaced = state.replace("_", " ")
    camel = spaced.title().replace(" ", "")
    for spelling in {state, state.upper(), f" {state} ", spaced, spaced.replace(" ", "-"), camel}:
        (event,) = heard("order", body(spelling)).events
        assert (event.stage, event.flags, event.raw_status) == (stage, flags, spelling.strip())
        for name in (spelling, f"order_{spelling}", f"order.{spelling}"):
            (event,) = PROVIDER.parse(AT, hook(name))
            assert (event.stage, event.flags, event.policy) == (stage, flags, "event_time")


@pytest.mark.parametrize(
    ("kind", "stage"),
    [
        ("last_mile_delivery", "courier_at_store"),
        ("delivery", "courier_at_store"),
        ("pickup", "arrived"),
        (None, "courier_at_store"),
    ],
)
def test_bags_verified_depends_on_the_type(kind: str | None, stage: str) -> None:
    polled = {"workflow_state": "bags_verified"} | ({"fulfillment_type": kind} if kind else {})
    assert heard("order", polled).events[0].stage == stage
    more = {"fulfillment_type": kind} if kind else {}
    assert PROVIDER.parse(AT, hook("bags_verified", **more))[0].stage == stage


CALLED: list[tuple[str, str | None, tuple[str, ...], bool]] = [
    ("order_item_replacement", None, (), False),
    ("order_item_refund", None, (), False),
    ("item.refund", None, (), False),
    ("pickup_runner_started", "arrived", (), False),
    ("arrival_at_customer", "in_transit", (), True),
    ("arrivedAtCustomer", "in_transit", (), True),
    ("customer_acknowledged", None, (), True),
    ("pickup_geofence_reached", None, (), True),
    ("tip_adjustment", None, (), False),
    ("at_store_eta", None, (), False),
    ("rating_updated", None, (), False),
    ("rating_reminder", None, (), False),
]


@pytest.mark.parametrize(("name", "stage", "flags", "note"), CALLED)
def test_events_that_are_no_state(name: str, stage: str | None, flags: tuple[str, ...], note: bool) -> None:
    (event,) = PROVIDER.parse(AT, hook(name))
    assert (event.stage, event.flags, event.note) == (stage, flags, note)


@pytest.mark.parametrize("name", ["", "order", "pick", "order_order_picking", "fulfillment.picking", "state.picking"])
def test_a_name_that_is_no_spelling_of_any(name: str) -> None:
    with pytest.raises(NotUnderstood):
        PROVIDER.parse(AT, hook(name))


def test_any_other_state_is_taken_and_kept() -> None:
    for state in ("teleporting", "", "\u202e", "x" * 5000, "order_picking", "late"):
        (event,) = heard("order", body(state)).events
        assert (event.stage, event.flags) == (None, ("unknown",))
        assert len(event.raw_status or "") <= 80


@pytest.mark.parametrize(
    ("kind", "category", "ours"),
    [
        ("delivery", None, "delivery"), ("pickup", None, "pickup"), ("pickup", "curbside", "curbside"),
        ("pickup", "CURBSIDE_PICKUP", "curbside"), ("pickup", "in_store", "pickup"), ("last_mile", None, "last_mile"),
        ("last_mile_delivery", "curbside", "last_mile"), ("Last-Mile-Delivery", None, "last_mile"),
        ("drone", None, None),
    ],
)  # fmt: skip
def test_fulfilment(kind: str, category: str | None, ours: str | None) -> None:
    (event,) = heard("order", body("picking", kind) | {"pickup_category": category}).events
    assert event.fulfilment == ours


LINES = [
    ("NOT_PICKED", None, "pending"),
    ("not_picked", "SUBSTITUTION_STATUS_UNSPECIFIED", "pending"),
    ("FOUND", "SUBSTITUTION_STATUS_UNSPECIFIED", "found"),
    ("REPLACED", None, "replaced"),
    ("REPLACED", "PENDING", "replaced"),
    ("replaced", "approved", "replaced"),
    ("REPLACED", "REJECTED", "refunded"),
    ("REJECTED", None, "refunded"),
    ("TO_REFUND", None, "refunded"),
    ("FOUND", "REJECTED", "found"),
    ("NOT_PICKED", "PENDING", "pending"),
    ("APPROVED", None, "replaced"),
    ("LEVITATING", None, "pending"),
]


@pytest.mark.parametrize(("status", "answer", "state"), LINES)
def test_outcome_of_a_line(status: str, answer: str | None, state: str) -> None:
    good = {"name": "Oats", "quantity": "2.5", "cost_unit": "LB"}
    line = {"id": "1", "status": status, "replacement_status": answer, "item": good, "replacement": good}
    (event,) = heard("items", {"line_items": [line]}).events
    assert event.items is not None
    assert event.whole
    (item,) = event.items
    assert (item.state, item.quantity, item.unit) == (state, 2.5, "lb")
    assert [one.name for one in item.replacements] == (["Oats"] if state == "replaced" else [])
    assert state in ITEM_STATES


def test_too_many_lines() -> None:
    lines = [{"id": "same", "status": "found"}] * 501
    assert len(heard("items", {"line_items": lines[:500]}).events[0].items or ()) == 500
    assert heard("items", {"line_items": lines}).failed


def test_two_answers_of_the_same_words_are_two() -> None:
    """Picking, checkout, picking: the third answer is the first one's body, and counts."""
    digests = {heard("order", body("picking"), asked=NOON + n).events[0].digest for n in range(3)}
    assert len(digests) == 3


def test_redaction() -> None:
    point = {"latitude": 1.25, "longitude": 2.5}
    inner = {"coordinates": point, "Location": point, "kept": 1}
    said = {"event_id": 2**63 + 1, "a": [inner], **point, "lat": 1, "lng": 2}
    assert json.loads(PROVIDER.redact(json.dumps(said).encode())) == {"event_id": 2**63 + 1, "a": [{"kept": 1}]}
    assert PROVIDER.redact(b"\\u") == b""


# ---- what Instacart and Jane are told ----


def order(fulfilment: str = "curbside", vehicle: str | None = None, ref: str = "o 1") -> Order:
    came = Arrival("here", NOON, "3", vehicle)
    return Order(source="insta", provider="instacart", ref=ref, first=NOON, fulfilment=fulfilment, arrival=came)


def test_the_customer_is_here() -> None:
    call = PROVIDER.calls["arrived"]
    assert call.repeatable
    request = call.request(AT, order(), "t")
    assert request is not None
    assert (request.method, json.loads(request.body)) == ("POST", {"is_pickup_delegate": False})
    assert request.url == "https://connect.invalid/v2/post_checkout/orders/o%201/pickup/user_arrived"
    assert request.headers["Authorization"] == "Bearer t"
    assert call.request(AT, order("pickup"), "t") is not None
    assert call.request(AT, order("delivery"), "t") is None
    assert call.request(source(base_url=None), order(), "t") is None


@pytest.mark.parametrize(
    ("vehicle", "said"),
    [
        ("Red SUV, ABC 123", ("red", "suv")),
        ("my grey pickup", ("gray", "truck")),
        ("a SILVER thing", ("silver", "other")),
        ("white van", ("white", "minivan")),
        ("blue-hatchback", ("blue", "hatchback")),
        ("sedan", None),
        ("infrared sedans", None),
        ("", None),
        (None, None),
    ],
)
def test_the_vehicle_in_words_that_instacart_takes(vehicle: str | None, said: tuple[str, str] | None) -> None:
    request = PROVIDER.calls["vehicle"].request(AT, order(vehicle=vehicle), "t")
    assert (request is None) == (said is None)
    if request is not None and said is not None:
        assert (request.method, request.url.rpartition("/")[2]) == ("PUT", "vehicle_info")
        colour, kind = said
        whole = {"model": vehicle, "vehicle_type": kind, "color": colour, "is_pickup_delegate": False}
        assert json.loads(request.body) == whole


UNSTAGED = {
    "error": {"message": "Params error", "code": 2001},
    "meta": {"order_delivery_id": "Order delivery is not staged."},
}


def answered(call: Calling, status: int, said: Any = None) -> tuple[str, str]:
    raw = b"" if said is None else json.dumps(said).encode()
    return call.outcome(Reply(status=status, asked=NOON, heard=NOON, body=raw))


@pytest.mark.parametrize(
    ("status", "said", "verdict", "words"),
    [
        (200, {"success": True}, "done", ""),
        (200, {"vehicle_info": {"id": 1}}, "done", ""),
        (204, None, "done", ""),
        (200, {"success": False}, "refused", "did not take"),
        (400, UNSTAGED, "refused", "not staged"),
        (400, {"error": {"message": "User ID not found", "code": 4001}}, "refused", "this customer"),
        (400, {"error": {"message": "Odd", "code": 1001}}, "refused", "400 about the check-in: Odd"),
        (400, None, "refused", "400"),
        (403, None, "refused", "403"),
        (404, {"error": {"message": "No pickup status found for order", "code": 4000}}, "refused", "no pickup"),
        (404, None, "refused", "no pickup"),
        (401, None, "retry", "401"),
        (408, None, "retry", "408"),
        (429, None, "retry", "429"),
        (500, None, "retry", "500"),
        (503, None, "retry", "503"),
    ],
)  # fmt: skip
def test_what_instacart_answers(status: int, said: Any, verdict: str, words: str) -> None:
    found, why = answered(PROVIDER.calls["arrived"], status, said)
    assert found == verdict
    assert words in why


JANE: dict[str, Any] = {"provider": "jane", "client_id": None, "client_secret": None}


def test_jane_hears_of_it_as_configured() -> None:
    call = jane.PROVIDER.calls["arrived"]
    assert not call.repeatable, "after a timeout a person decides"
    at = source(**JANE)
    request = call.request(at, order(), None)
    path = "https://connect.invalid/roots/store_operations_api/v1/reservations/o%201/curbside_arrival"
    assert request == Request(url=path, method="POST", headers={"Accept": "application/json"})
    own = {"arrival_path": "/v2/{uuid}/here", "arrival_auth": "Token x", "arrival_body": {"arrived": True}}
    at = source(**JANE, **own)
    request = call.request(at, order("pickup", ref="{uuid}/../x"), None)
    assert request is not None
    assert request.url == "https://connect.invalid/v2/%7Buuid%7D%2F..%2Fx/here"
    assert (request.headers["Authorization"], json.loads(request.body)) == ("Token x", {"arrived": True})
    assert request.headers["Content-Type"] == "application/json"
    assert call.request(at, order("delivery"), None) is None
    assert call.request(source(**JANE, base_url=None), order(), None) is None


@pytest.mark.parametrize(
    ("status", "verdict", "words"),
    [
        (200, "done", ""), (201, "done", ""), (204, "done", ""), (404, "refused", "not know this order"),
        (409, "refused", "no check-in"), (422, "refused", "no check-in"), (400, "refused", "400"),
        (401, "refused", "arrival_auth"), (302, "refused", "302"), (408, "retry", "408"), (429, "retry", "429"),
        (500, "retry", "500"), (503, "retry", "503"),
    ],
)  # fmt: skip
def test_what_jane_answers(status: int, verdict: str, words: str) -> None:
    found, why = answered(jane.PROVIDER.calls["arrived"], status)
    assert found == verdict
    assert words in why


def test_options_are_checked() -> None:
    with pytest.raises(Fatal, match="signing_secret"):
        source(signing_secret="a-signing-secret-of-many-letters")
    with pytest.raises(Fatal, match="client_id"):
        source(client_id=7)


# ---- answers and calls that nobody would send ----

SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
KEYS_SEEN = """
    id workflow_state fulfillment_type pickup_category fulfillment_details window_starts_at line_items status item name
    replacement_status replacement quantity image_url address coordinates latitude longitude shopper notes error message
    code event_id event_name event_timestamp event_metadata order_id client_id client_secret grant_type access_token
    expires_in success
"""
KEY = st.sampled_from(KEYS_SEEN.split())
STAMPS = ("2026-01-05T12:00:00Z", "9999-12-31T23:59:59-23:59")
WORDS = st.sampled_from(["picking", "REPLACED", "fulfillment.picking", "1e999", "\ud800", "insta", SECRET, *STAMPS])
TREES = st.recursive(
    SCALARS | WORDS, lambda held: st.lists(held, max_size=4) | st.dictionaries(KEY, held, max_size=6), max_leaves=25
)
BODIES = st.binary(max_size=60) | TREES.map(lambda tree: json.dumps(tree).encode())
STATUSES = st.sampled_from([0, 200, 204, 302, 400, 401, 403, 404, 408, 429, 500, 503])


@settings(max_examples=1_500, deadline=None)
@given(BODIES, STATUSES, st.sampled_from(["order", "items", "handling", "location"]))
def test_any_answer_is_heard(raw: bytes, status: int, resource: str) -> None:
    found = heard(resource, raw, status=status)
    if status in (200, 204) and found.failed is None:
        for event in found.events:
            json.loads(msgspec.json.encode(apply(None, event).order))
    else:
        assert not found.events
    for call in PROVIDER.calls.values():
        assert call.outcome(Reply(status=status, asked=NOON, heard=NOON, body=raw))[0] in ("done", "retry", "refused")


SHAPED = st.fixed_dictionaries(
    {"event_id": SCALARS, "event_name": WORDS | SCALARS, "event_timestamp": WORDS, "event_metadata": TREES}
)


@settings(max_examples=1_500, deadline=None)
@given(BODIES | SHAPED.map(lambda tree: json.dumps(tree).encode()))
def test_any_call_is_refused_or_read(raw: bytes) -> None:
    with suppress(Unreadable, NotUnderstood):
        for event in PROVIDER.parse(AT, Call(body=raw, heard=NOON)):
            PROVIDER.redact(raw).decode()
            json.loads(msgspec.json.encode(apply(None, event).order))
    with suppress(Unreadable):
        token, seconds = granted(raw)
        assert token.isprintable()
        assert 0 <= seconds <= 86_400
    assert not allowed(Call(tail="token", body=raw, heard=NOON))
