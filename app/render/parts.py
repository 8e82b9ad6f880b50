"""What stands on a customer's page until the facts that it tells change: most parts outlive most changes."""

from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup

PAGES_MOST: Final = 4096  # pages whose parts are remembered


class Parts:
    """The parts of one page, each with the facts it was drawn from. `draw` fills a part's template."""

    __slots__ = ("_draw", "_made")

    def __init__(self, draw: Callable[[str, dict[str, Any]], Markup]) -> None:
        self._draw = draw
        self._made: dict[str, tuple[tuple[Any, ...], Markup]] = {}

    def keep(self, name: str, facts: tuple[Any, ...], values: Callable[[], dict[str, Any]]) -> Markup:
        """A part as it was drawn last, or anew where one of `facts` is another. They must hold everything `values`
        looks at; of an order's fields that stayed the same the very objects are compared, so this costs little."""
        known = self._made.get(name)
        if known is not None and known[0] == facts:
            return known[1]
        made = self.once(name, values())
        self._made[name] = facts, made
        return made

    def once(self, name: str, values: dict[str, Any]) -> Markup:
        """A part that is not remembered."""
        return self._draw(name, values)
