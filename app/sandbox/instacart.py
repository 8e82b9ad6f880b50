"""Instacart's side: what a shopper does with an order, seen by whoever polls, and the callbacks beside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from uuid import UUID

import msgspec

from app.sandbox import goods, streets
from app.sandbox.deeds import Address, Deed, Line, Moved, Placed, Purchase, Sorted
from app.sandbox.sides import Beat, Feed, News, Opening, Plan, Side, Tale

DELIVERY, PICKUP, LAST_MILE = "delivery", "pickup", "last_mile_delivery"


@dataclass(frozen=True, slots=True)
class Story:
    weight: int
    path: str
    kind: str = DELIVERY
    curbside: bool = False
    forced: tuple[str, ...] = ()


FORCED = ("replaced", "refused", "refunded")
STOOD_IN = ("replaced", "refused")
SHOPPED = "brand_new acknowledged picking items"
DRIVEN = "checkout delivering delivered"
HANDED = "user_at_store runner_awaiting runner_acknowledged bags_verified delivered"
READY = f"{SHOPPED} checkout bags_check ready_for_pickup"

# "items" stands for a line at a time, "some" for the first few, "rest" for the others; late_delivery and rescheduled
# are callbacks, and no states that a poll would see.
STORIES = {
    "delivery": Story(30, f"{SHOPPED} {DRIVEN}"),
    "reviewed": Story(12, f"{SHOPPED} verifying_replacements {DRIVEN}", forced=FORCED),
    "staged": Story(6, f"{SHOPPED} checkout bags_check staged delivering delivered"),
    "repicked": Story(4, f"brand_new acknowledged picking some checkout picking rest {DRIVEN}"),
    "late": Story(5, f"{SHOPPED} checkout delivering late_delivery delivered"),
    "rescheduled": Story(4, f"brand_new acknowledged rescheduled acknowledged picking items {DRIVEN}"),
    "canceled": Story(4, "brand_new acknowledged picking some canceled"),
    "pickup": Story(8, f"{READY} {HANDED}", PICKUP),
    "curbside": Story(14, f"{READY} {HANDED}", PICKUP, True),
    "last mile": Story(
        8,
        "brand_new staged_for_delivery waiting_for_delivery acknowledged_for_delivery at_store bags_verified "
        "delivering delivered",
        LAST_MILE,
    ),
}

# Seconds before each.
WAITS = {
    "brand_new": (0, 0),
    "acknowledged": (60, 300),
    "picking": (60, 300),
    "item": (15, 45),
    "verifying_replacements": (10, 40),
    "checkout": (60, 180),
    "bags_check": (30, 90),
    "staged": (60, 240),
    "staged_for_delivery": (60, 240),
    "waiting_for_delivery": (30, 120),
    "acknowledged_for_delivery": (60, 240),
    "at_store": (120, 400),
    "delivering": (60, 180),
    "late_delivery": (200, 400),
    "rescheduled": (60, 240),
    "canceled": (60, 300),
    "ready_for_pickup": (30, 90),
    "user_at_store": (1200, 2400),
    "runner_awaiting": (10, 30),
    "runner_acknowledged": (30, 90),
    "bags_verified": (30, 120),
    "delivered": (40, 160),
}

DRIVE = (900, 1500)  # seconds at the wheel; the door opens a little later

OPENING = (
    Opening("delivery", "delivering", ago=15, due=900),
    Opening("curbside", "bags_check", ago=60, due=1200),
    Opening("curbside", "ready_for_pickup", ago=240, due=600),
    Opening("delivery", "brand_new", ago=40, due=5400),
    Opening("reviewed", "picking", more=3, ago=10, due=2400),
    Opening("last mile", "waiting_for_delivery", ago=50, due=2400),
    Opening("late", "late_delivery", ago=30, due=-200),
    Opening("delivery", "delivered", ago=500, due=200),
)

EVENTS = frozenset(
    {"brand_new", "acknowledged", "picking", "checkout", "delivering", "delivered", "canceled"}
    | {"late_delivery", "rescheduled"}
)
OUTCOMES = {"found": 84, "replaced": 7, "refused": 3, "refunded": 6}
NOTES = ("", "", "The gate sticks; push hard.", "Second floor, left door.", "Please don't wake the dog.")
PICKS = {"found": "item found", "refunded": "item refunded", "replaced": "item replaced", "refused": "item replaced"}


@dataclass(frozen=True, slots=True)
class Shop:
    """What of an order never changes, but for its instants: the window counts from its first beat. `outcomes` and
    `instead` go with its lines."""

    feed: Feed
    bought: Purchase
    outcomes: tuple[str, ...]
    instead: tuple[Line, ...]
    shopper: str
    later: float


def tell(feed: Feed, plan: Plan, rng: Random) -> Tale:
    story = STORIES[plan.story]
    basket = goods.basket(rng, fewest=max(3, len(story.forced)), most=14)
    taken = {line.good.item for line in basket}
    drawn = rng.choices(list(OUTCOMES), list(OUTCOMES.values()), k=len(basket) - len(story.forced))
    drive = rng.uniform(*DRIVE)
    shop = Shop(
        feed=feed,
        bought=_purchase(feed, plan, story, tuple(_line(line, rng) for line in basket), drive, rng),
        outcomes=(*story.forced, *drawn),
        instead=tuple(_line(goods.Line(goods.neighbour(line.good, rng, taken), 1.0), rng) for line in basket),
        shopper=goods.person(rng)[0].split()[0],
        later=rng.choice((3600.0, 7200.0)),
    )
    return Tale(shop.bought.id, tuple(_beats(shop, story, drive, rng)))


def _purchase(feed: Feed, plan: Plan, story: Story, lines: tuple[Line, ...], drive: float, rng: Random) -> Purchase:
    doorstep = story.kind != PICKUP
    return Purchase(
        id=str(UUID(int=rng.getrandbits(128), version=4)),
        user_id=f"customer-{rng.randrange(10_000, 99_999)}{plan.number}",
        kind=story.kind,
        created=0.0,
        window=(plan.promise - 3600, plan.promise),
        lines=lines,
        address=Address(f"{rng.randrange(2, 998)} {rng.choice(goods.LAST)} Street", "San Francisco", "CA", "94110"),
        route=streets.way(feed.place, rng),
        drive=drive * plan.haste,
        curbside=story.curbside,
        dropoff=rng.choice(("", "front_door", "reception")) if doorstep else "",
        notes=rng.choice(NOTES) if doorstep else "",
        unattended=doorstep and rng.random() < 0.3,
        alcoholic=rng.random() < 0.1,
    )


def _line(line: goods.Line, rng: Random) -> Line:
    unit = "KG" if line.kilograms else "EACH"
    return Line(f"{rng.getrandbits(32):08x}-{line.good.item}", line.good.name, str(line.quantity), unit)


def _beats(shop: Shop, story: Story, drive: float, rng: Random) -> Iterator[Beat]:
    event, seen = rng.getrandbits(59) | 1 << 60, 0
    for word in _words(story, len(shop.outcomes)):
        wait = rng.uniform(*WAITS[word])
        if word == "item":
            yield Beat(wait, PICKS[shop.outcomes[seen]], partial(picked, shop, seen))
            seen += 1
            continue
        if word == "late_delivery":
            drive -= wait
        elif word == "delivered" and story.kind != PICKUP:
            wait += drive
        event += rng.randrange(1, 9)
        yield Beat(wait, word, partial(news, shop, word, event, seen))


def _words(story: Story, lines: int) -> Iterator[str]:
    counts = {"items": lines, "some": 2, "rest": lines - 2}
    for word in story.path.split():
        yield from ["item"] * counts[word] if word in counts else [word]


def picked(shop: Shop, number: int, _times: Sequence[datetime]) -> News:
    return News(method="", deeds=(_sorted(shop, number, "PENDING"),))


def _sorted(shop: Shop, number: int, answer: str) -> Sorted:
    """How a line stands; `answer` is the customer's to a stand-in."""
    order, line, outcome = shop.bought.id, shop.bought.lines[number].id, shop.outcomes[number]
    if outcome in STOOD_IN:
        return Sorted(order, line, "REPLACED", answer, shop.instead[number])
    return Sorted(order, line, "FOUND" if outcome == "found" else "TO_REFUND")


