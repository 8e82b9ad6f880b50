"""Each action by mouse, by touch and by keyboard; two screens of one store; and no page is ever loaded anew."""

import pytest
from crowd import LIVE, another, jane, sign_in, step
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from rig import Served

expect.set_options(timeout=20_000)

WAITING = '[data-cards="waiting"]'
KEYS = {"I’ll take it": "c", "Can’t find": "l", "Handed over": "h", "Hand over": "h", "Found": "c", "Undo": "u"}


@pytest.fixture(params=["mouse", "touch", "keyboard"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def context(browser: Browser, way: str) -> BrowserContext:
    """A tablet where it is touched. Closed with the browser."""
    touch = way == "touch"
    made = browser.new_context(viewport={"width": 1180 if touch else 1440, "height": 900}, has_touch=touch)
    made.set_default_timeout(20_000)
    return made


def do(page: Page, way: str, place: Locator, name: str) -> None:
    """Presses the button of this name in a card, or on the page."""
    button = place.get_by_role("button", name=name, exact=True)
    expect(button).to_be_visible()
    if way == "mouse":
        button.click()
    elif way == "touch":
        button.tap()
    else:
        if name != "Undo":
            place.locator(".card-code").focus()
        page.keyboard.press(KEYS[name])


def test_an_arrival_from_claim_to_handover(
    served: Served, context: BrowserContext, faults: list[str], way: str
) -> None:
    board = sign_in(served, context)
    board.evaluate("window.mark = 'the same page'")
    jane(served, "ready_for_pickup", 19)
    step(served, 19, "here")
    card = board.locator(f"{WAITING} .card", has_text="G19")
    do(board, way, card, "I’ll take it")
    expect(card).to_contain_text("You have it")
    do(board, way, board.locator("#toast"), "Undo")
    expect(card).to_contain_text("Nobody yet")
    do(board, way, card, "I’ll take it")
    expect(card).to_contain_text("You have it")
    do(board, way, card, "Can’t find")
    lost = board.locator('[data-cards="needs"] .need', has_text="G19")
    expect(lost).to_contain_text("Can’t find")
    do(board, way, lost, "Found")
    expect(card).to_contain_text("You have it")
    do(board, way, card, "Handed over")
    expect(board.locator('[data-cards="done"]')).to_contain_text("G19")
    jane(served, "ready_for_pickup", 20, kind="pickup")
    do(board, way, board.locator('[data-cards="ready"] .card', has_text="G20"), "Hand over")
    expect(board.locator('[data-cards="done"]')).to_contain_text("G20")
    assert board.evaluate("window.mark") == "the same page"
    assert board.evaluate("performance.getEntriesByType('navigation').length") == 1


def test_the_tools(served: Served, context: BrowserContext, faults: list[str], way: str) -> None:
    jane(served, "preparing", 19)
    board = sign_in(served, context)

    def press(name: str, key: str) -> None:
        button = board.locator(".bar-tools").get_by_role("button", name=name)
        if way == "keyboard":
            board.keyboard.press(key)
        elif way == "touch":
            button.tap()
        else:
            button.click()

    for name, key, menu in (("Filter", "f", "filter"), ("View", "v", "view"), ("Sound", "s", "sound")):
        press(name, key)
        expect(board.locator(f"#{menu}")).to_be_visible()
        board.keyboard.press("Escape")
        expect(board.locator(f"#{menu}")).to_be_hidden()
    press("Keyboard", "?")
    expect(board.locator("#keys")).to_be_visible()
    board.keyboard.press("Escape")
    link = board.get_by_role("link", name="G19")
    if way == "keyboard":
        link.focus()
        board.keyboard.press("Enter")
    elif way == "touch":
        link.tap()
    else:
        link.click()
    expect(board.locator("#ledger")).to_contain_text("Picking since")


@pytest.mark.parametrize("way", ["mouse"], indirect=True)
def test_two_screens_of_one_store(served: Served, context: BrowserContext, faults: list[str], way: str) -> None:
    one = sign_in(served, context)
    two = another(served, context)
    jane(served, "ready_for_pickup", 19)
    step(served, 19, "here")
    for page in (one, two):
        expect(page.locator('html[data-ringing="1"]')).to_have_count(1)
    do(one, way, one.locator(f"{WAITING} .card", has_text="G19"), "I’ll take it")
    for page in (one, two):
        expect(page.locator("html:not([data-ringing])")).to_have_count(1)
        expect(page.locator(f"{WAITING} .card")).to_contain_text("You have it")
    assert two.locator(LIVE).count() == 1
