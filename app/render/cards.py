"""What a card of the board says: an order as a flat dict of words and figures for its template."""

from datetime import tzinfo
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote

from markupsafe import Markup
from msgspec import Struct

from app.orders import (
    PICKUPS,
    RANK,
    Attention,
    Customer,
    Order,
    answer_by,
    counted,
    deadline,
    forecast,
    lane,
    tally,
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
    who = _who(order.source, order.ref, order.code, order.customer, order.fulfilment, where.mark)
    return who | {
        "lane": where.place, "key": where.key, "home": lane(order), "attention": seen.code or "ok", "bags": order.bags,
    }  # fmt: skip


@lru_cache(4096)  # it stays the same while the order goes through all its stages
def _who(
    source: str, ref: str, code: str | None, customer: Customer | None, fulfilment: str, mark: tuple[str, str, str]
) -> dict[str, Any]:
    """Whose order it is, of which kind, and where it is from."""
    kind, icon, words = KINDS.get(fulfilment, KINDS["delivery"])
    shape, letter, label = mark
    full = (customer.name if customer else None) or ""
    code, name = code or ref[-6:], initial(full)
    phone = (customer.phone or "")[-4:] if customer else ""
    return {
        "id": card_id(f"{source}:{ref}"), "kind": kind, "kind_icon": icon, "kind_words": words, "shape": shape,
        "letter": letter, "label": label, "code": code, "name": name, "find": f"{code} {full} {phone}".lower(),
        "source": source, "path": f"{quote(source, safe='')}/{quote(ref, safe='')}",
    }  # fmt: skip


def card_id(key: str) -> str:
    return "o-" + blake2b(key.encode(), digest_size=8).hexdigest()


def initial(name: str | None) -> str:
    """A customer on a screen that others can read: first name and one letter."""
    words = (name or "").split()
    return f"{words[0]} {words[-1][0]}." if len(words) > 1 else "".join(words)


def first(name: str | None) -> str:
    return (name or "").partition(" ")[0]


def proper(name: str | None) -> str:
    """A colleague's name as one writes it, whatever they sign in with."""
    return name[:1].upper() + name[1:] if name else ""


# ---- people outside ----


def arrive(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    arrival = order.arrival
    assert arrival is not None  # place() put it among the waiting
    gone = max(where.now - arrival.at, 0.0)
    level = wait_level(gone)
    return face(order, seen, where) | {
        "level": level, "bay": arrival.bay, "vehicle": arrival.vehicle, "since": int(arrival.at),
        "clock": since(arrival.at, where.now)[0], "tone": level or "here", "share": wait_share(gone),
        "by": arrival.claimed_by, "who": proper(arrival.claimed_by), "proxy": arrival.proxy, "near": arrival.near,
        "unseen": order.key if arrival.shown_at is None else None, "order": order.key,
        "alarm": seen.code == "unseen",
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
        ends = forecast(order, where.now)
        shown: list[str | Markup] = [so_far(order)]
        there = "done" if order.fulfilment in PICKUPS else "at the door"
        if order.asked:
            shown.append(f", {unanswered(order)} unanswered")
        return (
            "hourglass",
            "At risk",
            [*shown, f", {there} ~", stamp(ends, where.now, where.zone), "."] if ends else shown,
        )
    if seen.code == "unanswered":
        by = answer_by(order, where.now)
        until_then = [", by ~", stamp(by, where.now, where.zone)] if by else [" before checkout"]
        return "message-circle-question-mark", "No answer", [f"on {unanswered(order)}", *until_then, "."]
    if seen.code == "quiet":
        return "circle-question-mark", "No news", ["for ", ago(order.heard, where.now), f", {so_far(order)}."]
    return "user-round-search", "Customer missing", [because(order)]


def unanswered(order: Order) -> str:
    return f"{order.asked} replacements" if order.asked > 1 else "1 replacement"


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
        return f"{done} of {lines} picked" if counted(order) else f"{done} picked so far"
    if order.stage in ("placed", "confirmed", "assigned"):
        return "not started"
    return BACK.get(order.stage, order.stage.replace("_", " "))


def because(order: Order) -> str:
    if order.reason is None:
        return ""
    return order.reason.description or (order.reason.code or "").replace("_", " ").lower()


# ---- for later: rows ----


def later(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    promised = order.promised
    at = ((promised.start or promised.end) if promised else None) or order.first
    lines = len(order.items or ())
    return face(order, seen, where) | {
        "at": int(at), "time": stamp(at, where.now, where.zone),
        "words": f"{lines} items" if lines > 1 else "1 item" if lines else "",
    }  # fmt: skip


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
