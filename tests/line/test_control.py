"""What closes open sockets, on every node: two of them on one Redis, the change made on the other."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import redis
from rig import TOKEN, WAIT, Served, Shop, free_port, settings_of
from test_screens import code, frame, made, take
from websockets.asyncio.client import ClientConnection, connect

from app.services import doorman
from app.store.people import People, User
from app.web.staff import HASHER

pytestmark = pytest.mark.anyio

API = {"Authorization": f"Bearer {TOKEN}"}
PASSWORD = "a long enough password"
HASH = HASHER.hash(PASSWORD)


@pytest.fixture
def nodes(redis_url: str) -> Iterator[list[Served]]:
    running = [Served(settings_of(free_port()), redis_url).start() for _ in range(2)]
    yield running
    for node in running:
        node.stop()


def people(node: Served) -> People:
    return node.house.site.people


def signed_in(node: Served, name: str = "mara", role: str = "staff", stores: tuple[str, ...] = ("68", "123")) -> str:
    """The secret of a new session."""
    node.call(people(node).save(User(name, role, stores, HASH)))
    return str(node.call(people(node).enter(name, time.time())))


@contextlib.asynccontextmanager
async def board(node: Served, secret: str, store: str = "68") -> AsyncIterator[ClientConnection]:
    cookie = {"Cookie": f"orderboard={secret}"}
    async with connect(f"{node.ws}/live/board/{store}", origin=node.base, additional_headers=cookie) as socket:  # type: ignore[arg-type]
        await frame(socket)
        yield socket


async def stays(socket: ClientConnection, node: Served) -> None:
    """It is open, and hears what changes."""
    name = f"N{time.time_ns()}"
    await asyncio.to_thread(take, node, name, stage="ready", fulfilment="pickup", code=name)
    async with asyncio.timeout(WAIT):
        while name not in (await frame(socket))["content"]:
            pass


async def closes(socket: ClientConnection, expected: int) -> None:
    async with asyncio.timeout(WAIT):
        assert await code(socket) == expected


async def test_signing_out_closes_on_both_nodes_and_spares_others(nodes: list[Served]) -> None:
    mine, other = signed_in(nodes[0]), signed_in(nodes[0], "tom")
    async with (
        board(nodes[0], mine) as here,
        board(nodes[1], mine) as there,
        board(nodes[1], other) as toms,
        httpx2.AsyncClient(cookies={"orderboard": mine}) as client,
    ):
        answer = await client.post(nodes[0].base + "/logout")
        assert answer.status_code == 303
        await closes(here, 4401)
        await closes(there, 4401)
        await stays(toms, nodes[0])
    async with connect(
        f"{nodes[1].ws}/live/board/68", origin=nodes[1].base, additional_headers={"Cookie": f"orderboard={mine}"}
    ) as again:
        await closes(again, 4401)


async def test_what_is_changed_of_an_account_closes_what_it_must(nodes: list[Served]) -> None:
    here, there = nodes
    secret = signed_in(there)
    async with board(here, secret) as kept, board(here, secret, "123") as lost:
        await asyncio.to_thread(there.call, people(there).change("mara", stores=("68",)))
        await closes(lost, 4403)
        await stays(kept, there)
        await asyncio.to_thread(there.call, people(there).change("mara", disabled=True))
        await closes(kept, 4401)
    assert there.call(people(there).sessions("mara")) == []
    there.call(people(there).change("mara", disabled=False))
    secret = signed_in(there)
    async with board(here, secret) as socket:
        await asyncio.to_thread(there.call, people(there).change("mara", password=HASH))
        await closes(socket, 4401)
    secret = signed_in(there)
    async with board(here, secret) as socket:
        await asyncio.to_thread(there.call, people(there).remove("mara"))
        await closes(socket, 4401)
    assert there.call(people(there).all()) == []


async def test_a_new_password_may_keep_the_session_that_asked(nodes: list[Served]) -> None:
    here, there = nodes
    secret, other = signed_in(there), signed_in(there)
    session, _ = there.call(people(there).session(secret))
    async with board(here, secret) as kept, board(here, other) as lost:
        await asyncio.to_thread(there.call, people(there).change("mara", password=HASH, keep=session.id))
        await closes(lost, 4401)
        await stays(kept, there)


async def test_links_and_screens_close_on_the_other_node(nodes: list[Served]) -> None:
    here, there = nodes
    take(here, "a", stage="confirmed")
    async with httpx2.AsyncClient(base_url=here.base, headers=API) as api:
        link = (await api.post("/api/orders/lola/a/links")).json()
        name, token = await made(here)
        track = "/live/track/" + link["url"].rsplit("/", 1)[1]
        async with connect(there.ws + track) as page, connect(f"{there.ws}/live/screen/{token}") as wall:
            await frame(page)
            await frame(wall)
            assert (await api.delete(f"/api/links/{link['id']}")).status_code == 204
            await closes(page, 4403)
            await stays(wall, here)
            assert (await api.delete(f"/api/screens/{name}")).status_code == 204
            await closes(wall, 4403)


async def test_a_programs_token_closes_what_it_opened(nodes: list[Served]) -> None:
    here, there = nodes
    (token, secret), (_, other) = (here.call(here.house.site.tokens.issue(name, 1.0)) for name in ("till", "display"))
    address = f"{there.ws}/live/board/68"
    async with (
        connect(address, additional_headers={"Authorization": f"Bearer {secret}"}) as lost,
        connect(address, additional_headers={"Authorization": f"Bearer {other}"}) as kept,
        connect(address, additional_headers=API) as configs,
        httpx2.AsyncClient(base_url=there.base, headers={"Authorization": f"Bearer {secret}"}) as api,
    ):
        for socket in (lost, kept, configs):
            await frame(socket)
        assert (await api.get("/api/orders")).status_code == 200
        assert here.call(here.house.site.tokens.revoke(token.id)) == token
        await closes(lost, 4403)
        await stays(kept, here)
        await stays(configs, here)
        assert (await api.get("/api/orders")).status_code == 401
    assert here.call(here.house.site.tokens.revoke(token.id)) is None
    assert [one.name for one in here.call(here.house.site.tokens.all())] == ["display"]


def test_tokens_by_the_command_line(served: Served, redis_url: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, f'redis_url = "{redis_url}"')
    secret = shop.command("api-token", "create", "till").strip()
    auth = {"Authorization": f"Bearer {secret}"}
    with httpx2.Client(base_url=served.base, headers=auth, timeout=WAIT) as api:
        assert api.get("/api/orders").status_code == 200
        name, *_, called = shop.command("api-token", "list").split()
        assert called == "till"
        assert name in shop.command("api-token", "revoke", name)
        assert api.get("/api/orders").status_code == 401
    assert shop.command("api-token", "list") == ""
    with pytest.raises(subprocess.CalledProcessError) as wrong:
        shop.command("api-token", "revoke", name)
    assert f"There is no API token '{name}'" in wrong.value.stderr


async def test_what_was_missed_while_the_line_was_down_is_made_good(nodes: list[Served], redis_url: str) -> None:
    """The channel's words are lost: each node learns from the number, and from the new line, that there were some."""
    secret = signed_in(nodes[0])
    with redis.Redis.from_url(redis_url) as client:
        for lost in (True, False):  # said while nobody listens; and said by somebody whose words never come
            async with board(nodes[1], secret) as socket:
                await asyncio.to_thread(client.execute_command, "CLIENT", "KILL", "TYPE", "pubsub") if lost else None
                marks = client.smembers("ob:sessions:mara")
                client.delete(*(b"ob:session:" + mark for mark in marks))
                client.incr("ob:control:n")
                await closes(socket, 4401)
            secret = signed_in(nodes[0])


async def test_a_session_that_ends_by_itself_closes_too(
    nodes: list[Served], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorman, "SWEEP", 2)
    secret = signed_in(nodes[0])
    with redis.Redis.from_url(redis_url) as client:
        async with board(nodes[1], secret) as socket:
            for mark in client.smembers("ob:sessions:mara"):
                client.pexpire(b"ob:session:" + mark, 50)
            await closes(socket, 4401)


async def test_who_is_let_in_while_being_signed_out_does_not_stay(nodes: list[Served], redis_url: str) -> None:
    """The session ends after it was looked at and before the socket is heard of: no notice finds that one."""
    secret = signed_in(nodes[0])
    site = nodes[1].house.site
    join = site.relay.join_board

    async def late(*args: object, **more: object) -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.delete(*(b"ob:session:" + mark for mark in client.smembers("ob:sessions:mara")))
        await join(*args, **more)  # type: ignore[arg-type]

    site.relay.join_board = late  # type: ignore[method-assign]
    cookie = {"Cookie": f"orderboard={secret}"}
    async with connect(f"{nodes[1].ws}/live/board/68", origin=nodes[1].base, additional_headers=cookie) as socket:  # type: ignore[arg-type]
        await closes(socket, 4401)
