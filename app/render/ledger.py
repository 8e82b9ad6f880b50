"""Why a card says what it says: an order's events, stages, calls and links as words for the drawer beside the board."""

from datetime import tzinfo
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import segno
from markupsafe import Markup
from msgspec import Struct

from app.orders import BY_HAND, HAND_STAGES, MANUAL, PICKUPS, Attention, Order, deadline, over_at
from app.render.cards import KINDS, Chip, because, initial, proper, so_far, unanswered
from app.render.times import day, exact, lasting, stamp

BODY_MOST: Final = 60_000  # characters of a body that are shown
STEPS: Final = {
    "cart": "In the cart", "placed": "Placed", "confirmed": "Confirmed", "assigned": "Assigned",
    "preparing": "Picking", "reviewing": "Reviewing changes", "picked": "Picked", "staged": "Packed",
    "ready": "Ready", "courier_at_store": "Courier at the store", "arrived": "Customer at the store",
    "in_transit": "On its way", "fulfilled": "Handed over", "closed": "Closed", "canceled": "Cancelled",
    "rejected": "Refused", "failed": "Failed", "returned": "Returned",
}  # fmt: skip
MOVES: Final = {
    "on_my_way": "Customer is on the way", "here": "Customer is here", "shown": "A board showed the check-in",
    "claimed": "Taken by a person", "cannot_find": "Can’t find the customer", "handed_over": "Handed over",
    "undone": "Taken back",
}  # fmt: skip
POLLS: Final = {
    "record": "The order", "order": "The order", "items": "Its items", "handling": "Where and how to hand over",
    "checkout": "The checkout", "checkout_status": "How the checkout stands",
}  # fmt: skip
VERDICTS: Final[dict[str, Chip]] = {
    "applied": ("chip-good", "check", "Applied"),
    "reverted": ("chip-changed", "undo-2", "Moved back"),
    "late": ("chip-still", "clock", "Out of date"),
    "duplicate": ("chip-still", "copy", "Repeat"),
    "refused": ("chip-late-soft", "ban", "Refused"),
}
UNKNOWN: Final[Chip] = ("chip-risk", "circle-question-mark", "Not understood")
CALLS: Final[dict[str, Chip]] = {
    "waiting": ("", "clock", "Waiting"),
    "sending": ("chip-soon", "refresh-cw", "Being sent"),
    "done": ("chip-good", "check", "Done"),
    "refused": ("chip-late-soft", "ban", "Refused"),
    "dead": ("chip-late-soft", "triangle-alert", "Given up"),
}
KIND_OF_CALL: Final = {"arrived": "Tell it that the customer is here", "vehicle": "Tell it the customer’s car"}
KIND_OF_LINK: Final = {"customer": "For the customer", "delegate": "For someone else who collects"}
# code of the attention → what holds since, icon, tone
WHYS: Final = {
    "late": ("Late", "clock-alert", "late"),
    "at_risk": ("At risk", "hourglass", "risk"),
    "waiting": ("Waiting", "user-round", "here"),
    "unseen": ("Waiting", "triangle-alert", "late"),
    "unanswered": ("No answer", "message-circle-question-mark", "still"),
    "lost": ("Here", "user-round-search", "late"),
    "on_hold": ("On hold", "circle-pause", "still"),
    "customer_missing": ("Customer missing", "user-round-search", "still"),
    "quiet": ("No news", "circle-question-mark", "still"),
}


class Line(Struct, frozen=True):
    """An event: when it was heard, the sender's own stamp, what became of it. `mark` names its body, where kept."""

    heard: float
    at: float | None
    verdict: str
    name: str
    by: str
    note: str = ""
    mark: str = ""


class Call(Struct, frozen=True):
    """A call to the order system, and what it said."""

    kind: str
    state: str
    tries: int
    words: str
    asked: float


class Link(Struct, frozen=True):
    """`own`: the customer made it."""

    id: str
    kind: str
    created: float
    own: bool = False


