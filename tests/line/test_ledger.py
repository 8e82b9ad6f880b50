"""The drawer beside the board: whose it is, what it shows, and who may read what an order system sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from rig import SECRET, WAIT, Served

from app.store.people import User

pytestmark = pytest.mark.anyio

ORDER = "/board/68/orders/jane-68/c1"


@asynccontextmanager
async def signed_in(served: Served, role: str = "staff", store: str = "68") -> AsyncIterator[httpx2.AsyncClient]:
    people = served.house.site.people
    served.call(people.save(User(role, role, (store,), "")))
    secret = served.call(people.enter(role, served.house.site.clock()))
    cookies = {served.house.site.cookie: secret}
    async with httpx2.AsyncClient(base_url=served.base, cookies=cookies, timeout=WAIT) as client:
        yield client


async def order(served: Served, status: str = "preparing", uuid: str = "c1") -> None:
    cart = {
        "id": 7469, "uuid": uuid, "status": status, "reservation_mode": "pickup", "amount": 41.8, "store_id": 68,
        "queue_number": "G19", "customer_name": "John <b>Smith", "products": [],
    }  # fmt: skip
    body = {"cart": cart, "webhook_event": "cart_status_updated"}
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as client:
        assert (await client.post("/hooks/jane-68", json=body, headers=headers)).status_code == 202


async def test_the_drawer_tells_events_with_what_came_of_them(served: Served) -> None:
    for status in ("verification", "preparing", "preparing"):
        await order(served, status)
    async with signed_in(served) as client:
        answer = await client.get(ORDER)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "G19" in answer.text
    assert "Picking since" in answer.text
    assert answer.text.count("Applied") == 2
    assert answer.text.count("Repeat") == 1
    assert "webhook" in answer.text
    assert "<b>Smith" not in answer.text


async def test_only_the_stores_own_people_see_its_orders(served: Served) -> None:
    await order(served)
    async with httpx2.AsyncClient(base_url=served.base, timeout=WAIT) as nobody:
        assert (await nobody.get(ORDER)).status_code == 302
        assert (await nobody.get(ORDER, headers={"HX-Request": "true"})).status_code == 401
    async with signed_in(served, store="123") as other:
        for path in (ORDER, "/board/123/orders/jane-68/c1", "/board/68/orders/jane-68/none"):
            assert (await other.get(path)).status_code == 404
        assert (await other.post(f"{ORDER}/links", data={"kind": "customer"})).status_code == 404
    async with signed_in(served) as mine:
        assert (await mine.get("/board/68/orders/jane-68/none")).status_code == 404


async def test_bodies_are_for_managers(served: Served) -> None:
    await order(served)
    async with signed_in(served, "manager") as manager:
        page = (await manager.get(ORDER)).text
        path = page.partition('hx-get="')[2].partition('"')[0]
        assert path.startswith(f"{ORDER}/bodies/")
        body = (await manager.get(path)).text
        assert '<pre class="raw"' in body
        assert "\n  &#34;cart&#34;: {" in body
        assert "John &lt;b&gt;Smith" in body
        assert (await manager.get(f"{ORDER}/bodies/1")).status_code == 404
    async with signed_in(served) as staff:
        assert "/bodies/" not in (await staff.get(ORDER)).text
        assert (await staff.get(path)).status_code == 403


async def test_a_link_is_made_shown_once_and_revoked(served: Served) -> None:
    await order(served)
    async with signed_in(served) as client:
        made = (await client.post(f"{ORDER}/links", data={"kind": "delegate"})).text
        url = made.partition('value="')[2].partition('"')[0]
        assert url.startswith(f"{served.base}/t/")
        assert "<svg" in made
        assert (await client.get(url)).status_code == 200
        drawer = (await client.get(ORDER)).text
        assert "someone else who collects" in drawer
        assert url not in drawer
        path = drawer.partition('hx-delete="')[2].partition('"')[0]
        assert "No link opens this order" in (await client.delete(path)).text
        assert (await client.get(url)).status_code == 404
        assert (await client.post(f"{ORDER}/links", data={"kind": "king"})).status_code == 400


async def test_links_change_from_our_own_pages_only(served: Served) -> None:
    await order(served)
    foreign = {"Sec-Fetch-Site": "cross-site"}
    async with signed_in(served) as client:
        assert (await client.post(f"{ORDER}/links", data={"kind": "customer"}, headers=foreign)).status_code == 403
        assert (await client.delete(f"{ORDER}/links/x", headers=foreign)).status_code == 403


async def test_a_link_of_another_order_stays(served: Served) -> None:
    await order(served)
    await order(served, uuid="c2")
    site = served.house.site
    link, token = served.call(site.links.make("jane-68:c2", "customer", site.clock()))
    async with signed_in(served) as client:
        assert (await client.delete(f"{ORDER}/links/{link.id}")).status_code == 200
    assert served.call(site.links.find(token)) is not None
