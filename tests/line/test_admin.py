"""Behind the boards: who may open what, and what each change does, says and leaves in the trail."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest
from rig import SECRET, WAIT, Served

from app.errors import Unreadable
from app.intake import Raw
from app.store.audit import Deed
from app.store.feeds import Heard
from app.store.outbox import DEAD, Note
from app.store.people import User
from app.web import links as tracking

pytestmark = pytest.mark.anyio

PAGES = ("/admin/feeds", "/admin/quarantine", "/admin/links", "/admin/screens")
OWN = ("/admin/people", "/admin/people/ada", "/admin/audit")


@asynccontextmanager
async def signed_in(served: Served, role: str, *stores: str, name: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    people = served.house.site.people
    served.call(people.save(User(name or role, role, stores, "hash")))
    secret = served.call(people.enter(name or role, served.house.site.clock()))
    cookies = {served.house.site.cookie: secret}
    headers = {"Origin": served.base}
    async with httpx2.AsyncClient(base_url=served.base, cookies=cookies, headers=headers, timeout=WAIT) as client:
        yield client


def admin(served: Served) -> Any:
    return signed_in(served, "admin", name="ada")


def trail(served: Served) -> list[Deed]:
    found: list[Deed] = served.call(served.house.site.audit.page())[0]
    return found


async def jane(served: Served, uuid: str = "c1", code: str = "G19", status: str = "preparing") -> None:
    cart = {
        "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "pickup", "amount": 41.8, "store_id": 68,
        "queue_number": code, "customer_name": "John Smith", "products": [],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        body = {"cart": cart, "webhook_event": "cart_status_updated"}
        assert (await client.post("/hooks/jane-68", json=body, headers=headers)).status_code == 202


def keep(served: Served, source: str, body: bytes, why: str = "unreadable", ago: float = 0.0) -> str:
    """An entry of the quarantine, as the intake leaves it; its id."""
    site = served.house.site

    async def kept() -> str:
        raw = Raw(source=source, heard=site.clock() - ago, body=body)
        await site.intake.keep(raw, why, Unreadable("It could not be read."), bytes)
        return (await site.quarantine.page([source], count=1))[0][0].id

    name: str = served.call(kept())
    return name


def good(uuid: str) -> bytes:
    """A call of Jane's that can be read."""
    cart = {
        "id": 1, "uuid": uuid, "status": "preparing", "reservation_mode": "pickup", "store_id": 68,
        "queue_number": "G" + uuid, "products": [],
    }  # fmt: skip
    return msgspec.json.encode({"cart": cart, "webhook_event": "cart_status_updated"})


def older(text: str) -> str:
    """The path of the list's next page; empty on its last."""
    found = re.search(r'href="(/admin[^"]+)">Older', text)
    return found[1].replace("&amp;", "&") if found else ""


# ---- who may ----


async def test_staff_and_strangers_see_nothing_behind_the_boards(served: Served) -> None:
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as nobody:
        for path in (*PAGES, *OWN):
            assert (await nobody.get(path)).status_code == 302
    async with signed_in(served, "staff", "68") as staff:
        for path in (*PAGES, *OWN):
            assert (await staff.get(path)).status_code == 403


async def test_managers_see_their_stores_and_no_accounts(served: Served) -> None:
    async with signed_in(served, "manager", "68") as manager:
        for path in PAGES:
            answer = await manager.get(path)
            assert answer.status_code == 200, path
            assert "North" not in answer.text
            assert "/admin/people" not in answer.text
        for path in (*OWN,):
            assert (await manager.get(path)).status_code == 403
        for path in ("/admin/links", "/admin/screens"):
            assert (await manager.get(path, params={"store": "123"})).status_code == 404
        assert "aifi" not in (await manager.get("/admin/feeds")).text
        assert (await manager.get("/admin/quarantine", params={"source": "aifi"})).status_code == 404


