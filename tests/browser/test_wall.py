"""Screens on the wall in a real Chromium, 1920 by 1080: nothing scrolls, and what does not fit is counted."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rig import SECRET, TOKEN, Shop

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'
NAMES = ("Olu", "Keisha", "Jonas", "Iñaki", "Berta", "Dana", "Uxía", "Rosa", "Maximiliana-Alexandra", "Wen")
API = {"Authorization": f"Bearer {TOKEN}"}
OUTSIDE = """() => [...document.querySelectorAll('[data-lane]:not([hidden])')].filter((row) => {
  if (row.closest('[hidden]')) return false;
  const box = row.getBoundingClientRect(), room = row.closest('section').getBoundingClientRect();
  return box.bottom > room.bottom + 0.5 || box.right > room.right + 0.5;
}).map((row) => row.innerText)"""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1920, "height": 1080})
    made.set_default_timeout(20_000)
    yield made
    made.close()


def jane(shop: Shop, status: str, number: int, minutes: int = 90) -> None:
    window = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")
    cart = {
        "id": number, "uuid": f"c{number}", "status": status, "reservation_mode": "pickup", "amount": 41.8,
        "store_id": 68, "queue_number": f"G{number}", "customer_name": f"{NAMES[number % len(NAMES)]} Brooks",
        "reservation_start_window": window, "products": [],
    }  # fmt: skip
    post(shop, "jane-68", {"cart": cart, "webhook_event": "cart_status_updated"})


def lola(shop: Shop, name: str, number: int, **more: Any) -> None:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    payload = {"id": f"l{number}", "orderRef": f"88{number}", "serviceType": "DELIVERY", **more}
    body = {"eventId": f"{name}{number}", "eventName": name, "eventTimestamp": at, "eventPayload": payload}
    post(shop, "lola", body)


def post(shop: Shop, source: str, body: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    answer = httpx2.post(f"{shop.base}/hooks/{source}", content=json.dumps(body), headers=headers)
    assert answer.status_code == 202, answer.text


def screen(shop: Shop, context: BrowserContext, kind: str) -> tuple[Page, str]:
    """A screen that is live, and its id."""
    said = httpx2.post(f"{shop.base}/api/stores/68/screens", json={"kind": kind}, headers=API).json()
    page = context.new_page()
    page.goto(said["url"])
    page.wait_for_selector(LIVE)
    return page, said["id"]


def sixty(shop: Shop) -> None:
    for number in range(20):
        jane(shop, "preparing", number)
        jane(shop, "ready_for_pickup", 20 + number)
        lola(shop, "order.in.transit", number)


def more(page: Page, lane: str) -> int:
    said = page.locator(f'[data-more="{lane}"]')
    return int(re.findall(r"\+(\d+)", said.inner_text())[0]) if said.is_visible() else 0


def shown(page: Page, lane: str) -> int:
    return page.locator(f'[data-cards="{lane}"] > :not([hidden])').count()


def test_sixty_orders_fit_and_the_rest_is_counted(shop: Shop, context: BrowserContext, faults: list[str]) -> None:
    page, _ = screen(shop, context, "tv")
    sixty(shop)
    for lane in ("picking", "ready", "courier"):
        expect(page.locator(f'[data-count="{lane}"]')).to_have_text("20")
        assert shown(page, lane) >= 6
        assert shown(page, lane) + more(page, lane) == 20
        assert more(page, lane) > 0
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("[innerWidth - document.documentElement.clientWidth, scrollX, scrollY]") == [0, 0, 0]
    assert "Brooks" not in page.content()
    for number in range(3, 20):
        jane(shop, "ready_for_pickup", number)
    expect(page.locator('[data-count="picking"]')).to_have_text("3")
    expect(page.locator('[data-more="picking"]')).to_be_hidden()
    assert shown(page, "picking") == 3
    assert shown(page, "ready") + more(page, "ready") == 37


def test_people_who_wait_stand_first_and_overflow_too(shop: Shop, context: BrowserContext, faults: list[str]) -> None:
    page, _ = screen(shop, context, "tv")
    for number in range(14):
        jane(shop, "preparing", number, minutes=-5 - number)
    expect(page.locator('[data-cards="now"] > *')).to_have_count(14)
    assert shown(page, "now") + more(page, "now") == 14
    assert more(page, "now") > 0
    assert page.evaluate(OUTSIDE) == []
    first = page.locator('[data-cards="now"] > *').first
    expect(first).to_contain_text("G13")
    expect(first).to_contain_text("Late")


def test_a_ready_order_is_called_marked_and_cleared(shop: Shop, context: BrowserContext, faults: list[str]) -> None:
    page, _ = screen(shop, context, "ready")
    jane(shop, "preparing", 7)
    lola(shop, "order.in.picking", 1)
    expect(page.locator('[data-cards="soon"] > *')).to_have_count(1)
    jane(shop, "ready_for_pickup", 7)
    called = page.locator('[data-cards="called"] > *')
    expect(called).to_have_text(re.compile("G7.*Rosa"))
    expect(called).to_have_class("new")
    expect(page.locator('[data-cards="soon"] > *')).to_have_count(0)
    answer = httpx2.post(f"{shop.base}/api/orders/jane-68/c7/arrival", json={"state": "handed_over"}, headers=API)
    assert answer.status_code == 200, answer.text
    expect(called).to_have_count(0)
    assert "Brooks" not in page.content()


def test_sixty_on_the_customers_screen(shop: Shop, context: BrowserContext, faults: list[str]) -> None:
    page, _ = screen(shop, context, "ready")
    sixty(shop)
    for lane in ("called", "soon"):
        expect(page.locator(f'[data-cards="{lane}"] > *')).to_have_count(20)
        assert shown(page, lane) >= 4
        assert shown(page, lane) + more(page, lane) == 20
    assert page.evaluate(OUTSIDE) == []


def test_the_picture_moves_and_an_ended_screen_says_so(shop: Shop, context: BrowserContext, faults: list[str]) -> None:
    page, name = screen(shop, context, "tv")
    assert re.search(r"\bshift-\d\b", page.locator("body").get_attribute("class") or "")
    assert httpx2.delete(f"{shop.base}/api/screens/{name}", headers=API).status_code == 204
    page.wait_for_selector('html[data-live="ended"]')
    expect(page.locator("#stop")).to_be_visible()
    again = page.goto(page.url)
    assert again is not None
    assert again.status == 404
    expect(page.locator("h1")).to_contain_text("This screen shows nothing")
