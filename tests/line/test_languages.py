"""Which language a customer's page, its socket and its refusals are in, over real HTTP and real sockets."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from rig import SECRET, TOKEN, WAIT, Served, free_port, settings_of
from websockets.asyncio.client import ClientConnection, connect

API = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def served(redis_server: str) -> Iterator[Served]:
    settings = settings_of(free_port())
    stores = {**settings.stores, "68": replace(settings.stores["68"], language="sv")}
    running = Served(replace(settings, stores=stores), redis_server).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.base, timeout=WAIT) as client:
        yield client


def said(http: httpx2.Client, uuid: str, status: str) -> None:
    cart = {
        "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "curbside", "amount": 41.8, "store_id": 68,
        "queue_number": "G19", "customer_name": "Amida Brooks", "customer_phone_number": "+1 112 223 3344",
        "reservation_start_window": "2036-06-21 22:45:00", "products": [],
    }  # fmt: skip
    body = {"cart": cart, "webhook_event": "cart_status_updated"}
    head = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    assert http.post("/hooks/jane-68", content=json.dumps(body), headers=head).status_code == 202


def link(http: httpx2.Client, uuid: str, status: str) -> str:
    said(http, uuid, status)
    made = http.post(f"/api/orders/jane-68/{uuid}/links", headers=API).json()
    return "/t/" + made["url"].rpartition("/")[2]


def asked(lang: str) -> dict[str, str]:
    return {"Accept-Language": lang}


# ---- pages ----


@pytest.mark.parametrize(
    ("path", "header", "lang", "headline"),
    [
        ("", "", "en", "Your order is ready."),
        ("", "es-MX,es;q=0.9,en;q=0.8", "es", "Tu pedido está listo."),
        ("", "sv-FI", "sv", "Din beställning är klar."),
        ("?lang=pl", "es", "pl", "Zamówienie jest gotowe."),
        ("?lang=tlh", "es", "es", "Tu pedido está listo."),
        ("?lang=", ";;q=", "en", "Your order is ready."),
    ],
)
def test_a_page_is_in_the_language_that_is_wanted(
    http: httpx2.Client, path: str, header: str, lang: str, headline: str
) -> None:
    answer = http.get(link(http, "c1", "ready_for_pickup") + path, headers=asked(header))
    assert f'<html lang="{lang}"' in answer.text
    assert f"<h1>{headline}</h1>" in answer.text
    assert f'lang="{lang}" hreflang="{lang}" aria-current="true"' in answer.text
    assert answer.headers["content-language"] == lang
    assert "accept-language" in answer.headers["vary"].lower()
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


def test_a_picked_language_stays_in_every_address(http: httpx2.Client) -> None:
    here = link(http, "c1", "ready_for_pickup")
    page = http.get(here + "?lang=pl&bay=2").text
    assert f'action="{here}/arrival?lang=pl"' in page
    assert f'href="{here}?lang=sv&amp;bay=2"' in page
    assert "lang=pl&amp;bay=2" in page.partition("<noscript>")[2]
    assert (
        "lang=" not in http.get(here, headers=asked("pl")).text.partition("<noscript>")[2].partition("</noscript>")[0]
    )
    answer = http.post(f"{here}/arrival?lang=pl", data={"state": "on_my_way"}, headers={"Origin": "null"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{here}?lang=pl")


def test_what_stands_in_the_way_is_said_in_the_pages_language(http: httpx2.Client) -> None:
    here = link(http, "c2", "confirmed")
    page = http.post(f"{here}/arrival", data={"state": "here"}, headers={"Origin": "null", **asked("es")})
    assert page.status_code == 409
    assert "Es pronto para avisar." in page.text
    script = http.post(f"{here}/arrival?lang=pl", data={"state": "here"}, headers={"HX-Request": "true"})
    assert script.json()["title"] == "Teraz nie jest to możliwe"
    assert script.json()["detail"].startswith("Za wcześnie na zgłoszenie.")


def test_pages_of_nothing_are_in_the_language_too(http: httpx2.Client) -> None:
    gone = http.get("/t/" + "y" * 32, headers=asked("sv"))
    assert gone.status_code == 404
    assert "Länken gäller inte längre." in gone.text
    bay = http.get("/c/68/99", headers=asked("es"))
    assert bay.status_code == 404
    assert "Esa plaza no existe. Pregunta en la tienda." in bay.text
    assert "Not found" not in bay.text
    assert 'href="/"' not in bay.text  # the start page is the staff's
    foreign = http.post("/c/68/2", data={}, headers={"Origin": "https://elsewhere.example", **asked("pl")})
    assert (foreign.status_code, "To przyszło z innej witryny." in foreign.text) == (403, True)
    assert "Adressen tar inte emot den metoden." in http.put("/c/68/2", headers=asked("sv")).text


def test_a_sign_hangs_in_the_stores_language_and_answers_in_the_phones(http: httpx2.Client) -> None:
    assert "Skanna koden." in http.get("/c/68/2?print", headers=asked("es")).text
    assert "¿Vienes por tu pedido?" in http.get("/c/68/2", headers=asked("es")).text
    wrong = http.post("/c/68/2?lang=pl", data={"code": "G99", "digits": "0000"})
    assert "Nie ma otwartego zamówienia z tymi danymi." in wrong.text
    link(http, "c3", "ready_for_pickup")
    found = http.post("/c/68/2?lang=pl", data={"code": "G19", "digits": "3344"})
    assert found.status_code in (303, 404)  # other tests' orders may have the same code
    if found.status_code == 303:
        assert found.headers["location"].endswith("?bay=2&lang=pl")


def test_the_screen_of_what_is_ready_is_in_the_stores_language(http: httpx2.Client) -> None:
    made = http.post("/api/stores/68/screens", json={"kind": "ready"}, headers=API).json()
    page = http.get("/screen/" + made["url"].rpartition("/")[2], headers=asked("es")).text
    assert '<html lang="sv"' in page
    assert "Visa din kod eller telefon vid disken." in page


# ---- pushes ----


async def frame(socket: ClientConnection) -> str:
    """The next frame that shows something."""
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), WAIT))
        if message.get("content"):
            return str(message["content"])


@pytest.mark.anyio
async def test_each_of_two_who_watch_one_order_reads_their_own_language(served: Served, http: httpx2.Client) -> None:
    here = link(http, "c4", "confirmed")
    track = f"{served.ws}/live{here.replace('/t/', '/track/')}"
    async with (
        connect(track + "?lang=es") as spanish,
        connect(track, additional_headers=asked("pl")) as polish,
        connect(track + "?lang=en", additional_headers=asked("pl")) as english,
    ):
        first = [await frame(socket) for socket in (spanish, polish, english)]
        said(http, "c4", "ready_for_pickup")
        then = [await frame(socket) for socket in (spanish, polish, english)]
        watched = {name.rpartition("|")[2] for name in served.house.site.hub.groups() if "c4" in name}
    assert ["Ya tenemos tu pedido." in first[0], "Mamy Twoje zamówienie." in first[1]] == [True, True]
    heads = ("Tu pedido está listo.", "Zamówienie jest gotowe.", "Your order is ready.")
    assert [[head in one for head in heads] for one in then] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
    assert watched == {"es", "pl", "en"}  # nobody reads Swedish, so nothing is rendered in it
