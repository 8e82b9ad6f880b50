"""What screens on the wall say. Others can read them: of a person only the code and the first name, of the rest no text
that an order system or a customer wrote."""

from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup

from app.orders import PICKUPS, RANK, Attention, Order, counted, deadline, forecast, met, tally, went_back
from app.render.cards import BACK, STAGES, Chip, Where, first, proper, so_far, wait_level
from app.render.lanes import reached
from app.render.times import age, ago, since, stamp, until
from app.render.words import Words

LAST: Final = 9_999_999_999
NEW_FOR: Final = 60.0  # seconds that what is ready is marked as new
TONES: Final = {"chip-soon": "soon", "chip-changed": "changed", "chip-risk": "risk", "chip-still": "", "": ""}


def known(order: Order) -> dict[str, Any]:
    """All that a screen says of who ordered."""
    name = next(iter((order.customer.name or "").split()), "") if order.customer else ""
    plain = not any(char.isdigit() or char == "@" for char in name)  # some send a phone or an address for a name
    return {"code": order.code or order.ref[-6:], "name": name if plain else ""}


# ---- the staff's screen: people and orders that need somebody now ----


def waiting(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    arrival = order.arrival
    assert arrival is not None  # place() put it among the waiting
    level = wait_level(max(where.now - arrival.at, 0.0))
    by, alarm = proper(first(arrival.claimed_by)), seen.code == "unseen"
    return known(order) | {
        "attention": "waiting", "level": level, "bay": (arrival.bay or "–")[:4], "tone": level or "here",
        "clock": ("since", int(arrival.at), since(arrival.at, where.now)),
        "icon": "triangle-alert" if alarm else "user-round" if by else "circle-dashed", "alarm": alarm,
        "words": ["Not seen yet"] if alarm else [f"{by} has it"] if by else ["Nobody yet"],
    }  # fmt: skip


def need(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    due = deadline(order)
    tone = {"late": "late", "lost": "late", "at_risk": "risk"}.get(seen.code, "")
    icon, words = _why(order, seen, where)
    if seen.code == "lost" or due is None:
        at = seen.since or order.heard
        clock = ("since", int(at), since(at, where.now)) if tone else ("age", int(at), age(at, where.now))
    else:
        clock = ("until", int(due), until(due, where.now))
    return known(order) | {
        "attention": seen.code if tone else "stuck", "level": "", "bay": "", "tone": tone, "clock": clock,
        "icon": icon, "words": words, "alarm": False,
    }  # fmt: skip


def _why(order: Order, seen: Attention, where: Where) -> tuple[str, list[str | Markup]]:
    if seen.code == "lost":
        return "user-round-search", ["Can’t find"]
    if seen.code == "late":
        return "clock-alert", [f"Late, {so_far(order)}"]
    if seen.code == "at_risk":
        ends = forecast(order, where.now)
        return "hourglass", ["At risk", *([", done ~", stamp(ends, where.now, where.zone)] if ends else [])]
    if seen.code == "unanswered":
        return "message-circle-question-mark", [f"No answer on {order.asked}"]
    if seen.code == "quiet":
        return "circle-question-mark", ["No news for ", ago(order.heard, where.now)]
    return "user-round-search", ["Customer missing"]


# ---- the staff's screen: the lanes ----


def row(order: Order, seen: Attention, where: Where) -> dict[str, Any]:
    mode, at, shown, tone = _clock(order, where)
    say, icon, words = _say(order, where)
    return known(order) | {
        "lane": where.place, "clock": (mode, int(at), shown), "tone": tone, "say": say, "icon": icon, "words": words,
    }  # fmt: skip


def _clock(order: Order, where: Where) -> tuple[str, float, tuple[str, str], str]:
    due, now, arrival = deadline(order), where.now, order.arrival
    if order.end is not None:
        at = order.ended_at or order.updated_at
        return "age", at, age(at, now), "calm"
    if arrival is not None and arrival.state == "on_my_way":
        at = arrival.way_at or arrival.at
        return "age", at, age(at, now), "here"
    if due is None or met(order):
        at = reached(order, where.place)
        return "age", at, age(at, now), "calm"
    return "until", due, until(due, now), ""


def _say(order: Order, where: Where) -> tuple[str, str, list[str | Markup]]:
    """The one line under a code: the first of what is special, else how far it is."""
    kind, icon, words = _special(order, where) or _far(order, where)
    return TONES.get(kind, ""), icon, [words] if words else []


def _special(order: Order, where: Where) -> Chip | None:
    back, due = went_back(order), deadline(order)
    if order.end is not None:
        return "", "undo-2", "Coming back"
    if "on_hold" in order.flags:
        return "", "circle-pause", "On hold"
    if order.arrival is not None and order.arrival.state == "on_my_way":
        return "chip-soon", "navigation", "On the way here"
    if back is not None:
        return "chip-changed", "undo-2", f"Back to {BACK.get(back.stage, back.stage)}"
    if "rescheduled" in order.flags and due is not None and not met(order):
        return "chip-changed", "calendar-clock", Markup("Moved to ") + stamp(due, where.now, where.zone)
    if "late" in order.flags:
        return "chip-risk", "clock-alert", "Reported late"
    return None


def _far(order: Order, where: Where) -> Chip:
    if where.place == "courier":
        return "", "", Markup("Left ") + stamp(reached(order, "courier"), where.now, where.zone)
    if where.place == "ready" and order.fulfilment in PICKUPS and order.bags:
        return "", "shopping-bag", f"{order.bags} bag{'s' if order.bags > 1 else ''}"
    if order.stage in STAGES:
        return STAGES[order.stage]
    if where.place == "picking":
        done, lines, _ = tally(order)
        return "", "", f"{done} of {lines}" if counted(order) else _due(order, where)
    if where.place == "ready":
        return ("", "shopping-bag", "On the shelf") if order.fulfilment in PICKUPS else ("", "package", "Ready")
    return "", "", ""


def _due(order: Order, where: Where) -> str | Markup:
    due = deadline(order)
    return "" if due is None else Markup("Due ") + stamp(due, where.now, where.zone)


# by the board's lane: template, face, the screen's lane if another, and what goes before its key
Face = Callable[[Order, Attention, Where], dict[str, Any]]
SHOWN: Final[dict[str, tuple[str, Face, str, str]]] = {
    "waiting": ("tvcard", waiting, "now", "0"),
    "needs": ("tvcard", need, "now", "1"),
    **dict.fromkeys(("new", "picking", "ready", "courier"), ("tvrow", row, "", "")),
}


# ---- the customers' screen ----


def call(order: Order, now: float, lang: Words) -> tuple[str, str, dict[str, Any]] | None:
    """The list an order is called in, the key it sorts by and what is said; None where nobody is to come for it."""
    over = order.end is not None or (order.arrival is not None and order.arrival.state == "handed_over")
    rank = RANK[order.stage]
    if order.fulfilment not in PICKUPS or over or rank < RANK["preparing"] or "joined" in order.flags:
        return None
    if rank >= RANK["ready"]:
        at = reached(order, "shelf")
        new = now - at < NEW_FOR
        return (
            "called",
            f"{int(LAST - at):010d}",
            known(order) | {"since": int(at), "new": new, "about": 0, "words": ""},
        )
    told = "on_hold" not in order.flags and (rank >= RANK["picked"] or counted(order))
    ends = forecast(order, now) if told else None
    about = known(order) | {
        "since": 0,
        "new": False,
        "about": int(ends or 0),
        "words": soon(ends, now, lang) if ends else "",
    }
    return "soon", f"{int(min(ends or deadline(order) or LAST, LAST)):010d}", about


def soon(at: float, now: float, lang: Words) -> str:
    """How long until then, in steps of five minutes."""
    left = -int((now - at) // 300) * 5
    return str(lang.page.wall_about.format(count=left) if at > now else lang.page.wall_moment)
