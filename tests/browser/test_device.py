"""What a device remembers, what is found and filtered, Now with many entries, and the board on a phone."""

import re
import time

import pytest
from crowd import LIVE, busy, jane, lola, sign_in, step
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rig import Served

expect.set_options(timeout=20_000)

# How the page was when it was painted first: what is remembered must be so by then.
FIRST = """addEventListener("DOMContentLoaded", () => {
  const {dense, hide} = document.documentElement.dataset;
  window.first = [dense !== undefined, hide ?? ""];
})"""


SMALL = """() => [...document.querySelectorAll(".bar button, .bar a, #tabs button, .now button")]
  .filter((one) => one.checkVisibility())
  .map((one) => [one.className || one.dataset.tab, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < 44 || box.height < 44)
  .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""


@pytest.fixture
def board(served: Served, context: BrowserContext, faults: list[str]) -> Page:
    busy(served)
    lola(served, "order.in.picking", 7)
    return sign_in(served, context)


def shown(page: Page, lane: str) -> int:
    return page.locator(f'[data-cards="{lane}"] > :not([hidden])').count()


def test_density_and_columns_are_kept_from_the_first_paint_on(board: Page) -> None:
    board.keyboard.press("v")
    board.get_by_role("button", name="Compact").click()
    board.locator('[data-column="done"]').click()
    expect(board.locator('.lane[data-name="done"]')).to_be_hidden()
    board.add_init_script(FIRST)
    board.reload()
    assert board.evaluate("first") == [True, "done"]
    board.wait_for_selector(LIVE)
    expect(board.locator('.lane[data-name="done"]')).to_be_hidden()
    board.keyboard.press("v")
    board.get_by_role("button", name="Reset").click()
    expect(board.locator('.lane[data-name="done"]')).to_be_visible()
    assert board.evaluate("localStorage.getItem('view')") is None


def test_on_a_phone_the_tabs_say_where_something_was_found(board: Page) -> None:
    board.set_viewport_size({"width": 390, "height": 844})
    tab = '#tabs [data-tab="{}"] .count'.format
    whole = board.locator(tab("picking")).inner_text()
    assert int(whole) > 1
    board.fill("#find", "g11")
    expect(board.locator(tab("picking"))).to_have_text("1")
    expect(board.locator(tab("now"))).to_have_text("0")
    board.press("#find", "Enter")
    expect(board.locator('[data-cards="picking"] > :not([hidden])')).to_be_visible()
    expect(board.locator('[data-count="picking"]')).to_have_text(f"1 of {whole}")
    board.locator("#sifted [data-clear]").click()
    expect(board.locator(tab("picking"))).to_have_text(whole)
    expect(board.locator('[data-count="picking"]')).to_have_text(whole)


def test_found_by_code_name_and_phone(board: Page) -> None:
    for text in ("g11", "brooks g11", "0011", "+1 555 222 0011"):
        board.fill("#find", text)
        expect(board.locator('[data-cards="picking"] > :not([hidden])')).to_have_count(1)
        expect(board.locator('[data-cards="picking"] > :not([hidden])')).to_contain_text("G11")
        assert shown(board, "new") == 0
    board.keyboard.press("Escape")
    expect(board.locator("#find")).to_have_value("")
    assert shown(board, "new") == 1


def test_filters_sift_the_lanes_never_now_and_are_kept(board: Page) -> None:
    everybody = board.locator('[data-cards="waiting"] > *').count()
    board.keyboard.press("f")
    board.locator('[data-system="lola"]').click()
    expect(board.locator('[data-cards="picking"] > :not([hidden])')).to_have_text([re.compile("R007")])
    assert board.locator('[data-cards="waiting"] > *:visible').count() == everybody
    assert board.locator(".unclaimed.dim").count() == 0
    board.reload()
    board.wait_for_selector(LIVE)
    assert shown(board, "new") == 0
    board.locator('.kinds [data-filter="curbside"]').click()
    expect(board.locator("#none")).to_be_visible()
    board.locator("#none").get_by_role("button", name="Clear").click()
    expect(board.locator("#none")).to_be_hidden()
    assert shown(board, "new") == 1
    board.keyboard.press("f")
    board.locator('[data-mark="soon"]').click()
    board.keyboard.press("Escape")
    expect(board.locator("#sifted")).to_contain_text("1 of")
    board.keyboard.press("x")
    expect(board.locator("#sifted")).to_be_hidden()


def test_more_than_nine_in_now(served: Served, board: Page) -> None:
    for number in range(40, 52):
        jane(served, "preparing", number, minutes=-number)
    rest, shown = board.locator("#rest"), board.locator(".now [data-cards] > :visible")
    expect(board.get_by_role("link", name="G51", include_hidden=True)).to_be_attached()  # the last of them has come
    expect(rest).to_be_visible()
    expect(rest).to_contain_text("more")
    until = time.monotonic() + 20
    while shown.count() > 10 and time.monotonic() < until:  # until they are put in their places
        board.wait_for_timeout(50)
    assert shown.count() <= 10
    assert board.locator(".now .unclaimed:visible").count() == board.locator(".now .unclaimed").count()
    step(served, 40, "here")
    expect(board.locator(".now .arrive:visible", has_text="G40")).to_be_visible()
    rest.click()
    expect(rest).to_contain_text("Show fewer")
    assert board.locator(".now [data-over]:visible").count() == board.locator(".now [data-over]").count() > 0


def test_a_hint_is_told_once(board: Page) -> None:
    hint = board.locator(".hint")
    if hint.count():
        hint.get_by_role("button").click()
        expect(hint).to_be_hidden()
        board.reload()
        board.wait_for_selector(LIVE)
        expect(board.locator(".hint:visible")).to_have_count(0)


def test_a_phone_shows_one_lane_under_now(served: Served, browser: Browser) -> None:
    busy(served)
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone = sign_in(served, context)
    tab = phone.locator("#tabs")
    expect(phone.locator('[data-cards="waiting"]')).to_be_visible()
    expect(phone.locator(".lanes")).to_be_hidden()
    tab.get_by_role("button", name="Picking").tap()
    expect(phone.locator('[data-cards="picking"]')).to_be_visible()
    expect(phone.locator("#now-h")).to_contain_text("waiting")
    tab.get_by_role("button", name="Ready").tap()
    expect(phone.locator('[data-cards="ready"]')).to_be_visible()
    expect(phone.locator('[data-cards="picking"]')).to_be_hidden()
    phone.locator('[data-cards="ready"] .card-code').first.tap()
    expect(phone.locator("#ledger")).to_be_visible()
    phone.go_back()
    expect(phone.locator("#ledger")).to_be_hidden()
    expect(phone.locator('[data-cards="ready"]')).to_be_visible()
    phone.go_back()
    expect(phone.locator('[data-cards="waiting"]')).to_be_visible()
    expect(phone.locator(".lanes")).to_be_hidden()
    small = phone.evaluate(SMALL)
    assert small == []
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
