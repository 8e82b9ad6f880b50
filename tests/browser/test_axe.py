"""What axe has to say of every page of the staff, light and dark: nothing."""

import httpx2
import pytest
from axe import clean
from crowd import LIVE, busy, sign_in
from playwright.sync_api import BrowserContext, Page, expect
from rig import TOKEN, Served

expect.set_options(timeout=20_000)

API = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def board(served: Served, context: BrowserContext, faults: list[str]) -> Page:
    busy(served)
    return sign_in(served, context, "manager")


def test_the_board(board: Page) -> None:
    expect(board.locator("#board [data-lane]")).to_have_count(14)
    clean(board)
    board.keyboard.press("d")
    clean(board)
    for width in (820, 390):
        board.set_viewport_size({"width": width, "height": 900})
        clean(board)
    board.locator('#tabs [data-tab="picking"]').click()
    clean(board)
    board.fill("#find", "nobody")
    expect(board.locator("#none")).to_be_visible()
    clean(board)


def test_what_opens_over_the_board(board: Page) -> None:
    board.get_by_role("link", name="G11").click()
    drawer = board.locator("#ledger")
    expect(drawer).to_be_visible()
    for tab in board.get_by_role("tab").all():
        tab.click()
        clean(board)
    board.get_by_role("tab", name="Links").click()
    board.get_by_role("button", name="Link for the customer").click()
    expect(board.locator("#links svg.segno")).to_be_visible()
    clean(board)
    board.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    board.keyboard.press("?")
    clean(board, "#keys")
    board.keyboard.press("Escape")
    for name in ("filter", "view", "sound", "me"):
        board.locator(f".bar-tools [popovertarget={name}]").click()
        clean(board)
    board.keyboard.press("Escape")
    board.locator("#board .arrive", has_text="G30").get_by_role("button", name="I’ll take it").click()
    expect(board.locator("#toast")).to_be_visible()
    clean(board)


def test_the_board_offline(served: Served, board: Page) -> None:
    served.stop()
    board.wait_for_selector('html[data-live="offline"]')
    clean(board)


def test_the_way_in(served: Served, board: Page) -> None:
    board.goto(f"{served.base}/")
    expect(board.locator(".pick a")).to_have_count(2)
    clean(board)
    board.context.clear_cookies()
    board.goto(f"{served.base}/login")
    clean(board)
    board.fill("[name=username]", "mara")
    board.fill("[name=password]", "wrong")
    board.click("form button")
    expect(board.get_by_role("alert")).to_be_visible()
    clean(board)


def test_the_screens_on_the_wall(served: Served, context: BrowserContext, faults: list[str]) -> None:
    busy(served)
    for kind in ("tv", "ready"):
        url = httpx2.post(f"{served.base}/api/stores/68/screens", json={"kind": kind}, headers=API).json()["url"]
        page = context.new_page()
        page.set_viewport_size({"width": 1920, "height": 1080})
        page.goto(url)
        page.wait_for_selector(LIVE)
        clean(page)
