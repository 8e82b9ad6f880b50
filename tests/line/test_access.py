"""Who may do what, on every route with every method, from the application's own route table: one without an entry here
fails. Each is tried by nobody, by the wrong person, by a program, by a page of another site and by the right one."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest
import redis
from argon2 import PasswordHasher
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute
from rig import SECRET, TOKEN, WAIT, Served, free_port, settings_of
from test_screens import take
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.main import House
from app.render import EDITION
from app.store.people import User
from app.store.quarantine import Kept

QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
WRITES = ("POST", "PUT", "PATCH", "DELETE")
ORDER = "/board/{store}/orders/{source}/{ref}"

# What each route asks for. open: nothing. key: a secret, in its address or its form. program: an API token. signed in:
# an account. store: an account that may see the store. manager, admin: besides, such an account; "any manager": of
# whatever store. elsewhere: an OpenID provider (test_oidc.py tries that).
RULES: dict[str, str] = {
    "GET /": "signed in",
    "GET /account": "signed in",
    "POST /account/expel": "signed in",
    "POST /account/password": "signed in",
    "POST /account/pin": "signed in",
    "GET /admin": "any manager",
    "GET /admin/audit": "admin",
    "GET /admin/feeds": "any manager",
    "POST /admin/feeds/calls": "any manager",
    "GET /admin/links": "any manager",
    "POST /admin/links/{link_id}/revoke": "any manager",
    "GET /admin/people": "admin",
    "POST /admin/people": "admin",
    "GET /admin/people/{user}": "admin",
    "POST /admin/people/{user}": "admin",
    "GET /admin/quarantine": "any manager",
    "POST /admin/quarantine/replay": "any manager",
    "GET /admin/quarantine/{entry}": "any manager",
    "POST /admin/quarantine/{entry}/replay": "any manager",
    "GET /admin/screens": "any manager",
    "POST /admin/screens": "any manager",
    "POST /admin/screens/{screen}/revoke": "any manager",
    "GET /api/calls": "program",
    "POST /api/calls/replay": "program",
    "DELETE /api/links/{link_id}": "program",
    "POST /api/links/{link_id}/reissue": "program",
    "GET /api/orders": "program",
    "POST /api/orders": "program",
    "GET /api/orders/{source}/{ref}": "program",
    "POST /api/orders/{source}/{ref}/arrival": "program",
    "GET /api/orders/{source}/{ref}/calls": "program",
    "GET /api/orders/{source}/{ref}/ledger": "program",
    "GET /api/orders/{source}/{ref}/links": "program",
    "POST /api/orders/{source}/{ref}/links": "program",
    "GET /api/quarantine": "program",
    "POST /api/quarantine/replay": "program",
    "GET /api/quarantine/{entry}": "program",
    "POST /api/quarantine/{entry}/replay": "program",
    "GET /api/schema": "open",
    "GET /api/schema/openapi.json": "open",
    "GET /api/schema/{path}": "open",
    "DELETE /api/screens/{screen}": "program",
    "GET /api/sources": "program",
    "GET /api/stores/{store}/board": "program",
    "POST /api/stores/{store}/screens": "program",
    "GET /board/{store}": "store",
    "POST /board/{store}/arrival": "store",
    "POST /board/{store}/orders": "store",
    f"GET {ORDER}": "store",
    f"GET {ORDER}/bodies/{{mark}}": "manager",
    f"POST {ORDER}/links": "store",
    f"DELETE {ORDER}/links/{{link_id}}": "store",
    f"POST {ORDER}/links/{{link_id}}/reissue": "store",
    f"POST {ORDER}/stage": "store",
    "GET /board/{store}/pin": "store",
    "GET /board/{store}/today": "store",
    "GET /board/{store}/today.csv": "store",
    "GET /c/{store}/{bay}": "open",
    "POST /c/{store}/{bay}": "key",
    "GET /healthz": "open",
    "GET /login": "open",
    "GET /login/oidc": "elsewhere",
    "GET /login/oidc/done": "elsewhere",
    "POST /login": "key",
    "POST /logout": "key",
    "GET /metrics": "program",
    "GET /pictures/{name}": "open",
    "GET /readyz": "open",
    "GET /screen/{token}": "key",
    "GET /t/{token}": "key",
    "GET /t/{token}/arrival": "key",
    "POST /t/{token}/arrival": "key",
    "GET /t/{token}/app.webmanifest": "key",
    "GET /t/{token}/someone": "key",
    "GET /t/{token}/view": "key",
    "POST /t/{token}/someone": "key",
    "GET /tiles.pmtiles": "open",
    "SOCKET /live/board/{store}": "socket",
    "SOCKET /live/screen/{token}": "socket",
    "SOCKET /live/track/{token}": "socket",
    "MOUNT /hooks": "mount",
    "MOUNT /static": "mount",
}
ANSWERS_WITHOUT_ONE = {"GET /t/{token}/arrival"}  # leads back to the page, whatever the key is worth
PROBLEM = {"HX-Request": "true"}  # what a script of ours sends: it gets the problem, where a person is sent to sign in


def table(house: House) -> Iterator[str]:
    """Method and path of every route of the application; HEAD and OPTIONS come with another one."""
    for route in house.app.routes:
        path = route.path_format.replace("/" + EDITION, "/{edition}")
        if isinstance(route, HTTPRoute):
            yield from (f"{method} {path}" for method in route.methods if method not in ("OPTIONS", "HEAD"))
        elif isinstance(route, WebSocketRoute):
            yield f"SOCKET {path}"
        elif isinstance(route, ASGIRoute):
            yield f"MOUNT {path}"


class Store(NamedTuple):
    """What a store has, as the parts of an address."""

    id: str
    parts: dict[str, str]

    def fill(self, path: str) -> str:
        return path.format(**self.parts)


class World:
    """Two stores with an order, a link and a screen each; who works there, and programs."""

    def __init__(self, served: Served, data: redis.Redis) -> None:
        self.served = served
        self.data = data
        self.site = served.house.site
        self._client = httpx2.Client(base_url=served.base, timeout=WAIT)
        self._secrets: dict[str, str] = {}
        people = {
            "staff-68": ("staff", ("68",)), "staff-123": ("staff", ("123",)), "manager-68": ("manager", ("68",)),
            "manager-123": ("manager", ("123",)), "nowhere": ("staff", ()), "admin": ("admin", ()),
        }  # fmt: skip
        for name, (role, stores) in people.items():
            served.call(self.site.people.save(User(name, role, stores, QUICK.hash("a password"))))
        self.stores = {name: self._store(name) for name in ("68", "123")}

    def _store(self, name: str) -> Store:
        take(self.served, f"o{name}", stage="ready", fulfilment="curbside", store=name)
        call = self.served.call
        kept = Kept(f"jane-{name}", "unreadable", "it is no JSON", time.time(), "POST", "", b"", name.encode())
        call(self.site.quarantine.keep(kept))
        held = next(one.id for one in call(self.site.quarantine.list(10)) if one.source == kept.source)
        link, token = call(self.site.links.make(f"lola:o{name}", "customer", time.time(), name))
        screen, wall = call(self.site.screens.make(name, "tv", time.time()))
        parts = {
            "store": name, "source": "lola", "ref": f"o{name}", "link_id": link.id, "link": link.id, "mark": "1",
            "screen": screen.id, "token": token, "wall": wall, "entry": held, "bay": "1", "path": "openapi.yaml",
            "file_path": "app.css", "edition": EDITION, "name": "none.png", "feed": "lola", "user": "nowhere",
        }  # fmt: skip
        return Store(name, parts)

    def cookie(self, name: str) -> dict[str, str]:
        """The header of somebody who is signed in."""
        if name not in self._secrets:
            self._secrets[name] = self.served.call(self.site.people.enter(name, time.time()))
        return {"Cookie": f"orderboard={self._secrets[name]}"}

    def call(self, method: str, path: str, name: str = "", **headers: str) -> httpx2.Response:
        """As `name`, if given."""
        said = self.cookie(name) if name else {}
        answer = self._client.request(method, path, headers={**said, **headers})
        self._client.cookies.clear()
        if not path.startswith("/hooks"):
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert "default-src 'none'" in answer.headers["content-security-policy"], path
            if not path.startswith("/static"):
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
            assert "referrer-policy" in answer.headers, path
            assert "server" not in answer.headers, path
        return answer

    def ask(self, rule: str, store: str, name: str = "", **headers: str) -> httpx2.Response:
        method, path = rule.split(" ", 1)
        return self.call(method, self.stores[store].fill(path), name, **headers)

    def data_now(self) -> dict[bytes, bytes]:
        """All that matters of what is stored: what a refused call must leave as it was."""
        kinds = (b"o:", b"l:", b"link", b"screen", b"user", b"token", b"s:", b"q", b"alias:")
        keys = sorted(key for key in self.data.keys("ob:*") if key[3:].startswith(kinds))
        with self.data.pipeline(transaction=False) as asked:
            for key in keys:
                asked.dump(key)
            return dict(zip(keys, asked.execute(), strict=True))


@pytest.fixture(scope="module")
def world(redis_server: str) -> Iterator[World]:
    with redis.Redis.from_url(redis_server) as data:
        data.flushall()
        served = Served(settings_of(free_port()), redis_server).start()
        made = World(served, data)
        yield made
        made._client.close()
        served.stop()


@pytest.fixture(autouse=True)
def untried(world: World) -> None:
    """Nobody is slowed for what an earlier case tried."""
    tries = world.data.keys("ob:tries:*")
    if tries:
        world.data.delete(*tries)
    world.site.guesses.__init__()  # type: ignore[misc]


def rules(*kinds: str) -> list[str]:
    return [rule for rule, kind in RULES.items() if kind in kinds]


def writes(*kinds: str) -> list[str]:
    return [rule for rule in rules(*kinds) if rule.split(" ")[0] in WRITES]


STAFF = ("signed in", "store", "manager", "admin", "any manager")


def test_every_route_has_an_entry(world: World) -> None:
    there = set(table(world.served.house))
    assert there - set(RULES) == set(), "these routes are not in RULES: say who may ask them"
    assert set(RULES) - there == set(), "these are no routes any more"


def test_other_methods_are_refused(world: World) -> None:
    """By everybody, the admin too: 405, or 404 where only a mount is below. HEAD is no other method than GET."""
    known = {rule.split(" ", 1)[1]: set[str]() for rule in RULES if not rule.startswith(("SOCKET", "MOUNT"))}
    for rule in RULES:
        if not rule.startswith(("SOCKET", "MOUNT")):
            known[rule.split(" ", 1)[1]].add(rule.split(" ", 1)[0])
    was = world.data_now()
    for path, methods in known.items():
        for method in METHODS:
            if method == "HEAD" and "GET" in methods:
                asked, got = (world.ask(f"{name} {path}", "68", "admin") for name in ("HEAD", "GET"))
                assert (asked.status_code, asked.content) == (got.status_code, b""), path
            elif method not in methods and not (method == "HEAD" and path.startswith("/static")):
                answer = world.ask(f"{method} {path}", "68", "admin")
                assert answer.status_code in (404, 405), (method, path, answer.status_code)
        asked = world.ask(f"OPTIONS {path}", "68", "admin")
        assert (asked.status_code, asked.content) == (204, b"") or asked.status_code == 405, path
    assert world.data_now() == was


@pytest.mark.parametrize("rule", rules(*STAFF))
def test_nobody_and_programs_get_nowhere_with_what_is_for_people(world: World, rule: str) -> None:
    was = world.data_now()
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {SECRET}"}):
        assert world.ask(rule, "68", **PROBLEM, **headers).status_code == 401
        page = world.ask(rule, "68", **headers)
        assert page.status_code == 302
        assert page.headers["location"].startswith("/login?next=")
        assert page.headers["cache-control"] == "no-store"
        forged = world.ask(rule, "68", Cookie="orderboard=" + "A" * 43, **PROBLEM, **headers)
        assert forged.status_code == 401
    assert world.data_now() == was


@pytest.mark.parametrize("rule", rules("program"))
def test_people_and_nobody_get_nowhere_with_what_is_for_programs(world: World, rule: str) -> None:
    was = world.data_now()
    for name in ("", "staff-68", "admin"):
        for said in ("", "Bearer", "Bearer ", "Bearer x", f"Basic {TOKEN}", f"Bearer {SECRET}", f"Bearer {TOKEN}x"):
            headers = {"Authorization": said.strip()} if said else {}
            answer = world.ask(rule, "68", name, **headers)
            assert answer.status_code == 401, (name, said)
            assert answer.json()["status"] == 401
    assert world.data_now() == was


@pytest.mark.parametrize("rule", rules("store", "manager"))
def test_another_stores_people_see_nothing_of_this_one(world: World, rule: str) -> None:
    was = world.data_now()
    for name in ("staff-123", "manager-123", "nowhere"):
        for headers in ({}, PROBLEM):
            answer = world.ask(rule, "68", name, **headers)
            assert answer.status_code == 404, name
            assert "o68" not in answer.text
    unknown = rule.replace("{store}", "none")
    assert world.ask(unknown, "68", "admin").status_code == 404
    assert world.data_now() == was


@pytest.mark.parametrize("rule", [rule for rule in rules("store", "manager") if "{ref}" in rule])
def test_an_order_of_another_store_is_not_reached_through_ones_own(world: World, rule: str) -> None:
    was = world.data_now()
    method, path = rule.split(" ", 1)
    mixed = path.replace("{store}", "123")
    for name in ("manager-123", "admin"):
        assert world.call(method, world.stores["68"].fill(mixed), name).status_code == 404
    assert world.data_now() == was


@pytest.mark.parametrize("rule", [rule for rule in rules("store") if "{link_id}" in rule])
def test_a_link_of_another_order_is_not_reached_through_ones_own(world: World, rule: str) -> None:
    was = world.data_now()
    method, path = rule.split(" ", 1)
    other = world.stores["123"].parts["link_id"]
    world.call(method, world.stores["68"].fill(path.replace("{link_id}", other)), "manager-68")
    assert world.data_now() == was


@pytest.mark.parametrize("rule", rules("manager", "any manager", "admin"))
def test_some_things_are_not_for_all_staff(world: World, rule: str) -> None:
    was = world.data_now()
    assert world.ask(rule, "68", "staff-68", **PROBLEM).status_code == 403
    if RULES[rule] == "admin":
        assert world.ask(rule, "68", "manager-68", **PROBLEM).status_code == 403
    assert world.data_now() == was


@pytest.mark.parametrize("rule", rules("any manager"))
def test_managers_keep_to_their_stores(world: World, rule: str) -> None:
    was = world.data_now()
    method, path = rule.split(" ", 1)
    answer = world.call(method, world.stores["68"].fill(path) + "?store=68", "manager-123", **PROBLEM)
    assert "o68" not in answer.text
    assert "jane-68" not in answer.text
    if "{" in path:
        there = answer.status_code == 303 and "said=gone" in answer.headers["location"]
        assert answer.status_code == 404 or there
    assert world.data_now() == was


@pytest.mark.parametrize("rule", writes(*STAFF, "key"))
def test_a_page_of_another_site_changes_nothing(world: World, rule: str) -> None:
    was = world.data_now()
    own = world.served.base
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": own + ".evil.example"},
        {"Origin": "null"},
        {"Origin": own.replace("http", "https") + "0"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": own, "Sec-Fetch-Site": "cross-site"},
    ):
        if rule.split(" ")[1].startswith("/t/") and headers.get("Origin") == "null":
            continue  # the page sends no referrer, so that its own forms say this; the key is in the address
        answer = world.ask(rule, "68", "admin", **PROBLEM, **headers)
        assert answer.status_code == 403, headers
    assert world.data_now() == was


@pytest.mark.parametrize(
    "rule", [rule for rule in rules("key") if "{token}" in rule and rule not in ANSWERS_WITHOUT_ONE]
)
def test_a_wrong_key_opens_nothing(world: World, rule: str) -> None:
    was = world.data_now()
    link = world.stores["68"].parts
    wrong = (link["link_id"], link["ref"], "lola:o68", "A" * 32, link["token"][:-1], link["token"] + "A", "%00")
    given = [*wrong, link["token"] if "/screen/" in rule else link["wall"]]
    for key in given:
        answer = world.ask(rule.replace("{token}", key), "68", "admin")
        assert answer.status_code == 404, key
        assert "O68" not in answer.text.upper().replace("LOLA:O68", "")
    assert world.data_now() == was


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.startswith("GET ") and RULES[rule] not in ("open", "elsewhere")]
)
def test_the_right_one_is_let_in(world: World, rule: str) -> None:
    """Else all the refusals above would prove nothing."""
    kind = RULES[rule]
    if kind == "program":
        answers = [world.ask(rule, "68", Authorization=f"Bearer {TOKEN}")]
    elif kind == "key":
        key = world.stores["68"].parts["wall" if "/screen/" in rule else "token"]
        answers = [world.ask(rule.replace("{token}", key), "68")]
    else:
        names = {"signed in": ["staff-68"], "store": ["staff-68", "admin"], "admin": ["admin"]}
        answers = [world.ask(rule, "68", name) for name in names.get(kind, ["manager-68", "admin"])]
    for answer in answers:
        gone = answer.status_code == 404 and any(part in rule for part in ("{mark}", "{entry}"))
        assert answer.status_code in (200, 302, 303) or gone, answer.status_code
        assert not answer.headers.get("location", "").startswith("/login")
        if kind != "open" and answer.status_code == 200 and not rule.endswith("/metrics"):
            assert kind == "program" or answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("rule", writes("store", "manager", "program"))
def test_the_right_one_may_write(world: World, rule: str) -> None:
    """With an empty body: what is wrong about the call is its content, not who calls."""
    world.stores["68"] = world._store("68")
    if RULES[rule] == "program":
        answer = world.ask(rule, "68", Authorization=f"Bearer {TOKEN}")
    else:
        answer = world.ask(rule, "68", "manager-68", **PROBLEM)
    missing = answer.status_code == 404 and any(part in rule for part in ("{entry}", "/arrival"))
    assert answer.status_code in (200, 201, 204, 400, 409) or missing, answer.text
    world.stores["68"] = world._store("68")


def test_a_token_in_an_address_opens_nothing(world: World) -> None:
    """Addresses are kept in logs and histories."""
    for name in ("token", "access_token", "api_token", "authorization", "key"):
        assert world.call("GET", f"/api/orders?{name}={TOKEN}").status_code == 401
        assert world.call("GET", f"/board/68?{name}={TOKEN}", **PROBLEM).status_code == 401
        assert closed(world, f"/live/board/68?{name}={TOKEN}", origin=world.served.base) == 4401


def test_files_are_served_from_their_folder_alone(world: World) -> None:
    assert world.call("GET", f"/static/{EDITION}/app.css").status_code == 200
    outside = ("../pyproject.toml", "..%2fpyproject.toml", "%2e%2e/pyproject.toml", "/etc/passwd")
    for path in (*outside, "vendor/", ".", ""):
        for base in ("/static/", f"/static/{EDITION}/"):
            assert world.call("GET", base + path).status_code in (404, 405), base + path


def test_hooks_take_their_own_secret_alone(world: World) -> None:
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}):
        assert world.call("POST", "/hooks/jane-68", "admin", **headers).status_code == 401
        assert world.call("POST", "/hooks/none", "admin", **headers).status_code == 404


# ---- sockets ----


def closed(world: World, path: str, **given: Any) -> int:
    """The code that a socket is closed with; 0 where it is told something."""
    with connect(world.served.ws + path, **given) as socket:
        try:
            socket.recv(WAIT)
        except ConnectionClosed:
            return socket.protocol.close_code or 0
        return 0


def test_who_may_watch_a_board(world: World) -> None:
    own = {"origin": world.served.base}
    board = "/live/board/68"
    assert closed(world, board, **own, additional_headers=world.cookie("staff-68")) == 0
    assert closed(world, board, additional_headers={"Authorization": f"Bearer {TOKEN}"}) == 0
    assert closed(world, board, **own) == 4401
    assert closed(world, board, **own, additional_headers={"Cookie": "orderboard=" + "A" * 43}) == 4401
    for name in ("staff-123", "manager-123", "nowhere"):
        assert closed(world, board, **own, additional_headers=world.cookie(name)) == 4404
    assert closed(world, "/live/board/none", **own, additional_headers=world.cookie("admin")) == 4404
    assert closed(world, board) == 4403
    assert closed(world, board, additional_headers=world.cookie("staff-68")) == 4403, "without an Origin"
    assert closed(world, board, additional_headers={"Authorization": "Bearer x"}) == 4403
    for origin in ("https://evil.example", "null", world.served.base + ".evil.example", "http://127.0.0.1"):
        assert closed(world, board, origin=origin, additional_headers=world.cookie("staff-68")) == 4403, origin


def test_who_may_watch_a_screen_or_an_order(world: World) -> None:
    parts = world.stores["68"].parts
    for path, key, other in (("/live/screen/", "wall", "token"), ("/live/track/", "token", "wall")):
        assert closed(world, path + parts[key]) == 0
        assert closed(world, path + parts[key], origin=world.served.base) == 0
        assert closed(world, path + parts[key], origin="https://evil.example") == 4403
        for wrong in (parts[other], "A" * 32, parts["ref"], "68", "*"):
            assert closed(world, path + wrong, additional_headers=world.cookie("admin")) == 4404
