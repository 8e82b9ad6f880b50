"""The map beside the board: who is on the way for a store, how far, and how old that is. Nobody's address."""

from collections.abc import Sequence
from datetime import tzinfo
from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup

from app.orders import Order, deadline
from app.render.cards import first, initial
from app.render.drawing import Frame, Spot, picture
from app.render.local import distance, hour
from app.render.times import ago
from app.render.trip import place
from app.render.words import words
from app.settings import Store
from app.trips import Trip, minutes

PAPER: Final = Frame(360.0, 300.0, 34.0, 30.0, 44.0)
WORDS: Final = SimpleNamespace(map_north="N", map_in="Zoom in", map_out="Zoom out")
LATE: Final = {True: "late", False: ""}


def shown(store: Store, going: Sequence[tuple[Order, Trip]], ids: Sequence[str], now: float) -> dict[str, Any]:
    """`ids`: of the orders' cards. Who was not seen for too long is named, and not drawn."""
    home, tag = place(store), words("en", store.timezone).tag
    rows = [_row(order, trip, card, now, store.zone, tag) for (order, trip), card in zip(going, ids, strict=True)]
    rows.sort(key=lambda row: (row.left is None, row.left or 0.0, row.code))
    spots = [Spot("shop", home, "Shop", 14.0)] if home is not None else []
    spots += [
        Spot("who", trip.fix.point, _code(order)[:10], 9.0, card, trip.fix.at, trip.level)
        for (order, trip), card in zip(going, ids, strict=True)
        if trip.fix is not None
    ]
    middle = home or (spots[0].at if spots else None)
    drawn = len(spots) > (home is not None)
    return {
        "rows": rows, "chart": picture(spots, middle, tag, PAPER) if middle is not None and drawn else None,
        "plain": f"{len(rows)} under way, in the list below.", "words": WORDS,
    }  # fmt: skip


def _code(order: Order) -> str:
    return order.code or order.ref[-6:]


def _row(order: Order, trip: Trip, card: str, now: float, zone: tzinfo, tag: str) -> SimpleNamespace:
    customer = initial(order.customer.name if order.customer else None)
    estimate, due = trip.estimate and minutes(trip.estimate, now), deadline(order)
    return SimpleNamespace(
        card=card,
        code=_code(order),
        who=first(order.shopper.name) if order.shopper else "",
        customer=customer,
        left=trip.left,
        far=distance(trip.left, tag) if trip.left is not None else "",
        age=ago(trip.seen, now) if trip.seen is not None else Markup(""),
        seen=int(trip.seen or 0),
        level=trip.level if trip.seen is not None else "lost",
        range=f"{hour(estimate[0], zone, tag)}–{hour(estimate[1], zone, tag)}" if estimate else "",
        late=LATE[bool(estimate and due is not None and estimate[0] > due)],
    )
