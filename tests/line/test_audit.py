"""The audit trail: what is in it, in which order, for whom; and the lists that the pages of admins read."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest
import redis
from rig import TOKEN, WAIT, Served, housed
from test_screens import call, made, take

from app.main import House
from app.render.admin import DEEDS
from app.store import audit
from app.store.people import User
from app.web.staff import HASHER

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
PASSWORD = "a long enough password"


@asynccontextmanager
async def parts(url: str) -> AsyncIterator[House]:
    async with housed(url) as house:
        yield house


async def test_the_trail_is_read_backwards_by_store_and_in_pages(redis_url: str) -> None:
    async with parts(redis_url) as house:
        trail = house.site.audit
        for number in range(7):
            await trail.note("mara", "claimed", store=("68", "123")[number % 2], about=f"lola:{number}", via="till")
        everything, end = await trail.page()
        assert [deed.about for deed in everything] == [f"lola:{number}" for number in reversed(range(7))]
        assert end == ""
        assert (everything[0].who, everything[0].via, everything[0].what) == ("mara", "till", "claimed")
        first, cursor = await trail.page(stores=["68"], count=3)
        rest, end = await trail.page(stores=["68"], cursor=cursor, count=3)
        assert [deed.about for deed in first + rest] == ["lola:6", "lola:4", "lola:2", "lola:0"]
        assert end == ""
        await trail.note("mara", "signed_in", via="mara")
        newest, _ = await trail.page(count=1)
        assert (newest[0].what, newest[0].via) == ("signed_in", "")
        assert await trail.page(stores=[]) == ([], "")


async def test_the_trail_is_bounded(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST", 5)
    async with parts(redis_url) as house:
        trail = house.site.audit
        for number in range(8):
            await trail.note("mara", "claimed", about=str(number))
        assert [deed.about for deed in (await trail.page())[0]] == ["7", "6", "5", "4", "3"]
        monkeypatch.setattr(audit, "AGE", 0.2)
        await asyncio.sleep(0.4)
        await trail.note("mara", "claimed", about="late")
        assert [deed.about for deed in (await trail.page())[0]] == ["late"]


async def test_lists_for_the_pages_of_admins(redis_url: str) -> None:
    async with parts(redis_url) as house:
        site = house.site
        for name in ("tom", "Ada", "mara"):
            await site.people.save(User(name, "staff", ("68",), "x"))
        assert [user.name for user in await site.people.all()] == ["Ada", "mara", "tom"]
        await site.people.change("tom", role="manager", stores=("68", "123"), pin="hash")
        tom = await site.people.user("tom")
        assert tom == User("tom", "manager", ("68", "123"), "x", pin="hash")
        assert await site.people.change("nobody", role="admin") is None
        await site.people.enter("mara", 1.0, "Firefox on Linux")
        secret = await site.people.enter("mara", 2.0)
        assert [session.since for session in await site.people.sessions("mara")] == [2.0, 1.0]
        found = await site.people.session(secret)
        assert found is not None
        await site.people.leave(found[0])
        assert [session.device for session in await site.people.sessions("mara")] == ["Firefox on Linux"]
        links = [
            (await site.links.make(f"lola:{number}", "customer", float(number), "68"))[0] for number in range(1, 6)
        ]
        await site.links.make("lola:9", "customer", 9.0, "123")
        await site.links.revoke(links[2])
        first = await site.links.made("68", count=2)
        assert [link.key for link in first] == ["lola:5", "lola:4"]
        assert [link.key for link in await site.links.made("68", first[-1].created)] == ["lola:2", "lola:1"]
        tv, _ = await site.screens.make("68", "tv", 1.0)
        ready, _ = await site.screens.make("68", "ready", 2.0)
        assert await site.screens.of("68") == [tv, ready]
        await site.screens.revoke(tv)
        assert await site.screens.of("68") == [ready]
        assert await site.screens.of("123") == []


def test_people_read_what_was_done_in_words() -> None:
    assert set(audit.WHATS) == DEEDS.keys()


@pytest.fixture
def signed_in(served: Served) -> Iterator[httpx2.Client]:
    served.call(served.house.site.people.save(User("mara", "manager", ("68",), HASHER.hash(PASSWORD))))
    with httpx2.Client(base_url=served.base, timeout=WAIT) as client:
        assert client.post("/login", data={"username": "mara", "password": PASSWORD}).status_code == 303
        yield client


async def test_what_people_and_programs_do_is_in_it(served: Served, signed_in: httpx2.Client, redis_url: str) -> None:
    take(served, "a", stage="ready", fulfilment="pickup")
    with httpx2.Client(base_url=served.base, timeout=WAIT) as client:
        wrong = client.post("/login", data={"username": "Mara's secret", "password": "Winter2026!"})
        assert wrong.status_code == 401
        client.headers.update(API)
        link = client.post("/api/orders/lola/a/links").json()["id"]
        client.delete(f"/api/links/{link}")
        client.post("/api/orders/lola/a/arrival", content=json.dumps({"state": "handed_over"}))
    name, _ = await made(served)
    assert (await call(served, "DELETE", f"/api/screens/{name}")).status_code == 204
    for state, undo in (("handed_over", "true"), ("handed_over", "")):
        form = {"key": "lola:a", "state": state, "undo": undo}
        assert signed_in.post("/board/68/arrival", data=form).status_code == 204
    assert signed_in.post("/board/68/orders/lola/a/links", data={"kind": "delegate"}).status_code == 200
    signed_in.post("/logout")
    deeds, _ = served.call(served.house.site.audit.page())
    assert [(deed.who, deed.what, deed.store, deed.about) for deed in reversed(deeds)] == [
        ("mara", "signed_in", "", ""),
        ("", "sign_in_refused", "", ""),
        ("api", "link_made", "68", "lola:a"),
        ("api", "link_revoked", "68", "lola:a"),
        ("api", "handed_over", "68", "lola:a"),
        ("api", "screen_made", "68", name),
        ("api", "screen_revoked", "68", name),
        ("mara", "undone", "68", "lola:a"),
        ("mara", "handed_over", "68", "lola:a"),
        ("mara", "link_made", "68", "lola:a"),
        ("mara", "signed_out", "", ""),
    ]
    with redis.Redis.from_url(redis_url) as client_:
        kept = str(client_.xrange("ob:audit"))
    assert "secret" not in kept
    assert "Winter" not in kept
