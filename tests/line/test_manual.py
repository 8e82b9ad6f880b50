"""The fall-back when a feed is down: orders that people enter and move, over real HTTP."""

import asyncio
import json
import time
from typing import Any

import httpx2
import pytest
from rig import SECRET, TOKEN, WAIT, Served
from websockets.asyncio.client import connect

from app.store.people import User

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
PLAIN: dict[str, Any] = {"source": "manual", "ref": "R-1", "store": "68", "code": "A7", "fulfilment": "curbside"}
WHOLE = PLAIN | {
    "promised": {"from": "2027-03-01T16:30:00Z", "to": "2027-03-01T17:00:00+00:00"},
    "items": [{"name": "Oat milk", "quantity": 2, "unit": "l"}, {"name": "Bread"}],
    "customer": {"name": "Amida Brooks", "phone": "+1 112 223 3344"},
}


async def call(served: Served, method: str, path: str, body: Any = None, **more: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return await client.request(method, path, content=content, headers=API | more.pop("headers", {}), **more)


async def test_an_order_is_entered_once(served: Served) -> None:
    answers = await asyncio.gather(*(call(served, "POST", "/api/orders", WHOLE) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({json.dumps(answer.json()) for answer in answers}) == 1
    order = answers[0].json()["order"]
    assert (order["source"], order["provider"], order["ref"], order["code"]) == ("manual", "manual", "R-1", "A7")
    assert (order["stage"], order["store"], order["fulfilment"], order["version"]) == ("placed", "68", "curbside", 1)
    assert order["promised"] == {"from": "2027-03-01T16:30:00Z", "to": "2027-03-01T17:00:00Z"}
    assert [(item["id"], item["name"], item["state"]) for item in order["items"]] == [
        ("1", "Oat milk", "pending"),
        ("2", "Bread", "pending"),
    ]
    assert order["customer"]["phone"] == "+1 112 223 3344"
    again = await call(served, "POST", "/api/orders", PLAIN | {"code": "other", "store": "123"})
    assert (again.status_code, again.json()["order"]["code"]) == (200, "A7")
    listed = (await call(served, "GET", "/api/orders?code=a7")).json()["items"]
    assert [order["ref"] for order in listed] == ["R-1"]
    ledger = (await call(served, "GET", "/api/orders/manual/R-1/ledger")).json()["items"]
    assert (ledger[0]["verdict"], ledger[0]["name"], ledger[0]["by"]) == ("applied", "by hand", "api")
    board = (await call(served, "GET", "/api/stores/68/board")).json()["items"]
    assert [order["ref"] for order in board] == ["R-1"]


async def test_without_a_ref_each_is_one_of_its_own(served: Served) -> None:
    body = {name: value for name, value in PLAIN.items() if name != "ref"}
    answers = [await call(served, "POST", "/api/orders", body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    refs = [answer.json()["ref"] for answer in answers]
    assert len(set(refs)) == 2
    assert (await call(served, "GET", f"/api/orders/manual/{refs[0]}")).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"store": None}, "store"),
        ({"store": "none"}, "no store"),
        ({"code": ""}, "code"),
        ({"code": "\u200b"}, "code"),
        ({"fulfilment": "drone"}, "fulfilment"),
        ({"fulfilment": "in_store"}, "fulfilment"),
        ({"promised": "16:30"}, "promised"),
        ({"promised": {"from": "half past four"}}, "promised.from"),
        ({"promised": {"from": "2027-03-01T17:00:00Z", "to": "2027-03-01T16:00:00Z"}}, "promised.to"),
        ({"ref": "a/b"}, "ref"),
        ({"ref": ".."}, "ref"),
        ({"ref": "session:9"}, "ref"),
        ({"ref": "x" * 129}, "ref"),
        ({"items": [{"id": "1", "name": "a"}, {"name": "b", "id": "1"}]}, "same id"),
        ({"items": [{"name": ""}]}, "items"),
        ({"items": [{"name": "a", "quantity": -1}]}, "items"),
        ({"items": [{"name": "a", "image_url": "http://x"}]}, "items"),
        ({"customer": {"name": "a", "age": 7}}, "age"),
        ({"more": 1}, "more"),
    ],
)
async def test_what_does_not_fit_is_told_in_words(served: Served, wrong: dict[str, Any], words: str) -> None:
    answer = await call(served, "POST", "/api/orders", PLAIN | wrong)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert words in answer.json()["detail"]
    assert (await call(served, "GET", "/api/orders")).json()["items"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"manual"', b'{"source": 7}'])
async def test_what_is_no_order_at_all(served: Served, body: bytes) -> None:
    assert (await call(served, "POST", "/api/orders", body)).status_code == 400


async def test_links_and_check_ins_work_on_it(served: Served) -> None:
    await call(served, "POST", "/api/orders", PLAIN)
    url = (await call(served, "POST", "/api/orders/manual/R-1/links")).json()["url"]
    path = url.removeprefix(served.base)
    early = await call(served, "POST", path + "/arrival", data={"state": "here"}, headers={"Origin": "null"})
    assert early.status_code == 409
    staff = await signed_in(served)
    assert (await press(served, staff, "manual/R-1", "ready")).status_code == 204
    here = await call(served, "POST", path + "/arrival", data={"state": "here", "bay": "2"}, headers={"Origin": "null"})
    assert here.status_code == 303
    handed = await call(served, "POST", "/api/orders/manual/R-1/arrival", {"state": "handed_over"})
    assert handed.json()["arrival"]["state"] == "handed_over"
    assert (await press(served, staff, "manual/R-1", "fulfilled")).status_code == 204
    order = (await call(served, "GET", "/api/orders/manual/R-1")).json()
    assert [line["by"] for line in order["timeline"]] == ["api", "sam", "customer", "api", "sam"]


# ---- from the board ----


async def signed_in(served: Served, store: str = "68", role: str = "staff") -> dict[str, str]:
    site = served.house.site

    def enter() -> str:
        served.call(site.people.save(User("sam", role, (store,), "")))
        return str(served.call(site.people.enter("sam", time.time())))

    return {"Cookie": f"{site.cookie}={await asyncio.to_thread(enter)}", "Origin": served.base, "Authorization": ""}


async def press(served: Served, staff: dict[str, str], path: str, stage: str, store: str = "68") -> httpx2.Response:
    return await call(served, "POST", f"/board/{store}/orders/{path}/stage", data={"stage": stage}, headers=staff)


async def jane(served: Served, status: str) -> None:
    cart = {
        "id": 7469, "uuid": "c1", "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
        "queue_number": "G19", "customer_name": "Amida Brooks", "products": [],
    }  # fmt: skip
    body = {"cart": cart, "webhook_event": "cart_status_updated"}
    answer = await call(served, "POST", "/hooks/jane-68", body, headers={"Authorization": f"Bearer {SECRET}"})
    assert answer.status_code == 202


async def test_a_move_by_hand_shows_at_once_and_the_next_word_counts(served: Served) -> None:
    await jane(served, "preparing")
    staff = await signed_in(served)
    async with connect(f"{served.ws}/live/board/68", additional_headers=API) as socket:
        await socket.recv()
        assert (await press(served, staff, "jane-68/c1", "ready")).status_code == 204
        async with asyncio.timeout(WAIT):
            while "Moved by hand, sam" not in str(await socket.recv()):
                pass
    order = (await call(served, "GET", "/api/orders/jane-68/c1")).json()
    assert (order["stage"], order["raw_status"], order["timeline"][-1]["by"]) == ("ready", "preparing", "sam")
    ledger = (await call(served, "GET", "/api/orders/jane-68/c1/ledger")).json()["items"]
    assert (ledger[-1]["name"], ledger[-1]["by"], ledger[-1]["note"]) == ("by hand", "sam", "ready")
    await jane(served, "delivery_started")
    assert (await call(served, "GET", "/api/orders/jane-68/c1")).json()["stage"] == "staged"
    page = await call(served, "GET", "/board/68", headers=staff)
    assert "Moved by hand" not in page.text
    deeds, _ = await asyncio.to_thread(served.call, served.house.site.audit.page(stores=["68"]))
    assert [(deed.who, deed.what, deed.about, deed.detail) for deed in deeds] == [
        ("sam", "stage_set", "jane-68:c1", "ready")
    ]


async def test_who_may_move_and_what(served: Served) -> None:
    await jane(served, "preparing")
    staff = await signed_in(served)
    assert (await press(served, staff, "jane-68/c1", "in_transit")).status_code == 400
    assert (await press(served, staff, "jane-68/c1", "nonsense")).status_code == 400
    assert (await press(served, staff, "jane-68/c1", "")).status_code == 409  # nothing to take back
    assert (await press(served, staff, "jane-68/none", "ready")).status_code == 404
    assert (await press(served, staff, "jane-68/c1", "ready", store="123")).status_code == 404
    assert (
        await press(served, staff | {"Origin": "https://elsewhere.example"}, "jane-68/c1", "ready")
    ).status_code == 403
    assert (await press(served, staff | {"Cookie": ""}, "jane-68/c1", "ready")).status_code in (303, 307, 302, 401)
    assert (await press(served, await signed_in(served, "123"), "jane-68/c1", "ready")).status_code == 404


async def test_the_boards_form_enters_an_order(served: Served) -> None:
    staff = await signed_in(served)
    form = {
        "ref": "f-1", "code": "B 12", "fulfilment": "pickup", "from": "2027-03-01T16:30", "to": "", "name": "Noor Aziz",
        "phone": "", "items": "2 oat milk\n\nbread\n3x apples",
    }  # fmt: skip
    for _ in range(2):
        assert (await call(served, "POST", "/board/68/orders", data=form, headers=staff)).status_code == 204
    orders = (await call(served, "GET", "/api/orders?store=68")).json()["items"]
    assert len(orders) == 1
    assert orders[0]["promised"] == {"from": "2027-03-02T00:30:00Z", "to": None}  # the store's zone
    assert [(item["name"], item["quantity"]) for item in orders[0]["items"]] == [
        ("oat milk", 2), ("bread", None), ("apples", 3),
    ]  # fmt: skip
    assert orders[0]["timeline"][0]["by"] == "sam"
    head = staff | {"HX-Request": "true"}
    bad = await call(served, "POST", "/board/68/orders", data=form | {"code": ""}, headers=head)
    assert (bad.status_code, "code" in bad.json()["detail"]) == (400, True)
    assert (await call(served, "POST", "/board/123/orders", data=form, headers=staff)).status_code == 404
