"""`orderboard user …` beside a running server of two workers: whoever it concerns is out at once, on both."""

import asyncio
import time
from pathlib import Path

import httpx2
import pytest
from rig import WAIT, Shop
from websockets.asyncio.client import ClientConnection, connect

pytestmark = pytest.mark.anyio

PASSWORD = "a long enough password"
WATCHING = 8  # sockets: the kernel deals them out to both workers


async def told(socket: ClientConnection) -> int:
    async with asyncio.timeout(WAIT):
        await socket.wait_closed()
    return socket.close_code or 0


async def test_a_changed_account_is_signed_out_on_every_worker(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "workers = 2")
    shop.start()
    await shop.ready()

    def add(name: str, *, password: str = PASSWORD) -> None:
        shop.command("user", "add", name, "--store", "68", "--password-stdin", said=password + "\n")

    async def board(cookie: str) -> ClientConnection:
        address, head = f"ws://localhost:{shop.port}/live/board/68", {"Cookie": f"orderboard={cookie}"}
        socket = await connect(address, origin=shop.base, additional_headers=head)  # type: ignore[arg-type]
        await asyncio.wait_for(socket.recv(), WAIT)
        return socket

    async with httpx2.AsyncClient(base_url=shop.base, timeout=WAIT) as client:
        for name in ("mara", "tom"):
            await asyncio.to_thread(add, name)
            answer = await client.post("/login", data={"username": name, "password": PASSWORD})
            assert answer.status_code == 303
            client.cookies.clear()
            if name == "mara":
                hers = [await board(answer.cookies["orderboard"]) for _ in range(WATCHING)]
            else:
                his = await board(answer.cookies["orderboard"])
        said = await asyncio.to_thread(shop.command, "user", "pin", "mara", "--pin-stdin", said="25803691\n")
        assert said == "mara has a PIN.\n"
        assert all(socket.close_code is None for socket in hers)
        await asyncio.to_thread(add, "mara", password="another good one")
        began = time.monotonic()
        assert [await told(socket) for socket in hers] == [4401] * WATCHING
        assert time.monotonic() - began < WAIT
        assert his.close_code is None
        wrong = await client.post("/login", data={"username": "mara", "password": PASSWORD})
        right = await client.post("/login", data={"username": "mara", "password": "another good one"})
        assert (wrong.status_code, right.status_code) == (401, 303)
        assert "You have one." in (await client.get("/account")).text, "a new password leaves the PIN"
        await his.close()
    shop.stop()
    log = (tmp_path / "log").read_text()
    assert not [word for word in (PASSWORD, "another good one", "25803691", "/live/board/68") if word in log]
