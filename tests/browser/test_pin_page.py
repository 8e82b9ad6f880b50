"""A shared tablet that asks who it is, by mouse, touch and keyboard; and the page of one's own account."""

import time
from collections.abc import Iterator

import httpx2
import pytest
from argon2 import PasswordHasher
from axe import clean
from conftest import live
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rig import WAIT, Served, free_port, settings_of

from app.orders import OrderEvent, Step
from app.store.people import User

PASSWORD = "a password for tests"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def served(redis_url: str) -> Iterator[Served]:
    settings = settings_of(free_port())
    settings.stores["68"] = type(settings.stores["68"])(id="68", name="Jane's Shop", timezone="UTC", pin=True)
    running = Served(settings, redis_url).start()
    for name, role, pin in (("till", "manager", ""), ("Zoë", "manager", "2580"), ("Tom", "staff", "8642")):
        hashed = QUICK.hash(pin) if pin else ""
        running.call(running.house.site.people.save(User(name, role, ("68",), QUICK.hash(PASSWORD), pin=hashed)))
    for ref in ("g1", "g2", "g3"):
        take(running, ref, stage="ready", fulfilment="curbside")
        take(running, ref, policy="local", name="here", arrival=Step("here", bay="2"))
        take(running, ref, policy="local", name="claimed", by="till", arrival=Step("claimed"))
    yield running
    running.stop()


def take(served: Served, ref: str, **said: object) -> None:
    plain = {"name": "word", "digest": f"{ref}{said}", "policy": "event_time", "store": "68", "code": ref.upper()}
    event = OrderEvent(source="lola", provider="lolamarket", ref=ref, heard=time.time(), **{**plain, **said})  # type: ignore[arg-type]
    served.call(served.house.site.intake.take(event))


def enter(served: Served, context: BrowserContext, path: str = "/board/68") -> Page:
    page = context.new_page()
    page.goto(f"{served.base}/login?next={path}")
    page.fill("[name=username]", "till")
    page.fill("[name=password]", PASSWORD)
    page.click("form button")
    page.wait_for_url(f"**{path}")
    return page


def over(served: Served, ref: str) -> None:
    """Waits until the order is handed over."""
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        if served.call(served.house.site.orders.get(f"lola:{ref}")).order.arrival.state == "handed_over":
            return
        time.sleep(0.05)
    raise AssertionError("it is not handed over")


def test_who_hands_over_says_who_they_are(served: Served, context: BrowserContext, faults: list[str]) -> None:
    page = enter(served, context)
    live(page)
    dialog = page.locator("#pin")

    def tap(ref: str) -> None:
        page.locator("[data-lane]", has_text=ref.upper()).locator("[data-act=handed_over]").click()
        expect(dialog).to_be_visible()

    tap("g1")
    clean(page)
    dialog.get_by_role("radio", name="Zoë").click()
    page.keyboard.type("1111")
    page.keyboard.press("Enter")
    expect(dialog.locator("#pin-err")).to_have_text("That PIN is wrong. Nothing was changed.")
    expect(dialog.locator("[name=pin]")).to_be_focused()
    expect(dialog.locator("[name=pin]")).to_have_value("")
    page.keyboard.type("2580")
    dialog.get_by_role("button", name="OK").click()
    expect(dialog).to_be_hidden()
    over(served, "g1")
    expect(page.locator("#toast")).to_contain_text("handed over")
    page.locator("#toast button").click()  # taking it back asks for nothing
    expect(page.locator("[data-lane]", has_text="G1").locator("[data-act=handed_over]")).to_be_visible()
    tap("g2")
    expect(dialog.locator("[name=by][value=Zoë]")).to_be_checked()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#toast")).to_contain_text("no PIN was given")
    assert served.call(served.house.site.orders.get("lola:g2")).order.arrival.state == "claimed"
    deeds = served.call(served.house.site.audit.page())[0]
    assert [(deed.who, deed.what) for deed in deeds[:3]] == [
        ("till", "undone"), ("Zoë", "handed_over"), ("till", "pin_refused"),
    ]  # fmt: skip


def test_by_keyboard_and_by_touch(served: Served, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True, color_scheme="dark")
    context.set_default_timeout(20_000)
    page = enter(served, context)
    live(page)
    dialog = page.locator("#pin")
    page.locator("[data-lane]", has_text="G3").locator(".card-code").focus()
    page.keyboard.press("h")
    expect(dialog).to_be_visible()
    expect(dialog.locator("[name=by]").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(dialog.locator("[name=pin]")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    who = dialog.locator("[name=by]:checked").get_attribute("value")
    page.keyboard.type({"Zoë": "2580", "Tom": "8642"}[who or ""])
    page.keyboard.press("Enter")
    over(served, "g3")
    page.locator("[data-lane]", has_text="G2").locator("[data-act=handed_over]").tap()
    dialog.get_by_role("radio", name="Tom").tap()
    clean(page)
    page.keyboard.type("8642")
    dialog.get_by_role("button", name="OK").tap()
    over(served, "g2")
    context.close()


def test_the_drawer_asks_too(served: Served, context: BrowserContext, faults: list[str]) -> None:
    page = enter(served, context)
    live(page)
    page.locator("[data-lane]", has_text="G1").locator(".card-code").click()
    page.click("#t-links")
    page.get_by_role("button", name="Link for the customer").click()
    page.get_by_role("radio", name="Zoë").click()
    page.keyboard.type("2580")
    page.keyboard.press("Enter")
    expect(page.locator("#new-link")).to_be_visible()
    page.on("dialog", lambda box: box.accept())
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("#pin")).to_be_visible()
    page.keyboard.type("2580")
    page.keyboard.press("Enter")
    expect(page.locator("#links")).to_contain_text("No link opens this order now.")


def test_the_page_of_ones_account(served: Served, context: BrowserContext) -> None:
    page = enter(served, context, "/account")
    expect(page.get_by_role("heading", level=1)).to_have_text("till")
    for width, scheme in ((1440, "light"), (820, "dark"), (390, "light")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        clean(page)


def test_signing_out_everywhere_ends_an_open_board(served: Served, context: BrowserContext) -> None:
    page = enter(served, context)
    live(page)
    with httpx2.Client(base_url=served.base) as other:
        other.post("/login", data={"username": "till", "password": PASSWORD})
        other.post("/account/expel")
    page.wait_for_url("**/login?next=*")
