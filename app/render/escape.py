"""A faster escape for compiled templates, byte for byte the same.

Compiled templates take `escape` from `jinja2.runtime`, and markupsafe's wraps every value in a `Markup`, whose
construction is Python. This one is set when the package is imported, before the first template is compiled.
"""

from functools import lru_cache

import jinja2.runtime
import markupsafe
from markupsafe import Markup

SHOWN_MOST = 16_384  # texts that the cache remembers


@lru_cache(SHOWN_MOST)
def escaped(text: str) -> str:
    return str.__str__(markupsafe.escape(text))


def escape(value: object) -> str:
    if type(value) is str:
        return value if value.isalnum() else escaped(value)
    if type(value) is Markup:
        return value
    return str(value) if type(value) is int else markupsafe.escape(value)


def install() -> None:
    jinja2.runtime.escape = escape  # type: ignore[assignment, attr-defined]
