"""Signing in at an OpenID provider, a real one on loopback: the way in, and everything that must not be one."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import idp
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rig import WAIT, Served, free_port, settings_of

from app.errors import Fatal
from app.services import oidc
from app.settings import Grant, Oidc, Settings, check
from app.store.people import User
from app.web.staff import HASHER

GRANTS = (
    Grant(value="shop-68", stores=("68",)),
    Grant(value="leads", role="manager", stores=("68", "123")),
    Grant(value="it", role="admin"),
)


def settings(issuer: str) -> Settings:
    config = Oidc(issuer=issuer, client_id=idp.CLIENT, client_secret=idp.SECRET, label="Company account", grants=GRANTS)
    return msgspec.structs.replace(settings_of(free_port()), oidc=config)


@pytest.fixture(scope="module")
def provider() -> Iterator[idp.Provider]:
    with idp.serving() as made:
        yield made


@pytest.fixture(scope="module")
def running(redis_server: str, provider: idp.Provider) -> Iterator[Served]:
    made = Served(settings(provider.issuer), redis_server).start()
    yield made
    made.stop()


class Browser:
    """One person's, that follows the way there and back by hand."""

    def __init__(self, served: Served) -> None:
        self.http = httpx2.Client(base_url=served.base, timeout=WAIT, verify=False)

    def begin(self, after: str = "/board/68") -> httpx2.Response:
        return self.http.get("/login/oidc", params={"next": after})

    def there(self, begun: httpx2.Response) -> str:
        """The address that the provider sends back to."""
        assert begun.status_code == 303, begun.text
        return self.http.get(begun.headers["location"]).headers["location"]

    def enter(self, after: str = "/board/68") -> httpx2.Response:
        return self.http.get(self.there(self.begin(after)))

    @property
    def inside(self) -> bool:
        return self.http.get("/account").status_code == 200


@pytest.fixture
def served(running: Served, redis_url: str, provider: idp.Provider) -> Served:
    provider.__init__(int(provider.issuer.rpartition(":")[2]))  # type: ignore[misc]
    sso = running.house.site.sso
    assert sso is not None
    sso.proven.__self__.__init__(  # type: ignore[attr-defined]
        running.settings.oidc, running.settings.server.public_url + "/login/oidc/done", time.time
    )
    return running


@pytest.fixture
def browser(served: Served) -> Iterator[Browser]:
    made = Browser(served)
    yield made
    made.http.close()


@pytest.fixture
def stranger(served: Served) -> Iterator[Browser]:
    made = Browser(served)
    yield made
    made.http.close()


