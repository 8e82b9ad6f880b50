"""Signing in and out. Unknown name, wrong password and a disabled account look and last the same."""

import asyncio
from secrets import token_urlsafe
from typing import Annotated, Any, Final
from unicodedata import normalize

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect

from app import metrics
from app.store.people import SESSION_FOR, User
from app.web.device import device
from app.web.guesses import network
from app.web.site import HEADERS, PRIVATE, Site

log = structlog.get_logger()

HASHER: Final = PasswordHasher()
NOBODY: Final = HASHER.hash("the password of nobody")  # what an unknown name is checked against, to last as long
PASSWORD_LEAST: Final = 8  # characters
PASSWORD_MOST: Final = 1024
WINDOW: Final = 300  # seconds
TRIES: Final = 10  # wrong passwords a name from one place, in WINDOW
TRIES_NAME: Final = 100  # a name from everywhere, but for browsers that its owner has signed in with before
TRIES_PLACE: Final = 100  # sign-ins from one place
NOTED: Final = 20  # refusals an hour in the audit trail: whoever makes many must not push out what is there
KNOWN_FOR: Final = 180 * 86_400  # seconds
_hashing: Final = asyncio.Semaphore(2)  # 64 MiB each, and a core

Form = dict[str, str]
Call = Request[Any, Any, Any]


@get("/login")
async def form(
    request: Call, site: NamedDependency[Site], next_: Annotated[str, QueryParameter(name="next")] = "/"
) -> Response[str]:
    note = "You are signed out everywhere." if "everywhere" in request.query_params else ""
    return page(site, "", own_path(next_), 200, note)


@post("/login", status_code=303)
async def enter(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    site.guard(request)
    name, password = data.get("username", "").strip()[:64], data.get("password", "")
    after = own_path(data.get("next", "/"))
    if not await patient(site, request, name):
        metrics.SIGN_INS.labels("slowed").inc()
        return page(site, "Too many tries. Wait five minutes, or ask an admin for a new password.", after, 429)
    user = await site.people.user(name) if name else None
    if not await fits(user, password) or user is None:
        await refused(site)
        return page(site, "The name or the password is wrong.", after, 401)
    await site.people.forgive(f"login {name} {place(request)}")
    return await welcome(request, site, user, after)


def place(request: Call) -> str:
    return network(request.client.host) if request.client else ""


async def patient(site: Site, request: Call, name: str) -> bool:
    """Counts one more try. The owner of a name gets in while others guess at it, from a browser they know."""
    here = place(request)
    known = request.cookies.get(site.known_cookie, "")
    mine = bool(known) and await site.people.knows(known, name)
    whole = (f"login {name} known {known}", TRIES) if mine else (f"login {name}", TRIES_NAME)
    limits = ((f"login {name} {here}", TRIES), whole, (f"login from {here}", TRIES_PLACE))
    return all([await site.people.tries(mark, most, WINDOW) for mark, most in limits])


async def refused(site: Site) -> None:
    """Notes it, without the name that was tried: people type their password into the wrong field."""
    log.info("sign-in refused")
    metrics.SIGN_INS.labels("refused").inc()
    if await site.people.tries("refusals noted", NOTED, 3600):
        await site.audit.note("", "sign_in_refused")


async def welcome(request: Call, site: Site, user: User, after: str, detail: str = "") -> Response[Any]:
    """A session of its own, whatever cookie the browser came with; an older one of this browser ends."""
    old = await site.people.session(request.cookies.get(site.cookie, ""))
    if old is not None:
        await site.people.leave(old[0])
    secret = await site.people.enter(user.name, site.clock(), device(request.headers.get("user-agent", "")))
    known = request.cookies.get(site.known_cookie, "")[:64] or token_urlsafe(24)
    await site.people.meet(known, user.name, KNOWN_FOR)
    await site.audit.note(user.name, "signed_in", detail=detail)
    metrics.SIGN_INS.labels("done").inc()
    cookies = [cookie(site, site.cookie, secret, SESSION_FOR), cookie(site, site.known_cookie, known, KNOWN_FOR)]
    return Redirect(after, status_code=303, headers={**HEADERS, **PRIVATE}, cookies=cookies)


async def fits(user: User | None, password: str) -> bool:
    """Is it this person's password? It takes as long where there is nobody, or nobody with a password."""
    known = user.password if user is not None and not user.disabled else ""
    return await proven(known, password) and user is not None and not user.disabled


async def proven(known: str, secret: str) -> bool:
    """Is this the secret of a hash? "" is the hash of none."""
    if len(secret) > PASSWORD_MOST:
        return False
    async with _hashing:
        right = await asyncio.to_thread(_verify, known or NOBODY, secret)
    return right and bool(known)


def _verify(known: str, secret: str) -> bool:
    try:
        return HASHER.verify(known, normalize("NFC", secret))
    except (VerificationError, InvalidHashError):
        return False


async def hashed(secret: str) -> str:
    async with _hashing:
        return await asyncio.to_thread(sealed, secret)


def sealed(secret: str) -> str:
    """The hash to keep. One keyboard says "é" in one letter and another in two: both are the same password."""
    return HASHER.hash(normalize("NFC", secret))


@post("/logout", status_code=303)
async def leave(request: Call, site: NamedDependency[Site]) -> Redirect:
    site.guard(request)
    secret = request.cookies.get(site.cookie)
    if secret and (known := await site.people.session(secret)) is not None:
        await site.people.leave(known[0])
        await site.audit.note(known[1].name, "signed_out")
    return out(site, "/login")


def out(site: Site, path: str) -> Redirect:
    return Redirect(path, status_code=303, headers={**HEADERS, **PRIVATE}, cookies=[cookie(site, site.cookie, "", 0)])


def own_path(path: str) -> str:
    """A path of ours to go on to; anything that leads elsewhere becomes the start page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


def cookie(site: Site, name: str, value: str, age: int) -> Cookie:
    secure = site.settings.server.secure
    return Cookie(name, value=value, path="/", max_age=age, secure=secure, httponly=True, samesite="lax")


def page(site: Site, error: str, after: str, status: int, note: str = "") -> Response[str]:
    made = site.render.page("login", error=error, note=note, next=after, sso=site.sso)
    return Response(made, status_code=status, media_type="text/html", headers=dict(PRIVATE))


HANDLERS: Final = (form, enter, leave)
