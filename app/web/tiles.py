"""The file of map tiles, a piece at a time: browsers read it with Range, and need a thousandth of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.response import Stream

from app.errors import Unknown
from app.tiles import PATH
from app.web.site import Site

PIECE: Final = 256 * 1024  # bytes read at a time
ONE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
KIND: Final = "application/vnd.pmtiles"


def wanted(said: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a Range header. None: the whole file (no range, several, or one that can't be read).
    Raises ValueError where there is nothing of it."""
    found = ONE.fullmatch(said.strip()) if said else None
    if found is None or found.group(1) == found.group(2) == "":
        return None
    first, last = found.groups()
    if not first:  # the last so many
        if int(last) == 0 or size == 0:
            raise ValueError("nothing of the file")
        return max(size - int(last), 0), size - 1
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise ValueError("nothing of the file")
    return int(first), min(int(last), size - 1) if last else size - 1


@route(PATH, http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
async def tiles(request: Request[Any, Any, Any], site: NamedDependency[Site]) -> Response[Any]:
    path = site.settings.tiles.file
    if path is None:
        raise Unknown("There is no file of tiles here: server.map_tiles names none.")
    try:
        stat = await asyncio.to_thread(path.stat)
    except OSError:
        raise Unknown("The file of tiles has gone. Put it back where server.map_tiles says it is.") from None
    tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    headers = {"Accept-Ranges": "bytes", "ETag": tag, "Cache-Control": "public, max-age=86400", "Content-Type": KIND}
    if request.headers.get("if-none-match") == tag:
        return Response(None, status_code=304, headers=headers)
    fresh = request.headers.get("if-range", tag) == tag  # a piece of another edition is of no use
    try:
        piece = wanted(request.headers.get("range"), stat.st_size) if fresh and request.method == "GET" else None
    except ValueError:
        return Response(None, status_code=416, headers={**headers, "Content-Range": f"bytes */{stat.st_size}"})
    first, last = piece or (0, stat.st_size - 1)
    headers["Content-Length"] = str(last - first + 1)
    if request.method == "HEAD":
        return Response(None, status_code=200, headers=headers)
    if piece is not None:
        headers["Content-Range"] = f"bytes {first}-{last}/{stat.st_size}"
    return Stream(_pieces(path, first, last), status_code=206 if piece else 200, headers=headers, media_type=KIND)


async def _pieces(path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        await asyncio.to_thread(file.seek, first)
        left = last - first + 1
        while left > 0 and (data := await asyncio.to_thread(file.read, min(PIECE, left))):
            left -= len(data)
            yield data


HANDLERS: Final = (tiles,)
