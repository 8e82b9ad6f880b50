"""What a customer's page says: an order as a flat dict of sentences, times and lists. Nothing that is the staff's."""

from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup

from app.orders import (
    MOVES,
    PICKUPS,
    RANK,
    Arrival,
    Order,
    counted,
    may_be_here,
    may_check_in,
    over_at,
    tally,
)
from app.render import trip
from app.render.cards import first, proper, wait_level, wait_share
from app.render.goods import groups
from app.render.lanes import bar, counts
from app.render.local import money
from app.render.parts import SPOT
from app.render.said import CALLING, MASKED, View, counting, handed, notes, said, sentence, waiting
from app.render.steps import line, when
from app.render.times import lasting, since, zone_name
from app.render.words import fill
from app.settings import Store
from app.tiles import Tiles


def view(order: Order, seen: View, tiles: Tiles) -> dict[str, Any]:
    """What stands around the promise and the items. `tiles`: where the streets of a map come from."""
    arrival = waiting(order)
    name, checkin = sentence(order, seen), _checkin(order, seen)
    over = ended(order)
    return {
        "hero": _hero(order, name, seen), "when": SPOT, "line": line(order, seen), "goods": SPOT,
        "rest": _rest(order, seen, name in CALLING, over, tiles),
        "wait": _wait(arrival, seen) if arrival else None, "arrivals": _arrivals(arrival, seen) if arrival else (),
        "facts": _facts(order, seen, over),
        "door": order.delivery_code if order.delivery_code and not over else None,
        "call": name in CALLING, "phone": seen.store.phone, "over": over, "checkin": checkin,
        "until": _until(order, seen),
        "share": seen.whole and not over and order.fulfilment in PICKUPS,
        "pickup": seen.store.pickup if checkin is not None and checkin.mode != "wait" else (),
        "trip": seen.trip is not None, "map": trip.where(order, seen, tiles) if seen.trip is not None else None,
    }  # fmt: skip


def ended(order: Order) -> bool:
    """Is it over for its customer?"""
    return order.end is not None or RANK[order.stage] >= RANK["fulfilled"] or handed(order)


# What a word about the items changes of an order; what of it is told elsewhere, `around` adds.
_ITEMS: Final = frozenset(
    {"items", "asked", "own", "gone", "listed", "outcomes", "open", "word", "raw_status", "told", "under", "stamps",
     "house", "version", "rev", "updated_at", "heard"}
)  # fmt: skip
_TOLD: Final = attrgetter(*[name for name in Order.__struct_fields__ if name not in _ITEMS])


def around(order: Order, seen: View) -> tuple[Any, ...] | None:
    """As long as these facts are the same, so is all that `view` says; None where it changes by the second."""
    if seen.trip is not None or waiting(order) is not None:
        return None
    now, stamps = seen.now, order.stamps
    return (
        *_TOLD(order), stamps.get("flag:on_hold"), stamps.get("flag:returning"),
        tally(order) if counted(order) else None, may_be_here(order, now), seen.quarter,
    )  # fmt: skip


# ---- the parts that stay as long as what they tell ----


def _hero(order: Order, name: str, seen: View) -> Markup:
    count = tally(order)[:2] if counting(order, name) else None
    if seen.trip is not None:
        return seen.draw("hero", trip.headed(_headed(order, name, count, seen), order, name, seen))
    facts = (
        name, count, order.stage, order.flags, order.fulfilment, order.code, order.shopper, order.arrival, order.reason,
        order.timeline, order.end is None, order.store, seen.quarter,
    )  # fmt: skip
    return seen.parts.keep("hero", facts, lambda: seen.draw("hero", _headed(order, name, count, seen)))


def _headed(order: Order, name: str, count: tuple[int, int] | None, seen: View) -> dict[str, Any]:
    icon, title = seen.words.kinds[order.fulfilment if order.fulfilment in seen.words.kinds else "delivery"]
    headline, lead = said(order, name, seen)
    if count is not None:
        lead = Markup(f"{seen.words.say('count', done=str(count[0]), lines=str(count[1]))} {lead}")
    return {
        "icon": _icon(order, icon), "kind": title, "code": order.code or "", "headline": headline, "lead": lead,
        "notes": notes(order, seen), "trip": False,
    }  # fmt: skip


def promise(order: Order, seen: View) -> Markup | str:
    """When it comes, as long as somebody waits for that."""
    if ended(order) or waiting(order):
        return ""
    return when(order, seen) if seen.trip is None else trip.when(order, seen)


def goods(order: Order, seen: View) -> Markup | str:
    """The items, where there are any."""
    if not order.items:
        return ""
    known = counted(order) and RANK[order.stage] >= RANK["preparing"] and not ended(order)
    facts = order.items, order.stage, order.outcomes, known
    return seen.parts.keep("goods", facts, lambda: _listed(order, seen, known))


