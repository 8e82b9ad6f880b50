"""The customer's page. Wrong, expired and revoked links look the same, and say nothing."""

from typing import Annotated, Any, Final
from urllib.parse import quote

from litestar import Request, Response, WebSocket, get, post, websocket
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect
from msgspec.json import encode

from app.errors import Away, Conflict, Invalid, TooMany, Unknown
from app.orders import PICKUPS, Order, OrderEvent, Step, may_be_here, may_check_in
from app.render.tongue import _
from app.settings import Store
from app.store.links import Link
from app.trips import delivering
from app.web.links import opened
from app.web.live import hold, member, refuse
from app.web.site import PRIVATE, SECRET, Site
from app.web.tongue import Tongue, tongue

Call = Request[Any, Any, Any]
Form = dict[str, str]
STATES: Final = ("on_my_way", "here")
SHORT_MOST: Final = 12  # letters under an icon
PAPER: Final = "#f4f3f0"  # as in app.css, for what knows no tokens
NEAR: Final = ("", "near", "far")
VEHICLE_MOST: Final = 64  # characters; a sentence says so
TAPS: Final = 5  # check-ins a link, in WINDOW seconds
WINDOW: Final = 60
AUDIENCE: Final = {"customer": "track", "delegate": "delegate"}


@get("/t/{token:str}")
async def page(
    request: Call,
    site: NamedDependency[Site],
    token: FromPath[str],
    bay: Annotated[str, QueryParameter(name="bay")] = "",
) -> Response[str]:
    spoken = tongue(request)
    try:
        link, order = await opened(site, token, request)
    except Unknown:
        return ended(site, spoken)
    return await shown(site, token, link, order, spoken, bay=bay)


def ended(site: Site, spoken: Tongue) -> Response[str]:
    """The same for every link that opens nothing, to the byte: its own address is not on it."""
    return _answer(site.render.ended_page(spoken.lang), 404, spoken)


def _answer(body: str, status: int, spoken: Tongue, **more: str) -> Response[str]:
    headers = {**PRIVATE, **SECRET, **spoken.headers, **more}
    return Response(body, status_code=status, media_type="text/html", headers=headers)


async def shown(
    site: Site,
    token: str,
    link: Link,
    order: Order,
    spoken: Tongue,
    *,
    bay: str = "",
    note: str = "",
    status: int = 200,
) -> Response[str]:
    store, going = site.settings.stores.get(order.store or ""), delivering(order)
    body = site.render.track_page(
        order,
        site.clock(),
        token=token,
        audience=AUDIENCE[link.kind],
        lang=spoken.lang,
        picked=spoken.picked,
        position=f"{site.relay.epoch}:{order.rev}",
        bay=bay if store is not None and bay in store.bays else "",
        note=note,
        fixes=(await site.positions.read([order.key])).get(order.key, ()) if going else (),
    )
    return _answer(body, status, spoken, **(site.mapped if going and link.kind == "customer" else {}))


@get("/t/{token:str}/view")
async def view(
    request: Call,
    site: NamedDependency[Site],
    token: FromPath[str],
    at: Annotated[str, QueryParameter(name="at")] = "",
) -> Response[bytes]:
    """What a socket would send, for a page that gets none: the whole view, or, where it has not changed since the
    position `at`, that alone."""
    link, order = await opened(site, token, request)
    now, position = site.clock(), f"{site.relay.epoch}:{order.rev}"
    body: dict[str, Any] = {"id": position, "at": round(now, 3)}
    if at != position:
        inner = site.render.track(order, now, audience=AUDIENCE[link.kind], lang=tongue(request).lang)
        body["content"] = site.render.whole_track(inner)
    return Response(encode(body), media_type="application/json", headers={**PRIVATE, **SECRET})


@get("/t/{token:str}/app.webmanifest")
async def manifest(request: Call, site: NamedDependency[Site], token: FromPath[str]) -> Response[bytes]:
    """What the page is called on a phone's home screen, where it opens itself: this one order, under this link."""
    _, order = await opened(site, token, request)
    store = site.settings.stores.get(order.store or "")
    name, here = store.name if store is not None else "Orderboard", f"/t/{quote(token, safe='')}"
    body = {
        "id": here, "start_url": tongue(request).kept(here), "scope": here, "display": "standalone",
        "name": f"{name} {order.code or ''}".strip(), "short_name": name[:SHORT_MOST],
        "background_color": PAPER, "theme_color": PAPER,
        "icons": [
            {"src": "/static/icon-512.png", "sizes": "512x512", "type": "image/png", "purpose": purpose}
            for purpose in ("any", "maskable")
        ],
    }  # fmt: skip
    return Response(encode(body), media_type="application/manifest+json", headers={**PRIVATE, **SECRET})


