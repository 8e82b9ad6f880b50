"""The customer's page at every stage on a phone: axe has nothing to say in light and dark, nothing is wider than the
screen, and a screen reader hears each change once."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from axe import clean
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect
from rig import TOKEN, Served, free_port, settings_of

from app.orders import Destination, Item, OrderEvent, Promise, Reason, Replacement, Shopper, Step, Total

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'
PHONE: Any = {"width": 390, "height": 844}
API = {"Authorization": f"Bearer {TOKEN}"}
GOODS = (
    Item("1", "Gala apples 1 kg", 2.0, "unit", 2.0, "unit", "found"),
    Item("2", "Oat drink", 1.0, "unit", 0.0, None, "replaced", (Replacement("r", "Oat drink, plain", 2.0),)),
    Item("3", "Sourdough, sliced", 1.0, "unit", None, None, "refunded"),
    Item("4", "Limes", 3.0, "unit", 1.0, "unit", "partial"),
    Item("5", "Carrots 1 kg", 1.0, "unit"),
)
NO_SHOW = Reason("CUSTOMER_NO_SHOW", None)
# The stages that come one after another, with what lies over the last; and the steps of a check-in after them.
CASES: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...], dict[str, Any]]] = {
    "received": ("jane-68", "curbside", ("placed",), (), {"flags": ("in_review",)}),
    "ready": ("jane-68", "curbside", ("placed", "preparing", "ready"), (), {}),
    "on the way": ("jane-68", "pickup", ("placed", "ready"), ("on_my_way",), {}),
    "here": ("jane-68", "curbside", ("placed", "ready"), ("here",), {}),
    "claimed": ("jane-68", "curbside", ("placed", "ready"), ("here", "shown", "claimed"), {}),
    "not found": ("jane-68", "curbside", ("placed", "ready"), ("here", "claimed", "cannot_find"), {}),
    "handed over": ("jane-68", "curbside", ("placed", "ready"), ("here", "claimed", "handed_over"), {}),
    "shopping": ("lola", "delivery", ("placed", "assigned", "preparing"), (), {"flags": ("late",)}),
    "on hold": ("lola", "delivery", ("placed", "preparing"), (), {"flags": ("on_hold",), "reason": NO_SHOW}),
    "back": ("lola", "delivery", ("placed", "picked", "preparing"), (), {}),
    "brought": ("lola", "delivery", ("placed", "preparing", "in_transit"), (), {}),
    "returned": ("lola", "delivery", ("placed", "in_transit", "returned"), (), {"reason": NO_SHOW}),
    "receipt": ("aifi", "in_store", ("cart", "fulfilled"), (), {"flags": ("payment_failed",)}),
}
NOT_YET = {"handed over", "returned", "receipt"}


@pytest.fixture(scope="module")
def served(redis_server: str) -> Iterator[Served]:
    settings = settings_of(free_port())
    settings.stores["123"] = replace(settings.stores["123"], phone="+34 600 555 010", street="Calle Mayor")
    running = Served(settings, redis_server).start()
    yield running
    running.stop()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    made = browser.new_context(viewport=PHONE)
    made.set_default_timeout(20_000)
    yield made.new_page()
    made.close()


def say(served: Served, source: str, ref: str, **more: Any) -> None:
    site = served.house.site
    event = OrderEvent(
        source=source, provider=source.partition("-")[0].replace("lola", "lolamarket"), ref=ref, digest="",
        heard=site.clock(), **{"name": "event", "policy": "event_time", **more},
    )  # fmt: skip
    served.call(site.intake.take(event))


def case(served: Served, name: str) -> str:
    """The address of an order that has come so far."""
    source, fulfilment, stages, steps, last = CASES[name]
    ref, now = name.replace(" ", "-"), time.time()
    facts: dict[str, Any] = {
        "fulfilment": fulfilment, "code": "G31", "items": GOODS, "whole": True, "total": Total("41.80", "EUR"),
        "store": "68" if source == "jane-68" else "123", "promised": Promise(now + 1500, now + 3300),
    }  # fmt: skip
    if fulfilment == "delivery":
        facts |= {
            "shopper": Shopper("s", "Amida Diallo"), "destination": Destination("12 Example Street, apt 4"),
            "delivery_code": "4821", "bags": 3,
        }  # fmt: skip
    for number, stage in enumerate(stages):
        more = last if number == len(stages) - 1 else {}
        say(served, source, ref, at=now - 600 + number * 60, stage=stage, **facts, **more)
    for step in steps:
        say(served, source, ref, name=step, by="sam", policy="local", arrival=Step(step, "2", "grey Corolla"))
    made = httpx2.post(f"{served.base}/api/orders/{source}/{ref}/links", headers=API)
    return str(made.json()["url"])


@pytest.mark.parametrize("name", CASES)
def test_a_stage_is_clean(served: Served, phone: Page, name: str) -> None:
    phone.goto(case(served, name))
    phone.wait_for_selector(LIVE)
    assert phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert phone.locator("h1").count() == 1
    assert (phone.locator("[data-over]").count() == 1) == (name in NOT_YET)
    clean(phone)


@pytest.mark.parametrize("lang", ["en", "es", "pl", "sv"])
def test_the_narrowest_screen_scrolls_one_way(served: Served, phone: Page, lang: str) -> None:
    phone.set_viewport_size({"width": 320, "height": 640})
    for name in ("ready", "shopping", "returned"):
        phone.goto(f"{case(served, name)}?lang={lang}")
        phone.wait_for_selector(LIVE)
        assert phone.evaluate("document.documentElement.scrollWidth") == 320, name


def test_a_sign_and_what_is_wrong_on_it_are_clean(served: Served, phone: Page) -> None:
    phone.goto(f"{served.base}/c/68/2")
    clean(phone)
    phone.fill("[name=code]", "X")
    phone.fill("[name=digits]", "0000")
    phone.locator("form button").click()
    expect(phone.get_by_role("alert")).to_be_visible()
    clean(phone)
    phone.goto(f"{served.base}/c/68/2?print")
    clean(phone)


def test_a_change_is_said_once(served: Served, phone: Page) -> None:
    phone.goto(case(served, "shopping"))
    phone.wait_for_selector(LIVE)
    assert phone.locator("main [aria-live], main [role=status]").count() == 0
    phone.evaluate(
        """() => {
          window.said = [];
          const place = document.getElementById("say");
          const heard = () => place.textContent && said.push(place.textContent);
          new MutationObserver(heard).observe(place, {childList: true});
        }"""
    )
    now = time.time()
    for number in range(4):  # lines are done: nothing that has to be said
        found = (*GOODS[:4], Item("5", "Carrots 1 kg", float(number + 2), "unit", 1.0, "unit", "found"))
        say(served, "lola", "shopping", at=now + number, items=found, whole=True, stage="preparing")
    say(served, "lola", "shopping", at=now + 10, stage="picked")
    expect(phone.locator("h1")).to_have_text("Your items are picked.")
    expect(phone.locator("#say")).to_contain_text("Your items are picked.")
    say(served, "lola", "shopping", at=now + 20, stage="staged")
    expect(phone.locator("#say")).to_contain_text("Your order is packed.")
    said = phone.evaluate("window.said")
    assert [sum(line.count(text) for line in said) for text in ("are picked.", "is packed.")] == [1, 1], said
    assert not [line for line in said if "Carrots" in line]


def test_a_page_without_scripts_says_the_same(served: Served, browser: Browser) -> None:
    made = browser.new_context(viewport=PHONE, java_script_enabled=False)
    page = made.new_page()
    for name in ("ready", "shopping", "handed over"):
        page.goto(case(served, name))
        assert page.locator("h1").inner_text()
        assert page.locator("noscript").count()
        assert page.locator(".near").count() == 0 or page.locator(".near").is_hidden()
    made.close()
