"""Foreign files are what their table says they are, and none is there that it doesn't name."""

import re
from hashlib import sha256

from app.render import STATIC

VENDOR = STATIC / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \|.*\| ([^|]+), `([^`]+)` \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def test_every_foreign_file_is_the_one_that_was_taken() -> None:
    rows = ROW.findall((VENDOR / "VENDOR.md").read_text("utf-8"))
    assert len(rows) >= 5
    for name, _, licence, wanted in rows:
        assert sha256((VENDOR / name).read_bytes()).hexdigest() == wanted, name
        assert (VENDOR / licence).is_file(), licence
    known = {name for name, *_ in rows} | {licence for _, _, licence, _ in rows} | {"VENDOR.md"}
    assert {path.name for path in VENDOR.iterdir()} == known
