"""When an order comes, how sure that is, and how far it is: the promised window and the line of steps."""

from bisect import bisect_right
from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup

from app.orders import (
    MOVES,
    PICKUPS,
    RANK,
    Attention,
    Order,
    Promise,
    deadline,
    met,
)
from app.render.local import day, hour, span
from app.render.said import MASKED, View, handed, waiting

LETTER: Final = 1.9  # of a narrow phone's width, in percent: a letter under the line


def when(order: Order, seen: View) -> Markup | str:
    """The promised window, and how sure it is. Nothing where none was promised."""
    promised, due = order.promised, deadline(order)
    if promised is None or due is None:
        return ""
    held = "on_hold" in order.flags
    sure, begun = _sure(order, seen.state, held), minute(order, seen.now)
    facts = promised, order.previous_promise, held, sure, begun, order.store, seen.quarter
    return seen.parts.keep(
        "when",
        facts,
        lambda: seen.draw("when", _window(promised, due, order.previous_promise, held, sure, begun, seen)),
    )


def minute(order: Order, now: float) -> int | None:
    """Where the promise's line begins; None where none is drawn. The page moves it on by itself, so that a minute is
    near enough."""
    due = deadline(order)
    return None if due is None or now >= due or "on_hold" in order.flags or met(order) else int(now // 60)


def promise(order: Order, seen: View) -> dict[str, Any]:
    """As `when`, for what is drawn over it; an empty `range` where nothing was promised."""
    promised, due = order.promised, deadline(order)
    if promised is None or due is None:
        return {"range": "", "trip": True}
    held = "on_hold" in order.flags
    sure = _sure(order, seen.state, held)
    minute = None if held or seen.now >= due else int(seen.now // 60)
    return {**_window(promised, due, order.previous_promise, held, sure, minute, seen), "trip": True}


def _window(
    promised: Promise, due: float, old: Promise | None, held: bool, sure: str, minute: int | None, seen: View
) -> dict[str, Any]:
    moved = old is not None and old != promised and not held
    return {
        "range": window(promised, promised.start or due, seen),
        "day": day(promised.start or due, seen.now, seen.zone, seen.words.tag),
        "void": held,
        "moved": seen.words.say("moved", old=window(old, seen.now, seen)) if old is not None and moved else "",
        "say": "" if moved and sure == "promised" else seen.words.small[sure],
        "axis": None if minute is None else scale(promised.start, due, minute * 60.0, seen),
        "start": int(promised.start or 0), "due": int(due), "age": "", "trip": False,
    }  # fmt: skip


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
    begun = RANK[order.stage] >= RANK["preparing"] and "late" not in order.flags  # else the page's head says it is late
    return "on_time" if begun else "promised"


def window(promise: Promise, near: float, seen: View) -> Markup:
    """`near`: an instant whose day goes without saying."""
    if promise.start is not None and promise.end is not None:
        return span(promise.start, promise.end, near, seen.zone, seen.words.tag)
    if promise.end is not None:
        return seen.when(promise.end, "by", near)
    return seen.when(promise.start, "from", near) if promise.start is not None else Markup("")


def scale(start: float | None, due: float, now: float, seen: View) -> SimpleNamespace:
    """The promised window on a line that begins now; the page moves it on."""
    begin = start if start is not None and start > now else now
    left = (begin - now) / (due - now) * 80
    shown = hour(begin, seen.zone, seen.words.tag)
    end = seen.words.say("promised_by", time=hour(due, seen.zone, seen.words.tag))
    if not 14 <= left <= 80 - (len(shown) + len(end) + 2) * LETTER:  # between "now" and the end
        shown = ""
    return SimpleNamespace(x=f"{left:.1f}%", width=f"{80 - left:.1f}%", start=shown, end=end)


# ---- steps ----


def line(order: Order, seen: View) -> Markup:
    """The line of steps."""
    since = tuple([flagged(order, flag) for flag in order.flags if flag in ("on_hold", "returning")])
    facts = (
        order.stage, order.fulfilment, order.flags, since, order.timeline, order.placed_at, order.first, order.arrival,
        order.ended_at, order.end is None, order.store, seen.quarter,
    )  # fmt: skip
    return seen.parts.keep("line", facts, lambda: seen.draw("line", {"steps": steps(order, seen)}))


def steps(order: Order, seen: View) -> list[tuple[str, str, Markup]]:
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
    times[0] = order.placed_at or min([order.first, *(entry.at for entry in order.timeline)])
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
    return bisect_right(ranks, rank) - 1
