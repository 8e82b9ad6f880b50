"""Staff accounts: who there is, what they may see, their passwords and sessions. Nobody changes their own role, and
somebody stays an admin."""

import secrets
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, FromQuery
from msgspec import Struct

from app.errors import Conflict, Invalid, Unknown
from app.render import admin
from app.store.people import ROLES, User, proper
from app.web import pins
from app.web.desk import Call, done, frame, keeper, shown, zone_of
from app.web.pins import checked_pin
from app.web.site import Site
from app.web.staff import PASSWORD_LEAST, PASSWORD_MOST, hashed

PATH: Final = "/admin/people"

Wishes = dict[str, Any]  # a form: a name given more than once has a list


class Wish(Struct, frozen=True):
    """What a form asks for."""

    name: str = ""
    role: str = "staff"
    stores: tuple[str, ...] = ()
    password: str = ""


EMPTY: Final = Wish()


def wish(data: Wishes) -> Wish:
    stores = data.get("stores", [])
    listed = stores if isinstance(stores, list) else [stores]
    return Wish(
        str(data.get("name", "")).strip(), str(data.get("role", "staff")), tuple(str(store) for store in listed),
        str(data.get("password", "")),
    )  # fmt: skip


@get(PATH)
async def page(
    request: Call, site: NamedDependency[Site], said: FromQuery[str] = "", n: FromQuery[int] = 0
) -> Response[str]:
    user = await keeper(site, request, "admin")
    return shown(await _page(site, user, told=admin.said(said, n)))


async def _page(
    site: Site, user: User, *, asked: Wish = EMPTY, told: object = None, error: str = "", **more: Any
) -> str:
    everyone = await site.people.all()
    rows = [_person(site, one, len(await site.people.sessions(one.name))) for one in everyone]
    return site.render.page(
        "admin/people", **frame(site, user, "people"), rows=rows, told=told, roles=admin.ROLES, asked=asked,
        stores=list(site.settings.stores.values()), error=error, least=PASSWORD_LEAST,
        **{"made": "", "password": "", **more},
    )  # fmt: skip


def _person(site: Site, user: User, sessions: int) -> dict[str, Any]:
    names = [site.settings.stores[store].name for store in user.stores if store in site.settings.stores]
    return {
        "name": user.name, "path": f"{PATH}/{quote(user.name, safe='')}", "role": user.role, "disabled": user.disabled,
        "stores": "all" if user.role == "admin" else ", ".join(names) or "none", "sessions": sessions,
        "elsewhere": not user.password, "pin": bool(user.pin),
    }  # fmt: skip


