"""The order systems' own API, called over real HTTP as their documents say, and not as they say."""

import asyncio
import secrets
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import httpx2
import msgspec
import pytest

from app.sandbox import connect, instacart
from app.sandbox.api.urbit import sign
from app.sandbox.caller import calling_back
from app.sandbox.chaos import Chaos
from app.sandbox.day import day
from app.sandbox.deeds import Address, Line, Moved, Purchase, Shown, Sorted
from app.sandbox.server import serve
from app.sandbox.sides import Feed, Plan
from app.sandbox.trouble import Trouble
from app.sandbox.world import World

NOW = 1_795_248_000.0
SHARED = b64encode(b"0123456789abcdef0123456789abcdef").decode()
KEY = "b0477a45-1198-419f-b159-e484be341512"
ROUTE = ((37.7599, -122.4148), (37.7615, -122.4149), (37.7616, -122.4102))
BASE = Feed(
    source="x",
    provider="",
    url="http://127.0.0.1:1/hooks/x",
    secret=SHARED,
    store="68",
    store_name="North",
    timezone="UTC",
)
FEEDS = (
    replace(BASE, source="connect", provider="instacart", client_id="shop", client_secret="hush"),
    replace(BASE, source="lola", provider="lolamarket", client_id="shop", client_secret="hush-too"),
    replace(BASE, source="jane", provider="jane", client_secret="a-bearer"),
    replace(BASE, source="urbit", provider="urbit", store_key=KEY),
)
INSTACART, LOLA, JANE, URBIT = FEEDS


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """A world, its clock, and a client of its server."""

    world: World
    clock: Clock
    client: httpx2.AsyncClient
    url: str

    async def call(self, method: str, path: str, token: str = "", **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await self.client.request(method, path, headers=headers, **options)
        return answer.status_code, answer.json() if answer.content else None

    async def token(self, user: str = "ana", **changes: Any) -> str:
        status, said = await self.call("POST", "/v2/oauth/token", json=asking(user) | changes)
        assert status == 200
        return str(said["access_token"])


@asynccontextmanager
async def open_desk(**options: Any) -> AsyncIterator[Desk]:
    clock = Clock()
    world = World(clock=clock, **options)
    world.enrol(FEEDS)
    async with serve(world) as url, httpx2.AsyncClient(base_url=url, timeout=20.0, verify=False) as client:
        yield Desk(world, clock, client, url)


def asking(user: str) -> dict[str, str]:
    assertion = b64encode(msgspec.json.encode({"user_id": user})).decode()
    return {
        "client_id": "shop",
        "client_secret": "hush",
        "grant_type": "fulfillment_user_assertion",
        "scope": "connect:post_checkout",
        "assertion": assertion,
    }


def plain() -> dict[str, str]:
    return {
        "client_id": "shop",
        "client_secret": "hush",
        "grant_type": "client_credentials",
        "scope": "connect:fulfillment",
    }


def bought(ref: str = "o-1", kind: str = "delivery", user: str = "ana", curbside: bool = False) -> Purchase:
    return Purchase(
        id=ref,
        user_id=user,
        kind=kind,
        created=NOW - 60,
        window=(NOW, NOW + 7200),
        lines=(Line("l-1", "Bananas", "10.0"), Line("l-2", "Cantaloupe", "1.0")),
        address=Address("501 Alder Street", "San Francisco", "CA", "94110"),
        route=ROUTE,
        drive=100.0,
        curbside=curbside,
    )


ORDER = "/v2/post_checkout/orders/o-1"


# Instacart: tokens.


@pytest.mark.anyio
async def test_a_customers_token_opens_only_their_orders() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        status, said = await desk.call("POST", "/v2/oauth/token", json=asking("ana"))
        assert status == 200
        token = said.pop("access_token")
        assert said == {
            "token_type": "Bearer", "expires_in": 86_400, "scope": "connect:post_checkout", "created_at": int(NOW)
        }  # fmt: skip
        assert (await desk.call("GET", ORDER, token))[0] == 200
        missing = (404, {"error": {"message": "Resource not found", "code": 4000}, "meta": {}})
        assert await desk.call("GET", ORDER, await desk.token("ben")) == missing
        assert await desk.call("GET", "/v2/post_checkout/orders/o-2", token) == missing


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"client_secret": "wrong"}, 401),
        ({"client_id": "nobody"}, 401),
        ({"client_id": None}, 401),
        ({"grant_type": "password"}, 400),
        ({"assertion": "!"}, 400),
        ({"assertion": b64encode(b'{ "user_id": kamal }').decode()}, 400),
        ({"assertion": b64encode(b'{"user_id": 7}').decode()}, 400),
        ({"scope": "connect:fulfillment"}, 403),
        ({"scope": 7}, 403),
    ],
)
async def test_a_wrong_request_gets_no_token(changes: dict[str, Any], status: int) -> None:
    async with open_desk() as desk:
        assert (await desk.call("POST", "/v2/oauth/token", json=asking("ana") | changes))[0] == status
        assert not desk.world.tokens


