"""The JSON API, for programs with a token."""

from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from msgspec import Meta, Struct

from app.errors import Conflict, Invalid, Unknown
from app.intake import JOURNEY
from app.orders import Order, OrderEvent, Step, attention, past, place
from app.store.audit import What
from app.store.links import Link
from app.store.orders import NOWHERE
from app.web import links as tracking
from app.web.shape import ledgered, shaped, stamp
from app.web.site import PRIVATE, Site

PAGE_MOST: Final = 200
SCAN_MOST: Final = 2_000  # orders looked through for one page of a filtered list

Call = Request[Any, Any, Any]
T = TypeVar("T")


async def ticket(request: Call, site: NamedDependency[Site]) -> bool:
    """Every call of the API needs a token."""
    await site.program(request)
    return True


async def found(site: Site, source: str, ref: str) -> Order:
    record = await site.orders.get(f"{source}:{ref}")
    if record is None:
        raise Unknown("There is no such order.")
    return record.order


@get("/orders")
async def listed(
    site: NamedDependency[Site],
    ticket: NamedDependency[bool],
    store: FromQuery[str | None] = None,
    stage: FromQuery[str | None] = None,
    open_: Annotated[bool | None, QueryParameter(name="open")] = None,
    code: FromQuery[str | None] = None,
    limit: FromQuery[int] = 50,
    cursor: FromQuery[int] = 0,
) -> dict[str, Any]:
    if not 1 <= limit <= PAGE_MOST:
        raise Invalid(f"limit must be from 1 to {PAGE_MOST}.")
    wanted = Filter(store, stage, open_)
    if code is not None:
        records = await site.orders.read(await site.orders.coded(code))
        kept = [record.order for record in records.values() if wanted.fits(record.order) and _has(record.order, code)]
        kept.sort(key=lambda order: -(order.placed_at or order.first))
        return {"items": [shaped(order, site.clock()) for order in kept[:limit]], "next": None}
    orders, after = await _scan(site, wanted, limit, cursor)
    return {"items": [shaped(order, site.clock()) for order in orders], "next": after}


def _has(order: Order, code: str) -> bool:
    return (order.code or "").lower() == code.lower()


class Filter(Struct, frozen=True):
    """A visit that has become an order is not listed: the order is."""

    store: str | None
    stage: str | None
    open: bool | None

    def fits(self, order: Order) -> bool:
        return (
            "joined" not in order.flags
            and (self.store is None or (order.store or NOWHERE) == self.store)
            and (self.stage is None or order.stage == self.stage)
            and (self.open is None or (order.end is None) == self.open)
        )


async def _scan(site: Site, wanted: Filter, limit: int, cursor: int) -> tuple[list[Order], str | None]:
    """Newest first. `next` is where to go on; a page may be short of `limit` and still have one."""
    kept: list[Order] = []
    looked = 0
    while looked < SCAN_MOST:
        rows = await site.orders.page(cursor, PAGE_MOST)
        records = await site.orders.read([key for key, _ in rows])
        for key, number in rows:
            cursor = number
            if key in records and wanted.fits(records[key].order):
                kept.append(records[key].order)
                if len(kept) == limit:
                    return kept, str(cursor) if cursor > 1 else None
        looked += len(rows)
        if len(rows) < PAGE_MOST:
            return kept, None
    return kept, str(cursor)


@get("/orders/{source:str}/{ref:str}")
async def one(
    site: NamedDependency[Site], ticket: NamedDependency[bool], source: FromPath[str], ref: FromPath[str]
) -> Response[Any]:
    """An order; a journey that has become one answers 308."""
    moved = await site.orders.alias(f"{source}:{ref}") if ref.startswith(JOURNEY) else None
    if moved is not None:
        return Redirect(f"/api/orders/{source}/{quote(moved.partition(':')[2], safe='')}", status_code=308)
    order = await found(site, source, ref)
    return Response(shaped(order, site.clock(), where=await site.positions.get(order.key)))


@get("/orders/{source:str}/{ref:str}/ledger")
async def ledger(
    site: NamedDependency[Site], ticket: NamedDependency[bool], source: FromPath[str], ref: FromPath[str]
) -> dict[str, Any]:
    order = await found(site, source, ref)
    return {"items": [ledgered(entry) for entry in await site.orders.ledger(order.key)], "next": None}


class Wish(Struct, forbid_unknown_fields=True):
    kind: Annotated[str, Meta(extra_json_schema={"enum": ["customer", "delegate"]})] = "customer"


@post("/orders/{source:str}/{ref:str}/links")
async def link(
    request: Call,
    site: NamedDependency[Site],
    ticket: NamedDependency[bool],
    source: FromPath[str],
    ref: FromPath[str],
) -> dict[str, Any]:
    order = await found(site, source, ref)
    wish = await read(request, Wish)
    if wish.kind not in ("customer", "delegate"):
        raise Invalid("kind must be customer or delegate.")
    made, token = await tracking.make(site, order, wish.kind, "api")
    return _told(site, made, token, order)


