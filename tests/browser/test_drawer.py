"""The drawer, the keys and the sound, as people use them."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from rig import SECRET, Served

from app.orders import OrderEvent, Step
from app.store.people import User

LIVE = 'html[data-live="live"]'


def sign_in(served: Served, context: BrowserContext, role: str = "staff") -> Page:
    """A page with the board, for somebody of this role."""
    site = served.house.site
    served.call(site.people.save(User("mara", role, ("68",), "")))
    secret = served.call(site.people.enter("mara", site.clock()))
    context.add_cookies([{"name": site.cookie, "value": secret, "url": served.base}])
    return another(served, context)


def another(served: Served, context: BrowserContext) -> Page:
    page = context.new_page()
    page.goto(f"{served.base}/board/68")
    page.wait_for_selector(LIVE)
    return page


@pytest.fixture
def board(served: Served, context: BrowserContext, faults: list[str]) -> Page:
    return sign_in(served, context)


def jane(served: Served, status: str, uuid: str = "c1", code: str = "G19") -> None:
    window = (datetime.now(UTC) + timedelta(minutes=40)).strftime("%Y-%m-%d %H:%M:%S")
    cart = {
        "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
        "queue_number": code, "customer_name": "Amida Brooks", "reservation_start_window": window, "products": [],
    }  # fmt: skip
    body = {"cart": cart, "webhook_event": "cart_status_updated"}
    headers = {"Authorization": f"Bearer {SECRET}"}
    assert httpx2.post(f"{served.base}/hooks/jane-68", json=body, headers=headers).status_code == 202


def here(served: Served, ref: str = "c1") -> None:
    """The customer stands outside."""
    site = served.house.site
    event = OrderEvent(
        source="jane-68", provider="jane", ref=ref, name="here", digest="", policy="local", heard=site.clock(),
        arrival=Step("here", "2", "grey Corolla"),
    )  # fmt: skip
    served.call(site.intake.take(event))


def test_the_drawer_opens_by_a_click_and_closes_by_escape_and_back(served: Served, board: Page) -> None:
    jane(served, "preparing")
    link = board.get_by_role("link", name="G19")
    link.click()
    drawer = board.locator("#ledger")
    expect(drawer).to_be_visible()
    expect(drawer).to_contain_text("Picking since")
    assert board.evaluate("document.querySelector('.now').getBoundingClientRect().right") <= board.evaluate(
        "document.querySelector('#ledger').getBoundingClientRect().left"
    )
    board.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(link).to_be_focused()
    assert "#" not in board.url
    link.click()
    expect(drawer).to_be_visible()
    board.go_back()
    expect(drawer).to_be_hidden()
    board.goto(board.url + "#jane-68/c1")
    expect(drawer).to_be_visible()


def test_an_open_drawer_hears_of_changes(served: Served, board: Page) -> None:
    jane(served, "verification")
    board.get_by_role("link", name="G19").click()
    events = board.locator("#p-events tbody tr")
    expect(events).to_have_count(1)
    jane(served, "preparing")
    expect(events).to_have_count(2)
    expect(board.locator("#ledger")).to_contain_text("Picking since")


def test_a_manager_reads_what_was_sent_and_makes_a_link(
    served: Served, context: BrowserContext, faults: list[str]
) -> None:
    board = sign_in(served, context, "manager")
    jane(served, "preparing")
    board.get_by_role("link", name="G19").click()
    board.locator(".ledger .show").click()
    expect(board.locator(".raw")).to_contain_text('"queue_number": "G19"')
    board.get_by_role("tab", name="Links").click()
    board.get_by_role("button", name="Link for the customer").click()
    expect(board.locator("#links svg.segno")).to_be_visible()
    assert httpx2.get(board.locator("#new-link").input_value()).status_code == 200
    board.on("dialog", lambda dialog: dialog.accept())
    board.get_by_role("button", name="Revoke").click()
    expect(board.locator("#links")).to_contain_text("No link opens this order")


def test_everything_by_keyboard(served: Served, board: Page) -> None:
    jane(served, "preparing")
    jane(served, "ready_for_pickup", uuid="c2", code="G20")
    expect(board.get_by_role("link", name="G20")).to_be_visible()
    board.keyboard.press("j")
    expect(board.get_by_role("link", name="G19")).to_be_focused()
    board.keyboard.press("ArrowRight")
    expect(board.get_by_role("link", name="G20")).to_be_focused()
    board.keyboard.press("k")
    expect(board.get_by_role("link", name="G19")).to_be_focused()
    board.keyboard.press("Enter")
    expect(board.locator("#ledger")).to_be_visible()
    board.keyboard.press("Escape")
    expect(board.get_by_role("link", name="G19")).to_be_focused()
    jane(served, "ready_for_pickup")
    expect(board.locator('[data-cards="ready"]')).to_contain_text("G19")
    expect(board.get_by_role("link", name="G19")).to_be_focused()
    board.keyboard.press("h")
    expect(board.locator('[data-cards="done"]')).to_contain_text("G19")
    board.keyboard.press("?")
    expect(board.locator("#keys")).to_be_visible()
    board.keyboard.press("Escape")
    expect(board.locator("#keys")).to_be_hidden()
    board.keyboard.press("/")
    expect(board.locator("#find")).to_be_focused()


def test_a_claim_on_one_screen_silences_the_other(served: Served, board: Page, context: BrowserContext) -> None:
    other = another(served, context)
    screens = (board, other)
    jane(served, "ready_for_pickup")
    for page in screens:
        expect(page.get_by_role("link", name="G19")).to_be_visible()
    here(served)
    for page in screens:
        expect(page.locator("html")).to_have_attribute("data-ringing", "1")
        expect(page.locator("html")).to_have_attribute("data-played", "arrived")
    board.get_by_role("link", name="G19").focus()
    board.keyboard.press("c")
    for page in screens:
        expect(page.locator("html:not([data-ringing])")).to_have_count(1)
    expect(other.locator("#board .arrive")).to_contain_text("You have it")


def test_what_was_there_before_never_sounds(served: Served, board: Page) -> None:
    jane(served, "ready_for_pickup")
    expect(board.get_by_role("link", name="G19")).to_be_visible()
    here(served)
    expect(board.locator("#board .arrive")).to_be_visible()
    board.reload()
    board.wait_for_selector(LIVE)
    board.wait_for_timeout(1500)
    assert board.evaluate("document.documentElement.dataset.played") is None
    assert board.evaluate("document.documentElement.dataset.ringing") is None


def test_blocked_sound_says_so_until_somebody_touches_the_page(served: Served, board: Page) -> None:
    board.reload()
    board.wait_for_selector(LIVE)
    expect(board.locator("#sound-blocked")).to_be_visible()
    floor = board.locator("#board").bounding_box()
    board.get_by_role("button", name="Turn on and test").click()
    expect(board.locator("#sound-blocked")).to_be_hidden()
    assert board.locator("#board").bounding_box() == floor
    expect(board.locator('html[data-sound="on"][data-played="arrived"]')).to_have_count(1)
    board.locator("#sound-button").click()
    board.get_by_role("button", name="Off", exact=True).click()
    board.reload()
    expect(board.locator('html[data-sound="off"]')).to_have_count(1)


def test_the_cards_of_a_quiet_feed_are_marked(served: Served, board: Page) -> None:
    jane(served, "preparing")
    card = board.locator(".card", has_text="G19")
    expect(card).to_be_visible()
    expect(card).not_to_have_attribute("data-stale", "")
    chip = '<span data-source="jane-68" data-feed="silent"></span>'
    text = f'<hx-partial hx-target="#feeds" hx-swap="innerHTML">{chip}</hx-partial>'
    board.evaluate("text => htmx.swap({target: document.body, sourceElement: document.body, swap: 'none', text})", text)
    expect(card).to_have_attribute("data-stale", "")
