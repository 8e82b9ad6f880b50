"""What stands on a customer's page until the facts that it tells change: most parts outlive most changes, and most
changes are of the items alone, or of the minute."""

from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup

PAGES_MOST: Final = 4096  # pages whose parts are remembered
SPOT: Final = Markup("<spot>")  # where something else goes: no text on a page can hold it, for want of a bare "<"


class Parts:
    """The parts of one page, each with the facts it was drawn from."""

    __slots__ = ("_around", "_made", "_pieces")

    def __init__(self) -> None:
        self._made: dict[str, tuple[tuple[Any, ...], Markup]] = {}
        self._around: tuple[Any, ...] | None = None
        self._pieces: list[str] = []

    def keep(self, name: str, facts: tuple[Any, ...], draw: Callable[[], Markup]) -> Markup:
        """A part as it was drawn last, or anew where one of `facts` is another. They must hold everything `draw`
        looks at; of an order's fields that stayed the same the very objects are compared, so this costs little."""
        known = self._made.get(name)
        made = known[1] if known is not None and known[0] == facts else draw()
        self._made[name] = facts, made  # these objects, also where they are only equal: the next are compared with them
        return made

    def around(self, facts: tuple[Any, ...] | None, draw: Callable[[], str]) -> list[str]:
        """What stands before, between and after the spots, as for `keep`. None: it changes by the second."""
        if facts is None or facts != self._around:
            self._pieces = draw().split(SPOT)
        self._around = facts
        return self._pieces
