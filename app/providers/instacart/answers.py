"""What the answers of Instacart's post-checkout calls say of an order."""

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from app.errors import Unreadable
from app.orders import Destination, Handling, Item, OrderEvent, Promise, Replacement, Shopper
from app.providers.contract import Follow, Location, Reply, digest, instant, normal, read, text
from app.providers.instacart.shapes import DETAILS, DOOR, LINES, PLACE, Address, Details, Door, Good, Line, Window
from app.providers.instacart.states import fulfilment, meaning, outcome, unanswered
from app.settings import Source

LINES_MOST: Final = 500
ID_MOST: Final = 128


def event(source: Source, follow: Follow, name: str, reply: Reply, **said: Any) -> OrderEvent:
    """Each answer counts once, also one that repeats an earlier one's words: states go back and forth."""
    return OrderEvent(
        source=source.id,
        provider="instacart",
        ref=follow.ref,
        name=name,
        digest=digest(name, follow.ref, repr(reply.asked), reply.body),
        policy="snapshot",
        heard=reply.asked,
        store=follow.store,
        home=source.fallback,
        **said,
    )


def order(source: Source, follow: Follow, reply: Reply) -> OrderEvent:
    body = read(reply.body, DETAILS)
    kind = fulfilment(body.fulfillment_type, body.pickup_category)
    stage, flags = meaning(normal(body.workflow_state), kind)
    return event(
        source,
        follow,
        "order",
        reply,
        stage=stage,
        flags=flags,
        raw_status=text(body.workflow_state, 80),
        code=follow.ref[-6:],
        fulfilment=kind,
        placed_at=instant(body.creation_date, source.zone),
        promised=_promise(source, body.fulfillment_details),
        **_basket(follow, body),
    )


def _promise(source: Source, window: Window | None) -> Promise | None:
    if window is None:
        return None
    promise = Promise(instant(window.window_starts_at, source.zone), instant(window.window_ends_at, source.zone))
    return None if promise == Promise() else promise


def _basket(follow: Follow, body: Details) -> dict[str, Any]:
    """Instacart never learns what a last-mile order holds: the shop may have told us."""
    known = follow.items is not None and fulfilment(body.fulfillment_type, None) == "last_mile"
    return {"items": follow.items, "whole": True} if known else {}


def items(source: Source, follow: Follow, reply: Reply) -> OrderEvent:
    rows = read(reply.body, LINES).line_items
    if len(rows) > LINES_MOST:
        raise Unreadable(f"There are more than {LINES_MOST} line items.")
    lines: dict[str, Item] = {}
    for row in rows:
        own = _free(row.id, lines)
        lines[own] = _line(own, row)
    return event(source, follow, "items", reply, items=tuple(lines.values()), whole=True)


def _free(said: str | int, lines: dict[str, Item]) -> str:
    """The id, numbered from the second time on that a list has it."""
    own = text(said, ID_MOST + 1)
    if own is None or len(own) > ID_MOST:
        raise Unreadable(f"The id of a line item must have 1 to {ID_MOST} characters.")
    count, key = 1, own
    while key in lines:
        count += 1
        key = f"{own}#{count}"
    return key


def _line(own: str, row: Line) -> Item:
    good = row.item or Good()
    state = outcome(row.status, row.replacement_status)
    return Item(
        own,
        name=text(good.name),
        quantity=_number(good.quantity),
        unit=_unit(good),
        state=state,
        replacements=(_instead(row.replacement),) if row.replacement is not None and state == "replaced" else (),
        image_url=_picture(good.image_url),
        asked=state == "replaced" and unanswered(row.replacement_status),
    )


def _instead(good: Good) -> Replacement:
    """A line has one replacement at most, and it has no id."""
    return Replacement("1", text(good.name), _number(good.quantity), _unit(good), _picture(good.image_url))


def _number(said: str | float | None) -> float | None:
    """Of a decimal in a string; None where it is no plain quantity."""
    try:
        number = Decimal(str(said))
    except InvalidOperation:
        return None
    return float(number) if number.is_finite() and 0 <= number <= 10**9 else None


def _unit(good: Good) -> str | None:
    unit = text(good.cost_unit, 20)
    return unit and unit.lower()


def _picture(url: object) -> str | None:
    return url if isinstance(url, str) and url.startswith("https://") and text(url, 2000) == url else None


def handling(source: Source, follow: Follow, reply: Reply) -> OrderEvent:
    door = read(reply.body, DOOR)
    shown = Handling(
        instructions=text(door.instructions, 400),
        dropoff=text(door.dropoff_location, 400),
        notes=text(door.notes, 400),
        leave_unattended=bool(door.leave_unattended),
        alcoholic=bool(door.alcoholic),
        certified=bool(door.certified_delivery),
    )
    return event(
        source, follow, "handling", reply, handling=shown, destination=_destination(door), shopper=_shopper(door)
    )


def _destination(door: Door) -> Destination | None:
    point = door.coordinates
    address = _address(door.address or Address())
    if point is None:
        return None if address is None else Destination(address)
    return Destination(address, point.latitude, point.longitude)


def _address(said: Address) -> str | None:
    town = " ".join(filter(None, (text(said.administrative_area), text(said.postal_code))))
    parts = (text(said.address_line_1), text(said.address_line_2), text(said.locality), town)
    return ", ".join(filter(None, parts)) or None


def _shopper(door: Door) -> Shopper | None:
    """The shopper's fields are not published: the likely ones are looked for, and none of them can be wrong."""
    said = door.shopper if isinstance(door.shopper, dict) else {}
    name = _first(said, "name", "full_name", "display_name", "first_name")
    picture = _first(said, "picture_url", "avatar_url", "image_url", "photo_url", "profile_image_url")
    shopper = Shopper(text(_first(said, "id", "shopper_id"), ID_MOST), text(name), _picture(picture))
    return None if shopper == Shopper() else shopper


def _first(said: dict[Any, Any], *names: str) -> object:
    return next((said[name] for name in names if said.get(name) is not None), None)


def location(reply: Reply) -> Location | None:
    """None where there is no position yet: outside of a delivery the answer is empty."""
    place = read(reply.body, PLACE) if reply.body.strip() else None
    point = place.coordinates if place is not None else None
    return None if point is None else Location(point.latitude, point.longitude, reply.asked)