async def test_nothing_changes_by_another_sites_doing(served: Served) -> None:
    async with admin(served) as client:
        for path in ("/admin/people", "/admin/people/ada", "/admin/screens", "/admin/quarantine/replay",
                     "/admin/quarantine/x/replay", "/admin/links/x/revoke", "/admin/screens/x/revoke",
                     "/admin/feeds/calls"):  # fmt: skip
            foreign = await client.post(path, data={}, headers={"Origin": "https://elsewhere.example"})
            assert foreign.status_code == 403, path


# ---- quarantine ----


async def test_a_replay_heals_its_order_and_says_so(served: Served) -> None:
    name = keep(served, "jane-68", good("7"))
    async with admin(served) as client:
        assert "It could not be read." in (await client.get("/admin/quarantine")).text
        answer = await client.post(f"/admin/quarantine/{name}/replay", data={"back": "/admin/quarantine?source=lola"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/admin/quarantine?source=lola&said=replayed"
        assert "Replayed." in (await client.get(answer.headers["location"])).text
        again = await client.post(f"/admin/quarantine/{name}/replay")
        assert again.headers["location"].endswith("said=gone")
    assert served.call(served.house.site.orders.get("jane-68:7")) is not None
    assert (trail(served)[0].who, trail(served)[0].what, trail(served)[0].about) == ("ada", "replayed", name)


async def test_what_still_cannot_be_used_stays(served: Served) -> None:
    name = keep(served, "jane-68", b"{")
    async with admin(served) as client:
        answer = await client.post(f"/admin/quarantine/{name}/replay", data={"back": "https://elsewhere.example/"})
        assert answer.headers["location"] == "/admin/quarantine?said=not_yet"
    assert served.call(served.house.site.quarantine.get(name)) is not None


async def test_all_of_one_source_and_kind_are_replayed_and_no_others(served: Served) -> None:
    for n in range(3):
        keep(served, "jane-68", good(str(n)))
    bad = keep(served, "jane-68", b"{")
    other = keep(served, "jane-68", good("9"), why="not understood")
    there = keep(served, "lola", b"{}")
    async with admin(served) as client:
        wanted = {"source": "jane-68", "why": "unreadable"}
        answer = await client.post("/admin/quarantine/replay", data=wanted)
        assert answer.headers["location"].endswith("why=unreadable&said=some&n=3")
        assert "3 replayed" in (await client.get(answer.headers["location"])).text
        for wrong in ({"source": "nobody", "why": "unreadable"}, {"source": "jane-68", "why": ""}, {}):
            assert (await client.post("/admin/quarantine/replay", data=wrong)).status_code == 404
    left = {kept.id for kept in served.call(served.house.site.quarantine.list(100))}
    assert left == {bad, other, there}
    assert trail(served)[0].detail == "jane-68, unreadable: 3 healed, 1 left"


async def test_the_quarantine_goes_on_page_by_page(served: Served) -> None:
    for n in range(60):
        source = ("jane-68", "lola")[n % 2]
        keep(served, source, b"[%d]" % n, why=("unreadable", "not understood")[n % 3 == 0], ago=60.0 * n)
    seen: list[str] = []
    async with admin(served) as client:
        path = "/admin/quarantine?why=unreadable"
        while path:
            text = (await client.get(path)).text
            seen += [part.partition('"')[0] for part in text.split('<li id="q-')[1:]]
            path = older(text)
        assert len(seen) == len(set(seen)) == 40
        empty = await client.get("/admin/quarantine", params={"source": "aifi"})
        assert "Nothing of this source and kind" in empty.text
        assert (await client.get("/admin/quarantine", params={"cursor": "1|'"})).status_code == 400
        assert (await client.get("/admin/quarantine", params={"why": "bored"})).status_code == 404


async def test_a_body_is_shown_to_who_may_see_all_stores_of_its_source(served: Served) -> None:
    name, other = keep(served, "jane-68", b'{"a": "<b>"}'), keep(served, "lola", b'{"b": 1}')
    async with signed_in(served, "manager", "68") as manager:
        page = await manager.get(f"/admin/quarantine/{name}")
        assert "&lt;b&gt;" in page.text
        assert "<html" in page.text
        part = await manager.get(f"/admin/quarantine/{name}", headers={"HX-Request": "true"})
        assert part.text.startswith("<pre")
        assert (await manager.get(f"/admin/quarantine/{other}")).status_code == 404  # lola also serves store 123
        assert (await manager.post(f"/admin/quarantine/{other}/replay")).headers["location"].endswith("said=gone")
        listed = (await manager.get("/admin/quarantine")).text
        assert f"/admin/quarantine/{name}/replay" in listed
        assert f"/admin/quarantine/{other}/replay" not in listed
    assert (trail(served)[0].what, trail(served)[0].who) == ("body_read", "manager")


# ---- feeds ----


async def test_feeds_say_how_they_are_and_what_to_do(served: Served) -> None:
    feeds, now = served.house.site.feeds, served.house.site.clock()
    served.call(feeds.heard("lola", Heard(now - 7200, now - 3600, 25, [30.0] * 24)))
    served.call(feeds.heard("jane-68", Heard(now - 3, now - 3)))
    async with admin(served) as client:
        text = (await client.get("/admin/feeds")).text
    states = {part.partition('"')[0]: part.partition('data-state="')[2].partition('"')[0]
              for part in text.split('data-source="')[1:]}  # fmt: skip
    assert states == {"lola": "silent", "aifi": "young", "jane-68": "fine"}
    assert "Nothing was heard for 60 min; usually something comes every 2 min." in text
    assert f"{served.base}/hooks/aifi" in text


async def test_a_call_that_was_given_up_is_made_again(served: Served) -> None:
    await jane(served)
    site = served.house.site
    key = "jane-68:c1:arrived"

    async def dead() -> None:
        note = Note(state="dead", tries=7, words="HTTP 503", at=site.clock())
        effect = msgspec.msgpack.encode(["arrived", "jane-68:c1", site.clock()])
        await site.outbox.ask("HSET", "ob:out:" + key, "e", effect, "n", msgspec.msgpack.encode(note))
        await site.outbox.ask("ZADD", DEAD, repr(site.clock()), key)

    served.call(dead())
    async with signed_in(served, "manager", "123") as other:
        assert "G19" not in (await other.get("/admin/feeds")).text
        assert (await other.post("/admin/feeds/calls", data={"key": key})).status_code == 404
    async with signed_in(served, "manager", "68", name="max") as client:
        assert "HTTP 503" in (await client.get("/admin/feeds")).text
        assert (await client.post("/admin/feeds/calls", data={"key": key})).headers["location"].endswith("call_again")
        assert (await client.post("/admin/feeds/calls", data={"key": key})).headers["location"].endswith("call_gone")
    assert served.call(site.outbox.dead(10)) == []
    assert (trail(served)[0].who, trail(served)[0].what, trail(served)[0].store) == ("max", "call_replayed", "68")


# ---- links and screens ----


async def test_links_of_a_store_are_listed_and_revoked(served: Served) -> None:
    await jane(served)
    site = served.house.site
    record = served.call(site.orders.get("jane-68:c1"))
    link, token = served.call(tracking.make(site, record.order, "customer", "sam"))
    async with signed_in(served, "manager", "123") as other:
        assert "G19" not in (await other.get("/admin/links")).text
        assert (await other.post(f"/admin/links/{link.id}/revoke")).status_code == 404
    async with signed_in(served, "manager", "68", name="max") as client:
        text = (await client.get("/admin/links")).text
        assert "G19" in text
        assert token not in text
        answer = await client.post(f"/admin/links/{link.id}/revoke", data={"back": "/admin/links?store=68"})
        assert answer.headers["location"] == "/admin/links?store=68&said=link_ended"
        assert "G19" not in (await client.get("/admin/links")).text
        assert (await client.get(f"/t/{token}")).status_code == 404
    assert (trail(served)[0].who, trail(served)[0].what) == ("max", "link_revoked")


async def test_a_screen_is_made_shown_once_and_ended(served: Served) -> None:
    async with signed_in(served, "manager", "68", name="max") as client:
        made = await client.post("/admin/screens", data={"store": "68", "kind": "ready"})
        url = made.text.partition('readonly value="')[2].partition('"')[0]
        assert (await client.get(url)).status_code == 200
        listed = (await client.get("/admin/screens")).text
        assert url not in listed
        assert "never yet" in listed
        name = listed.partition('<tr id="s-')[2].partition('"')[0]
        for wrong in ({"store": "123", "kind": "tv"}, {"store": "", "kind": "no"}, {}):
            assert (await client.post("/admin/screens", data=wrong)).status_code in (400, 404)
        async with signed_in(served, "manager", "123", name="eva") as other:
            assert (await other.post(f"/admin/screens/{name}/revoke")).status_code == 404
        ended = await client.post(f"/admin/screens/{name}/revoke")
        assert ended.headers["location"] == "/admin/screens?store=68&said=screen_ended"
        assert (await client.get(url)).status_code == 404
    assert [deed.what for deed in trail(served)[:2]] == ["screen_revoked", "screen_made"]


# ---- people ----


async def test_somebody_is_added_and_can_sign_in_with_the_password_shown_once(served: Served) -> None:
    async with admin(served) as client:
        made = await client.post("/admin/people", data={"name": "sam", "role": "staff", "stores": ["68", "123"]})
        password = made.text.partition('<code id="once">')[2].partition("<")[0]
        assert len(password) >= 12
        assert password not in (await client.get("/admin/people")).text
    user = served.call(served.house.site.people.user("sam"))
    assert (user.role, user.stores, user.disabled) == ("staff", ("68", "123"), False)
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as sam:
        entered = await sam.post("/login", data={"username": "sam", "password": password})
        assert entered.status_code == 303
    assert [deed.what for deed in trail(served)[:2]] == ["signed_in", "user_added"]


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "", "role": "staff", "stores": "68"},
        {"name": "a/b", "role": "staff", "stores": "68"},
        {"name": "api", "role": "staff", "stores": "68"},
        {"name": "ada", "role": "staff", "stores": "68"},
        {"name": "x" * 65, "role": "staff", "stores": "68"},
        {"name": "sam", "role": "king", "stores": "68"},
        {"name": "sam", "role": "staff"},
        {"name": "sam", "role": "staff", "stores": "nowhere"},
        {"name": "sam", "role": "staff", "stores": "68", "password": "short"},
    ],
)
async def test_an_account_that_cannot_be_is_refused_with_the_reason(served: Served, asked: dict[str, str]) -> None:
    async with admin(served) as client:
        answer = await client.post("/admin/people", data=asked)
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        if asked["name"] == "sam":
            assert 'value="sam"' in answer.text
    assert [user.name for user in served.call(served.house.site.people.all())] == ["ada"]


