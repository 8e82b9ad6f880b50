"""What a customer's page says: an order as a flat dict of sentences, times and lists. Nothing that is the staff's."""

from collections.abc import Callable
from datetime import tzinfo
from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct

from app.orders import (
    MOVES,
    PICKUPS,
    RANK,
    Arrival,
    Attention,
    Item,
    Order,
    Promise,
    attention,
    deadline,
    met,
    tally,
    went_back,
)
from app.render.cards import counts, first, wait_level, wait_share
from app.render.goods import groups, money
from app.render.times import day, exact, hour, lasted, since, stamp
from app.render.words import Words, fill
from app.settings import Store

UNSEEN_AFTER: Final = 20.0  # seconds after which the customer hears that no screen has shown the check-in
MASKED: Final = frozenset({"canceled", "rejected", "failed", "returned"})
CALLING: Final = frozenset({"unseen", "cannot_find", "customer_missing"})
COUNTING: Final = ("preparing", "preparing+", "reviewing", "reviewing+")
HEADLINED: Final = ("customer_missing", "on_hold", "returning")


class View(Struct, frozen=True):
    """For whom and when: `whole` is false for a delegate, who sees no address and no price."""

    now: float
    zone: tzinfo
    words: Words
    store: Store
    whole: bool
    row: Callable[[Item], Markup]

    def at(self, instant: float | None) -> Markup:
        return Markup("") if instant is None else stamp(instant, self.now, self.zone, self.words.lang)


def view(order: Order, seen: View) -> dict[str, Any]:
    kind = order.fulfilment if order.fulfilment in seen.words.kinds else "delivery"
    icon, title = seen.words.kinds[kind]
    arrival = waiting(order)
    name = _name(order, seen)
    done, lines, _ = tally(order)
    headline, lead = _said(order, name, seen)
    if counting(order, name):
        lead = Markup(f"{seen.words.say('count', done=str(done), lines=str(lines))} {lead}")
    shown = attention(order, seen.now)
    over = order.end is not None or RANK[order.stage] >= RANK["fulfilled"] or handed(order)
    counted = order.outcomes and lines > 0 and RANK[order.stage] >= RANK["preparing"] and not over
    return {
        "icon": _icon(order, icon), "kind": title, "code": order.code or "", "headline": headline, "lead": lead,
        "notes": _notes(order, seen), "when": None if over or arrival else _when(order, seen, shown),
        "steps": _steps(order, seen), "wait": _wait(arrival, seen) if arrival else None,
        "arrivals": _arrivals(arrival, seen) if arrival else (), "groups": groups(order, seen.words, seen.row),
        "count": seen.words.say("done_of", done=str(done), lines=str(lines)) if counted else lines,
        "bar": _bar(order) if counted else None, "facts": _facts(order, seen, over),
        "door": order.delivery_code if order.delivery_code and not over else None, "trail": _trail(order, seen, over),
        "call": name in CALLING, "phone": seen.store.phone, "street": seen.store.street or seen.store.name,
        "ends": _ends(order, seen),
    }  # fmt: skip


def handed(order: Order) -> bool:
    return order.arrival is not None and order.arrival.state == "handed_over"


def waiting(order: Order) -> Arrival | None:
    arrival = order.arrival
    if arrival is None or order.end is not None or arrival.state in ("on_my_way", "handed_over"):
        return None
    return arrival


def _icon(order: Order, icon: str) -> str:
    if order.stage in MASKED:
        return "undo-2" if order.stage == "returned" else "ban"
    if "on_hold" in order.flags:
        return "circle-pause"
    return "circle-check" if RANK[order.stage] >= RANK["fulfilled"] else icon


# ---- the sentence ----


def _said(order: Order, name: str, seen: View) -> tuple[Markup, Markup]:
    """Headline and lead: one thing that is so, and one thing about what comes."""
    said = seen.words.said
    who = first(order.shopper.name) if order.shopper else ""
    if name == "claimed" and order.arrival is not None:
        who = first(order.arrival.claimed_by).capitalize()
    values = {"who": who, "code": order.code or "", "at": _moment(order, name, seen)}
    headline, lead = said[name]
    lead = _lead(order, name, lead, values, seen)
    return fill(headline, values), lead