def refused(browser: Browser, answer: httpx2.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert 'name="password"' in answer.text, "it is said on the sign-in page"
    assert not browser.inside


def user(served: Served, name: str) -> User | None:
    found: User | None = served.call(served.house.site.people.user(name))
    return found


def test_somebody_is_let_in_with_what_is_theirs(
    served: Served, browser: Browser, stranger: Browser, provider: idp.Provider
) -> None:
    page = browser.http.get("/login?next=/board/68").text
    assert "Company account" in page
    assert 'href="/login/oidc?next=/board/68"' in page
    begun = browser.begin()
    said = {name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()}
    assert set(said) >= {"state", "nonce", "code_challenge", "code_challenge_method", "redirect_uri", "scope"}
    assert len({said["state"], said["nonce"], said["code_challenge"]}) == 3
    kept = next(value for name, value in begun.headers.multi_items() if name == "set-cookie")
    assert "HttpOnly" in kept
    assert "SameSite=lax" in kept
    answer = browser.http.get(browser.there(begun))
    assert (answer.status_code, answer.headers["location"]) == (303, "/board/68")
    assert answer.headers["cache-control"] == "no-store"
    assert browser.inside
    assert "another account, so there is no password" in browser.http.get("/account").text
    made = user(served, "ines")
    assert made is not None
    assert (made.role, made.stores, made.password) == ("staff", ("68",), "")
    assert browser.http.get("/board/123").status_code == 404
    deeds = served.call(served.house.site.audit.page())[0]
    assert (deeds[0].who, deeds[0].what, deeds[0].detail) == ("ines", "signed_in", "oidc")
    assert browser.http.post("/login", data={"username": "ines", "password": ""}).status_code == 401
    provider.person |= {"groups": ["shop-68", "leads"], "preferred_username": "ines.new"}
    assert stranger.enter().status_code == 303
    made = user(served, "ines")
    assert made is not None
    assert (made.role, made.stores) == ("manager", ("123", "68")), "it follows what the provider says"
    assert user(served, "ines.new") is None, "and a person stays who they are, whatever they are called"


def test_an_admin_is_made_only_where_it_is_written(served: Served, browser: Browser, provider: idp.Provider) -> None:
    provider.person |= {"role": "admin", "roles": ["admin"], "groups": ["admin", "shop-68"]}
    assert browser.enter().status_code == 303
    made = user(served, "ines")
    assert made is not None
    assert made.role == "staff"
    provider.person |= {"groups": "it"}
    assert browser.enter().status_code == 303
    made = user(served, "ines")
    assert made is not None
    assert made.role == "admin"


@pytest.mark.parametrize("groups", [[], ["others"], None, 7, {"shop-68": True}, [["shop-68"]]])
def test_who_has_no_grant_stays_out(served: Served, browser: Browser, provider: idp.Provider, groups: Any) -> None:
    provider.person |= {"groups": groups}
    refused(browser, browser.enter(), 403, "nobody has let it into Orderboard")
    assert user(served, "ines") is None


@pytest.mark.parametrize("name", [None, "", " ", "a\nb", "x" * 65, 5, "api", "a/b"])
def test_who_has_no_name_that_can_be_used_stays_out(browser: Browser, provider: idp.Provider, name: Any) -> None:
    provider.person |= {"preferred_username": name}
    refused(browser, browser.enter(), 403, "no name that can be used here")


def test_a_name_is_not_given_to_another_person(
    served: Served, browser: Browser, stranger: Browser, provider: idp.Provider
) -> None:
    served.call(served.house.site.people.save(User("ines", "admin", (), HASHER.hash("a local password"))))
    refused(browser, browser.enter(), 409, "another account&#39;s here")
    made = user(served, "ines")
    assert made is not None
    assert (made.role, made.subject) == ("admin", "")
    provider.person |= {"preferred_username": "tom"}
    assert browser.enter().status_code == 303
    provider.person |= {"sub": "s2"}
    refused(stranger, stranger.enter(), 409, "another account&#39;s here")


def test_who_is_disabled_here_stays_out(served: Served, browser: Browser) -> None:
    assert browser.enter().status_code == 303
    served.call(served.house.site.people.change("ines", disabled=True))
    refused(browser, browser.enter(), 403, "disabled here")
    served.call(served.house.site.people.remove("ines"))
    assert browser.enter().status_code == 303, "an account that was removed is made anew"


def test_a_state_is_this_browsers_and_good_once(browser: Browser, stranger: Browser) -> None:
    back = browser.there(browser.begin())
    refused(stranger, stranger.http.get(back), 400, "not begun in this browser")
    assert stranger.begin().status_code == 303
    refused(stranger, stranger.http.get(back), 400, "not begun in this browser")
    for path in (
        "/login/oidc/done",
        "/login/oidc/done?code=x",
        "/login/oidc/done?code=x&state=",
        back.replace("state=", "state=x"),
    ):
        refused(browser, browser.http.get(path), 400, "not begun in this browser")
    assert browser.http.get(browser.there(browser.begin())).status_code == 303
    browser.http.post("/logout")
    refused(browser, browser.http.get(back), 400, "answered already")


def encoded(claims: dict[str, Any], key: Any, algorithm: str | None, **head: Any) -> str:
    return jwt.encode(claims, key, algorithm, headers=head)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


NOW = int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"exp": NOW - 120},
        {"exp": None},
        {"iat": NOW + 3600},
        {"nbf": NOW + 3600},
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": [idp.CLIENT, "another"]},
        {"aud": [idp.CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
    ],
    ids=lambda claims: ",".join(f"{name} {'off' if type(value) is int else value}" for name, value in claims.items()),
)
def test_an_id_token_that_is_not_for_this_sign_in(
    served: Served, browser: Browser, provider: idp.Provider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    refused(browser, browser.enter(), 401, "could not be proven")
    assert user(served, "ines") is None


@pytest.mark.parametrize("way", ["none", "none, unsigned", "another key", "hmac", "changed", "no key", "nonsense"])
def test_an_id_token_that_the_provider_did_not_sign(
    served: Served, browser: Browser, provider: idp.Provider, way: str
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def forged(claims: dict[str, Any]) -> str:
        good = encoded(claims, provider.key, "RS256", kid=provider.kid)
        head, body, seal = good.split(".")
        if way == "hmac":  # the public key taken for a shared secret; PyJWT itself would not sign that
            return encoded(claims, "x" * 64, "HS256", kid=provider.kid)
        return {
            "none": lambda: encoded(claims, None, "none", kid=provider.kid),
            "none, unsigned": lambda: encoded(claims, None, "none", kid=provider.kid).split(".")[0] + f".{body}.{seal}",
            "another key": lambda: encoded(claims, other, "RS256", kid=provider.kid),
            "changed": lambda: (
                encoded({**claims, "groups": ["it"]}, other, "RS256").split(".")[1].join([head + ".", "." + seal])
            ),
            "no key": lambda: encoded(claims, other, "RS256", kid="unknown"),
            "nonsense": lambda: "a.b.c",
        }[way]()

    provider.forge = forged
    refused(browser, browser.enter(), 401, "could not be proven")
    assert user(served, "ines") is None


def test_keys_may_change_but_forged_ones_ask_for_no_more(
    browser: Browser, provider: idp.Provider, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert browser.enter().status_code == 303
    provider.turn()
    for _ in range(3):
        browser.enter()
    assert provider.asked.count("/jwks") == 1, "not asked for again for each unknown key"
    monkeypatch.setattr(oidc, "AGAIN", 0.0)
    assert browser.enter().status_code == 303


def test_other_signatures_work_and_a_single_key_needs_no_name(browser: Browser, provider: idp.Provider) -> None:
    provider.forge = lambda claims: jwt.encode(claims, provider.key, "PS256")
    assert browser.enter().status_code == 303


def test_the_provider_is_down(served: Served, browser: Browser, provider: idp.Provider) -> None:
    provider.down = {"/.well-known/openid-configuration"}
    refused(browser, browser.begin(), 503, "does not answer")
    provider.down = {"/token"}
    refused(browser, browser.enter(), 503, "does not answer")
    provider.down = {"/jwks"}
    refused(browser, browser.enter(), 503, "does not answer")
    provider.down = set()
    assert browser.enter().status_code == 303
    gone = oidc.Oidc(Oidc(issuer=f"http://127.0.0.1:{free_port()}", client_id="x"), "http://x/done", time.time)
    with pytest.raises(Exception, match="does not answer"):
        served.call(gone.address("s", "n", "v"))


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 5},
    ],
    ids=str,
)
def test_a_provider_that_says_what_it_should_not(browser: Browser, provider: idp.Provider, metadata: Any) -> None:
    provider.metadata = metadata
    refused(browser, browser.begin(), 503, "does not answer")


