"""The switch between languages, in a real Chromium with scripts and without, and pushes in the page's language."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from axe import clean
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rig import SECRET, TOKEN, Served, free_port, settings_of

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'
PHONE: Any = {"width": 390, "height": 844}


class Shop:
    def __init__(self, served: Served) -> None:
        self.base = served.base

    def order(self, uuid: str, status: str) -> None:
        cart = {
            "id": 1, "uuid": uuid, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
            "queue_number": uuid, "customer_name": "Amida Brooks", "products": [],
            "reservation_start_window": "2036-06-21 22:45:00",
        }  # fmt: skip
        head = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        body = json.dumps({"cart": cart, "webhook_event": "cart_status_updated"})
        assert httpx2.post(f"{self.base}/hooks/jane-68", content=body, headers=head).status_code == 202

    def link(self, uuid: str, status: str = "ready_for_pickup") -> str:
        self.order(uuid, status)
        head = {"Authorization": f"Bearer {TOKEN}"}
        return str(httpx2.post(f"{self.base}/api/orders/jane-68/{uuid}/links", headers=head).json()["url"])


@pytest.fixture(scope="module")
def shop(redis_server: str) -> Iterator[Shop]:
    running = Served(settings_of(free_port()), redis_server).start()
    yield Shop(running)
    running.stop()


def context(browser: Browser, **options: Any) -> BrowserContext:
    made = browser.new_context(viewport=PHONE, **options)
    made.set_default_timeout(20_000)
    return made


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    made = context(browser, locale="sv-SE")
    faults: list[str] = []
    made.on("weberror", lambda error: faults.append(str(error.error)))
    made.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield made.new_page()
    made.close()
    assert not faults


def headline(page: Page, text: str, lang: str) -> None:
    expect(page.locator("h1")).to_have_text(text)
    expect(page.locator("html")).to_have_attribute("lang", lang)
    expect(page.locator(".langs [aria-current]")).to_have_attribute("lang", lang)


def test_the_switch_stays_and_pushes_speak_it(shop: Shop, phone: Page) -> None:
    url = shop.link("L1", "confirmed")
    phone.goto(url)
    headline(phone, "Vi har fått din beställning.", "sv")
    phone.get_by_role("link", name="Polski").click()
    headline(phone, "Mamy Twoje zamówienie.", "pl")
    phone.wait_for_selector(LIVE)
    shop.order("L1", "ready_for_pickup")
    headline(phone, "Zamówienie jest gotowe.", "pl")
    phone.get_by_role("button", name="Jestem w drodze").click()
    headline(phone, "Do zobaczenia wkrótce.", "pl")
    assert phone.url == url + "?lang=pl"
    # another link, without a language in it, on the same phone
    phone.goto(shop.link("L2"))
    headline(phone, "Zamówienie jest gotowe.", "pl")
    assert phone.evaluate("document.cookie") == ""


def test_what_a_script_says_is_in_the_pages_language(shop: Shop, phone: Page) -> None:
    phone.goto(shop.link("L3") + "?lang=es")
    phone.wait_for_selector(LIVE)
    phone.route("**/arrival*", lambda route: route.abort())
    phone.get_by_role("button", name="Ya estoy aquí").click()
    expect(phone.locator("#note")).to_have_text("Aún no se ha enviado. Seguimos intentándolo.")
    expect(phone.locator("#fresh")).to_contain_text("En vivo")


def test_the_switch_needs_no_script(shop: Shop, browser: Browser) -> None:
    made = context(browser, java_script_enabled=False, locale="es-MX")
    page = made.new_page()
    url = shop.link("L4")
    page.goto(url + "?bay=2")
    headline(page, "Tu pedido está listo.", "es")
    page.get_by_role("link", name="Svenska").click()
    headline(page, "Din beställning är klar.", "sv")
    expect(page.locator('[name=bay][value="2"]')).to_be_checked()
    page.get_by_role("button", name="Jag är här").click()
    headline(page, "Vi har din incheckning.", "sv")
    assert page.url == url + "?lang=sv"
    made.close()


@pytest.mark.parametrize("lang", ["en", "es", "pl", "sv"])
def test_nothing_is_wider_than_the_phone(shop: Shop, browser: Browser, lang: str) -> None:
    made = context(browser)
    page = made.new_page()
    page.goto(f"{shop.link('L5')}?lang={lang}")
    page.wait_for_selector(LIVE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    words = page.locator(".line b").all()
    assert [
        word.inner_text() for word in words if len(word.inner_text().split()) == 1 and word.evaluate(LINES) > 1
    ] == []
    sizes = [link.bounding_box() for link in page.locator(".langs a").all()]
    assert all(size is not None and size["height"] >= 44 for size in sizes)
    clean(page)
    made.close()


LINES = "(e) => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length; }"
