"""AiFi's side: people walk in, through zones and out again, and some time later the system knows what they took."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from uuid import UUID

import msgspec

from app.sandbox import goods
from app.sandbox.sides import Beat, Feed, News, Opening, Plan, Side, Tale, bearer


@dataclass(frozen=True, slots=True)
class Story:
    weight: int
    path: str
    people: int = 1
    empty: bool = False


WALK = "entered, zone entered, zone left, left"

# "entered" and "left" come once for each person. "cart" is the mutator's call, at the checkout and at a review.
STORIES = {
    "alone": Story(30, f"{WALK}, draft, completed"),
    "quick": Story(14, f"{WALK}, completed"),
    "pair": Story(12, f"{WALK}, draft, completed", 2),
    "family": Story(5, f"{WALK}, draft, completed", 4),
    "wanderer": Story(6, "entered, zone entered, zone left, zone entered, zone left, left, draft, completed"),
    "mutated": Story(6, f"{WALK}, cart, draft, completed"),
    "reviewed": Story(7, f"{WALK}, draft, completed, reviewed"),
    "contested": Story(4, f"{WALK}, cart, completed, cart review, reviewed"),
    "empty": Story(3, f"{WALK}, completed", 1, True),
}

# Seconds before each. A review may take days; here it comes while somebody still looks.
WAITS = {
    "entered": (0, 0),
    "another": (1, 6),
    "zone entered": (120, 600),
    "zone left": (20, 120),
    "left": (5, 60),
    "cart": (20, 60),
    "draft": (20, 90),
    "completed": (60, 400),
    "cart review": (1800, 5400),
    "reviewed": (900, 5400),
}

OPENING = (
    Opening("alone", "entered", ago=50, due=900),
    Opening("pair", "entered", ago=90, due=900),
    Opening("alone", "zone entered", ago=12, due=900),
    Opening("family", "zone entered", ago=25, due=900),
    Opening("alone", "draft", ago=60, due=900),
    Opening("quick", "completed", ago=200, due=900),
    Opening("reviewed", "completed", ago=900, due=900),
)

TAX = 0.08
STATUS = {
    "draft": "draft",
    "completed": "completed",
    "cart": "draft",
    "cart review": "reviewed",
    "reviewed": "reviewed",
}


@dataclass(frozen=True, slots=True)
class Journey:
    """What of a journey never changes. A review takes the last line off the bill."""

    feed: Feed
    order: int
    uuid: str
    number: int
    customer: str
    zone: int | str
    people: tuple[str, ...]
    lines: tuple[goods.Line, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens, to whom, and which beat of the journey was the last person's leaving."""

    kind: str
    person: int = 0
    left: int = 0


def tell(feed: Feed, plan: Plan, rng: Random) -> Tale:
    story = STORIES[plan.story]
    # Older stores number their zones, newer ones name them.
    zone = rng.choice((1, 2, "till-1", "till-2"))
    journey = Journey(
        feed=feed,
        order=rng.randrange(1, 9_000_000) * 1000 + plan.number % 1000,
        uuid=str(UUID(int=rng.getrandbits(128), version=4)),
        number=rng.randrange(10_000, 9_999_999),
        customer=str(rng.randrange(100, 99_999)),
        zone=zone,
        people=tuple(f"shopper-{rng.randrange(10_000, 99_999)}" for _ in range(story.people)),
        lines=() if story.empty else tuple(_counted(line) for line in goods.basket(rng, fewest=1, most=9)),
    )
    return Tale(str(journey.order), tuple(_beats(journey, story, rng)))


def _counted(line: goods.Line) -> goods.Line:
    return goods.Line(line.good, max(1.0, float(int(line.quantity))))


def _beats(journey: Journey, story: Story, rng: Random) -> Iterator[Beat]:
    count = left = 0
    for kind in story.path.split(", "):
        for person in range(story.people if kind in ("entered", "left") else 1):
            wait = rng.uniform(*WAITS["another" if person else kind])
            if kind == "left":
                left = count
            yield Beat(wait, kind, partial(news, journey, Scene(kind, person, left)))
            count += 1


def news(journey: Journey, scene: Scene, times: Sequence[datetime]) -> News:
    kind = scene.kind
    if kind in STATUS:
        return News(_bought(journey, scene, times), tail="cart" if kind.startswith("cart") else "")
    said = _common(journey, times[-1], times[-1], times)
    said["shopper"] = {"id": journey.people[scene.person]}
    if kind.startswith("zone"):
        said |= {"checkoutZoneId": journey.zone, "specialAttention": False, "shoppingSessionFlags": []}
    else:
        said["shopperId"] = journey.people[scene.person]
        if kind == "left":
            said["payment"] = _payment(journey)
    return News(msgspec.json.encode(said), tail=kind.removeprefix("zone "))


