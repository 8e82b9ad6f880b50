"""What a customer may not see changes nothing on the page: two orders that differ only in that look the same."""

import pytest
from msgspec.structs import replace
from test_render import NOW, filled, renderer

from app.orders import Arrival, Customer, Destination, Handling
from app.render import Renderer


@pytest.mark.parametrize("audience", ["track", "delegate"])
def test_what_a_customer_may_not_see_changes_nothing_on_the_page(audience: str) -> None:
    render: Renderer = renderer()
    one = filled("word")
    other = replace(
        one, ref="another", raw_status="other", customer=Customer("Someone", "+1", "a@b.c", "x"), heard=NOW - 1,
        flags=tuple(sorted({*one.flags, "suspected", "joined", "processing"})), version=77, rev=99, word="other",
    )  # fmt: skip
    assert render.track(other, NOW, audience=audience) == render.track(one, NOW, audience=audience)


def test_what_a_delegate_may_not_see_changes_nothing_on_theirs() -> None:
    render: Renderer = renderer()
    one = replace(filled("word"), fulfilment="curbside", arrival=Arrival("on_my_way", NOW - 90, "1", "grey Corolla"))
    other = replace(one, ref="another", destination=None, handling=None, total=None,
                    arrival=replace(one.arrival, vehicle="red van") if one.arrival else None)  # fmt: skip
    assert render.track(other, NOW, audience="delegate") == render.track(one, NOW, audience="delegate")
    assert render.track(other, NOW) != render.track(one, NOW)


def test_after_the_end_where_and_how_to_hand_over_are_gone() -> None:
    render: Renderer = renderer()
    one = replace(
        filled("word"), fulfilment="delivery", stage="fulfilled", ended_at=NOW - 60, delivery_code="4821",
        destination=Destination("12 Canary Row"), handling=Handling("Ring twice"),
    )  # fmt: skip
    page = render.track(one, NOW)
    assert not [word for word in ("4821", "Canary", "Ring twice") if word in page]
    assert "no longer shown here" in page
