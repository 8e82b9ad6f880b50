"""Orders as the public JSON has them: RFC 3339 UTC, decimal strings, ids as text."""

from datetime import UTC, datetime
from typing import Any

from app.orders import Arrival, Item, Order, Promise, attention
from app.store.orders import Entry
from app.trips import Fix


def stamp(instant: float | None) -> str | None:
    if instant is None:
        return None
    moment = datetime.fromtimestamp(instant, UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond >= 1000 else "seconds").replace("+00:00", "Z")


def shaped(order: Order, now: float, where: Fix | None = None) -> dict[str, Any]:
    """One order, every field present."""
    seen = attention(order, now)
    return {
        "source": order.source,
        "provider": order.provider,
        "ref": order.ref,
        "code": order.code,
        "store": order.store,
        "fulfilment": order.fulfilment,
        "stage": order.stage,
        "raw_status": order.raw_status,
        "flags": list(order.flags),
        "reason": order.reason and {"code": order.reason.code, "description": order.reason.description},
        "placed_at": stamp(order.placed_at or order.first),
        "promised": _window(order.promised),
        "previous_promise": _window(order.previous_promise),
        "customer": order.customer
        and {name: getattr(order.customer, name) for name in ("name", "phone", "email", "external_id")},
        "items": None if order.items is None else [_item(item) for item in order.items],
        "total": order.total and {"amount": order.total.amount, "currency": order.total.currency},
        "shopper": order.shopper
        and {name: getattr(order.shopper, name) for name in ("id", "name", "picture_url")},
        "shopper_location": where
        and {"latitude": where.latitude, "longitude": where.longitude, "at": stamp(where.at)},
        "destination": order.destination
        and {name: getattr(order.destination, name) for name in ("address", "latitude", "longitude")},
        "handling": order.handling
        and {name: getattr(order.handling, name) for name in order.handling.__struct_fields__},
        "delivery_code": order.delivery_code,
        "bags": order.bags,
        "arrival": _arrival(order.arrival),
        "attention": {"level": seen.level, "why": seen.why, "since": stamp(seen.since)},
        "timeline": [
            {"stage": line.stage, "at": stamp(line.at), "raw": line.raw, "by": line.by} for line in order.timeline
        ],
        "version": order.version,
        "updated_at": stamp(order.updated_at),
    }  # fmt: skip


def _window(promise: Promise | None) -> dict[str, str | None] | None:
    return None if promise is None else {"from": stamp(promise.start), "to": stamp(promise.end)}


def _item(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "image_url": item.image_url,
        "quantity": item.quantity,
        "unit": item.unit,
        "fulfilled": item.fulfilled,
        "fulfilled_unit": item.fulfilled_unit,
        "state": item.state,
        "replacements": [
            {name: getattr(one, name) for name in ("id", "name", "quantity", "unit", "image_url")}
            for one in item.replacements
        ],
    }


def _arrival(arrival: Arrival | None) -> dict[str, Any] | None:
    if arrival is None:
        return None
    return {
        "state": arrival.state,
        "bay": arrival.bay,
        "vehicle": arrival.vehicle,
        "at": stamp(arrival.at),
        "shown_at": stamp(arrival.shown_at),
        "claimed_by": arrival.claimed_by,
    }


def ledgered(entry: Entry) -> dict[str, Any]:
    return {
        "received": stamp(entry.heard),
        "event_time": stamp(entry.at),
        "verdict": entry.verdict,
        "name": entry.name,
        "by": entry.by,
        "note": entry.note,
        "body": entry.body.decode("utf-8", "replace"),
    }
