"""How a shopper fills a basket: what comes of each line, as Lolamarket's articles."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from app.sandbox import goods

Article = Mapping[str, object]
UNIT, KILOGRAMS = "unit", "kilograms"
OUTCOMES = {"picked": 78, "replaced": 6, "partly replaced": 3, "not found": 6, "partial": 5, "added": 2}


@dataclass(frozen=True, slots=True)
class Pick:
    """One thing a shopper did: the event's kind, its article, and what it leaves in the order's final list."""

    kind: str
    article: Article
    final: tuple[Article, ...]


def shop(lines: Sequence[goods.Line], forced: Sequence[str], rng: Random) -> Iterator[Pick]:
    """A pick for each line, the first of them with the forced outcomes. An added good comes after its line's pick."""
    taken = {line.good.item for line in lines}
    for place, line in enumerate(lines):
        outcome = forced[place] if place < len(forced) else rng.choices(list(OUTCOMES), list(OUTCOMES.values()))[0]
        if outcome == "added":
            yield _picked(line, rng)
            yield _added(_other(line.good, taken, rng), rng)
        elif outcome == "replaced" or (outcome == "partly replaced" and _whole(line) < 2):
            yield _replaced(line, taken, rng)
        elif outcome == "partly replaced":
            yield _partly(line, taken, rng)
        elif outcome == "not found":
            article = _article(line, 0.0, _unit(line))
            yield Pick("item not found", article, (article,))
        else:
            yield _picked(line, rng, short=outcome == "partial")


def added(lines: Sequence[goods.Line], rng: Random) -> Pick:
    """Something nobody had asked for when the order was placed."""
    return _added(_other(lines[0].good, {line.good.item for line in lines}, rng), rng)


def bags(item: str, count: int) -> Article:
    """The line that counts the bags: it asks for twenty and says how many were used."""
    return _row(item, "", 20.0, UNIT, float(count), UNIT)


def returned(article: Article) -> Article:
    """The article on its way back. Here, and only here, a replacement is one object; what was weighed has the
    shopper's own words for it."""
    back = {**article, "returned": True}
    if stand_ins := article.get("replacement"):
        assert isinstance(stand_ins, list)
        first = stand_ins[0]
        weighed = first["quantityFulfilledUnit"] == KILOGRAMS
        own = {"shopperProvidedName": "Loose fruit and vegetables", "shopperProvidedPrice": 2.35} if weighed else {}
        back["replacement"] = {"itemId": first["itemId"], **own}
    return back


def _picked(line: goods.Line, rng: Random, short: bool = False) -> Pick:
    share = rng.choice((0.25, 0.5, 0.75)) if short else 1.0
    if line.kilograms:
        article = _article(line, round(line.quantity * share * (1 if short else rng.uniform(1, 1.08)), 2), KILOGRAMS)
    elif line.good.weighed and not short:
        article = _article(line, goods.weight(line.quantity, rng), KILOGRAMS)
    else:
        article = _article(line, max(1.0, float(int(line.quantity * share))), UNIT)
    return Pick("item picked", article, (article,))


def _added(good: goods.Good, rng: Random) -> Pick:
    article = _row(good.item, good.scan, 0.0, UNIT, float(rng.choice((1, 1, 2, 4))), UNIT)
    return Pick("item added", article, (article,))


def _replaced(line: goods.Line, taken: set[str], rng: Random) -> Pick:
    """All of it by one or two others: the final list shows it in its own line."""
    count = 2 if _whole(line) > 2 and rng.random() < 0.4 else 1
    others = [_stand_in(_other(line.good, taken, rng), max(1, _whole(line) // count), rng) for _ in range(count)]
    article = {**_article(line, 0.0, _unit(line)), "replaced": True, "replacement": others}
    return Pick("item replaced", article, (article,))


def _partly(line: goods.Line, taken: set[str], rng: Random) -> Pick:
    """Some of it by another: the final list shows a shortage, and a line that asked for nothing."""
    missing = rng.randrange(1, _whole(line))
    other = _other(line.good, taken, rng)
    short = _article(line, float(_whole(line) - missing), _unit(line))
    extra = _row(other.item, other.scan, 0.0, UNIT, float(missing), UNIT)
    stand_in = {**_ids(other), "quantityFulfilledUnit": UNIT, "quantityFulfilled": missing}
    return Pick("item replaced", {**short, "replaced": True, "replacement": [stand_in]}, (short, extra))


def _stand_in(good: goods.Good, pieces: int, rng: Random) -> dict[str, object]:
    if good.weighed:
        return {**_ids(good), "quantityFulfilledUnit": KILOGRAMS, "quantityFulfilled": goods.weight(pieces, rng)}
    return {**_ids(good), "quantityFulfilledUnit": UNIT, "quantityFulfilled": pieces}


def _other(good: goods.Good, taken: set[str], rng: Random) -> goods.Good:
    other = goods.neighbour(good, rng, taken)
    taken.add(other.item)
    return other


def _article(line: goods.Line, fulfilled: float, unit: str) -> Article:
    return _row(line.good.item, line.good.scan, line.quantity, _unit(line), fulfilled, unit)


def _row(item: str, scan: str, asked: float, asked_unit: str, fulfilled: float, unit: str) -> Article:
    return {
        "itemId": item,
        "scanCode": scan,
        "quantityRequested": asked,
        "quantityRequestedUnit": asked_unit,
        "quantityFulfilled": fulfilled,
        "quantityFulfilledUnit": unit,
        "replaced": False,
    }


def _ids(good: goods.Good) -> dict[str, object]:
    return {"itemId": good.item, "scanCode": good.scan}


def _unit(line: goods.Line) -> str:
    return KILOGRAMS if line.kilograms else UNIT


def _whole(line: goods.Line) -> int:
    return 1 if line.kilograms else int(line.quantity)
