"""What the side of one order system is made of. A new system is one new file here, ending in `SIDE = Side(...)`."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from random import Random
from typing import Final

from app.sandbox.deeds import Deed

MISSION: Final = (37.7599, -122.4148)


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One source as its order system sees it. `url` is the whole hook URL; `utc_stamps`: stamps that name no
    zone are in UTC, else in the store's; `callbacks`: an Instacart that is told to call back as well.

    The other way round, for calls to the order system: `client_id` with `client_secret` (instacart, lolamarket),
    `client_secret` alone as the bearer of Jane's check-in (empty: none is asked for), `store_key` with `secret` as
    the base64 shared secret (urbit)."""

    source: str
    provider: str
    url: str
    secret: str
    signing_secret: str = ""
    store: str
    store_name: str
    timezone: str
    bags_item: str = ""
    utc_stamps: bool = False
    client_id: str = ""
    client_secret: str = ""
    store_key: str = ""
    callbacks: bool = True
    currency: str = "USD"
    place: tuple[float, float] = MISSION


@dataclass(frozen=True, slots=True)
class News:
    """What a beat brings: a call to the hook (none where `method` is empty), deeds in the world that calls to the
    order system will see, and an order that somebody has to follow: its ref, store, user_id and items."""

    body: bytes = b""
    method: str = "POST"
    tail: str = ""
    query: str = ""
    deeds: tuple[Deed, ...] = ()
    follow: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, with the fields of its News: `at` is in seconds after the start of the story, below 0 for
    what happened before it."""

    at: float
    feed: str
    ref: str
    label: str
    body: bytes = b""
    method: str = "POST"
    tail: str = ""
    query: str = ""
    deeds: tuple[Deed, ...] = ()
    follow: Mapping[str, object] | None = None

    @property
    def calls(self) -> bool:
        return self.method != ""


@dataclass(frozen=True, slots=True)
class Beat:
    """One thing that happens to an order, `wait` seconds after the one before it. `write` makes its news from the
    instants of the order's beats so far, its own last."""

    wait: float
    label: str
    write: Callable[[Sequence[datetime]], News]


@dataclass(frozen=True, slots=True)
class Tale:
    """A whole order's life; `ref` is the order system's own key for it."""

    ref: str
    beats: tuple[Beat, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is decided about an order before it is told: `promise` is in seconds from its first beat to its deadline;
    `flavour` is the system's own word for a variant, empty for any; `haste` is what waits will be multiplied by."""

    number: int
    story: str
    promise: float
    flavour: str = ""
    haste: float = 1.0


@dataclass(frozen=True, slots=True)
class Opening:
    """An order that has already come so far when the curtain rises: the last beat with this label, and `more` beats
    after it, happened `ago` seconds before; the promise is due in `due` seconds (below 0: it is late)."""

    story: str
    reached: str
    ago: float
    due: float
    more: int = 0
    flavour: str = ""


def unsigned(_feed: Feed, _body: bytes, _now: float) -> dict[str, str]:
    return {}


def as_it_was(earlier: bytes, _later: bytes) -> bytes:
    """For calls that carry no stamp and no id: old news told anew look just like the old news."""
    return earlier


def bearer(feed: Feed, _body: bytes, _now: float) -> dict[str, str]:
    return {"Authorization": f"Bearer {feed.secret}"} if feed.secret else {}


@dataclass(frozen=True)
class Side:
    """One order system. `stories` maps names to weights; `promise` is the range of seconds promised; `again` tells an
    order's earlier news anew, as if it came after the later one; `headers` belong to one try at one body; `login` is
    the form that gets a token at `{url}/token`, which then comes as the bearer of every call."""

    stories: Mapping[str, int]
    promise: tuple[float, float]
    opening: tuple[Opening, ...]
    tell: Callable[[Feed, Plan, Random], Tale]
    again: Callable[[bytes, bytes], bytes] = as_it_was
    headers: Callable[[Feed, bytes, float], dict[str, str]] = unsigned
    login: Callable[[Feed], dict[str, str]] | None = None


def side(provider: str) -> Side:
    """The side of this name, found in this folder; ValueError where there is none."""
    name = f"app.sandbox.{provider}"
    found = None
    if re.fullmatch(r"[a-z]+", provider):
        try:
            found = getattr(import_module(name), "SIDE", None)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    if not isinstance(found, Side):
        raise ValueError(f"the sandbox cannot play {provider!r}")
    return found
