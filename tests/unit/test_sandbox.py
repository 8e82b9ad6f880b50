"""The sandbox's stories keep to the contracts, and its player sends like a provider would."""

import asyncio
import hashlib
import hmac
import time
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from random import Random
from typing import Any, Literal
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.sandbox import aifi, deeds, instacart, jane, lolamarket, streets, urbit
from app.sandbox.chaos import disturb
from app.sandbox.day import Feed, Step, day, rush
from app.sandbox.play import Chaos, Report, play
from app.sandbox.sides import side
from app.sandbox.world import World

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
SHARED = b64encode(b"0123456789abcdef0123456789abcdef").decode()
INSTACART = replace(
    JANE, source="connect", provider="instacart", url="http://127.0.0.1:1/hooks/connect", signing_secret=""
)
AIFI = replace(
    JANE, source="oasis", provider="aifi", url="http://127.0.0.1:1/hooks/oasis", signing_secret="", store="7"
)
URBIT = replace(
    LOLA, source="urbit", provider="urbit", url="http://127.0.0.1:1/hooks/urbit", secret=SHARED, store_key="shop-1"
)
FIVE = (*FEEDS, INSTACART, AIFI, URBIT)
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


class Metadata(Strict):
    order_id: str


class Callback(Strict):
    event_id: int
    event_name: str
    event_timestamp: str
    event_metadata: Metadata


class Visitor(Strict):
    """Every call of AiFi's has this much; `session` and the rest of it are checked by key."""

    sessionId: str
    session: dict[str, Any]
    customer: dict[str, Any]
    storeId: int
    store: dict[str, Any]
    storeExternalId: str
    timeOfOrigin: datetime
    timeOfIssue: datetime


class Entered(Visitor, kw_only=True):
    shopperId: str
    shopper: dict[str, str]


class Left(Entered, kw_only=True):
    payment: dict[str, Any]


class Zone(Visitor, kw_only=True):
    checkoutZoneId: int | str
    shopper: dict[str, str]
    specialAttention: bool
    shoppingSessionFlags: list[str]


class Mutated(Visitor, kw_only=True):
    orderId: int
    status: Literal["draft", "completed", "reviewed"]
    cart: list[dict[str, Any]]
    totalPrice: str
    totalTax: str
    subtotalPrice: str
    payment: dict[str, Any]
    metadata: dict[str, Any]
    reviewedTotalPrice: str | None = None


class Bought(Visitor, kw_only=True):
    orderId: int
    status: Literal["draft", "completed", "reviewed"]
    cart: list[dict[str, Any]]
    amount: float
    totalPrice: str
    totalTax: str
    subtotalPrice: str
    payment: dict[str, Any]


AIFI_KINDS: dict[str, tuple[str, type[Visitor]]] = {
    "entered": ("entered", Entered),
    "left": ("left", Left),
    "zone entered": ("entered", Zone),
    "zone left": ("left", Zone),
    "cart": ("cart", Mutated),
    "cart review": ("cart", Mutated),
    "draft": ("", Bought),
    "completed": ("", Bought),
    "reviewed": ("", Bought),
}


class Consumer(Strict):
    first_name: str
    last_name: str
    email: str
    phone_number: str


class Receiver(Strict):
    first_name: str
    last_name: str
    phone_number: str
    street: str
    postal_code: str
    city: str
    delivery_location_type: Literal["Car", "Consumer", "Beneficary"]


class Sold(Strict):
    id: int
    name: str
    reference_id: str
    amount: int
    vat_rate: int
    type: Literal["Product", "DeliveryFee", "Voucher"]


class Purchase(Strict):
    store_id: str
    retailer_reference_id: str
    checkout_status: Literal["CREATED", "READY", "COMPLETE", "FAILED"]
    gift: bool
    urber_message: str
    delivery_code: str
    delivery_type: Literal["Onehour", "Specific"]
    delivery_expected_at: str
    order_number: int
    total_amount: int
    total_amount_excl_vat: int
    payment_method_info: dict[str, str]
    checkout_items: list[Sold]
    consumer: Consumer | None = None
    delivery: Receiver | None = None


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


# All five.


def of(feed: Feed, steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if step.feed == feed.source]


def check_instacart(step: Step) -> None:
    if step.calls:
        callback = msgspec.json.decode(step.body, type=Callback)
        assert (callback.event_name, callback.event_metadata.order_id) == (f"fulfillment.{step.label}", step.ref)
        assert callback.event_id > 2**53
    else:
        assert step.body == b""
    assert (step.follow is not None) == (step.label == "brand_new")


