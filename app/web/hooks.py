"""Where order systems call. A 2xx means stored; nothing of an unauthenticated call is kept."""

import os
from functools import partial
from typing import Any, Final, cast
from urllib.parse import unquote

import msgspec
import structlog
from litestar import Litestar, Request, asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app import metrics
from app.errors import Away, Forged, Problem, TooLarge, Unknown, WrongMedia, WrongMethod
from app.intake import Raw
from app.providers.contract import Call, Provider
from app.settings import Source
from app.web.failures import problem
from app.web.site import Site

log = structlog.get_logger()

MOUNT: Final = "/hooks"
BODY_MOST: Final = 256 * 1024
MARK: Final = b"\x1f"  # for a slash in a name; no ref and no bay has this itself
_JSON: Final = (b"application/json", b"text/json")


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


def receiver(site: Site) -> ASGIRouteHandler:
    """A mounted callable: a handler with a Request costs 1.38 times as much for the whole way."""
    sources = {source.id: (source, site.providers[source.provider]) for source in site.settings.sources.values()}

    @asgi(MOUNT, is_mount=True, copy_scope=False)
    async def hooks(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # type: ignore[comparison-overlap]
            raise WrongMethod("No socket is opened here.")
        name, _, tail = scope["path"].strip("/").partition("/")
        try:
            answer = await _answer(site, sources, name, tail, scope, receive)
        except Problem as error:
            answer = _refusal(error)
        except Exception:
            # A provider that sees 5xx tries again, so a bug of ours loses nothing; it must be seen, though.
            log.exception("hook failed", source=name if name in sources else "?")
            answer = _refusal(Away("Something went wrong on our side. Try again in a moment."))
        metrics.HOOKS.inc(name if name in sources else "?", str(answer.status))
        headers = [(b"content-length", b"%d" % len(answer.body)), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    return hooks


def front(app: Litestar, hooks: ASGIRouteHandler) -> ASGIApp:
    """The same application, with webhooks handed straight to their mount: on the way through the router and its layers
    a webhook leaves a tenth of all it costs, and none of them does anything for it."""
    mounted, start = cast("ASGIApp", hooks.fn), MOUNT + "/"
    # As uvicorn would do it: who calls by way of a proxy on this machine is told apart by what that says.
    others = ProxyHeadersMiddleware(cast("Any", app), os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"))

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(start):  # type: ignore[comparison-overlap]
            scope["path"] = scope["path"][len(MOUNT) :]
            await mounted(scope, receive, send)
        else:
            await others(cast("Any", asked(scope)), cast("Any", receive), cast("Any", send))

    return door


def asked(scope: Scope) -> Scope:
    """A request as pages and the API take it. HEAD is asked as GET: the server leaves the body out for who said HEAD. A
    slash in a name ("%2F": an order's ref, a bay) would part it once the path is decoded; it is marked till `whole`."""
    known = cast("dict[str, Any]", scope)
    raw, head = known.get("raw_path") or b"", known.get("method") == "HEAD"
    if known["type"] != "http" or not (head or b"%2" in raw):
        return scope
    path = unquote(raw.replace(b"%2F", MARK).replace(b"%2f", MARK)) if b"%2" in raw else known["path"]
    return cast("Scope", {**known, "method": "GET" if head else known["method"], "path": path})


async def whole(request: Request[Any, Any, Any]) -> None:
    """Gives the names in a request's path their slashes back, before its handler sees them."""
    names = request.scope["path_params"]
    for name in ("ref", "bay"):
        if name in names:
            names[name] = str(names[name]).replace(MARK.decode(), "/")


async def _answer(
    site: Site, sources: dict[str, tuple[Source, Provider]], name: str, tail: str, scope: Scope, receive: Receive
) -> Answer:
    source, provider = _source(sources, name, tail)
    method = str(scope["method"])  # type: ignore[typeddict-item]
    if method not in provider.methods:
        raise WrongMethod("Use " + " or ".join(sorted(provider.methods)) + ".")
    headers = dict(scope["headers"])
    if _length(headers) > BODY_MOST:
        raise TooLarge(f"The body may have {BODY_MOST} bytes.")
    heard, query = site.clock(), scope["query_string"]
    call = Call(method=method, tail=tail, query=query, headers=headers, heard=heard)
    (provider.first or provider.verify)(source, call)  # nothing of a stranger's is read
    body = await _body(receive)
    call = Call(method=method, tail=tail, query=query, headers=headers, heard=heard, body=body)
    if provider.first:
        provider.verify(source, call)
    _media(method, headers, form=tail in provider.forms)
    said = provider.respond(source, call) if provider.respond else None
    if said is not None:
        return Answer(200, said, _TYPED)
    keep = "" if provider.tails is None else tail  # a secret in the path is not kept
    raw = Raw(source=name, heard=heard, method=method, tail=keep, query=provider.masked(query), body=body)
    await site.intake.accept(raw, partial(provider.parse, source, call), provider.redact)
    return Answer(provider.status, provider.answer, _PLAIN if not provider.answer else _TYPED)


_PLAIN: Final = ((b"cache-control", b"no-store"),)
_TYPED: Final = (*_PLAIN, (b"content-type", b"application/json"))


def _source(sources: dict[str, tuple[Source, Provider]], name: str, tail: str) -> tuple[Source, Provider]:
    found = sources.get(name)
    if found is None or (found[1].tails is not None and tail not in found[1].tails):
        raise Unknown("There is no such source.")
    return found


def _length(headers: dict[bytes, bytes]) -> int:
    said = headers.get(b"content-length", b"0")
    return int(said) if said.isdigit() and len(said) < 12 else BODY_MOST + 1


async def _body(receive: Receive) -> bytes:
    """The whole body, never more than allowed: what Content-Length says is not believed."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Problem("The caller has gone.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_MOST:
            raise TooLarge(f"The body may have {BODY_MOST} bytes.")
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks) if len(chunks) > 1 else chunk


def _media(method: str, headers: dict[bytes, bytes], *, form: bool) -> None:
    """JSON in UTF-8, not compressed. Who names no type is taken at the body's word."""
    if method == "GET" or form:
        return
    kind, _, rest = headers.get(b"content-type", b"application/json").lower().partition(b";")
    kind, charset = kind.strip(), rest.replace(b'"', b"").strip()
    if not (kind in _JSON or kind.endswith(b"+json")) or charset not in (b"", b"charset=utf-8"):
        raise WrongMedia("Send application/json in UTF-8.")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise WrongMedia("Send the body without compression.")


def _refusal(error: Problem) -> Answer:
    headers = [*_PLAIN, (b"content-type", b"application/problem+json")]
    if isinstance(error, Away):
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, Forged):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, WrongMethod):
        headers.append((b"allow", str(error)[4:-1].replace(" or ", ", ").encode()))
    return Answer(error.status, problem(error), tuple(headers))
