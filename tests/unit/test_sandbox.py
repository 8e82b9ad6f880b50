"""The sandbox's stories keep to the contracts, and its player sends like a provider would."""

import asyncio
import hashlib
import hmac
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.sandbox import jane, lolamarket
from app.sandbox.chaos import disturb
from app.sandbox.day import Feed, Step, day, rush
from app.sandbox.play import Chaos, Report, play
from app.sandbox.sides import side

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SECRET, SIGNING = "a-bearer-of-tests-0123456789", "a-signer-of-tests-0123456789"
JANE = Feed(
    source="jane-68",
    provider="jane",
    url="http://127.0.0.1:1/hooks/jane-68",
    secret=SECRET,
    signing_secret=SIGNING,
    store="68",
    store_name="Northside",
    timezone="America/Los_Angeles",
)
LOLA = Feed(
    source="lola-21",
    provider="lolamarket",
    url="http://127.0.0.1:1/hooks/lola-21",
    secret=SECRET,
    store="21",
    store_name="NORTH-21",
    timezone="Europe/Warsaw",
    bags_item="98761",
)
FEEDS = (JANE, LOLA)
ARTICLE_EVENTS = {"item picked", "item replaced", "item not found", "item added"}
STATUSES = set(jane.WAITS)
KINDS = set(lolamarket.WAITS) - {"item"} | ARTICLE_EVENTS


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# The contracts, as strictly as they can be said.


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Product(Strict):
    name: str
    quantity: int | float
    price: float


class Cart(Strict):
    amount: float
    assigned_employee_id: int | None
    assigned_employee_name: str | None
    assigned_manager_id: int | None
    assigned_manager_name: str | None
    checked_out_time: str | None
    checkout_message: str
    customer_phone_number: str
    customer_email_address: str
    customer_name: str
    created_at: str
    id: int
    pos_order_id: str | None
    promo_code: str | None
    queue_number: str | None
    rating: int
    reservation_mode: Literal["pickup", "curbside", "delivery", "kiosk"]
    reservation_start_window: str | None
    status: str
    store_id: int
    store_name: str
    tags: dict[str, str]
    user_id: int | None
    external_user_id: str
    external_user_source: str
    uuid: str
    products: list[Product]


class JaneHook(Strict):
    cart: Cart
    webhook_event: Literal["cart_status_updated"]


class Slot(Strict):
    id: str
    fromDate: datetime
    toDate: datetime


class Place(Strict):
    id: str
    name: str


class Shopper(Strict):
    id: str
    name: str
    picture: str


class Reason(Strict):
    code: str
    description: str


class Own(Strict):
    """A replacement as one object."""

    itemId: str
    shopperProvidedName: str = ""
    shopperProvidedPrice: float = 0.0


class StandIn(Strict):
    itemId: str
    scanCode: str
    quantityFulfilled: int | float
    quantityFulfilledUnit: Literal["unit", "kilograms"]


class Amounts(Strict, kw_only=True):
    quantityRequested: float
    quantityRequestedUnit: Literal["unit", "kilograms"]
    quantityFulfilled: float
    quantityFulfilledUnit: Literal["unit", "kilograms"]
    replaced: bool
    returned: bool = False


class Article(Amounts, kw_only=True):
    itemId: str
    scanCode: str
    replacement: list[StandIn] | Own | None = None


class HeadOwn(Strict):
    id: str
    shopperProvidedName: str = ""
    shopperProvidedPrice: float = 0.0


class HeadStandIn(Strict):
    id: str
    quantityFulfilled: int | float
    quantityFulfilledUnit: Literal["unit", "kilograms"]


class HeadArticle(Amounts, kw_only=True):
    id: str
    replacement: list[HeadStandIn] | HeadOwn | None = None


class Payload(Strict, kw_only=True):
    id: str
    orderRef: str
    serviceType: Literal["DELIVERY"]


class Placed(Payload, kw_only=True):
    pickingLocation: Place
    timeSlot: Slot
    oldTimeslot: Slot | None = None


class Shopped(Placed, kw_only=True):
    shopper: Shopper


class Listed(Shopped, kw_only=True):
    articles: list[Article]


