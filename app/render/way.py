"""The map beside the board: who is on the way for a store, how far, and how old that is. Nobody's address."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from types import SimpleNamespace
from typing import Any, Final

from markupsafe import Markup

from app.orders import Order, deadline
from app.render.cards import first, initial
from app.render.drawing import Frame, Spot, picture
from app.render.local import distance
from app.render.times import ago
from app.render.trip import place
from app.render.words import words
from app.settings import Store
from app.trips import Fix, Trip, minutes, trip

PAPER: Final = Frame(360.0, 300.0, 34.0, 30.0, 44.0)
WORDS: Final = SimpleNamespace(map_north="N", map_in="Zoom in", map_out="Zoom out")
LATE: Final = {True: "late", False: ""}


Going = list[tuple[Order, Trip]]


def going(store: Store, orders: Iterable[Order], fixes: Mapping[str, Sequence[Fix]], now: float) -> Going:
    """Those on the way for the store who were seen. `fixes` by order key, oldest first."""
    home = place(store)
    made = ((order, trip(order, fixes.get(order.key, ()), home, now)) for order in orders if order.store == store.id)
    return [(order, one) for order, one in made if one is not None and one.seen is not None]


def shown(store: Store, under_way: Going, ids: Sequence[str], now: float) -> dict[str, Any]:
    """`ids`: of the orders' cards. Who was not seen for too long is named, and not drawn."""
    home, tag = place(store), words("en", store.timezone).tag
    pairs = list(zip(under_way, ids, strict=True))
    rows = [_row(order, one, card, now, store.zone, tag) for (order, one), card in pairs]
    rows.sort(key=lambda row: (row.left is None, row.left or 0.0, row.code))
    spots = [Spot("shop", home, "Shop", 14.0)] if home is not None else []
    spots += [
        Spot("who", one.fix.point, _code(order)[:10], 9.0, card, one.fix.at, one.level)
        for (order, one), card in pairs
        if one.fix is not None
    ]
    middle = home or (spots[0].at if spots else None)
    drawn = len(spots) > (home is not None)
    return {
        "rows": rows, "chart": picture(spots, middle, tag, PAPER) if middle is not None and drawn else None,
        "plain": f"{len(rows)} under way, in the list below.", "words": WORDS,
    }  # fmt: skip


def _code(order: Order) -> str:
    return order.code or order.ref[-6:]


def _hour(at: float, zone: tzinfo) -> str:
    """As boards write it."""
    return f"{datetime.fromtimestamp(at, zone):%H:%M}"


def _row(order: Order, one: Trip, card: str, now: float, zone: tzinfo, tag: str) -> SimpleNamespace:
    customer = initial(order.customer.name if order.customer else None)
    estimate, due = one.estimate and minutes(one.estimate, now), deadline(order)
    return SimpleNamespace(
        card=card,
        code=_code(order),
        who=first(order.shopper.name) if order.shopper else "",
        customer=customer,
        left=one.left,
        far=distance(one.left, tag) if one.left is not None else "",
        age=ago(one.seen, now) if one.seen is not None else Markup(""),
        seen=int(one.seen or 0),
        level=one.level if one.seen is not None else "lost",
        range=f"{_hour(estimate[0], zone)}–{_hour(estimate[1], zone)}" if estimate else "",
        late=LATE[bool(estimate and due is not None and estimate[0] > due)],
    )
