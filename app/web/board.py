"""The staff's board: choose a store, watch it, act on it."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
import structlog
from litestar import Request, Response, WebSocket, get, post, websocket
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect

from app.errors import Away, Forbidden, Forged, Problem, Unknown
from app.mailbox import Mailbox
from app.orders import OrderEvent, Step
from app.render import Health
from app.render.way import going
from app.store.people import User
from app.trips import delivering
from app.web import pins
from app.web.api import moved
from app.web.chips import feeding, health
from app.web.live import hold, member, refuse
from app.web.site import PRIVATE, Connection, SignIn, Site

log = structlog.get_logger()

Call = Request[Any, Any, Any]
Form = dict[str, str]


async def seen(site: Site, connection: Connection, store: str) -> User:
    """The person who asks, if this store is theirs. One that isn't looks like one that is not there."""
    _, user = await site.staff(connection)
    if not user.sees(store) or store not in site.settings.stores:
        raise Unknown("There is no such store, or it is not yours. Ask an admin if it should be.")
    return user


@get("/")
async def stores(request: Call, site: NamedDependency[Site]) -> Response[Any]:
    _, user = await site.staff(request)
    mine = [store for store in site.settings.stores.values() if user.sees(store.id)]
    if len(mine) == 1:
        return Redirect(f"/board/{mine[0].id}", headers=dict(PRIVATE))
    page = site.render.page("stores", stores=mine, user=user.name, role=user.role)
    return Response(page, media_type="text/html", headers=dict(PRIVATE))


@get("/board/{store:str}")
async def board(request: Call, site: NamedDependency[Site], store: FromPath[str]) -> Response[str]:
    user = await seen(site, request, store)
    now = site.clock()
    snapshot = await site.orders.board(store, now)
    made = (site.render.card(order, now) for order in snapshot.orders)
    under_way = [order for order in snapshot.orders if delivering(order)]
    page = site.render.board_page(
        site.store(store),
        [card for card in made if card is not None],
        user=user.name,
        role=user.role,
        position=f"{site.relay.epoch}:{snapshot.seq}",
        now=now,
        live=f"/live/board/{store}",
        feeds=await healthy(site, store, now),
        going=going(site.store(store), under_way, await site.positions.read(order.key for order in under_way), now),
    )
    return Response(page, media_type="text/html", headers={**PRIVATE, **site.mapped})


async def healthy(site: Site, store: str, now: float) -> list[Health]:
    """A store's feeds, as they are known to all nodes."""
    mine = feeding(site.settings, store)
    return health(mine, await site.feeds.read([source.id for source in mine]), now)


@post("/board/{store:str}/arrival", status_code=204)
async def arrival(
    request: Call,
    site: NamedDependency[Site],
    store: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> None:
    site.guard(request)
    user = await seen(site, request, store)
    key = data.get("key", "")
    record = await site.orders.get(key)
    if record is None or record.order.store != store:
        raise Unknown("That order is not at this store any more.")
    state, undo, who, via = data.get("state", ""), data.get("undo", "") == "true", user.name, ""
    if state in pins.RISKY and not undo:
        who, via = await pins.person(site, request, site.store(store), user)
    await moved(site, key, state, undo, who, via)


@get("/board/{store:str}/pin")
async def pin(request: Call, site: NamedDependency[Site], store: FromPath[str]) -> Response[str]:
    """The inside of the dialog that asks for a PIN."""
    user = await seen(site, request, store)
    names = [holder.name for holder in await pins.holders(site, store)]
    page = site.render.page("pin", names=names, user=user.name, least=pins.LEAST, most=pins.MOST)
    return Response(page, media_type="text/html", headers=dict(PRIVATE))


@websocket("/live/board/{store:str}")
async def live(socket: WebSocket[Any, Any, Any], site: NamedDependency[Site], store: FromPath[str]) -> None:
    try:
        who = await watcher(site, socket, store)
    except SignIn:
        return await refuse(socket, 4401)
    except (Forged, Forbidden):
        return await refuse(socket, 4403)
    except Unknown:
        return await refuse(socket, 4404)
    except Away:
        return await refuse(socket, 1013)
    joined = await member(site, socket, **who)
    if joined is not None:
        await hold(socket, joined[0], site.relay.join_board(store, *joined))
    return None


async def watcher(site: Site, socket: WebSocket[Any, Any, Any], store: str) -> dict[str, str]:
    """Who opens a board's socket: a signed-in person from our own page (their session), or a program (its token)."""
    if "authorization" in socket.headers:
        if not site.ours(socket):
            raise Forbidden("A program says no Origin, or this server's.")
        token = await site.program(socket)
        site.store(store)
        return {"token": token}
    if "origin" not in socket.headers or not site.ours(socket):
        raise Forbidden("A board's socket opens from our own page, or with an API token.")
    session, user = await site.staff(socket)
    if not user.sees(store) or store not in site.settings.stores:
        raise Unknown("There is no such store.")
    return {"session": session.id}


_acknowledging: Final[set[asyncio.Task[None]]] = set()


def heard(site: Site, mailbox: Mailbox, text: str) -> None:
    """What a page says over its socket: that a board has shown a check-in."""
    kind, _, store = mailbox.group.partition(":")
    try:
        said = msgspec.json.decode(text, type=Shown)
    except msgspec.MsgspecError:
        return
    if kind == "board":
        task = asyncio.get_running_loop().create_task(_shown(site, store, said.shown))
        _acknowledging.add(task)
        task.add_done_callback(_acknowledging.discard)


class Shown(msgspec.Struct):
    shown: str


async def _shown(site: Site, store: str, key: str) -> None:
    try:
        record = await site.orders.get(key)
        if record is None or record.order.store != store:
            return
        order = record.order
        event = OrderEvent(
            source=order.source, provider=order.provider, ref=order.ref, name="shown", digest="", policy="local",
            heard=site.clock(), by="board", arrival=Step("shown"),
        )  # fmt: skip
        await site.intake.take(event)
    except Problem as error:  # the next frame with this card asks again
        log.warning("shown not kept", error=str(error))


HANDLERS: Final = (stores, board, arrival, pin, live)