def check_aifi(step: Step) -> None:
    tail, shape = AIFI_KINDS[step.label]
    said = msgspec.json.decode(step.body, type=shape)
    assert step.tail == tail
    assert {"createdAt", "expiresAt", "groupSize", "sessionId", "suspectedFraud"} <= said.session.keys()
    assert said.timeOfOrigin <= said.timeOfIssue
    if isinstance(said, Bought | Mutated):
        assert str(said.orderId) == step.ref
        assert round(float(said.totalPrice) - float(said.totalTax), 2) == float(said.subtotalPrice)


def check_urbit(step: Step) -> None:
    if step.calls:
        query = {name: values[0] for name, values in parse_qs(step.query).items()}
        secret = hashlib.md5(SHARED.encode()).hexdigest()
        assert query == {"order_reference_id": step.ref, "order_status": step.label, "consumer_secret_hash": secret}
        assert (step.method, step.body) == ("GET", b"")
        return
    (deed,) = step.deeds
    assert isinstance(deed, deeds.Shown)
    bought = msgspec.json.decode(deed.document, type=Purchase)
    assert (bought.checkout_status, bought.retailer_reference_id) == (step.label, step.ref)
    assert sum(line.amount for line in bought.checkout_items) == bought.total_amount
    assert (bought.consumer is None) == (bought.delivery is None) == (step.label == "CREATED")
    datetime.fromisoformat(bought.delivery_expected_at)


CHECKS = {
    INSTACART.source: check_instacart,
    AIFI.source: check_aifi,
    URBIT.source: check_urbit,
    JANE.source: lambda step: cart(step),
    LOLA.source: lambda step: lola(step),
}


@pytest.mark.parametrize("seed", range(5))
def test_all_five_say_what_their_contracts_allow(seed: int) -> None:
    for step in (*day(FIVE, seed=seed, start=START, orders=100), *islice(rush(FIVE, seed=seed, start=START), 1500)):
        CHECKS[step.feed](step)


def test_all_five_are_told_alike_for_the_same_seed() -> None:
    assert day(FIVE, seed=7, start=START) == day(FIVE, seed=7, start=START)
    first, second = (list(islice(rush(FIVE, seed=7, start=START), 900)) for _ in range(2))
    assert first == second
    assert not {step.ref for step in first} & {step.ref for step in rush_of(8)}


def rush_of(seed: int) -> list[Step]:
    return list(islice(rush(FIVE, seed=seed, start=START), 900))


def test_each_of_the_new_three_shows_everything_it_can_say() -> None:
    steps = day(FIVE, seed=1, start=START, orders=200)
    shopped = {"item found", "item replaced", "item refunded"}
    assert {step.label for step in of(INSTACART, steps)} == set(instacart.WAITS) - {"item"} | shopped
    assert {step.label for step in of(AIFI, steps)} == set(aifi.WAITS) - {"another"}
    assert {step.label for step in of(URBIT, steps)} == set(urbit.WAITS)


def test_an_instacart_order_is_followed_once_and_its_last_mile_brings_its_items() -> None:
    for ref, steps in by_order(of(INSTACART, day(FIVE, seed=1, start=START, orders=200))).items():
        (placed,) = [deed for deed in steps[0].deeds if isinstance(deed, deeds.Placed)]
        (follow,) = [step.follow for step in steps if step.follow]
        assert (follow["ref"], follow["user_id"], follow["store"]) == (ref, placed.purchase.user_id, "68")
        assert ("items" in follow) == (placed.purchase.kind == "last_mile_delivery")
        assert placed.purchase.window[0] < placed.purchase.window[1]


def test_an_instacart_without_callbacks_only_changes_the_world() -> None:
    silent = replace(INSTACART, callbacks=False)
    steps = of(silent, day([silent], seed=1, start=START, orders=20))
    assert not any(step.calls for step in steps)
    moved = {deed.state for step in steps for deed in step.deeds if isinstance(deed, deeds.Moved)}
    assert {"acknowledged", "picking", "checkout", "delivering", "delivered"} <= moved


def test_a_stand_in_is_put_to_the_customer_and_answered() -> None:
    answers = set()
    for steps in by_order(of(INSTACART, day(FIVE, seed=1, start=START, orders=200))).values():
        told: dict[str, list[str]] = defaultdict(list)
        for step in steps:
            for deed in step.deeds:
                if isinstance(deed, deeds.Sorted) and deed.status == "REPLACED":
                    assert deed.instead is not None
                    told[deed.line].append(deed.answer)
        assert all(said[0] == "PENDING" for said in told.values())
        answers |= {said[-1] for said in told.values()}
    assert {"APPROVED", "REJECTED"} <= answers


