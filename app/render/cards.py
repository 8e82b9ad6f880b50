"""What a card of the board says: an order as a flat dict of words and figures for its template."""

from datetime import tzinfo
from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct

from app.orders import (
    PICKUPS,
    RANK,
    Attention,
    Entry,
    Order,
    Pace,
    deadline,
    forecast,
    lane,
    met,
    tally,
    went_back,
)
from app.render.times import age, ago, lasted, since, stamp, until

Chip = tuple[str, str, str | Markup]  # class, icon, words

# what people filter by, and its icon
KINDS: Final[dict[str, tuple[str, str, str]]] = {
    "delivery": ("delivery", "bike", "delivery"),
    "last_mile": ("delivery", "package", "last mile"),
    "curbside": ("curbside", "car-front", "curbside"),
    "pickup": ("pickup", "shopping-bag", "pickup"),
    "kiosk": ("pickup", "shopping-bag", "kiosk"),
    "in_store": ("instore", "shopping-basket", "in store"),
}
FOUND: Final = frozenset({"found", "added", "partial"})
REFUNDED: Final = frozenset({"refunded", "not_found"})
BACK: Final = {"placed": "new", "confirmed": "confirmed", "assigned": "assigned", "preparing": "picking",
               "reviewing": "reviewing", "picked": "picked", "staged": "packed", "ready": "ready"}  # fmt: skip
STAGES: Final[dict[str, Chip]] = {
    "confirmed": ("", "check", "Confirmed"),
    "reviewing": ("chip-changed", "arrow-left-right", "Reviewing changes"),
    "picked": ("", "receipt-text", "Picked, at the till"),
    "staged": ("", "package", "Packed"),
    "courier_at_store": ("chip-soon", "store", "Courier is here"),
    "arrived": ("chip-soon", "user-round", "Customer is here"),
}
FLAGS: Final[dict[str, Chip]] = {
    "in_review": ("", "scan-line", "Being checked"),
    "late": ("chip-risk", "clock-alert", "Reported late"),
    "rescheduled": ("chip-changed", "calendar-clock", "Moved to a new time"),
    "courier_assigned": ("chip-soon", "bike", "Courier assigned"),
    "payment_failed": ("chip-late-soft", "circle-x", "Payment failed"),
    "suspected": ("chip-risk", "receipt-text", "Check the receipt"),
    "processing": ("", "receipt-text", "Receipt in work"),
}
QUIET_FLAGS: Final = frozenset({"on_hold", "returning", "customer_missing", "reviewed", "payment_entered"})
MARKS: Final = frozenset({"jane", "instacart", "aifi", "lolamarket", "urbit"})


class Where(Struct, frozen=True):
    """What a card is drawn from besides the order. `mark`: shape and letter of the order system, its name last."""

    now: float
    zone: tzinfo
    place: str
    key: str
    mark: tuple[str, str, str]


