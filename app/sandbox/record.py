"""Lolamarket's own record of an order: what its orders call shows while the webhooks tell the news."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from app.sandbox import goods
from app.sandbox.deeds import Shown
from app.sandbox.shopper import KILOGRAMS, UNIT, Article

STATUSES = {"in picking": "IN_PICKING", "in transit": "IN_TRANSIT", "on hold": "ON_HOLD"}
SORTED = {
    "item picked": "PICKED",
    "item replaced": "REPLACED",
    "item not found": "NOT_FOUND",
    "item added": "PICKED",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line as it stands: its status, what was asked for and, once picked, what is in the bag."""

    good: goods.Good
    status: str
    asked: tuple[float, str]
    picked: tuple[float, str] | None = None


def pending(lines: Sequence[goods.Line]) -> tuple[Row, ...]:
    return tuple(Row(line.good, "PENDING", (line.quantity, KILOGRAMS if line.kilograms else UNIT)) for line in lines)


def after(rows: tuple[Row, ...], kind: str, articles: Sequence[Article]) -> tuple[Row, ...]:
    """The rows once this event has happened."""
    if kind not in SORTED:
        return rows
    article = articles[0]
    item = str(article["itemId"])
    good = goods.by_item(item)
    picked = None if kind == "item not found" else _amount(article, "quantityFulfilled")
    row = Row(good, SORTED[kind], _amount(article, "quantityRequested"), picked)
    if any(other.good == good for other in rows):
        return tuple(row if other.good == good else other for other in rows)
    return (*rows, row)


def _amount(article: Article, name: str) -> tuple[float, str]:
    quantity, unit = article[name], article[f"{name}Unit"]
    assert isinstance(quantity, float | int)
    return float(quantity), str(unit)


def shown(
    order: tuple[str, str, str],
    kind: str,
    rows: Sequence[Row],
    slot: Mapping[str, str],
    shopper: Mapping[str, str] | None,
    times: Sequence[datetime],
) -> Shown:
    """`order` is its id, the retailer's reference and the currency. There is no status for an order that is being
    returned, so it stays in transit."""
    own, ref, currency = order
    document = {
        "id": own,
        "orderRef": ref,
        "status": f"ORDER_{_status(kind)}",
        "timeslotId": slot["id"],
        "serviceDate": {"fromDate": slot["fromDate"], "toDate": slot["toDate"]},
        "shopperId": shopper["id"] if shopper else None,
        "articles": [_article(row, currency) for row in rows],
        "totals": {
            "amountCharged": {"amount": round(sum(_price(row) for row in rows), 2), "currency": currency},
            "estimatedWeight": round(0.4 * len(rows), 2),
            "bagCount": 1 + len(rows) // 8 if kind in ("picked", "in transit", "delivered") else 0,
        },
        "createdAt": times[0].isoformat(),
        "updatedAt": times[-1].isoformat(),
    }
    return Shown("lolamarket", own, msgspec.json.encode(document))


def _status(kind: str) -> str:
    if kind in SORTED:
        return "IN_PICKING"
    return "IN_TRANSIT" if kind == "in return" else STATUSES.get(kind, kind.upper())


def _article(row: Row, currency: str) -> dict[str, object]:
    return {
        "sku": row.good.item,
        "shortDescription": row.good.name,
        "EANs": [row.good.scan] if row.good.scan else [],
        "status": row.status,
        "requested": {"quantity": row.asked[0], "unit": row.asked[1]},
        "picked": {"quantity": row.picked[0], "unit": row.picked[1]} if row.picked else None,
        "unitPrice": {"amount": row.good.price, "currency": currency},
        "buyingPrice": {"amount": _price(row), "currency": currency},
    }


def _price(row: Row) -> float:
    return round(goods.cost(goods.Line(row.good, row.asked[0], row.asked[1] == KILOGRAMS)), 2)
