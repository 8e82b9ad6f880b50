"""urb-it's side: a purchase that whoever asks can see, then a courier of whom GET callbacks tell."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from random import Random
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from app.sandbox import goods
from app.sandbox.deeds import Shown
from app.sandbox.sides import Beat, Feed, News, Opening, Plan, Side, Tale


@dataclass(frozen=True, slots=True)
class Story:
    weight: int
    path: str
    kind: str = "Onehour"
    gift: bool = False
    voucher: bool = False


BOUGHT = "CREATED READY COMPLETE"
BROUGHT = "CLAIMED PICKEDUP DELIVERED"

STORIES = {
    "onehour": Story(30, f"{BOUGHT} OPEN {BROUGHT}"),
    "specific": Story(14, f"{BOUGHT} PENDING OPEN {BROUGHT}", "Specific"),
    "gift": Story(8, f"{BOUGHT} OPEN {BROUGHT}", gift=True),
    "voucher": Story(10, f"{BOUGHT} OPEN {BROUGHT}", voucher=True),
    "failed": Story(3, "CREATED READY FAILED"),
    "left alone": Story(3, "CREATED READY"),
    "cancelled": Story(3, f"{BOUGHT} OPEN CANCELLED"),
}

# Seconds before each.
WAITS = {
    "CREATED": (0, 0),
    "READY": (20, 90),
    "COMPLETE": (10, 60),
    "FAILED": (10, 60),
    "PENDING": (2, 20),
    "OPEN": (2, 240),
    "CLAIMED": (60, 400),
    "PICKEDUP": (300, 900),
    "DELIVERED": (400, 1200),
    "CANCELLED": (200, 700),
}

OPENING = (
    Opening("onehour", "PICKEDUP", ago=120, due=900),
    Opening("onehour", "CLAIMED", ago=90, due=1800),
    Opening("specific", "PENDING", ago=300, due=5400),
    Opening("gift", "OPEN", ago=40, due=2700),
    Opening("voucher", "COMPLETE", ago=5, due=3300),
    Opening("onehour", "READY", ago=20, due=3500),
    Opening("onehour", "DELIVERED", ago=400, due=300),
)

CHECKOUT = frozenset({"CREATED", "READY", "COMPLETE", "FAILED"})
FEE, VAT = 12_900, 2_500
MESSAGES = ("", "", "The bell is broken, call me.", "Blue door in the yard.")


@dataclass(frozen=True, slots=True)
class Checkout:
    """What of a purchase never changes."""

    feed: Feed
    ref: str
    fixed: Mapping[str, object]
    people: Mapping[str, object]
    promise: float
    zoned: bool


def tell(feed: Feed, plan: Plan, rng: Random) -> Tale:
    story = STORIES[plan.story]
    # Capitals in it are signed as small letters, but sent as they are.
    ref = f"{rng.choice('ABCDEFGH')}{rng.randrange(100, 999)}-{rng.randrange(10_000, 99_999)}{plan.number}"
    checkout = Checkout(
        feed, ref, _fixed(feed, plan, story, ref, rng), _people(story, rng), plan.promise, rng.random() < 0.75
    )
    beats = [Beat(rng.uniform(*WAITS[word]), word, partial(news, checkout, word)) for word in story.path.split()]
    return Tale(ref, tuple(beats))


def _fixed(feed: Feed, plan: Plan, story: Story, ref: str, rng: Random) -> dict[str, object]:
    items = list(_items(goods.basket(rng, fewest=1, most=6), story.voucher))
    total = sum(amount for amount, _ in items)
    numbered = [{"id": plan.number * 100 + place, **fields} for place, (_, fields) in enumerate(items)]
    return {
        "store_id": str(UUID(int=rng.getrandbits(128), version=4)),
        "retailer_reference_id": ref,
        "gift": story.gift,
        "urber_message": rng.choice(MESSAGES),
        "delivery_code": "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=3)) + str(rng.randrange(100, 999)),
        "delivery_type": story.kind,
        "order_number": 10_000 + plan.number,
        "total_amount": total,
        "total_amount_excl_vat": round(total * 10_000 / (10_000 + VAT)),
        "payment_method_info": {"type": "card", "control_digits": str(rng.randrange(100, 999))},
        "checkout_items": numbered,
    }


def _items(basket: Sequence[goods.Line], voucher: bool) -> Iterator[tuple[int, dict[str, object]]]:
    """Amounts in the currency's smallest unit; a voucher is a line below zero, free of tax."""
    for line in basket:
        yield _row(line.good.name, line.good.item, round(goods.cost(line) * 100), VAT, "Product")
    yield _row("urb-it", "", FEE, VAT, "DeliveryFee")
    if voucher:
        yield _row("FIRST-ONE-FREE", "", -FEE, 0, "Voucher")


def _row(name: str, ref: str, amount: int, vat: int, kind: str) -> tuple[int, dict[str, object]]:
    return amount, {"name": name, "reference_id": ref, "amount": amount, "vat_rate": vat, "type": kind}


def _people(story: Story, rng: Random) -> dict[str, object]:
    name, phone, email = goods.person(rng)
    first, last = name.split(" ", 1)
    receiver, other_phone, _ = goods.person(rng) if story.gift else (name, phone, email)
    return {
        "consumer": {"first_name": first, "last_name": last, "email": email, "phone_number": phone},
        "delivery": {
            "first_name": receiver.split(" ", 1)[0],
            "last_name": receiver.split(" ", 1)[1],
            "phone_number": other_phone,
            "street": f"{rng.choice(goods.LAST)} Street {rng.randrange(1, 120)}",
            "postal_code": "11144",
            "city": "Stockholm",
            "delivery_location_type": "Beneficary" if story.gift else "Consumer",
        },
    }


def news(checkout: Checkout, word: str, times: Sequence[datetime]) -> News:
    """The purchase is only seen by asking, the courier only by callback. Who comes back from the payment page has the
    order posted a second time."""
    if word not in CHECKOUT:
        return News(method="GET", query=callback(checkout.feed, checkout.ref, word))
    shown = Shown("urbit", checkout.ref, document(checkout, word, times[0]), checkout.feed.store_key)
    follow = {"ref": checkout.ref, "store": checkout.feed.store, "user_id": None}
    return News(method="", deeds=(shown,), follow=follow if word in ("CREATED", "COMPLETE") else None)


def document(checkout: Checkout, word: str, began: datetime) -> bytes:
    """What the checkout call answers; who it is for is not known before the payment page is filled in."""
    people = {} if word == "CREATED" else checkout.people
    expected = {"delivery_expected_at": _expected(checkout, began)}
    return msgspec.json.encode({**checkout.fixed, "checkout_status": word, **people, **expected})


def _expected(checkout: Checkout, began: datetime) -> str:
    """With a zone in the contract's sample, without one in its text; then it is the store's."""
    at = datetime.fromtimestamp(round((began.timestamp() + checkout.promise) / 300) * 300, UTC)
    if checkout.zoned:
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return at.astimezone(ZoneInfo(checkout.feed.timezone)).strftime("%Y-%m-%dT%H:%M:%S")


def callback(feed: Feed, ref: str, word: str) -> str:
    digest = hashlib.md5(feed.secret.encode(), usedforsecurity=False).hexdigest()
    return urlencode({"order_reference_id": ref, "order_status": word, "consumer_secret_hash": digest})


SIDE = Side(
    stories={name: story.weight for name, story in STORIES.items()},
    promise=(2700, 5400),
    opening=OPENING,
    tell=tell,
)