async def test_role_stores_password_and_sessions_of_another(served: Served) -> None:
    site = served.house.site
    async with admin(served) as client, signed_in(served, "staff", "68", name="sam") as sam:
        path = "/admin/people/sam"
        changed = await client.post(path, data={"do": "place", "role": "manager", "stores": ["123"]})
        assert changed.headers["location"] == f"{path}?said=user_changed"
        assert (await sam.get("/board/68")).status_code == 404
        assert (await sam.get("/board/123")).status_code == 200
        assert (await client.post(path, data={"do": "place", "role": "staff"})).status_code == 422
        reset = await client.post(path, data={"do": "password"})
        assert '<code id="once">' in reset.text
        assert (await sam.get("/board/123")).status_code == 302
        served.call(site.people.enter("sam", site.clock()))
        assert "on 1 device" in (await client.get("/admin/people")).text
        await client.post(path, data={"do": "leave"})
        assert served.call(site.people.sessions("sam")) == []
        await client.post(path, data={"do": "disable"})
        assert served.call(site.people.user("sam")).disabled
        await client.post(path, data={"do": "enable"})
        assert not served.call(site.people.user("sam")).disabled
        assert (await client.post(path, data={"do": "pin", "pin": "1234"})).status_code == 422
        await client.post(path, data={"do": "pin", "pin": "4071"})
        assert served.call(site.people.user("sam")).pin
        await client.post(path, data={"do": "pin", "pin": ""})
        assert not served.call(site.people.user("sam")).pin
        assert (await client.post(path, data={"do": "dance"})).status_code == 400
        assert (await client.post("/admin/people/nobody", data={"do": "disable"})).status_code == 404
    told = [deed.what for deed in trail(served)]
    assert told == [
        "pin_changed", "pin_changed", "user_enabled", "user_disabled", "expelled", "password_changed", "user_changed",
    ]  # fmt: skip


