"""A call to an order system and its answer, as plain data."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from app.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Request:
    """`url` is absolute and as it was sent; header names are lower case."""

    method: str
    url: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    def table(self) -> dict[str, Any] | None:
        """The body as a JSON object, an empty one as {}; None where it is anything else."""
        try:
            found = msgspec.json.decode(self.body or b"{}")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` becomes JSON, but bytes are JSON already; None leaves the body empty."""

    status: int
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else msgspec.json.encode(self.body)


# Method, pattern of the whole path, and what answers it with the pattern's groups.
Route = tuple[str, str, Callable[..., Answer]]
Handler = Callable[[World, Request], Answer]
WORD: Final = "([^/]+)"
