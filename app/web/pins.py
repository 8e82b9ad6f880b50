"""PINs on a shared tablet: what can't be taken back after ten seconds, or shows personal data, asks for the PIN of a
person of the store. That person is who did it, whoever is signed in."""

from itertools import pairwise
from typing import Any, Final
from urllib.parse import unquote

from litestar import Request

from app.errors import Forbidden, Invalid, TooMany
from app.settings import Store
from app.store.people import User
from app.web.site import Site
from app.web.staff import proven

Call = Request[Any, Any, Any]

HEADER: Final = "Orderboard-Pin"  # of a call: the person's name, percent-encoded, a space, the digits
LEAST: Final = 4  # digits
MOST: Final = 8
TRIES: Final = 5  # wrong PINs a person, in WINDOW seconds
WINDOW: Final = 60
TRIES_DAY: Final = 40  # wrong PINs a person in a day; then a new one is needed
DAY: Final = 86_400
RISKY: Final = ("handed_over",)  # moves of an arrival; every other one can be taken back, or done again


class Needed(Forbidden):
    """The page answers it by asking for a PIN."""

    title = "A PIN is needed"


def checked_pin(pin: str) -> str:
    """Raises Invalid, in words."""
    if not (pin.isascii() and pin.isdigit() and LEAST <= len(pin) <= MOST):
        raise Invalid(f"A PIN is {LEAST} to {MOST} digits.")
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if len(steps) == 1 and steps <= {-1, 0, 1}:
        raise Invalid("That PIN is guessed first. Take digits that don't just repeat or count.")
    return pin


async def holders(site: Site, store: str) -> list[User]:
    """Who may give a PIN at a store."""
    return [user for user in await site.people.all() if _holds(user, store)]


def _holds(user: User | None, store: str) -> bool:
    return user is not None and bool(user.pin) and not user.disabled and user.sees(store)


async def person(site: Site, request: Call, store: Store, user: User) -> tuple[str, str]:
    """Who does it, and the account that is signed in: `user`, or where the store wants PINs, whoever gave theirs.
    Raises Needed where none is given or it is wrong."""
    if not store.pin:
        return user.name, ""
    name, _, digits = request.headers.get(HEADER, "").rpartition(" ")
    if not name:
        raise Needed("This needs the PIN of a person of this store. Nothing was changed.")
    name = unquote(name)[:64]
    minute, day = wrong(name)
    if not await site.people.tries(minute, TRIES, WINDOW):
        raise TooMany("That PIN was wrong too often. Wait a minute, then try again.")
    if await site.people.tried(day) >= TRIES_DAY:
        raise TooMany("That PIN was wrong too often today. Set a new one on your account's page.")
    holder = await site.people.user(name)
    if not await proven(holder.pin if holder is not None and _holds(holder, store.id) else "", digits):
        await site.people.tries(day, TRIES_DAY, DAY)
        await site.audit.note(user.name, "pin_refused", store=store.id, about=name if holder is not None else "")
        raise Needed("That PIN is wrong. Nothing was changed.")
    await site.people.forgive(minute)
    return name, user.name


def wrong(name: str) -> tuple[str, str]:
    """What wrong tries are counted under: a new PIN begins without those at the old one."""
    return f"pin {name}", f"pin day {name}"