# ---- checking in ----


@post("/t/{token:str}/arrival", status_code=303)
async def arrival(
    request: Call,
    site: NamedDependency[Site],
    token: FromPath[str],
    data: Annotated[Form, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[Any]:
    """A form's answer is a page; what a script sends gets 204, or the problem."""
    site.guard(request, keyed=True)
    script = "hx-request" in request.headers
    spoken = tongue(request)
    try:
        link, order = await opened(site, token, request)
    except Unknown:
        if script:
            raise
        return ended(site, spoken)
    try:
        await checked_in(site, link, order, data)
    except (Conflict, Invalid, TooMany) as error:
        if script:
            raise
        note = site.render.told(str(error), spoken.lang)
        return await shown(site, token, link, order, spoken, note=note, status=error.status)
    if script:
        return Response(None, status_code=204, headers={**PRIVATE, **SECRET})
    return Redirect(spoken.kept(f"/t/{quote(token, safe='')}"), status_code=303, headers={**PRIVATE, **SECRET})


async def checked_in(site: Site, link: Link, order: Order, data: Form) -> None:
    if not await site.people.tries(f"arrival {link.id}", TAPS, WINDOW):
        raise TooMany(_("That was a lot at once. Wait a minute, then tell us again, or call the shop."))
    step = wished(data, site.settings.stores.get(order.store or ""), link.kind == "delegate")
    was = order.arrival.state if order.arrival else None
    if was is None or step.state != was:  # a repeat is fine at any moment
        timely(order, step.state, site.clock())
    event = OrderEvent(
        source=order.source, provider=order.provider, ref=order.ref, name=step.state, digest="", policy="local",
        heard=site.clock(), by=link.kind, arrival=step,
    )  # fmt: skip
    outcome = await site.intake.take(event)
    if outcome.verdict == "refused":
        timely(outcome.order, step.state, site.clock())
        raise Conflict(_("You are checked in already. The page shows what is so."))


def wished(data: Form, store: Store | None, proxy: bool) -> Step:
    """The form's fields, each within its bounds. Raises Invalid."""
    state, bay, near = data.get("state", ""), data.get("bay"), data.get("near", "")
    vehicle = " ".join(data.get("vehicle", "").split(" ")).strip()
    if state not in STATES:
        raise Invalid("state must be on_my_way or here.")
    if bay and (store is None or bay not in store.bays):
        raise Invalid(_("There is no such bay at this shop."))
    if len(vehicle) > VEHICLE_MOST or not vehicle.isprintable():
        raise Invalid(_("Say your car in at most 64 letters, on one line."))
    if near not in NEAR:
        raise Invalid("near must be near, far or left out.")
    return Step(state, bay, vehicle or None, proxy=proxy, near=near or None)


def timely(order: Order, state: str, now: float) -> None:
    """Raises Conflict, in words, where it is not the moment for it."""
    if order.fulfilment not in PICKUPS:
        raise Conflict(_("This order is brought to you. There is nothing to check in for."))
    if order.end is not None or (order.arrival is not None and order.arrival.state == "handed_over"):
        raise Conflict(_("This order is over. Nothing waits for you any more."))
    if not may_check_in(order, now):
        raise Conflict(_("It is too early to check in. You can as soon as your order is packed."))
    if state == "here" and not may_be_here(order, now):
        raise Conflict(_("You have just said that you are on your way. Tell us that you are here in a minute."))


@websocket("/live/track/{token:str}")
async def live(socket: WebSocket[Any, Any, Any], site: NamedDependency[Site], token: FromPath[str]) -> None:
    if not site.ours(socket):
        return await refuse(socket, 4403)
    try:
        link, _ = await opened(site, token, socket)
    except Unknown:
        return await refuse(socket, 4404)
    except (Away, TooMany):
        return await refuse(socket, 1013)
    joined = await member(site, socket, link=link.id)
    if joined is not None:
        await hold(
            socket, joined[0], site.relay.join_track(link.key, AUDIENCE[link.kind], tongue(socket).lang, *joined)
        )
    return None


@get("/t/{token:str}/arrival", status_code=303)
async def back(request: Call, token: FromPath[str]) -> Redirect:
    """Who reloads the answer to a check-in, or picks another language on it, is led to the page."""
    return Redirect(tongue(request).kept(f"/t/{quote(token, safe='')}"), status_code=303, headers={**PRIVATE, **SECRET})


HANDLERS: Final = (page, view, manifest, arrival, back, live)
