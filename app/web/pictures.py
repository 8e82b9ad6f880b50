"""The pictures that stores show, those alone that the config names."""

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import File

from app.errors import Unknown
from app.web.site import Site

KINDS: Final = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}


@get("/pictures/{name:str}", include_in_schema=False)
async def picture(site: NamedDependency[Site], name: FromPath[str]) -> File:
    """The name changes with the picture, so that it is kept for ever."""
    path = site.settings.pictures.get(name)
    if path is None or not path.is_file():
        raise Unknown("There is no such picture.")
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    kind = KINDS[name.rpartition(".")[2]]
    return File(path, media_type=kind, content_disposition_type="inline", headers=kept)


HANDLERS: Final = (picture,)