class Added(Payload, kw_only=True):
    pickingLocation: Place
    timeslot: Slot
    previousTimeslot: Slot | None = None
    shopper: Shopper
    articles: list[Article]


class Rejected(Payload, kw_only=True):
    reason: Reason
    express: bool


class Canceled(Placed, kw_only=True):
    reason: Reason
    shopper: Shopper | None = None


class Held(Placed, kw_only=True):
    reason: Reason
    articles: list[Article]


class Returned(Payload, kw_only=True):
    pickingLocation: Place
    reason: Reason
    articles: list[Article]


class HeadNamed(Payload, kw_only=True):
    shopper: Shopper


class HeadMoved(Payload, kw_only=True):
    timeSlot: Slot
    oldTimeslot: Slot


class HeadReason(Payload, kw_only=True):
    reason: Reason


class HeadOne(Payload, kw_only=True):
    article: HeadArticle


class HeadMany(Payload, kw_only=True):
    article: list[HeadArticle]


class HeadListed(Payload, kw_only=True):
    articles: list[HeadArticle]


class HeadReturn(HeadListed, kw_only=True):
    reason: Reason


class LolaHook(Strict):
    eventId: int | str
    eventName: str
    eventProvider: Literal["glovo-xl"]
    eventTimestamp: str
    eventPayload: msgspec.Raw


DOCUMENT: dict[str, type[Payload]] = {
    "order.confirmed": Placed,
    "order.allocated": Shopped,
    "order.rescheduled": Shopped,
    "order.inPicking": Shopped,
    "order.item.picked": Listed,
    "order.item.replaced": Listed,
    "order.item.notFound": Listed,
    "order.item.added": Added,
    "order.picked": Listed,
    "order.inTransit": Listed,
    "order.delivered": Listed,
    "order.onHold": Held,
    "order.rejected": Rejected,
    "order.canceled": Canceled,
    "order.returned": Returned,
}
HEAD: dict[str, type[Payload]] = {
    "order.received": Payload,
    "order.confirmed": Payload,
    "order.allocated": HeadNamed,
    "order.rescheduled": HeadMoved,
    "order.in.picking": Payload,
    "order.article.picked": HeadOne,
    "order.article.replaced": HeadListed,
    "order.article.notFound": HeadMany,
    "order.article.added": HeadMany,
    "order.picked": HeadListed,
    "order.in.transit": Payload,
    "order.delivered": Payload,
    "order.rejected": HeadReason,
    "order.canceled": HeadReason,
    "order.in.return": HeadReturn,
    "order.returned": HeadReturn,
}


def cart(step: Step) -> Cart:
    return msgspec.json.decode(step.body, type=JaneHook).cart


def lola(step: Step) -> tuple[LolaHook, Payload]:
    hook = msgspec.json.decode(step.body, type=LolaHook)
    names = DOCUMENT if isinstance(hook.eventId, int) else HEAD
    return hook, msgspec.json.decode(hook.eventPayload, type=names[hook.eventName])


def from_jane(steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if step.feed == JANE.source]


def from_lola(steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if step.feed == LOLA.source]


