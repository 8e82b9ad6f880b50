"""Sockets, up to where the hub takes over: accept, join, and let go."""

from collections.abc import Awaitable
from typing import Any

import structlog
from litestar import WebSocket

from app import wire
from app.errors import Away, Problem, Unknown
from app.hub import Seat
from app.mailbox import Mailbox
from app.web.guesses import network
from app.web.site import Site

log = structlog.get_logger()

Live = WebSocket[Any, Any, Any]


async def refuse(socket: Live, code: int) -> None:
    """Accepted, then closed with its code: a refusal before that reads as 1006, and the page would try for ever."""
    await wire.refuse(socket.scope, socket.receive, socket.send, code)


async def member(
    site: Site, socket: Live, *, session: str = "", link: str = "", token: str = ""
) -> tuple[Mailbox, Seat] | None:
    """A mailbox for the socket and its seat; None where there are too many already, and it was told so."""
    peer = socket.client.host if socket.client else ""
    counted = "" if "authorization" in socket.headers else network(peer)
    seat = site.hub.admit(ip=counted, session=session, link=link, token=token)
    if seat is None:
        await refuse(socket, 1013)
        return None
    return Mailbox(await wire.attach(socket.scope, socket.receive, socket.send)), seat


async def hold(socket: Live, mailbox: Mailbox, joining: Awaitable[None]) -> None:
    """Joins, then leaves the socket with the hub (or stays with it, where it can't be parked)."""
    try:
        await joining
    except Unknown:
        mailbox.close(4404)
    except (Away, Problem):
        mailbox.close(1013)
    except Exception:
        log.exception("joining failed")
        mailbox.close(1011)
    await wire.hold(mailbox.socket, socket.receive)
