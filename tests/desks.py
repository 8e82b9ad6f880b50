"""The staff's quiet pages with one text wherever a text can stand: for tests of the markup."""

from datetime import UTC, date
from typing import Any

from app.figures import LEAST, Day, Hour, Spread
from app.render import Renderer, admin, day, feedings
from app.render.times import exact
from app.settings import Store


def desks(render: Renderer, store: Store, value: str, now: float) -> list[str]:
    around: dict[str, Any] = {
        "user": value, "role": "admin", "here": "people", "store": None, "day_long": value,
        "ways": [("board", value, "/"), ("people", value, "/admin/people")],
    }  # fmt: skip
    page = render.page
    told = admin.said("some", 2)
    lists: dict[str, Any] = {"told": told, "newer": value, "older": value, "here_path": value}
    wishes: dict[str, Any] = {"roles": admin.ROLES, "stores": [store], "error": value, "password": value, "least": 8}
    own: dict[str, Any] = {"stores": [value], "says": value, "sessions": [(value, value, True)], "pinned": True,
                           "least": 8, "done": value, "error": value}  # fmt: skip
    return [
        *(page("account", **around, **own, part=part, has_pin=True, has_password=True) for part in ("password", "pin")),
        *(page("today", **{**around, "store": store}, **figures(value, now, few=few)) for few in (True, False)),
        page("admin/feeds", **around, told=told, as_of=exact(now, UTC), feeds=feeds(value, now)),
        page("admin/feeds", **around, told=None, as_of=exact(now, UTC), feeds=[]),
        page("admin/quarantine", **around, **lists, **held(value, now)),
        page("admin/body", **around, told=None, row=held(value, now)["rows"][0], text=value, back=value),
        page("admin/links", **around, **lists, home=store, stores=[store, store], hours=24, rows=links(value, now)),
        page("admin/screens", **around, told=told, home=store, stores=[store], url=value, qr="", kind="tv",
             kinds=admin.WALLS, rows=screens(value, now)),
        page("admin/people", **around, told=told, made=value, asked={"name": value, "role": value, "stores": [value]},
             rows=[person(value)], **wishes),
        page("admin/person", **around, told=told, person=person(value), chosen=[value], self_=False,
             sessions=admin.sessions([admin.Session(now, value)], now, UTC), **wishes),
        page("admin/audit", **around, newer=value, older=value, stores=[store], people=[value], wanted_store=value,
             wanted_who=value, rows=deeds(value, now)),
    ]  # fmt: skip


def figures(value: str, now: float, *, few: bool) -> dict[str, Any]:
    lengths = (60.0, 130.0)
    known = Spread(len(lengths), few=lengths) if few else Spread(LEAST, 30.0, 130.0, 400.0)
    hours = (Hour(now - 3600, known, 2 if few else LEAST, {"new": known}, ({"new": 60.0},) if few else ()),)
    made = Day(start=now - 40_000, end=now + 40_000, waits=known, kept=3, promised=9, moved=1, overdue=1, done=9, off=1,
               lead=known, before=2, hours=hours)  # fmt: skip
    mark = ("other", value[:1], value)
    rows = [
        day.Feeding(source=value, mark=mark, state=state, usual=40.0, quiet=500.0, events=1200)
        for state in ("", "silent", "down")
    ]
    near = day.Around(date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 20), date(2026, 11, 22), date(2026, 11, 1))
    return {**day.told(made, rows, near, now, UTC), "rows": ("hours",)}


def feeds(value: str, now: float) -> list[dict[str, Any]]:
    call = feedings.Call(key=value, kind=value, code=value, board=value, words=value, tries=2, at=now)
    plain: dict[str, Any] = {
        "id": value, "mark": ("other", value[:1], value), "stores": (value,), "pushes": value, "asked": True,
        "last": now - 60, "usual": 40.0, "silent": False, "breaker": "closed", "events": 1, "polls": 2, "errors": 1,
        "error": value, "error_at": now - 9, "held": 3, "calls": (call,),
    }  # fmt: skip
    others = ({"breaker": "open"}, {"silent": True}, {"error_at": None}, {"error_at": None, "last": None, "polls": 0})
    return feedings.told([feedings.Source(**{**plain, **other}) for other in ({}, *others)], now, UTC)


def held(value: str, now: float) -> dict[str, Any]:
    rows = [
        admin.Held(id=value, mark=("other", value[:1], value), source=value, why=why, detail=value, heard=now - 60,
                   count=2, size=2000, reads=reads)
        for why in (*admin.WHYS, value) for reads in (True, False)
    ]  # fmt: skip
    return {
        "rows": admin.held(rows, now, UTC), "sources": [(value, value, 3)], "whys": admin.WHYS, "source": value,
        "why": "unreadable", "all_of": True,
    }  # fmt: skip


def links(value: str, now: float) -> list[dict[str, Any]]:
    return admin.links(
        [
            admin.Link(id=value, code=value, board=board, kind=value, own=True, made=now, expires=expires)
            for board in (value, None) for expires in (None, now - 1, now + 1)
        ],
        now,
        UTC,
    )  # fmt: skip


def screens(value: str, now: float) -> list[dict[str, Any]]:
    rows = [(None, False), (now - 900, False), (now - 9, True)]
    return admin.screens(
        [admin.Screen(id=value, kind=value, made=now, seen=seen, on=on) for seen, on in rows], now, UTC
    )


def person(value: str) -> dict[str, Any]:
    return {
        "name": value,
        "path": value,
        "role": value,
        "disabled": True,
        "stores": value,
        "sessions": 2,
        "elsewhere": True,
        "pin": True,
    }


def deeds(value: str, now: float) -> list[dict[str, Any]]:
    rows = [
        admin.Deed(now, who, what, value, value, value, value) for who in (value, "") for what in ("claimed", value)
    ]
    return admin.deeds(rows, {value: (value, value)}, now, UTC)
