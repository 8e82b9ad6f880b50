"""The pages behind the boards, in a real browser: what is done there is seen at once by who it concerns."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from axe import clean
from pastdays import over, put
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rig import Served

from app.errors import NotUnderstood, Unreadable
from app.intake import Raw
from app.orders import Entry
from app.store.outbox import DEAD, Note
from app.store.people import User
from app.web import links

expect.set_options(timeout=20_000)

LIVE = 'html[data-live="live"]'
Enter = Callable[..., BrowserContext]


@pytest.fixture
def enter(served: Served, browser: Browser) -> Any:
    """A browser of somebody's own, signed in."""
    made: list[BrowserContext] = []
    said: list[str] = []  # what pages complain about: script errors and blocked content

    def signed_in(name: str, role: str, *stores: str, **options: Any) -> BrowserContext:
        site = served.house.site
        served.call(site.people.save(User(name, role, stores, "hash")))
        secret = served.call(site.people.enter(name, site.clock(), "Chromium"))
        context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
        context.set_default_timeout(20_000)
        context.add_cookies([{"name": site.cookie, "value": secret, "url": served.base}])
        context.on("weberror", lambda error: said.append(str(error.error)))
        context.on("console", lambda line: said.append(line.text) if "Content Security Policy" in line.text else None)
        made.append(context)
        return context

    yield signed_in
    for context in made:
        context.close()
    assert not said


def ask(page: Page, name: str) -> None:
    """Presses a button that asks whether it is meant."""
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=name).click()


def keep(served: Served, uuid: str, source: str = "jane-68") -> None:
    cart = {
        "id": 1, "uuid": uuid, "status": "preparing", "reservation_mode": "pickup", "store_id": 68,
        "queue_number": "G" + uuid, "products": [],
    }  # fmt: skip
    body = msgspec.json.encode({"cart": cart, "webhook_event": "cart_status_updated"})
    site = served.house.site
    raw = Raw(source=source, heard=site.clock(), body=body)
    served.call(site.intake.keep(raw, "unreadable", Unreadable("cart.status was not one that we knew."), bytes))


def full(served: Served) -> None:
    """Something on every page."""
    site = served.house.site
    keep(served, "1")
    raw = Raw(source="lola", heard=site.clock() - 5000, body=b'{"eventName": "order.teleported"}')
    served.call(site.intake.keep(raw, "not understood", NotUnderstood("No such event."), bytes))
    order = over(
        "c1", site.clock() - 900, ended_at=None, end=None, stage="preparing", waited=None, updated_at=1.0, heard=1.0,
        timeline=(Entry("preparing", site.clock() - 800),),
    )  # fmt: skip
    served.call(put(served.house, [order]))
    served.call(links.make(site, order, "customer", "sam"))
    served.call(links.make(site, order, "delegate", "sam"))
    screen, _ = served.call(site.screens.make("68", "tv", site.clock()))
    served.call(site.screens.make("68", "ready", site.clock()))
    served.call(site.screens.saw([screen.id], site.clock()))
    served.call(site.people.save(User("lea", "staff", ("68",), "hash", True)))
    served.call(site.feeds.polled("lola", 5, 2, ("HTTP 502", site.clock()), site.clock()))

    async def dead() -> None:
        effect = msgspec.msgpack.encode(["arrived", order.key, site.clock()])
        note = msgspec.msgpack.encode(Note(state="dead", tries=7, words="HTTP 503", at=site.clock()))
        await site.outbox.ask("HSET", "ob:out:k", "e", effect, "n", note)
        await site.outbox.ask("ZADD", DEAD, repr(site.clock()), "k")

    served.call(dead())


def test_a_replay_puts_the_card_on_an_open_board(served: Served, enter: Enter) -> None:
    keep(served, "7")
    context = enter("max", "manager", "68")
    board, page = context.new_page(), context.new_page()
    board.goto(f"{served.base}/board/68")
    board.wait_for_selector(LIVE)
    page.goto(f"{served.base}/admin/quarantine")
    page.evaluate("window.same = true")
    page.get_by_text("What it sent").click()
    expect(page.locator(".raw")).to_contain_text('"queue_number": "G7"')
    page.get_by_role("button", name="Replay: Jane").click()
    expect(page.get_by_role("status")).to_contain_text("Replayed.")
    expect(page.get_by_role("status")).to_be_focused()
    expect(page.locator(".rows li")).to_have_count(0)
    assert page.evaluate("window.same")
    expect(board.locator('[data-cards="picking"] .card')).to_contain_text("G7")


