"""What cards and drawers say of moves by hand, unseen check-ins, unanswered replacements and orders for later."""

from typing import Any

import pytest
from test_render import NOW, STORE, Reader, renderer, text

from app.orders import MANUAL, Arrival, Entry, Hand, House, Item, Order, Pace, Promise, Stamp
from app.render.ledger import Line

MINUTE = 60.0
HOSTILE = "<script>alert(1)</script>\"'"


def order(**more: Any) -> Order:
    known: dict[str, Any] = {"source": "jane-68", "provider": "jane", "ref": "c1", "code": "G19", "store": "68"}
    known |= {"first": NOW - 900, "heard": NOW, "updated_at": NOW, "stage": "preparing", "fulfilment": "curbside"}
    return Order(**known | more)


def drawn(what: Order, pane: str = "board") -> str:
    card = renderer().panes[pane].card(what, NOW)
    assert card is not None
    return card.html


def goods(done: int, left: int, asked: int = 0) -> tuple[Item, ...]:
    states = ["replaced"] * asked + ["found"] * (done - asked) + ["pending"] * left
    return tuple(Item(str(n), "x", 1, state=state, asked=n < asked) for n, state in enumerate(states))


def test_at_risk_says_how_far_and_when() -> None:
    risky = order(items=goods(9, 13), promised=Promise(None, NOW + 900), own=60.0, asked=1)
    assert "At risk 9 of 22 picked, 1 replacement unanswered, done ~" in text(drawn(risky))
    for pane in ("board", "screen"):
        assert "done ~" in text(drawn(risky, pane))


def test_what_has_not_begun_is_at_risk_by_the_stores_own_pace_alone() -> None:
    waits = order(stage="confirmed", items=goods(0, 20), promised=Promise(None, NOW + 1500))
    assert 'data-lane="new"' in drawn(waits)
    waits.house = House(Pace(item=70.0, picked=60.0, learnt=40))
    assert "At risk not started, done ~" in text(drawn(waits))


@pytest.mark.parametrize(("left", "words"), [(3, "on 2 replacements, by ~"), (0, "on 2 replacements before checkout")])
def test_an_unanswered_question_stands_in_now_until_it_is_answered(left: int, words: str) -> None:
    asks = order(items=goods(6, left, asked=2), stamps={"items": Stamp(None, NOW)}, asked=2)
    assert 'data-lane="needs"' in drawn(asks)
    assert f"No answer {words}" in text(drawn(asks))
    assert "No answer on 2" in text(drawn(asks, "screen"))
    asks.asked = 0
    assert 'data-lane="picking"' in drawn(asks)


def test_a_check_in_that_nobody_has_seen_is_an_alarm_on_board_and_wall() -> None:
    here = order(stage="ready", arrival=Arrival("here", NOW - 20, "2"))
    for pane, words in {"board": "Nobody has seen this check-in", "screen": "Not seen yet"}.items():
        assert 'data-alarm="unseen"' in drawn(here, pane)
        assert words in text(drawn(here, pane))
    early = order(stage="ready", arrival=Arrival("here", NOW - 19, "2"))
    seen = order(stage="ready", arrival=Arrival("here", NOW - 90, "2", shown_at=NOW - 80))
    taken = order(stage="ready", arrival=Arrival("claimed", NOW - 90, "2", claimed_by="Sam"))
    for other in (early, seen, taken):
        assert "data-alarm" not in drawn(other) + drawn(other, "screen")


def test_an_order_for_later_is_a_row_of_its_own_and_not_on_the_wall() -> None:
    later = order(stage="placed", promised=Promise(NOW + 7200, None), house=House(shows=3600.0), items=goods(0, 7))
    assert 'data-lane="later"' in drawn(later)
    assert "7 items" in text(drawn(later))
    assert renderer().panes["screen"].card(later, NOW) is None
    assert drawn(later) in renderer().board(STORE, [renderer().card(later, NOW)])  # type: ignore[list-item]


def drawer(what: Order, *lines: Line) -> str:
    return renderer().drawer(what, NOW, base="/b", lines=list(lines), calls=[], links=[])


def test_moves_by_hand_are_marked_and_offered() -> None:
    moved = order(stage="ready", hand=Hand("Mara", NOW), timeline=(Entry("ready", NOW, "by hand", "Mara"),))
    assert "Moved by hand, Mara" in text(drawn(moved))
    shown = drawer(moved, Line(NOW, None, "applied", "by hand", "Mara", "ready"))
    assert "Moved by hand: ready" in text(shown)
    assert "Jane is not told" in text(shown)
    sent = [value for name, value in Reader(shown).attributes if name == "hx-vals"]
    stages = ["placed", "preparing", "fulfilled", "canceled", ""]  # where it is now is not offered; "" takes it back
    assert [value for value in sent if "stage" in value] == [f'{{"stage":"{stage}"}}' for stage in stages]


def test_a_manual_order_has_nothing_to_take_back_and_a_walk_no_moves() -> None:
    entered = drawer(order(source=MANUAL, provider=MANUAL), Line(NOW, None, "applied", "by hand", "Mara"))
    assert "Entered by hand" in text(entered)
    assert '"stage":""' not in entered
    assert "moves" not in drawer(order(fulfilment="in_store", stage="cart"))


def test_a_hostile_name_stays_text() -> None:
    moved = order(stage="ready", hand=Hand(HOSTILE, NOW), timeline=(Entry("ready", NOW, "by hand", HOSTILE),))
    plain = order(stage="ready", hand=Hand("Mara", NOW), timeline=(Entry("ready", NOW, "by hand", "Mara"),))
    for draw in (drawn, lambda what: drawer(what, Line(NOW, None, "applied", "by hand", what.hand.by, "ready"))):
        assert Reader(draw(moved)).tags == Reader(draw(plain)).tags
