"""Lolamarket's side, in both of its dialects: the document's (everything in each event, 64-bit ids) and the one the
provider's repository has now (ids and news only, ids that look like UUIDs but need not be any)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from uuid import UUID

import msgspec

from app.sandbox import goods, record, shopper
from app.sandbox.shopper import Article
from app.sandbox.sides import Beat, Feed, News, Opening, Plan, Side, Tale, bearer

DOCUMENT, HEAD = "document", "head"


@dataclass(frozen=True, slots=True)
class Story:
    weight: int
    path: str
    dialect: str = ""
    forced: tuple[str, ...] = ()


SHOPPING = "confirmed, allocated, in picking, items, picked"
ALL_OUTCOMES = ("picked", "replaced", "partly replaced", "not found", "partial", "added")

# "items" stands for an event a line, "some" for the first few of them, "extra" for one more after all seemed done.
STORIES = {
    "plain": Story(30, f"{SHOPPING}, in transit, delivered"),
    "mixed": Story(18, f"{SHOPPING}, in transit, delivered", forced=ALL_OUTCOMES),
    "received": Story(10, f"received, {SHOPPING}, in transit, delivered", HEAD),
    "passed": Story(6, "confirmed, allocated, allocated, in picking, items, picked, in transit, delivered"),
    "moved": Story(6, "confirmed, allocated, rescheduled, allocated, in picking, items, picked, in transit, delivered"),
    "repicked": Story(5, f"{SHOPPING}, in picking, extra, picked, in transit, delivered"),
    "held": Story(5, f"{SHOPPING}, in transit, on hold, in transit, delivered", DOCUMENT),
    "refused": Story(2, f"{SHOPPING}, in transit, on hold, returned", DOCUMENT, ("replaced",)),
    "returned": Story(2, f"{SHOPPING}, in transit, in return, returned", HEAD, ("replaced",)),
    "rejected": Story(2, "rejected"),
    "canceled": Story(3, "confirmed, canceled"),
    "abandoned": Story(3, "confirmed, allocated, in picking, some, canceled"),
}

# Seconds before each kind of event.
WAITS = {
    "received": (0, 0),
    "confirmed": (10, 60),
    "allocated": (60, 300),
    "rescheduled": (60, 240),
    "in picking": (90, 480),
    "item": (12, 42),
    "picked": (30, 90),
    "in transit": (120, 420),
    "on hold": (300, 700),
    "in return": (300, 700),
    "returned": (600, 1500),
    "delivered": (480, 1300),
    "rejected": (20, 90),
    "canceled": (60, 300),
}

NAMES = {
    "in picking": ("order.inPicking", "order.in.picking"),
    "item picked": ("order.item.picked", "order.article.picked"),
    "item replaced": ("order.item.replaced", "order.article.replaced"),
    "item not found": ("order.item.notFound", "order.article.notFound"),
    "item added": ("order.item.added", "order.article.added"),
    "in transit": ("order.inTransit", "order.in.transit"),
    "on hold": ("order.onHold", "order.on.hold"),
    "in return": ("order.in.return", "order.in.return"),
}

NO_SHOW = {"code": "CUSTOMER_NO_SHOW", "description": "Nobody came to the door."}
REASONS = {
    "on hold": NO_SHOW,
    "in return": NO_SHOW,
    "returned": NO_SHOW,
    "rejected": {"code": "PICKING_LOCATION_NOT_VALID", "description": "The address belongs to another store."},
    "canceled": {"code": "ORDER_CANCELLED_BY_OPS_MANAGER", "description": "Called off by the operations desk."},
}

OPENING = (
    Opening("received", "received", ago=20, due=4200),
    Opening("plain", "confirmed", ago=80, due=3900, flavour=DOCUMENT),
    Opening("passed", "allocated", ago=60, due=3000, flavour=DOCUMENT),
    Opening("moved", "rescheduled", ago=90, due=2700, flavour=DOCUMENT),
    Opening("mixed", "in picking", more=6, ago=8, due=2000, flavour=DOCUMENT),
    Opening("plain", "in picking", more=2, ago=6, due=200, flavour=DOCUMENT),
    Opening("received", "in picking", more=3, ago=12, due=2400),
    Opening("repicked", "in picking", more=1, ago=30, due=1500, flavour=DOCUMENT),
    Opening("plain", "picked", ago=70, due=1300, flavour=DOCUMENT),
    Opening("mixed", "in transit", ago=240, due=1000, flavour=DOCUMENT),
    Opening("plain", "in transit", ago=700, due=-280, flavour=DOCUMENT),
    Opening("held", "on hold", ago=180, due=400, flavour=DOCUMENT),
    Opening("plain", "delivered", ago=400, due=600, flavour=DOCUMENT),
    Opening("mixed", "delivered", ago=900, due=100, flavour=DOCUMENT),
)


@dataclass(frozen=True, slots=True)
class Order:
    """What of an order never changes. `moved_by` is how far a reschedule moves its slot, in seconds."""

    feed: Feed
    id: str
    ref: str
    head: bool
    promise: float
    moved_by: int


@dataclass(frozen=True, slots=True)
class Scene:
    """What one event knows."""

    kind: str
    event: int
    shopper: Mapping[str, str] | None = None
    moved: bool = False
    articles: tuple[Article, ...] = ()
    rows: tuple[record.Row, ...] = ()


def tell(feed: Feed, plan: Plan, rng: Random) -> Tale:
    story = STORIES[plan.story]
    dialect = story.dialect or plan.flavour or rng.choices((DOCUMENT, HEAD), (3, 1))[0]
    order = Order(
        feed=feed,
        id=str(UUID(int=rng.getrandbits(128), version=4)),
        ref=f"{rng.randrange(2381, 9999)}{plan.number:08d}",
        head=dialect == HEAD,
        promise=plan.promise,
        moved_by=rng.choice((1800, 3600, 5400)),
    )
    return Tale(order.id, tuple(_beats(order, _scenes(order, story, rng), rng)))


def _beats(order: Order, scenes: Iterator[Scene], rng: Random) -> Iterator[Beat]:
    for number, scene in enumerate(scenes):
        fewest, most = WAITS["item" if scene.kind.startswith("item") else scene.kind]
        wait = rng.uniform(fewest, most) if number else 0.0
        yield Beat(wait, scene.kind, partial(news, order, scene))


def _scenes(order: Order, story: Story, rng: Random) -> Iterator[Scene]:
    """The events of a story, each with what is known by then."""
    lines = goods.basket(rng, fewest=max(4, len(story.forced)))
    # A line whose outcome is forced asks for four, so that some of it can be missing.
    lines[: len(story.forced)] = [goods.Line(line.good, 4.0) for line in lines[: len(story.forced)]]
    picks = list(shopper.shop(lines, story.forced, rng))
    bag = (shopper.bags(order.feed.bags_item, 1 + len(picks) // 8),) if order.feed.bags_item else ()
    final = tuple(article for pick in picks for article in pick.final) + bag
    scene = Scene("", rng.getrandbits(59) | 1 << 60, rows=record.pending(lines))
    for kind in story.path.split(", "):
        if kind in ("items", "some", "extra"):
            done = [shopper.added(lines, rng)] if kind == "extra" else picks[:3] if kind == "some" else picks
            final += done[0].final if kind == "extra" else ()
            for pick in done:
                scene = _next(scene, pick.kind, (pick.article,), rng)
                yield scene
            continue
        scene = _next(scene, kind, _listed(kind, final, order.feed.bags_item), rng)
        yield scene


def _next(scene: Scene, kind: str, articles: tuple[Article, ...], rng: Random) -> Scene:
    who = _person(rng) if kind == "allocated" else scene.shopper
    return replace(
        scene,
        kind=kind,
        event=scene.event + rng.randrange(1, 9),
        shopper=who,
        moved=scene.moved or kind == "rescheduled",
        articles=articles,
        rows=record.after(scene.rows, kind, articles),
    )


def _listed(kind: str, final: tuple[Article, ...], bags_item: str) -> tuple[Article, ...]:
    """The articles that an event of the whole order lists."""
    if kind in ("in return", "returned"):
        return tuple(shopper.returned(article) for article in final if article["itemId"] != bags_item)
    return final if kind in ("picked", "in transit", "delivered", "on hold") else ()


def _person(rng: Random) -> dict[str, str]:
    number = rng.randrange(1, 25)
    picture = "https://media.example.com/shopper/placeholder.jpg"
    return {"id": f"shopper-{number:02d}", "name": goods.FIRST[number], "picture": picture}


def news(order: Order, scene: Scene, times: Sequence[datetime]) -> News:
    keys = (order.id, order.ref, order.feed.currency)
    slot = _slot(order, times[0], scene.moved)
    held = record.shown(keys, scene.kind, scene.rows, slot, scene.shopper, times)
    return News(body(order, scene, times), deeds=(held,))


def body(order: Order, scene: Scene, times: Sequence[datetime]) -> bytes:
    write = _head if order.head else _document
    return msgspec.json.encode(
        {
            "eventId": _text_id(scene.event) if order.head else scene.event,
            "eventName": NAMES.get(scene.kind, (f"order.{scene.kind}",) * 2)[order.head],
            "eventProvider": "glovo-xl",
            "eventTimestamp": _stamp(times[-1]),
            "eventPayload": {"id": order.id, "orderRef": order.ref} | write(order, scene, times[0]),
        }
    )


def _document(order: Order, scene: Scene, began: datetime) -> dict[str, object]:
    """Nearly everything each time; the odd keys of "item added", and what is missing where, are the contract's."""
    kind = scene.kind
    found: dict[str, object] = {"serviceType": "DELIVERY"} | _reason(kind)
    if kind == "rejected":
        return found | {"express": False}
    found["pickingLocation"] = {"id": order.feed.store, "name": order.feed.store_name}
    if kind != "returned":
        now, before = ("timeslot", "previousTimeslot") if kind == "item added" else ("timeSlot", "oldTimeslot")
        found[now] = _slot(order, began, scene.moved)
        if scene.moved and kind not in ("on hold", "canceled"):
            found[before] = _slot(order, began, False)
    if scene.shopper and kind not in ("on hold", "returned"):
        found["shopper"] = scene.shopper
    return found | ({"articles": scene.articles} if scene.articles else {})


