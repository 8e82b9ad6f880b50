"""Checking in from the customer's page and from a bay's sign, over real HTTP: every rule, and who is kept out."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from rig import SECRET, TOKEN, WAIT, Served, free_port, settings_of
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.web import signs

API = {"Authorization": f"Bearer {TOKEN}"}
TOO_FAR = "2036-06-21 22:45:00"


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Customer:
    """A phone without scripts."""

    def __init__(self, served: Served, clock: Clock) -> None:
        self.served, self.clock = served, clock
        self.http = httpx2.Client(base_url=served.base, timeout=WAIT)

    def order(self, status: str = "ready_for_pickup", uuid: str = "c1", code: str = "G19", **more: Any) -> None:
        cart = {
            "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
            "queue_number": code, "customer_name": "Amida Brooks", "customer_phone_number": "+1 112 223 3344",
            "reservation_start_window": TOO_FAR, "products": [], **more,
        }  # fmt: skip
        body = {"cart": cart, "webhook_event": "cart_status_updated"}
        head = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        assert self.http.post("/hooks/jane-68", content=json.dumps(body), headers=head).status_code == 202

    def link(self, kind: str = "customer", uuid: str = "c1") -> str:
        made = self.http.post(f"/api/orders/jane-68/{uuid}/links", json={"kind": kind}, headers=API).json()
        return "/t/" + made["url"].rpartition("/")[2]

    def tell(self, link: str, state: str, head: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        return self.http.post(link + "/arrival", data={"state": state, **fields}, headers=head or {"Origin": "null"})

    def seen(self, uuid: str = "c1") -> dict[str, Any]:
        order: dict[str, Any] = self.http.get(f"/api/orders/jane-68/{uuid}", headers=API).json()
        return order

    def arrival(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.seen()["arrival"]
        return found

    def staff(self, state: str) -> None:
        answer = self.http.post("/api/orders/jane-68/c1/arrival", json={"state": state}, headers=API)
        assert answer.status_code == 200, answer.text

    def sign(self, code: str, digits: str, path: str = "/c/68/2", **head: str) -> httpx2.Response:
        return self.http.post(path, data={"code": code, "digits": digits}, headers=head)


@pytest.fixture
def customer(redis_url: str) -> Iterator[Customer]:
    clock = Clock()
    running = Served(settings_of(free_port()), redis_url, clock).start()
    made = Customer(running, clock)
    yield made
    made.http.close()
    running.stop()


def refused(answer: httpx2.Response, words: str, status: int = 409) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.text


def test_on_my_way_then_here_a_minute_later(customer: Customer) -> None:
    customer.order()
    link = customer.link()
    answer = customer.tell(link, "on_my_way", vehicle="grey Corolla")
    assert (answer.status_code, answer.headers["location"]) == (303, link)
    assert customer.seen()["stage"] == "ready"
    refused(customer.tell(link, "here", bay="2"), "in a minute")
    assert customer.arrival()["state"] == "on_my_way"  # type: ignore[index]
    customer.clock.ahead = 61
    assert customer.tell(link, "here", bay="2").status_code == 303
    arrival = customer.arrival()
    assert arrival is not None
    assert (arrival["state"], arrival["bay"], arrival["vehicle"]) == ("here", "2", "grey Corolla")
    assert customer.seen()["stage"] == "ready"


@pytest.mark.parametrize("kind", ["customer", "delegate"])
def test_here_alone_is_fine_and_a_repeat_does_nothing(customer: Customer, kind: str) -> None:
    customer.order()
    link = customer.link(kind)
    for _ in range(3):
        assert customer.tell(link, "here", bay="1").status_code == 303
    assert customer.tell(link, "here", {"HX-Request": "true"}).status_code == 204
    assert customer.seen()["version"] == 2
    refused(customer.tell(link, "on_my_way"), "checked in already")


def test_too_early_too_late_and_brought_to_the_door(customer: Customer) -> None:
    customer.order("preparing")
    link = customer.link()
    refused(customer.tell(link, "here"), "too early")
    assert "I’m here" not in customer.http.get(link).text
    customer.order("ready_for_pickup")
    assert "I’m here" in customer.http.get(link).text
    assert customer.tell(link, "here").status_code == 303
    customer.staff("handed_over")
    refused(customer.tell(link, "here"), "is over")
    refused(customer.tell(link, "on_my_way"), "is over")
    assert customer.arrival()["state"] == "handed_over"  # type: ignore[index]
    customer.order("ready_for_pickup", "c2", reservation_mode="delivery")
    refused(customer.tell(customer.link(uuid="c2"), "here"), "brought to you")
    assert customer.seen("c2")["arrival"] is None


def test_a_script_hears_why_not(customer: Customer) -> None:
    customer.order("preparing")
    answer = customer.tell(customer.link(), "here", {"HX-Request": "true"})
    assert (answer.status_code, "too early" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "claimed"},
        {"state": "handed_over"},
        {"state": ""},
        {"state": "here", "bay": "9"},
        {"state": "here", "bay": "1 "},
        {"state": "here", "vehicle": "x" * 65},
        {"state": "here", "vehicle": "a\nb"},
        {"state": "here", "vehicle": "a\u202eb"},
    ],
)
def test_fields_have_bounds(customer: Customer, fields: dict[str, str]) -> None:
    customer.order()
    assert customer.tell(customer.link(), **fields).status_code == 400  # type: ignore[arg-type]
    assert customer.arrival() is None


def test_a_vehicle_is_shown_as_text(customer: Customer) -> None:
    customer.order()
    link = customer.link()
    assert customer.tell(link, "here", vehicle='"><script>alert(1)</script>').status_code == 303
    assert "<script>alert" not in customer.http.get(link).text


def test_five_a_minute_a_link(customer: Customer) -> None:
    customer.order()
    link = customer.link()
    codes = [customer.tell(link, "here").status_code for _ in range(6)]
    assert codes == [303] * 5 + [429]
    assert customer.tell(customer.link(), "here").status_code == 303


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ({"Origin": "null"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"X-None": "1"}, 303),
    ],
)
def test_only_from_our_own_page(customer: Customer, head: dict[str, str], status: int) -> None:
    customer.order()
    assert customer.tell(customer.link(), "here", head).status_code == status
    assert (customer.arrival() is None) == (status == 403)


def test_a_link_that_opens_nothing_says_nothing(customer: Customer) -> None:
    customer.order()
    wrong, page = customer.tell("/t/nothing", "here"), customer.http.get("/t/nothing")
    assert (wrong.status_code, wrong.text) == (404, page.text)
    assert customer.tell("/t/nothing", "here", {"HX-Request": "true"}).status_code == 404
    assert customer.arrival() is None


def test_nobody_saw_it_for_twenty_seconds(customer: Customer) -> None:
    customer.order()
    link = customer.link()
    customer.tell(link, "here")
    assert "Nobody has seen it yet" not in customer.http.get(link).text
    before = customer.served.call(customer.served.house.site.orders.get("jane-68:c1")).order.rev
    customer.clock.ahead = 21
    until = time.monotonic() + WAIT
    while customer.served.call(customer.served.house.site.orders.get("jane-68:c1")).order.rev == before:
        assert time.monotonic() < until, "the page was not drawn again"
        time.sleep(0.05)
    assert "Nobody has seen it yet" in customer.http.get(link).text


def test_who_could_not_be_found_is_asked_where(customer: Customer) -> None:
    customer.order()
    link = customer.link()
    customer.tell(link, "here", bay="1")
    customer.staff("claimed")
    customer.staff("cannot_find")
    assert "Where are you?" in customer.http.get(link).text
    assert customer.tell(link, "here", bay="2", vehicle="by the bakery").status_code == 303
    arrival = customer.arrival()
    assert arrival is not None
    assert (arrival["state"], arrival["bay"], arrival["vehicle"]) == ("claimed", "2", "by the bakery")


# ---- bay signs ----


def test_a_sign_is_a_page_and_a_sheet(customer: Customer) -> None:
    assert "Last 4 digits" in customer.http.get("/c/68/2").text
    assert "<svg viewBox" in customer.http.get("/c/68/2?print").text
    for path in ("/c/68/9", "/c/nowhere/1", "/c/123/1"):
        assert customer.http.get(path).status_code == 404
        assert customer.sign("G19", "3344", path).status_code == 404


def test_code_and_digits_open_the_order_with_the_bay_filled_in(customer: Customer) -> None:
    customer.order()
    answer = customer.sign(" g19 ", "3344")
    assert answer.status_code == 303
    assert re.fullmatch(r"/t/[\w-]{32}\?bay=2", answer.headers["location"])
    page = customer.http.get(answer.headers["location"]).text
    assert 'value="2" form="checkin" checked' in page
    assert "$41.80" not in page


def test_guessing_from_many_addresses_is_slowed(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has one IPv6 address has 2 ** 64 of them."""
    customer.order()
    near = [customer.sign("none", "0000", **{"X-Forwarded-For": f"2001:db8::{n:x}"}) for n in range(1, 8)]
    assert [answer.status_code for answer in near] == [404] * signs.TRIES + [429] * (7 - signs.TRIES)
    monkeypatch.setattr(signs, "TRIES_CODE", 3)
    far = [customer.sign("g19", f"{n:04}", **{"X-Forwarded-For": f"2001:db8:{n:x}::1"}) for n in range(1, 6)]
    assert [answer.status_code for answer in far] == [404, 404, 404, 429, 429]
    assert customer.sign("G19", "3344", **{"X-Forwarded-For": "2001:db8:aaaa::1"}).status_code == 429


