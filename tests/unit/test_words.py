"""Every text has its translation, every number its form, and no page says anything that is not in the catalogues."""

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from gettext import NullTranslations
from itertools import product
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from test_providers import FILES, PROVIDERS, play

from app import errors, render
from app.orders import (
    RANK,
    Arrival,
    Customer,
    Destination,
    Entry,
    Handling,
    Item,
    Mark,
    Order,
    Promise,
    Reason,
    Replacement,
    Shopper,
    Stamp,
    Total,
)
from app.render import Renderer
from app.render.assets import STATIC, TEMPLATES
from app.render.labels import ERRORS
from app.render.local import day, distance, money, number, span, stamp
from app.render.tongue import LOCALE, called, preferred, written
from app.render.words import Words, words
from app.settings import LANGUAGES, Store, check
from app.trips import Fix
from app.web import track as page

texts = sys.modules["app.render.words"]  # the package has a function of that name
APP = Path(render.__file__).parents[1]
KEYWORDS = {"_": None, "p_": ((1, "c"), 2), "n_": (1, 2)}
OTHERS = LANGUAGES[1:]
NOW = 1795298551.0  # 2026-11-21 14:02:31 in Los Angeles
Key = tuple[str | None, str | tuple[str, ...]]


def marked() -> set[Key]:
    """What `make words` finds in the source."""
    found = extract_from_dir(APP, keywords=KEYWORDS, method_map=[("**.py", "python")])
    return {(context, message) for _, _, message, _, context in found}


def read(lang: str) -> Catalog:
    with (LOCALE / lang / "LC_MESSAGES" / "orderboard.po").open("rb") as file:
        return read_po(file, locale=lang)


def told(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def forms(said: str | tuple[str, ...]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


# ---- the catalogues ----


def test_every_language_but_the_first_has_a_catalogue() -> None:
    assert {folder.name for folder in LOCALE.iterdir() if folder.is_dir()} == set(OTHERS)


@pytest.mark.parametrize("lang", OTHERS)
def test_a_catalogue_holds_just_the_texts_there_are(lang: str) -> None:
    """Where this fails: `make words`, then fill in what is empty (docs/languages.md)."""
    held = {(message.context, message.id) for message in told(read(lang))}
    assert held == marked()


@pytest.mark.parametrize("lang", OTHERS)
def test_nothing_is_left_untranslated(lang: str) -> None:
    catalog = read(lang)
    bad = [m.id for m in told(catalog) if m.fuzzy or not all(forms(m.string)) or not forms(m.string)]
    assert not bad
    many = [m for m in told(catalog) if not isinstance(m.id, str)]
    assert many
    assert all(len(m.string) == catalog.num_plurals for m in many)


@pytest.mark.parametrize("lang", OTHERS)
def test_translations_fill_in_what_the_text_does(lang: str) -> None:
    for message in told(read(lang)):
        for text in forms(message.string):
            wanted = forms(message.id)[-1]
            assert names(text) == names(wanted), message.id
            assert text.count("<b>") == text.count("</b>") == wanted.count("<b>"), message.id
            assert "<" not in text.replace("<b>", "").replace("</b>", "")
            assert text == text.strip(), message.id
            assert wanted[-1] not in ".?…" or text[-1] in ".!?…", message.id


def test_the_titles_of_problems_are_among_the_texts() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Problem)]
    titles = {kind.title for kind in kinds if kind not in (errors.NotUnderstood,)}
    assert titles == set(ERRORS)


def test_the_sentence_names_the_limit() -> None:
    assert str(page.VEHICLE_MOST) in next(str(m) for _, m in marked() if "letters" in str(m))


# ---- plurals ----


@pytest.mark.parametrize(
    ("lang", "wanted"),
    [
        ("en", ["0 items", "1 item", "2 items", "5 items", "22 items"]),
        ("es", ["0 productos", "1 producto", "2 productos", "5 productos", "22 productos"]),
        ("pl", ["0 produktów", "1 produkt", "2 produkty", "5 produktów", "22 produkty"]),
        ("sv", ["0 varor", "1 vara", "2 varor", "5 varor", "22 varor"]),
    ],
)
def test_a_number_takes_its_languages_form(lang: str, wanted: list[str]) -> None:
    assert [words(lang).many("items", count) for count in (0, 1, 2, 5, 22)] == wanted


