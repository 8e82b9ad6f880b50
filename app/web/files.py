"""What pages load from us: read and packed once, as tight as it goes, when it is first asked for."""

import gzip
import mimetypes
import re
from functools import cache
from hashlib import sha256
from typing import Any, Final

import brotli  # type: ignore[import-untyped]
from litestar import asgi
from litestar.types import Receive
from msgspec import Struct

from app.errors import Unknown, WrongMethod
from app.render import EDITION, STATIC
from app.web.site import HEADERS

KNOWN: Final = {path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.is_file()}
KINDS: Final = {
    ".js": "text/javascript",
    ".woff2": "font/woff2",
    ".md": "text/plain",
}  # may be missing in a system's table
# What stays at home of our own files, a vendor's stay as they are: remarks, and the space that lines begin with.
REMARKS: Final = {
    ".css": re.compile(rb"/\*.*?\*/\s*|^[ \t]+", re.DOTALL | re.MULTILINE),
    ".js": re.compile(rb"^[ \t]*(?://.*|/\*\*.*\*/)\n|^[ \t]+", re.MULTILINE),
}
TEXTS: Final = ("text/", "image/svg")
FOREVER: Final = b"max-age=31536000, immutable"
# What matters for a file; the rest of site.HEADERS is about pages, and would weigh more than some files do.
BARE: Final = (
    (b"content-security-policy", b"default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", HEADERS["Referrer-Policy"].encode()),
)


class Kept(Struct, frozen=True):
    """A file: what it is, and its bytes by how they are packed ("" = not at all)."""

    kind: bytes
    mark: bytes
    bodies: dict[bytes, bytes]


@cache
def kept(name: str) -> Kept:
    path = KNOWN[name]
    body = path.read_bytes()
    if path.suffix in REMARKS and not name.startswith("vendor/"):
        body = REMARKS[path.suffix].sub(b"", body)
    kind = KINDS.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    bodies = {b"": body}
    if kind.startswith(TEXTS):
        kind += "; charset=utf-8"
        bodies = {b"br": brotli.compress(body), b"gzip": gzip.compress(body, 9, mtime=0), b"": body}
    return Kept(kind.encode(), f'"{sha256(body).hexdigest()[:16]}"'.encode(), bodies)


@asgi("/static", is_mount=True, copy_scope=False)
async def file(scope: Any, receive: Receive, send: Any) -> None:
    """For ever under the edition's name; asked for again each time under the plain one."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
        raise WrongMethod("Files are only there to be read.")
    name = scope["path"].strip("/")
    plain = name.removeprefix(EDITION + "/")
    if plain not in KNOWN:
        raise Unknown("There is nothing at this address.")
    status, headers, body = answer(plain, name != plain, dict(scope["headers"]))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})


def answer(name: str, named: bool, said: dict[bytes, bytes]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body. `named`: it was asked for by the edition's name. `said`: the call's headers."""
    found = kept(name)
    headers = [*BARE, (b"content-type", found.kind), (b"cache-control", FOREVER if named else b"no-cache")]
    if len(found.bodies) > 1:
        headers.append((b"vary", b"accept-encoding"))
    if not named:
        headers.append((b"etag", found.mark))
        if said.get(b"if-none-match") == found.mark:
            return 304, headers, b""
    taken = said.get(b"accept-encoding", b"")
    packed = next(way for way in found.bodies if way in taken)
    if packed:
        headers.append((b"content-encoding", packed))
    body = found.bodies[packed]
    return 200, [*headers, (b"content-length", b"%d" % len(body))], body


HANDLERS: Final = (file,)
