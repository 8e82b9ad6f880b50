"""What the API says of itself is so: every call is there, and every answer has the shape that is told."""

from collections.abc import Iterator
from typing import Any, get_args

import httpx2
import msgspec
import pytest
from rig import SECRET, TOKEN, WAIT, Served

from app.orders import ITEM_STATES, RANK
from app.web import answers
from app.web.schema import CALLS, ORDER

BEARER = {"Authorization": f"Bearer {SECRET}"}
KEY = {"source": "lola", "ref": "3fa85f64"}
SCREENS = "/api/stores/{store}/screens"


@pytest.fixture
def api(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.base, timeout=WAIT, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def asked(api: httpx2.Client, method: str, path: str, body: Any = None, names: dict[str, str] = KEY) -> Any:
    """The answer, in the shape that is told of its status."""
    answer = api.request(method, path.format(**names), **({} if body is None else {"json": body}))
    does = CALLS[method.lower(), path]
    shape = does.answers.get(answer.status_code, answers.Problem)
    assert answer.status_code in does.answers or answer.status_code >= 400, answer.text
    return None if shape is None else msgspec.json.decode(answer.content, type=shape)


def lola(**more: Any) -> dict[str, Any]:
    row = {"scanCode": "1", "quantityRequested": 2.0, "quantityFulfilled": 1.0, "quantityFulfilledUnit": "unit"}
    other = {"itemId": "2", "quantityFulfilledUnit": "unit", "quantityFulfilled": 1}
    payload = {
        "id": "3fa85f64", "orderRef": "2381", "serviceType": "PICKING",
        "pickingLocation": {"id": "68", "name": "N"}, "shopper": {"id": "s", "name": "Lu", "picture": "https://a.example/b"},
        "timeSlot": {"fromDate": "2023-01-12T14:00:00+00:00", "toDate": "2023-01-12T15:00:00+00:00"},
        "oldTimeslot": {"fromDate": "2023-01-11T14:00:00+00:00", "toDate": "2023-01-11T15:00:00+00:00"},
        "articles": [{"itemId": "1", "replaced": True, "replacement": [other], **row}],
        "reason": {"code": "LATE", "description": "Traffic."},
    }  # fmt: skip
    return {
        "eventId": 1, "eventName": "order.onHold", "eventProvider": "glovo-xl",
        "eventTimestamp": "2023-01-10T18:31:00Z",
        "eventPayload": {**payload, **more},
    }  # fmt: skip


def post(api: httpx2.Client, path: str, body: Any) -> int:
    return api.post(path, json=body, headers=BEARER).status_code


def test_the_words_are_the_rules_own() -> None:
    assert get_args(answers.Stage) == tuple(RANK)
    assert get_args(answers.ItemState) == ITEM_STATES


def test_every_call_is_described_and_no_page(api: httpx2.Client) -> None:
    told = api.get("/api/schema").json()
    there = {(method, path) for path, item in told["paths"].items() for method in item}
    assert there == set(CALLS)
    assert told["security"] == [{"token": []}]
    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert told["paths"]["/healthz"]["get"]["security"] == []
    body = told["paths"]["/api/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert [one["$ref"].rpartition("/")[2] for one in body["oneOf"]] == ["FollowOrder", "ManualOrder"]
    assert "status_code" not in str(told), "Litestar's own problems are not ours"


def test_every_reference_leads_somewhere(api: httpx2.Client) -> None:
    told = api.get("/api/schema/openapi.json").json()
    parts = told["components"]["schemas"]
    used: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            used.update([node["$ref"].rpartition("/")[2]] if "$ref" in node else [])
            node = list(node.values())
        for one in node if isinstance(node, list) else []:
            walk(one)

    walk(told)
    assert used == set(parts)
    assert set(parts["Order"]["required"]) == set(parts["Order"]["properties"])
    assert "\\Z" not in str(parts)


def test_orders_have_their_shape(api: httpx2.Client) -> None:
    assert post(api, "/hooks/lola", lola()) == 202
    order = asked(api, "GET", ORDER)
    assert (order.promised.end, order.previous_promise.start) == ("2023-01-12T15:00:00Z", "2023-01-11T14:00:00Z")
    assert (order.items[0].state, order.items[0].replacements[0].id, order.reason.code) == ("replaced", "2", "LATE")
    manual = {"source": "manual", "store": "68", "code": "M1", "fulfilment": "pickup", "ref": "m1"}
    manual |= {"customer": {"name": "A"}, "items": [{"name": "Milk", "quantity": 2}]}  # type: ignore[dict-item]
    assert asked(api, "POST", "/api/orders", manual).order.items[0].name == "Milk"
    assert asked(api, "POST", "/api/orders", manual).order.customer.name == "A"
    assert asked(api, "POST", "/api/orders", {"source": "lola", "ref": "x"}).status == 400
    assert len(asked(api, "GET", "/api/orders").items) == 2
    assert len(asked(api, "GET", "/api/stores/{store}/board", names={"store": "68"}).items) == 2
    assert asked(api, "GET", ORDER + "/ledger").items[0].verdict == "applied"
    assert asked(api, "GET", ORDER + "/calls").items == []
    assert asked(api, "GET", ORDER, names={"source": "lola", "ref": "none"}).status == 404


def test_links_check_ins_and_screens_have_their_shape(api: httpx2.Client) -> None:
    assert post(api, "/hooks/lola", lola()) == 202
    made = asked(api, "POST", ORDER + "/links")
    assert asked(api, "POST", ORDER + "/links", {"kind": "delegate"}).kind == "delegate"
    page = made.url.rpartition("/")[2]
    here = api.post(f"/t/{page}/arrival", data={"state": "here", "bay": "1", "vehicle": "red"})
    assert here.status_code == 303, here.text
    arrival = asked(api, "POST", ORDER + "/arrival", {"state": "claimed"}).arrival
    assert (arrival.state, arrival.bay, arrival.claimed_by) == ("claimed", "1", "api")
    assert asked(api, "POST", ORDER + "/arrival", {"state": "nothing"}).status == 400
    assert len(asked(api, "GET", ORDER + "/links").items) == 2
    link = {"link_id": asked(api, "POST", "/api/links/{link_id}/reissue", names={"link_id": made.id}).id}
    assert asked(api, "DELETE", "/api/links/{link_id}", names=link) is None
    assert asked(api, "DELETE", "/api/links/{link_id}", names=link).status == 404
    screen = asked(api, "POST", SCREENS, {"kind": "tv"}, {"store": "68"})
    assert asked(api, "DELETE", "/api/screens/{screen}", names={"screen": screen.id}) is None


def test_feeds_and_quarantine_have_their_shape(api: httpx2.Client) -> None:
    assert post(api, "/hooks/lola", {"eventName": 5}) == 400
    (kept,) = asked(api, "GET", "/api/quarantine").items
    entry = {"entry": kept.id}
    assert asked(api, "GET", "/api/quarantine/{entry}", names=entry).body == '{"eventName":5}'
    assert asked(api, "POST", "/api/quarantine/{entry}/replay", names=entry).status == 409
    assert asked(api, "POST", "/api/quarantine/replay").left[0].id == kept.id
    assert {source.id for source in asked(api, "GET", "/api/sources").items} == {"aifi", "jane-68", "lola"}
    assert asked(api, "GET", "/api/calls").items == []
    assert asked(api, "POST", "/api/calls/replay").again == 0
    assert asked(api, "GET", "/healthz").status == "ok"
    assert asked(api, "GET", "/readyz").redis == "ok"