def test_one_o_clock_has_its_own_article() -> None:
    plain = [words("es").moments["at"][hour][0] for hour in (1, 2, 13)]
    assert plain == ["a la {time}", "a las {time}", "a las {time}"]


# ---- choosing ----


@pytest.mark.parametrize(
    ("asked", "lang"),
    [
        ("", "en"),
        ("es-MX,en;q=0.5", "es"),
        ("sv-FI", "sv"),
        ("SV", "sv"),
        ("fr, de;q=0.9", "en"),
        ("fr;q=1, pl;q=0.2, sv;q=0.3", "sv"),
        ("en;q=0.1, pl", "pl"),
        ("es;q=0, sv;q=0.1", "sv"),
        ("pl, es", "pl"),
        ("*", "en"),
        ("*;q=0.1, es;q=0.01", "en"),
        (";;;,,q=1,=,\x00", "en"),
        ("pl;q=nan, es;q=inf, sv;q=-1", "en"),
        ("pl;q=2", "en"),
        ("pl;v=b", "en"),
        ("spanish, polish", "en"),
        ("pl" + ",x" * 100_000, "pl"),
    ],
)
def test_the_language_that_is_asked_for_most_is_taken(asked: str, lang: str) -> None:
    assert preferred(asked) == lang


@given(st.text() | st.text("aeilpsvn-;,=q.0123456789* "))
def test_no_header_breaks_the_choice(asked: str) -> None:
    assert preferred(asked) in LANGUAGES


def test_a_store_in_a_language_that_we_do_not_speak_stops_the_start() -> None:
    table = {"id": "1", "name": "1", "timezone": "UTC", "language": "tlh"}
    with pytest.raises(errors.Fatal, match=r"stores\.1\.language must be one of en, es, pl, sv"):
        check({"stores": [table]}, {}, {})


def test_languages_are_called_what_they_call_themselves() -> None:
    assert [called(lang) for lang in LANGUAGES] == ["English", "Español", "Polski", "Svenska"]


# ---- figures ----


@pytest.mark.parametrize(
    ("lang", "zone", "tag"),
    [
        ("en", "America/Los_Angeles", "en_US"),
        ("en", "Europe/London", "en_GB"),
        ("en", "Asia/Calcutta", "en_IN"),
        ("en", "UTC", "en_150"),
        ("en", "", "en_150"),
        ("es", "America/Mexico_City", "es_MX"),
        ("es", "Europe/Stockholm", "es"),
        ("pl", "Europe/Warsaw", "pl_PL"),
        ("pl", "America/Chicago", "pl"),
        ("sv", "Europe/Helsinki", "sv_FI"),
    ],
)
def test_figures_are_written_as_the_language_does_where_the_store_is(lang: str, zone: str, tag: str) -> None:
    assert written(lang, zone) == tag


def bare(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html).replace("\u202f", " ").replace("\xa0", " ").replace("\u2009", " ")


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("en_US", ["2:02 PM", "Fri, Nov 20, 2:02 PM", "2:02 – 2:32 PM", "Friday, November 20", "$1,234.50", "0.25"]),
        ("en_150", ["14:02", "Fri, 20 Nov, 14:02", "14:02–14:32", "Friday, 20 November", "1,234.50 US$", "0.25"]),
        ("es_ES", ["14:02", "vie, 20 nov, 14:02", "14:02–14:32", "viernes, 20 de noviembre", "1.234,50 US$", "0,25"]),
        ("pl_PL", ["14:02", "pt., 20 lis, 14:02", "14:02–14:32", "piątek, 20 listopada", "1 234,50 USD", "0,25"]),
        ("sv_SE", ["14:02", "fre 20 nov. 14:02", "14:02–14:32", "fredag 20 november", "1 234,50 US$", "0,25"]),
    ],
)
def test_times_and_amounts(tag: str, wanted: list[str]) -> None:
    zone, before = Store(id="-", name="-", timezone="America/Los_Angeles").zone, NOW - 86_400
    made = [
        stamp(NOW, NOW, zone, tag),
        stamp(before, NOW, zone, tag),
        span(NOW, NOW + 1800, NOW, zone, tag),
        day(before, NOW, zone, tag),
        money("1234.5", "USD", tag),
        number(0.25, tag),
    ]
    assert [bare(one) for one in made] == wanted


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("en_US", ["50 yd", "550 yd", "0.8 mi", "15 mi"]),
        ("es_ES", ["50 m", "500 m", "1,2 km", "23 km"]),
        ("pl_PL", ["50 m", "500 m", "1,2 km", "23 km"]),
        ("sv_SE", ["50 m", "500 m", "1,2 km", "23 km"]),
    ],
)
def test_distances(tag: str, wanted: list[str]) -> None:
    assert [bare(distance(metres, tag)) for metres in (12, 512, 1234, 23456)] == wanted