def _common(journey: Journey, happened: datetime, issued: datetime, times: Sequence[datetime]) -> dict[str, object]:
    feed = journey.feed
    number = int(feed.store) if feed.store.isdecimal() else 0
    return {
        "sessionId": journey.uuid,
        "session": _session(journey, number, times),
        "customer": {
            "externalId": f"member-{journey.customer}",
            "metadata": {},
            "id": journey.customer,
            "role": "customer",
        },
        "storeId": number,
        "store": {"oasisApiStoreId": number, "aifiUniqueStoreId": f"store-{feed.store}"},
        "storeExternalId": feed.store,
        "timeOfOrigin": _stamp(happened),
        "timeOfIssue": _stamp(issued),
    }


def _session(journey: Journey, store: int, times: Sequence[datetime]) -> Mapping[str, object]:
    began = _stamp(times[0])
    return {
        "createdAt": began,
        "updatedAt": _stamp(times[-1]),
        "id": journey.number,
        "customerId": int(journey.customer),
        "code": journey.uuid,
        "codeFirstSuccesfullyScannedAt": began,
        "codeLastSuccesfullyScannedAt": began,
        "customerFirstEnteredAt": began,
        "customerLastEnteredAt": began,
        "customerFirstExitedAt": None,
        "customerLastExitedAt": None,
        "customerPaymentInstrumentId": 0,
        "customerSatisfaction": 0,
        "customerSatisfactionSubmitted": False,
        "groupSize": len(journey.people),
        "visitors": len(journey.people),
        "locationId": journey.feed.store,
        "priority": 0,
        "sessionToken": journey.uuid,
        "sessionId": journey.uuid,
        "referencedSessionId": None,
        "status": "active",
        "storeId": store,
        "storeIdScannableAt": store,
        "suspectedFraud": False,
        "metadata": {"events": []},
        "expiresAt": _stamp(times[0] + timedelta(hours=2)),
    }


def _bought(journey: Journey, scene: Scene, times: Sequence[datetime]) -> bytes:
    """The checkout, or the same thing put to the mutator, which has no `amount` but metadata."""
    status = STATUS[scene.kind]
    lines = journey.lines[:-1] if status == "reviewed" and len(journey.lines) > 1 else journey.lines
    total = round(sum(line.good.price * line.quantity for line in lines), 2)
    tax = round(total * TAX / (1 + TAX), 2)
    said = _common(journey, times[scene.left], times[-1], times) | {
        "orderId": journey.order,
        "status": status,
        "cart": [_item(line, place, times[0]) for place, line in enumerate(lines)],
        "totalPrice": f"{total:.2f}",
        "totalTax": f"{tax:.2f}",
        "subtotalPrice": f"{total - tax:.2f}",
        "payment": _payment(journey),
    }
    if not scene.kind.startswith("cart"):
        return msgspec.json.encode(said | {"amount": total})
    if status == "reviewed":
        said["reviewedTotalPrice"] = f"{total:.2f}"
    return msgspec.json.encode(said | {"metadata": {}})


def _item(line: goods.Line, place: int, at: datetime) -> dict[str, object]:
    good, number = line.good, int(line.good.item)
    shared = {
        "name": good.name,
        "barcode": good.scan,
        "category": "",
        "sku": good.item,
        "thumbnail": "",
        "externalId": good.item,
        "productId": number,
    }
    snapshot = {"price": f"{good.price:.2f}", "weight": 0, "taxCode": "", "id": number}
    stamps = {"createdAt": _stamp(at), "updatedAt": _stamp(at)}
    tax = {"taxId": "vat", "title": "VAT", "rate": f"{TAX:.2f}", "amount": f"{good.price * line.quantity * TAX:.2f}"}
    return {
        "id": str(place),
        **shared,
        "price": good.price,
        "quantity": int(line.quantity),
        "productSnapshot": shared | snapshot | stamps,
        "taxLines": [tax],
    }


def _payment(journey: Journey) -> dict[str, object]:
    """With card data, as in real calls: nobody may keep them."""
    card = {"cardBin": "400000", "cardLast4": "0002", "cardExpMonth": 12, "cardExpYear": 2031, "cardBrand": "none"}
    return {
        "paymentProvider": "GENERIC",
        "paymentInstrument": {"type": "card", **card},
        "paymentStatus": "success",
        "paymentTransactionIds": [f"txn-{journey.number}"],
    }


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def again(earlier: bytes, later: bytes) -> bytes:
    """The earlier news sent once more, a second after the later one, and meant."""
    old, new = msgspec.json.decode(earlier), msgspec.json.decode(later)
    at = datetime.fromisoformat(new["timeOfIssue"]) + timedelta(seconds=1)
    return msgspec.json.encode(old | {"timeOfIssue": _stamp(at)})


SIDE = Side(
    stories={name: story.weight for name, story in STORIES.items()},
    promise=(600, 1800),
    opening=OPENING,
    tell=tell,
    again=again,
    headers=bearer,
)