def _name(order: Order, seen: View) -> str:
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
            return flag
    stage = "fulfilled" if order.stage == "closed" else order.stage
    if stage == "placed" and "in_review" in order.flags:
        return "in_review"
    return _staged(order, stage, seen)


def _staged(order: Order, stage: str, seen: View) -> str:
    group = "pickup" if order.fulfilment in PICKUPS else order.fulfilment
    for name in (f"{order.fulfilment}:{stage}", f"{group}:{stage}"):
        if name in seen.words.said and (stage != "ready" or order.code):
            return name
    known = order.shopper is not None and bool(order.shopper.name)
    if stage == "ready" and group == "pickup":
        return "pickup:staged"
    return stage + "+" if known and stage + "+" in seen.words.said else stage


def _moment(order: Order, name: str, seen: View) -> Markup:
    """The " at 14:05" of what the sentence tells, where it is known."""
    at = None
    if name in ("seen", "claimed") and order.arrival is not None:
        at = order.arrival.shown_at or order.arrival.at
    elif name.endswith("fulfilled"):
        at = order.arrival.ended_at if order.arrival and handed(order) else _since(order, "fulfilled")
    elif name.startswith("in_transit"):
        at = _since(order, "in_transit")
    return seen.words.say("at", time=seen.at(at)) if at is not None else Markup("")


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
    told = _reason(order, seen)
    if told and (name in MASKED or name in HEADLINED):
        ended = fill("{told}", {"told": told if told[-1] in ".!?…" else told + "."})
        return ended if name in MASKED else ended + " " + fill(lead, values)
    if name.endswith("fulfilled") and arrival is not None and arrival.ended_at and arrival.ended_at - arrival.at >= 1:
        return fill(seen.words.said["waited"][1], {"long": lasted(arrival.ended_at - arrival.at)})
    if name in ("here", "seen", "claimed") and arrival is not None and arrival.bay:
        return seen.words.say("in_bay", bay=arrival.bay) + " " + fill(lead, values)
    if "late" in order.flags and order.end is None and name not in HEADLINED:
        return Markup(seen.words.said["late"][1])
    return fill(lead, values)


def counting(order: Order, name: str) -> bool:
    """Is it a sentence that begins with how many lines are done?"""
    return bool(order.items) and order.outcomes and name.endswith(COUNTING)


def _reason(order: Order, seen: View) -> str:
    """The reason as sent; of a code alone only what we have words for."""
    if order.reason is None:
        return ""
    return order.reason.description or seen.words.reasons.get(order.reason.code or "", "")


def _notes(order: Order, seen: View) -> list[tuple[str, str, Markup]]:
    """Changes told plainly: class, icon, words."""
    notes = []
    back = went_back(order)
    if back is not None and order.end is None:
        step = seen.words.backs.get(back.stage) or seen.words.trail[back.stage]
        at = seen.words.say("at", time=seen.at(back.at))
        notes.append(("changed", "undo-2", seen.words.say("back", at=at, step=step)))
    if "payment_failed" in order.flags:
        notes.append(("late", "circle-x", Markup(seen.words.small["payment_failed"])))
    return notes


# ---- when ----


def _when(order: Order, seen: View, shown: Attention) -> SimpleNamespace | None:
    promise, due = order.promised, deadline(order)
    if promise is None or due is None:
        return None
    held = "on_hold" in order.flags
    at, old, sure = promise.start or due, order.previous_promise, _sure(order, shown, held)
    moved = old is not None and old != promise and not held
    axis = None if held or met(order) or seen.now >= due else scale(promise.start, due, seen)
    return SimpleNamespace(
        range=window(promise, seen),
        day=day(at, seen.now, seen.zone, seen.words.lang),
        void=held,
        moved=seen.words.say("moved", old=window(old, seen)) if old is not None and moved else "",
        say="" if moved and sure == "promised" else seen.words.small[sure],
        axis=axis,
        start=int(promise.start or 0),
        due=int(due),
    )