def test_all_of_a_kind_are_replayed_with_the_keyboard(served: Served, enter: Enter) -> None:
    for n in range(3):
        keep(served, str(n))
    page = enter("max", "manager", "68").new_page()
    page.goto(f"{served.base}/admin/quarantine")
    page.get_by_label("Source").select_option("jane-68")
    page.get_by_label("Kind").select_option("unreadable")
    page.get_by_role("button", name="Show").press("Enter")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Replay all of them").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("3 replayed")


def test_it_all_works_without_scripts(served: Served, enter: Enter) -> None:
    keep(served, "7")
    page = enter("ada", "admin", java_script_enabled=False).new_page()
    page.goto(f"{served.base}/admin/quarantine")
    page.get_by_role("button", name="Replay: Jane").click()
    expect(page.get_by_role("status")).to_contain_text("Replayed.")
    page.goto(f"{served.base}/admin/people")
    page.get_by_label("Name").fill("sam")
    page.get_by_label("North").check()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#once")).to_be_visible()
    page.get_by_role("link", name="Change sam").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("This account can’t sign in.")).to_be_visible()


def test_a_revoked_link_closes_the_customers_page(served: Served, enter: Enter, context: BrowserContext) -> None:
    full(served)
    site = served.house.site
    _, token = served.call(links.make(site, served.call(site.orders.get("jane-68:c1")).order, "customer", "sam"))
    tracking, page = context.new_page(), enter("max", "manager", "68").new_page()
    tracking.goto(f"{served.base}/t/{token}")
    tracking.wait_for_selector(LIVE)
    page.goto(f"{served.base}/admin/links")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke the link: Gc1, For the customer").first.click()
    expect(page.get_by_role("status")).to_contain_text("revoked")
    expect(page.locator("tbody tr")).to_have_count(2)
    tracking.wait_for_selector('html[data-live="ended"]')


def test_a_screen_is_made_goes_on_and_is_ended(served: Served, enter: Enter, context: BrowserContext) -> None:
    page, wall = enter("max", "manager", "68").new_page(), context.new_page()
    page.goto(f"{served.base}/admin/screens")
    expect(page.get_by_text("This store has no screen yet.")).to_be_visible()
    page.get_by_label("Ready screen").check()
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("svg.segno")).to_be_visible()
    wall.goto(page.get_by_role("textbox", name="The address").input_value())
    wall.wait_for_selector(LIVE)
    ask(page, "End the screen")
    expect(page.get_by_role("status")).to_contain_text("ended")
    wall.wait_for_selector('html[data-live="ended"]')


def test_who_is_disabled_is_signed_out(served: Served, enter: Enter) -> None:
    board = enter("sam", "staff", "68").new_page()
    board.goto(f"{served.base}/board/68")
    board.wait_for_selector(LIVE)
    page = enter("ada", "admin").new_page()
    page.goto(f"{served.base}/admin/people/sam")
    expect(page.get_by_text("Chromium")).to_be_visible()
    ask(page, "Disable")
    expect(page.get_by_role("status")).to_contain_text("signed out everywhere")
    board.wait_for_url("**/login*")


def test_what_can_not_be_is_said_where_it_was_asked(served: Served, enter: Enter) -> None:
    page = enter("ada", "admin").new_page()
    page.goto(f"{served.base}/admin/people")
    page.get_by_label("Name").fill("sam")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose at least one store")
    expect(page.get_by_label("Name")).to_have_value("sam")
    site = served.house.site
    served.call(site.people.save(User("eve", "admin", (), "hash")))
    page.goto(f"{served.base}/admin/people/eve")
    served.call(site.people.remove("eve"))
    ask(page, "Disable")
    expect(page.get_by_role("status")).to_contain_text("There is no such account")


def test_every_page_fits_and_axe_has_nothing_to_say(served: Served, enter: Enter) -> None:
    full(served)
    page = enter("ada", "admin").new_page()
    paths = ("feeds", "quarantine?source=jane-68&why=unreadable&said=some&n=2", "links", "screens", "people",
             "people/lea", "people/ada", "audit", "links?store=123", "quarantine?source=aifi")  # fmt: skip
    for path in paths:
        page.goto(f"{served.base}/admin/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        for width in (1440, 820, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)
        clean(page)
    page.goto(f"{served.base}/admin/screens")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("svg.segno")).to_be_visible()
    clean(page)
    page.goto(f"{served.base}/admin/quarantine")
    page.get_by_text("What it sent").first.click()
    expect(page.locator(".raw")).to_be_visible()
    clean(page)
