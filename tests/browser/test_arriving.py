"""A customer outside, the phone in hand: check-in and bay signs in a real Chromium, with scripts and without."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect
from rig import SECRET, TOKEN, Shop

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'
PHONE = {"width": 390, "height": 844}


def ready(shop: Shop, status: str = "ready_for_pickup") -> None:
    cart = {
        "id": 7469, "uuid": "c1", "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
        "queue_number": "G19", "customer_name": "Amida Brooks", "customer_phone_number": "+1 112 223 3344",
        "reservation_start_window": "2036-06-21 22:45:00", "products": [],
    }  # fmt: skip
    head = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    body = json.dumps({"cart": cart, "webhook_event": "cart_status_updated"})
    assert httpx2.post(f"{shop.base}/hooks/jane-68", content=body, headers=head).status_code == 202


def link(shop: Shop) -> str:
    made = httpx2.post(f"{shop.base}/api/orders/jane-68/c1/links", headers={"Authorization": f"Bearer {TOKEN}"})
    url: str = made.json()["url"]
    return url


def arrival(shop: Shop) -> dict[str, Any] | None:
    head = {"Authorization": f"Bearer {TOKEN}"}
    found: dict[str, Any] | None = httpx2.get(f"{shop.base}/api/orders/jane-68/c1", headers=head).json()["arrival"]
    return found


@pytest.fixture
def phone(browser: Browser, faults: list[str]) -> Iterator[Page]:
    made = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]
    made.set_default_timeout(20_000)
    made.on("weberror", lambda error: faults.append(str(error.error)))
    made.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield made.new_page()
    made.close()


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A phone without scripts."""
    made = browser.new_context(viewport=PHONE, java_script_enabled=False)  # type: ignore[arg-type]
    made.set_default_timeout(20_000)
    yield made.new_page()
    made.close()


def opened(phone: Page, url: str) -> None:
    phone.goto(url)
    phone.wait_for_selector(LIVE)


def test_from_here_to_in_your_hands(shop: Shop, board: Page, phone: Page) -> None:
    ready(shop)
    opened(phone, link(shop))
    phone.get_by_text("2", exact=True).click()
    phone.fill("[name=vehicle]", "grey Corolla")
    phone.get_by_role("button", name="I’m here").click()
    card = board.locator('[data-cards="waiting"] .card', has_text="G19")
    expect(card).to_contain_text("grey Corolla")
    expect(card.locator(".bay")).to_contain_text("2")
    expect(phone.locator("h1")).to_contain_text("We saw you at")
    expect(phone.locator(".lead")).to_contain_text("bay 2")
    card.get_by_role("button", name="I’ll take it").click()
    expect(phone.locator("h1")).to_contain_text("Mara is bringing it out")
    card.get_by_role("button", name="Can’t find").click()
    expect(phone.locator("h1")).to_contain_text("Mara is outside and can’t see you")
    phone.get_by_text("1", exact=True).click()
    phone.get_by_role("button", name="I’m here").click()
    expect(card.locator(".bay")).to_contain_text("1")
    card.get_by_role("button", name="Handed over").click()
    expect(phone.locator("h1")).to_contain_text("Handed over")
    assert phone.get_by_role("button", name="I’m here").count() == 0
    assert phone.evaluate("localStorage.length") == 0


def test_without_scripts(shop: Shop, board: Page, plain: Page) -> None:
    ready(shop)
    url = link(shop)
    plain.goto(url)
    plain.get_by_role("button", name="I’m on my way").click()
    plain.wait_for_url(url)
    expect(plain.locator("h1")).to_have_text("See you soon.")
    expect(board.locator(".card", has_text="G19")).to_have_count(1)
    ready(shop, "canceled")
    plain.goto(url)
    assert plain.get_by_role("button", name="I’m here").count() == 0


def test_without_scripts_all_the_way(shop: Shop, board: Page, plain: Page) -> None:
    ready(shop)
    url = link(shop)
    plain.goto(url)
    plain.locator("label", has_text="2").first.click()
    plain.get_by_role("button", name="I’m here").click()
    plain.wait_for_url(url)
    card = board.locator('[data-cards="waiting"] .card', has_text="G19")
    expect(card.locator(".bay")).to_contain_text("2")
    card.get_by_role("button", name="I’ll take it").click()
    expect(card).to_contain_text("You have it")
    plain.goto(url)
    expect(plain.locator("h1")).to_contain_text("We saw you at")
    expect(plain.locator("h1")).to_contain_text("Mara is bringing it out")


def test_nobody_has_seen_it(shop: Shop, phone: Page) -> None:
    ready(shop)
    opened(phone, link(shop))
    phone.get_by_role("button", name="I’m here").click()
    expect(phone.locator("h1")).to_have_text("We have your check-in.")
    assert phone.get_by_role("link", name="Call +1 555 0100").count() == 0
    expect(phone.locator("h1")).to_contain_text("Nobody has seen it yet", timeout=30_000)
    expect(phone.get_by_role("link", name="Call +1 555 0100")).to_be_visible()


def test_a_lost_network_keeps_the_check_in(shop: Shop, board: Page, phone: Page) -> None:
    ready(shop)
    opened(phone, link(shop))
    phone.context.set_offline(True)
    phone.get_by_role("button", name="I’m here").click()
    expect(phone.locator("#note")).to_have_text("Not sent yet. We keep trying.")
    assert arrival(shop) is None
    phone.context.set_offline(False)
    expect(phone.locator("h1")).to_contain_text("We saw you at")
    expect(phone.locator("#note")).to_be_hidden()
    expect(board.locator('[data-cards="waiting"] .card', has_text="G19")).to_be_visible()


def test_what_was_typed_stays_when_news_come(shop: Shop, phone: Page) -> None:
    ready(shop, "delivery_started")
    opened(phone, link(shop))
    phone.fill("[name=vehicle]", "red van")
    phone.get_by_text("2", exact=True).click()
    ready(shop)
    expect(phone.locator("h1")).to_have_text("Your order is ready.")
    expect(phone.locator("[name=vehicle]")).to_have_value("red van")
    expect(phone.locator('[name=bay][value="2"]')).to_be_checked()


def test_a_sign_finds_the_order_of_this_phone(shop: Shop, phone: Page) -> None:
    ready(shop)
    url = link(shop)
    opened(phone, url)
    phone.goto(f"{shop.base}/c/68/2")
    phone.wait_for_url(f"{url}?bay=2")
    phone.wait_for_selector(LIVE)
    expect(phone.locator('[name=bay][value="2"]')).to_be_checked()
    phone.get_by_role("button", name="I’m here").click()
    expect(phone.locator("h1")).to_contain_text("We have your check-in")
    assert arrival(shop)["bay"] == "2"  # type: ignore[index]


def test_a_sign_without_scripts_or_link(shop: Shop, plain: Page) -> None:
    ready(shop)
    plain.goto(f"{shop.base}/c/68/2")
    plain.fill("[name=code]", "g19")
    plain.fill("[name=digits]", "0000")
    plain.get_by_role("button", name="Find my order").click()
    expect(plain.get_by_role("alert")).to_contain_text("could not find")
    plain.fill("[name=digits]", "3344")
    plain.get_by_role("button", name="Find my order").click()
    expect(plain.locator("h1")).to_have_text("Your order is ready.")
    expect(plain.locator('[name=bay][value="2"]')).to_be_checked()
    plain.get_by_role("button", name="I’m here").click()
    expect(plain.locator("h1")).to_have_text("We have your check-in.")
    assert arrival(shop)["bay"] == "2"  # type: ignore[index]
