"""The cards in the lanes: one clock, what is special, and how far the work is."""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from app.orders import (
    PICKUPS,
    RANK,
    Attention,
    Entry,
    Order,
    counted,
    deadline,
    met,
    went_back,
)
from app.render.cards import BACK, FLAGS, FOUND, QUIET_FLAGS, REFUNDED, STAGES, Chip, Where, because, face, first
from app.render.times import age, ago, since, stamp, until


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
    low = {"picking": "preparing", "ready": "staged", "courier": "in_transit", "shelf": "ready"}.get(place)
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
    if order.hand is not None:
        chips.append(("chip-changed", "hand", f"Moved by hand, {order.hand.by}"))
    elif back is not None:
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


class Bar(Struct, frozen=True):
    """Work done, as shares of a bar's width; `then`: where the third begins."""

    found: str
    replaced: str
    then: str
    refunded: str


@lru_cache(4096)
def bar(found: int, replaced: int, refunded: int, lines: int) -> Bar:
    part = 100 / lines
    return Bar(*[f"{many * part:.1f}%" for many in (found, replaced, found + replaced, refunded)])


def rail(order: Order, now: float) -> SimpleNamespace | None:
    """The bar is work done, the needle time gone; None where no work is reported."""
    if not counted(order):
        return None
    found, replaced, refunded, lines = counts(order)
    start, due = order.placed_at or order.first, deadline(order)
    gone = None if due is None or due <= start else max(min((now - start) / (due - start), 1), 0) * 100
    return SimpleNamespace(
        bar=bar(found, replaced, refunded, lines),
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
        marks.append(("", "", f"{done} of {lines}" if counted(order) else f"{done} so far"))
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


def walk(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    """Somebody in the shop: shopping, in a checkout zone, or out and waiting for the receipt."""
    zone = "in_zone" in order.flags
    left = RANK[order.stage] >= RANK["picked"]
    contested = "on_hold" in order.flags
    number = "".join(c for c in order.raw_status or "" if c.isdigit()) if zone else ""
    word = f"Zone {number}".strip() if zone else "Contested" if contested else "Left" if left else "Shopping"
    icon = "scan-line" if zone else "circle-pause" if contested else "door-open" if left else "shopping-basket"
    began = order.timeline[-1].at if order.timeline else order.first
    shown = face(order, seen, where)
    code = order.code if order.code and not order.ref.startswith("session:") else ""
    return {
        **shown, "zone": zone, "still": contested, "word": word, "icon": icon, "code": code, "since": int(began),
        "clock": since(began, where.now)[0],
    }  # fmt: skip
