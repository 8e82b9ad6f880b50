"""A rush, a sleep and a lost network: in the end the board shows exactly what a fresh one does."""

import threading
import time

import pytest
from crowd import LIVE, another, jane, lola, sign_in, step
from playwright.sync_api import BrowserContext, Page, expect
from rig import Served

expect.set_options(timeout=20_000)

STEPS = ("order.confirmed", "order.in.picking", "order.picked", "order.in.transit", "order.delivered")
ORDERS, CHANGES, RATE = 300, 200, 20
SHOWN = """() => [...document.querySelectorAll("#board [data-lane]")].map((card) => [card.id, card.dataset.lane,
  card.dataset.key, card.parentElement.dataset.cards, [...card.parentElement.children].indexOf(card),
  card.querySelector(".card-line, .end")?.textContent ?? ""]).sort()"""
MOTION = "document.getAnimations().filter((one) => one.playState === 'running').length"


@pytest.fixture
def board(served: Served, context: BrowserContext, faults: list[str]) -> Page:
    return sign_in(served, context)


def test_three_hundred_orders_and_twenty_changes_a_second(served: Served, context: BrowserContext, board: Page) -> None:
    for number in range(ORDERS):
        lola(served, STEPS[number % 4], number)
    expect(board.locator("#board [data-lane]")).to_have_count(ORDERS)
    board.evaluate("window.mark = 1")

    def rush() -> None:
        begin = time.monotonic()
        for turn in range(1, CHANGES + 1):
            time.sleep(max(begin + turn / RATE - time.monotonic(), 0))
            number = turn * 7 % ORDERS
            lola(served, STEPS[(number + turn) % 5], number, turn, f"Olu{turn}")

    work = threading.Thread(target=rush)
    work.start()
    while work.is_alive():
        board.wait_for_timeout(100)
    fresh = another(served, context)
    expect(board.locator("html")).to_have_attribute(
        "data-position", fresh.locator("html").get_attribute("data-position") or ""
    )
    board.wait_for_timeout(600)
    assert board.evaluate(SHOWN) == fresh.evaluate(SHOWN)
    assert board.evaluate("mark") == 1
    assert board.locator('[data-count="picking"]').inner_text() == fresh.locator('[data-count="picking"]').inner_text()


def test_a_sleep_is_made_up_for_in_silence(served: Served, context: BrowserContext, board: Page) -> None:
    jane(served, "preparing", 19)
    expect(board.get_by_role("link", name="G19")).to_be_visible()
    page = context.new_cdp_session(board)
    board.evaluate("delete document.documentElement.dataset.played")
    page.send("Page.setWebLifecycleState", {"state": "frozen"})
    for number in range(20, 26):
        jane(served, "verification", number)
    jane(served, "ready_for_pickup", 19)
    step(served, 19, "here")
    step(served, 19, "claimed")
    board.wait_for_timeout(1000)
    page.send("Page.setWebLifecycleState", {"state": "active"})
    expect(board.locator('[data-cards="waiting"] .card', has_text="G19")).to_be_visible()
    expect(board.locator('[data-cards="new"] > *')).to_have_count(6)
    board.wait_for_selector(LIVE)
    board.wait_for_timeout(1500)
    assert board.evaluate("document.documentElement.dataset.ringing") is None
    assert board.evaluate("document.documentElement.dataset.played") in (None, "new")


def test_offline_says_since_when_and_comes_back_whole(served: Served, context: BrowserContext, board: Page) -> None:
    jane(served, "verification", 19)
    expect(board.get_by_role("link", name="G19")).to_be_visible()
    board.evaluate("window.mark = 1")
    url = served.url
    served.stop()
    board.wait_for_selector('html[data-live="offline"]')
    expect(board.locator("#fresh")).to_contain_text("Offline")
    assert board.locator("#as-of").inner_text().count(":") == 2
    assert "saturate" in board.locator('[data-cards="new"] .card').evaluate("card => getComputedStyle(card).filter")
    again = Served(served.settings, url).start()
    try:
        jane(again, "preparing", 19)
        board.wait_for_selector(LIVE, timeout=40_000)
        expect(board.locator('[data-cards="picking"]')).to_contain_text("G19")
        assert board.evaluate("mark") == 1
    finally:
        again.stop()


def test_with_reduced_motion_nothing_moves(served: Served, board: Page) -> None:
    board.emulate_media(reduced_motion="reduce")
    jane(served, "verification", 19)
    jane(served, "ready_for_pickup", 20)
    step(served, 20, "here")
    expect(board.locator(".unclaimed")).to_be_visible()
    assert board.evaluate(MOTION) == 0
    jane(served, "preparing", 19)
    expect(board.locator('[data-cards="picking"]')).to_contain_text("G19")
    assert board.evaluate(MOTION) == 0
    assert board.locator(".flash").count() == 0
