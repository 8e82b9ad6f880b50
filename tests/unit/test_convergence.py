"""The same events in any order, with any repeats, end in the same order; a mix never steps a facet back."""

import copy
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.orders import (
    ENDS,
    RANK,
    Customer,
    Item,
    Order,
    OrderEvent,
    Promise,
    Reason,
    Replacement,
    Shopper,
    apply,
)

T = 1_700_000_000.0
ARRIVAL = {"timeline", "version", "rev", "updated_at"}  # what may depend on the order of arrival
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
FLAGS = ("on_hold", "late", "rescheduled", "returning", "reviewed", "courier_assigned", "payment_failed")


def word(number: int, **more: Any) -> OrderEvent:
    known = {"source": "lola", "provider": "lolamarket", "ref": "1", "name": "word", "policy": "event_time"}
    return OrderEvent(**known | {"digest": f"{number:012d}", "heard": T + 50, "at": T} | more)


def fold(events: Any) -> Order:
    order: Order | None = None
    for event in events:
        order = apply(order, event).order
    assert order is not None
    return order


def final(events: Any) -> dict[str, Any]:
    return {key: value for key, value in msgspec.structs.asdict(fold(events)).items() if key not in ARRIVAL}


# ---- the fifteen events of Lolamarket's document, as they come out of its parser ----

LUKASZ, SLOT = Shopper("shopper-01", "Lukasz", "https://media.invalid/placeholder.jpg"), Promise(1673532000, 1673535600)
FIRST, OLD = Promise(1673445600, 1673449200), Promise(1673431200, 1673434800)
MOVED: dict[str, Any] = {"promised": SLOT, "previous_promise": OLD, "shopper": LUKASZ}
BASKET = (
    Item("12345", None, 3.0, "unit", 1.0, "unit", "partial"),
    Item("9876", None, 0.0, "unit", 2.0, "unit", "added"),
)
SWAPPED = (Replacement("9876", None, 2.0, "unit"), Replacement("98761", None, 1.0, "unit"))
BACK = (
    Item("12345", None, 2.0, "unit", 1.0, "unit", "returned"),
    Item("12346", None, 2.0, "unit", 1.0, "unit", "returned", (Replacement("12345"),)),
    Item("12347", None, 5.0, "unit", 0.43, "kilograms", "returned", (Replacement("12", "Oranges"),)),
)
TOGETHER, HELD, SHUT, RETURNED = 1673375460.0, 1673519651.0, 1673463600.0, 1673550000.0


def lola(number: int, name: str, stage: str | None, at: float = TOGETHER, **more: Any) -> OrderEvent:
    heard = 1673550000.0 + number
    return word(number, name=name, stage=stage, at=at, heard=heard, code="238120381238", fulfilment="delivery", **more)


DOCUMENT = [
    lola(1, "order.confirmed", "confirmed", promised=FIRST),
    lola(2, "order.allocated", "assigned", promised=FIRST, shopper=LUKASZ),
    lola(3, "order.rescheduled", "confirmed", flags=("rescheduled",), **MOVED),
    lola(4, "order.inPicking", "preparing", **MOVED),
    lola(5, "order.item.picked", "preparing", items=(Item("1111", None, 2.0, "unit", 2.0, "unit", "found"),), **MOVED),
    lola(
        6,
        "order.item.replaced",
        "preparing",
        items=(Item("1111", None, 2.0, "unit", 1.0, "unit", "replaced", SWAPPED),),
        **MOVED,
    ),
    lola(
        7,
        "order.item.notFound",
        "preparing",
        items=(Item("1111", None, 2.0, "unit", 0.0, "unit", "not_found"),),
        **MOVED,
    ),
    lola(8, "order.item.added", "preparing", items=(Item("12345", None, 0.0, "unit", 4.0, "unit", "added"),), **MOVED),
    lola(9, "order.picked", "picked", items=BASKET, bags=1, whole=True, **MOVED),
    lola(10, "order.inTransit", "in_transit", items=BASKET, bags=1, whole=True, **MOVED),
    lola(11, "order.picked", "picked", items=BASKET, bags=1, whole=True, **MOVED),
    lola(12, "order.onHold", None, HELD, flags=("on_hold",), reason=Reason("CUSTOMER_NO_SHOW"), items=BASKET, bags=1),
    lola(13, "order.rejected", "rejected", SHUT, reason=Reason("PICKING_LOCATION_NOT_VALID")),
    lola(14, "order.canceled", "canceled", SHUT, reason=Reason("ORDER_CANCELLED_BY_OPS_MANAGER"), **MOVED),
    lola(15, "order.returned", "returned", RETURNED, reason=Reason("CUSTOMER_NO_SHOW"), items=BACK),
]


def test_the_document_ends_where_its_clocks_say() -> None:
    order = fold(DOCUMENT)
    assert (order.stage, order.flags, order.reason) == ("returned", (), Reason("CUSTOMER_NO_SHOW"))
    assert (order.promised, order.previous_promise, order.bags, order.ended_at) == (SLOT, OLD, 1, 1673550013.0)
    assert [item.id for item in order.items or ()] == ["12345", "9876", "12346", "12347"]


