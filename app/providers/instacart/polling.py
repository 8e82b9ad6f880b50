"""When which of Instacart's post-checkout calls is made, with whose token, and when no more."""

from base64 import b64encode
from typing import Final
from urllib.parse import quote

import msgspec

from app.errors import Unreadable
from app.orders import RANK, Order
from app.providers.contract import Follow, Heard, Polling, Reply, Request, read, text
from app.providers.instacart import answers
from app.providers.instacart.shapes import GRANT, REFUSAL, Fault, Options
from app.settings import Source

PATHS: Final = {"order": "", "items": "/items", "handling": "/handling", "location": "/location"}
TRIES: Final = 3  # how often "not found" is believed to be a slip
SLOWEST: Final = 60.0
TAIL: Final = 6 * 3600.0  # an order that never ends is given up this long after its window
DAY: Final = 86_400.0
LAST_LOOK: Final = 600.0  # how long the last list of items is tried for after the handover
AGAIN: Final = 1.0  # the pause where an answer may be older than what made us ask


# ---- tokens ----


def token(source: Source, follow: Follow) -> tuple[str, Request]:
    """A customer's token sees this customer's orders only, so each has one. The name never leaves our store."""
    options: Options = source.options
    form = {"client_id": options.client_id, "client_secret": options.client_secret}
    if follow.user_id is None:
        form |= {"grant_type": "client_credentials", "scope": options.client_scope}
    else:
        form |= {
            "grant_type": "fulfillment_user_assertion",
            "scope": "connect:post_checkout",
            "assertion": b64encode(msgspec.json.encode({"user_id": follow.user_id})).decode(),
        }
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = Request(
        url=address(source, "/v2/oauth/token"), method="POST", headers=headers, body=msgspec.json.encode(form)
    )
    return f"instacart:{source.id}:{follow.user_id or ''}", request


def granted(reply: Reply) -> tuple[str, float]:
    """Raises Unreadable, with Instacart's words, where there is no token in the answer."""
    if reply.status != 200:
        raise Unreadable(refusal("token", reply))
    grant = read(reply.body, GRANT)
    return grant.access_token, min(grant.expires_in, DAY)


def address(source: Source, path: str) -> str:
    return (source.base_url or "").rstrip("/") + path


def request(source: Source, follow: Follow, resource: str, token: str | None) -> Request:
    path = f"/v2/post_checkout/orders/{quote(follow.ref, safe='')}{PATHS[resource]}"
    return Request(url=address(source, path), headers={"Accept": "application/json"} | bearer(token))


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


# ---- when ----


def plan(source: Source, follow: Follow, order: Order | None, now: float) -> dict[str, float]:
    """The marks: `items` is "last" once the list was read at the checkout, `handling` "shopper" once it was read
    with a shopper assigned, `over` set where Instacart does not know the order."""
    if not _reachable(source) or follow.marks.get("over") or "order" in follow.stopped or now > _limit(follow, order):
        return {}
    asked = follow.asked.get("order")
    if order is None or asked is None:
        return {"order": follow.began if asked is None else asked + _slow(source)}
    if order.end is not None:
        due = {"items": _last_items(follow, order, now)}
    else:
        due = {
            "order": asked + (_slow(source) if _idle(order) else _fast(source)),
            "items": _items(source, follow, order),
            "handling": _handling(follow, order),
            "location": _location(source, follow, order),
        }
    return {name: at for name, at in due.items() if at is not None and name not in follow.stopped}


def _reachable(source: Source) -> bool:
    options: Options = source.options
    return bool(source.base_url and options.client_id and options.client_secret)


def _limit(follow: Follow, order: Order | None) -> float:
    """The window may have been over before we heard of the order, so our own beginning counts as well."""
    window = order.promised if order is not None else None
    end = None if window is None else window.end if window.end is not None else window.start
    return max(follow.began, follow.began + DAY if end is None else end) + TAIL


def _fast(source: Source) -> float:
    return min(source.poll_seconds, SLOWEST)


def _slow(source: Source) -> float:
    return min(6 * source.poll_seconds, SLOWEST)


def _idle(order: Order) -> bool:
    """Nobody has taken it yet. A state that we don't know is no sign of that."""
    return RANK[order.stage] < RANK["assigned"] and "unknown" not in order.flags


def _items(source: Source, follow: Follow, order: Order) -> float | None:
    """Once before picking begins, all through it, and once at the checkout, for the last changes."""
    if order.fulfilment == "last_mile":
        return None
    asked = follow.asked.get("items")
    if asked is None:
        return follow.asked["order"]
    if RANK["preparing"] <= RANK[order.stage] < RANK["picked"]:
        return asked + _fast(source)
    return asked + AGAIN if picked(order) and follow.marks.get("items") != "last" else None


