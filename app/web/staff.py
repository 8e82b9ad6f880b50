"""Signing in and out. Unknown name, wrong password and a disabled account look and last the same."""

import asyncio
from typing import Annotated, Any, Final

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect

from app.errors import TooMany
from app.store.people import SESSION_FOR, User
from app.web.site import HEADERS, PRIVATE, Site

log = structlog.get_logger()

HASHER: Final = PasswordHasher()
NOBODY: Final = HASHER.hash("the password of nobody")  # what an unknown name is checked against, to last as long
PASSWORD_MOST: Final = 1024  # characters
TRIES: Final = 10  # wrong passwords a name, in WINDOW seconds
WINDOW: Final = 300
_hashing: Final = asyncio.Semaphore(2)  # 64 MiB each, and a core

Form = dict[str, str]
Call = Request[Any, Any, Any]


@get("/login")
async def form(site: NamedDependency[Site], next_: Annotated[str, QueryParameter(name="next")] = "/") -> Response[str]:
    return _form(site, "", own_path(next_), 200)


@post("/login", status_code=303)
async def enter(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    site.guard(request)
    name, password = data.get("username", "").strip()[:64], data.get("password", "")
    after = own_path(data.get("next", "/"))
    peer = request.client.host if request.client else ""
    if not await site.people.tries(f"login {name} {peer}", TRIES, WINDOW):
        raise TooMany("Too many tries for this name. Wait five minutes, or ask an admin for a new password.")
    user = await site.people.user(name) if name else None
    if not await fits(user, password) or user is None:
        log.info("sign-in refused")
        await site.audit.note("", "sign_in_refused")
        return _form(site, "The name or the password is wrong.", after, 401)
    secret = await site.people.enter(user.name, site.clock())
    await site.audit.note(user.name, "signed_in")
    return Redirect(
        after, status_code=303, headers={**HEADERS, **PRIVATE}, cookies=[_cookie(site, secret, SESSION_FOR)]
    )


async def fits(user: User | None, password: str) -> bool:
    if len(password) > PASSWORD_MOST:
        return False
    known = user.password if user is not None and not user.disabled else NOBODY
    async with _hashing:
        right = await asyncio.to_thread(_verify, known, password)
    return right and user is not None and not user.disabled


def _verify(known: str, password: str) -> bool:
    try:
        return HASHER.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


@post("/logout", status_code=303)
async def leave(request: Call, site: NamedDependency[Site]) -> Redirect:
    site.guard(request)
    secret = request.cookies.get(site.cookie)
    if secret and (known := await site.people.session(secret)) is not None:
        await site.people.leave(known[0])
        await site.audit.note(known[1].name, "signed_out")
    return Redirect("/login", status_code=303, headers={**HEADERS, **PRIVATE}, cookies=[_cookie(site, "", 0)])


def own_path(path: str) -> str:
    """A path of ours to go on to; anything that leads elsewhere becomes the start page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


def _cookie(site: Site, value: str, age: int) -> Cookie:
    secure = site.settings.server.secure
    return Cookie(site.cookie, value=value, path="/", max_age=age, secure=secure, httponly=True, samesite="lax")


def _form(site: Site, error: str, after: str, status: int) -> Response[str]:
    page = site.render.page("login", error=error, next=after)
    return Response(page, status_code=status, media_type="text/html", headers=dict(PRIVATE))


HANDLERS: Final = (form, enter, leave)
