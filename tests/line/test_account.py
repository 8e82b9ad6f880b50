"""Signing in, one's own account, and PINs: over HTTP, on a real server."""

import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx2
import pytest
import redis
from argon2 import PasswordHasher
from rig import WAIT, Served, free_port, settings_of
from test_screens import take

from app.settings import Settings
from app.store.people import Session, User, hashed
from app.web import pins, staff
from app.web.device import device
from app.web.staff import HASHER

PASSWORD = "a long enough password"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HASH = QUICK.hash(PASSWORD)
PIN = "2580"
PIN_HASH = QUICK.hash(PIN)


class Shop:
    def __init__(self, served: Served) -> None:
        self.served = served
        self.site = served.house.site
        self.clients: list[httpx2.Client] = []

    def client(self, **more: str) -> httpx2.Client:
        made = httpx2.Client(base_url=self.served.base, timeout=WAIT, headers=more)
        self.clients.append(made)
        return made

    def user(self, name: str, role: str = "staff", stores: tuple[str, ...] = ("68",), **more: str) -> User:
        made = User(name, role, stores, more.pop("password", HASH), **more)
        self.served.call(self.site.people.save(made))
        return made

    def signed_in(self, name: str = "mara", **more: str) -> httpx2.Client:
        client = self.client(**more)
        assert enter(client, name).status_code == 303
        return client

    def sessions(self, name: str = "mara") -> list[Session]:
        found: list[Session] = self.served.call(self.site.people.sessions(name))
        return found

    def deeds(self) -> list[tuple[str, str, str]]:
        return [(deed.who, deed.what, deed.via) for deed in self.served.call(self.site.audit.page())[0]]


def enter(client: httpx2.Client, name: str, password: str = PASSWORD, **more: str) -> httpx2.Response:
    return client.post("/login", data={"username": name, "password": password, **more})


def settings(**server: object) -> Settings:
    made = settings_of(free_port(), **server)
    made.stores["68"] = type(made.stores["68"])(id="68", name="Jane's Shop", timezone="UTC", bays=("1",), pin=True)
    return made


@pytest.fixture(scope="module")
def running(redis_server: str) -> Iterator[Served]:
    made = Served(settings(), redis_server).start()
    yield made
    made.stop()


@pytest.fixture
def shop(running: Served, redis_url: str) -> Iterator[Shop]:
    made = Shop(running)
    yield made
    for client in made.clients:
        client.close()


# ---- signing in ----


def test_a_session_is_new_with_each_sign_in_and_its_cookie_is_shut(shop: Shop) -> None:
    shop.user("mara")
    client = shop.client()
    client.cookies.set("orderboard", "fixed-by-somebody-else", domain="127.0.0.1")
    answer = enter(client, "mara")
    first = answer.cookies["orderboard"]
    assert first != "fixed-by-somebody-else"
    cookies = [value.lower() for name, value in answer.headers.multi_items() if name == "set-cookie"]
    assert len(cookies) == 2
    for said in cookies:
        assert "httponly" in said
        assert "samesite=lax" in said
        assert "path=/" in said
        assert "domain" not in said
        assert "max-age" in said
    assert answer.headers["cache-control"] == "no-store"
    again = enter(client, "mara")
    assert again.cookies["orderboard"] != first
    assert len(shop.sessions()) == 1, "the session that this browser had is ended"
    with shop.client() as old:
        old.cookies.set("orderboard", first, domain="127.0.0.1")
        assert old.get("/board/68").status_code == 302


def test_cookies_are_bound_to_https_where_there_is_https(redis_url: str) -> None:
    served = Served(settings(public_url="https://board.example"), redis_url)
    assert served.settings.server.secure
    served.settings = settings(public_url="https://board.example")
    port = served.settings.server.port
    served.start()
    served.call(served.house.site.people.save(User("mara", "staff", ("68",), HASH)))
    try:
        answer = httpx2.post(f"http://127.0.0.1:{port}/login", data={"username": "mara", "password": PASSWORD})
        cookies = [value for name, value in answer.headers.multi_items() if name == "set-cookie"]
        assert sorted(one.partition("=")[0] for one in cookies) == ["__Host-orderboard", "__Host-orderboard-known"]
        assert all("Secure" in one and "Path=/" in one and "Domain" not in one for one in cookies)
    finally:
        served.stop()


