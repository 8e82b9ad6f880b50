"""Where the streets of a map come from: another host's tiles, a file of our own, or nowhere."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from app.errors import Fatal

NONE: Final = "none"
PATH: Final = "/tiles.pmtiles"  # under which our own file is served
HEADER: Final = 127  # bytes of a PMTiles file's head
RASTER: Final = {2: "image/png", 3: "image/jpeg", 4: "image/webp", 5: "image/avif"}
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
EXPECTED: Final = (
    "an https:// address with {z}, {x} and {y} in it, the name of a .pmtiles file in server.data_dir, or none"
)


class Tiles(Struct, frozen=True):
    """`source` is what a browser is told: an address with {z}, {x} and {y}, `PATH`, or "". `origin` is the one other
    host that pages with a map may load pictures from; `file` is what is served under `PATH`."""

    source: str = ""
    origin: str = ""
    file: Path | None = None
    credit: str = ""


def read(said: str, folder: str, credit: str) -> Tiles:
    """Raises Fatal where it is none of the three, or a file that can't be shown."""
    if said == NONE:
        return Tiles()
    if said.endswith(".pmtiles") and "://" not in said:
        return Tiles(source=PATH, file=_file(said, Path(folder)), credit=credit)
    return _address(said, credit)


def _address(said: str, credit: str) -> Tiles:
    parts = urlsplit(said)
    host = parts.netloc
    fits = all(part in parts.path + parts.query for part in ("{z}", "{x}", "{y}"))
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    plain = host.replace(".", "").replace("-", "").replace(":", "").replace("[", "").replace("]", "")
    if not (fits and safe and plain.isascii() and plain.isalnum()):
        raise Fatal(f"Config: server.map_tiles must be {EXPECTED}, not {said!r}. One host only: no {{s}} in it.")
    return Tiles(source=said, origin=f"{parts.scheme}://{host}", credit=credit)


def _file(said: str, folder: Path) -> Path:
    path = folder / said
    if Path(said).name != said:
        raise Fatal(f"Config: server.map_tiles names {said!r}. Put the file right into server.data_dir.")
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
    except OSError as error:
        raise Fatal(f"Config: server.map_tiles: {path} can't be read ({error.strerror}).") from None
    if len(head) < HEADER or head[:7] != b"PMTiles" or head[7] != 3:
        raise Fatal(f"Config: server.map_tiles: {path} is no PMTiles file of version 3.")
    if head[99] not in RASTER:
        raise Fatal(
            f"Config: server.map_tiles: {path} holds vector tiles, and maps here are drawn of pictures (PNG, JPEG, "
            "WebP, AVIF). Render it into a raster file first, or name a tile server, or say none."
        )
    return path