def test_four_of_the_document_in_every_order() -> None:
    for chosen in itertools.combinations(DOCUMENT, 4):
        want = final(chosen)
        assert all(final(order) == want for order in itertools.permutations(chosen))


@calm
@given(st.permutations(DOCUMENT + DOCUMENT[::2]))
def test_the_document_in_any_order_with_repeats(events: list[OrderEvent]) -> None:
    assert final(events) == final(DOCUMENT)


# ---- sets made to break it ----

ADVERSARIES = {
    "all at one instant": [word(n, stage=stage) for n, stage in enumerate(["placed", "picked", "ready", "picked"])],
    "ends against clocks": [
        word(1, stage="canceled", at=T + 9),
        word(2, stage="fulfilled", at=T + 5, heard=T + 60),
        word(3, stage="closed", at=T + 1, flags=("reviewed",)),
        word(4, stage="in_transit", at=T + 20, flags=("on_hold",)),
        word(5, flags=("returning",), at=T + 12),
    ],
    "an end that loses was heard first": [
        word(1, stage="failed", at=T + 45, heard=T + 2),
        word(2, stage="fulfilled", at=T, heard=T + 70),
        word(3, stage="rejected", at=T + 50, heard=T + 51),
    ],
    "flags and stages on equal stamps": [
        word(1, flags=("on_hold",), reason=Reason("A")),
        word(2, stage="cart"),
        word(3, stage="preparing", flags=("courier_assigned",)),
        word(4, flags=("on_hold",), reason=Reason("B")),
        word(5, stage="preparing"),
    ],
    "stamps from 1970 to 2100": [
        word(1, stage="picked", at=0.0, code="a"),
        word(2, stage="preparing", at=4_102_444_800.0, code="b"),
        word(3, stage="placed", at=T + 350, code="c"),
        word(4, stage="staged", at=T + 351, code="d"),
        word(5, stage="ready", at=T + 50, code="e"),
    ],
    "lists and merges": [
        word(1, at=T + 1, items=(Item("2", "Milk"), Item("1", "Rye"), Item("3"))),
        word(2, at=T + 2, items=(Item("3"), Item("1")), whole=True),
        word(3, at=T + 3, items=(Item("1", "Oats", state="found"), Item("4"))),
        word(4, at=T + 2, items=(Item("2", image_url="/2.png"), Item("3")), whole=True),
        word(5, at=T + 4, items=(Item("2", state="added"), Item("0"))),
    ],
    "names here and there": [
        word(1, at=T + 1, items=(Item("1", "Milk"),)),
        word(2, at=T + 2, items=(Item("1", "Oat milk"),)),
        word(3, at=T + 3, items=(Item("1", state="found"),)),
        word(4, at=T + 2, items=(Item("9"),), whole=True),
        word(5, at=T + 4, items=(Item("1", image_url="/1.png"),)),
    ],
    "emptied": [
        word(1, at=T + 2, items=(), whole=True),
        word(2, at=T + 1, items=(Item("1", "Milk"),)),
        word(3, at=T + 3, items=(Item("2"),)),
    ],
}


@pytest.mark.parametrize("events", ADVERSARIES.values(), ids=ADVERSARIES.keys())
def test_every_order_of_arrival_and_every_repeat(events: list[OrderEvent]) -> None:
    want = final(events)
    for order in itertools.permutations(events):
        assert final(order) == want
        for again in range(len(order)):
            assert final((*order, order[again])) == want


# ---- drawn ones ----

few = st.integers(0, 4)
lines = st.builds(
    Item,
    id=st.sampled_from(["0", "1", "2", "10", "x"]),
    name=st.sampled_from([None, "Milk", "Rye"]),
    state=st.sampled_from(["pending", "found", "replaced"]),
    image_url=st.sampled_from([None, "/a.png"]),
)


def maybe(strategy: Any) -> Any:
    return st.none() | strategy


facts: dict[str, Any] = {
    "at": st.sampled_from([T, T + 1, T + 2, T + 3, T + 10_000, 0.0]),
    "heard": st.integers(0, 9).map(lambda second: T + 10 + second),
    "stage": maybe(st.sampled_from(sorted(RANK))),
    "flags": st.lists(st.sampled_from(FLAGS), max_size=2, unique=True).map(tuple),
    "reason": maybe(few.map(lambda number: Reason(str(number)))),
    "note": st.booleans(),
    "code": maybe(few.map(str)),
    "bags": maybe(few),
    "customer": maybe(few.map(lambda number: Customer(str(number)))),
    "promised": maybe(few.map(lambda number: Promise(None, T + number))),
    "previous_promise": maybe(few.map(lambda number: Promise(T + number, None))),
    "items": maybe(st.lists(lines, max_size=4, unique_by=lambda item: item.id).map(tuple)),
    "whole": st.booleans(),
}


@st.composite
def stories(draw: st.DrawFn, **fixed: Any) -> list[OrderEvent]:
    drawn = draw(st.lists(st.fixed_dictionaries(facts), min_size=1, max_size=8))
    return [word(number, **facts | fixed) for number, facts in enumerate(drawn)]


