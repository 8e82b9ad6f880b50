"""One's own account: where one is signed in, signing out of all of it, a new password, the PIN."""

from datetime import UTC, tzinfo
from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromQuery
from litestar.response import Redirect

from app.errors import Invalid, Problem, TooMany
from app.render.times import stamp
from app.store.people import Session, User
from app.web.desk import frame
from app.web.pins import checked_pin, wrong
from app.web.site import HEADERS, PRIVATE, Site
from app.web.staff import PASSWORD_LEAST, PASSWORD_MOST, Call, Form, hashed, out, proven

TRIES: Final = 5  # wrong passwords a person, in WINDOW seconds
WINDOW: Final = 60
FRESH: Final = 600.0  # seconds after signing in, in which who has no password here may set a PIN without one

DONE: Final = {
    "password": "Your password is changed. Everywhere else you are signed out.",
    "pin": "Your PIN is set.",
    "no-pin": "Your PIN is removed.",
}
ROLES: Final = {
    "staff": "Staff: the board and everything on it",
    "manager": "Manager: the board, and what order systems sent",
    "admin": "Admin: everything, in every store",
}


@get("/account")
async def account(request: Call, site: NamedDependency[Site], done: FromQuery[str] = "") -> Response[str]:
    session, user = await site.staff(request)
    return await _page(site, session, user, done=DONE.get(done, ""))


async def _page(
    site: Site, session: Session, user: User, *, done: str = "", part: str = "", error: str = "", status: int = 200
) -> Response[str]:
    """`part`: the form that `error` is about."""
    mine = [store for store in site.settings.stores.values() if user.sees(store.id)]
    zone: tzinfo = mine[0].zone if len({store.timezone for store in mine}) == 1 else UTC
    sessions = [
        (one.device or "A browser", stamp(one.since, site.clock(), zone), one.id == session.id)
        for one in await site.people.sessions(user.name)
    ]
    page = site.render.page(
        "account",
        **frame(site, user, "account"),
        stores=[store.name for store in mine],
        says=ROLES.get(user.role, user.role),
        sessions=sessions,
        pinned=any(store.pin for store in mine),
        has_pin=bool(user.pin),
        has_password=bool(user.password),
        least=PASSWORD_LEAST,
        done=done,
        part=part,
        error=error,
    )
    return Response(page, status_code=status, media_type="text/html", headers=dict(PRIVATE))


@post("/account/password", status_code=303)
async def password(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    site.guard(request)
    session, user = await site.staff(request)
    try:
        await _owner(site, session, user, data.get("old", ""))
        new = _new(data)
    except Problem as error:
        return await _page(site, session, user, part="password", error=str(error), status=error.status)
    await site.people.change(user.name, password=await hashed(new), keep=session.id)
    await site.audit.note(user.name, "password_changed", about=user.name)
    return _back("password")


def _new(data: Form) -> str:
    new = data.get("new", "")
    if not PASSWORD_LEAST <= len(new) <= PASSWORD_MOST:
        raise Invalid(f"The new password needs {PASSWORD_LEAST} characters or more.")
    if new != data.get("again", ""):
        raise Invalid("The new password is not the same both times.")
    if new == data.get("old", ""):
        raise Invalid("That is the old password.")
    return new


async def _owner(site: Site, session: Session, user: User, old: str) -> None:
    """Is it really this person, and not who found their screen unlocked?"""
    if not user.password:
        if site.clock() - session.since > FRESH:
            raise Invalid("Sign in again first: this can be changed within ten minutes of that.")
        return
    if not await site.people.tries(f"password {user.name}", TRIES, WINDOW):
        raise TooMany("That was wrong too often. Wait a minute, then try again.")
    if not await proven(user.password, old):
        raise Invalid("That is not your password.")
    await site.people.forgive(f"password {user.name}")


@post("/account/pin", status_code=303)
async def pin(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """Sets one's PIN, or with `remove` takes it away."""
    site.guard(request)
    session, user = await site.staff(request)
    try:
        await _owner(site, session, user, data.get("old", ""))
        new = "" if "remove" in data else checked_pin(data.get("pin", ""))
        if new and new != data.get("again", ""):
            raise Invalid("The PIN is not the same both times.")
    except Problem as error:
        return await _page(site, session, user, part="pin", error=str(error), status=error.status)
    await site.people.change(user.name, pin=await hashed(new) if new else "")
    await site.people.forgive(*wrong(user.name))
    await site.audit.note(user.name, "pin_changed", about=user.name, detail="" if new else "removed")
    return _back("pin" if new else "no-pin")


@post("/account/expel", status_code=303)
async def expel(request: Call, site: NamedDependency[Site]) -> Redirect:
    """Signs out everywhere, here too."""
    site.guard(request)
    _, user = await site.staff(request)
    await site.people.expel(user.name)
    await site.audit.note(user.name, "signed_out_everywhere", about=user.name)
    return out(site, "/login?everywhere")


def _back(done: str) -> Redirect:
    return Redirect(f"/account?done={done}", status_code=303, headers={**HEADERS, **PRIVATE})


HANDLERS: Final = (account, password, pin, expel)