@pytest.mark.anyio
async def test_credentials_in_the_address_or_in_a_form_get_no_token() -> None:
    async with open_desk() as desk:
        assert (await desk.call("POST", "/v2/oauth/token", params=asking("ana")))[0] == 403
        assert (await desk.call("POST", "/v2/oauth/token", data=asking("ana")))[0] == 400
        assert not desk.world.tokens


@pytest.mark.anyio
async def test_without_a_good_token_there_is_nothing_to_see() -> None:
    async with open_desk(instacart_seconds=50) as desk:
        desk.world.place(bought())
        token = await desk.token()
        assert (await desk.call("GET", ORDER))[0] == 401
        assert (await desk.call("GET", ORDER, "made-up"))[0] == 401
        answer = await desk.client.get(ORDER, headers={"Authorization": f"Basic {token}"})
        assert answer.status_code == 401
        desk.clock.now += 49
        assert (await desk.call("GET", ORDER, token))[0] == 200
        desk.clock.now += 1
        assert (await desk.call("GET", ORDER, token))[0] == 401
        assert [call.status for call in desk.world.called("GET", ORDER)] == [401, 401, 401, 200, 401]


@pytest.mark.anyio
async def test_the_token_that_places_orders_names_no_customer() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        status, said = await desk.call("POST", "/v2/oauth/token", json=plain())
        assert status == 200
        error = {"error": {"message": "User ID not found", "code": 4001}, "meta": {}}
        assert await desk.call("GET", ORDER, said["access_token"]) == (400, error)


# Instacart: reading.


@pytest.mark.anyio
async def test_the_order_items_handling_and_location_are_as_in_the_tutorial() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        token = await desk.token()
        stamp = [datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (NOW - 60, NOW, NOW + 7200)]
        assert await desk.call("GET", ORDER, token) == (
            200,
            {
                "id": "o-1",
                "creation_date": stamp[0],
                "workflow_state": "brand_new",
                "fulfillment_type": "delivery",
                "fulfillment_details": {"window_starts_at": stamp[1], "window_ends_at": stamp[2]},
            },
        )
        _, items = await desk.call("GET", f"{ORDER}/items", token)
        assert items["line_items"][0] == {
            "id": "l-1",
            "replacement_status": "SUBSTITUTION_STATUS_UNSPECIFIED",
            "status": "not_picked",
            "item": {"name": "Bananas", "quantity": "10.0", "cost_unit": "EACH"},
        }
        _, handling = await desk.call("GET", f"{ORDER}/handling", token)
        assert handling["coordinates"] == {"latitude": ROUTE[-1][0], "longitude": ROUTE[-1][1]}
        assert handling["address"]["postal_code"] == "94110"
        assert "shopper" not in handling
        assert await desk.call("GET", f"{ORDER}/location", token) == (200, {})


@pytest.mark.anyio
async def test_what_the_shopper_does_is_seen() -> None:
    async with open_desk(capitals=True) as desk:
        desk.world.place(bought())
        token = await desk.token()
        desk.world.happen(Moved("o-1", "acknowledged", NOW, shopper="Maeve"))
        desk.world.happen(Moved("o-1", "picking", NOW))
        desk.world.happen(Sorted("o-1", "l-1", "FOUND"))
        desk.world.happen(Sorted("o-1", "l-2", "REPLACED", "PENDING", Line("l-9", "Honeydew", "1.0")))
        _, items = await desk.call("GET", f"{ORDER}/items", token)
        one, two = items["line_items"]
        assert (one["status"], two["status"], two["replacement_status"]) == ("FOUND", "REPLACED", "PENDING")
        assert two["replacement"]["name"] == "Honeydew"
        assert (await desk.call("GET", f"{ORDER}/handling", token))[1]["shopper"] == {"name": "Maeve"}


