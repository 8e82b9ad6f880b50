"""A phone on a bad line: without sockets, locked and woken, offline; where it stands; and after the link has ended."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import chromium
import httpx2
import pytest
from axe import clean
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect
from rig import SECRET, TOKEN, Served, free_port, settings_of

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'
PHONE: Any = {"width": 390, "height": 844}
API = {"Authorization": f"Bearer {TOKEN}"}
SHOP = {"latitude": 37.77, "longitude": -122.42}


class Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Shop:
    """One server for all tests here; each has an order of its own."""

    def __init__(self, served: Served, clock: Clock) -> None:
        self.served, self.clock, self.number = served, clock, 0

    def order(self, status: str = "ready_for_pickup", uuid: str = "", **more: Any) -> str:
        self.number += not uuid
        uuid = uuid or f"p{self.number}"
        cart = {
            "id": 1, "uuid": uuid, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
            "queue_number": f"G{self.number}", "customer_name": "Amida Brooks",
            "customer_phone_number": "+1 112 223 3344",
            "reservation_start_window": "2036-06-21 22:45:00", "products": [], **more,
        }  # fmt: skip
        head = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        body = json.dumps({"cart": cart, "webhook_event": "cart_status_updated"})
        assert httpx2.post(f"{self.served.base}/hooks/jane-68", content=body, headers=head).status_code == 202
        return uuid

    def link(self, uuid: str, kind: str = "customer") -> tuple[str, str]:
        made = httpx2.post(f"{self.served.base}/api/orders/jane-68/{uuid}/links", json={"kind": kind}, headers=API)
        return made.json()["id"], made.json()["url"]

    def arrival(self, uuid: str) -> Any:
        return self.served.call(self.served.house.site.orders.get(f"jane-68:{uuid}")).order.arrival


@pytest.fixture(scope="module")
def shop(redis_server: str) -> Iterator[Shop]:
    clock = Clock()
    settings = settings_of(free_port(), link_hours=2)
    stores = {name: replace(store, phone="+1 555 0100", **SHOP) for name, store in settings.stores.items()}
    running = Served(replace(settings, stores=stores), redis_server, clock).start()
    yield Shop(running, clock)
    running.stop()


@pytest.fixture
def phone(browser: Browser, shop: Shop) -> Iterator[Page]:
    shop.clock.ahead = 0.0
    made = browser.new_context(viewport=PHONE)
    made.set_default_timeout(20_000)
    faults: list[str] = []
    made.on("weberror", lambda error: faults.append(str(error.error)))
    made.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    yield made.new_page()
    made.close()
    assert not faults


def opened(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(LIVE)


def blocked(page: Page) -> None:
    """A network that lets no socket through."""

    def refuse(route: WebSocketRoute) -> None:
        route.close(code=1011)

    page.route_web_socket("**/live/**", refuse)


def test_without_sockets_the_page_asks_again_and_says_so(shop: Shop, phone: Page) -> None:
    uuid = shop.order("preparing")
    blocked(phone)
    phone.goto(shop.link(uuid)[1])
    expect(phone.locator("html")).to_have_attribute("data-live", "polled")
    expect(phone.locator("#fresh")).to_contain_text("Every 15 s")
    clean(phone, "#fresh")
    shop.order("ready_for_pickup", uuid)
    phone.evaluate("dispatchEvent(new Event('online'))")
    expect(phone.locator("h1")).to_have_text("Your order is ready.")
    phone.get_by_role("button", name="I’m here").click()
    expect(phone.locator("h1")).to_contain_text("We have your check-in")
    assert shop.arrival(uuid).state == "here"


def test_a_phone_that_was_asleep_is_told_on_waking(shop: Shop, phone: Page) -> None:
    uuid = shop.order("preparing")
    opened(phone, shop.link(uuid)[1])
    phone.context.set_offline(True)
    shop.served.loop.call_soon_threadsafe(shop.served.house.site.hub.close_all, 1012)  # it cuts no open socket itself
    shop.order("ready_for_pickup", uuid)
    expect(phone.locator("html")).to_have_attribute("data-live", "offline")
    expect(phone.locator("h1")).to_have_text("We are packing your order.")
    phone.context.set_offline(False)
    expect(phone.locator("h1")).to_have_text("Your order is ready.")
    expect(phone.locator("html")).to_have_attribute("data-live", "live")


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ({"latitude": 37.7702, "longitude": -122.4201, "accuracy": 20}, "near"),
        ({"latitude": 37.80, "longitude": -122.42, "accuracy": 20}, "far"),
        ({"latitude": 37.80, "longitude": -122.42, "accuracy": 5000}, None),
        (None, None),
    ],
)
def test_the_phone_says_near_or_far_and_nothing_else(shop: Shop, phone: Page, where: Any, word: str | None) -> None:
    uuid = shop.order()
    if where is not None:
        phone.context.grant_permissions(["geolocation"])
        phone.context.set_geolocation(where)
    sent: list[str] = []
    phone.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
    opened(phone, shop.link(uuid)[1])
    phone.get_by_role("button", name="Tell the shop how near I am").click()
    told = {"near": "We tell the shop: near.", "far": "not near yet", None: "Your phone can’t tell"}[word]
    expect(phone.locator(".near p")).to_contain_text(told)
    phone.get_by_role("button", name="I’m here").click()
    expect(phone.locator("h1")).to_contain_text("We have your check-in")
    arrival = shop.arrival(uuid)
    assert (arrival.state, arrival.near) == ("here", word)
    assert not [line for line in sent if re.search(r"37\.[78]|122\.4|latitude|accuracy", line)]


def test_nothing_is_asked_of_the_phone_until_it_is_tapped(shop: Shop, phone: Page) -> None:
    phone.add_init_script("navigator.geolocation.getCurrentPosition = () => { window.asked = true; }")
    opened(phone, shop.link(shop.order())[1])
    assert phone.evaluate("window.asked") is None


def test_a_revoked_page_clears_itself(shop: Shop, phone: Page) -> None:
    uuid = shop.order()
    link, url = shop.link(uuid)
    opened(phone, url)
    assert phone.evaluate("localStorage.length") == 1
    assert httpx2.delete(f"{shop.served.base}/api/links/{link}", headers=API).status_code == 204
    expect(phone.locator("h1")).to_have_text("This link has ended.")
    expect(phone.locator("body")).not_to_contain_text("Your car")
    assert phone.evaluate("localStorage.length") == 0
    clean(phone)


def test_a_page_left_open_clears_itself_when_its_time_is_up(shop: Shop, phone: Page) -> None:
    uuid = shop.order("finished")
    phone.clock.install()
    opened(phone, shop.link(uuid)[1])
    expect(phone.locator("h1")).to_contain_text("Handed over")
    phone.clock.fast_forward("02:01:00")
    expect(phone.locator("h1")).to_have_text("This link has ended.")
    expect(phone.locator("body")).not_to_contain_text("Handed over")
    shop.clock.ahead = 7300.0
    phone.reload()
    expect(phone.locator("h1")).to_have_text("This link has ended.")
    clean(phone)


def test_back_to_an_ended_page_shows_nothing(shop: Shop, playwright_bf: BrowserContext) -> None:
    shop.clock.ahead = 0.0
    phone = playwright_bf.new_page()
    uuid = shop.order()
    link, url = shop.link(uuid)
    opened(phone, url)
    code = phone.locator(".eyebrow b").inner_text()
    phone.goto(f"{shop.served.base}/login")
    httpx2.delete(f"{shop.served.base}/api/links/{link}", headers=API)
    phone.go_back()
    expect(phone.locator("body")).not_to_contain_text(code)
    assert phone.evaluate("localStorage.length") == 0


@pytest.fixture
def playwright_bf(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that keeps pages for the way back, as people's do."""
    kept = browser.browser_type.launch(
        executable_path=chromium.find(),
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--enable-features=CacheControlNoStoreEnterBackForwardCache",
        ],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    made = kept.new_context(viewport=PHONE)
    made.set_default_timeout(20_000)
    yield made
    kept.close()