def _head(order: Order, scene: Scene, began: datetime) -> dict[str, object]:
    """Only the news. One article is an object, a list under "article", or a list under "articles", by event."""
    kind = scene.kind
    found: dict[str, object] = {"serviceType": "DELIVERY"} | _reason(kind)
    articles = [_renamed(article) for article in scene.articles]
    if kind == "allocated":
        found["shopper"] = scene.shopper
    elif kind == "rescheduled":
        found |= {"timeSlot": _slot(order, began, True), "oldTimeslot": _slot(order, began, False)}
    elif kind == "item picked":
        found["article"] = articles[0]
    elif kind in ("item not found", "item added"):
        found["article"] = articles
    elif kind in ("item replaced", "picked", "in return", "returned"):
        found["articles"] = articles
    return found


def _reason(kind: str) -> dict[str, object]:
    return {"reason": REASONS[kind]} if kind in REASONS else {}


def _renamed(article: Article) -> dict[str, object]:
    """An article with "id" for "itemId" and no scan code, its replacements too."""
    found = {("id" if key == "itemId" else key): value for key, value in article.items() if key != "scanCode"}
    stand_ins = found.get("replacement")
    if isinstance(stand_ins, list):
        found["replacement"] = [_renamed(other) for other in stand_ins]
    elif isinstance(stand_ins, dict):
        found["replacement"] = _renamed(stand_ins)
    return found


