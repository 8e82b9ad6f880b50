"""A real browser on a real server. Where there is no browser the tests fail, and say how to get one."""

from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from rig import Shop

PASSWORD = "a password for tests"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium.find()
    if path is None:
        pytest.fail(chromium.ADVICE, pytrace=False)
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield made
        made.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.start()
    try:
        made.wait()
        yield made
    finally:
        made.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900})
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def faults(context: BrowserContext) -> Iterator[list[str]]:
    """What pages of the context complain about: script errors and blocked content. Must stay empty."""
    said: list[str] = []
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on("console", lambda line: said.append(line.text) if "Content Security Policy" in line.text else None)
    yield said
    assert not said


@pytest.fixture
def board(shop: Shop, context: BrowserContext, faults: list[str]) -> Page:
    """The board, signed in through the form."""
    shop.command("user", "add", "mara", "--role", "staff", "--store", "68", "--password-stdin", said=PASSWORD + "\n")
    page = context.new_page()
    page.goto(f"{shop.base}/board/68")
    page.fill("[name=username]", "mara")
    page.fill("[name=password]", PASSWORD)
    page.click("form button")
    page.wait_for_url("**/board/68")
    live(page)
    return page


def live(page: Page) -> None:
    page.wait_for_selector('html[data-live="live"]')
