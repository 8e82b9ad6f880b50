"""The API's side of the quarantine: what could not be read, and again."""

from typing import Any, Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from app.errors import Conflict, Invalid, Unknown
from app.store.quarantine import CURSOR, Kept
from app.web.api import PAGE_MOST
from app.web.shape import stamp
from app.web.site import Site


@get("/quarantine")
async def listed(
    site: NamedDependency[Site],
    ticket: NamedDependency[bool],
    limit: FromQuery[int] = 50,
    cursor: FromQuery[str] = "",
) -> dict[str, Any]:
    if not 1 <= limit <= PAGE_MOST:
        raise Invalid(f"limit must be from 1 to {PAGE_MOST}.")
    if cursor and not CURSOR.fullmatch(cursor):
        raise Invalid("cursor must be one that a page has named as its next.")
    found, after = await site.quarantine.page(await site.quarantine.sources(), cursor=cursor, count=limit)
    return {"items": [_shown(kept) for kept in found], "next": after or None}


@get("/quarantine/{entry:str}")
async def one(site: NamedDependency[Site], ticket: NamedDependency[bool], entry: FromPath[str]) -> dict[str, Any]:
    kept = await _found(site, entry)
    return {
        **_shown(kept),
        "method": kept.method,
        "tail": kept.tail,
        "query": kept.query.decode(errors="replace"),
        "body": kept.body.decode(errors="replace"),
    }


@post("/quarantine/{entry:str}/replay", status_code=200)
async def again(site: NamedDependency[Site], ticket: NamedDependency[bool], entry: FromPath[str]) -> dict[str, Any]:
    kept = await _found(site, entry)
    said = await site.replay(kept)
    if said is not None:
        raise Conflict(f"It can't be used yet: {said}")
    await site.audit.note("api", "replayed", about=kept.id, detail=kept.source)
    return {"id": kept.id, "replayed": True}


@post("/quarantine/replay", status_code=200)
async def every(site: NamedDependency[Site], ticket: NamedDependency[bool]) -> dict[str, Any]:
    """All of it, the oldest first. `left` is what still can't be used, and why."""
    left, healed = [], 0
    for kept in reversed(await site.quarantine.list(10_000)):
        said = await site.replay(kept)
        healed += said is None
        if said is not None:
            left.append({"id": kept.id, "detail": said})
    await site.audit.note("api", "replayed", detail=f"{healed} healed, {len(left)} left")
    return {"replayed": healed, "left": left}


async def _found(site: Site, entry: str) -> Kept:
    kept = await site.quarantine.get(entry)
    if kept is None:
        raise Unknown("There is no such entry in quarantine.")
    return kept


def _shown(kept: Kept) -> dict[str, Any]:
    return {
        "id": kept.id,
        "source": kept.source,
        "why": kept.why,
        "detail": kept.detail,
        "received_at": stamp(kept.heard),
        "count": kept.count,
        "bytes": len(kept.body),
    }


HANDLERS: Final = (listed, one, again, every)
