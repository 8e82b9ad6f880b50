"""The file of tiles over HTTP: whole, in pieces, and not again."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from mapping import pmtiles
from rig import Served, free_port, settings_of


@pytest.fixture
def tiled(redis_url: str, tmp_path: Path) -> Iterator[tuple[Served, bytes]]:
    pmtiles(tmp_path / "town.pmtiles")
    settings = settings_of(free_port(), map_tiles="town.pmtiles", data_dir=str(tmp_path))
    running = Served(settings, redis_url).start()
    yield running, (tmp_path / "town.pmtiles").read_bytes()
    running.stop()


def test_pieces_of_the_file(tiled: tuple[Served, bytes]) -> None:
    served, data = tiled
    url = f"{served.base}/tiles.pmtiles"
    with httpx2.Client() as client:
        whole = client.get(url)
        assert (whole.status_code, whole.content) == (200, data)
        assert whole.headers["accept-ranges"] == "bytes"
        assert "content-encoding" not in whole.headers
        tag = whole.headers["etag"]
        piece = client.get(url, headers={"Range": "bytes=100-126"})
        assert (piece.status_code, piece.content) == (206, data[100:127])
        assert piece.headers["content-range"] == f"bytes 100-126/{len(data)}"
        assert piece.headers["content-length"] == "27"
        assert client.get(url, headers={"Range": "bytes=-7"}).content == data[-7:]
        assert client.get(url, headers={"Range": "bytes=5-9", "If-Range": tag}).status_code == 206
        other = client.get(url, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
        assert (other.status_code, other.content) == (200, data)
        beyond = client.get(url, headers={"Range": f"bytes={len(data)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
        assert client.get(url, headers={"Range": "bytes=0-1,5-6"}).content == data
        head = client.head(url)
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(data)), b"")
        assert client.get(url, headers={"If-None-Match": tag}).status_code == 304
        assert client.post(url).status_code == 405


def test_without_a_file_there_is_none(redis_url: str) -> None:
    running = Served(settings_of(free_port(), map_tiles="none"), redis_url).start()
    try:
        assert httpx2.get(f"{running.base}/tiles.pmtiles").status_code == 404
    finally:
        running.stop()