async def test_nobody_changes_their_own_role_and_somebody_stays_an_admin(served: Served) -> None:
    people = served.house.site.people
    async with admin(served) as ada, signed_in(served, "admin", name="eve") as eve:
        for do in ({"do": "place", "role": "staff", "stores": "68"}, {"do": "disable"}):
            assert (await ada.post("/admin/people/ada", data=do)).status_code == 409
        assert (await ada.post("/admin/people/eve", data={"do": "disable"})).status_code == 303
        assert (await eve.get("/admin/people")).status_code == 302
        # Somebody who was signed in a moment ago and is no admin any more can't take the last one away.
        served.call(people.change("ada", role="staff", stores=("68",)))
        assert (await ada.post("/admin/people/eve", data={"do": "enable"})).status_code == 403
    served.call(people.change("ada", role="admin"))
    async with admin(served) as ada:
        served.call(people.save(User("lea", "admin", (), "", True)))
        assert (
            await ada.post("/admin/people/lea", data={"do": "place", "role": "staff", "stores": "68"})
        ).status_code == 303
    assert served.call(people.user("ada")).role == "admin"


async def test_two_admins_at_once_never_take_each_other_away(served: Served) -> None:
    people = served.house.site.people
    for _ in range(5):
        async with admin(served) as ada, signed_in(served, "admin", name="eve") as eve:
            wanted = {"do": "disable"}
            await asyncio.gather(ada.post("/admin/people/eve", data=wanted), eve.post("/admin/people/ada", data=wanted))
        left = [user for user in served.call(people.all()) if user.role == "admin" and not user.disabled]
        assert left


