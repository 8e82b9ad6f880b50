"""Orders entered and moved by hand, and those for later, as people use them."""

import re
import time
from collections.abc import Iterator

import msgspec
import pytest
from axe import clean
from playwright.sync_api import BrowserContext, Page, expect
from rig import Served, free_port, settings_of
from test_drawer import jane, sign_in

from app.orders import OrderEvent, Promise


@pytest.fixture
def served(redis_url: str) -> Iterator[Served]:
    plain = settings_of(free_port())
    store = msgspec.structs.replace(plain.stores["68"], show_before=60)
    made = Served(msgspec.structs.replace(plain, stores={**plain.stores, "68": store}), redis_url).start()
    yield made
    made.stop()


@pytest.fixture
def board(served: Served, context: BrowserContext, faults: list[str]) -> Page:
    return sign_in(served, context)


def test_a_new_order_by_keyboard(board: Page) -> None:
    board.keyboard.press("n")
    expect(board.get_by_label("Code", exact=True)).to_be_focused()
    clean(board, "#entry")
    board.keyboard.type("B12")
    board.get_by_label("Items").fill("2 oat milk\nbread")
    board.get_by_label("Promised from").fill("2020-03-01T18:30")
    board.get_by_label("Until").fill("2020-03-01T16:30")
    board.get_by_role("button", name="Put it on the board").press("Enter")
    expect(board.get_by_role("alert").filter(has_text="promised.to must not lie before")).to_be_visible()
    board.get_by_label("Promised from").fill("")
    board.get_by_label("Until").fill("")
    board.get_by_label("Code", exact=True).press("Enter")
    expect(board.locator("#entry")).to_be_hidden()
    card = board.locator('[data-cards="new"] .card', has_text="B12")
    expect(card).to_contain_text("2 items")
    board.keyboard.press("n")
    expect(board.get_by_label("Code", exact=True)).to_have_value("")
    board.keyboard.press("Escape")
    expect(board.locator("#entry")).to_be_hidden()


def test_a_card_is_moved_in_its_drawer_and_back(served: Served, board: Page) -> None:
    jane(served, "preparing")
    board.get_by_role("link", name="G19").press("Enter")
    expect(board.locator("#ledger [data-close]")).to_be_focused()
    board.keyboard.press("Tab")
    expect(board.locator(".moves summary")).to_be_focused()
    board.keyboard.press("Enter")
    clean(board, "#ledger")
    board.get_by_role("button", name="Ready", exact=True).press("Enter")
    card = board.locator('[data-cards="ready"] .card', has_text="G19")
    expect(card).to_contain_text("Moved by hand, mara")
    expect(board.locator("#p-events tbody tr").first).to_contain_text("Moved by hand: ready")
    board.locator(".moves summary").click()
    board.get_by_role("button", name="As Jane says").click()
    expect(board.locator('[data-cards="picking"] .card', has_text="G19")).not_to_contain_text("by hand")


def test_orders_for_later_are_counted_and_can_be_seen(served: Served, board: Page) -> None:
    site = served.house.site
    for ref, hours in (("1", 3), ("2", 60)):
        event = OrderEvent(
            source="lola", provider="lolamarket", ref=ref, name="w", digest=ref, policy="event_time", stage="placed",
            heard=time.time(), store="68", code=f"L{ref}", promised=Promise(time.time() + hours * 3600, None),
        )  # fmt: skip
        served.call(site.intake.take(event))
    fold = board.locator("#later")
    expect(fold.locator("summary")).to_contain_text(re.compile(r"1 later today, first at|2 on later days"))
    expect(board.get_by_role("link", name="L1")).to_be_hidden()
    fold.locator("summary").press("Enter")
    expect(board.get_by_role("link", name="L1")).to_be_visible()
    clean(board, "#later")
    fold.locator("summary").press("Enter")
    board.locator("#find").fill("L2")
    expect(board.get_by_role("link", name="L2")).to_be_visible()
