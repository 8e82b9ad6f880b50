"""Tracking links over real HTTP: how they are made, replaced and end; and what is told to those that open nothing."""

import contextlib
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
import redis
from rig import SECRET, TOKEN, WAIT, Served, free_port, settings_of
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.web.guesses import WRONG, Guesses
from app.web.lapse import Lapse

API = {"Authorization": f"Bearer {TOKEN}"}
HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Shop:
    """A server whose links live two hours, and whoever calls it."""

    def __init__(self, served: Served, clock: Clock) -> None:
        self.served, self.clock = served, clock
        self.http = httpx2.Client(base_url=served.base, timeout=WAIT)
        self.number = 0

    def order(self, status: str = "ready_for_pickup", uuid: str = "", **more: Any) -> str:
        self.number += not uuid
        uuid = uuid or f"c{self.number}"
        cart = {
            "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
            "queue_number": "G19", "customer_name": "Amida Brooks", "customer_phone_number": "+1 112 223 3344",
            "reservation_start_window": "2036-06-21 22:45:00", "products": [], **more,
        }  # fmt: skip
        body = {"cart": cart, "webhook_event": "cart_status_updated"}
        head = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        assert self.http.post("/hooks/jane-68", content=json.dumps(body), headers=head).status_code == 202
        return uuid

    def made(self, uuid: str, kind: str = "customer") -> tuple[str, str]:
        """A link's id and path."""
        body = self.http.post(f"/api/orders/jane-68/{uuid}/links", json={"kind": kind}, headers=API).json()
        return body["id"], "/t/" + body["url"].rpartition("/")[2]

    def listed(self, uuid: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get(f"/api/orders/jane-68/{uuid}/links", headers=API).json()["items"]
        return found

    def status(self, path: str) -> int:
        return self.http.get(path).status_code


@pytest.fixture(scope="module")
def shop(redis_server: str) -> Iterator[Shop]:
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    clock = Clock()
    running = Served(settings_of(free_port(), link_hours=2), redis_server, clock).start()
    made = Shop(running, clock)
    yield made
    made.http.close()
    running.stop()


@pytest.fixture(autouse=True)
def calm(shop: Shop) -> None:
    shop.clock.ahead = 0.0
    shop.served.house.site.guesses.__init__()  # type: ignore[misc]


def test_links_outlive_the_handover_by_so_many_hours(shop: Shop) -> None:
    uuid = shop.order()
    _, path = shop.made(uuid)
    assert shop.listed(uuid)[0]["expires_at"] is None
    moved = shop.http.post(f"/api/orders/jane-68/{uuid}/arrival", json={"state": "handed_over"}, headers=API)
    assert moved.status_code == 200
    assert shop.listed(uuid)[0]["expires_at"] is not None
    shop.clock.ahead = 1.9 * HOUR
    assert shop.status(path) == 200
    shop.clock.ahead = 2.1 * HOUR
    assert shop.status(path) == 404


def test_a_new_link_in_place_of_the_old_one(shop: Shop) -> None:
    uuid = shop.order()
    old, path = shop.made(uuid)
    with connect(f"{shop.served.ws}/live{path.replace('/t/', '/track/')}") as socket:
        socket.recv(WAIT)
        answer = shop.http.post(f"/api/links/{old}/reissue", headers=API)
        assert code(socket) == 4403
    assert answer.status_code == 201
    new = answer.json()
    assert (new["kind"], new["expires_at"]) == ("customer", None)
    assert shop.status(path) == 404
    assert shop.status("/t/" + new["url"].rpartition("/")[2]) == 200
    assert [link["id"] for link in shop.listed(uuid)] == [new["id"]]
    assert shop.http.post(f"/api/links/{old}/reissue", headers=API).status_code == 404
    assert shop.http.post(f"/api/links/{new['id']}/reissue").status_code == 401


def test_what_opens_nothing_looks_the_same(shop: Shop) -> None:
    wrong = {"unknown": "/t/" + "A" * 32, "long": "/t/" + "x" * 400, "odd": "/t/%00%F0%9F%98%80", "number": "/t/G19"}
    ended, other = shop.order(), shop.order()
    link, wrong["revoked"] = shop.made(other)
    assert shop.http.delete(f"/api/links/{link}", headers=API).status_code == 204
    _, wrong["expired"] = shop.made(ended)
    wrong["reference"] = f"/t/{ended}"
    shop.order("finished", ended)
    shop.clock.ahead = 2.1 * HOUR
    answers = {name: shop.http.get(path) for name, path in wrong.items()}
    assert {answer.status_code for answer in answers.values()} == {404}
    assert len({answer.content for answer in answers.values()}) == 1
    heads = [{k: v for k, v in answer.headers.items() if k != "date"} for answer in answers.values()]
    assert all(head == heads[0] for head in heads)
    assert heads[0]["cache-control"] == "no-store"
    assert heads[0]["referrer-policy"] == "no-referrer"
    assert {shop.http.head(path).status_code for path in wrong.values()} <= {404, 405}


def test_a_socket_is_told_the_same_for_all(shop: Shop) -> None:
    uuid = shop.order()
    link, path = shop.made(uuid)
    shop.http.delete(f"/api/links/{link}", headers=API)
    for token in (path.removeprefix("/t/"), "nothing", "x" * 400):
        with connect(f"{shop.served.ws}/live/track/{token}") as socket:
            assert code(socket) == 4404


def test_a_page_left_open_ends_with_its_link(shop: Shop) -> None:
    uuid, other = shop.order(), shop.order()
    (_, old), (link, gone), (_, lives) = shop.made(uuid), shop.made(other), shop.made(other)
    site = shop.served.house.site
    with contextlib.ExitStack() as stack:
        tokens = [one.removeprefix("/t/") for one in (old, gone, lives)]
        sockets = [stack.enter_context(connect(f"{shop.served.ws}/live/track/{token}")) for token in tokens]
        for socket in sockets:
            socket.recv(WAIT)
        shop.order("finished", uuid)
        shop.served.call(site.links.revoke(shop.served.call(site.links.get(link))))  # as another node would
        shop.clock.ahead = 2.1 * HOUR
        shop.served.call(Lapse(site).look())
        assert [code(socket) for socket in sockets[:2]] == [4403, 4403]
        assert sockets[2].ping().wait(WAIT)


def code(socket: ClientConnection) -> int:
    """Of the close that must come, whatever comes before."""
    try:
        while True:
            socket.recv(WAIT)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0


def test_guessing_is_slowed_and_hurts_nobody_else(shop: Shop) -> None:
    _, path = shop.made(shop.order())
    codes = [shop.status(f"/t/guess{n}") for n in range(WRONG + 2)]
    assert codes == [404] * WRONG + [429] * 2
    assert shop.status(path) == 200


def test_guesses_are_counted_by_subscriber_and_forgotten_after_a_minute() -> None:
    guesses = Guesses()
    assert all(guesses.fits(f"2001:db8::{n:x}", 1.0) for n in range(WRONG))
    assert not guesses.fits("2001:db8::ffff", 2.0)
    assert guesses.fits("2001:db8:0:1::1", 2.0)
    assert guesses.fits("2001:db8::ffff", 62.0)


def test_a_token_opens_its_own_order_only(shop: Shop) -> None:
    mine, other = shop.order(), shop.order()
    _, path = shop.made(mine)
    token = path.removeprefix("/t/")
    for wrong in (f"/api/orders/jane-68/{other}", f"/board/68/orders/jane-68/{other}", f"/screen/{token}"):
        answer = shop.http.get(wrong, headers={"Authorization": f"Bearer {token}"}, follow_redirects=False)
        assert answer.status_code in (303, 302, 401, 404)


def test_looking_changes_nothing(shop: Shop) -> None:
    uuid = shop.order()
    _, path = shop.made(uuid)
    for _ in range(2):
        assert shop.status(path) == 200
        assert shop.http.get(f"{path}/arrival").status_code == 303
        shop.http.head(path)
    order = shop.http.get(f"/api/orders/jane-68/{uuid}", headers=API).json()
    assert (order["version"], order["arrival"]) == (1, None)


def test_tokens_are_random_and_kept_as_hashes(shop: Shop) -> None:
    paths = [shop.made("c1")[1] for _ in range(20)]
    tokens = [path.removeprefix("/t/") for path in paths]
    assert {len(token) for token in tokens} == {32}  # 192 bits
    assert len({token[:6] for token in tokens}) == 20
    links = shop.served.house.site.links
    kept = shop.served.call(links.ask("KEYS", "ob:link*"))
    rows = b"".join([*kept, *(shop.served.call(links.ask("GET", key)) for key in kept if b":links:" not in key)])
    assert not [token for token in tokens if token.encode() in rows]


# ---- someone else collects ----


def made(shop: Shop, path: str) -> list[str]:
    """The paths of the links that a customer's page for someone else shows."""
    page = shop.http.get(f"{path}/someone")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    return re.findall(r'value="[^"]*(/t/[^"]+)"', page.text)


def share(shop: Shop, path: str, **fields: str) -> httpx2.Response:
    return shop.http.post(f"{path}/someone", data=fields, headers={"Origin": "null"})


def test_a_customer_makes_links_for_others_and_ends_them(shop: Shop) -> None:
    uuid = shop.order()
    _, path = shop.made(uuid)
    assert made(shop, path) == []
    assert [share(shop, path).status_code for _ in range(4)] == [303, 303, 303, 409]
    others = made(shop, path)
    assert len({*others, path}) == 4
    page = shop.http.get(others[0]).text
    assert "41.80" not in page
    assert "someone" not in page
    known = [link for link in shop.listed(uuid) if link["made_from"]]
    assert len(known) == 3
    assert share(shop, path, end=known[1]["id"]).status_code == 303
    assert made(shop, path) == [others[0], others[2]]
    assert [shop.status(other) for other in others] == [200, 404, 200]


def test_someone_else_makes_no_further_links_and_ends_none(shop: Shop) -> None:
    uuid, other = shop.order(), shop.order()
    _, path = shop.made(uuid)
    share(shop, path)
    (mine,) = made(shop, path)
    for delegate in (mine, shop.made(uuid, "delegate")[1]):
        assert shop.status(f"{delegate}/someone") == 404
        assert share(shop, delegate).status_code == 404
    link, _ = shop.made(other)
    assert share(shop, path, end=link).status_code == 303
    assert len(shop.listed(other)) == 1


def test_what_was_made_from_a_link_ends_with_it(shop: Shop) -> None:
    uuid = shop.order()
    for act in ("delete", "post"):
        link, path = shop.made(uuid)
        share(shop, path)
        (other,) = made(shop, path)
        url = f"/api/links/{link}" + ("/reissue" if act == "post" else "")
        assert shop.http.request(act.upper(), url, headers=API).status_code in (201, 204)
        assert [shop.status(path), shop.status(other)] == [404, 404]


def test_links_for_others_are_few_and_for_open_pickups(shop: Shop) -> None:
    _, path = shop.made(shop.order())
    for _ in range(10):
        link = shop.served.house.site.links
        share(shop, path)
        for other in made(shop, path):
            found = shop.served.call(link.find(other.removeprefix("/t/")))
            share(shop, path, end=found.id)
    assert share(shop, path).status_code == 429
    brought = shop.order(reservation_mode="delivery")
    assert shop.status(f"{shop.made(brought)[1]}/someone") == 404
    over = shop.order("finished")
    _, path = shop.made(over)
    assert share(shop, path).status_code == 409
    assert shop.http.get(f"{path}/someone").headers["location"] == path


def test_another_site_makes_no_link(shop: Shop) -> None:
    _, path = shop.made(shop.order())
    for head in ({"Origin": "https://evil.example"}, {"Origin": "null", "Sec-Fetch-Site": "cross-site"}):
        assert shop.http.post(f"{path}/someone", data={}, headers=head).status_code == 403
    assert made(shop, path) == []


def test_the_shop_hears_who_collects_and_how_near(shop: Shop) -> None:
    uuid = shop.order()
    _, path = shop.made(uuid)
    share(shop, path)
    (other,) = made(shop, path)
    for near in ("nearly", "37.77,-122.42", "91", "NaN"):
        told = shop.http.post(f"{path}/arrival", data={"state": "here", "near": near}, headers={"Origin": "null"})
        assert told.status_code == 400
    for link, near, proxy in ((path, "far", False), (other, "near", True), (other, "", True)):
        told = shop.http.post(f"{link}/arrival", data={"state": "here", "near": near}, headers={"Origin": "null"})
        assert told.status_code == 303
        site = shop.served.house.site
        arrival = shop.served.call(site.orders.get(f"jane-68:{uuid}")).order.arrival
        assert (arrival.proxy, arrival.near) == (proxy, near or "near")
        card = site.render.card(shop.served.call(site.orders.get(f"jane-68:{uuid}")).order, time.time())
        assert ("someone else collects" in card.html) == proxy
    shown = shop.http.get(f"/api/orders/jane-68/{uuid}", headers=API).json()["arrival"]
    assert shown.keys() == {"state", "bay", "vehicle", "at", "shown_at", "claimed_by"}


def test_many_taps_at_once_are_one_check_in(shop: Shop) -> None:
    uuid = shop.order()
    paths = [shop.made(uuid)[1] for _ in range(4)] * 5  # five a minute each
    tap = {"data": {"state": "here", "bay": "1"}, "headers": {"Origin": "null"}}
    with ThreadPoolExecutor(8) as phones:
        codes = list(phones.map(lambda path: shop.http.post(f"{path}/arrival", **tap).status_code, paths))
    assert codes == [303] * 20
    site = shop.served.house.site
    assert shop.served.call(site.orders.get(f"jane-68:{uuid}")).order.version == 2


def test_a_page_tells_nobody_where_it_is(shop: Shop) -> None:
    _, path = shop.made(shop.order())
    for one in (path, f"{path}/view", f"{path}/someone", f"{path}/app.webmanifest"):
        head = shop.http.get(one).headers
        assert head["referrer-policy"] == "no-referrer", one
        assert head["cache-control"] == "no-store", one
        assert "noindex" in head["x-robots-tag"], one
        assert "report" not in head["content-security-policy"], one


@pytest.mark.parametrize("vehicle", ["x" * 10_000, "grey\nCorolla", "http://evil.example/\r\nX: y", "\u202egrey"])
def test_what_is_said_of_a_car_has_bounds(shop: Shop, vehicle: str) -> None:
    uuid = shop.order()
    _, path = shop.made(uuid)
    told = shop.http.post(f"{path}/arrival", data={"state": "here", "vehicle": vehicle}, headers={"Origin": "null"})
    assert told.status_code == 400
    site = shop.served.house.site
    assert shop.served.call(site.orders.get(f"jane-68:{uuid}")).order.arrival is None
