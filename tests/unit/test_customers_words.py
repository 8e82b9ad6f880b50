"""Every stage of every order system, and all that may lie over it, in every language: a sentence and what is next."""

import json
import re
from html import unescape
from itertools import product
from pathlib import Path

import pytest
from msgspec.structs import replace
from test_providers import FILES, PROVIDERS, play
from test_render import NOW, STORE, goods, order

from app.orders import RANK, Arrival, Order, Reason, Shopper
from app.render import Feed, Renderer
from app.settings import LANGUAGES

FEEDS = {name: Feed(name, name.capitalize()) for name in PROVIDERS}
# What each system may say of an order: how it is handed over, its stages, and the flags that lie over them.
SYSTEMS = {
    "jane": (
        ("pickup", "curbside", "kiosk", "delivery"),
        ("cart", "placed", "preparing", "staged", "ready", "in_transit", "fulfilled", "closed", "canceled", "rejected"),
        ("in_review", "reviewed"),
    ),
    "instacart": (
        ("delivery", "pickup", "last_mile"),
        ("placed", "assigned", "preparing", "reviewing", "picked", "staged", "ready", "courier_at_store", "arrived",
         "in_transit", "fulfilled", "canceled"),
        ("late", "rescheduled", "customer_missing", "on_hold", "courier_assigned"),
    ),
    "aifi": (
        ("in_store",),
        ("cart", "picked", "fulfilled", "closed"),
        ("processing", "on_hold", "payment_failed", "reviewed", "suspected"),
    ),
    "lolamarket": (
        ("delivery",),
        ("placed", "confirmed", "assigned", "preparing", "picked", "in_transit", "fulfilled", "rejected", "canceled",
         "returned"),
        ("on_hold", "returning", "rescheduled"),
    ),
    "urbit": (
        ("last_mile",),
        ("cart", "confirmed", "assigned", "in_transit", "fulfilled", "canceled", "failed"),
        ("payment_entered",),
    ),
}  # fmt: skip
ARRIVALS = ("on_my_way", "here", "claimed", "cannot_find", "handed_over")


@pytest.fixture(scope="module")
def render() -> Renderer:
    return Renderer({"68": STORE, "123": replace(STORE, id="123")}, feeds=FEEDS, public_url="http://localhost:8000")


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html)).strip()


def part(html: str, name: str) -> str:
    found = re.search(rf"<{name}[^>]*>(.*?)</{name[: name.find(' ')] if ' ' in name else name}>", html, re.DOTALL)
    return plain(found[1]) if found else ""


def check(render: Renderer, shown: Order, lang: str) -> tuple[str, str]:
    """Headline and lead, of both audiences: finished sentences, nothing left open, and a way ahead or an end."""
    html = ""
    for audience in ("delegate", "track"):
        html = render.track(shown, NOW, audience=audience, lang=lang)
        headline, lead = part(html, "h1"), part(html, 'p class="lead"')
        where = f"{shown.provider} {shown.fulfilment} {shown.stage} {shown.flags} {lang}: {headline} / {lead}"
        assert re.search(r"[.!?]$", headline), where
        assert re.search(r"[.!?]$", lead), where
        words = re.sub(r"data-[a-z]+=\"[^\"]*\"", "", html)
        assert not re.search(r"None|[{}]|\b[a-z]+_[a-z]+\b", plain(words)), where
        assert 'aria-current="step"' in html or "data-over" in html, where
        assert "suspected" not in html, where
    return headline, lead


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_stage_has_a_sentence_and_what_is_next(render: Renderer, system: str, lang: str) -> None:
    said: dict[str, set[tuple[str, str]]] = {}
    fulfilments, stages, flags = SYSTEMS[system]
    for fulfilment, stage, flag in product(fulfilments, stages, ("", *flags)):
        for who, code in ((None, "G19"), (Shopper("s", "Amida Diallo"), "G19"), (None, None)):
            shown = order("A1", stage, fulfilment, source=system, provider=system, shopper=who, items=goods("found"),
                          flags=(flag,) if flag else (), outcomes=system in ("instacart", "lolamarket"))  # fmt: skip
            said.setdefault(fulfilment, set()).add(check(render, replace(shown, code=code), lang))
            if stage in ("rejected", "canceled", "failed", "returned") or flag in ("on_hold", "returning"):
                check(render, replace(shown, reason=Reason("CUSTOMER_NO_SHOW", None)), lang)
                check(render, replace(shown, reason=Reason(None, "The card was refused")), lang)
    assert all(len(told) >= min(len(stages) - 1, 4) for told in said.values())


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("state", ARRIVALS)
def test_every_moment_of_a_check_in(render: Renderer, state: str, lang: str) -> None:
    for seconds, bay, seen in product((5, 65, 400), ("3", None), (True, False)):
        at = NOW - seconds
        by = "sam" if state not in ("on_my_way", "here") else None
        arrival = Arrival(state, at, bay, "grey Corolla", at + 2 if seen else None, by, at + 3, at, at + 4)
        check(render, replace(order("A1", "ready", "curbside"), arrival=arrival), lang)


READABLE = [path for path in FILES if "order" in json.loads(path.read_text("utf-8"))["expect"]]


@pytest.mark.parametrize("path", READABLE, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_an_order_system_really_says(render: Renderer, path: Path) -> None:
    for change in play(PROVIDERS[path.parent.name], json.loads(path.read_text("utf-8"))):
        shown = replace(change.order, store="68")
        html = render.track(shown, max(shown.heard, shown.first) + 1)
        assert re.search(r"[.!?]$", part(html, "h1"))
        assert re.search(r"[.!?]$", part(html, 'p class="lead"')), part(html, 'p class="lead"')
        assert not re.search(r"None|[{}]", plain(html))


def test_no_stage_is_forgotten() -> None:
    assert {stage for _, stages, _ in SYSTEMS.values() for stage in stages} == RANK.keys()
