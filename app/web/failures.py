"""Every failure in words: what happened, whether trying again helps. JSON for programs, a page for people."""

import secrets
from typing import Any, Final
from urllib.parse import quote

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Redirect

from app.errors import Away, Forged, Invalid, Problem, TooLarge, Unknown, WrongMethod
from app.render import Renderer
from app.render.tongue import PLAIN, _
from app.web.pins import HEADER as PIN
from app.web.pins import Needed
from app.web.site import HEADERS, PRIVATE, SignIn
from app.web.tongue import PATHS, Tongue, tongue

log = structlog.get_logger()

_BY_STATUS: Final[dict[int, type[Problem]]] = {404: Unknown, 405: WrongMethod, 413: TooLarge, 400: Invalid}


def problem(error: Problem, title: str | None = None, detail: str | None = None) -> bytes:
    """RFC 9457 problem details. `title`, `detail`: in the language of who reads them, if another than ours."""
    return msgspec.json.encode(
        {
            "type": "about:blank",
            "title": error.title if title is None else title,
            "status": error.status,
            "detail": str(error) if detail is None else detail,
            "retry": error.again,
        }
    )


class Noted(Problem):
    """What nobody foresaw; its words are in the reader's language already."""


class Failures:
    def __init__(self, render: Renderer) -> None:
        self._render = render

    def known(self, request: Request[Any, Any, Any], error: Problem) -> Response[Any]:
        if isinstance(error, SignIn) and _page(request):
            return Redirect("/login?next=" + quote(request.url.path), headers={**HEADERS, **PRIVATE})
        headers = {**HEADERS, **PRIVATE}
        if isinstance(error, Needed):
            headers[PIN] = "needed" if request.headers.get(PIN) is None else "wrong"
        if isinstance(error, Away):
            headers["Retry-After"] = str(error.retry_after)
        if isinstance(error, Forged):
            headers["WWW-Authenticate"] = "Bearer"
        spoken = _tongue(request)
        title, detail = error.title, str(error)
        if spoken is not None:
            title = self._worded(title, spoken.lang)
            detail = detail if isinstance(error, Noted) else self._worded(detail, spoken.lang)
            headers |= spoken.headers
        if _page(request):
            body = self._render.page(
                "error", spoken.lang if spoken else "en", status=error.status, title=title, detail=detail,
                again=error.again, start=spoken is None,
            )  # fmt: skip
            return Response(body, status_code=error.status, media_type="text/html", headers=headers)
        said = problem(error, title, detail)
        return Response(said, status_code=error.status, media_type="application/problem+json", headers=headers)

    def _worded(self, text: str, lang: str) -> str:
        """A text that has no translation is left to the title and to whether trying again helps."""
        told = self._render.told(text, lang)
        return told if lang == PLAIN or told != text else ""

    def http(self, request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        kind = _BY_STATUS.get(error.status_code, Problem)
        detail = error.detail if isinstance(error, ValidationException) else ""
        if isinstance(error, ValidationException) and error.extra:
            detail = "; ".join(
                f"{str(e.get('key', '')).rstrip('_')}: {e.get('message', '')}"
                for e in error.extra
                if isinstance(e, dict)
            )
        known = kind(detail or _SAID.get(error.status_code, "It can't be answered."))
        known.status = error.status_code
        response = self.known(request, known)
        response.headers.update(error.headers or {})
        return response

    def unknown(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        mark = secrets.token_hex(6)
        log.error("failed", mark=mark, route=_route(request), exc_info=error)
        spoken = _tongue(request)
        text = self._render.told(NOTED, spoken.lang if spoken else PLAIN)
        return self.known(request, Noted(text.replace("{mark}", mark)))


_SAID: Final = {
    404: _("There is nothing at this address."),
    405: _("This address does not take that method."),
    413: _("The body is too large."),
}


NOTED: Final = _("It was noted under {mark}. Trying again may help; if not, tell us that mark.")


def _tongue(request: Request[Any, Any, Any]) -> Tongue | None:
    """The language of a customer's page; None elsewhere."""
    return tongue(request) if request.url.path.startswith(PATHS) else None


def _page(request: Request[Any, Any, Any]) -> bool:
    """Is a person looking? The API and htmx get JSON."""
    path = request.url.path
    return not path.startswith(("/api", "/metrics", "/healthz", "/readyz")) and "hx-request" not in request.headers


def _route(request: Request[Any, Any, Any]) -> str:
    return str(request.scope.get("path_template", "?"))