def told(order: Order, seen: Attention, now: float, zone: tzinfo) -> dict[str, Any]:
    """The drawer's head."""
    _, icon, words = KINDS.get(order.fulfilment, KINDS["delivery"])
    chips = [("", icon, words.capitalize()), ("", "navigation", STEPS.get(order.stage, order.stage))]
    if order.hand is not None:
        chips.append(("chip-changed", "hand", f"Moved by hand, {order.hand.by}"))
    name = initial(order.customer.name if order.customer else None)
    return {
        "code": order.code or order.ref[-6:], "name": name, "chips": chips, "why": why(order, seen, now, zone),
        "version": order.version, "updated": stamp(order.updated_at, now, zone),
    }  # fmt: skip


def why(order: Order, seen: Attention, now: float, zone: tzinfo) -> tuple[str, str, Markup, list[str | Markup]]:
    """Tone, icon, what holds since when, and the reason."""
    if seen.code not in WHYS:
        return _calm(order, now, zone)
    word, icon, tone = WHYS[seen.code]
    since = order.heard if seen.code == "quiet" else seen.since or order.updated_at
    return tone, icon, Markup("{} since {}.").format(word, stamp(since, now, zone)), _reason(order, seen, now, zone)


def _reason(order: Order, seen: Attention, now: float, zone: tzinfo) -> list[str | Markup]:
    if seen.code == "waiting":
        by = proper(order.arrival.claimed_by) if order.arrival else ""
        return [f"{by} has it." if by else "Nobody has it yet."]
    if seen.code == "unseen":
        return ["Nobody has seen this check-in: no board has shown it."]
    if seen.code == "unanswered":
        return [f"The customer has yet to answer on {unanswered(order)}, before the shopper is at the till."]
    if seen.code == "lost":
        return ["Nobody could find the customer."]
    if seen.code in ("on_hold", "customer_missing"):
        return [f"{because(order)}." if because(order) else "No reason was given."]
    rest = "" if seen.code == "quiet" else (seen.why or "").partition(": ")[2]
    said = rest or so_far(order)
    return [f"{said[:1].upper()}{said[1:]}. ", *_promise(order, now, zone)]


def _calm(order: Order, now: float, zone: tzinfo) -> tuple[str, str, Markup, list[str | Markup]]:
    since = order.timeline[-1].at if order.timeline else order.first
    title = Markup("{} since {}.").format(STEPS.get(order.stage, order.stage), stamp(since, now, zone))
    over = order.end is not None or order.stage in ("fulfilled", "closed")
    reason: list[str | Markup] = [f"{because(order)}. "] if because(order) else []
    return "", "check", title, reason if over else [*reason, "Nothing needs a person. ", *_promise(order, now, zone)]


def _promise(order: Order, now: float, zone: tzinfo) -> list[str | Markup]:
    due = deadline(order)
    if due is None:
        return ["No time was promised."]
    said: list[str | Markup] = [
        "Promised ready " if order.fulfilment in PICKUPS else "Promised by ", stamp(due, now, zone)
    ]  # fmt: skip
    old = order.previous_promise
    at = (old.end or old.start) if old else None
    return [*said, ", first ", stamp(at, now, zone), "."] if at and at != due else [*said, "."]


def events(order: Order, lines: list[Line], now: float, zone: tzinfo) -> list[dict[str, Any]]:
    """The ledger, the newest first."""
    raw = {step.at: step.raw for step in order.timeline}
    return [
        _event(line, raw.get(line.heard if line.at is None else line.at, ""), zone)
        | {"day": day(line.heard, now, zone, "en")}
        for line in reversed(lines)
    ]


