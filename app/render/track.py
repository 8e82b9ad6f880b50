"""What a customer's page says: an order as a flat dict of sentences, times and lists. Nothing that is the staff's."""

from types import SimpleNamespace
from typing import Any

from markupsafe import Markup

from app.orders import (
    MOVES,
    RANK,
    Arrival,
    Order,
    attention,
    counted,
    may_be_here,
    may_check_in,
    over_at,
    tally,
)
from app.render.cards import first, wait_level, wait_share
from app.render.goods import groups, money
from app.render.lanes import counts
from app.render.said import CALLING, MASKED, View, counting, handed, notes, said, sentence, waiting
from app.render.steps import promise, steps
from app.render.times import exact, lasting, since
from app.render.words import fill


def view(order: Order, seen: View) -> dict[str, Any]:
    kind = order.fulfilment if order.fulfilment in seen.words.kinds else "delivery"
    icon, title = seen.words.kinds[kind]
    arrival = waiting(order)
    name = sentence(order, seen)
    done, lines, _ = tally(order)
    headline, lead = said(order, name, seen)
    if counting(order, name):
        lead = Markup(f"{seen.words.say('count', done=str(done), lines=str(lines))} {lead}")
    shown = attention(order, seen.now)
    over = order.end is not None or RANK[order.stage] >= RANK["fulfilled"] or handed(order)
    known = counted(order) and RANK[order.stage] >= RANK["preparing"] and not over
    return {
        "icon": _icon(order, icon), "kind": title, "code": order.code or "", "headline": headline, "lead": lead,
        "notes": notes(order, seen), "when": None if over or arrival else promise(order, seen, shown),
        "steps": steps(order, seen), "wait": _wait(arrival, seen) if arrival else None,
        "arrivals": _arrivals(arrival, seen) if arrival else (), "groups": groups(order, seen.words, seen.row),
        "count": seen.words.say("done_of", done=str(done), lines=str(lines)) if known else lines,
        "bar": _bar(order) if known else None, "facts": _facts(order, seen, over),
        "door": order.delivery_code if order.delivery_code and not over else None, "trail": _trail(order, seen, over),
        "call": name in CALLING, "phone": seen.store.phone, "street": seen.store.street or seen.store.name,
        "ends": _ends(order, seen), "over": over, "checkin": _checkin(order, seen),
    }  # fmt: skip


def _icon(order: Order, icon: str) -> str:
    if order.stage in MASKED:
        return "undo-2" if order.stage == "returned" else "ban"
    if "on_hold" in order.flags:
        return "circle-pause"
    return "circle-check" if RANK[order.stage] >= RANK["fulfilled"] else icon


# ---- checking in ----


def _checkin(order: Order, seen: View) -> SimpleNamespace | None:
    """What may be said now: `mode` is first (nothing yet), way (on the way), wait (here) or ask (not found)."""
    if not may_check_in(order, seen.now):
        return None
    arrival = order.arrival
    state = arrival.state if arrival else ""
    return SimpleNamespace(
        mode={"": "first", "on_my_way": "way", "cannot_find": "ask"}.get(state, "wait"),
        here=may_be_here(order, seen.now),
        bays=seen.store.bays,
        bay=arrival.bay if arrival else None,
        vehicle=arrival.vehicle if arrival else None,
    )


# ---- waiting outside ----


def _wait(arrival: Arrival, seen: View) -> SimpleNamespace:
    gone = max(seen.now - arrival.at, 0.0)
    level = wait_level(gone)
    clock = since(arrival.at, seen.now)[0]
    return SimpleNamespace(
        since=int(arrival.at), clock=clock, tone=level or "here", level=level, share=wait_share(gone)
    )


def _arrivals(arrival: Arrival, seen: View) -> list[tuple[bool, str | Markup, Markup]]:
    """What has happened to the check-in, and what is next: done, words, time."""
    told = seen.words.trail
    lines: list[tuple[bool, str | Markup, Markup]] = [(True, told["saved"], exact(arrival.at, seen.zone))]
    shown = arrival.shown_at
    lines.append(
        (
            shown is not None or arrival.claimed_by is not None,
            told["screen"],
            exact(shown, seen.zone) if shown else Markup(""),
        )
    )
    if arrival.claimed_by:
        at = exact(arrival.claimed_at, seen.zone) if arrival.claimed_at else Markup("")
        lines.append((True, fill(told["took"], {"who": first(arrival.claimed_by).capitalize()}), at))
    return [*lines, (False, told["hands"], Markup(""))]


# ---- the rest ----


def _bar(order: Order) -> SimpleNamespace:
    found, replaced, refunded, lines = counts(order)
    part = 100 / lines
    return SimpleNamespace(
        found=f"{found * part:.1f}%",
        replaced=f"{replaced * part:.1f}%",
        then=f"{(found + replaced) * part:.1f}%",
        refunded=f"{refunded * part:.1f}%",
    )


def _facts(order: Order, seen: View, over: bool) -> list[tuple[str, str]]:
    page, facts = seen.words.page, []
    if order.bags:
        facts.append((page.bags, str(order.bags)))
    if seen.whole:
        if order.total is not None:
            facts.append((page.total, money(order.total.amount, order.total.currency, seen.words.lang)))
        facts += _destination(order, page)
    return facts


def _destination(order: Order, page: SimpleNamespace) -> list[tuple[str, str]]:
    facts, handling = [], order.handling
    if order.destination is not None and order.destination.address:
        facts.append((page.to, order.destination.address))
    if handling is None:
        return facts
    facts += [(page.note, said) for said in (handling.instructions, handling.notes) if said]
    if handling.dropoff:
        facts.append((page.left_at, handling.dropoff))
    for name in ("unattended", "alcoholic", "certified"):
        if getattr(handling, "leave_unattended" if name == "unattended" else name):
            facts.append((page.careful, getattr(page, name)))
    return facts


def _trail(order: Order, seen: View, over: bool) -> list[tuple[str, str | Markup, Markup]]:
    """The timeline, newest first, in the customer's words; a step back is said to be one. Only where the line of
    steps can't tell it all: after the end, after a step back, on hold."""
    told, lines = seen.words.trail, []
    rank, stage = -1, ""
    for entry in order.timeline:
        if entry.raw in MOVES:
            lines.append(("", told[entry.raw], seen.at(entry.at)))
            continue
        settled = entry.stage == "closed" and (stage == "fulfilled" or handed(order))
        if entry.stage == stage or settled or entry.stage not in told:
            continue
        back = RANK[entry.stage] < rank
        words = seen.words.backs.get(entry.stage, told[entry.stage]) if back else told[entry.stage]
        lines.append(("back" if back else "", words, seen.at(entry.at)))
        rank, stage = RANK[entry.stage], entry.stage
    odd = over or "on_hold" in order.flags or any(kind for kind, _, _ in lines)
    return lines[::-1] if odd and len(lines) > 1 else []


def _ends(order: Order, seen: View) -> Markup | str:
    page = seen.words.page
    over = over_at(order)
    if over is None:
        return str(page.ends_later.format(long=lasting(seen.link_hours, seen.words.lang)))
    return fill(page.ends_at, {"when": seen.at(over + seen.link_hours * 3600)})
