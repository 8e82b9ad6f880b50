"""What is watched of a store: its cards as they were last rendered, and what has changed since the last frame.

Three things tell of an order, in any order: the answer to a node's own event, another node's word with a read after it,
and the whole view. Each has the number of its store that it is as new as. One that is no newer than what is known says
nothing: should it be newer all the same, then the change that makes it so is still to be heard of."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from app.mailbox import Fragment
from app.orders import Attention, Order
from app.render import Card, Pane, Renderer

LEFT_MOST: Final = 1_000  # orders that left a store, remembered for what is still on its way about them


class Snapshot(Protocol):
    @property
    def seq(self) -> int: ...
    @property
    def orders(self) -> Sequence[Order]: ...


class Sight(Struct, gc=False, frozen=True):
    """An order to show, the number of its store that it is as new as, and what the rule said of it when it changed,
    where this node knows."""

    order: Order
    seq: int
    seen: Attention | None = None


class Room:
    """A store's view in one pane (board, screen, ready) that somebody looks at."""

    def __init__(self, store: str, pane: Pane) -> None:
        self.store = store
        self.pane = pane
        self.group = f"{pane.name}:{store}"
        self.seq = 0
        self.cards: dict[str, Card] = {}  # by order key
        self.revs: dict[str, int] = {}
        self.dirty: dict[str, Sight | None] = {}  # None: it has left the store
        self.loaded = False
        self.timer: asyncio.TimerHandle | None = None
        self.whole: str | None = None  # the view as content, until the next change
        self._since = 0  # the number it was read at
        self._seen: dict[str, int] = {}  # orders that changed since, and the number they are as new as
        self._left: dict[str, int] = {}  # orders that left since, and at which number

    def begin(self) -> None:
        """It is about to be read: what changes from here on waits in `dirty`."""
        self.loaded, self.revs, self._since, self._seen, self._left = False, {}, 0, {}, {}

    def fill(self, snapshot: Snapshot, now: float) -> None:
        self.seq = self._since = snapshot.seq
        self.revs = {order.key: order.rev for order in snapshot.orders}
        made = ((order.key, self.pane.card(order, now, None)) for order in snapshot.orders)
        self.cards = {key: card for key, card in made if card is not None}
        later = {key: new for key, new in self.dirty.items() if new and self._adds(new)}
        self.revs.update({key: new.order.rev for key, new in later.items()})
        self._seen = {key: new.seq for key, new in later.items()}
        self._left = {key: seq for key, seq in self._left.items() if seq > snapshot.seq}
        self.dirty = {**later, **dict.fromkeys(self._left)}
        self.whole, self.loaded = None, True

    def _adds(self, new: Sight) -> bool:
        return new.seq > self._since and new.order.rev > self.revs.get(new.order.key, 0)

    def _known(self, key: str) -> int:
        return self._seen.get(key) or self._left.get(key, self._since)

    def hear(self, key: str, rev: int, seq: int) -> bool:
        """Another node's word of a change. Is it to be read?"""
        self.seq = max(self.seq, seq)
        if self._later(key, rev):
            return True
        if rev == self.revs.get(key):  # it was read before its word came: a leaving before that is no news
            self._seen[key] = max(seq, self._known(key))
        return False

    def change(self, order: Order, seq: int, seen: Attention | None = None) -> bool:
        """Is that news?"""
        key = order.key
        if seq <= self._known(key):
            return False
        if not self._later(key, order.rev):
            self._seen[key] = seq
            return False
        self.dirty[key] = Sight(order, seq, seen)
        self._seen[key] = seq
        self._left.pop(key, None)
        if self.loaded:  # else the number alone decides: the revs are those of a view still to come
            self.revs[key] = order.rev
        return True

    def _later(self, key: str, rev: int) -> bool:
        return key in self._left or rev > self.revs.get(key, 0)

    def lose(self, key: str, seq: int) -> None:
        """An order has left the store, or is no more."""
        self.seq = max(self.seq, seq)
        if seq <= self._known(key):
            return
        self.dirty[key], self._left[key] = None, seq
        self._seen.pop(key, None)
        if len(self._left) > LEFT_MOST:
            del self._left[next(iter(self._left))]

    def drain(self, now: float, render: Renderer) -> dict[str, Fragment]:
        """What has changed since the last time, by order key."""
        if not self.dirty:
            return {}
        dirty, self.dirty, self.whole = self.dirty, {}, None
        fragments = {}
        for key, new in dirty.items():
            was = self.cards.pop(key, None)
            card = self.pane.card(new.order, now, new.seen) if new is not None else None
            if card is not None:
                self.cards[key] = card
                fragments[key] = Fragment(self.revs[key], render.upsert([card.html]))
            elif was is not None:
                fragments[key] = Fragment(self.revs.get(key, 0), render.gone([was.id]))
            if new is None:
                self.revs.pop(key, None)
        return fragments
