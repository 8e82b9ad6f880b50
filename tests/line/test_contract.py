"""What the public contract promises and a stranger would try first, over real HTTP and real sockets."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx2
import msgspec
import pytest
from rig import SECRET, TOKEN, WAIT, Served, Shop, free_port, settings_of
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

API = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def api(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.base, timeout=WAIT, headers=API) as client:
        yield client


def posted(api: httpx2.Client, ref: str) -> None:
    cart = {"uuid": ref, "status": "preparing", "reservation_mode": "pickup", "store_id": 68, "queue_number": "G19"}
    body = {"webhook_event": "cart_status_updated", "cart": cart}
    answer = api.post("/hooks/jane-68", json=body, headers={"Authorization": f"Bearer {SECRET}"})
    assert answer.status_code == 202


@pytest.mark.parametrize("ref", ["2026/117", "/", "a//b", "a/ledger", "a%2Fb", "a?b#c", "a%1Fb"])
def test_an_order_is_reached_whatever_its_ref_is_made_of(api: httpx2.Client, ref: str) -> None:
    posted(api, ref)
    path = "/api/orders/jane-68/" + quote(ref, safe="")
    assert api.get(path).json()["ref"] == ref
    assert len(api.get(path + "/ledger").json()["items"]) == 1
    made = api.post(path + "/links")
    assert made.status_code == 201
    assert [link["id"] for link in api.get(path + "/links").json()["items"]] == [made.json()["id"]]
    assert api.post(path + "/arrival", json={"state": "handed_over"}).json()["ref"] == ref
    assert api.get(path + "/calls").status_code == 200


def test_a_bay_may_have_a_slash_in_its_name(redis_url: str) -> None:
    settings = settings_of(free_port())
    stores = {"68": msgspec.structs.replace(settings.stores["68"], bays=("Row 1/2",))}
    served = Served(msgspec.structs.replace(settings, stores={**settings.stores, **stores}), redis_url).start()
    try:
        sign = httpx2.get(served.base + "/c/68/Row%201%2f2", timeout=WAIT)
        assert (sign.status_code, "Row 1/2" in sign.text) == (200, True)
        assert httpx2.get(served.base + "/c/68/Row%201/2", timeout=WAIT).status_code == 404
    finally:
        served.stop()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login", "/t/nothing", "/api/orders", "/api/orders/a/b%2Fc"])
def test_head_answers_as_get_does_without_a_body(api: httpx2.Client, path: str) -> None:
    asked, got = api.head(path), api.get(path)
    assert (asked.status_code, asked.content) == (got.status_code, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert api.get("/healthz").status_code == 200, "the connection goes on"


def test_head_is_no_callback(api: httpx2.Client) -> None:
    answer = api.head("/hooks/jane-68", headers={"Authorization": f"Bearer {SECRET}"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_who_must_prove_themselves_is_told_how(served: Served) -> None:
    for method, path in (("GET", "/api/orders"), ("POST", "/hooks/jane-68"), ("GET", "/metrics")):
        answer = httpx2.request(method, served.base + path, timeout=WAIT)
        assert (answer.status_code, answer.headers.get("www-authenticate")) == (401, "Bearer"), path


def test_no_answer_about_orders_is_kept_on_the_way(api: httpx2.Client) -> None:
    posted(api, "one")
    for path in ("/api/orders", "/api/orders/jane-68/one", "/api/stores/68/board", "/api/quarantine", "/api/nothing"):
        assert api.get(path).headers["cache-control"] == "no-store", path


def test_calls_of_an_order_that_is_not_there_are_not_found(api: httpx2.Client) -> None:
    assert api.get("/api/orders/jane-68/none/calls").status_code == 404


def test_a_wrong_parameter_is_called_by_its_name(api: httpx2.Client) -> None:
    answer = api.get("/api/orders?open=perhaps")
    assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (400, "open")


def test_an_origin_counts_beside_a_token_too(served: Served) -> None:
    for origin, code in (("https://elsewhere.example", 4403), (served.base, 0), (None, 0)):
        with connect(served.ws + "/live/board/68", origin=origin, additional_headers=API) as socket:  # type: ignore[arg-type]
            try:
                socket.recv(WAIT)
                said = 0
            except ConnectionClosed as closed:
                said = closed.rcvd.code if closed.rcvd else 1006
            assert said == code, origin


def test_stores_of_an_account_may_be_named_one_by_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    store = '[[stores]]\nid = "7"\nname = "Seven"\ntimezone = "UTC"\n'
    shop.config.write_text(shop.config.read_text() + store)
    words = ("user", "add", "mara", "--store", "68", "--store", "7", "--password-stdin")
    shop.command(*words, said="a long password\n")
    lines = [msgspec.json.decode(line) for line in shop.command("export").splitlines()]
    (user,) = [line["value"]["packed"] for line in lines if line.get("key") == "ob:user:mara"]
    assert user["stores"] == ["68", "7"]


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", shop.port))
        other.listen()
        with pytest.raises(subprocess.CalledProcessError) as ended:
            shop.command("serve")
    assert ended.value.returncode == 1
    assert f"Port {shop.port} of 127.0.0.1 can't be had (address already in use)" in ended.value.stderr


STRANGERS = [
    ("/hooks/jane-68", "", 401),
    ("/hooks/jane-68", "Bearer x", 401),
    ("/hooks/lola", "", 401),
    ("/hooks/lola/wrong/secret", "", 401),
    ("/hooks/aifi", "", 401),
    ("/hooks/none", "", 404),
]


@pytest.mark.parametrize(("path", "auth", "status"), STRANGERS)
def test_nothing_of_a_strangers_body_is_waited_for(served: Served, path: str, auth: str, status: int) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", served.settings.server.port), WAIT) as line:
        line.sendall(f"{head}Authorization: {auth}\r\n\r\n5\r\n".encode())  # and never what was announced
        assert line.recv(65_536).split(b" ")[1] == str(status).encode()


def test_a_secret_in_an_address_may_have_slashes(redis_url: str) -> None:
    settings = settings_of(free_port())
    secret = "c2VjcmV0/IHNlY3JldCBz+ZWNyZXQ="
    lola = msgspec.structs.replace(settings.sources["lola"], secret=secret)
    served = Served(msgspec.structs.replace(settings, sources={"lola": lola}), redis_url).start()
    try:
        for said in (secret, quote(secret, safe="")):
            answer = httpx2.post(f"{served.base}/hooks/lola/{said}", json={"eventName": "x"}, timeout=WAIT)
            assert answer.status_code in (202, 400), said
        for said in ("", secret.partition("/")[0], secret + "/x"):
            answer = httpx2.post(f"{served.base}/hooks/lola/{said}", json={"eventName": "x"}, timeout=WAIT)
            assert answer.status_code == 401, said
    finally:
        served.stop()


@pytest.mark.parametrize("taken", [True, False])
def test_the_sandbox_says_that_its_port_is_taken(tmp_path: Path, taken: bool) -> None:
    shop = Shop(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1] if taken else 99_999_999
        with pytest.raises(subprocess.CalledProcessError) as ended:
            shop.command("sandbox", "--port", str(port))
    assert (ended.value.returncode, ended.value.stderr.count("\n")) == (1, 1)
    assert f"Port {port} can't be had" in ended.value.stderr


def test_no_link_is_made_that_opens_nothing(redis_url: str) -> None:
    late = 0.0
    served = Served(settings_of(free_port()), redis_url, clock=lambda: time.time() + late).start()
    try:
        with httpx2.Client(base_url=served.base, timeout=WAIT, headers=API) as api:
            posted(api, "one")
            assert api.post("/api/orders/jane-68/one/arrival", json={"state": "handed_over"}).status_code == 200
            assert api.post("/api/orders/jane-68/one/links").status_code == 201
            late = 25 * 3600.0
            refused = api.post("/api/orders/jane-68/one/links")
            assert (refused.status_code, "link_hours" in refused.json()["detail"]) == (409, True)
    finally:
        served.stop()


def test_a_long_quarantine_is_read_page_by_page(api: httpx2.Client) -> None:
    for number in range(5):
        for source in ("jane-68", "lola"):
            headers = {"Authorization": f"Bearer {SECRET}"}
            assert api.post(f"/hooks/{source}", json=[number, source], headers=headers).status_code == 400
    seen, cursor = [], ""
    for _ in range(6):
        said = api.get("/api/quarantine", params={"limit": 3, "cursor": cursor}).json()
        seen += [entry["id"] for entry in said["items"]]
        cursor = said["next"]
        if cursor is None:
            break
    whole = api.get("/api/quarantine").json()
    assert (seen, whole["next"], len(set(seen))) == ([entry["id"] for entry in whole["items"]], None, 10)
    assert api.get("/api/quarantine?cursor=x").status_code == 400
    assert api.get("/api/calls?cursor=-1").status_code == 400
    assert api.get("/api/calls?limit=1&cursor=0").json() == {"items": [], "next": None}
