"""What pages load from us, under a path that changes with its content: kept for ever, never out of date."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final

import jinja2

HERE: Final = Path(__file__).resolve().parent.parent
PACKED: Final = (HERE / "_templates").is_dir()  # in a wheel they lie inside the package
TEMPLATES: Final = HERE / "_templates" if PACKED else HERE.parent / "templates"
STATIC: Final = HERE / "_static" if PACKED else HERE.parent / "static"


def edition(folder: Path) -> str:
    seen = sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            seen.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return seen.hexdigest()[:8]


EDITION: Final = edition(STATIC)


INCLUDE: Final = re.compile(r'{% include "([a-z]+\.html)" %}')


class Loader(jinja2.FileSystemLoader):
    """Templates say /static/…; what they compile to names the edition. What they include is put in before they are
    compiled: as a call of its own it would copy the whole context each time."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, object]:  # type: ignore[override]
        source, name, fresh = super().get_source(environment, template)
        return self._whole(environment, source).replace("/static/", f"/static/{EDITION}/"), name, fresh

    def _whole(self, environment: jinja2.Environment, source: str) -> str:
        def put(found: re.Match[str]) -> str:
            part = jinja2.FileSystemLoader.get_source(self, environment, found.group(1))[0]
            return self._whole(environment, part.removesuffix("\n"))

        return INCLUDE.sub(put, source)