@pytest.mark.anyio
async def test_the_shopper_is_on_the_way_only_while_delivering() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        token = await desk.token()
        desk.world.happen(Moved("o-1", "delivering", NOW))
        seen = []
        for _ in range(6):
            status, said = await desk.call("GET", f"{ORDER}/location", token)
            assert status == 200
            seen.append((said["coordinates"]["latitude"], said["coordinates"]["longitude"]))
            desk.clock.now += 25
        assert (seen[0], seen[-2], seen[-1]) == (ROUTE[0], ROUTE[-1], ROUTE[-1])
        assert len(set(seen)) == 5
        desk.world.happen(Moved("o-1", "delivered", desk.clock.now))
        assert await desk.call("GET", f"{ORDER}/location", token) == (200, {})


@pytest.mark.anyio
async def test_a_retailer_may_hide_who_shops() -> None:
    async with open_desk(hidden=True) as desk:
        desk.world.place(bought())
        desk.world.happen(Moved("o-1", "delivering", NOW, shopper="Maeve"))
        token = await desk.token()
        error = {"error": {"message": "Shopper PII", "code": None}, "meta": {}}
        assert await desk.call("GET", f"{ORDER}/location", token) == (403, error)
        assert "shopper" not in (await desk.call("GET", f"{ORDER}/handling", token))[1]


@pytest.mark.anyio
async def test_a_last_mile_has_no_items() -> None:
    async with open_desk() as desk:
        desk.world.place(bought(kind="last_mile_delivery"))
        status, said = await desk.call("GET", f"{ORDER}/items", await desk.token())
        assert (status, said["error"]["code"]) == (400, 4001)


# Instacart: at the counter.


@pytest.mark.anyio
async def test_a_customer_arrives_for_what_is_ready() -> None:
    async with open_desk() as desk:
        order = desk.world.place(bought(kind="pickup", curbside=True))
        token, path = await desk.token(), f"{ORDER}/pickup/user_arrived"
        error = {"message": "Params error", "code": 2001}
        meta = {"order_delivery_id": "Order delivery is not staged."}
        assert await desk.call("POST", path, token) == (400, {"error": error, "meta": meta})
        assert order.arrivals == 0
        desk.world.happen(Moved("o-1", "ready_for_pickup", NOW))
        assert await desk.call("POST", path, token, json={"is_pickup_delegate": "yes"}) == (
            400, {"error": error, "meta": {"key": "body"}}
        )  # fmt: skip
        assert (await desk.call("POST", path))[0] == 401
        assert await desk.call("POST", path, token) == (200, {"success": True})
        assert await desk.call("POST", path, token, json={"is_pickup_delegate": True}) == (200, {"success": True})
        assert (order.state, order.arrivals) == ("user_at_store", 2)
        assert (await desk.call("GET", ORDER, token))[1]["pickup_category"] == "curbside"


@pytest.mark.anyio
async def test_nobody_arrives_for_a_delivery() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        token = await desk.token()
        status, said = await desk.call("POST", f"{ORDER}/pickup/user_arrived", token)
        assert (status, said["error"]["message"]) == (404, "No pickup status found for order")
        status, said = await desk.call("PUT", f"{ORDER}/pickup/vehicle_info", token, json={"model": "T"})
        assert (status, said["error"]["code"]) == (400, 4001)


@pytest.mark.anyio
async def test_a_vehicle_has_a_known_type_and_color() -> None:
    async with open_desk() as desk:
        desk.world.place(bought(kind="pickup"))
        token, path = await desk.token(), f"{ORDER}/pickup/vehicle_info"
        car = {"model": "Model T", "vehicle_type": "sedan", "license_plate": "7ABC", "color": "black"}
        assert await desk.call("GET", path, token) == (200, {})
        for wrong in ({"color": "Black"}, {"vehicle_type": "car"}):
            assert (await desk.call("PUT", path, token, json=car | wrong))[0] == 400
        status, said = await desk.call("PUT", path, token, json=car)
        assert status == 200
        assert said["vehicle_info"] == car | {"id": said["vehicle_info"]["id"]}
        assert await desk.call("GET", path, token) == (200, said)