def test_whatever_is_wrong_looks_the_same(customer: Customer) -> None:
    customer.order()
    customer.order("ready_for_pickup", "c2", "D1", reservation_mode="delivery")
    customer.order("finished", "c3", "F1")
    tries = [("G19", "0000"), ("G19", ""), ("D1", "3344"), ("F1", "3344"), ("none", "3344")]
    answers = [customer.sign(code, digits) for code, digits in tries]
    assert {answer.status_code for answer in answers} == {404}
    assert len({re.sub(r'name="code" value="\w+"', "", answer.text) for answer in answers}) == 1


def test_five_tries_a_minute_an_address(customer: Customer) -> None:
    customer.order()
    assert [customer.sign("G19", "0000").status_code for _ in range(5)] == [404] * 5
    assert customer.sign("G19", "3344").status_code == 429


def test_a_sign_answers_its_own_page_only(customer: Customer) -> None:
    customer.order()
    assert customer.sign("G19", "3344", Origin="https://evil.example").status_code == 403
    assert customer.sign("G19", "3344", Origin="null").status_code == 403
    assert customer.sign("G19", "3344", Origin=customer.served.base).status_code == 303


def test_a_network_counts_as_one_address(redis_url: str) -> None:
    """Whoever has one IPv6 address has 2 ** 64 of them."""
    served = Served(settings_of(free_port(), sockets_per_ip=1), redis_url).start()
    try:
        token = httpx2.post(f"{served.base}/api/stores/68/screens", json={"kind": "tv"}, headers=API).json()["url"]
        place = served.ws + "/live/screen/" + token.rpartition("/")[2]
        with connect(place, additional_headers={"X-Forwarded-For": "2001:db8::1"}) as first:
            first.recv(WAIT)
            with connect(place, additional_headers={"X-Forwarded-For": "2001:db8::2"}) as second:
                with pytest.raises(ConnectionClosed):
                    second.recv(WAIT)
                assert second.protocol.close_code == 1013
            with connect(place, additional_headers={"X-Forwarded-For": "2001:db8:1::1"}) as other:
                other.recv(WAIT)
    finally:
        served.stop()
