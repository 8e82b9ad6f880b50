"""What a customer's page says in words: the headline, what comes next, and what changed."""

from collections.abc import Callable
from datetime import tzinfo
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct

from app.orders import (
    PICKUPS,
    UNSEEN_AFTER,
    Arrival,
    Attention,
    Item,
    Order,
    counted,
    went_back,
)
from app.render.cards import first, proper
from app.render.goods import Group
from app.render.lanes import Bar
from app.render.local import clock, dated, exact, oclock, stamp
from app.render.parts import Parts
from app.render.words import Words, fill
from app.settings import Store
from app.trips import Trip

MASKED: Final = frozenset({"canceled", "rejected", "failed", "returned"})
CALLING: Final = frozenset(
    {"unseen", "cannot_find", "customer_missing", "delivery:customer_missing", "last_mile:customer_missing"}
)
COUNTING: Final = ("preparing", "preparing+", "reviewing", "reviewing+")
HEADLINED: Final = ("customer_missing", "on_hold", "returning")


class Drawn(Struct, frozen=True):
    """What draws in a language. `part` fills a part's template, `row` draws one line item, `group` what stands before
    and after a group's rows, `goods` before and after all groups (lines done, in all, the bar where that is known)."""

    part: Callable[[str, dict[str, Any]], Markup]
    row: Callable[[Item], Markup]
    group: Group
    goods: Callable[[int, int, Bar | None], list[str]]