def test_a_story_does_not_send_back_who_has_come() -> None:
    world = World(clock=Clock())
    order = world.place(bought(kind="pickup"))
    world.happen(Moved("o-1", "ready_for_pickup", NOW))
    order.enter("runner_acknowledged", NOW)
    world.happen(Moved("o-1", "user_at_store", NOW))
    assert order.state == "runner_acknowledged"
    world.happen(Moved("o-1", "delivered", NOW))
    world.happen(Moved("o-1", "picking", NOW))
    assert order.state == "delivered"


# Instacart: its sandbox calls.


async def shopper(desk: Desk, token: str) -> int:
    who = {"email": "maeve.shops@example.com", "phone": "+14155550100", "password": "x"}
    status, said = await desk.call("POST", "/v2/fulfillment_sandbox/shoppers", token, json=who)
    assert (status, type(said["id"])) == (200, int)
    return int(said["id"])


BATCHES = "/v2/fulfillment_sandbox/batches"
WALKS = [
    (
        "delivery",
        "delivery",
        "acknowledged picking verifying_replacements checkout receipt_sanity_check delivering completed",
        "acknowledged picking verifying_replacements checkout checkout delivering delivered",
    ),
    (
        "pickup",
        "pickup",
        "acknowledged picking verifying_replacements checkout receipt_sanity_check bags_check staged",
        "acknowledged picking verifying_replacements checkout checkout bags_check ready_for_pickup",
    ),
    (
        "runner_customer",
        "pickup",
        "brand_new at_store bags_verified completed",
        "ready runner_acknowledged bags_verified delivered",
    ),
    (
        "delivery_only",
        "last_mile_delivery",
        "brand_new acknowledged_for_delivery at_store bags_verified delivering completed",
        "waiting_for_delivery acknowledged_for_delivery at_store bags_verified delivering delivered",
    ),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("kind", "fulfilment", "states", "orders"), WALKS)
async def test_a_batch_carries_its_order_along(kind: str, fulfilment: str, states: str, orders: str) -> None:
    async with open_desk() as desk:
        order = desk.world.place(bought(kind=fulfilment))
        order.state = "ready" if kind == "runner_customer" else order.state
        token = await desk.token()
        wish = {
            "batch_type": kind,
            "shopper_id": await shopper(desk, token),
            "orders": [{"id": "o-1", "user_id": "ana"}],
        }
        status, batch = await desk.call("POST", BATCHES, token, json=wish)
        assert status == 200
        seen = [(batch["workflow_state"], order.state)]
        while len(seen) < len(states.split()):
            status, said = await desk.call("POST", f"{BATCHES}/{batch['id']}/advance", token)
            assert (status, said["id"]) == (200, batch["id"])
            seen.append((said["workflow_state"], order.state))
        assert seen == list(zip(states.split(), orders.split(), strict=True))
        assert (await desk.call("POST", f"{BATCHES}/{batch['id']}/advance", token))[0] == 400
        assert order.shopper == "Maeve"


@pytest.mark.anyio
async def test_a_batch_can_be_set_to_a_state_even_an_earlier_one() -> None:
    async with open_desk() as desk:
        order = desk.world.place(bought())
        token = await desk.token()
        wish = {"batch_type": "delivery", "shopper_id": await shopper(desk, token), "orders": [{"id": "o-1"}]}
        _, batch = await desk.call("POST", BATCHES, token, json=wish | {"workflow_state": "brand_new"})
        assert (batch["workflow_state"], order.state) == ("brand_new", "brand_new")
        path = f"{BATCHES}/{batch['id']}/advance"
        for state in ("staged", "picking", "delivering"):
            assert await desk.call("POST", path, token, json={"workflow_state": state}) == (
                200,
                batch | {"workflow_state": state},
            )
            assert order.state == state
        assert (await desk.call("POST", path, token, json={"workflow_state": "bags_check"}))[0] == 400
        assert (await desk.call("POST", f"{BATCHES}/1/advance", token))[0] == 404
        assert order.position(NOW) == ROUTE[0]