# ---- every page, in a language that marks what comes from a catalogue ----


class Marked(NullTranslations):
    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def pgettext(self, context: str, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, many: str, count: int) -> str:
        return f"⟦{one if count == 1 else many}⟧"


STORE = Store(id="1", name="77", timezone="UTC", bays=("1", "2"), phone="+1", street="88", latitude=1.0, longitude=2.0)
FLAGS = ((), ("on_hold",), ("returning",), ("customer_missing",), ("in_review", "payment_failed"), ("late",))


def orders() -> Iterator[Order]:
    """Each stage of each kind of order with all that a page can tell of it, and no word of its own."""
    states = ("", "on_my_way", "here", "claimed", "cannot_find", "handed_over")
    kinds = ("delivery", "last_mile", "pickup", "curbside", "kiosk", "in_store")
    for stage, kind, flags in product(RANK, kinds, FLAGS):
        yield shaped(stage, kind, flags, "")
    for stage, kind, state in product(RANK, kinds, states):
        yield shaped(stage, kind, (), state)


def shaped(stage: str, kind: str, flags: tuple[str, ...], state: str) -> Order:
    over = stage in ("fulfilled", "closed", "canceled", "rejected", "failed", "returned")
    entries = [Entry(s, NOW - 900 + i, "0", "0") for i, s in enumerate(("placed", "staged", "preparing", stage))]
    lines = ("pending", "found", "replaced", "refunded", "partial", "not_found", "added", "returned")
    return Order(
        source="0", provider="0", ref="0", store="1", code="12", fulfilment=kind, stage=stage, flags=flags,
        first=NOW - 900, heard=NOW, updated_at=NOW, placed_at=NOW - 900, timeline=tuple(entries),
        arrival=Arrival(state, NOW - 99, "1", "9", NOW - 90, None if state == "here" else "5") if state else None,
        promised=Promise(NOW + 600, NOW + 90_000), previous_promise=Promise(None, NOW - 90_000),
        reason=Reason("CUSTOMER_NO_SHOW", None), shopper=Shopper("5", "5"), delivery_code="123", bags=2,
        items=tuple(
            Item(str(i), str(i), 3.0, "kilograms", fulfilled=1.5, fulfilled_unit="unit", state=line,
                 replacements=(Replacement("1", "1", 2.0),))
            for i, line in enumerate(lines)
        ),
        outcomes=True, total=Total("12.5", "EUR"), customer=Customer("5"), destination=Destination("5", 1.02, 2.01),
        handling=Handling("1", "2", "3", True, True, True),
        end=Mark(stage, "0", Stamp(NOW - 5, NOW - 5), Stamp(None, 0.0)) if over else None,
        ended_at=NOW - 5 if over else None,
    )  # fmt: skip


def ride(away: float, age: float) -> list[Fix]:
    """Somebody who comes to the door: `away` degrees from it when last seen, `age` seconds ago."""
    return [Fix(1.02 - away - i * 0.0004, 2.01, NOW - age - i * 10) for i in range(6, -1, -1)]


RIDES = [ride(away, age) for away, age in product((0.0005, 0.004, 0.03), (5, 90, 200, 400))]


@pytest.fixture
def pseudo(monkeypatch: pytest.MonkeyPatch) -> Renderer:
    monkeypatch.setattr(texts, "catalogue", lambda lang: Marked())
    made = Words("en", "en_150")
    for module in (render, texts):
        monkeypatch.setattr(module, "words", lambda lang, zone="": made)
    return Renderer({"1": STORE}, feeds={}, public_url="http://0")


SPOKEN = "aria-label|title|alt|placeholder|data-(?:[a-z-]*text|words|near|far|none|unsent|sending|copied)"


