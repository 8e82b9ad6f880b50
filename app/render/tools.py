"""What the staff's board offers beside its cards: filters and keys, by name."""

from typing import Any, Final

# what a card's data-kind can be, its icon and its word
FILTERS: Final = (
    ("delivery", "bike", "Delivery"),
    ("curbside", "car-front", "Curbside"),
    ("pickup", "shopping-bag", "Pickup"),
    ("instore", "shopping-basket", "In store"),
)
# what a card's data-attention can be
MARKED: Final = (
    ("waiting", "car-front", "Waiting"),
    ("lost", "user-round-search", "Can’t find"),
    ("late", "clock-alert", "Late"),
    ("at_risk", "hourglass", "At risk"),
    ("stuck", "circle-question-mark", "Stuck"),
    ("hold", "circle-pause", "On hold"),
    ("soon", "navigation", "On the way"),
)
KEYBOARD: Final = (
    (("J", "↓"), "Next card"),
    (("K", "↑"), "Card before"),
    (("←", "→"), "Between lanes"),
    (("0",), "Now"),
    (("1", "–", "5"), "A lane: New … Done"),
    (("Enter",), "Why does it say that"),
    (("C",), "I’ll take it"),
    (("L",), "Can’t find"),
    (("H",), "Handed over"),
    (("U",), "Undo, for ten seconds"),
    (("N",), "New order"),
    (("/",), "Find an order"),
    (("F",), "Filter"),
    (("X",), "Clear search and filters"),
    (("V",), "View: density and columns"),
    (("D",), "Comfortable or compact"),
    (("M",), "Map of who is on the way"),
    (("S",), "Sound"),
    (("Esc",), "Close, or end the search"),
    (("?",), "This sheet"),
)


def toolbox(chips: list[dict[str, Any]]) -> dict[str, Any]:
    """What the board's tools are drawn from. `chips`: the feeds whose orders may come, as `feeds.html` has them."""
    labels = [chip["label"] for chip in chips]
    names = [chip["label"] if labels.count(chip["label"]) == 1 else chip["source"] for chip in chips]
    systems = [(chip["source"], chip["shape"], chip["letter"], name) for chip, name in zip(chips, names, strict=True)]
    return {"filters": FILTERS, "marks": MARKED, "keyboard": KEYBOARD, "systems": systems}