def by_order(steps: Iterable[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        found[step.ref].append(step)
    return found


# The plan.


def test_same_seed_and_start_same_bytes() -> None:
    assert day(FEEDS, seed=7, start=START) == day(FEEDS, seed=7, start=START)
    first, second = (list(islice(rush(FEEDS, seed=7, start=START), 900)) for _ in range(2))
    assert first == second


def test_another_seed_or_start_gives_other_orders() -> None:
    refs = {step.ref for step in day(FEEDS, seed=7, start=START)}
    assert not refs & {step.ref for step in day(FEEDS, seed=8, start=START)}
    assert not refs & {step.ref for step in day(FEEDS, seed=7, start=START + timedelta(days=1))}


@pytest.mark.parametrize("seed", range(5))
def test_every_body_has_its_contracts_shape(seed: int) -> None:
    steps = day(FEEDS, seed=seed, start=START) + list(islice(rush(FEEDS, seed=seed, start=START), 900))
    for step in from_jane(steps):
        assert (cart(step).uuid, cart(step).status) == (step.ref, step.label)
    for step in from_lola(steps):
        assert lola(step)[1].id == step.ref
    assert len(from_jane(steps)) + len(from_lola(steps)) == len(steps)


@pytest.mark.parametrize("seed", range(5))
def test_a_day_shows_everything_each_system_can_say(seed: int) -> None:
    steps = day(FEEDS, seed=seed, start=START, orders=60)
    assert len({step.ref for step in steps}) == 60
    assert {step.label for step in from_jane(steps)} == STATUSES
    assert {step.label for step in from_lola(steps)} == KINDS
    assert {cart(step).reservation_mode for step in from_jane(steps)} == {"pickup", "curbside", "delivery", "kiosk"}


def test_a_lone_feed_has_the_whole_day() -> None:
    assert {step.label for step in day([LOLA], seed=1, start=START)} == KINDS
    assert {step.label for step in day([JANE], seed=1, start=START)} == STATUSES


def test_both_dialects_speak_every_event_they_have() -> None:
    steps = from_lola(day([LOLA], seed=1, start=START, orders=500))
    said: dict[type, set[str]] = {int: set(), str: set()}
    for step in steps:
        hook, _ = lola(step)
        said[type(hook.eventId)].add(hook.eventName)
    assert said == {int: set(DOCUMENT), str: set(HEAD)}


def test_time_never_goes_back_for_an_order() -> None:
    for story in (day(FEEDS, seed=3, start=START), list(islice(rush(FEEDS, seed=3, start=START), 900))):
        assert all(before.at <= after.at for before, after in pairwise(story))
        for steps in by_order(from_lola(story)).values():
            stamps = [lola(step)[0].eventTimestamp for step in steps]
            assert stamps == sorted(stamps)


def test_stamps_are_the_start_plus_at() -> None:
    for step in from_lola(islice(rush(FEEDS, seed=3, start=START), 400)):
        stamp = datetime.fromisoformat(lola(step)[0].eventTimestamp)
        assert timedelta(0) <= START + timedelta(seconds=step.at) - stamp < timedelta(seconds=1)


def test_event_ids_are_large_and_never_used_twice() -> None:
    ids = [lola(step)[0].eventId for step in from_lola(day(FEEDS, seed=3, start=START))]
    assert len(ids) == len(set(ids))
    assert all(2**53 < number < 2**63 for number in ids if isinstance(number, int))


def test_queue_numbers_are_unique_in_a_day() -> None:
    two = (JANE, replace(JANE, source="jane-69"))
    numbers = {step.ref: cart(step).queue_number for step in day(two, seed=3, start=START) if step.label != "pending"}
    assert len(numbers) == len(set(numbers.values())) == 60


def test_stamps_without_a_zone_are_utc_or_the_stores() -> None:
    utc, local = (day([replace(JANE, utc_stamps=flag)], seed=3, start=START) for flag in (True, False))
    for one, other in zip(utc, local, strict=True):
        apart = datetime.fromisoformat(cart(one).created_at).replace(tzinfo=UTC) - datetime.fromisoformat(
            cart(other).created_at
        ).replace(tzinfo=ZoneInfo(JANE.timezone))
        assert apart == timedelta(0)
        assert cart(one).created_at != cart(other).created_at


def test_jane_promises_soon_and_never_changes_its_mind() -> None:
    for steps in by_order(from_jane(day(FEEDS, seed=3, start=START))).values():
        carts = [cart(step) for step in steps if step.label != "pending"]
        assert len({(one.checked_out_time, one.reservation_start_window) for one in carts}) == 1
        out, window = carts[0].checked_out_time, carts[0].reservation_start_window
        assert out
        assert window
        promised = datetime.fromisoformat(window) - datetime.fromisoformat(out)
        assert timedelta(minutes=17) <= promised <= timedelta(minutes=63)


def test_jane_cancels_from_verification_only_and_repeats_itself() -> None:
    repeated = 0
    for steps in by_order(from_jane(day(FEEDS, seed=3, start=START))).values():
        labels = [step.label for step in steps]
        repeated += len(labels) - len({step.body for step in steps})
        assert "cancelled" not in labels or labels[labels.index("cancelled") - 1] == "verification"
    assert repeated > 0


def test_a_shopper_accounts_for_every_line() -> None:
    asked_for_nothing = partial = weighed = bagged = 0
    for steps in by_order(from_lola(day([LOLA], seed=3, start=START))).values():
        lines = [step for step in steps if step.label in ARTICLE_EVENTS]
        for step in steps:
            payload = lola(step)[1]
            if step.label != "picked" or not isinstance(payload, Listed):
                continue
            bagged += payload.articles[-1].itemId == LOLA.bags_item
            asked = [row.itemId for row in payload.articles if row.quantityRequested and row.itemId != LOLA.bags_item]
            assert 4 <= len(asked) <= 30
            assert len(asked) == sum(line.label != "item added" for line in lines)
            asked_for_nothing += any(row.quantityRequested == 0 for row in payload.articles)
            partial += any(0 < row.quantityFulfilled < row.quantityRequested for row in payload.articles[:-1])
            weighed += any(row.quantityFulfilledUnit == "kilograms" for row in payload.articles)
    assert min(asked_for_nothing, partial, weighed, bagged) > 0


def test_orders_step_back_for_real() -> None:
    steps = by_order(from_lola(day([LOLA], seed=3, start=START)))
    paths = [[step.label for step in story if step.label not in ARTICLE_EVENTS] for story in steps.values()]
    pairs = {pair for path in paths for pair in pairwise(path)}
    assert {("allocated", "rescheduled"), ("rescheduled", "allocated"), ("picked", "in picking")} <= pairs


def test_nobody_real_is_named() -> None:
    for step in from_jane(day(FEEDS, seed=3, start=START)):
        one = cart(step)
        assert one.customer_phone_number[5:10] == "55501"
        assert one.customer_email_address.endswith("@example.com")


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        day(FEEDS, seed=1, start=datetime(2026, 11, 21))


@pytest.mark.parametrize("name", ["jane2", "day", "../jane", "nobody"])
def test_an_unknown_system_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot play"):
        side(name)


# The rush.


def test_a_rush_begins_with_a_full_board() -> None:
    steps = list(islice(rush(FEEDS, seed=2, start=START), 400))
    past = [step for step in steps if step.at < 0]
    now = {ref: story[-1].label for ref, story in by_order(past).items()}
    assert 22 <= len(now) <= 30
    lanes = {"verification", "confirmed", "preparing", "ready_for_pickup", "in transit", "delivered", "finished"}
    assert lanes | {"on hold", "cancelled", "rescheduled"} <= set(now.values())
    assert steps[: len(past)] == past
    assert all(step.at > -4 * 3600 for step in past)


def test_a_rush_begins_with_some_late_and_some_at_risk() -> None:
    past = by_order(
        step for step in islice(rush([replace(JANE, utc_stamps=True)], seed=2, start=START), 60) if step.at < 0
    )
    left = []
    for story in past.values():
        window = cart(story[-1]).reservation_start_window
        if window and story[-1].label in ("preparing", "ready_for_pickup"):
            left.append((datetime.fromisoformat(window).replace(tzinfo=UTC) - START).total_seconds())
    assert sum(seconds < 0 for seconds in left) >= 2
    assert sum(0 <= seconds <= 400 for seconds in left) >= 1


def test_something_happens_every_two_seconds() -> None:
    ahead = (step for step in rush(FEEDS, seed=2, start=START) if step.at >= 0)
    steps = list(islice(ahead, 1000))
    gaps = [after.at - before.at for before, after in pairwise(steps)]
    assert max(gaps) < 3
    assert min(gaps) > 1
    assert steps[0].at < 3
    assert steps[-1].at > 1800
    assert Counter(step.label for step in steps)["verification"] > 20


# Chaos.

NAMED = {feed.source: feed for feed in FEEDS}


def test_no_chaos_changes_nothing() -> None:
    steps = day(FEEDS, seed=4, start=START)
    assert list(disturb(steps, NAMED, Chaos())) == steps


def test_chaos_is_the_same_for_the_same_seed() -> None:
    steps = day(FEEDS, seed=4, start=START)
    wild = Chaos(drop=0.1, repeat=0.2, reorder=0.1, delay=0.1, revert=0.1, seed=5)
    assert list(disturb(steps, NAMED, wild)) == list(disturb(steps, NAMED, wild))
    assert list(disturb(steps, NAMED, wild)) != list(disturb(steps, NAMED, replace(wild, seed=6)))


@pytest.mark.parametrize("kind", ["reorder", "delay"])
def test_what_is_held_back_still_comes(kind: str) -> None:
    steps = day(FEEDS, seed=4, start=START)
    chances: dict[str, Any] = {kind: 0.3}
    found = list(disturb(steps, NAMED, replace(Chaos(), **chances)))
    assert Counter(step.body for step in found) == Counter(step.body for step in steps)
    assert [step.body for step in found] != [step.body for step in steps]


def test_drop_and_repeat_take_and_add_what_was_there() -> None:
    steps = day(FEEDS, seed=4, start=START)
    before = Counter(step.body for step in steps)
    fewer = Counter(step.body for step in disturb(steps, NAMED, Chaos(drop=0.3)))
    more = Counter(step.body for step in disturb(steps, NAMED, Chaos(repeat=0.3)))
    assert fewer < before < more
    assert set(more) == set(before)


def test_a_reverted_order_hears_its_past_as_news() -> None:
    steps = day([LOLA], seed=4, start=START)
    found = list(disturb(steps, NAMED, Chaos(revert=0.2)))
    undone = [(found[place - 1], step) for place, step in enumerate(found) if step.label.endswith("undone")]
    assert undone
    ids = Counter(lola(step)[0].eventId for step in found)
    for news, past in undone:
        assert lola(past)[0].eventTimestamp > lola(news)[0].eventTimestamp
        assert ids[lola(past)[0].eventId] == 1


@pytest.mark.parametrize("wrong", [{"drop": 1.0}, {"repeat": 1.5}, {"delay": -0.1}])
def test_impossible_chances_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="chance"):
        replace(Chaos(), **wrong)


# The player, against a real socket.


@dataclass
class Call:
    headers: dict[str, str]
    body: bytes


@dataclass
class Hooks:
    """A server that takes every call, but first gives each body the answers lined up for it."""

    answers: Sequence[int] = ()
    calls: list[Call] = field(default_factory=list)
    tries: Counter[bytes] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.calls.append(Call(headers, body))
                status = self.answers[self.tries[body]] if self.tries[body] < len(self.answers) else 202
                self.tries[body] += 1
                writer.write(b"HTTP/1.1 %d Answer\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(hooks: Hooks) -> AsyncIterator[list[Feed]]:
    server = await asyncio.start_server(hooks.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield [replace(feed, url=f"http://127.0.0.1:{port}/hooks/{feed.source}") for feed in FEEDS]
    finally:
        server.close()


def few(orders: int = 4) -> list[Step]:
    return day(FEEDS, seed=9, start=START, orders=orders)


async def fast(steps: Iterable[Step], feeds: Sequence[Feed], **options: Any) -> Report:
    return await play(steps, feeds, speed=1e9, pauses=(0.01, 0.01, 0.01), **options)


@pytest.mark.anyio
async def test_every_step_arrives_once() -> None:
    hooks, steps, seen = Hooks(), few(20), []
    async with listening(hooks) as feeds:
        report = await fast(steps, feeds, on_step=lambda step, status: seen.append((step, status)))
    assert report == Report(sent=len(steps), accepted=len(steps))
    assert Counter(status for _, status in seen) == {202: len(steps)}
    assert hooks.tries == Counter(step.body for step in steps)


@pytest.mark.anyio
async def test_an_orders_news_wait_for_each_other_whatever_fails() -> None:
    hooks, steps = Hooks(answers=(503,)), from_lola(few(20))
    async with listening(hooks) as feeds:
        await fast(steps, feeds)
    owner = {step.body: step.ref for step in steps}
    for ref, story in by_order(steps).items():
        bodies = [call.body for call in hooks.calls if owner[call.body] == ref]
        assert bodies == [step.body for step in story for _ in range(2)]


@pytest.mark.anyio
async def test_a_503_is_tried_again_with_the_same_body() -> None:
    hooks, steps = Hooks(answers=(503, 500)), from_lola(few())
    async with listening(hooks) as feeds:
        report = await fast(steps, feeds)
    count = len(steps)
    assert report == Report(sent=count, accepted=count, resent=2 * count)
    assert hooks.tries == Counter({step.body: 3 for step in steps})


@pytest.mark.anyio
async def test_it_gives_up_in_the_end() -> None:
    hooks, steps = Hooks(answers=(503,) * 9), from_lola(few())[:3]
    async with listening(hooks) as feeds:
        report = await fast(steps, feeds)
    assert report == Report(sent=3, refused=3, resent=9)


@pytest.mark.anyio
async def test_a_refusal_is_final() -> None:
    hooks, steps = Hooks(answers=(401,)), from_lola(few())[:3]
    async with listening(hooks) as feeds:
        report = await fast(steps, feeds)
    assert report == Report(sent=3, refused=3)
    assert len(hooks.calls) == 3


@pytest.mark.anyio
async def test_nobody_listening_is_tried_again_too() -> None:
    async with listening(Hooks()) as feeds:
        pass
    report = await fast(from_lola(few())[:2], feeds)
    assert report == Report(sent=2, refused=2, resent=6)


@pytest.mark.anyio
async def test_calls_are_signed_and_signed_again() -> None:
    hooks, before = Hooks(answers=(503,)), int(time.time())
    async with listening(hooks) as feeds:
        await fast(few(), feeds)
    signed = 0
    for call in hooks.calls:
        assert call.headers["authorization"] == f"Bearer {SECRET}"
        assert call.headers["content-type"] == "application/json"
        if b"webhook_event" in call.body:
            stamp = call.headers["x-jane-request-timestamp"]
            expected = hmac.digest(SIGNING.encode(), f"{stamp}:".encode() + call.body, hashlib.sha256).hex()
            assert call.headers["x-jane-signature"] == expected
            assert before <= int(stamp) <= time.time()
            signed += 1
        else:
            assert "x-jane-signature" not in call.headers
    assert 0 < signed < len(hooks.calls)


@pytest.mark.anyio
async def test_steps_wait_for_their_time_and_stop_stops_it() -> None:
    hooks, stop, taken = Hooks(), asyncio.Event(), asyncio.Event()
    past, now, later = (replace(step, at=at) for step, at in zip(few(), (-3600.0, 0.2, 3600.0), strict=False))
    async with listening(hooks) as feeds, asyncio.timeout(60):
        story = [past, now, later]
        playing = asyncio.create_task(
            play(story, feeds, speed=1.0, stop=stop, on_step=lambda step, _: taken.set() if step is now else None)
        )
        await taken.wait()
        stop.set()
        report = await playing
    assert report == Report(sent=2, accepted=2)
    assert [call.body for call in hooks.calls] == [past.body, now.body]


@pytest.mark.anyio
async def test_stop_ends_the_trying_again() -> None:
    hooks, stop, step = Hooks(answers=(503,) * 99), asyncio.Event(), replace(few()[0], at=0.0)
    async with listening(hooks) as feeds, asyncio.timeout(60):
        playing = asyncio.create_task(play([step], feeds, speed=1.0, stop=stop, pauses=(0.01, 3600.0)))
        while len(hooks.calls) < 2:  # noqa: ASYNC110 the server has no event for its second call
            await asyncio.sleep(0.01)
        stop.set()
        report = await playing
    assert report == Report(sent=1, refused=1, resent=1)


@pytest.mark.anyio
async def test_chaos_reaches_the_wire() -> None:
    hooks, steps = Hooks(), few(20)
    chaos = Chaos(drop=0.2, repeat=0.2, reorder=0.2, seed=1)
    async with listening(hooks) as feeds:
        report = await fast(steps, feeds, chaos=chaos)
    expected = Counter(step.body for step in disturb(steps, NAMED, chaos))
    assert hooks.tries == expected
    assert report.accepted == expected.total() != len(steps)


@pytest.mark.anyio
@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
async def test_a_speed_of_nothing_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        await play([], FEEDS, speed=speed)