def face(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    """What every form of a card shows."""
    kind, icon, words = KINDS.get(order.fulfilment, KINDS["delivery"])
    shape, letter, label = where.mark
    code, name = order.code or order.ref[-6:], initial(order.customer.name if order.customer else None)
    phone = (order.customer.phone or "")[-4:] if order.customer else ""
    return {
        "lane": where.place, "key": where.key, "home": lane(order), "kind": kind, "kind_icon": icon,
        "kind_words": words, "shape": shape, "letter": letter, "label": label, "code": code, "name": name,
        "find": f"{code} {name} {phone}".lower(), "attention": seen.code or "ok", "bags": order.bags,
    }  # fmt: skip


def initial(name: str | None) -> str:
    """A customer on a screen that others can read: first name and one letter."""
    words = (name or "").split()
    return f"{words[0]} {words[-1][0]}." if len(words) > 1 else "".join(words)


def first(name: str | None) -> str:
    return (name or "").partition(" ")[0]


# ---- people outside ----


def arrive(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    arrival = order.arrival
    assert arrival is not None  # place() put it among the waiting
    gone = max(where.now - arrival.at, 0.0)
    level = wait_level(gone)
    return face(order, seen, where) | {
        "level": level, "bay": arrival.bay, "vehicle": arrival.vehicle, "since": int(arrival.at),
        "clock": since(arrival.at, where.now)[0], "tone": level or "here", "share": wait_share(gone),
        "by": arrival.claimed_by, "unseen": order.key if arrival.shown_at is None else None, "order": order.key,
    }  # fmt: skip


def wait_level(gone: float) -> str:
    return "late" if gone >= 300 else "risk" if gone >= 120 else ""


def wait_share(gone: float) -> str:
    """The bar under a waiting person: six minutes wide, needles at two and five."""
    return f"{min(gone / 3.6, 100):.1f}%"


# ---- orders that need a look ----


def need(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    icon, word, rest = _why(order, seen, where)
    due = deadline(order)
    tone = {"late": "late", "lost": "late", "at_risk": "risk"}.get(seen.code, "")
    shown = {"lost": "lost", "late": "late", "at_risk": "at_risk"}.get(seen.code, "stuck")
    if seen.code == "lost" or due is None:
        at = seen.since or order.heard
        clock = ("since", int(at), since(at, where.now)) if tone else ("age", int(at), age(at, where.now))
    else:
        clock = ("until", int(due), until(due, where.now))
    return face(order, seen, where) | {
        "attention": shown, "icon": icon, "word": word, "rest": rest, "tone": tone, "clock": clock,
        "order": order.key if seen.code == "lost" else None,
    }  # fmt: skip


def _why(order: Order, seen: Attention, where: Where) -> tuple[str, str, list[str | Markup]]:
    due = deadline(order)
    if seen.code == "lost":
        return "user-round-search", "Can’t find", [_whereabouts(order)]
    if seen.code == "late" and due is not None:
        return "clock-alert", "Late", [f"{so_far(order)}, promised ", stamp(due, where.now, where.zone), "."]
    if seen.code == "at_risk":
        ends = forecast(order, where.now, Pace())
        shown: list[str | Markup] = [so_far(order)]
        return "hourglass", "At risk", [*shown, ", done ~", stamp(ends, where.now, where.zone), "."] if ends else shown
    if seen.code == "quiet":
        return "circle-question-mark", "No news", ["for ", ago(order.heard, where.now), f", {so_far(order)}."]
    return "user-round-search", "Customer missing", [because(order)]


def _whereabouts(order: Order) -> str:
    arrival, customer = order.arrival, order.customer
    parts = [f"bay {arrival.bay}" if arrival and arrival.bay else "", (arrival.vehicle or "") if arrival else ""]
    if customer and customer.phone:
        parts.append(f"phone ··· {customer.phone[-4:]}")
    return ", ".join(part for part in parts if part)


def so_far(order: Order) -> str:
    """How far it is. A count only where the order system reports items at all."""
    done, lines, _ = tally(order)
    if lines and order.outcomes and RANK["preparing"] <= RANK[order.stage] < RANK["staged"]:
        return f"{done} of {lines} picked"
    if order.stage in ("placed", "confirmed", "assigned"):
        return "not started"
    return BACK.get(order.stage, order.stage.replace("_", " "))


def because(order: Order) -> str:
    if order.reason is None:
        return ""
    return order.reason.description or (order.reason.code or "").replace("_", " ").lower()


# ---- cards in the lanes ----


def card(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    coming = order.arrival is not None and order.arrival.state == "on_my_way"
    back = went_back(order)
    shown = "hold" if seen.code == "on_hold" or (where.place == "courier" and order.end) else "soon" if coming else "ok"
    ready = order.fulfilment in PICKUPS and where.place == "ready" and RANK[order.stage] >= RANK["ready"]
    return face(order, seen, where) | {
        "attention": shown, "clock": _clock(order, where, coming), "note": _note(order, where),
        "was": _was(order, where), "chips": _chips(order, where, back), "line": _line(order, where),
        "rail": rail(order, where.now) if where.place == "picking" else None, "tally": _tally(order, where),
        "end": _end(order, where),
        "order": order.key if ready else None,
    }  # fmt: skip


def _clock(order: Order, where: Where, coming: bool) -> tuple[str, int, tuple[str, str], str, str]:
    """Mode, instant, figure and unit, tone, and what follows the unit."""
    due, now = deadline(order), where.now
    if order.end is not None:
        at = order.ended_at or order.updated_at
        return "age", int(at), age(at, now), "calm", " on its way back"
    if coming and order.arrival is not None:
        at = order.arrival.way_at or order.arrival.at
        return "age", int(at), age(at, now), "here", " on the way"
    if due is None or met(order):
        at = reached(order, where.place)
        return "age", int(at), age(at, now), "calm", " on shelf" if where.place == "ready" else " so far"
    return "until", int(due), until(due, now), "", ""


def reached(order: Order, place: str) -> float:
    """When the order came into its lane."""
    low = {"picking": "preparing", "ready": "staged", "courier": "in_transit"}.get(place)
    if low is None:
        return order.placed_at or order.first
    at = order.updated_at
    for entry in reversed(order.timeline):
        if RANK[entry.stage] < RANK[low]:
            break
        at = entry.at
    return at


def _note(order: Order, where: Where) -> list[str | Markup]:
    promise = order.promised
    if promise is None or met(order):
        return []
    if promise.end is not None:
        return ["by ", stamp(promise.end, where.now, where.zone)]
    return ["for ", stamp(promise.start, where.now, where.zone)] if promise.start else []


def _was(order: Order, where: Where) -> list[str | Markup]:
    old = order.previous_promise
    at = (old.end or old.start) if old else None
    if at is None or order.end is not None or at == deadline(order):
        return []
    return ["by ", stamp(at, where.now, where.zone)]


def _chips(order: Order, where: Where, back: Entry | None) -> list[Chip]:
    chips: list[Chip] = []
    if "on_hold" in order.flags:
        held = order.stamps.get("flag:on_hold")
        at = (held.at or held.heard) if held else order.updated_at
        chips.append(("chip-still", "circle-pause", Markup("On hold ") + ago(at, where.now)))
    if order.end is not None:
        chips.append(("chip-still", "undo-2", "Coming back"))
    if order.arrival is not None and order.arrival.state == "on_my_way":
        chips.append(("chip-soon", "navigation", "On the way"))
    if back is not None:
        words = Markup("Back to {} ").format(BACK.get(back.stage, back.stage)) + stamp(back.at, where.now, where.zone)
        chips.append(("chip-changed", "undo-2", words))
    if order.stage in STAGES:
        chips.append(STAGES[order.stage])
    elif order.stage == "assigned":
        chips.append(("", "user-round", f"{first(order.shopper.name)} will shop" if order.shopper else "Assigned"))
    for flag in order.flags:
        if flag not in QUIET_FLAGS:
            chips.append(FLAGS.get(flag) or ("", "circle-question-mark", flag.replace("_", " ").capitalize()))
    return chips


def _line(order: Order, where: Where) -> list[str | Markup]:
    if "on_hold" in order.flags or order.end is not None:
        return [because(order)] if order.reason else []
    if order.arrival is not None and order.arrival.state == "on_my_way":
        bay = f"bay {order.arrival.bay}" if order.arrival.bay else ""
        return [", ".join(part for part in (bay, order.arrival.vehicle) if part)]
    if where.place == "courier":
        who = first(order.shopper.name) if order.shopper else ""
        left: list[str | Markup] = ["left ", stamp(reached(order, "courier"), where.now, where.zone)]
        return [f"{who} · ", *left] if who else ["Left ", left[1]]
    return []


def counts(order: Order) -> tuple[int, int, int, int]:
    """Lines found, replaced, refunded or not to be had, and in all."""
    found = replaced = refunded = 0
    items = order.items or ()
    for item in items:
        if item.state in FOUND:
            found += 1
        elif item.state == "replaced":
            replaced += 1
        elif item.state in REFUNDED:
            refunded += 1
    return found, replaced, refunded, len(items)


def rail(order: Order, now: float) -> SimpleNamespace | None:
    """The bar is work done, the needle time gone; None where no work is reported."""
    found, replaced, refunded, lines = counts(order)
    if not lines or not order.outcomes:
        return None
    start, due = order.placed_at or order.first, deadline(order)
    part = 100 / lines
    gone = None if due is None or due <= start else max(min((now - start) / (due - start), 1), 0) * 100
    return SimpleNamespace(
        found=f"{found * part:.1f}%",
        replaced=f"{replaced * part:.1f}%",
        then=f"{(found + replaced) * part:.1f}%",
        refunded=f"{refunded * part:.1f}%",
        needle=None if gone is None else f"{gone:.1f}%",
        start=int(start),
        due=int(due or 0),
        words=f"{found + replaced + refunded} of {lines} done",
    )


def _tally(order: Order, where: Where) -> list[Chip]:
    found, replaced, refunded, lines = counts(order)
    done = found + replaced + refunded
    marks: list[Chip] = []
    if where.place == "picking" and lines and order.outcomes:
        marks.append(("", "", f"{done} of {lines}"))
    elif where.place in ("new", "picking") and lines:
        marks.append(("", "", f"{lines} items" if lines > 1 else "1 item"))
    if where.place == "ready" and order.bags:
        marks.append(("", "shopping-bag", f"{order.bags} bags" if order.bags > 1 else "1 bag"))
    if where.place in ("picking", "ready"):
        both = replaced and refunded
        if replaced:
            marks.append(("replaced", "arrow-left-right", str(replaced) if both else f"{replaced} replaced"))
        if refunded:
            word = "refunded" if _money(order) else "missing"
            marks.append(("refunded", "receipt-text", str(refunded) if both else f"{refunded} {word}"))
    return marks


def _end(order: Order, where: Where) -> list[str | Markup]:
    if where.place == "picking":
        return [first(order.shopper.name)] if order.shopper and order.shopper.name else []
    until = order.promised.end if order.promised and order.end is None and met(order) else None
    return ["until ", stamp(until, where.now, where.zone)] if until else []


def _money(order: Order) -> bool:
    return any(item.state == "refunded" for item in order.items or ())


# ---- done: rows ----


def done(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    arrival = order.arrival
    handed = arrival is not None and arrival.state == "handed_over"
    at = (arrival.ended_at if arrival and handed else order.ended_at) or order.updated_at
    tone, icon, words = _outcome(order, at, handed)
    return face(order, seen, where) | {
        "tone": tone, "icon": icon, "words": words, "time": stamp(at, where.now, where.zone), "at": int(at),
        "order": order.key if handed and order.end is None else None,
    }  # fmt: skip


def _outcome(order: Order, at: float, handed: bool) -> Chip:
    arrival, why = order.arrival, because(order)
    if order.stage in ("canceled", "rejected", "failed"):
        word = {"canceled": "Cancelled", "rejected": "Refused", "failed": "Failed"}[order.stage]
        icon = "ban" if order.stage == "rejected" else "circle-x"
        return "bad", icon, f"{word}: {why}" if why else word
    if order.stage == "returned":
        return "", "undo-2", f"Returned: {why}" if why else "Returned to store"
    if handed and arrival is not None:
        waited = (arrival.ended_at or at) - arrival.at
        return "good", "check", f"Handed over in {lasted(waited)}" if waited >= 1 else "Handed over"
    if order.fulfilment in PICKUPS:
        return "good", "check", "Handed over"
    if order.fulfilment == "in_store":
        return "good", "check", "Left"
    return _delivered(order)


def _delivered(order: Order) -> Chip:
    due = deadline(order)
    at = next((e.at for e in order.timeline if e.stage == "fulfilled"), order.ended_at or order.updated_at)
    if due is None:
        return "good", "check", "Delivered"
    if at > due + 60:
        return "", "clock-alert", f"Delivered {' '.join(age_words(at - due))} late"
    early = due - at
    return "good", "check", f"Delivered {' '.join(age_words(early))} early" if early >= 120 else "Delivered on time"


def age_words(seconds: float) -> tuple[str, str]:
    minutes = int(seconds // 60)
    return (str(minutes), "min") if minutes < 120 else (str(minutes // 60), "h")
