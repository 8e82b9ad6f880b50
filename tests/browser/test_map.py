"""The map while somebody is on the way, in a real Chromium: what it shows, and whom it asks for anything."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe import clean
from mapping import Asked, pmtiles, recording_proxy, tile_server
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rig import Served, free_port, settings_of

from app.orders import Destination, OrderEvent, Promise, Shopper
from app.store.people import User
from app.trips import Fix
from app.web.staff import HASHER

LIVE = 'html[data-live="live"]'
PASSWORD = "a password for tests"
PHONE = {"width": 390, "height": 844}
SHOP, DOOR = (37.7599, -122.4148), (37.7710, -122.4282)
WAY = [(37.7640 + i * 0.0004, -122.4190 - i * 0.0005) for i in range(9)]


class Town:
    """A served shop, and what happens to its orders."""

    def __init__(self, served: Served) -> None:
        self.served = served

    def stage(self, stage: str, ref: str = "o1") -> None:
        now = time.time()
        event = OrderEvent(
            source="lola", provider="lolamarket", ref=ref, name=stage, digest=f"{ref}{now}", policy="event_time",
            heard=now, at=now, stage=stage, store="68", code="4455", promised=Promise(now - 900, now + 1500),
            destination=Destination("2914 Harrison Street", *DOOR), shopper=Shopper("7", "Dev Patel"),
        )  # fmt: skip
        self.served.call(self.served.house.site.intake.take(event))

    def seen(self, step: int, ago: float = 0.0, ref: str = "o1") -> None:
        fix = Fix(*WAY[step], time.time() - ago)
        assert self.served.call(self.served.house.site.positions.locate(f"lola:{ref}", "68", fix))

    def link(self, kind: str = "customer", ref: str = "o1") -> str:
        _, token = self.served.call(self.served.house.site.links.make(f"lola:{ref}", kind, time.time()))
        return f"{self.served.base}/t/{token}"


@contextmanager
def town(redis_url: str, **server: Any) -> Iterator[Town]:
    settings = settings_of(free_port(), **server)
    store = replace(settings.stores["68"], latitude=SHOP[0], longitude=SHOP[1])
    served = Served(replace(settings, stores=settings.stores | {"68": store}), redis_url).start()
    try:
        yield Town(served)
    finally:
        served.stop()


class Watched:
    """A page whose every request is written down, twice: by the browser, and by a proxy for all but our own host."""

    def __init__(self, page: Page, proxied: list[str]) -> None:
        self.page = page
        self.proxied = proxied
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)

    def _said(self, line: Any) -> None:
        if "Content Security Policy" in line.text:
            self.faults.append(line.text)

    def others(self, town: Town) -> set[str]:
        """Hosts other than ours that the page asked."""
        return self.hosts - {urlsplit(town.served.base).netloc, ""}


@pytest.fixture
def watched(browser: Browser) -> Iterator[Callable[..., Watched]]:
    opened: list[BrowserContext] = []
    pages: list[Watched] = []
    with recording_proxy() as (proxy, asked):

        def make(**options: Any) -> Watched:
            context = browser.new_context(viewport=PHONE, proxy={"server": proxy, "bypass": "127.0.0.1"}, **options)
            context.set_default_timeout(20_000)
            opened.append(context)
            pages.append(Watched(context.new_page(), asked))
            return pages[-1]

        yield make
        for context in opened:
            context.close()
    assert not [fault for page in pages for fault in page.faults]


def pin(page: Page) -> str | None:
    return page.locator(".draw .who").get_attribute("transform")


def journey(town: Town, watched: Watched) -> None:
    """From picking to the door, with the page open all the way."""
    town.stage("preparing")
    page = watched.page
    page.goto(town.link())
    page.wait_for_selector(LIVE)
    assert page.locator("#trip-map").count() == 0
    town.stage("in_transit")
    town.seen(0)
    expect(page.locator("figcaption")).to_contain_text("of your door")
    before = pin(page)
    town.seen(4)
    page.wait_for_function("was => document.querySelector('.draw .who').getAttribute('transform') !== was", arg=before)
    town.stage("fulfilled")
    expect(page.locator("h1")).to_contain_text("Delivered")
    expect(page.locator("#trip-map")).to_have_count(0)
    expect(page.locator(".leaflet-container")).to_have_count(0)


def test_without_tiles_nobody_else_is_asked(redis_url: str, watched: Callable[..., Watched]) -> None:
    seen = watched()
    with town(redis_url, map_tiles="none") as made:
        journey(made, seen)
        assert seen.others(made) == set()
        assert seen.proxied == []


def test_with_a_file_of_ours_there_are_streets_and_nobody_else_is_asked(
    redis_url: str, watched: Callable[..., Watched], tmp_path: Path
) -> None:
    pmtiles(tmp_path / "town.pmtiles")
    seen = watched()
    with town(redis_url, map_tiles="town.pmtiles", data_dir=str(tmp_path)) as made:
        made.stage("in_transit")
        made.seen(0)
        seen.page.goto(made.link())
        seen.page.wait_for_selector(".streets.on")
        expect(seen.page.locator(".pin-on.who")).to_be_visible()
        journey(made, seen)
        assert seen.others(made) == set()
        assert seen.proxied == []


def test_a_tile_server_hears_of_tiles_and_of_our_origin_alone(redis_url: str, watched: Callable[..., Watched]) -> None:
    seen = watched()
    with tile_server() as (tiles, asked), town(redis_url, map_tiles=tiles) as made:
        host = urlsplit(tiles).netloc
        made.stage("preparing")
        page = seen.page
        answer = page.goto(made.link())
        assert answer is not None
        assert host not in answer.headers["content-security-policy"]
        page.wait_for_selector(LIVE)
        made.stage("in_transit")
        made.seen(0)
        page.wait_for_selector(".draw .who")
        assert asked == Asked(), "this page came without leave for streets"
        expect(page.get_by_role("link", name="Show streets")).to_be_visible()
        with page.expect_navigation():
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # somebody comes back to it
        page.wait_for_selector(".streets.on")
        expect(page.locator(".streets-link")).to_be_hidden()
        expect(page.locator(".pin-on")).to_have_count(3)
        expect(page.locator(".leaflet-control-attribution")).to_contain_text("OpenStreetMap")
        assert {referer for _, referer, _ in asked} == {made.served.base + "/"}
        assert {cookie for *_, cookie in asked} == {""}
        assert seen.others(made) == {host}
        before = page.locator(".pin-on.who").bounding_box()
        made.seen(3)
        page.wait_for_function(
            "x => Math.abs(document.querySelector('.pin-on.who').getBoundingClientRect().x - x) > 3", arg=before["x"]
        )  # type: ignore[index]
        made.stage("fulfilled")
        expect(page.locator(".leaflet-container")).to_have_count(0)
        calls = len(asked)
        fresh = page.goto(page.url)
        assert fresh is not None
        assert host not in fresh.headers["content-security-policy"]
        page.wait_for_selector(LIVE)
        assert len(asked) == calls, "after the end nobody is asked"
        assert seen.proxied == []


def test_streets_that_do_not_come_leave_the_drawing(redis_url: str, watched: Callable[..., Watched]) -> None:
    """The default tiles, behind a proxy that refuses them."""
    seen = watched()
    with town(redis_url) as made:
        made.stage("in_transit")
        made.seen(0)
        with seen.page.expect_event("requestfailed"):
            seen.page.goto(made.link())
        expect(seen.page.locator(".draw")).to_be_visible()
        expect(seen.page.locator(".streets.on")).to_have_count(0)
        made.seen(4)
        expect(seen.page.locator("figcaption")).to_contain_text("of your door")
        assert seen.others(made) == {"tile.openstreetmap.org"}
        assert set(seen.proxied) <= {"tile.openstreetmap.org:443"}


def test_a_delegate_gets_no_map(redis_url: str, watched: Callable[..., Watched]) -> None:
    seen = watched()
    with tile_server() as (tiles, asked), town(redis_url, map_tiles=tiles) as made:
        made.stage("in_transit")
        made.seen(0)
        answer = seen.page.goto(made.link("delegate"))
        assert answer is not None
        assert urlsplit(tiles).netloc not in answer.headers["content-security-policy"]
        seen.page.wait_for_selector(LIVE)
        made.seen(4)
        expect(seen.page.locator(".when .age")).to_contain_text("From a position")
        expect(seen.page.locator(".draw")).to_have_count(0)
        assert not asked


def test_a_position_turns_hollow_and_then_is_not_shown(redis_url: str, watched: Callable[..., Watched]) -> None:
    seen = watched(reduced_motion="reduce")
    with town(redis_url, map_tiles="none") as made:
        made.stage("in_transit")
        made.seen(0, ago=58.0)
        page = seen.page
        page.goto(made.link())
        page.wait_for_selector(".draw .who:not(.old)")
        page.wait_for_selector(".draw .who.old")
        expect(page.locator("h1")).to_contain_text("on its way")
        made.stage("preparing")
        made.stage("in_transit", ref="o2")
        made.seen(0, ago=298.0, ref="o2")
        page.goto(made.link(ref="o2"))
        page.wait_for_selector(".draw .who")
        expect(page.locator(".draw .who")).to_have_count(0)
        expect(page.locator("figcaption")).to_contain_text("We have not heard where Dev is for 5 min")
        expect(page.locator(".range")).to_be_visible()


def signed_in(town: Town, page: Page) -> None:
    people = town.served.house.site.people
    town.served.call(people.save(User("mara", "staff", ("68",), HASHER.hash(PASSWORD))))
    page.goto(f"{town.served.base}/board/68")
    page.fill("[name=username]", "mara")
    page.fill("[name=password]", PASSWORD)
    page.click("form button")
    page.wait_for_selector(LIVE)


def test_beside_the_board(redis_url: str, watched: Callable[..., Watched]) -> None:
    """Open and closed as the device had it, moving, and a way to each card."""
    seen = watched()
    with town(redis_url, map_tiles="none") as made:
        for ref in ("o1", "o2"):
            made.stage("in_transit", ref)
        made.seen(0, ref="o1")
        page = seen.page
        page.set_viewport_size({"width": 1440, "height": 900})
        signed_in(made, page)
        expect(page.locator("#way")).to_be_hidden()
        page.keyboard.press("m")
        expect(page.locator("#way-map .who")).to_have_count(1)
        before = page.locator("#way-map .who").get_attribute("data-place")
        made.seen(4, ref="o1")
        made.seen(2, ago=100, ref="o2")
        expect(page.locator("#way-map .who")).to_have_count(2)
        expect(page.locator("#way-map .who.old")).to_have_count(1)
        assert page.locator("#way-map .who:not(.old)").get_attribute("data-place") != before
        expect(page.locator(".way-list li")).to_have_count(2)
        assert "Harrison" not in page.locator("#way").inner_text()
        clean(page, "#way")
        page.locator(".way-list a").first.click()
        assert page.evaluate("document.activeElement.closest('[data-lane]').dataset.lane") == "courier"
        page.reload()
        page.wait_for_selector(LIVE)
        expect(page.locator("#way-map .who").first).to_be_visible()
        made.stage("fulfilled", "o1")
        expect(page.locator("#way-map .who")).to_have_count(1)
        page.locator("[data-way-close]").click()
        expect(page.locator("#way")).to_be_hidden()
        assert seen.others(made) == set()


def test_a_map_under_way_says_it_to_everybody(redis_url: str, watched: Callable[..., Watched]) -> None:
    seen = watched()
    with tile_server() as (tiles, _), town(redis_url, map_tiles=tiles) as made:
        made.stage("in_transit")
        made.seen(4)
        seen.page.goto(made.link())
        seen.page.wait_for_selector(".streets.on")
        clean(seen.page, "#trip-map", "#trip-hero", "#trip-when")
        told = seen.page.locator("figcaption").inner_text().replace("\u00a0", " ")
        assert (seen.page.locator(".streets").get_attribute("aria-label") or "nothing") in told
        seen.page.locator(".streets").focus()
        box = seen.page.locator(".pin-on.door").bounding_box()
        seen.page.get_by_role("button", name="Zoom in").click()
        seen.page.wait_for_function(
            "y => Math.abs(document.querySelector('.pin-on.door').getBoundingClientRect().y - y) > 5", arg=box["y"]
        )  # type: ignore[index]


def test_without_scripts_the_map_is_drawn(redis_url: str, watched: Callable[..., Watched]) -> None:
    seen = watched(java_script_enabled=False)
    with town(redis_url, map_tiles="none") as made:
        made.stage("in_transit")
        made.seen(4)
        seen.page.goto(made.link())
        expect(seen.page.locator(".draw .who .pin")).to_be_visible()
        expect(seen.page.locator("figcaption")).to_contain_text("of your door")
