"""Maps for tests: pictures of tiles, a file of them, another host that serves them, and who was asked for what."""

import gzip
import http.server
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


def picture(shade: int, size: int = 256) -> bytes:
    """A grey PNG with a grid on it."""
    row = b"\0" + bytes(shade if i % 32 else 255 - shade for i in range(size))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(row * size))]
    made = b"\x89PNG\r\n\x1a\n"
    for name, data in (*parts, (b"IEND", b"")):
        made += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return made


def varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def pmtiles(path: Path, top: int = 18) -> None:
    """A file of the whole world down to zoom `top`: one entry that runs over every tile, and one picture."""
    tile = picture(230)
    count = (4 ** (top + 1) - 1) // 3
    # tile ids by delta, run lengths, lengths, offsets (one more than they are)
    folder = gzip.compress(b"".join(map(varint, (1, 0, count, len(tile), 1))), mtime=0)
    meta = gzip.compress(b"{}", mtime=0)
    at = [127, 127 + len(folder), 127 + len(folder) + len(meta)]
    numbers = (at[0], len(folder), at[1], len(meta), at[2], 0, at[2], len(tile), count, 1, 1)
    world = struct.pack("<4iB2i", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000, 0, 0, 0)
    head = b"PMTiles\x03" + struct.pack("<11Q", *numbers) + bytes((1, 2, 1, 2, 0, top)) + world
    path.write_bytes(head + folder + meta + tile)


class Asked(list[tuple[str, str, str]]):
    """Path, Referer and Cookie of each call."""


@contextmanager
def tile_server() -> Iterator[tuple[str, Asked]]:
    """Another origin: its template, and what it was asked."""
    asked, tile = Asked(), picture(200)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("referer", ""), self.headers.get("cookie", "")))
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(tile)))
            self.end_headers()
            self.wfile.write(tile)

        def log_message(self, *_: object) -> None:
            pass

    with _serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}.png", asked


@contextmanager
def recording_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing through, and remembers what it was asked for: every host but those it is not for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def refused(self) -> None:
            asked.append(urlsplit(self.path).netloc or self.path)
            self.send_error(502)

        do_GET = do_HEAD = do_POST = do_OPTIONS = do_CONNECT = refused

        def log_message(self, *_: object) -> None:
            pass

    with _serving(Handler) as port:
        yield f"http://127.0.0.1:{port}", asked


@contextmanager
def _serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
