"""What people see: the board and the customer's page in a real Chromium."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from playwright.sync_api import BrowserContext, Page, expect
from rig import SECRET, TOKEN, Shop

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'


def jane(shop: Shop, status: str, uuid: str = "c1", code: str = "G19", **more: Any) -> None:
    window = (datetime.now(UTC) + timedelta(minutes=40)).strftime("%Y-%m-%d %H:%M:%S")
    cart = {
        "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
        "queue_number": code, "customer_name": "Amida Brooks", "reservation_start_window": window, "products": [],
    }  # fmt: skip
    post(shop, "jane-68", {"cart": {**cart, **more}, "webhook_event": "cart_status_updated"})


def lola(shop: Shop, name: str, minute: int, ref: str = "l1", **more: Any) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=60 - minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
    payload = {"id": ref, "orderRef": "88213", "serviceType": "DELIVERY", **more}
    post(shop, "lola", {"eventId": f"{name}{minute}", "eventName": name, "eventTimestamp": at, "eventPayload": payload})


def post(shop: Shop, source: str, body: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    answer = httpx2.post(f"{shop.base}/hooks/{source}", content=json.dumps(body), headers=headers)
    assert answer.status_code == 202, answer.text


def link(shop: Shop, key: str) -> str:
    answer = httpx2.post(f"{shop.base}/api/orders/{key}/links", headers={"Authorization": f"Bearer {TOKEN}"})
    url: str = answer.json()["url"]
    return url


def test_a_webhook_becomes_a_card_and_the_card_moves(shop: Shop, board: Page) -> None:
    jane(shop, "verification")
    card = board.locator(".card", has_text="G19")
    expect(card).to_be_visible()
    expect(board.locator('[data-cards="new"]')).to_contain_text("Amida B.")
    expect(board.locator('[data-count="new"]')).to_have_text("1")
    jane(shop, "preparing")
    expect(board.locator('[data-cards="picking"]')).to_contain_text("G19")
    expect(board.locator('[data-count="new"]')).to_have_text("0")
    assert board.locator(".card[id]", has_text="G19").count() == 1
    jane(shop, "ready_for_pickup")
    expect(board.locator('[data-cards="ready"]')).to_contain_text("G19")


def test_the_first_paint_has_the_cards_without_scripts(shop: Shop, board: Page, context: BrowserContext) -> None:
    jane(shop, "preparing")
    expect(board.locator(".card")).to_have_count(1)
    bare = context.request.get(f"{shop.base}/board/68").text()
    assert "G19" in bare


def test_a_card_is_handed_over_with_a_button(shop: Shop, board: Page) -> None:
    jane(shop, "ready_for_pickup")
    board.locator(".card", has_text="G19").get_by_role("button", name="Hand over").click()
    expect(board.locator('[data-cards="done"]')).to_contain_text("G19")
    expect(board.locator('[data-cards="ready"] .card')).to_have_count(0)


def test_the_customer_sees_each_change(shop: Shop, context: BrowserContext, faults: list[str]) -> None:
    lola(shop, "order.confirmed", 1)
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(link(shop, "lola/l1"))
    page.wait_for_selector(LIVE)
    before = page.locator("h1").inner_text()
    lola(shop, "order.allocated", 2, shopper={"id": "s", "name": "Lukasz Nowak", "picture": None})
    lola(shop, "order.in.picking", 3)
    expect(page.locator("h1")).to_contain_text("Lukasz is picking")
    assert page.locator("h1").inner_text() != before
    lola(shop, "order.in.transit", 4)
    expect(page.locator("h1")).to_contain_text("way")
    assert "Nowak" not in page.content()


def test_a_customers_page_is_whole_without_scripts(shop: Shop, context: BrowserContext) -> None:
    lola(shop, "order.in.picking", 3)
    text = context.request.get(link(shop, "lola/l1")).text()
    assert "picking" in text
    assert "88213" in text


def test_a_server_that_dies_is_shown_and_the_truth_comes_back(
    shop: Shop, board: Page, context: BrowserContext, faults: list[str]
) -> None:
    jane(shop, "verification")
    lola(shop, "order.confirmed", 1)
    tracking = context.new_page()
    tracking.goto(link(shop, "lola/l1"))
    tracking.wait_for_selector(LIVE)
    expect(board.locator('[data-cards="new"] .card')).to_have_count(2)
    shop.kill("both")
    for page in (board, tracking):
        page.wait_for_selector('html[data-live="offline"]')
        expect(page.locator("#fresh")).to_contain_text("Offline")
    shop.start()
    shop.wait()
    jane(shop, "preparing")
    lola(shop, "order.in.picking", 2)
    for page in (board, tracking):
        page.wait_for_selector(LIVE)
    expect(board.locator('[data-cards="picking"]')).to_contain_text("G19")
    expect(board.locator('[data-cards="picking"]')).to_contain_text("88213")
    expect(tracking.locator("h1")).to_contain_text("picking")


def test_a_wrong_password_says_so_and_nothing_else(shop: Shop, board: Page) -> None:
    board.context.clear_cookies()
    board.goto(f"{shop.base}/board/68")
    for name in ("mara", "nobody"):
        board.fill("[name=username]", name)
        board.fill("[name=password]", "wrong")
        board.click("form button")
        expect(board.locator("form")).to_contain_text("The name or the password is wrong")


def test_a_revoked_link_ends_the_page(shop: Shop, context: BrowserContext, faults: list[str]) -> None:
    lola(shop, "order.confirmed", 1)
    page = context.new_page()
    page.goto(link(shop, "lola/l1"))
    page.wait_for_selector(LIVE)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    links = httpx2.get(f"{shop.base}/api/orders/lola/l1/links", headers=headers).json()["items"]
    assert httpx2.delete(f"{shop.base}/api/links/{links[0]['id']}", headers=headers).status_code == 204
    page.wait_for_selector('html[data-live="ended"]')
    assert page.goto(page.url).status == 404  # type: ignore[union-attr]