def _told(site: Site, made: Link, token: str, order: Order) -> dict[str, Any]:
    """A link that was just made, with the address that is told this once."""
    url = f"{site.settings.server.public_url}/t/{token}"
    return {"id": made.id, "kind": made.kind, "url": url, "expires_at": stamp(tracking.expiry(site, order))}


async def read(request: Call, kind: type[T]) -> T:
    """The body as `kind`; an empty one is one with every field left out."""
    body = await request.body()
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"The body does not fit: {error}") from None


@get("/orders/{source:str}/{ref:str}/links")
async def links(
    site: NamedDependency[Site], ticket: NamedDependency[bool], source: FromPath[str], ref: FromPath[str]
) -> dict[str, Any]:
    order = await found(site, source, ref)
    return {"items": [_shown(site, one, order) for one in await site.links.of(order.key)], "next": None}


def _shown(site: Site, link: Link, order: Order) -> dict[str, Any]:
    expires = stamp(tracking.expiry(site, order))
    return {
        "id": link.id, "kind": link.kind, "created_at": stamp(link.created), "expires_at": expires,
        "made_from": link.parent or None,
    }  # fmt: skip


@delete("/links/{link_id:str}", status_code=204)
async def revoke(site: NamedDependency[Site], ticket: NamedDependency[bool], link_id: FromPath[str]) -> None:
    await tracking.end(site, await _link(site, link_id), "api")


async def _link(site: Site, link_id: str) -> Link:
    known = await site.links.get(link_id)
    if known is None:
        raise Unknown("There is no such link.")
    return known


@post("/links/{link_id:str}/reissue")
async def reissue(site: NamedDependency[Site], ticket: NamedDependency[bool], link_id: FromPath[str]) -> dict[str, Any]:
    """In one act the old link dies, and those made from it, and a new one of its kind is made."""
    old = await _link(site, link_id)
    source, _, ref = old.key.partition(":")
    order = await found(site, source, ref)
    return _told(site, *await tracking.renew(site, old, "api"), order)


class Move(Struct, forbid_unknown_fields=True):
    state: Annotated[str, Meta(extra_json_schema={"enum": ["claimed", "cannot_find", "handed_over"]})]
    undo: bool = False


@post("/orders/{source:str}/{ref:str}/arrival", status_code=200)
async def arrival(
    request: Call,
    site: NamedDependency[Site],
    ticket: NamedDependency[bool],
    source: FromPath[str],
    ref: FromPath[str],
) -> dict[str, Any]:
    move = await read(request, Move)
    order = await moved(site, f"{source}:{ref}", move.state, move.undo, "api")
    return shaped(order, site.clock())


STAFF_MOVES: Final[dict[str, What]] = {move: move for move in ("claimed", "cannot_find", "handed_over")}


async def moved(site: Site, key: str, state: str, undo: bool, by: str, via: str = "") -> Order:
    """The staff side of an arrival, done by the account `by`, where `via` was signed in."""
    if state not in STAFF_MOVES:
        raise Invalid("state must be one of " + ", ".join(STAFF_MOVES) + ".")
    record = await site.orders.get(key)
    if record is None:
        raise Unknown("There is no such order.")
    order = record.order
    event = OrderEvent(
        source=order.source, provider=order.provider, ref=order.ref, name=state, digest="", policy="local",
        heard=site.clock(), by=by, arrival=Step(state, undo=undo),
    )  # fmt: skip
    outcome = await site.intake.take(event)
    if outcome.verdict == "refused":
        raise Conflict(f"That can't be done now: {outcome.note}.")
    deed = "undone" if undo else STAFF_MOVES[state]
    await site.audit.note(by, deed, store=order.store or "", about=key, via=via)
    return outcome.order


@get("/stores/{store:str}/board")
async def board(site: NamedDependency[Site], ticket: NamedDependency[bool], store: FromPath[str]) -> dict[str, Any]:
    home = site.store(store)
    now = site.clock()
    head = await site.orders.heads([home.id])
    snapshot = await site.orders.board(home.id, now)
    lanes = ((order, place(order, attention(order, now))[0]) for order in snapshot.orders)
    orders = [shaped(order, now) for order, lane in lanes if lane and not past(order, lane, now)]
    return {"store": home.id, "epoch": head.epoch, "seq": snapshot.seq, "items": orders}


HANDLERS: Final = (listed, one, ledger, link, links, revoke, reissue, arrival, board)


def router(*more: HTTPRouteHandler) -> Router:
    return Router("/api", route_handlers=[*HANDLERS, *more], response_headers=PRIVATE)