@settings(calm, max_examples=400)
@given(stories(), st.data())
def test_any_story_ends_alike(events: list[OrderEvent], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(events), max_size=4))
    assert final(data.draw(st.permutations(events + again))) == final(events)


@calm
@given(stories())
def test_each_facet_is_of_the_newest_event_that_names_it(events: list[OrderEvent]) -> None:
    def stamp(event: OrderEvent) -> tuple[float, int, str]:
        assert event.at is not None
        at = event.heard if event.at > event.heard + 300 else event.at
        return at, RANK[event.stage] if event.stage else 0, event.digest

    order = fold(events)
    for facet in ("code", "bags", "customer", "promised", "previous_promise"):
        named = [event for event in events if getattr(event, facet) is not None]
        assert getattr(order, facet) == (getattr(max(named, key=stamp), facet) if named else None)
    ends = [event for event in events if event.stage in ENDS]
    said = [event for event in events if event.stage]
    if ends:
        assert order.stage == max(ends, key=lambda event: (ENDS[event.stage or ""], stamp(event))).stage
    elif said:
        assert order.stage == max(said, key=stamp).stage


@calm
@given(stories())
def test_nothing_given_is_changed_and_every_order_survives_the_store(events: list[OrderEvent]) -> None:
    order = None
    for event in events:
        before = copy.deepcopy(order)
        after = apply(order, event).order
        assert order == before
        order = msgspec.msgpack.decode(msgspec.msgpack.encode(after), type=Order)
        assert order == after


@calm
@given(stories())
def test_a_version_for_each_difference_and_for_nothing_else(events: list[OrderEvent]) -> None:
    hidden = {
        "version",
        "rev",
        "updated_at",
        "heard",
        "first",
        "ended_at",
        "stamps",
        "open",
        "end",
        "told",
        "gone",
        "listed",
    }
    order = fold(events[:1])
    for event in events[1:]:
        change = apply(order, event)
        old, new = (msgspec.structs.asdict(one) for one in (order, change.order))
        differs = any(old[key] != new[key] for key in old.keys() - hidden)
        assert change.changed == differs
        assert change.order.version == order.version + differs
        assert change.verdict != "late" or not differs
        order = change.order


@calm
@given(stories(policy="forward"), st.booleans())
def test_forward_never_lowers_the_rank(events: list[OrderEvent], timed: bool) -> None:
    order = None
    for event in events:
        after = apply(order, event if timed else msgspec.structs.replace(event, at=None)).order
        if order is not None and order.end is not None:
            assert after.end is not None
            assert ENDS[after.stage] >= ENDS[order.stage]
        elif order is not None and order.open is not None:  # until then the stage is only assumed
            assert RANK[after.stage] >= RANK[order.stage]
        order = after


# ---- pushes with a clock and polls without ----


@st.composite
def mixes(draw: st.DrawFn) -> list[OrderEvent]:
    """Pushes arrive as they are heard; a poll counts from its request and arrives with its answer."""
    seconds = draw(st.lists(st.integers(1, 60), min_size=2, max_size=10, unique=True))
    arriving = []
    for number, heard in enumerate(seconds):
        facets = {"bags": number, "code": str(number) if draw(st.booleans()) else None}
        facets["stage"] = draw(st.sampled_from(["placed", "preparing", "picked", "staged"]))
        if draw(st.booleans()):
            polled = word(number, policy="snapshot", at=None, heard=T + heard, **facets)
            arriving.append((heard + draw(st.sampled_from([0.5, 5.5, 20.5])), polled))
        else:
            happened = draw(st.integers(0, heard))
            arriving.append((float(heard), word(number, at=T + happened + number / 100, heard=T + heard, **facets)))
    return [event for _, event in sorted(arriving, key=lambda pair: pair[0])]


@settings(calm, max_examples=400)
@given(mixes())
def test_a_mix_shows_the_newest_push_or_the_newest_poll_whichever_was_heard_later(events: list[OrderEvent]) -> None:
    for upto in range(1, len(events) + 1):
        order = fold(events[:upto])
        for facet in ("bags", "code", "stage"):
            named = [event for event in events[:upto] if getattr(event, facet) is not None]
            pushes = [event for event in named if event.at is not None]
            polls = [event for event in named if event.at is None]
            newest = [max(pushes, key=lambda event: event.at or 0)] if pushes else []
            newest += [max(polls, key=lambda event: event.heard)] if polls else []
            want = getattr(max(newest, key=lambda event: event.heard), facet) if newest else None
            assert getattr(order, facet) == want


@calm
@given(mixes(), st.data())
def test_in_any_order_a_facet_never_goes_to_what_was_heard_before(
    events: list[OrderEvent], data: st.DataObject
) -> None:
    order, by = None, {event.bags: event for event in events}
    for event in data.draw(st.permutations(events)):
        after = apply(order, event).order
        if order is not None and after.bags != order.bags:
            was, now = by[order.bags], by[after.bags]
            if was.at is None or now.at is None:
                assert now.heard > was.heard
            else:
                assert now.at > was.at
        order = after
