"""A bad value in the config stops the start, with the key's name and what is expected."""

from typing import Any

import pytest

from app import providers
from app.errors import Fatal
from app.settings import Settings, check

SECRET = "a-secret-of-twenty-four-characters"
OPTIONS = {name: system.options for name, system in providers.load().items()}


def told(
    server: dict[str, Any] | None = None, store: dict[str, Any] | None = None, source: dict[str, Any] | None = None
) -> Settings:
    shop = {"id": "68", "name": "Shop", "timezone": "UTC", **(store or {})}
    jane = {"id": "jane-68", "provider": "jane", "secret": SECRET, "store": "68", **(source or {})}
    return check({"server": server or {}, "stores": [shop], "sources": [jane]}, {}, OPTIONS)


SERVER: list[tuple[str, Any]] = [
    ("host", ""),
    ("data_dir", ""),
    ("public_url", "http://"),
    ("public_url", "https://shop.example/board"),
    ("public_url", "https://shop.example/?a"),
    ("public_url", "https://me@shop.example"),
    ("public_url", "https://shop.example:x"),
    ("public_url", "https://[shop.example"),
    ("redis_url", "redis://shop.example:x"),
    ("redis_url", "redis+sentinel://"),
    ("redis_url", "redis+sentinel://one:x,two:26379/name"),
    ("sockets_per_ip", -1),
    ("sockets_per_session", -1),
    ("sockets_per_link", -1),
    ("replicas", -1),
    ("tick_ms", 0),
]
STORE: list[tuple[str, Any]] = [
    ("name", " "),
    ("latitude", 91.0),
    ("latitude", float("nan")),
    ("longitude", -181.0),
    ("currency", "usd"),
    ("bays", ["1", "1"]),
    ("bays", [""]),
    ("bays", ["a\nb"]),
]
SOURCE: list[tuple[str, Any]] = [
    ("base_url", "shop.example"),
    ("base_url", "ftp://shop.example"),
    ("poll_seconds", 0),
    ("poll_seconds", -5),
    ("poll_seconds", float("nan")),
    ("rate", 0),
    ("rate", float("inf")),
    ("currency", "$"),
    ("provider", ["jane"]),
    ("arrival_path", "curbside_arrival"),
]


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [(table, *pair) for table, pairs in (("server", SERVER), ("store", STORE), ("source", SOURCE)) for pair in pairs],
)
def test_a_bad_value_is_called_by_its_key(table: str, key: str, value: Any) -> None:
    with pytest.raises(Fatal, match=key):
        told(**{table: {key: value}})


@pytest.mark.parametrize("raw", [{"sources": [5]}, {"stores": [5]}, {"oidc": 5}, {"server": 5}])
def test_what_is_no_table_is_said(raw: dict[str, Any]) -> None:
    with pytest.raises(Fatal, match=min(raw)):
        check(raw, {}, OPTIONS)


def test_what_people_write_is_taken() -> None:
    for url in ("http://localhost:8000", "https://shop.example/", "http://[::1]:8000"):
        assert told({"public_url": url}).server.public_url == url.rstrip("/")
    for url in (
        "",
        "redis://",
        "rediss://u:p@h:6380/1",
        "unix:///run/r.sock",
        "redis+sentinel://:p@one:26379,two/name",
    ):
        assert told({"redis_url": url}).server.redis_url == url
    made = told({"sockets_per_ip": 0, "replicas": 0}, {"bays": ["Row 1/2", "é"], "latitude": 0, "longitude": 180.0})
    assert made.stores["68"].bays == ("Row 1/2", "é")
    assert (
        told(source={"base_url": "http://127.0.0.1:8100", "poll_seconds": 90, "rate": 0.5}).sources["jane-68"].rate
        == 0.5
    )
