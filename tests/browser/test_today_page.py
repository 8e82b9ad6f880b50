"""The day in figures, in a real browser: from the board and back, between days, at every width; and what axe says."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from axe import clean
from pastdays import busy, over, put
from playwright.sync_api import BrowserContext, Page, expect
from rig import Served

from app.figures import bounds
from app.store.people import User

expect.set_options(timeout=20_000)


@pytest.fixture
def page(served: Served, context: BrowserContext, faults: list[str]) -> Page:
    """Yesterday busy, today three orders."""
    site, zone = served.house.site, served.settings.stores["68"].zone
    today = datetime.fromtimestamp(site.clock(), zone).date()
    start, _ = bounds(today - timedelta(days=1), zone)
    now = bounds(today, zone)[0]
    served.call(put(served.house, busy(start, 300)))
    served.call(put(served.house, [over(f"t{n}", now + n, waited=30.0 * (n + 1), ended_at=now + 5) for n in range(3)]))
    served.call(site.people.save(User("mara", "manager", ("68",), "")))
    secret = served.call(site.people.enter("mara", site.clock()))
    context.add_cookies([{"name": site.cookie, "value": secret, "url": served.base}])
    made = context.new_page()
    made.goto(f"{served.base}/board/68")
    return made


def figure(page: Page, name: str) -> Any:
    return page.locator(".figure", has_text=name).locator("dd").first


def test_the_day_from_the_board_and_the_days_before(page: Page) -> None:
    page.get_by_role("link", name="Today").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Today so far")
    expect(figure(page, "Usual wait")).to_have_text("0:30 · 1:00 · 1:30")
    expect(figure(page, "Handed over")).to_have_text("3")
    page.get_by_label("The day before").click()
    expect(figure(page, "Handed over")).to_have_text("300")
    expect(page.locator(".ground .span")).not_to_have_count(0)
    page.get_by_label("The day after").click()
    expect(figure(page, "Handed over")).to_have_text("3")
    page.go_back()
    expect(figure(page, "Handed over")).to_have_text("300")
    page.keyboard.press("Tab")
    expect(page.get_by_text("To the page")).to_be_focused()


def test_the_figures_as_a_file(page: Page) -> None:
    page.get_by_role("link", name="Today").click()
    page.get_by_role("button", name="CSV").click()
    with page.expect_download() as told:
        page.get_by_role("link", name="Each order").click()
    assert told.value.suggested_filename.endswith("-orders.csv")
    assert told.value.path().read_text().count("\n") == 4


def test_every_width_fits_and_axe_has_nothing_to_say(page: Page) -> None:
    page.get_by_role("link", name="Today").click()
    page.get_by_label("The day before").click()
    page.wait_for_url("**/today?day=*")
    for fold in page.locator("details summary").all():
        fold.click()
    for width in (1440, 820, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        clean(page)
    page.get_by_role("button", name="CSV").click()
    clean(page, "#csv")
