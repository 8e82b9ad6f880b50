"""What a screen on the wall says of an order, and who is called."""

from typing import Any

import pytest

from app.orders import Arrival, Customer, Entry, Mark, Order, Promise, Stamp
from app.render import Card, Renderer
from app.render.screens import call, known, soon
from app.render.words import words as speak
from app.settings import Store

NOW = 1_800_000_000.0
RENDER = Renderer({"68": Store(id="68", name="Shop", timezone="UTC")}, feeds={}, public_url="")


def order(stage: str, **more: Any) -> Order:
    plain: dict[str, Any] = {"fulfilment": "pickup", "heard": NOW, "updated_at": NOW - 30, "code": "G1", "store": "68"}
    return Order(source="s", provider="jane", ref="r", first=NOW - 900, stage=stage, **{**plain, **more})


def html(card: Card | None) -> str:
    assert card is not None
    return card.html


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Ada Smith", "Ada"), ("  Ada  Smith", "Ada"), ("", ""), (None, ""), ("ada@x.org", ""), ("+1 555 0100", "")],
)
def test_of_a_name_only_the_first(name: str | None, shown: str) -> None:
    assert known(order("ready", customer=Customer(name)))["name"] == shown


@pytest.mark.parametrize(
    ("stage", "more", "place"),
    [
        ("confirmed", {}, None),
        ("preparing", {}, "soon"),
        ("staged", {}, "soon"),
        ("ready", {}, "called"),
        ("arrived", {"fulfilment": "curbside"}, "called"),
        ("ready", {"fulfilment": "delivery"}, None),
        ("ready", {"arrival": Arrival("here", NOW)}, "called"),
        ("ready", {"arrival": Arrival("handed_over", NOW)}, None),
    ],
)
def test_who_is_called(stage: str, more: dict[str, Any], place: str | None) -> None:
    found = call(order(stage, **more), NOW, speak("en"))
    assert (found and found[0]) == place


def test_what_is_ready_is_new_for_a_minute() -> None:
    since = (Entry("preparing", NOW - 500), Entry("ready", NOW - 59))
    assert 'class="new"' in html(RENDER.ready_card(order("ready", timeline=since), NOW))
    assert 'class="new"' not in html(RENDER.ready_card(order("ready", timeline=since), NOW + 2))


@pytest.mark.parametrize(("left", "words"), [(1, "about 5 min"), (300, "about 5 min"), (301, "about 10 min")])
def test_about_how_long(left: float, words: str) -> None:
    assert soon(NOW + left, NOW, speak("en")) == words
    assert soon(NOW - left, NOW, speak("en")) == "any moment"


@pytest.mark.parametrize(
    ("more", "lane", "words"),
    [
        ({"arrival": Arrival("here", NOW - 10, bay="2")}, "now", "Nobody yet"),
        ({"arrival": Arrival("claimed", NOW - 10, claimed_by="sam lee")}, "now", "Sam has it"),
        ({"arrival": Arrival("cannot_find", NOW - 10)}, "now", "Can’t find"),
        ({"stage": "preparing", "promised": Promise(None, NOW - 60)}, "now", "Late, picking"),
        ({"stage": "preparing", "flags": ("on_hold",)}, "picking", "On hold"),
        ({"stage": "in_transit", "fulfilment": "delivery"}, "courier", "Left "),
        ({"bags": 2}, "ready", "2 bags"),
        ({}, "ready", "On the shelf"),
        ({"stage": "placed"}, "new", ""),
    ],
)
def test_a_screen_says_the_first_of_what_matters(more: dict[str, Any], lane: str, words: str) -> None:
    card = RENDER.screen_card(order(**{"stage": "ready", **more}), NOW)
    assert card is not None
    assert card.lane == lane
    assert words in card.html


def test_what_a_screen_leaves_out() -> None:
    assert RENDER.screen_card(order("cart"), NOW) is None
    assert (
        RENDER.screen_card(
            order("fulfilled", ended_at=NOW, end=Mark("fulfilled", "", Stamp(NOW, NOW), Stamp(None, NOW))), NOW
        )
        is None
    )
    assert "<b>&lt;" in html(RENDER.ready_card(order("ready", code="<b>"), NOW))