def test_an_ended_link_cleans_the_phone(shop: Shop, phone: Page) -> None:
    uuid = shop.order()
    link, url = shop.link(uuid)
    opened(phone, url)
    path = "/t/" + url.rpartition("/")[2]
    phone.evaluate("path => localStorage.setItem(`unsent ${path}`, '{}')", path)
    phone.goto("about:blank")
    httpx2.delete(f"{shop.served.base}/api/links/{link}", headers=API)
    phone.goto(url)
    expect(phone.locator("h1")).to_have_text("This link has ended.")
    phone.wait_for_function("localStorage.length === 0")


def test_someone_else_collects(shop: Shop, phone: Page) -> None:
    uuid = shop.order()
    opened(phone, shop.link(uuid)[1])
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    phone.get_by_role("button", name="Someone else is collecting").click()
    phone.get_by_role("button", name="Make a link for them").click()
    other = phone.locator("input[readonly]").input_value()
    phone.get_by_role("button", name="Copy").click()
    expect(phone.locator("#say")).to_have_text("Copied")
    assert phone.evaluate("navigator.clipboard.readText()") == other
    phone.get_by_text("Let them scan it").click()
    clean(phone)
    opened(phone, other)
    assert phone.get_by_role("button", name="Someone else is collecting").count() == 0
    expect(phone.locator("body")).not_to_contain_text("41.80")
    phone.get_by_role("button", name="I’m here").click()
    expect(phone.locator("h1")).to_contain_text("We have your check-in")
    assert shop.arrival(uuid).proxy


def test_a_page_is_installable_as_itself(shop: Shop, phone: Page) -> None:
    _, url = shop.link(shop.order())
    opened(phone, url)
    found = phone.locator("link[rel=manifest]").get_attribute("href")
    made = phone.request.get(f"{shop.served.base}{found}")
    assert made.headers["content-type"].startswith("application/manifest+json")
    assert made.headers["cache-control"] == "no-store"
    manifest = made.json()
    path = "/t/" + url.rpartition("/")[2]
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == (path, path, "standalone")
    for icon in manifest["icons"]:
        assert phone.request.get(f"{shop.served.base}{icon['src']}").headers["content-type"] == "image/png"
    assert phone.request.get(f"{shop.served.base}/t/nothing/app.webmanifest").status == 404
    assert phone.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
