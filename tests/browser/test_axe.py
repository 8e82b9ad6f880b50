"""What axe has to say of every page of the staff, light and dark: nothing."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from axe import clean
from playwright.sync_api import BrowserContext, Page, expect
from rig import SECRET, TOKEN, Served

from app.orders import OrderEvent, Step
from app.store.people import User

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'
API = {"Authorization": f"Bearer {TOKEN}"}


def jane(served: Served, status: str, number: int, minutes: int = 40, kind: str = "curbside") -> None:
    window = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")
    cart = {
        "id": number, "uuid": f"c{number}", "status": status, "reservation_mode": kind, "amount": 41.8, "store_id": 68,
        "queue_number": f"G{number}", "customer_name": "Amida Brooks", "reservation_start_window": window,
        "products": [],
    }  # fmt: skip
    body = {"cart": cart, "webhook_event": "cart_status_updated"}
    headers = {"Authorization": f"Bearer {SECRET}"}
    assert httpx2.post(f"{served.base}/hooks/jane-68", json=body, headers=headers).status_code == 202


def step(served: Served, number: int, state: str, seconds: float = 0) -> None:
    site = served.house.site
    event = OrderEvent(
        source="jane-68", provider="jane", ref=f"c{number}", name=state, digest="", policy="local",
        heard=site.clock() - seconds, by="mara", arrival=Step(state, "2", "grey Corolla"),
    )  # fmt: skip
    served.call(site.intake.take(event))


def busy(served: Served) -> None:
    """One of each: new, picking, ready, on the way, outside at each level, claimed, not found, late, at risk, done."""
    for number, status in enumerate(("verification", "preparing", "ready_for_pickup", "delivery_started"), 10):
        jane(served, status, number)
    jane(served, "preparing", 20, minutes=-5)
    jane(served, "preparing", 21, minutes=3)
    for number, seconds in ((30, 10), (31, 170), (32, 400), (33, 60), (34, 100)):
        jane(served, "ready_for_pickup", number)
        step(served, number, "here", seconds)
    step(served, 33, "claimed")
    step(served, 34, "claimed")
    step(served, 34, "cannot_find")
    jane(served, "ready_for_pickup", 35)
    step(served, 35, "on_my_way")
    jane(served, "finished", 36)
    jane(served, "canceled", 37)


@pytest.fixture
def board(served: Served, context: BrowserContext, faults: list[str]) -> Page:
    busy(served)
    site = served.house.site
    served.call(site.people.save(User("mara", "manager", ("68", "123"), "")))
    secret = served.call(site.people.enter("mara", site.clock()))
    context.add_cookies([{"name": site.cookie, "value": secret, "url": served.base}])
    page = context.new_page()
    page.goto(f"{served.base}/board/68")
    page.wait_for_selector(LIVE)
    return page


def test_the_board(board: Page) -> None:
    expect(board.locator("#board [data-lane]")).to_have_count(14)
    clean(board)
    for width in (820, 390):
        board.set_viewport_size({"width": width, "height": 900})
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
    for name in ("sound", "me"):
        board.locator(f"[popovertarget={name}]").click()
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