def _event(line: Line, raw: str, zone: tzinfo) -> dict[str, Any]:
    person = line.name in MOVES or line.name == BY_HAND
    known = raw or POLLS.get(line.name) or line.name or "The same again"
    said = (MOVES.get(line.name) or _by_hand(line)) if person else known
    via = (line.by if person else "poll" if line.name in POLLS else "webhook" if line.name else "") or "customer"
    lag = 0 if line.at is None else int(line.heard - line.at)
    name = "" if person or said == line.name else POLLS.get(line.name, line.name) if said == raw else line.name
    small = [part for part in (name, "" if line.name == BY_HAND else line.note) if part]
    return {
        "heard": exact(line.heard, zone), "at": None if line.at is None else exact(line.at, zone),
        "via": via if line.name else "", "lag": f"−{lag // 60}:{lag % 60:02d}" if lag >= 60 else "", "said": said,
        "small": ", ".join(small), "chip": VERDICTS.get(line.verdict, UNKNOWN), "mark": line.mark,
        "off": line.verdict in ("late", "duplicate", "refused"),
    }  # fmt: skip


def _by_hand(line: Line) -> str:
    if line.note in STEPS:
        return f"Moved by hand: {STEPS[line.note].lower()}"
    return "Move by hand taken back" if line.note else "Entered by hand"


def steps(order: Order, now: float, zone: tzinfo) -> list[dict[str, Any]]:
    """The timeline, the newest first, each stage with how it was said and by whom."""
    return [
        {
            "at": exact(step.at, zone), "day": day(step.at, now, zone, "en"),
            "said": MOVES.get(step.raw) or STEPS.get(step.stage, step.stage),
            "raw": "" if step.raw in MOVES else step.raw, "by": "" if step.by == order.source else step.by,
        }
        for step in reversed(order.timeline)
    ]  # fmt: skip


LANES_OF: Final = {
    "placed": "New", "preparing": "Picking", "staged": "Ready", "ready": "Ready", "in_transit": "With courier",
    "fulfilled": "Delivered", "canceled": "Cancelled",
}  # fmt: skip


def moves(order: Order, label: str) -> SimpleNamespace:
    """Where people may move it, and what that means. `to`: stage, words, and what is asked first."""
    words = LANES_OF | ({"fulfilled": "Handed over"} if order.fulfilment in PICKUPS else {})
    asked = {"canceled": "Cancel this order on this board? Its customer’s page will say so."}
    rule = f"{label} is not told. Its next word about the stage counts again."
    return SimpleNamespace(
        to=[(to, words[to], asked.get(to, "")) for to in HAND_STAGES.get(order.fulfilment, ()) if to != order.stage],
        back=f"As {label} says" if order.hand is not None else "",
        rule="Entered by hand: what you say here is so." if order.provider == MANUAL else rule,
    )


def calls(made: list[Call], zone: tzinfo) -> list[dict[str, Any]]:
    return [
        {
            "asked": exact(call.asked, zone), "said": KIND_OF_CALL.get(call.kind, call.kind), "words": call.words,
            "tries": call.tries, "chip": CALLS.get(call.state, CALLS["waiting"]),
        }
        for call in made
    ]  # fmt: skip


def links(made: list[Link], now: float, zone: tzinfo) -> list[dict[str, Any]]:
    return [
        {
            "id": link.id,
            "kind": KIND_OF_LINK.get(link.kind, link.kind),
            "own": link.own,
            "created": stamp(link.created, now, zone),
        }
        for link in made
    ]


def rule(order: Order, hours: int, now: float, zone: tzinfo) -> Markup:
    """What a link shows and when all of this order's die."""
    over = over_at(order)
    ends = (
        Markup("until {} after it ends").format(lasting(hours, "en"))
        if over is None
        else Markup("until {}").format(stamp(over + hours * 3600, now, zone))
    )
    return Markup(
        "A link shows this one order without an account, {}. Someone else’s shows no address and no prices."
    ).format(ends)


def qr(url: str) -> Markup:
    """Dark on white in every theme: what scans it knows no themes."""
    code = segno.make(url, error="m", micro=False)
    return Markup(code.svg_inline(omitsize=True, border=3, light="#fff", dark="#000"))


def pretty(body: bytes) -> str:
    """A body as people read it: JSON with a line for each field, anything else as it came."""
    try:
        shown = msgspec.json.format(body, indent=2)
    except msgspec.MsgspecError:
        shown = body
    text = shown.decode("utf-8", "replace")
    return text if len(text) <= BODY_MOST else text[:BODY_MOST] + "\n… and more"