@post(PATH, status_code=200)
async def add(
    request: Call,
    site: NamedDependency[Site],
    data: Annotated[Wishes, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[str]:
    """A new account; where no password was typed, one is made up and shown this once."""
    site.guard(request)
    user = await keeper(site, request, "admin")
    asked = wish(data)
    wrong = await _wrong(site, asked)
    if wrong:
        return shown(await _page(site, user, asked=asked, error=wrong), 422)
    password = asked.password or made_up()
    secret = await hashed(password)
    stores = () if asked.role == "admin" else asked.stores
    await site.people.save(User(asked.name, asked.role, stores, secret))
    await site.audit.note(user.name, "user_added", about=asked.name, detail=asked.role)
    shown_once = "" if asked.password else password
    return shown(await _page(site, user, made=asked.name, password=shown_once, told=admin.said("user_added", 0)))


def made_up() -> str:
    return secrets.token_urlsafe(9)


async def _wrong(site: Site, asked: Wish) -> str:
    """What stands in the way of such an account; empty where nothing does."""
    if not proper(asked.name):
        return "A name has 1 to 64 characters, none of / \\ ? # % < > or quotes, and is not what programs are called."
    if await site.people.user(asked.name) is not None:
        return f"There is an account named {asked.name} already. Names are as they are written, capitals included."
    return _misplaced(site, asked) or (_weak(asked.password) if asked.password else "")


def _misplaced(site: Site, asked: Wish) -> str:
    if asked.role not in ROLES:
        return "role must be one of " + ", ".join(ROLES) + "."
    if asked.role != "admin" and not asked.stores:
        return "Choose at least one store; only an admin sees all."
    return "" if set(asked.stores) <= site.settings.stores.keys() else "There is no such store."


def _weak(password: str) -> str:
    fits = PASSWORD_LEAST <= len(password) <= PASSWORD_MOST
    return "" if fits else f"A password has {PASSWORD_LEAST} characters or more. Leave it empty to have one made up."


# ---- one person ----


@get(PATH + "/{user:str}")
async def one(
    request: Call, site: NamedDependency[Site], user: FromPath[str], said: FromQuery[str] = "", n: FromQuery[int] = 0
) -> Response[str]:
    who = await keeper(site, request, "admin")
    return shown(await _one(site, who, await _found(site, user), told=admin.said(said, n)))


async def _found(site: Site, name: str) -> User:
    person = await site.people.user(name)
    if person is None:
        raise Unknown("There is no such account.")
    return person


async def _one(
    site: Site, user: User, person: User, *, told: object = None, error: str = "", password: str = ""
) -> str:
    sessions = await site.people.sessions(person.name)
    rows = [admin.Session(session.since, session.device) for session in sessions]
    return site.render.page(
        "admin/person", **frame(site, user, "people"), person=_person(site, person, len(sessions)), told=told,
        error=error, password=password, roles=admin.ROLES, stores=list(site.settings.stores.values()),
        chosen=person.stores, self_=person.name == user.name, least=PASSWORD_LEAST,
        sessions=admin.sessions(rows, site.clock(), zone_of(site, user)),
    )  # fmt: skip


@post(PATH + "/{user:str}", status_code=200)
async def change(
    request: Call,
    site: NamedDependency[Site],
    user: FromPath[str],
    data: Annotated[Wishes, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """`do` names what: place (role and stores), password, pin, disable, enable, or leave (sign out everywhere)."""
    site.guard(request)
    who = await keeper(site, request, "admin")
    person, do, asked = await _found(site, user), str(data.get("do", "")), wish(data)
    if do == "password":
        return await _password(site, who, person, asked.password)
    if do == "pin":
        return await _pin(site, who, person, str(data.get("pin", "")))
    if do == "place" and (wrong := _misplaced(site, asked)):
        return shown(await _one(site, who, person, error=wrong), 422)
    act = _ACTS.get(do)
    if act is None:
        raise Invalid("do must be place, password, pin, disable, enable or leave.")
    said = await act(site, who, person, asked)
    return done(f"{PATH}/{quote(user, safe='')}", said)


async def _place(site: Site, user: User, person: User, asked: Wish) -> str:
    _not_self(user, person)
    stores = () if asked.role == "admin" else asked.stores
    await _kept(site, person, role=asked.role, stores=stores)
    await site.audit.note(user.name, "user_changed", about=person.name, detail=" ".join((asked.role, *stores)))
    return "user_changed"


async def _disable(site: Site, user: User, person: User, asked: Wish) -> str:
    _not_self(user, person)
    await _kept(site, person, disabled=True)
    await site.audit.note(user.name, "user_disabled", about=person.name)
    return "user_disabled"


async def _enable(site: Site, user: User, person: User, asked: Wish) -> str:
    await site.people.change(person.name, disabled=False)
    await site.audit.note(user.name, "user_enabled", about=person.name)
    return "user_enabled"


async def _leave(site: Site, user: User, person: User, asked: Wish) -> str:
    await site.people.expel(person.name)
    await site.audit.note(user.name, "expelled", about=person.name)
    return "expelled"


async def _password(site: Site, user: User, person: User, typed: str) -> Response[str]:
    if typed and (wrong := _weak(typed)):
        return shown(await _one(site, user, person, error=wrong), 422)
    password = typed or made_up()
    secret = await hashed(password)
    await site.people.change(person.name, password=secret)
    await site.audit.note(user.name, "password_changed", about=person.name)
    fresh = msgspec.structs.replace(person, password=secret)
    told = admin.said("password_changed", 0)
    return shown(await _one(site, user, fresh, told=told, password="" if typed else password))


async def _pin(site: Site, user: User, person: User, typed: str) -> Response[Any]:
    """Sets a person's PIN; an empty one takes it away."""
    try:
        new = checked_pin(typed) if typed else ""
    except Invalid as error:
        return shown(await _one(site, user, person, error=str(error)), 422)
    await site.people.change(person.name, pin=await hashed(new) if new else "")
    await site.people.forgive(*pins.wrong(person.name))
    await site.audit.note(user.name, "pin_changed", about=person.name, detail="" if new else "removed")
    return done(f"{PATH}/{quote(person.name, safe='')}", "pin_set" if new else "pin_gone")


def _not_self(user: User, person: User) -> None:
    if person.name == user.name:
        raise Conflict("Nobody changes their own role, stores or access. Another admin can do it.")


async def _kept(site: Site, person: User, **wanted: Any) -> None:
    """Changes an account, unless that would leave nobody an admin: not even where two do it at once."""
    changed = await site.people.change(person.name, **wanted)
    if changed is None:
        raise Unknown("There is no such account any more.")
    if not any(one.role == "admin" and not one.disabled for one in await site.people.all()):
        await site.people.change(person.name, role=person.role, stores=person.stores, disabled=person.disabled)
        raise Conflict("That would leave nobody an admin. Make somebody else one first.")


_ACTS: Final = {"place": _place, "disable": _disable, "enable": _enable, "leave": _leave}
HANDLERS: Final = (page, add, one, change)
