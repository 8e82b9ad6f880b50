"""Signing in with an account of elsewhere: there and back. What goes wrong is said on the sign-in page, in words."""

from secrets import token_urlsafe
from typing import Annotated, Any, Final

import structlog
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect

from app.errors import Problem, TooMany, Unknown
from app.providers.signing import same_text
from app.store.pending import KEPT, Begun
from app.web.site import HEADERS, PRIVATE, Site, Sso
from app.web.staff import Call, cookie, own_path, page, place, refused, welcome

log = structlog.get_logger()

BEGINS: Final = 30  # sign-ins begun from one place, in WINDOW seconds
WINDOW: Final = 300
STRAY: Final = "This sign-in was not begun in this browser, or is answered already. Begin again."


def offered(site: Site) -> Sso:
    if site.sso is None:
        raise Unknown("There is no other sign-in here.")
    return site.sso


def _name(site: Site) -> str:
    return site.cookie + "-oidc"


@get("/login/oidc")
async def begin(
    request: Call, site: NamedDependency[Site], next_: Annotated[str, QueryParameter(name="next")] = "/"
) -> Response[Any]:
    sso, after = offered(site), own_path(next_)
    try:
        if not await site.people.tries(f"oidc {place(request)}", BEGINS, WINDOW):
            raise TooMany("Too many sign-ins were begun from here. Wait five minutes.")
        state, begun = token_urlsafe(24), Begun(token_urlsafe(24), token_urlsafe(48), after)
        to = await sso.address(state, begun.nonce, begun.verifier)
    except Problem as error:
        return page(site, str(error), after, error.status)
    await site.pending.keep(state, begun)
    return Redirect(
        to, status_code=303, headers={**HEADERS, **PRIVATE}, cookies=[cookie(site, _name(site), state, KEPT)]
    )


@get("/login/oidc/done")
async def done(
    request: Call,
    site: NamedDependency[Site],
    back: Annotated[str, QueryParameter(name="state")] = "",
    code: FromQuery[str] = "",
    error: FromQuery[str] = "",
    iss: FromQuery[str] = "",
) -> Response[Any]:
    """Where the provider sends people back to."""
    sso, mine = offered(site), request.cookies.get(_name(site), "")
    begun = await site.pending.take(back) if back and same_text(back, mine) else None
    if begun is None:
        return page(site, STRAY, "/", 400)
    try:
        if error or not code or iss not in ("", sso.issuer):
            said = "You were not let in there." if error == "access_denied" else "The other sign-in did not work."
            return await _refused(site, said + " Try again, or sign in with a password.", begun.after, 401)
        guest = await sso.proven(code, begun.nonce, begun.verifier)
        user = await site.people.admit(guest)
    except Problem as problem:
        return await _refused(site, str(problem), begun.after, problem.status)
    answer = await welcome(request, site, user, begun.after, detail="oidc")
    answer.cookies.append(cookie(site, _name(site), "", 0))
    return answer


async def _refused(site: Site, words: str, after: str, status: int) -> Response[str]:
    await refused(site)
    return page(site, words, after, status)


HANDLERS: Final = (begin, done)