# ---- the trail ----


async def test_the_trail_by_store_and_person(served: Served) -> None:
    await jane(served)
    audit = served.house.site.audit
    served.call(audit.note("sam", "claimed", store="68", about="jane-68:c1"))
    served.call(audit.note("eva", "claimed", store="123", about="lola:x9"))
    served.call(audit.note("api", "replayed", about="ab" * 12))
    served.call(audit.note("", "sign_in_refused"))
    async with admin(served) as client:
        everything = (await client.get("/admin/audit")).text
        assert "G19" in everything
        assert "/board/68#jane-68/c1" in everything
        assert "ababab<" in everything
        assert "A sign-in was refused" in everything
        one = (await client.get("/admin/audit", params={"store": "123"})).text
        assert "lola:x9" in one
        assert "G19" not in one
        sam = (await client.get("/admin/audit", params={"who": "sam"})).text
        assert "G19" in sam
        assert "lola:x9" not in sam
        assert "Nothing like that" in (await client.get("/admin/audit", params={"who": "nobody"})).text
        assert (await client.get("/admin/audit", params={"cursor": "x"})).status_code == 400


async def test_the_trail_goes_on_page_by_page(served: Served) -> None:
    for n in range(120):
        served.call(served.house.site.audit.note("sam", "claimed", about=f"lola:{n}"))
    async with admin(served) as client:
        path, seen = "/admin/audit?who=sam", 0
        while path:
            text = (await client.get(path)).text
            seen += text.count("took an order")
            path = older(text)
    assert seen == 120
