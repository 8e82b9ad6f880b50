"""How many files may be open at once: sockets are files."""

import json
import resource
from pathlib import Path

import pytest
from rig import Shop

pytestmark = pytest.mark.anyio


async def test_it_takes_as_many_open_files_as_it_may_have(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, usual[1]))
    try:
        shop.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert shop.process is not None
    await shop.ready()
    server = json.loads((tmp_path / "data" / "server.json").read_text())["pid"]
    for pid in (shop.process.pid, server):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[0] > 256
    shop.stop()
