"""What needs a person now, since when, and when that may change with no event."""

from typing import Final

from msgspec import Struct

from app.orders.arrivals import DONE_FOR, UNSEEN_AFTER, starts, turns
from app.orders.forecast import RETOLD, deadline, met, pace_of, progress, reckoned, spell, tally, work
from app.orders.words import UNBEGUN, Arrival, Order, instant, soonest


class Attention(Struct, gc=False, frozen=True):
    """`level`: ok, at_risk, late, waiting or stuck. `code` names the rule, `why` says it.

    `next` is when level, code or what is said may change with no event, `sort` the instant by which it stands among its
    like. The code "later" is that of an order that has no place on the board yet.
    """

    level: str = "ok"
    code: str = ""
    why: str | None = None
    since: float | None = None
    next: float | None = None
    sort: float | None = None


OK: Final = Attention()
RISK_MARGIN: Final = 300.0
WAIT_RISK: Final = 120.0
WAIT_LATE: Final = 300.0
# Seconds without any news after which an open order is stuck, by stage.
QUIET: Final[dict[str, float]] = {
    "preparing": 1500.0, "reviewing": 900.0, "picked": 1500.0, "courier_at_store": 1200.0, "in_transit": 2700.0,
}  # fmt: skip


def attention(order: Order, now: float) -> Attention:
    """What needs a person now, with the reason in words: the first of waiting, late, held, at risk, unanswered, no
    news."""
    arrival = order.arrival
    gone = None if order.end is None or order.ended_at is None else order.ended_at + DONE_FOR
    if arrival is not None and arrival.state in ("here", "claimed", "cannot_find") and (gone is None or now < gone):
        return _waiting(arrival, now, gone)
    if order.end is not None or order.stage == "cart" or (arrival is not None and arrival.state == "handed_over"):
        return OK
    due = None if met(order) else deadline(order)
    if due is not None and now >= due:
        return Attention("late", "late", f"Late: {progress(order)}, {spell(now - due)} past the promise", due, sort=due)
    if "on_hold" in order.flags or "customer_missing" in order.flags:
        return _held(order, due)
    risk = None if due is None else _risk(order, due)
    if due is not None and risk is not None and now >= risk:
        why = f"At risk: {progress(order)}, {spell(due - now)} left"
        again = min(due, reckoned(order, now) + RETOLD)
        return Attention("at_risk", "at_risk", why, max(risk, order.first), again, risk)
    if order.asked and order.stage in ASKING:
        return _asked(order, now, soonest(risk, due))
    quiet = order.heard + QUIET[order.stage] if order.stage in QUIET else None
    if quiet is not None and now >= quiet:
        return Attention("stuck", "quiet", f"No news for {spell(now - order.heard)}", quiet, soonest(risk, due), due)
    shows = _shows(order)
    if shows is not None and now < shows:
        return Attention(code="later", next=soonest(shows, quiet, risk, due), sort=due)
    return Attention(next=soonest(quiet, risk, due))


def still(order: Order, now: float, seen: Attention | None) -> Attention:
    """As `attention`; `seen` is what it said before of the very same order, and holds until its `next`."""
    return seen if seen is not None and (seen.next is None or now < seen.next) else attention(order, now)


def due_at(order: Order, seen: Attention, now: float) -> float | None:
    """When it is to be shown again with no event, on boards or to its customer."""
    return soonest(seen.next, turns(order, now))


def _waiting(arrival: Arrival, now: float, gone: float | None) -> Attention:
    """Until somebody says how it ended, or the order has been over for long, `gone`: nobody waits that long."""
    since, seen = arrival.at, arrival.state != "here" or arrival.shown_at is not None
    edges = (WAIT_RISK, WAIT_LATE) if seen else (UNSEEN_AFTER, WAIT_RISK, WAIT_LATE)
    soon = soonest(gone, next((since + edge for edge in edges if now < since + edge), None))
    if arrival.state == "cannot_find":
        return Attention("waiting", "lost", "Can't find the customer", since, soon, since)
    if not seen and now >= since + UNSEEN_AFTER:
        why = f"Nobody has seen this check-in, {spell(now - since)} old"
        return Attention("waiting", "unseen", why, since, soon, since)
    who = f"{arrival.claimed_by} has it" if arrival.claimed_by else "nobody has it yet"
    return Attention("waiting", "waiting", f"Waiting for {spell(now - since)}, {who}", since, soon, since)


def _shows(order: Order) -> float | None:
    """The instant from which an order for later stands on the board; None where it does so anyway."""
    if order.house is None or order.house.shows is None or order.stage not in UNBEGUN:
        return None
    begins = starts(order)
    # A flag is something a person has yet to see; "rescheduled" says a new time and no more.
    if begins is None or order.arrival is not None or order.flags not in ((), ("rescheduled",)):
        return None
    return begins - order.house.shows


ASKING: Final = frozenset({"preparing", "reviewing"})  # stages in which an answer still counts


def _asked(order: Order, now: float, later: float | None) -> Attention:
    stamps = [order.stamps.get("done:" + item.id) for item in order.items or () if item.asked]
    since = soonest(*(instant(stamp) for stamp in stamps if stamp is not None)) or order.updated_at
    why = f"{order.asked} replacement{'s' if order.asked > 1 else ''} unanswered"
    return Attention("stuck", "unanswered", why, since, soonest(later, answer_by(order, now)), since)


def answer_by(order: Order, now: float) -> float | None:
    """When picking should be over, and the customer's answer too late; None once that has passed."""
    over = order.updated_at + tally(order)[2] * (order.own or pace_of(order).item)
    return over if over > now else None


def _held(order: Order, due: float | None) -> Attention:
    flag, words = (
        ("on_hold", "On hold") if "customer_missing" not in order.flags else ("customer_missing", "Customer missing")
    )
    said = order.reason.description or order.reason.code if order.reason else None
    stamp = order.stamps.get("flag:" + flag)
    since = order.updated_at if stamp is None else instant(stamp)
    return Attention("stuck", flag, f"{words}: {said}" if said else words, since, due, due)


def _risk(order: Order, due: float) -> float | None:
    """The instant from which the forecast ends too near the promise."""
    left = work(order)
    if left is None:
        return None
    began, step, rest = left
    edge = due - RISK_MARGIN - rest
    return edge if began + step <= edge else min(began, edge)