def test_a_group_enters_and_leaves_one_by_one_with_one_session() -> None:
    sizes = set()
    for steps in by_order(of(AIFI, day([AIFI], seed=1, start=START, orders=60))).values():
        entered = [msgspec.json.decode(step.body, type=Entered) for step in steps if step.label == "entered"]
        left = [msgspec.json.decode(step.body, type=Left) for step in steps if step.label == "left"]
        assert {one.shopperId for one in entered} == {one.shopperId for one in left}
        assert len({one.session["sessionId"] for one in (*entered, *left)}) == 1
        assert len(entered) == entered[0].session["groupSize"]
        sizes.add(len(entered))
    assert sizes == {1, 2, 4}


def test_a_purchase_is_followed_again_when_the_customer_is_back_from_paying() -> None:
    for steps in by_order(of(URBIT, day([URBIT], seed=1, start=START, orders=40))).values():
        followed = [step.label for step in steps if step.follow]
        assert followed == [label for label in ("CREATED", "COMPLETE") if label in [step.label for step in steps]]


def test_the_rush_opens_with_a_delivery_on_its_way_and_a_pickup_about_to_wait() -> None:
    world, ahead = World(clock=START.timestamp), rush(FIVE, seed=2, start=START)
    for step in ahead:
        if step.at >= 0:
            break
        for deed in step.deeds:
            world.happen(deed)
    states = Counter((order.bought.kind, order.state) for order in world.orders.values())
    assert states["delivery", "delivering"] >= 1
    assert states["pickup", "bags_check"] == states["pickup", "ready_for_pickup"] == 1
    moving = next(order for order in world.orders.values() if order.state == "delivering")
    moving.left = START.timestamp()
    places = [moving.position(START.timestamp() + second) for second in range(0, 240, 5)]
    assert all(place is not None for place in places)
    assert len(set(places)) == len(places)


def test_ways_keep_to_a_grid_near_the_store() -> None:
    for seed in range(50):
        route = streets.way(JANE.place, Random(seed))
        assert route[0] == JANE.place
        assert 300 < sum(streets.metres(one, other) for one, other in pairwise(route)) < 6000
        for (north, east), (north2, east2) in pairwise(route):
            across, up = abs(east2 - east), abs(north2 - north)
            assert min(across / streets.WIDE, up / streets.TALL) < 0.2 * max(across / streets.WIDE, up / streets.TALL)
        ends = [streets.along(route, share) for share in (-1.0, 0.0, 1.0, 2.0)]
        assert ends == [route[0], route[0], route[-1], route[-1]]


# Chaos.


def sent(steps: Iterable[Step]) -> Counter[bytes]:
    return Counter(step.body for step in steps if step.calls)


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
    assert sent(found) == sent(steps)
    assert [step.body for step in found] != [step.body for step in steps]


def test_drop_and_repeat_take_and_add_what_was_there() -> None:
    steps = day(FEEDS, seed=4, start=START)
    before = sent(steps)
    fewer = sent(disturb(steps, NAMED, Chaos(drop=0.3)))
    more = sent(disturb(steps, NAMED, Chaos(repeat=0.3)))
    assert fewer < before < more
    assert set(more) == set(before)


def test_a_reverted_order_hears_its_past_as_news() -> None:
    steps = day([LOLA], seed=4, start=START)
    found = list(disturb(steps, NAMED, Chaos(revert=0.2)))
    undone = [(found[place - 1], step) for place, step in enumerate(found) if step.label.endswith("undone")]
    assert undone
    ids = Counter(lola(step)[0].eventId for step in found if step.calls)
    for news, past in undone:
        assert lola(past)[0].eventTimestamp > lola(news)[0].eventTimestamp
        assert ids[lola(past)[0].eventId] == 1


def test_chaos_loses_calls_but_nothing_that_happened() -> None:
    steps = day(FIVE, seed=4, start=START)
    wild = Chaos(drop=0.4, reorder=0.2, delay=0.2, revert=0.1, repeat=0.1)
    found = list(disturb(steps, {feed.source: feed for feed in FIVE}, wild))
    assert [step.deeds for step in found if step.deeds] == [step.deeds for step in steps if step.deeds]
    assert [step.follow for step in found if step.follow] == [step.follow for step in steps if step.follow]
    assert sent(found) != sent(steps)


@pytest.mark.parametrize("wrong", [{"limits": 1.5}, {"expiry": -0.1}, {"drop": 1.0}, {"repeat": 1.5}, {"delay": -0.1}])
def test_impossible_chances_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="chance"):
        replace(Chaos(), **wrong)


# The player, against a real socket.


@dataclass
class Call:
    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    target: str = ""


