"""The order systems' world: accounts, tokens, orders, a log of every call. State and a clock, no input or output."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from app.sandbox.connect import Batch, Order
from app.sandbox.deeds import Deed, Moved, Placed, Purchase, Shown, Sorted
from app.sandbox.sides import Feed
from app.sandbox.trouble import Trouble

CALLS_MOST: Final = 200_000
KEPT_MOST: Final = 50_000  # orders and tokens of each kind; a demo may run for weeks
NONCE_KEPT: Final = 1800  # seconds; twice the clocks' tolerance


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was answered; `path` has no query, `at` is by the world's clock, when it came in."""

    method: str
    path: str
    status: int
    at: float


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is good for: an order system, a scope there, and for a customer's token whose it is."""

    system: str
    scope: str
    user_id: str | None
    until: float


@dataclass
class World:
    """`instacart_seconds` and `lolamarket_seconds`: how long a token lasts. `hidden`: the retailer shows nobody who
    the shopper is. `capitals`: item statuses as in the newer contract, not the tutorial. `on_event` hears what
    Instacart would call back about: an order's id and the event's word."""

    clock: Callable[[], float] = time.time
    trouble: Trouble = field(default_factory=Trouble)
    instacart_seconds: float = 86_400
    lolamarket_seconds: float = 3_600
    hidden: bool = False
    capitals: bool = False
    on_event: Callable[[str, str], None] | None = None
    accounts: dict[tuple[str, str], str] = field(default_factory=dict)
    bearers: set[str] = field(default_factory=set)
    tokens: dict[str, Grant] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    shoppers: dict[int, str] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    shown: dict[tuple[str, str], Shown] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_MOST))

    def __post_init__(self) -> None:
        self.numbers = count(23_728_249)
        self.nonces: dict[tuple[str, str], float] = {}

    def enrol(self, feeds: Iterable[Feed]) -> None:
        """Opens each feed's account at its order system."""
        for feed in feeds:
            if feed.client_id:
                self.accounts[feed.provider, feed.client_id] = feed.client_secret
            elif feed.provider == "jane" and feed.client_secret:
                self.bearers.add(feed.client_secret)
            if feed.store_key:
                self.accounts[feed.provider, feed.store_key] = feed.secret

    def happen(self, deed: Deed) -> None:
        """News of an order that nobody has placed changes nothing."""
        match deed:
            case Placed(purchase):
                self.place(purchase)
            case Moved(order=ref):
                if order := self.orders.get(ref):
                    order.move(deed, self.clock())
            case Sorted(order=ref, line=line):
                if order := self.orders.get(ref):
                    order.lines[line] = deed
            case Shown(system=system, ref=ref):
                self.shown[system, ref] = deed
                _trim(self.shown)

    def place(self, purchase: Purchase) -> Order:
        order = self.orders[purchase.id] = Order(purchase, purchase.window)
        _trim(self.orders)
        return order

    def tell(self, order: Order, word: str) -> None:
        if self.on_event:
            self.on_event(order.bought.id, word)

    def grant(self, system: str, scope: str, user_id: str | None, seconds: float) -> str:
        token = secrets.token_urlsafe(24)
        self.tokens[token] = Grant(system, scope, user_id, self.clock() + seconds)
        _trim(self.tokens)
        return token

    def granted(self, system: str, authorization: str) -> Grant | None:
        """The grant behind an Authorization header; None where there is none, or no more."""
        if self.trouble.forgets():
            self.tokens.clear()
        scheme, _, token = authorization.partition(" ")
        grant = self.tokens.get(token)
        if scheme.lower() != "bearer" or grant is None or grant.system != system or grant.until <= self.clock():
            return None
        return grant

    def fresh(self, key: str, nonce: str) -> bool:
        """Whether this nonce was not used yet; it is from now on."""
        now = self.clock()
        while self.nonces and next(iter(self.nonces.values())) < now - NONCE_KEPT:
            del self.nonces[next(iter(self.nonces))]
        known = (key, nonce) in self.nonces
        self.nonces.setdefault((key, nonce), now)
        return not known

    def called(self, method: str = "", path: str = "") -> list[Call]:
        """The calls of this method with this in their path."""
        return [call for call in self.calls if method in ("", call.method) and path in call.path]


def _trim(table: dict[Any, Any]) -> None:
    if len(table) > KEPT_MOST:
        del table[next(iter(table))]
