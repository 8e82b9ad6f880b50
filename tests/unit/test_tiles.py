"""Where streets come from: the three things that `map_tiles` may say, and what is told of anything else."""

from pathlib import Path

import pytest

from app.errors import Fatal
from app.settings import check
from app.tiles import PATH, Tiles, read
from app.web.tiles import wanted


def head(kind: int, version: int = 3) -> bytes:
    made = bytearray(127)
    made[:8] = b"PMTiles" + bytes((version,))
    made[99] = kind
    return bytes(made)


def test_the_default_is_a_street_map_with_its_credit() -> None:
    tiles = check({}, {}, {}).tiles
    assert tiles.origin == "https://tile.openstreetmap.org"
    assert tiles.source.endswith("/{z}/{x}/{y}.png")
    assert "OpenStreetMap" in tiles.credit


def test_none_is_nobody() -> None:
    assert check({"server": {"map_tiles": "none"}}, {}, {}).tiles == Tiles()


@pytest.mark.parametrize(
    ("said", "origin"),
    [
        ("https://tiles.example.com/{z}/{x}/{y}.png?key=a", "https://tiles.example.com"),
        ("https://tiles.example.com:8443/t?z={z}&x={x}&y={y}", "https://tiles.example.com:8443"),
        ("http://127.0.0.1:9000/{z}/{x}/{y}.png", "http://127.0.0.1:9000"),
    ],
)
def test_a_tile_server_is_one_host(said: str, origin: str) -> None:
    assert read(said, "", "©").origin == origin


@pytest.mark.parametrize(
    "said",
    [
        "",
        "osm",
        "http://tiles.example.com/{z}/{x}/{y}.png",
        "https://{s}.tiles.example.com/{z}/{x}/{y}.png",
        "https://tiles.example.com/{z}/{x}.png",
        "https://tiles.example.com; script-src */{z}/{x}/{y}",
        "https://tiles.example.com 'unsafe-inline'/{z}/{x}/{y}.png",
        "https:///{z}/{x}/{y}.png",
        "javascript:{z}{x}{y}",
        "//tiles.example.com/{z}/{x}/{y}.png",
    ],
)
def test_anything_else_stops_the_start(said: str) -> None:
    with pytest.raises(Fatal, match=r"server\.map_tiles must be .* or none"):
        check({"server": {"map_tiles": said}}, {}, {})


def test_a_file_of_pictures_is_served_by_us(tmp_path: Path) -> None:
    (tmp_path / "town.pmtiles").write_bytes(head(2))
    tiles = check({"server": {"map_tiles": "town.pmtiles", "data_dir": str(tmp_path)}}, {}, {}).tiles
    assert (tiles.source, tiles.origin, tiles.file) == (PATH, "", tmp_path / "town.pmtiles")


@pytest.mark.parametrize(
    ("data", "why"),
    [(None, "can't be read"), (b"PMTiles", "no PMTiles file"), (head(2, 2), "version 3"), (head(1), "vector tiles")],
)
def test_a_file_that_can_not_be_shown_says_why(tmp_path: Path, data: bytes | None, why: str) -> None:
    if data is not None:
        (tmp_path / "town.pmtiles").write_bytes(data)
    with pytest.raises(Fatal, match=why):
        read("town.pmtiles", str(tmp_path), "")


def test_a_file_stays_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="right into"):
        read("../town.pmtiles", str(tmp_path), "")


@pytest.mark.parametrize(
    ("said", "piece"),
    [
        (None, None),
        ("bytes=0-0", (0, 0)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-", (90, 99)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-500", (0, 99)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_a_range_is_read_as_it_is_meant(said: str | None, piece: tuple[int, int] | None) -> None:
    assert wanted(said, 100) == piece


@pytest.mark.parametrize("said", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_of_nothing(said: str) -> None:
    with pytest.raises(ValueError, match="nothing"):
        wanted(said, 100)
