"""Which language a text is shown in: catalogues by gettext, and what a browser asked for.

`_`, `p_` and `n_` mark texts for extraction (`make words`); `words.Words` holds them translated.
"""

from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.core import UnknownLocaleError, get_global
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from app.settings import LANGUAGES

LOCALE: Final = Path(__file__).parent / "locale"
PLAIN: Final = LANGUAGES[0]  # the language of the texts themselves
ELSEWHERE: Final = {"en": "en_150"}  # where a store's country is unknown: 24 hours, day before month
ASKED_MOST: Final = 20  # languages of one header that are looked at

Plural = tuple[str, str]


class Placed(str):
    """A text that means different things in different places; `place` tells the translator which."""

    __slots__ = ("place",)
    place: str


def _(text: str) -> str:
    return text


def p_(place: str, text: str) -> str:
    made = Placed(text)
    made.place = place
    return made


def n_(one: str, many: str) -> Plural:
    """Both hold `{count}`; which form a number takes is the language's affair."""
    return one, many


@lru_cache
def catalogue(lang: str) -> NullTranslations:
    if lang == PLAIN:
        return NullTranslations()
    packed = BytesIO()
    with (LOCALE / lang / "LC_MESSAGES" / "orderboard.po").open("rb") as file:
        write_mo(packed, read_po(file, locale=lang))
    packed.seek(0)
    return GNUTranslations(packed)


def tell(told: NullTranslations, text: str) -> str:
    """A marked text in the language of a catalogue."""
    if not text:
        return text
    return told.pgettext(text.place, text) if isinstance(text, Placed) else told.gettext(text)


@lru_cache(256)
def written(lang: str, zone: str) -> str:
    """The locale that figures are written in: the language as it is used where the store stands, like "es_MX"."""
    land = get_global("zone_territories").get(get_global("zone_aliases").get(zone, zone), "ZZ")
    if land == "ZZ":
        return ELSEWHERE.get(lang, lang)
    try:
        return str(Locale.parse(f"{lang}_{land}"))
    except (UnknownLocaleError, ValueError):
        return ELSEWHERE.get(lang, lang)


@lru_cache
def called(lang: str) -> str:
    """A language's name in itself, like "Español"."""
    name = Locale(lang).get_language_name(lang) or lang
    return name[:1].upper() + name[1:]


@lru_cache(1024)
def preferred(asked: str) -> str:
    """Of an Accept-Language header, the language that is wanted most and that we speak; a region falls back to its
    language. Nonsense counts as nothing."""
    wanted = []
    for at, part in enumerate(asked[:1000].split(",")[:ASKED_MOST]):
        tag, _, rest = part.partition(";")
        lang = tag.strip().partition("-")[0].lower()
        weight = _weight(rest)
        if weight > 0 and (lang in LANGUAGES or lang == "*"):
            wanted.append((-weight, at, PLAIN if lang == "*" else lang))
    return min(wanted)[2] if wanted else PLAIN


def _weight(rest: str) -> float:
    name, _, value = rest.strip().partition("=")
    if not rest.strip():
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip().lower() == "q" and 0 <= weight <= 1 else 0.0