def test_who_is_not_let_in_there_or_comes_back_from_elsewhere(browser: Browser, provider: idp.Provider) -> None:
    provider.deny = "access_denied"
    refused(browser, browser.enter(), 401, "You were not let in there.")
    provider.deny = "<script>"
    answer = browser.enter()
    refused(browser, answer, 401, "The other sign-in did not work.")
    provider.deny = ""
    back = browser.there(browser.begin())
    wrong = back.replace("iss=http%3A", "iss=https%3A")
    assert wrong != back
    refused(browser, browser.http.get(wrong), 401, "did not work")


def test_a_used_code_is_refused_by_the_provider(browser: Browser, provider: idp.Provider) -> None:
    back = browser.there(browser.begin())
    provider._codes.clear()
    refused(browser, browser.http.get(back), 401, "could not be proven")


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_one_stays_here_afterwards(browser: Browser, to: str) -> None:
    assert browser.enter(to).headers["location"] == "/"


def test_without_a_provider_there_is_none(redis_url: str) -> None:
    served = Served(settings_of(free_port()), redis_url).start()
    try:
        with httpx2.Client(base_url=served.base, timeout=WAIT) as client:
            assert "/login/oidc" not in client.get("/login").text
            assert client.get("/login/oidc").status_code == 404
            assert client.get("/login/oidc/done").status_code == 404
    finally:
        served.stop()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"issuer": "http://id.example"}, "oidc.issuer must be an https:// address"),
        ({"grants": [{"value": "x", "role": "staff"}]}, "stores must be one id or more"),
        ({"grants": [{"value": "x", "role": "owner"}]}, "owner"),
        ({"grants": [{"value": "x", "stores": ["9"]}]}, "not '9'"),
        ({"scopes": "profile"}, "openid"),
        ({"colour": "blue"}, "colour"),
        ({"client_secret_env": "NOT_SET"}, "NOT_SET"),
    ],
)
def test_a_config_that_can_not_be_meant(table: dict[str, Any], words: str) -> None:
    plain = {"issuer": "https://id.example", "client_id": "x"}
    store = {"id": "68", "name": "Shop", "timezone": "UTC"}
    with pytest.raises(Fatal, match=words):
        check({"stores": [store], "oidc": {**plain, **table}}, {}, {})
    assert check({"stores": [store], "oidc": plain}, {}, {}).oidc is not None