def _slot(order: Order, began: datetime, moved: bool) -> dict[str, str]:
    """The hour that ends at the promise (at the nearest five minutes), or the later one it was moved to."""
    ends = round((began.timestamp() + order.promise) / 300) * 300 + (order.moved_by if moved else 0)
    end = datetime.fromtimestamp(ends, UTC)
    return {
        "id": f"slot{ends // 300 % 288}",
        "fromDate": (end - timedelta(hours=1)).isoformat(),
        "toDate": end.isoformat(),
    }


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text_id(event: int) -> str:
    """Looks like a UUID; every third has a letter that no UUID has."""
    text = str(UUID(int=event * 0x9E3779B97F4A7C15 % (1 << 128), version=4))
    return text[:20] + "w" + text[21:] if event % 3 == 0 else text


def again(earlier: bytes, later: bytes) -> bytes:
    """The earlier event as a new one, a second after the later one: a real step back."""
    old, new = msgspec.json.decode(earlier), msgspec.json.decode(later)
    at = datetime.fromisoformat(new["eventTimestamp"]) + timedelta(seconds=1)
    fresh = new["eventId"] + 1_000_000 if isinstance(new["eventId"], int) else new["eventId"][::-1]
    return msgspec.json.encode(old | {"eventId": fresh, "eventTimestamp": _stamp(at)})


SIDE = Side(
    stories={name: story.weight for name, story in STORIES.items()},
    promise=(3600, 7800),
    opening=OPENING,
    tell=tell,
    again=again,
    headers=bearer,
)
