"""What pages load from us, under a path that changes with its content: kept for ever, never out of date."""

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


class Loader(jinja2.FileSystemLoader):
    """Templates say /static/…; what they compile to names the edition, at no cost when they are rendered."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, object]:  # type: ignore[override]
        source, name, fresh = super().get_source(environment, template)
        return source.replace("/static/", f"/static/{EDITION}/"), name, fresh
