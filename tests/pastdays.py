"""A day's orders, put into the store as the intake would have left them."""

import random
from collections.abc import Iterable
from typing import Any

from app.main import House
from app.orders import Arrival, Entry, Mark, Order, Promise, Stamp
from app.store.orders import Entry as Line
from app.store.orders import Write, line

WAY = (("placed", 0), ("preparing", 240), ("picked", 1500), ("staged", 1560), ("ready", 1620))


def over(ref: str, came: float, **said: Any) -> Order:
    """An order that came in at `came` and was handed over 40 minutes later, 90 s after the customer's check-in."""
    ended = said.pop("ended_at", came + 2400.0)
    waited = said.pop("waited", 90.0)
    plain: dict[str, Any] = {
        "source": "jane-68", "provider": "jane", "ref": ref, "first": came, "placed_at": came, "store": "68",
        "stage": "fulfilled", "fulfilment": "curbside", "code": f"G{ref}", "promised": Promise(came, came + 3600),
        "timeline": (*(Entry(stage, came + after) for stage, after in WAY), Entry("fulfilled", ended)),
        "ended_at": ended, "version": 6, "rev": 6, "updated_at": ended, "heard": ended,
        "end": Mark("fulfilled", "done", Stamp(ended, ended), Stamp(ended, ended)),
    }  # fmt: skip
    if waited is not None:
        plain["arrival"] = Arrival("handed_over", ended - waited, bay="1", ended_at=ended, before="claimed")
    return Order(**{**plain, **said})


async def put(house: House, orders: Iterable[Order]) -> None:
    for order in orders:
        entry = line(Line(order.first, None, "applied", "new", "jane"))
        state = "done" if order.end is not None else "open"
        await house.site.orders.commit(
            Write(order.key, "", "", entry, order.first, order=order, changed=True, state=state)
        )


def busy(day: float, count: int, seed: int = 1, end: float = 10**12) -> list[Order]:
    """`count` orders of a day that begins at `day`, most of them in the middle of it."""
    dice, made = random.Random(seed), []
    while len(made) < count:
        came = day + 3600 * min(max(dice.gauss(12.5, 2.4), 8.0), 19.5)
        took = dice.uniform(1500, 3400) + (900 if came > day + 12.8 * 3600 else 0)
        pickup = dice.random() < 0.6
        ended, kind = came + took, "curbside" if pickup else "delivery"
        if ended > end:
            count -= 1
            continue
        way = [("placed", 0.0), ("preparing", 0.1), ("picked", 0.55), ("ready", 0.65)]
        way += [] if pickup else [("in_transit", 0.75)]
        timeline = (*(Entry(stage, came + took * part) for stage, part in way), Entry("fulfilled", ended))
        source, provider = ("jane-68", "jane") if pickup else ("lola", "lolamarket")
        made.append(
            over(
                f"{seed}-{len(made)}", came, ended_at=ended, fulfilment=kind, timeline=timeline, source=source,
                provider=provider, waited=dice.lognormvariate(4.5, 0.5) if pickup else None,
                promised=Promise(came, came + 3500),
            )
        )  # fmt: skip
    return made