@pytest.mark.anyio
async def test_a_wrong_batch_or_shopper_is_refused() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        token = await desk.token()
        right = {"batch_type": "delivery", "shopper_id": await shopper(desk, token), "orders": [{"id": "o-1"}]}
        wrongs: list[dict[str, Any]] = [
            {"batch_type": "fast"},
            {"batch_type": "pickup"},
            {"shopper_id": 1},
            {"orders": []},
            {"orders": [{"id": "o-2"}]},
            {"orders": [{"id": "o-1", "user_id": "ben"}]},
            {"orders": "o-1"},
            {"workflow_state": "nowhere"},
        ]
        for wrong in wrongs:
            assert (await desk.call("POST", BATCHES, token, json=right | wrong))[0] == 400, wrong
        assert not desk.world.batches
        assert (await desk.call("POST", BATCHES, json=right))[0] == 401
        status, said = await desk.call("POST", "/v2/fulfillment_sandbox/shoppers", token, json={"email": "a@b"})
        assert (status, said["error"]["code"]) == (400, 9999)
        assert [one["meta"]["key"] for one in said["error"]["errors"]] == ["phone", "password"]


@pytest.mark.anyio
async def test_callbacks_on_demand_are_made_with_a_token_of_ours() -> None:
    got: list[tuple[str, str, bytes]] = []
    done = asyncio.Event()

    async def hook(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        got.append((scope["path"], dict(scope["headers"]).get(b"authorization", b"").decode(), body))
        said = b'{"access_token": "ours", "expires_in": 60}' if scope["path"].endswith("/token") else b""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
        await send({"type": "http.response.body", "body": said})
        if len(got) == 5:
            done.set()

    async with open_desk() as desk, listening(hook) as url:
        order = desk.world.place(bought())
        path = f"/v2/fulfillment_sandbox{ORDER.removeprefix('/v2/post_checkout')}/callbacks"
        async with calling_back(desk.world, replace(INSTACART, url=f"{url}/hooks/connect")), asyncio.timeout(20):
            token = await desk.token()
            assert (await desk.call("POST", path, token, json={"event_name": "delivering"}))[0] == 400
            assert (await desk.call("POST", path.replace("o-1", "o-2"), token, json={"event_name": "canceled"}))[
                0
            ] == 404
            wish = {"batch_type": "delivery", "shopper_id": await shopper(desk, token), "orders": [{"id": "o-1"}]}
            await desk.call("POST", BATCHES, token, json=wish)
            for word in ("late_delivery", "rescheduled", "canceled"):
                assert await desk.call("POST", path, token, json={"event_name": word}) == (200, {"success": True})
            await done.wait()
        assert order.state == "canceled"
    assert got[0][0] == "/hooks/connect/token"
    assert {(path, auth) for path, auth, _ in got[1:]} == {("/hooks/connect", "Bearer ours")}
    names = [msgspec.json.decode(body)["event_name"] for _, _, body in got[1:]]
    assert names == [f"fulfillment.{word}" for word in ("acknowledged", "late_delivery", "rescheduled", "canceled")]


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """Another application in the place of the world's, on a port of its own."""
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.sandbox.server.Application", lambda _world: app)
        async with serve(world) as url:
            yield url


# urb-it.


def test_the_signature_fits_the_known_vectors() -> None:
    nonce, stamp = "48e0e160cbc94953ad33f3d17c5330dc", "1444981142"
    host = "https://stage-retailer-api.urb-it.com"
    get = sign(KEY, SHARED, "GET", f"{host}/v2/checkouts/reference-id/1234", nonce, stamp)
    post = sign(KEY, SHARED, "POST", f"{host}/checkout/status", nonce, stamp, b'{"reference_id":"1234"}')
    assert get == "ycxfkd6ccr5JN2hLKXyeUcQo4vrYMBYoaOvkrM3cnxU="
    assert post == "DsOrEaKPxQIJ10+2zP+YBDU0orYIHgrMPWl4MOnCpl0="
    assert sign(KEY, SHARED, "get", f"{host}/V2/Checkouts/reference-id/1234", nonce, stamp) == get
    assert b64decode(SHARED) == b"0123456789abcdef0123456789abcdef"


def uwa(method: str, url: str, body: bytes = b"", **changes: str) -> dict[str, str]:
    said = {"key": KEY, "secret": SHARED, "nonce": secrets.token_hex(16), "stamp": str(int(NOW))} | changes
    signature = sign(said["key"], said["secret"], method, url, said["nonce"], said["stamp"], body)
    return {"Authorization": f"UWA {said['key']}:{signature}:{said['nonce']}:{said['stamp']}"}


def purchased(desk: Desk, ref: str = "A7-1234", owner: str = KEY) -> None:
    desk.world.happen(Shown("urbit", ref, b'{"checkout_status":"READY"}', owner))


@pytest.mark.anyio
async def test_a_signed_call_sees_the_checkout_both_ways() -> None:
    async with open_desk() as desk:
        purchased(desk)
        purchased(desk, "B/2 å")
        for path in ("A7-1234", "B%2F2%20%C3%A5"):
            url = f"{desk.url}/v2/checkouts/reference-id/{path}"
            answer = await desk.client.get(url, headers=uwa("GET", url))
            assert (answer.status_code, answer.json()) == (200, {"checkout_status": "READY"})
        url, body = f"{desk.url}/checkout/status", b'{"reference_id":"A7-1234"}'
        answer = await desk.client.post(url, content=body, headers=uwa("POST", url, body))
        assert answer.json() == {"checkout_status": "READY"}
        answer = await desk.client.post(url, content=b"{}", headers=uwa("POST", url, b"{}"))
        assert (answer.status_code, answer.json()["status"]) == (422, 422)


@pytest.mark.anyio
async def test_an_unsigned_or_wrongly_signed_call_sees_nothing() -> None:
    async with open_desk() as desk:
        purchased(desk)
        url = f"{desk.url}/v2/checkouts/reference-id/A7-1234"
        good = uwa("GET", url)
        other = b64encode(b"another secret of thirty-two byt").decode()
        wrong = [
            {},
            {"Authorization": "Bearer x"},
            {"Authorization": "UWA a:b:c"},
            {"Authorization": good["Authorization"].replace("UWA", "amx")},
            uwa("GET", url, key="nobody"),
            uwa("GET", url, secret=other),
            uwa("POST", url),
            uwa("GET", url + "?x=1"),
            uwa("GET", url, b"{}"),
            uwa("GET", url, nonce=""),
            uwa("GET", url, stamp="yesterday"),
            uwa("GET", url, stamp=str(int(NOW) - 901)),
            uwa("GET", url, stamp=str(int(NOW) + 901)),
        ]
        for headers in wrong:
            answer = await desk.client.get(url, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized"), headers
        late = uwa("GET", url, stamp=str(int(NOW) - 899))
        assert [(await desk.client.get(url, headers=late)).status_code for _ in range(2)] == [200, 401]
        assert [(await desk.client.get(url, headers=good)).status_code for _ in range(2)] == [200, 401]


@pytest.mark.anyio
async def test_a_shop_sees_only_its_own_checkouts() -> None:
    async with open_desk() as desk:
        purchased(desk, owner="another-key")
        for ref in ("A7-1234", "none"):
            url = f"{desk.url}/v2/checkouts/reference-id/{ref}"
            answer = await desk.client.get(url, headers=uwa("GET", url))
            assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")


# Lolamarket.


@pytest.mark.anyio
async def test_lolamarkets_token_lasts_an_hour_and_shows_its_orders() -> None:
    async with open_desk() as desk:
        (ref,) = {step.ref for step in day([LOLA], seed=1, start=datetime.fromtimestamp(NOW, UTC), orders=1)}
        for step in day([LOLA], seed=1, start=datetime.fromtimestamp(NOW, UTC), orders=1):
            for deed in step.deeds:
                desk.world.happen(deed)
        client = {"clientId": "shop", "clientSecret": "hush-too", "grantType": "client_credentials"}
        for wrong, status in (
            ({"clientSecret": "hush"}, 401),
            ({"clientId": "x"}, 401),
            ({"grantType": "password"}, 403),
        ):
            assert (await desk.call("POST", "/v1/oauth/token", json=client | wrong))[0] == status
        status, said = await desk.call("POST", "/v1/oauth/token", json=client)
        token = said.pop("token")
        assert (status, said) == (200, {"tokenType": "Bearer", "expiresIn": 3600})
        assert (await desk.call("GET", f"/v1/orders/{ref}"))[0] == 401
        status, order = await desk.call("GET", f"/v1/orders/{ref}", token)
        assert (status, order["id"], order["status"].startswith("ORDER_")) == (200, ref, True)
        status, error = await desk.call("GET", "/v1/orders/none", token)
        assert (status, error["errorCode"], error["instance"]) == (404, "ORDER.NOT_FOUND", "/v1/orders/none")
        desk.clock.now += 3600
        assert (await desk.call("GET", f"/v1/orders/{ref}", token))[0] == 401
        _, said = await desk.call("POST", "/v1/oauth/token", json=client)
        assert (await desk.call("POST", "/v1/oauth/token/revoke", json=client | {"token": said["token"]}))[0] == 204
        assert (await desk.call("GET", f"/v1/orders/{ref}", said["token"]))[0] == 401


@pytest.mark.anyio
async def test_a_token_of_one_system_is_none_of_the_other() -> None:
    async with open_desk() as desk:
        assert (await desk.call("GET", "/v1/orders/any", await desk.token()))[0] == 401


def test_lolamarkets_record_keeps_up_with_its_webhooks() -> None:
    seen = Counter[str]()
    for step in day([LOLA], seed=3, start=datetime.fromtimestamp(NOW, UTC), orders=60):
        (deed,) = step.deeds
        assert isinstance(deed, Shown)
        held = msgspec.json.decode(deed.document)
        statuses = Counter(row["status"] for row in held["articles"])
        seen[held["status"]] += 1
        if held["status"] == "ORDER_DELIVERED":
            assert statuses["PENDING"] == 0
        elif held["status"] in ("ORDER_RECEIVED", "ORDER_CONFIRMED"):
            assert set(statuses) == {"PENDING"}
    words = "CONFIRMED RECEIVED REJECTED CANCELED ALLOCATED RESCHEDULED IN_PICKING"
    late = "ON_HOLD IN_TRANSIT RETURNED DELIVERED PICKED"
    assert set(seen) == {f"ORDER_{word}" for word in f"{words} {late}".split()}


# Jane.


def cart(status: str, mode: str = "curbside") -> Shown:
    return Shown("jane", "u-1", msgspec.json.encode({"cart": {"status": status, "reservation_mode": mode}}))


CURB = "/roots/store_operations_api/v1/reservations/u-1/curbside_arrival"


@pytest.mark.anyio
async def test_jane_hears_who_is_at_the_curb() -> None:
    async with open_desk() as desk:
        assert (await desk.call("POST", CURB, "a-bearer"))[0] == 404
        desk.world.happen(cart("ready_for_pickup"))
        assert (await desk.call("POST", CURB))[0] == 401
        assert (await desk.call("POST", CURB, "another"))[0] == 401
        assert (await desk.call("POST", CURB, "a-bearer", content=b"[1]"))[0] == 422
        assert desk.world.arrivals == {}
        assert (await desk.call("POST", CURB, "a-bearer"))[0] == 200
        assert (await desk.call("POST", CURB, "a-bearer", json={"bay": "2"}))[0] == 200
        assert desk.world.arrivals == {"u-1": 2}
        for status, mode, code in (
            ("finished", "curbside", 409),
            ("cancelled", "pickup", 409),
            ("preparing", "delivery", 422),
        ):
            desk.world.happen(cart(status, mode))
            assert (await desk.call("POST", CURB, "a-bearer"))[0] == code
        assert desk.world.arrivals == {"u-1": 2}


@pytest.mark.anyio
async def test_jane_may_ask_for_no_bearer() -> None:
    async with open_desk() as desk:
        desk.world.bearers.clear()
        desk.world.happen(cart("verification", "pickup"))
        assert (await desk.call("POST", CURB))[0] == 200


# What goes wrong.


@pytest.mark.anyio
async def test_every_call_is_remembered_with_its_answer() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        token = await desk.token()
        desk.clock.now += 5
        await desk.call("GET", f"{ORDER}/items?x=1", token)
        await desk.call("DELETE", ORDER, token)
        await desk.call("GET", "/nowhere")
        said = [(call.method, call.path, call.status, call.at - NOW) for call in desk.world.calls]
        assert said == [
            ("POST", "/v2/oauth/token", 200, 0.0),
            ("GET", f"{ORDER}/items", 200, 5.0),
            ("DELETE", ORDER, 405, 5.0),
            ("GET", "/nowhere", 404, 5.0),
        ]


@pytest.mark.anyio
async def test_planned_trouble_comes_where_and_as_often_as_planned() -> None:
    async with open_desk() as desk:
        desk.world.place(bought())
        token = await desk.token()
        desk.world.trouble.plan(429, times=2, path="/items", retry_after="7")
        desk.world.trouble.plan(503, method="GET", path=ORDER)
        path = f"{ORDER}/items"
        first = await desk.client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert (first.status_code, first.headers["retry-after"]) == (429, "7")
        statuses = [(await desk.call("GET", path, token))[0] for _ in range(3)]
        assert statuses == [429, 503, 200]


@pytest.mark.anyio
async def test_a_late_answer_is_true_and_took_effect() -> None:
    async with open_desk() as desk:
        desk.world.happen(cart("ready_for_pickup"))
        desk.world.trouble.plan(0, path="curbside_arrival", seconds=0.5)
        with pytest.raises(httpx2.ReadTimeout):
            await desk.call("POST", CURB, "a-bearer", timeout=0.1)
        assert desk.world.arrivals == {"u-1": 1}
        assert desk.world.called("POST", "curbside_arrival")[0].status == 200


@pytest.mark.anyio
async def test_more_than_the_limit_in_a_second_is_429() -> None:
    async with open_desk(trouble=Trouble(limit=3, retry_after="1")) as desk:
        statuses = [(await desk.call("GET", ORDER))[0] for _ in range(5)]
        desk.clock.now += 1
        statuses.append((await desk.call("GET", ORDER))[0])
        assert statuses == [401, 401, 401, 429, 429, 401]


@pytest.mark.anyio
async def test_chaos_fails_some_calls_and_ends_some_tokens() -> None:
    chaos = Chaos(errors=0.2, limits=0.1, slow=0.0, expiry=0.1, seed=4)
    async with open_desk(trouble=Trouble(chaos=chaos)) as desk:
        desk.world.place(bought())
        seen = Counter[int]()
        token = ""
        for _ in range(200):
            status, said = await desk.call("GET", ORDER, token)
            seen[status] += 1
            if status == 401:
                status, said = await desk.call("POST", "/v2/oauth/token", json=asking("ana"))
                token = said["access_token"] if status == 200 else token
        assert {200, 401, 429} <= seen.keys()
        assert seen.keys() & {500, 502, 503, 504}
        assert seen[200] > 40


def test_chaos_makes_some_answers_slow_up_to_its_slowest() -> None:
    trouble = Trouble(chaos=Chaos(slow=0.5, slowest=3.0, seed=1))
    waits = [trouble.befall("GET", "/x", NOW).seconds for _ in range(100)]
    assert 20 < sum(wait > 0 for wait in waits) < 80
    assert all(wait == 0 or 1 <= wait <= 3 for wait in waits)


@pytest.mark.anyio
async def test_a_taken_port_is_said() -> None:
    async with serve(World()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            async with serve(World(), port=port):
                pass


# Stories, seen from outside.


@pytest.mark.anyio
@pytest.mark.parametrize("name", list(instacart.STORIES))
async def test_a_story_can_be_followed_by_asking(name: str) -> None:
    async with open_desk() as desk:
        beats = instacart.tell(INSTACART, Plan(1, name, 5400.0), Random(3)).beats
        times: list[datetime] = []
        token, states = "", []
        for beat in beats:
            desk.clock.now += beat.wait
            times.append(datetime.fromtimestamp(desk.clock.now, UTC))
            news = beat.write(times)
            for deed in news.deeds:
                desk.world.happen(deed)
            if news.follow:
                token, ref = await desk.token(str(news.follow["user_id"])), news.follow["ref"]
            status, order = await desk.call("GET", f"/v2/post_checkout/orders/{ref}", token)
            assert status == 200
            states.append(order["workflow_state"])
        _, items = await desk.call("GET", f"/v2/post_checkout/orders/{ref}/items", token)
        assert states[0] == "brand_new"
        assert states[-1] in connect.OVER
        if instacart.STORIES[name].kind == "last_mile_delivery":
            assert items["error"]["code"] == 4001
        elif states[-1] == "delivered":
            assert "not_picked" not in {line["status"] for line in items["line_items"]}