def unmarked(html: str) -> list[str]:
    """The words for people that stand outside of any text of a catalogue: in the body and in spoken attributes."""
    body = re.sub(r"<(script|style|time|title|nav)\b.*?</\1>", "", html, flags=re.S)
    said = re.findall(rf' (?:{SPOKEN})="([^"]*)"', body)
    said.append(re.sub(r"<[^>]*>", "\n", body))
    left = []
    for text in said:
        while (inner := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
            text = inner
        left += [word for word in re.findall(r"[^\W\d_]{2,}", text) if word not in KEEP]
    return left


KEEP = {"Orderboard", "http", "kg", "km", "min", "Sat", "Nov", "Sun", "Saturday", "Sunday", "November", "English"}


def test_a_page_says_nothing_but_texts_and_data(pseudo: Renderer) -> None:
    for order, audience in product(orders(), ("track", "delegate")):
        html = pseudo.track_page(order, NOW, token="0", position="0:1", audience=audience, bay="1", note="")
        assert unmarked(html) == [], (order.stage, order.fulfilment, order.flags, order.arrival)
    for fixes, kind in product(RIDES, ("delivery", "last_mile")):
        for flags in ((), ("late",), ("returning",)):
            html = pseudo.track_page(shaped("in_transit", kind, flags, ""), NOW, token="0", position="0:1", fixes=fixes)
            assert unmarked(html) == [], (kind, flags, fixes)
    others = [
        pseudo.ended_page("en"),
        pseudo.someone_page(
            shaped("ready", "pickup", (), ""), NOW, token="0", links=[("1", "//0", NOW)], full=False, note="", lang="en"
        ),
        pseudo.sign_page(STORE, "1", wrong="sign_wrong", code="1"),
        pseudo.sheet_page(STORE, "1"),
        *(ready(pseudo, stage) for stage in ("preparing", "picked", "ready")),
        pseudo.page("error", status=404, title="", detail="", again=True, start=False),
    ]
    assert [unmarked(html) for html in others] == [[]] * len(others)


def ready(render: Renderer, stage: str) -> str:
    card = render.ready_card(shaped(stage, "pickup", (), ""), NOW)
    return render.screen_page(STORE, [card] if card else [], pane="ready", token="0", position="0:1", now=NOW)


@pytest.fixture(scope="module")
def own() -> Renderer:
    return Renderer({"1": STORE}, feeds={}, public_url="http://0")


@pytest.fixture(scope="module")
def heard() -> list[Order]:
    """What every sample of every order system makes of its order, one call after another."""
    found = []
    for file in FILES:
        with contextlib.suppress(errors.Problem):
            found += [change.order for change in play(PROVIDERS[file.parent.name], json.loads(file.read_text()))]
    assert len({order.provider for order in found}) == len(PROVIDERS)
    return found


@pytest.mark.parametrize("lang", OTHERS)
def test_no_sentence_of_another_language_is_left(own: Renderer, heard: list[Order], lang: str) -> None:
    plain = [m.id for m in told(read(lang)) if isinstance(m.id, str) and "{" not in m.id]
    sentences = re.compile("|".join(re.escape(text) for text in plain if text.count(" ") > 2))
    for order in (*orders(), *heard):
        said = own.track_page(order, NOW, token="0", position="0:1", lang=lang)
        assert f'<html lang="{lang}"' in said
        assert not sentences.findall(said), order


def scripts(name: str) -> set[Path]:
    """A page's own scripts, and what they import."""
    found: set[Path] = set()
    todo = re.findall(r'type="module" src="/static/([\w.]+)"', (TEMPLATES / name).read_text())
    while todo:
        path = STATIC / todo.pop()
        if path not in found:
            found.add(path)
            todo += re.findall(r'(?:from|import|import\()\s*"\./([\w.]+)"', path.read_text())
    return found


def test_no_script_of_a_customers_page_brings_words_of_its_own() -> None:
    found = set.union(*(scripts(f"{name}.html") for name in ("track", "someone", "sign", "ended")))
    assert {"track.js", "checkin.js", "live.js", "lang.js", "sign.js", "someone.js"} <= {path.name for path in found}
    for path in found:
        code = re.sub(r"(?m)(?:^|\s)(?://|/\*).*$", "", path.read_text())
        literals = ["".join(parts) for parts in re.findall(r'"([^"\n]*)"|`([^`]*)`', code)]
        plain = [re.sub(r"\$\{[^}]*\}|[.#\[][\w-]+|:\w+", "", text) for text in literals]
        assert not [text for text in plain if re.search(r"[A-Z][a-z]+ [a-z]{2,}", text)], path.name