def _listed(order: Order, seen: View, known: bool) -> Markup:
    done, lines, _ = tally(order)
    before, after = seen.drawn.goods(done, lines, bar(*counts(order)) if known else None)
    return Markup("".join((before, groups(order, seen.words, seen.drawn.row, seen.drawn.group), after)))


def _rest(order: Order, seen: View, call: bool, over: bool, tiles: Tiles) -> Markup:
    asks = bool(tiles.origin) and seen.whole and seen.trip is not None
    facts = (
        call, over, order.timeline, order.flags, order.arrival, order.ended_at, order.store, order.fulfilment,
        order.shopper is None, order.destination is None, order.delivery_code is None, asks, seen.quarter,
    )  # fmt: skip
    return seen.parts.keep("rest", facts, lambda: seen.draw("rest", _closing(order, seen, call, over, asks)))


def _closing(order: Order, seen: View, call: bool, over: bool, asks: bool) -> dict[str, Any]:
    store = seen.store
    return {
        "trail": _trail(order, seen, over), "call": call, "phone": store.phone, "street": store.street or store.name,
        "ends": _ends(order, seen), "forgotten": _forgotten(order, seen, over),
        "zone": zone_name(seen.zone, seen.words.tag),
        "privacy": seen.words.page.privacy_map if asks else seen.words.page.privacy,
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
    if state == "" and "customer_missing" in order.flags:
        state = "cannot_find"
    elif state == "" and order.stage == "arrived":
        state = "on_my_way"
    return SimpleNamespace(
        mode={"": "first", "on_my_way": "way", "cannot_find": "ask"}.get(state, "wait"),
        here=may_be_here(order, seen.now),
        car=order.fulfilment != "kiosk",
        bays=seen.store.bays if order.fulfilment != "kiosk" else (),  # inside, where nobody parks
        bay=arrival.bay if arrival else None,
        vehicle=arrival.vehicle if arrival and (seen.whole or arrival.proxy) else None,
        near=_near(seen.store) if state in ("", "on_my_way") else None,
    )


def _near(store: Store) -> tuple[float, float, int] | None:
    """Where the shop is and what is near, for the phone to find out by itself."""
    if store.latitude is None or store.longitude is None or not store.near_metres:
        return None
    return store.latitude, store.longitude, store.near_metres


# ---- waiting outside ----


def _wait(arrival: Arrival, seen: View) -> SimpleNamespace:
    gone = max(seen.now - arrival.at, 0.0)
    level = wait_level(gone)
    return SimpleNamespace(
        since=int(arrival.at),
        clock=since(arrival.at, seen.now, seen.words.units),
        tone=level or "here",
        level=level,
        share=wait_share(gone),
    )


def _arrivals(arrival: Arrival, seen: View) -> list[tuple[bool, str | Markup, Markup]]:
    """What has happened to the check-in, and what is next: done, words, time."""
    told = seen.words.trail
    shown = arrival.shown_at
    lines: list[tuple[bool, str | Markup, Markup]] = [
        (True, told["saved"], seen.exact(arrival.at)),
        (shown is not None or arrival.claimed_by is not None, told["screen"], seen.exact(shown)),
    ]
    if arrival.claimed_by:
        who = proper(first(arrival.claimed_by))
        lines.append((True, fill(told["took"], {"who": who}), seen.exact(arrival.claimed_at)))
    return [*lines, (False, told["hands"], Markup(""))]


# ---- the rest ----


def _facts(order: Order, seen: View, over: bool) -> list[tuple[str, str]]:
    page, facts = seen.words.page, []
    if order.bags:
        facts.append((page.bags, str(order.bags)))
    if seen.whole:
        if order.total is not None:
            facts.append((page.total, money(order.total.amount, order.total.currency, seen.words.tag)))
        facts += [] if over else _destination(order, page)
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


def _forgotten(order: Order, seen: View, over: bool) -> str:
    """What is no longer shown once it is over, where there was anything."""
    if not over:
        return ""
    if order.fulfilment in PICKUPS:
        return str(seen.words.page.forgotten_pickup) if order.arrival and order.arrival.vehicle else ""
    return str(seen.words.page.forgotten) if order.shopper or order.destination or order.delivery_code else ""


def _until(order: Order, seen: View) -> int | None:
    """When the link dies."""
    over = over_at(order)
    return None if over is None else int(over + seen.link_hours * 3600)


def _ends(order: Order, seen: View) -> Markup | str:
    page, until = seen.words.page, _until(order, seen)
    if until is None:
        return str(page.ends_later.format(long=lasting(seen.link_hours, seen.words.tag)))
    return fill(page.ends_at, {"when": seen.when(until)})
