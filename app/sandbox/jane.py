"""Jane's side: one webhook per change of a cart's status, with the whole cart in it each time."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from app.sandbox import goods
from app.sandbox.deeds import Shown
from app.sandbox.sides import Beat, Feed, News, Opening, Plan, Side, Tale


@dataclass(frozen=True, slots=True)
class Story:
    weight: int
    mode: str
    path: str


# A status twice in a row is Jane sending the same body twice. "cancelled" is the shopper's doing and comes from
# verification only; "dismissed" is the store's. "finished_without_review" is deprecated, "delivery_finished" rare.
STORIES = {
    "pickup": Story(18, "pickup", "verification preparing ready_for_pickup finished"),
    "curbside": Story(26, "curbside", "verification preparing ready_for_pickup finished"),
    "delivery": Story(16, "delivery", "verification preparing delivery_started finished"),
    "kiosk": Story(6, "kiosk", "verification preparing ready_for_pickup finished"),
    "browser": Story(6, "pickup", "pending verification preparing ready_for_pickup finished"),
    "questioned": Story(6, "curbside", "verification staff_member_review preparing ready_for_pickup finished"),
    "reviewed": Story(7, "delivery", "verification preparing delivery_started finished with_review"),
    "older": Story(3, "delivery", "verification preparing delivery_started delivery_finished finished"),
    "echoed": Story(4, "curbside", "verification verification preparing ready_for_pickup ready_for_pickup finished"),
    "cancelled": Story(4, "curbside", "verification cancelled"),
    "dismissed": Story(2, "pickup", "verification staff_member_review dismissed"),
    "withdrawn": Story(2, "delivery", "verification preparing dismissed"),
    "unreviewed": Story(1, "pickup", "verification preparing ready_for_pickup finished finished_without_review"),
}

# Seconds a cart stays as it is before it gets this status.
WAITS = {
    "pending": (0, 0),
    "verification": (60, 400),
    "staff_member_review": (30, 120),
    "preparing": (60, 420),
    "ready_for_pickup": (240, 1200),
    "delivery_started": (300, 1200),
    "delivery_finished": (600, 1500),
    "finished": (180, 900),
    "with_review": (600, 3000),
    "finished_without_review": (1200, 3000),
    "cancelled": (60, 300),
    "dismissed": (60, 300),
}

OPENING = (
    Opening("curbside", "verification", ago=35, due=2100),
    Opening("pickup", "verification", ago=110, due=1500),
    Opening("questioned", "staff_member_review", ago=50, due=1300),
    Opening("curbside", "preparing", ago=280, due=800),
    Opening("delivery", "preparing", ago=420, due=190),
    Opening("pickup", "preparing", ago=840, due=-260),
    Opening("curbside", "ready_for_pickup", ago=380, due=500),
    Opening("pickup", "ready_for_pickup", ago=150, due=1100),
    Opening("echoed", "ready_for_pickup", ago=640, due=-180),
    Opening("delivery", "delivery_started", ago=200, due=700),
    Opening("kiosk", "finished", ago=300, due=600),
    Opening("curbside", "finished", ago=720, due=-300),
    Opening("cancelled", "cancelled", ago=260, due=1400),
)

MESSAGES = ("", "", "", "Blue hatchback by the side door.", "Please ring twice.", "No bags, thank you.")
PROMOS = (None, None, None, None, "WELCOME5", "FRESH10")


@dataclass(frozen=True, slots=True)
class Cart:
    """What of a cart never changes. `asked` is what was put in it, `given` what the staff could find."""

    feed: Feed
    fixed: Mapping[str, object]
    asked: tuple[goods.Line, ...]
    given: tuple[goods.Line, ...]
    employee: tuple[int, str]
    rating: int
    pending: bool
    promise: float


def tell(feed: Feed, plan: Plan, rng: Random) -> Tale:
    story = STORIES[plan.story]
    cart = _cart(feed, plan, story, rng)
    beats: list[Beat] = []
    seen: list[str] = []
    for status in story.path.split():
        echo = seen[-1:] == [status]
        wait = rng.uniform(1, 4) if echo else rng.uniform(*WAITS[status])
        seen.append(status)
        beats.append(Beat(wait if beats else 0.0, status, partial(news, cart, status, "preparing" in seen)))
    return Tale(str(cart.fixed["uuid"]), tuple(beats))


def _cart(feed: Feed, plan: Plan, story: Story, rng: Random) -> Cart:
    asked = tuple(goods.basket(rng))
    short = len(asked) > 4 and rng.random() < 0.15
    employee = (rng.randrange(11, 60), goods.person(rng)[0])
    return Cart(
        feed,
        _fixed(feed, plan, story, rng),
        asked,
        asked[1:] if short else asked,
        employee,
        rng.choice((4, 5, 5)),
        story.path.startswith("pending"),
        plan.promise,
    )


def _fixed(feed: Feed, plan: Plan, story: Story, rng: Random) -> dict[str, object]:
    name, phone, email = goods.person(rng)
    return {
        "assigned_manager_id": None,
        "assigned_manager_name": None,
        "checkout_message": rng.choice(MESSAGES),
        "customer_phone_number": phone,
        "customer_email_address": email,
        "customer_name": name,
        "id": 7000 + plan.number,
        "promo_code": rng.choice(PROMOS),
        "queue_number": queue_number(plan.number),
        "reservation_mode": story.mode,
        "store_id": int(feed.store) if feed.store.isdecimal() else 0,
        "store_name": feed.store_name,
        "tags": {},
        "user_id": None,
        "external_user_id": str(rng.randrange(10_000, 99_999)),
        "external_user_source": "storefront",
        "uuid": str(UUID(int=rng.getrandbits(128), version=4)),
    }


def queue_number(number: int) -> str:
    """G19 and the like: no number twice within 20,000 orders."""
    letter = "GHJKLMNPQRSTUVWXYZABCDEF"[number // 999 % 24]
    return f"{letter}{number % 999 + 1}"


def news(cart: Cart, status: str, accepted: bool, times: Sequence[datetime]) -> News:
    said = body(cart, status, accepted, times)
    return News(said, deeds=(Shown("jane", str(cart.fixed["uuid"]), said),))


def body(cart: Cart, status: str, accepted: bool, times: Sequence[datetime]) -> bytes:
    """The webhook of this status; `accepted` once the staff took the cart on."""
    checked_out = times[min(1, len(times) - 1)] if cart.pending else times[0]
    open_cart = status == "pending"
    lines = cart.asked if status in ("pending", "verification", "staff_member_review", "preparing") else cart.given
    employee = cart.employee if accepted else (None, None)
    fields = {
        **cart.fixed,
        "amount": round(sum(goods.cost(line) for line in lines), 2),
        "assigned_employee_id": employee[0],
        "assigned_employee_name": employee[1],
        "checked_out_time": None if open_cart else _stamp(cart.feed, checked_out),
        "created_at": _stamp(cart.feed, times[0] - timedelta(seconds=0 if cart.pending else 8)),
        "pos_order_id": f"P{cart.fixed['id']}" if accepted else None,
        "products": [_product(line) for line in lines],
        "queue_number": None if open_cart else cart.fixed["queue_number"],
        "rating": cart.rating if status == "with_review" else 0,
        "reservation_start_window": None if open_cart else _stamp(cart.feed, _window(cart, checked_out)),
        "status": status,
    }
    return msgspec.json.encode({"cart": fields, "webhook_event": "cart_status_updated"})


def _window(cart: Cart, checked_out: datetime) -> datetime:
    """The promise, at the five minutes nearest to it, as a shop's clock would offer it."""
    seconds = round((checked_out.timestamp() + cart.promise) / 300) * 300
    return datetime.fromtimestamp(seconds, UTC)


def _stamp(feed: Feed, at: datetime) -> str:
    zone = UTC if feed.utc_stamps else ZoneInfo(feed.timezone)
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _product(line: goods.Line) -> dict[str, object]:
    price = round(goods.cost(line) / line.quantity, 2)
    quantity = line.quantity if line.kilograms else int(line.quantity)
    return {"name": line.good.name, "quantity": quantity, "price": price}


def headers(feed: Feed, body: bytes, now: float) -> dict[str, str]:
    found = {"Authorization": f"Bearer {feed.secret}"}
    if feed.signing_secret:
        stamp = str(int(now))
        signed = hmac.new(feed.signing_secret.encode(), f"{stamp}:".encode() + body, hashlib.sha256)
        found |= {"X-Jane-Request-Timestamp": stamp, "X-Jane-Signature": signed.hexdigest()}
    return found


SIDE = Side(
    stories={name: story.weight for name, story in STORIES.items()},
    promise=(1200, 3600),
    opening=OPENING,
    tell=tell,
    headers=headers,
)
