"""Which language a customer reads: what the page's own switch put into the address, else what the browser asks for."""

from typing import Any, Final

from litestar.connection import ASGIConnection
from msgspec import Struct

from app.render.tongue import preferred
from app.settings import LANGUAGES

PATHS: Final = ("/t/", "/c/")  # of pages that customers see


class Tongue(Struct, frozen=True):
    """`picked`: by the switch, so that every address made from this page keeps it."""

    lang: str
    picked: bool

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Language": self.lang, "Vary": "Accept-Language"}

    def kept(self, address: str) -> str:
        """An address of ours that keeps a picked language."""
        return address + ("&" if "?" in address else "?") + f"lang={self.lang}" if self.picked else address


def tongue(connection: ASGIConnection[Any, Any, Any, Any]) -> Tongue:
    said = connection.query_params.get("lang")
    if said in LANGUAGES:
        return Tongue(said, True)
    return Tongue(preferred(connection.headers.get("accept-language", "")), False)