def _last_items(follow: Follow, order: Order, now: float) -> float | None:
    """The checkout may have passed between two polls: what was found and what wasn't is still to be learned."""
    soon = order.ended_at is not None and now <= order.ended_at + LAST_LOOK
    if order.stage != "fulfilled" or order.fulfilment == "last_mile" or not soon or follow.marks.get("items") == "last":
        return None
    return follow.asked.get("items", follow.asked["order"] - AGAIN) + AGAIN


def _handling(follow: Follow, order: Order) -> float | None:
    """It never changes, but for the shopper in it."""
    asked = follow.asked.get("handling")
    if asked is None:
        return follow.asked["order"]
    return asked + AGAIN if shopped(order) and follow.marks.get("handling") != "shopper" else None


def _location(source: Source, follow: Follow, order: Order) -> float | None:
    if order.stage != "in_transit":
        return None
    asked = follow.asked.get("location")
    return follow.asked["order"] if asked is None else asked + _fast(source)


def picked(order: Order) -> bool:
    return RANK[order.stage] >= RANK["picked"]


def shopped(order: Order) -> bool:
    """Has a shopper taken it? A last-mile order is staged by the store, long before."""
    if order.fulfilment != "last_mile" or order.stage == "assigned":
        return RANK[order.stage] >= RANK["assigned"]
    return "courier_assigned" in order.flags or RANK[order.stage] >= RANK["courier_at_store"]


# ---- what was answered ----


def hear(source: Source, follow: Follow, order: Order | None, resource: str, reply: Reply) -> Heard:
    """Never raises: an answer that can't be read has failed."""
    if reply.status == 401:
        return Heard(renew=True)
    if not 200 <= reply.status < 300:
        return _refused(follow, resource, reply)
    try:
        heard = _good(source, follow, order, resource, reply)
    except Unreadable as error:
        return Heard(failed=f"Instacart's answer about {resource} can't be used. {error}")
    found = {name: "" for name in [f"tries:{resource}"] if follow.marks.get(name)}
    return msgspec.structs.replace(heard, marks=heard.marks | found)


def _good(source: Source, follow: Follow, order: Order | None, resource: str, reply: Reply) -> Heard:
    if resource == "location":
        return Heard(location=answers.location(reply))
    if resource == "items":
        last = _settled(order, reply) and order is not None and picked(order)
        return Heard(events=(answers.items(source, follow, reply),), marks={"items": "last" if last else "open"})
    if resource == "handling":
        shopper = _settled(order, reply) and order is not None and shopped(order)
        marks = {"handling": "shopper" if shopper else "alone"}
        return Heard(events=(answers.handling(source, follow, reply),), marks=marks)
    event = answers.order(source, follow, reply)
    return Heard(events=(event,), marks=_back(follow, event.stage))


def _settled(order: Order | None, reply: Reply) -> bool:
    """Was the order as it is now before the request went out?"""
    return order is not None and order.updated_at < reply.asked


def _back(follow: Follow, stage: str | None) -> dict[str, str]:
    """A state that goes back reopens what its passing had closed."""
    if stage is None:
        return {}
    marks = {}
    if RANK[stage] < RANK["picked"] and follow.marks.get("items") == "last":
        marks["items"] = "open"
    if RANK[stage] < RANK["assigned"] and follow.marks.get("handling") == "shopper":
        marks["handling"] = "alone"
    return marks


def _refused(follow: Follow, resource: str, reply: Reply) -> Heard:
    status = reply.status
    if resource == "location" and status == 403:
        return Heard(stop=True)  # the retailer keeps its shoppers to itself, for good: nothing to be alarmed about
    words = refusal(resource, reply)
    passing = status in (408, 429) or not 400 <= status < 500
    if passing or (resource == "order" and status != 404):
        return Heard(failed=words)
    mark = f"tries:{resource}"
    tries = int(follow.marks.get(mark) or 0) + 1
    if tries < TRIES:
        return Heard(failed=words, marks={mark: str(tries)})
    if resource == "order":
        return Heard(over=True, marks={"over": "not found"})
    return Heard(stop=True)


def refusal(resource: str, reply: Reply) -> str:
    """In words for staff."""
    message = text(fault(reply).message, 120)
    return f"Instacart answers {reply.status} about {resource}" + (f": {message}" if message else ".")


def fault(reply: Reply) -> Fault:
    try:
        return read(reply.body, REFUSAL).error or Fault()
    except Unreadable:
        return Fault()


POLLING: Final = Polling(plan=plan, request=request, hear=hear, token=token, granted=granted, needed=True)