def _sure(order: Order, shown: Attention, held: bool) -> str:
    """How sure we are, and no more: an order that has not begun has its promise and nothing else."""
    if held:
        return "void"
    if met(order):
        return "ready"
    if shown.code == "late":
        return "behind"
    if shown.code == "at_risk":
        return "risk"
    return "on_time" if RANK[order.stage] >= RANK["preparing"] else "promised"


def window(promise: Promise, seen: View) -> Markup:
    if promise.start is not None and promise.end is not None:
        return seen.at(promise.start) + "–" + seen.at(promise.end)
    if promise.end is not None:
        return seen.words.say("by", time=seen.at(promise.end))
    return seen.words.say("from", time=seen.at(promise.start))


def scale(start: float | None, due: float, seen: View) -> SimpleNamespace:
    """The promised window on a line that begins now; the page moves it on."""
    begin = start if start is not None and start > seen.now else seen.now
    left = (begin - seen.now) / (due - seen.now) * 80
    shown = hour(begin, seen.zone) if 14 <= left <= 45 else ""
    end = seen.words.say("promised_by", time=hour(due, seen.zone))
    return SimpleNamespace(x=f"{left:.1f}%", width=f"{80 - left:.1f}%", start=shown, end=end)


# ---- steps ----


def _steps(order: Order, seen: View) -> list[tuple[str, str, Markup]]:
    """Class, word and time of each step: passed ones with the time they were first reached, if it is known."""
    group = "pickup" if order.fulfilment in PICKUPS else order.fulfilment
    steps = seen.words.steps.get(group) or seen.words.steps["delivery"]
    times, here = reached(order, [rank for rank, _ in steps])
    if order.stage in MASKED:
        made = [("past", word, seen.at(at)) for (_, word), at in zip(steps, times, strict=True) if at is not None]
        return [*made, ("bad here", seen.words.bad[order.stage], seen.at(order.ended_at))]
    ended = here == len(steps) - 1
    made = []
    for i, (_, word) in enumerate(steps):
        state = "past" if i < here or (ended and i == here) else "here" if i == here else "ahead"
        if state == "here" and ("on_hold" in order.flags or "returning" in order.flags):
            flag = "on_hold" if "on_hold" in order.flags else "returning"
            state, word = "still here", seen.words.small["held" if flag == "on_hold" else "going_back"]
            times[i] = flagged(order, flag) or times[i]
        made.append((state, word, seen.at(times[i]) if state != "ahead" else Markup("")))
    return made


def flagged(order: Order, flag: str) -> float | None:
    said = order.stamps.get("flag:" + flag)
    return (said.at or said.heard) if said is not None else None


def reached(order: Order, ranks: list[int]) -> tuple[list[float | None], int]:
    """When each step was reached (a step back clears those after it), and which one it is now."""
    times: list[float | None] = [None] * len(ranks)
    times[0] = order.placed_at or order.first
    for entry in order.timeline:
        if entry.raw in MOVES or entry.stage in MASKED:
            continue
        step = _step(RANK[entry.stage], ranks)
        times[step + 1 :] = [None] * (len(ranks) - step - 1)
        times[step] = times[step] or entry.at
    here = _step(RANK[order.stage], ranks)
    if handed(order) and order.arrival is not None:
        here = len(ranks) - 1
        times[here] = order.arrival.ended_at or times[here]
    elif waiting(order) is not None and 75 in ranks:
        here = ranks.index(75)
    if order.arrival is not None and 75 in ranks and order.arrival.state != "on_my_way":
        times[ranks.index(75)] = order.arrival.at
    return times, here


def _step(rank: int, ranks: list[int]) -> int:
    return max(i for i, low in enumerate(ranks) if low <= rank)


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
    lines.append((shown is not None, told["screen"], exact(shown, seen.zone) if shown else Markup("")))
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
    if order.ended_at is None:
        return str(page.ends_later)
    return fill(page.ends_at, {"when": seen.at(order.ended_at + 86_400)})
