"""One language's texts: those of labels.py and phrases.py, translated once."""

from collections.abc import Mapping
from functools import lru_cache
from types import SimpleNamespace

from markupsafe import Markup

from app.render.escape import escaped
from app.render.labels import BAD, GROUPS, KINDS, PAGE, STEPS, TODO, UNITS
from app.render.local import number
from app.render.phrases import BACKS, COMPASS, MANY, MOMENTS, REASONS, SAID, SMALL, TRAIL, TRIP
from app.render.tongue import called, catalogue, tell, written
from app.settings import LANGUAGES


class Words:
    """One language, as it is written where a store stands. Attributes of `page` are what the templates print as they
    are. `lang` is the language, `tag` the locale of figures, `others` every language with its own name."""

    def __init__(self, lang: str, tag: str) -> None:
        self._catalogue = catalogue(lang)
        self.lang = lang
        self.tag = tag
        self.others = tuple((other, called(other)) for other in LANGUAGES)
        told = self.told
        self.page = SimpleNamespace(**{name: told(text) for name, text in PAGE.items()})
        self.units = tuple(map(told, UNITS))
        self.page.units = "|".join(self.units)
        self.kinds = {name: (icon, told(text)) for name, (icon, text) in KINDS.items()}
        self.steps = {name: tuple((rank, told(text)) for rank, text in steps) for name, steps in STEPS.items()}
        self.bad = {name: told(text) for name, text in BAD.items()}
        self.said = {name: (told(a), told(b)) for name, (a, b) in SAID.items()}
        self.small = {name: told(text) for name, text in SMALL.items()}
        self.reasons = {name: told(text) for name, text in REASONS.items()}
        self.groups = tuple((state, told(text), icon, wide) for state, text, icon, wide in GROUPS)
        self.todo = {name: told(text) for name, text in TODO.items()}
        self.backs = {name: told(text) for name, text in BACKS.items()}
        self.trail = {name: told(text) for name, text in TRAIL.items()}
        many = self._catalogue.ngettext
        self.moments = {
            name: [tuple(many(*form, hour) for form in forms) for hour in range(25)] for name, forms in MOMENTS.items()
        }
        self.trip = {name: told(text) for name, text in TRIP.items()}
        self.compass = tuple(map(told, COMPASS))

    def told(self, text: str) -> str:
        """Any marked text; one that is not comes back as it is."""
        return tell(self._catalogue, text)

    def say(self, name: str, **values: str | Markup) -> Markup:
        return fill(self.small[name], values)

    @lru_cache(1024)  # noqa: B019  (there are a handful of languages, and they stay)
    def many(self, name: str, count: int) -> str:
        """A number of something, in the plural form that the language gives it."""
        return self._catalogue.ngettext(*MANY[name], count).format(count=number(count, self.tag))


def fill(text: str, values: Mapping[str, str | Markup]) -> Markup:
    """Our own text with `values` in it, each escaped unless it is Markup. A time that ends with a full stop, "1:54
    p.m.", ends the sentence too."""
    said = text.format(**{k: v if type(v) is Markup else escaped(v) for k, v in values.items()})
    return Markup(said.replace(".</time>.", ".</time>"))


@lru_cache
def words(lang: str, zone: str = "") -> Words:
    """`zone`: the name of the store's time zone, which tells how figures are written there."""
    return _words(lang, written(lang, zone))


@lru_cache
def _words(lang: str, tag: str) -> Words:
    return Words(lang, tag)
