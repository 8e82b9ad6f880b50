"""What a customer's page says while somebody is on the way: where they are, how far, and when they may be there.

A delegate is told when, and nothing of where: the place that somebody comes to is the address.
"""

from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup
from msgspec.structs import replace

from app.orders import Order, deadline
from app.render.cards import first
from app.render.drawing import PAPER, Spot, picture
from app.render.local import distance, hour, span
from app.render.said import View, departed
from app.render.steps import promise, window
from app.render.times import ago
from app.render.words import fill
from app.settings import Store
from app.tiles import Tiles
from app.trips import NEAR, Estimate, Trip, compass, metres, minutes, point

NAME_MOST: Final = 14  # letters of a name on the map
AT: Final = 30.0  # metres that are no distance any more
SURE: Final = 480.0  # seconds: an estimate wider than this is no "about 5 minutes"


def place(store: Store) -> tuple[float, float] | None:
    return point(store.latitude, store.longitude)


def masked(trip: Trip) -> Trip:
    """As a delegate may know it."""
    return replace(trip, store=None, door=None, fix=None, left=None)


def mark(trip: Trip, now: float) -> tuple[object, ...]:
    """Changes when what is said of the trip does, though nothing new was heard."""
    estimate = trip.estimate
    return trip.level, trip.seen is None, estimate and minutes(estimate, now), estimate and about(trip, now)


def about(trip: Trip, now: float) -> int | None:
    """Whole minutes until somebody is there; None where that can't be said in one figure."""
    estimate = trip.estimate
    if estimate is None or trip.level or estimate.late - estimate.early > SURE:
        return None
    return max(round(((estimate.early + estimate.late) / 2 - now) / 60), 1)


def headed(shown: dict[str, Any], order: Order, name: str, seen: View) -> dict[str, Any]:
    """The page's head, with what the trip makes more exact."""
    if not name.startswith("in_transit"):  # on hold, or nobody opens
        return {**shown, "trip": True}
    headline, lead = _headline(order, seen), _lead(order, seen)
    return {**shown, "trip": True, "headline": headline or shown["headline"], "lead": lead or shown["lead"]}


def _headline(order: Order, seen: View) -> Markup | None:
    trip, who, told = seen.trip, _who(order), seen.words.trip
    left = about(trip, seen.now) if trip is not None else None
    known = "+" if who else ""
    if trip is not None and trip.left is not None and trip.left <= NEAR and not trip.level:
        return fill(told["near" + known], {"who": who})
    if left is None:
        return None
    long = seen.words.many("minutes", left).replace(" ", "\u00a0")
    return fill(told["about" + known], {"who": who, "long": long})


def _lead(order: Order, seen: View) -> Markup | None:
    trip = seen.trip
    if trip is None or trip.left is None or "late" in order.flags:
        return None
    who, at = _who(order), departed(order, seen)
    name = ("left+" if who else "left") + ("@" if at else "")
    return fill(seen.words.trip[name], {"who": who, "when": at or "", "far": distance(trip.left, seen.words.tag)})


def _who(order: Order) -> str:
    return first(order.shopper.name) if order.shopper else ""


# ---- when ----


def when(order: Order, seen: View) -> Markup:
    """The estimate, drawn over the promise; the promise alone where there is no basis for one."""
    shown = promise(order, seen)
    if seen.trip is not None and seen.trip.estimate is not None and not shown.get("void"):
        shown = {"void": False, "moved": "", **shown, "day": "", **_expected(order, seen, seen.trip.estimate)}
    return seen.draw("when", shown)