class View(Struct, frozen=True):
    """For whom and when: `whole` is false for a delegate, who sees no address and no price."""

    now: float
    zone: tzinfo
    words: Words
    store: Store
    whole: bool
    drawn: Drawn
    parts: Parts
    link_hours: int
    state: Attention
    trip: Trip | None = None  # while somebody is on the way

    def draw(self, name: str, values: dict[str, Any]) -> Markup:
        return self.drawn.part(name, values)

    @property
    def quarter(self) -> int:
        """As long as it stays, `at` says the same of an instant."""
        return int(self.now // 900)

    def at(self, instant: float | None) -> Markup:
        return Markup("") if instant is None else stamp(instant, self.now, self.zone, self.words.tag)

    def exact(self, instant: float | None) -> Markup:
        return Markup("") if instant is None else exact(int(instant), self.zone, self.words.tag)

    def when(self, instant: float, name: str = "at", near: float | None = None) -> Markup:
        """The instant within a sentence, as one of `phrases.MOMENTS`: "at 14:05", "on Sun, 22 Nov at 14:05". `near`:
        whose day goes without saying, if not today."""
        zone, tag = self.zone, self.words.tag
        day = dated(instant, self.now if near is None else near, zone, tag)
        plain, other = self.words.moments[name][oclock(instant, zone, tag)]
        return fill(other if day else plain, {"day": day, "time": clock(instant, zone, tag)})


def handed(order: Order) -> bool:
    return order.arrival is not None and order.arrival.state == "handed_over"


def waiting(order: Order) -> Arrival | None:
    arrival = order.arrival
    if arrival is None or order.end is not None or arrival.state in ("on_my_way", "handed_over"):
        return None
    return arrival


def said(order: Order, name: str, seen: View) -> tuple[Markup, Markup]:
    """Headline and lead: one thing that is so, and one thing about what comes."""
    told = seen.words.said
    who = first(order.shopper.name) if order.shopper else ""
    if name in ("claimed", "cannot_find") and order.arrival is not None:
        who = proper(first(order.arrival.claimed_by)) or seen.words.small["somebody"]
    at = _moment(order, name)
    values = {"who": who, "code": order.code or "", "when": seen.when(at) if at is not None else ""}
    headline, lead = (told.get(name + "@") if at is not None else None) or told[name]
    lead = _lead(order, name, lead, values, seen)
    return fill(headline, values), lead


def sentence(order: Order, seen: View) -> str:
    """Which sentence it is: a check-in first, then what stands in the way, then the stage."""
    arrival = order.arrival
    if handed(order) and order.stage not in MASKED:
        return "pickup:fulfilled" if order.fulfilment in PICKUPS else "fulfilled"
    if arrival is not None and order.end is None:
        if arrival.state != "here":
            return arrival.state
        late = seen.now - arrival.at >= UNSEEN_AFTER
        return "seen" if arrival.shown_at is not None else "unseen" if late else "here"
    for flag in HEADLINED:
        if flag in order.flags and order.stage not in MASKED:
            name = f"{order.fulfilment}:{flag}"
            return name if name in seen.words.said else flag
    stage = "fulfilled" if order.stage == "closed" else order.stage
    if stage == "placed" and "in_review" in order.flags:
        return "in_review"
    return _staged(order, stage, seen)


def _staged(order: Order, stage: str, seen: View) -> str:
    group, said = "pickup" if order.fulfilment in PICKUPS else order.fulfilment, seen.words.said
    names = (f"{order.fulfilment}:{stage}", f"{group}:{stage}", stage)
    more = order.flags if order.code else (*order.flags, "")  # what stands after "~"
    for name in (f"{name}~{one}" for name in names for one in more):
        if name in said:
            return name
    for name in names[:2]:
        if name in said:
            return name
    known = order.shopper is not None and bool(order.shopper.name)
    return stage + "+" if known and stage + "+" in seen.words.said else stage


def _moment(order: Order, name: str) -> float | None:
    """When that was which the sentence tells, where it is known."""
    if name in ("seen", "claimed") and order.arrival is not None:
        return order.arrival.shown_at or order.arrival.at
    if name.endswith("fulfilled"):
        return order.arrival.ended_at if order.arrival and handed(order) else _since(order, "fulfilled")
    return _since(order, "in_transit") if name.startswith("in_transit") else None


def departed(order: Order, seen: View) -> Markup | None:
    """When it left the shop, within a sentence; None where that is not known."""
    at = _since(order, "in_transit")
    return seen.when(at) if at is not None else None


def _since(order: Order, stage: str) -> float | None:
    """When the order last came to a stage, if the timeline holds it."""
    at = None
    for entry in reversed(order.timeline):
        if entry.stage == stage:
            at = entry.at
        elif at is not None:
            break
    return at


def _lead(order: Order, name: str, lead: str, values: dict[str, str | Markup], seen: View) -> Markup:
    arrival = order.arrival
    if name == "unseen" and not seen.store.phone:
        return Markup(seen.words.said["unseen_here"][1])
    told = reason(order, seen)
    bare = name.rpartition(":")[2]
    if told and (bare in MASKED or bare in HEADLINED):
        return fill("{told}", {"told": told if told[-1] in ".!?…" else told + "."}) + " " + fill(lead, values)
    if name.endswith("fulfilled") and arrival is not None and arrival.ended_at and arrival.ended_at - arrival.at >= 1:
        return fill(seen.words.said["waited"][1], {"long": spelled(arrival.ended_at - arrival.at, seen)})
    if name in ("here", "seen", "claimed", "cannot_find") and arrival is not None and arrival.bay:
        return seen.words.say("in_bay", bay=arrival.bay) + " " + fill(lead, values)
    if "late" in order.flags and order.end is None and bare not in HEADLINED:
        return Markup(f"{seen.words.said['late'][1]} {fill(lead, values)}")
    return fill(lead, values)


def counting(order: Order, name: str) -> bool:
    """Is it a sentence that begins with how many lines are done?"""
    return counted(order) and name.endswith(COUNTING)


def spelled(seconds: float, seen: View) -> str:
    minutes, rest = divmod(int(seconds), 60)
    if minutes and rest:
        return seen.words.say("minutes_seconds", minutes=str(minutes), seconds=str(rest))
    return seen.words.say("minutes", count=str(minutes)) if minutes else seen.words.say("seconds", count=str(rest))


def reason(order: Order, seen: View) -> str:
    """The reason as sent; of a code alone only what we have words for."""
    if order.reason is None:
        return ""
    return order.reason.description or seen.words.reasons.get(order.reason.code or "", "")


def notes(order: Order, seen: View) -> list[tuple[str, str, Markup]]:
    """Changes told plainly: class, icon, words."""
    notes = []
    back = went_back(order)
    step = (seen.words.backs.get(back.stage) or seen.words.trail.get(back.stage)) if back is not None else None
    if back is not None and step and order.end is None:
        notes.append(("changed", "undo-2", seen.words.say("back", when=seen.when(back.at), step=step)))
    if "payment_failed" in order.flags and order.fulfilment != "in_store":  # there it is the headline
        notes.append(("late", "circle-x", Markup(seen.words.small["payment_failed"])))
    return notes