def news(shop: Shop, word: str, event: int, seen: int, times: Sequence[datetime]) -> News:
    calls = shop.feed.callbacks and word in EVENTS
    return News(
        callback(event, word, shop.bought.id, times[-1]) if calls else b"",
        "POST" if calls else "",
        deeds=tuple(_deeds(shop, word, seen, times[0].timestamp(), times[-1].timestamp())),
        follow=_follow(shop) if word == "brand_new" else None,
    )


def _deeds(shop: Shop, word: str, seen: int, began: float, at: float) -> Iterator[Deed]:
    bought = shop.bought
    begins, ends = began + bought.window[0], began + bought.window[1]
    if word in ("verifying_replacements", "checkout"):
        for number in range(seen):
            if shop.outcomes[number] in STOOD_IN:
                yield _sorted(shop, number, "APPROVED" if shop.outcomes[number] == "replaced" else "REJECTED")
    if word == "brand_new":
        yield Placed(replace(bought, created=began, window=(begins, ends)))
    elif word == "rescheduled":
        yield Moved(bought.id, "brand_new", at, (begins + shop.later, ends + shop.later))
    elif word != "late_delivery":
        yield Moved(bought.id, word, at, shopper=shop.shopper if word.startswith("acknowledged") else "")


def _follow(shop: Shop) -> dict[str, object]:
    """What the shop's own system would post: of a last mile it alone knows what was bought."""
    found: dict[str, object] = {"ref": shop.bought.id, "store": shop.feed.store, "user_id": shop.bought.user_id}
    if shop.bought.kind == LAST_MILE:
        found["items"] = [
            {"id": line.id, "name": line.name, "quantity": float(line.quantity), "unit": line.unit.lower()}
            for line in shop.bought.lines
        ]
    return found


def callback(event: int, word: str, order: str, at: datetime) -> bytes:
    return msgspec.json.encode(
        {
            "event_id": event,
            "event_name": f"fulfillment.{word}",
            "event_timestamp": _stamp(at),
            "event_metadata": {"order_id": order},
        }
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def again(earlier: bytes, later: bytes) -> bytes:
    """The earlier event as a new one, a second after the later one."""
    old, new = msgspec.json.decode(earlier), msgspec.json.decode(later)
    at = datetime.fromisoformat(new["event_timestamp"]) + timedelta(seconds=1)
    return msgspec.json.encode(old | {"event_id": new["event_id"] + 1_000_000, "event_timestamp": _stamp(at)})


def login(feed: Feed) -> dict[str, str]:
    """Before it calls back, Instacart asks for a token; the source's name and secret are the client's."""
    return {"client_id": feed.source, "client_secret": feed.secret, "grant_type": "client_credentials"}


SIDE = Side(
    stories={name: story.weight for name, story in STORIES.items()},
    promise=(5400, 9000),
    opening=OPENING,
    tell=tell,
    again=again,
    login=login,
)