def _expected(order: Order, seen: View, estimate: Estimate) -> dict[str, Any]:
    early, late = minutes(estimate, seen.now)
    due, old, told = deadline(order), order.promised, seen.words.trip
    sure = "" if due is None else "inside" if late <= due else "around" if early <= due else "beyond"
    if old is not None and old.start is not None and late < old.start:
        sure = "before"
    if "late" in order.flags:  # the page's head says it
        sure = ""
    times = {name: hour(at, seen.zone, seen.words.tag) for name, at in (("early", early), ("late", late))}
    promised = Markup(window(old, seen.now, seen).striptags()) if old is not None else ""
    return {
        "range": span(early, late, seen.now, seen.zone, seen.words.tag), "say": told[sure] if sure else "",
        "age": _age(seen),
        "axis": scale(Estimate(early, late), old.start if old else None, due, seen),
        "start": int((old.start if old else None) or 0), "due": int(due or 0), "early": int(early), "late": int(late),
        "expected": fill(told["expected" if old else "expected_only"], {"promised": promised, **times}),
    }  # fmt: skip


def _age(seen: View) -> Markup:
    at = seen.trip.seen if seen.trip is not None else None
    return fill(seen.words.trip["age"], {"ago": _ago(at, seen)}) if at is not None else Markup("")


def _ago(at: float, seen: View) -> Markup:
    return ago(at, seen.now, seen.words.units)


def scale(estimate: Estimate, start: float | None, due: float | None, seen: View) -> SimpleNamespace:
    """Both on a line that begins now and ends with the later of them; the page moves it on."""
    end = max(due or 0.0, estimate.late)

    def x(at: float) -> float:
        return max(at - seen.now, 0.0) / (end - seen.now) * 80

    begin, till = x(start if start is not None else seen.now), x(due or 0.0)
    early, late = x(estimate.early), x(estimate.late)
    told = due is not None and till >= 34  # else there is no room before it
    return SimpleNamespace(
        x=f"{begin:.1f}%", width=f"{max(till - begin, 0):.1f}%", till=f"{till:.1f}%", start="",
        early=f"{early:.1f}%", late=f"{late - early:.1f}%", open=due is not None and due > seen.now,
        end=seen.words.say("promised_by", time=hour(due or 0.0, seen.zone, seen.words.tag)) if told else "",
    )  # fmt: skip


# ---- where ----


def where(order: Order, seen: View, tiles: Tiles) -> dict[str, Any] | None:
    """The map, and the same in words; None where nobody was seen, or nothing is known to draw them beside.
    `tiles`: where the streets come from."""
    trip = seen.trip
    if trip is None or trip.seen is None or not seen.whole:
        return None
    home = trip.door or trip.store
    if home is None:
        return None
    words = seen.words
    said = caption(order, seen, trip)
    spots = []
    if trip.store is not None:
        spots.append(Spot("shop", trip.store, words.page.map_shop, 14.0))
    if trip.door is not None:
        spots.append(Spot("door", trip.door, words.page.map_door))
    if trip.fix is not None:
        name = _who(order)[:NAME_MOST] or words.page.map_courier
        label = f"{name}, {distance(trip.left, words.tag)}" if trip.left is not None else name
        spots.append(Spot("who", trip.fix.point, label, 12.0, "courier", trip.fix.at, trip.level))
    return {
        "chart": picture(spots, home, words.tag, PAPER), "said": said, "plain": said.striptags(), "tiles": tiles,
        "seen": int(trip.seen), "level": trip.level, "age": _age(seen),
    }  # fmt: skip


def caption(order: Order, seen: View, trip: Trip) -> Markup:
    """The map in a sentence or two."""
    told, tag = seen.words.trip, seen.words.tag
    who: str = _who(order) or seen.words.page.map_order
    if trip.fix is None:
        return fill(told["lost"], {"who": who, "ago": _ago(trip.seen or seen.now, seen)})
    said = []
    if trip.door is not None and trip.left is not None:
        name = "at_door" if trip.left < AT else "of_door"
        way = seen.words.compass[compass(trip.door, trip.fix.point)]
        said.append(fill(told[name], {"who": who, "far": distance(trip.left, tag), "way": way}))
        if trip.store is not None:
            said.append(fill(told["shop_far"], {"far": distance(metres(trip.store, trip.door), tag)}))
    elif trip.store is not None:
        way = seen.words.compass[compass(trip.store, trip.fix.point)]
        far = distance(metres(trip.store, trip.fix.point), tag)
        said.append(fill(told["of_shop"], {"who": who, "far": far, "way": way}))
    return Markup(" ").join(said)