@dataclass
class Hooks:
    """A server that takes every call, but first gives each body the answers lined up for it."""

    answers: Sequence[int] = ()
    token: bytes = b""
    usual: int = 202
    first: dict[bytes, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    tries: Counter[bytes] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.calls.append(Call(headers, body, *head.split(" ")[:2]))
                status = self.answers[self.tries[body]] if self.tries[body] < len(self.answers) else self.usual
                status = self.first.get(body, status) if not self.tries[body] else status
                self.tries[body] += 1
                said = self.token if head.split(" ")[1].endswith("/token") else b""
                writer.write(b"HTTP/1.1 %d Answer\r\nContent-Length: %d\r\n\r\n%b" % (status, len(said), said))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(hooks: Hooks, feeds: Sequence[Feed] = FEEDS) -> AsyncIterator[list[Feed]]:
    server = await asyncio.start_server(hooks.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield [replace(feed, url=f"http://127.0.0.1:{port}/hooks/{feed.source}") for feed in feeds]
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
        while len(hooks.calls) < 2:
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
    expected = sent(disturb(steps, NAMED, chaos))
    assert hooks.tries == expected
    assert report.accepted == expected.total() != len(steps)


@pytest.mark.anyio
@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
async def test_a_speed_of_nothing_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        await play([], FEEDS, speed=speed)


GRANTED = b'{"access_token": "ours", "token_type": "Bearer", "expires_in": 3600}'


@pytest.mark.anyio
async def test_a_rush_of_all_five_is_played_whole() -> None:
    hooks, followed, world = Hooks(token=GRANTED, usual=200), [], World()
    steps = [replace(step, at=0.0) for step in islice(rush(FIVE, seed=3, start=START), 600)]

    async def follow(feed: Feed, wish: Any) -> None:
        followed.append((feed.source, wish["ref"]))

    async with listening(hooks, FIVE) as feeds:
        report = await fast(steps, feeds, on_follow=follow, world=world)
    calls = [step for step in steps if step.calls]
    assert report == Report(sent=len(calls), accepted=len(calls))
    assert sorted(followed) == sorted((step.feed, step.ref) for step in steps if step.follow)
    assert set(world.orders) == {step.ref for step in of(INSTACART, steps)}
    assert {ref for system, ref in world.shown if system == "urbit"} <= {step.ref for step in of(URBIT, steps)}
    made = Counter((call.method, call.target.partition("?")[0]) for call in hooks.calls)
    assert {path for method, path in made if method == "GET"} == {"/hooks/urbit"}
    assert made["POST", "/hooks/oasis/entered"] == sum(step.tail == "entered" for step in calls)
    assert {"/hooks/oasis", "/hooks/oasis/left", "/hooks/connect", "/hooks/connect/token"} <= {path for _, path in made}
    heads = {call.target.split("/")[2]: call.headers.get("authorization") for call in hooks.calls if call.body}
    assert (heads["connect"], heads["oasis"]) == ("Bearer ours", f"Bearer {SECRET}")


@pytest.mark.anyio
async def test_a_token_is_asked_for_once_and_again_when_it_is_refused() -> None:
    hooks = Hooks(token=GRANTED, usual=200)
    steps = [step for step in day([INSTACART], seed=1, start=START, orders=3) if step.calls]
    async with listening(hooks, [INSTACART]) as feeds:
        await fast([replace(step, at=0.0, ref="one") for step in steps], feeds)
    asked = [call for call in hooks.calls if call.target.endswith("/token")]
    form = {"client_id": ["connect"], "client_secret": [SECRET], "grant_type": ["client_credentials"]}
    assert [parse_qs(call.body.decode()) for call in asked] == [form]
    assert asked[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert len(hooks.calls) == len(steps) + 1
    once = {step.body: 401 for step in steps[1:2]}
    hooks = Hooks(token=GRANTED, usual=200, first=once)
    async with listening(hooks, [INSTACART]) as feeds:
        report = await fast([replace(step, at=0.0, ref="one") for step in steps], feeds)
    assert report == Report(sent=len(steps), accepted=len(steps))
    assert sum(call.target.endswith("/token") for call in hooks.calls) == 2
    assert hooks.tries[steps[1].body] == 2


@pytest.mark.anyio
async def test_a_source_that_gives_no_token_is_not_called() -> None:
    hooks = Hooks(usual=401)
    steps = [step for step in day([INSTACART], seed=1, start=START, orders=1) if step.calls][:1]
    async with listening(hooks, [INSTACART]) as feeds:
        report = await fast(steps, feeds)
    assert report == Report(sent=1, refused=1)
    assert [call.target for call in hooks.calls] == ["/hooks/connect/token"]
