"""A customer's items in groups."""

from collections.abc import Callable
from typing import Final

from markupsafe import Markup

from app.orders import RANK, Item, Order
from app.render.local import number
from app.render.words import Words

Group = Callable[[str, bool, str, str, int], list[str]]  # of state, open at first, words, icon, how many
UNITS: Final[dict[str | None, str]] = {
    None: "",
    "unit": "",
    "units": "",
    "each": "",
    "kilograms": "kg",
    "grams": "g",
    "liters": "l",
    "pounds": "lb",
}


def groups(order: Order, words: Words, row: Callable[[Item], Markup], group: Group) -> str:
    """What became of the lines: a group of each state that occurs. `row` draws one line, `group` what stands before
    and after a group's rows."""
    by: dict[str, list[Item]] = {}
    for item in order.items or ():
        by.setdefault(item.state, []).append(item)
    made: list[str] = []
    for state, heading, icon, wide in words.groups:
        items = by.get(state)
        if items is None:
            continue
        if state == "pending":
            heading, wide = _todo(order, words, heading), len(by) == 1
        opening, closing = group(state, wide, heading, icon, len(items))
        made += (opening, *map(row, items), closing)
    return "".join(made)


def _todo(order: Order, words: Words, heading: str) -> str:
    """Nothing is called unpicked where the order system never says what was picked."""
    if not order.outcomes or RANK[order.stage] >= RANK["picked"]:
        return words.todo["after"]
    return heading if RANK[order.stage] >= RANK["preparing"] else words.todo["before"]


def line(item: Item, words: Words) -> tuple[str | Markup, str, str | Markup, list[str]]:
    """Quantity, name, what to add at its end, and what came in its place."""
    asked = amount(item.quantity, item.unit, words)
    name = item.name or item.id
    if item.state == "added" and not item.quantity:
        return amount(item.fulfilled, item.fulfilled_unit, words), name, "", []
    if item.state == "replaced":
        return asked, name, "", [_instead(r.name or r.id, r.quantity, r.unit, words) for r in item.replacements]
    got = item.fulfilled
    if item.state == "partial" and got is not None:
        return (
            asked,
            name,
            words.say("part", got=number(got, words.tag), asked=number(item.quantity or 0, words.tag)),
            [],
        )
    if item.state == "found" and got is not None and item.unit != item.fulfilled_unit and item.fulfilled_unit:
        return asked, name, words.say("weighed", got=amount(got, item.fulfilled_unit, words)), []
    return asked, name, "", []


def _instead(name: str, quantity: float | None, unit: str | None, words: Words) -> str:
    """A replacement's own quantity, where it is not one."""
    return name if quantity in (None, 1) else f"{amount(quantity, unit, words)} {name}"


def amount(quantity: float | None, unit: str | None, words: Words) -> str:
    if quantity is None:
        return ""
    short = UNITS.get(unit, unit)
    figure = number(quantity, words.tag)
    return f"{figure} {short}" if short else words.small["units"].format(count=figure)
