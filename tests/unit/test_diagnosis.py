"""What the doctor makes of facts: each judgement on both sides of its edge, and how it is printed."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rig import SECRET, settings_of

from app.cli.doctor import machine, probes, shops
from app.cli.doctor.lines import Finding, Line, look, note, ok, written
from app.cli.doctor.machine import EXAMPLES
from app.cli.doctor.probes import Disk
from app.render import feedings
from app.settings import Grant, Oidc, Server, Source, Store
from app.store.vitals import Vitals

NOW = 1_800_000_000.0
FINE = Vitals(name="Valkey", version="9.1.2", trip=0.0003)
SPACE = Disk(free=50 * 2**30, total=100 * 2**30, sync=0.002, begun=True)
OWN = Server()
FAR = Server(redis_url="rediss://:pw@redis.example.com")


def graver(found: list[Finding] | Finding) -> list[tuple[str, str]]:
    """What is more than ok."""
    every = [found] if isinstance(found, Finding) else found
    return [(one.level, one.words) for one in every if one.level != "ok"]


def only(found: list[Finding] | Finding, level: str, words: str) -> None:
    """One thing is said, so gravely, in such words."""
    ((grave, said),) = graver(found)
    assert grave == level
    assert words in said


# ---- how it is printed ----


def test_a_line_has_the_gravest_first_and_its_level() -> None:
    line = Line("source", "lola", (ok("pushed"), note("no base_url"), look("silent")))
    assert written([line, Line("disk", "", (ok("full of room"),))]) == [
        "look  source  lola: silent; no base_url; pushed",
        "ok    disk    full of room",
        "1 thing needs a person.",
    ]


def test_colours_are_for_terminals() -> None:
    line = Line("disk", "", (look("full"),))
    assert "\x1b" not in "".join(written([line]))
    assert written([line], colour=True)[0] == "\x1b[1;31mlook\x1b[0m  disk  full"


def test_notes_need_nobody() -> None:
    assert written([Line("disk", "", (note("slow"),))])[-1] == "All is well."
    assert written([Line("disk", "", (look("x"),))] * 2)[-1] == "2 things need a person."


# ---- Redis ----


def test_a_redis_as_it_should_be() -> None:
    found = machine.redis(FINE, OWN, own=True)
    assert not graver(found)
    words = Line("redis", "", tuple(found)).words
    assert words == (
        "Valkey 9.1.2 on a private socket; 0.3 ms there and back; every write on disk before it is acknowledged"
    )


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"version": "7.1.9"}, "look", "too old"),
        ({"name": "Redis", "version": "6.2.14"}, "look", "too old"),
        ({"trip": 0.03}, "note", "far away"),
        ({"role": "slave"}, "look", "takes no writes"),
        ({"appendonly": False}, "look", "appendonly is off"),
        ({"fsync": "everysec"}, "look", "appendfsync is everysec"),
        ({"fsync": None}, "note", "can't be told"),
        ({"policy": None}, "note", "maxmemory-policy can't be told"),
        ({"policy": "allkeys-lru"}, "note", "allkeys-lru"),
        ({"policy": "allkeys-lru", "most": 2**30}, "look", "allkeys-lru"),
        ({"most": 1000, "used": 901}, "look", "90% of maxmemory"),
        ({"failed": ("its last snapshot",)}, "look", "its last snapshot failed"),
    ],
)
def test_what_is_wrong_with_a_redis(change: dict[str, Any], level: str, words: str) -> None:
    only(machine.redis(msgspec.structs.replace(FINE, **change), OWN, own=True), level, words)


@pytest.mark.parametrize(
    "change",
    [
        {"version": "7.2.0"},
        {"name": "Redis", "version": "7.0.0"},
        {"trip": 0.009},
        {"most": 1000, "used": 900},
        {"replicas": 2},
    ],
)
def test_what_is_still_right(change: dict[str, Any]) -> None:
    assert not graver(machine.redis(msgspec.structs.replace(FINE, **change), OWN, own=True))


def test_replicas_that_are_waited_for() -> None:
    wanted = Server(replicas=2)
    only(machine.redis(msgspec.structs.replace(FINE, replicas=1), wanted, own=True), "look", "no event is accepted")
    held = msgspec.structs.replace(FINE, replicas=2, fsync="everysec")
    only(machine.redis(held, wanted, own=True), "note", "must hold it too")


@pytest.mark.parametrize(
    ("url", "level", "words"),
    [
        ("redis://redis.example.com", "look", "without a password"),
        ("redis://10.0.0.7:6379", "look", "without a password"),
        ("redis+sentinel://a.example.com:26379,b.example.com/main", "look", "without a password"),
        ("redis://valkey:6379", "note", "nobody else is on that network"),
        ("redis://:pw@redis.example.com", "note", "travel readable"),
    ],
)
def test_the_way_to_redis(url: str, level: str, words: str) -> None:
    found = machine.redis(FINE, Server(redis_url=url), own=False)
    only(found, level, words)
    assert "pw" not in "".join(one.words for one in found)


@pytest.mark.parametrize(
    "url", ["rediss://:pw@redis.example.com", "redis://127.0.0.1:6379", "redis://localhost", "unix:///tmp/r.sock"]
)
def test_a_safe_way_to_redis(url: str) -> None:
    assert not graver(machine.redis(FINE, Server(redis_url=url), own=False))


@pytest.mark.parametrize(("ahead", "words"), [(2.1, "2 s ahead of"), (-3.0, "3 s behind")])
def test_clocks_that_differ(ahead: float, words: str) -> None:
    only(machine.clock(ahead), "look", words)
    assert not graver(machine.clock(ahead / 2))


# ---- the server ----


@pytest.mark.parametrize(
    ("status", "body", "level", "words"),
    [
        (0, "", "note", "none runs"),
        (503, '{"redis": "away", "relay": "ok"}', "look", "redis away, relay ok"),
        (200, "<h1>It works!</h1>", "look", "something else"),
        (404, '{"detail": "no"}', "look", "something else"),
    ],
)
def test_the_server_beside(status: int, body: str, level: str, words: str) -> None:
    only(machine.server(status, body, OWN), level, words)


def test_a_server_that_is_ready() -> None:
    found = machine.server(200, '{"redis": "ok", "relay": "ok"}', Server(workers=2))
    assert found == [ok("runs at 127.0.0.1:8000, 2 workers")]


@pytest.mark.parametrize(
    ("url", "level"),
    [("https://board.example.com", "ok"), ("http://localhost:8000", "note"), ("http://board.example.com", "look")],
)
def test_the_session_cookie(url: str, level: str) -> None:
    (found,) = machine.address(Server(public_url=url))
    assert found.level == level
    assert ("is Secure" in found.words) == (level == "ok")


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"free": 400 * 2**20, "total": 2**30}, "look", "only 0.4 GB free"),
        ({"free": 49 * 2**30, "total": 1000 * 2**30}, "look", "(5%)"),
        ({"sync": 0.051}, "note", "51.0 ms"),
        ({"sync": None, "wrong": "Read-only file system"}, "look", "Read-only file system"),
        ({"mode": 0o755}, "look", "other users"),
    ],
)
def test_the_disk(change: dict[str, Any], level: str, words: str) -> None:
    space = msgspec.structs.replace(SPACE, **change)
    only(machine.disk(space, OWN), level, words)
    assert "look" not in dict(graver(machine.disk(space, FAR)))


def test_a_disk_as_it_should_be() -> None:
    assert not graver(machine.disk(SPACE, OWN))
    assert not graver(machine.disk(msgspec.structs.replace(SPACE, sync=None), OWN))


def test_secrets_in_the_config() -> None:
    assert machine.config(False, OWN) == [ok("read whole")]
    only(machine.config(True, OWN), "note", "every user")
    only(machine.config(False, Server(api_token="ab" * 12)), "look", "can be guessed")


def test_the_secrets_of_the_example_are_known() -> None:
    example = Path(__file__).parents[2] / "orderboard.example.toml"
    lines = [line.lstrip("# ") for line in example.read_text("utf-8").splitlines()]
    said = [tomllib.loads(line)["secret"] for line in lines if line.startswith("secret = ")]
    assert len(said) == 5
    assert set(said) == EXAMPLES


@pytest.mark.parametrize(
    ("text", "mode", "seen"),
    [
        ('[[sources]]\nsecret = "x"', 0o644, True),
        ('[[sources]]\nsecret = "x"', 0o640, False),
        ('[[sources]]\nsecret_file = "x"', 0o644, False),
        ('[server]\napi_token = "x"', 0o644, True),
        ('[server]\napi_token = ""', 0o644, False),
        ('[server]\nredis_url = "redis://:pw@host"', 0o644, True),
        ('[server]\nredis_url = "redis://host"', 0o644, False),
    ],
)
def test_who_may_read_the_config(tmp_path: Path, text: str, mode: int, seen: bool) -> None:
    path = tmp_path / "orderboard.toml"
    path.write_text(text)
    path.chmod(mode)
    assert probes.secrets_seen(path) is seen


# ---- the stores ----

HOME = Store(id="68", name="Shop", timezone="America/Los_Angeles", latitude=37.77, longitude=-122.42, bays=("1", "2"))
TRADE = shops.Trade(open=12, now=3, screens=2, on=1, accounts=4)
FEED = Source(id="lola", provider="lolamarket", secret=SECRET)


def test_a_store_as_it_should_be() -> None:
    found = shops.store(HOME, [FEED], TRADE, None, NOW)
    assert not graver(found)
    assert Line("store", "68", tuple(found)).words == (
        "00:00 there (America/Los_Angeles); 12 open orders, 3 in Now, 2 screens (1 on), 2 bays; 4 accounts may sign in"
    )


def oidc(*grants: Grant) -> Oidc:
    return Oidc(issuer="https://id.example.com", client_id="orderboard", grants=grants)


@pytest.mark.parametrize(
    ("elsewhere", "covered"),
    [
        (None, False),
        (oidc(Grant(value="a", stores=("7",))), False),
        (oidc(Grant(value="a", stores=("68",))), True),
        (oidc(Grant(value="a", role="admin")), True),
    ],
)
def test_a_store_that_nobody_may_sign_in_to(elsewhere: Oidc | None, covered: bool) -> None:
    found = shops.store(HOME, [FEED], msgspec.structs.replace(TRADE, accounts=0), elsewhere, NOW)
    if covered:
        assert not graver(found)
    else:
        only(found, "look", "orderboard user add NAME --role manager --store 68")


def test_what_is_worth_knowing_of_a_store() -> None:
    only(shops.store(HOME, [], TRADE, None, NOW), "note", "entered by hand")
    placeless = msgspec.structs.replace(HOME, latitude=None)
    only(shops.store(placeless, [FEED], TRADE, None, NOW), "note", "no latitude")
    only(shops.store(HOME, [FEED], None, None, NOW), "note", "could not be looked at")


# ---- the sources ----

PUSHED = shops.Setup(polls=False, needed=False, able=False)
ASKED = shops.Setup(polls=True, needed=True, able=True)


def fed(recent: int = 0, follows: int = 0, **said: Any) -> shops.Fed:
    plain: dict[str, Any] = {
        "id": "lola", "mark": ("circle", "L", "Lolamarket"), "stores": (), "pushes": "", "asked": False,
        "last": NOW - 40, "usual": 120.0, "silent": False, "breaker": "closed", "events": 9, "polls": 0, "errors": 0,
        "error": None, "error_at": None, "held": 0,
    }  # fmt: skip
    return shops.Fed(row=feedings.Source(**{**plain, **said}), recent=recent, follows=follows)


CALL = feedings.Call(key="k", kind="arrival", code="G19", board=None, words="refused", tries=3, at=NOW)


def judged(feed: Source = FEED, setup: shops.Setup = PUSHED, told: shops.Fed | None = None) -> list[Finding]:
    return shops.source(feed, setup, told or fed(), settings_of(), NOW)


def test_a_source_as_it_should_be() -> None:
    assert judged() == [ok("last event 40 s ago, usually every 2 min; pushed")]
    asked = msgspec.structs.replace(FEED, base_url="https://example.com")
    assert judged(asked, ASKED, fed(follows=7))[0] == ok("last event 40 s ago, usually every 2 min; polled")
    assert judged(asked, ASKED, fed(follows=7))[1] == ok("7 orders followed")


@pytest.mark.parametrize(
    ("told", "level", "words"),
    [
        (
            fed(silent=True, last=NOW - 10_900),
            "look",
            "nothing heard for 3 h 1 min, usually every 2 min: ask",
        ),
        (fed(breaker="open"), "look", "does not answer when asked"),
        (fed(error="HTTP 500", error_at=NOW - 60), "note", "polls have failed"),
        (fed(last=None, usual=None), "note", "/hooks/lola"),
        (fed(recent=2, held=5), "look", "2 of 5 in quarantine"),
        (fed(held=5), "note", "5 in quarantine, none of the last day"),
        (fed(calls=(CALL,)), "look", "1 call needs a person"),
    ],
)
def test_what_is_wrong_with_a_feed(told: shops.Fed, level: str, words: str) -> None:
    only(judged(told=told), level, words)


@pytest.mark.parametrize(
    ("base", "setup", "level", "words"),
    [
        (None, {}, "look", "no base_url, and nothing is heard"),
        (None, {"needed": False}, "note", "can't be looked up"),
        ("https://example.com", {"able": False}, "look", "its keys are not"),
        ("http://example.com", {}, "look", "not https"),
        ("https://example.com", {"reach": "connection refused"}, "look", "connection refused"),
        ("https://example.com", {"twins": ("jane-68",)}, "note", "jane-68 has the same secret"),
    ],
)
def test_how_a_source_is_set_up(base: str | None, setup: dict[str, Any], level: str, words: str) -> None:
    only(judged(msgspec.structs.replace(FEED, base_url=base), msgspec.structs.replace(ASKED, **setup)), level, words)


def test_plain_http_is_enough_on_this_machine() -> None:
    assert not graver(judged(msgspec.structs.replace(FEED, base_url="http://127.0.0.1:8100"), ASKED))


@pytest.mark.parametrize("secret", ["ab" * 20, "change-me-to-24-characters-or-more"])
def test_a_secret_that_can_be_guessed(secret: str) -> None:
    found = judged(msgspec.structs.replace(FEED, secret=secret))
    only(found, "look", "its secret")
    assert secret not in "".join(one.words for one in found)


def test_a_source_that_could_not_be_looked_at() -> None:
    assert shops.source(FEED, PUSHED, None, settings_of(), NOW) == [note("what it sent could not be looked at")]


# ---- whom an address leads to ----


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis://:a@b@host", [("host", 6379)]),
        ("rediss://host:7000/1", [("host", 7000)]),
        ("redis+sentinel://:pw@a:1,b/main/0", [("a", 1), ("b", 26379)]),
        ("unix:///tmp/r.sock", []),
        ("https://example.com/v1", [("example.com", 443)]),
        ("http://[::1]:81/", [("::1", 81)]),
    ],
)
def test_whom_an_address_leads_to(url: str, found: list[tuple[str, int]]) -> None:
    assert probes.hosts(url) == found