@pytest.mark.parametrize(
    ("given", "to"),
    [
        ("/board/68", "/board/68"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\t/evil.example", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_one_stays_here(shop: Shop, given: str, to: str) -> None:
    shop.user("mara")
    assert enter(shop.client(), "mara", next=given).headers["location"] == to


def test_who_is_sent_to_sign_in_comes_back(shop: Shop) -> None:
    answer = shop.client().get("/board/a%26b%23c")
    assert answer.headers["location"] == "/login?next=/board/a%26b%23c"


@pytest.mark.parametrize("name", ["nobody", "mara", "gone", "oidc", ""])
def test_a_refused_sign_in_looks_the_same(shop: Shop, name: str) -> None:
    shop.user("mara")
    shop.user("gone")
    shop.served.call(shop.site.people.change("gone", disabled=True))
    shop.user("oidc", password="")
    right = PASSWORD if name in ("gone", "oidc") else "wrong"
    wrong = enter(shop.client(), name, right)
    known = enter(shop.client(), "mara", "wrong")
    assert (wrong.status_code, wrong.text) == (known.status_code, known.text) == (401, known.text)
    assert not wrong.cookies


def test_a_refusal_takes_as_long_for_a_name_that_nobody_has(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the work that is done, not by a stopwatch: one hash is checked in each case, with the same cost."""
    asked: list[str] = []
    verify = staff._verify

    def noted(known: str, secret: str) -> bool:
        asked.append(known)
        return verify(known, secret)

    monkeypatch.setattr(staff, "_verify", noted)
    dear = HASHER.hash(PASSWORD)
    shop.user("mara", password=dear)
    shop.user("gone", password=dear)
    shop.served.call(shop.site.people.change("gone", disabled=True))
    shop.user("oidc", password="")
    for name in ("mara", "nobody", "gone", "oidc"):
        enter(shop.client(), name, "wrong")
    assert len(asked) == 4
    assert len({known.rsplit("$", 2)[0] for known in asked}) == 1


def test_odd_passwords_are_refused_quickly(shop: Shop) -> None:
    shop.user("mara")
    for odd in ("\0", "x" * 500_000, "é" * 3, "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace")):
        began = time.monotonic()
        assert enter(shop.client(), "mara", odd).status_code == 401
        assert time.monotonic() - began < WAIT / 2
    assert enter(shop.client(), "mara", "x" * 2_000_000).status_code == 413


def test_guessing_is_slowed_by_name_and_by_place(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "TRIES", 3)
    monkeypatch.setattr(staff, "TRIES_PLACE", 8)
    monkeypatch.setattr(staff, "NOTED", 2)
    shop.user("mara")
    shop.user("tom")
    client = shop.client()
    assert [enter(client, "mara", "wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    late = enter(client, "mara")
    assert late.status_code == 429
    assert "five minutes" in late.text
    assert enter(client, "mara").status_code == 429, "and not longer with the right one"
    assert enter(client, "tom").status_code == 303
    assert enter(client, "nobody").status_code == 401
    assert enter(client, "tom").status_code == 429, "too many from one place"
    assert [what for _, what, _ in shop.deeds()].count("sign_in_refused") == 2, "the trail is not flooded"


def test_right_sign_ins_are_not_counted_as_guesses(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "TRIES", 2)
    shop.user("mara")
    for _ in range(4):
        assert enter(shop.client(), "mara").status_code == 303


def test_who_guesses_at_a_name_from_everywhere_keeps_nobody_out_of_their_own_browser(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setattr(staff, "TRIES_NAME", 3)
    shop.user("mara")
    mine = shop.signed_in()
    with redis.Redis.from_url(redis_url) as client:
        client.delete(*client.keys("ob:tries:*"))
        for _ in range(3):
            enter(shop.client(), "mara", "wrong")
        # as if from another place: only what is counted for the name stays
        client.delete("ob:tries:" + hashed("login mara 127.0.0.1")[:32])
    assert enter(shop.client(), "mara").status_code == 429
    assert enter(mine, "mara").status_code == 303


def test_signing_in_and_out_is_our_own_pages_doing(shop: Shop) -> None:
    shop.user("mara")
    client = shop.signed_in()
    for origin in ("https://evil.example", "null"):
        for path in ("/login", "/logout", "/account/expel", "/account/password", "/account/pin"):
            answer = client.post(path, data={}, headers={"Origin": origin})
            assert answer.status_code == 403, path
    assert client.get("/account").status_code == 200


def test_fields_that_nobody_asked_for_change_nothing(shop: Shop) -> None:
    shop.user("mara")
    client = shop.client()
    enter(client, "mara", role="admin", store="123", stores="123", disabled="")
    client.post("/account/pin", data={"old": PASSWORD, "pin": PIN, "again": PIN, "role": "admin", "stores": "123"})
    user = shop.served.call(shop.site.people.user("mara"))
    assert (user.role, user.stores) == ("staff", ("68",))
    assert client.get("/board/123").status_code == 404


def test_a_cookie_opens_nothing_after_its_end(shop: Shop, redis_url: str) -> None:
    shop.user("mara")
    client = shop.signed_in()
    secret = client.cookies["orderboard"]
    client.post("/logout")
    client.cookies.set("orderboard", secret, domain="127.0.0.1")
    assert client.get("/board/68").headers["location"].startswith("/login")
    client = shop.signed_in()
    with redis.Redis.from_url(redis_url) as kept:
        (name,) = kept.keys("ob:session:*")
        assert 0 < kept.ttl(name) <= 12 * 3600
        assert client.cookies["orderboard"].encode() not in name + kept.get(name)


# ---- one's own account ----


def test_the_page_of_ones_account(shop: Shop) -> None:
    shop.user("mara", "manager")
    here = shop.signed_in(**{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
    shop.signed_in(**{"User-Agent": "Mozilla/5.0 (iPad; CPU OS 18_0) AppleWebKit/605 Version/18.0 Safari/605.1"})
    page = here.get("/account")
    assert page.headers["cache-control"] == "no-store"
    for words in ("mara", "Manager", "Jane&#39;s Shop", "Firefox on Linux", "Safari on iPad", "This one"):
        assert words in page.text, words
    assert page.text.count("This one") == 1
    assert "127.0.0.1" not in page.text
    assert 'href="/account"' in here.get("/board/68").text


def test_signing_out_everywhere(shop: Shop) -> None:
    shop.user("mara")
    shop.user("tom")
    one, two, other = shop.signed_in(), shop.signed_in(), shop.signed_in("tom")
    answer = one.post("/account/expel")
    assert answer.headers["location"] == "/login?everywhere"
    assert "signed out everywhere" in one.get("/login?everywhere").text
    for client in (one, two):
        assert client.get("/account").status_code == 302
    assert other.get("/account").status_code == 200
    assert shop.sessions() == []
    assert shop.deeds()[0] == ("mara", "signed_out_everywhere", "")


def test_a_new_password(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.user("mara")
    here, there = shop.signed_in(), shop.signed_in()

    def said(**form: str) -> httpx2.Response:
        return here.post("/account/password", data=form)

    new = "another good one"
    assert "not your password" in said(old="wrong", new=new, again=new).text
    assert "8 characters" in said(old=PASSWORD, new="short", again="short").text
    assert "both times" in said(old=PASSWORD, new=new, again=new + "!").text
    assert "old password" in said(old=PASSWORD, new=PASSWORD, again=PASSWORD).text
    assert enter(shop.client(), "mara").status_code == 303
    assert said(old=PASSWORD, new=new, again=new).headers["location"] == "/account?done=password"
    assert "Your password is changed" in here.get("/account?done=password").text
    assert there.get("/account").status_code == 302
    assert enter(shop.client(), "mara").status_code == 401
    assert enter(shop.client(), "mara", new).status_code == 303
    assert shop.deeds()[2] == ("mara", "password_changed", "")
    answers = [said(old="wrong", new=new, again=new).status_code for _ in range(6)]
    assert answers == [400] * 5 + [429]


def test_devices_are_families() -> None:
    said = {
        "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/126 Safari/537 Edg/126": "Edge on Windows",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537 Chrome/126 Mobile Safari/537": "Chrome on Android",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17) AppleWebKit/605 CriOS/126 Safari/604": "Chrome on iPhone",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 14) AppleWebKit/605 Version/17 Safari/605": "Safari on Mac",
        "curl/8": "",
        "<script> Linux": "A browser on Linux",
    }
    assert {header: device(header) for header in said} == said


# ---- PINs ----


def with_pin(name: str, pin: str = PIN) -> dict[str, str]:
    return {pins.HEADER: f"{quote(name)} {pin}"}


def handed_over(client: httpx2.Client, undo: str = "", **headers: str) -> httpx2.Response:
    form = {"key": "lola:a", "state": "handed_over", "undo": undo}
    return client.post("/board/68/arrival", data=form, headers={"HX-Request": "true", **headers})


@pytest.fixture
def till(shop: Shop) -> httpx2.Client:
    """Signed in on the shared tablet; the others have a PIN."""
    shop.user("till")
    shop.user("Zoë K", pin=PIN_HASH)
    shop.user("north", stores=("123",), pin=PIN_HASH)
    shop.user("gone", pin=PIN_HASH)
    shop.served.call(shop.site.people.change("gone", disabled=True))
    take(shop.served, "a", stage="ready", fulfilment="pickup")
    return shop.signed_in("till")


def test_handing_over_needs_a_pin_and_names_its_owner(shop: Shop, till: httpx2.Client) -> None:
    asked = handed_over(till)
    assert asked.status_code == 403
    assert asked.headers[pins.HEADER] == "needed"
    assert "needs the PIN" in asked.json()["detail"]
    for name, pin in (("Zoë K", "2581"), ("north", PIN), ("gone", PIN), ("till", PIN), ("nobody", PIN), ("Zoë K", "x")):
        wrong = handed_over(till, **with_pin(name, pin))
        assert (wrong.status_code, wrong.headers[pins.HEADER]) == (403, "wrong"), name
    assert handed_over(till, **with_pin("Zoë K")).status_code == 204
    assert shop.deeds()[0] == ("Zoë K", "handed_over", "till")
    order = shop.served.call(shop.site.orders.get("lola:a")).order
    assert order.arrival.state == "handed_over"
    assert "Zoë K" in str(shop.served.call(shop.site.orders.ledger("lola:a")))
    assert handed_over(till, undo="true").status_code == 204, "taking it back within ten seconds asks for nothing"
    assert till.post("/board/68/arrival", data={"key": "lola:a", "state": "claimed"}).status_code != 403


def test_links_and_bodies_need_a_pin_too(shop: Shop, till: httpx2.Client) -> None:
    base = "/board/68/orders/lola/a"
    assert till.post(base + "/links", data={"kind": "customer"}).status_code == 403
    made = till.post(base + "/links", data={"kind": "customer"}, headers=with_pin("Zoë K"))
    assert made.status_code == 200
    (link,) = shop.served.call(shop.site.links.of("lola:a"))
    for way, path in (("DELETE", ""), ("POST", "/reissue")):
        assert till.request(way, f"{base}/links/{link.id}{path}").status_code == 403
    assert till.delete(f"{base}/links/{link.id}", headers=with_pin("Zoë K")).status_code == 200
    assert [deed[:2] for deed in shop.deeds()[:2]] == [("Zoë K", "link_revoked"), ("Zoë K", "link_made")]


def test_a_stage_set_by_hand_needs_one_and_taking_it_back_none(shop: Shop, till: httpx2.Client) -> None:
    path = "/board/68/orders/lola/a/stage"
    assert till.post(path, data={"stage": "preparing"}).status_code == 403
    assert till.post(path, data={"stage": "preparing"}, headers=with_pin("Zoë K")).status_code == 204
    assert shop.deeds()[0] == ("Zoë K", "stage_set", "till")
    assert till.post(path, data={"stage": ""}).status_code == 204


def test_guessing_a_pin_is_slowed_and_ends(shop: Shop, till: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [handed_over(till, **with_pin("Zoë K", f"99{n}8")).status_code for n in range(6)]
    assert answers == [403] * 5 + [429]
    late = handed_over(till, **with_pin("Zoë K"))
    assert late.status_code == 429
    assert "minute" in late.json()["detail"]
    monkeypatch.setattr(pins, "TRIES_DAY", 5)
    shop.served.call(shop.site.people.forgive("pin Zoë K"))
    assert "today" in handed_over(till, **with_pin("Zoë K")).json()["detail"]
    shop.served.call(shop.site.people.forgive(*pins.wrong("Zoë K")))
    assert handed_over(till, **with_pin("Zoë K")).status_code == 204


def test_who_may_give_a_pin_is_listed(till: httpx2.Client) -> None:
    page = till.get("/board/68/pin").text
    assert "Zoë K" in page
    for name in ("north", "gone", "till"):
        assert f'value="{name}"' not in page


def test_a_store_without_pins_asks_for_none(shop: Shop) -> None:
    shop.user("mara", stores=("123",))
    take(shop.served, "b", stage="ready", fulfilment="pickup", store="123")
    form = {"key": "lola:b", "state": "handed_over"}
    assert shop.signed_in().post("/board/123/arrival", data=form).status_code == 204


def test_ones_own_pin(shop: Shop) -> None:
    shop.user("mara")
    client = shop.signed_in()

    def said(**form: str) -> httpx2.Response:
        return client.post("/account/pin", data={"old": PASSWORD, **form})

    for pin, words in (
        ("123", "4 to 8 digits"), ("123456789", "4 to 8 digits"), ("12a4", "4 to 8 digits"), ("٣٤٥٦", "4 to 8 digits"),
        ("0000", "guessed first"), ("1234", "guessed first"), ("87654", "guessed first"),
    ):  # fmt: skip
        answer = said(pin=pin, again=pin)
        assert answer.status_code == 400
        assert words in answer.text
    assert "both times" in said(pin=PIN, again="2581").text
    assert "not your password" in client.post("/account/pin", data={"pin": PIN, "again": PIN}).text
    assert said(pin=PIN, again=PIN).headers["location"] == "/account?done=pin"
    user = shop.served.call(shop.site.people.user("mara"))
    assert user.pin.startswith("$argon2id$")
    assert PIN not in user.pin.rsplit("$", 2)[1]
    assert "You have one." in client.get("/account").text
    assert said(remove="yes").headers["location"] == "/account?done=no-pin"
    assert shop.served.call(shop.site.people.user("mara")).pin == ""
