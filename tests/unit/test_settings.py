"""What stands in the config about a store's pickup, checked with its pictures before anything starts."""

from pathlib import Path
from typing import Any

import pytest

from app.errors import Fatal
from app.settings import PICTURE_MOST, Settings, check

JPEG = b"\xff\xd8\xff\xe0 and so on"


def told(folder: Path, *steps: dict[str, str], **server: Any) -> Settings:
    store = {"id": "68", "name": "Shop", "timezone": "UTC", "pickup": list(steps)}
    return check({"server": {"data_dir": str(folder), **server}, "stores": [store]}, {}, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "door.jpg").write_bytes(JPEG)
    return tmp_path


def test_a_picture_is_shown_under_a_name_that_changes_with_it(folder: Path) -> None:
    step = {"text": "By the side door.", "picture": "door.jpg", "alt": "A green door"}
    first = told(folder, step)
    (shown,) = first.stores["68"].pickup
    name = str(shown.picture).removeprefix("/pictures/")
    assert first.pictures == {name: (folder / "pictures" / "door.jpg").resolve()}
    assert name.endswith(".jpg")
    (folder / "pictures" / "door.jpg").write_bytes(JPEG + b"!")
    assert told(folder, step).pictures.keys() != first.pictures.keys()
    assert told(folder, {"text": "No picture."}).pictures == {}
    assert told(folder, step, pictures=str(folder / "pictures")).pictures.keys()


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"text": ""}, "1 to 200"),
        ({"text": "x" * 201}, "1 to 200"),
        ({"text": "a", "picture": "none.jpg", "alt": "a"}, "can't be read"),
        ({"text": "a", "picture": "door.jpg"}, "who can't see"),
        ({"text": "a", "picture": "../secret.jpg", "alt": "a"}, "a file in"),
        ({"text": "a", "picture": "page.jpg", "alt": "a"}, "JPEG, PNG"),
        ({"text": "a", "picture": "big.jpg", "alt": "a"}, "256 KiB"),
        ({"text": "a", "html": "b"}, "html"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, step: dict[str, str], words: str) -> None:
    (folder / "secret.jpg").write_bytes(JPEG)
    (folder / "pictures" / "page.jpg").write_bytes(b"<script>")
    (folder / "pictures" / "big.jpg").write_bytes(JPEG.ljust(PICTURE_MOST + 1))
    with pytest.raises(Fatal, match=words):
        told(folder, step)


def test_six_steps_and_no_more(folder: Path) -> None:
    with pytest.raises(Fatal, match="at most 6"):
        told(folder, *[{"text": "a"}] * 7)
