"""Changes in, one frame per audience out. Notices gaps: the numbers are the truth, the announcements a hint.

For every store that somebody watches the relay keeps the view as it stands, so a new board costs no read, and the
whole view and the frames after it can't disagree. Newer by the order's own `rev` wins; a store's `seq` only tells gaps.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Final, Protocol

import structlog
from msgspec import Struct

from app import metrics
from app.errors import Away, Unknown
from app.hub import Hub, Seat
from app.mailbox import Fragment, Mailbox
from app.orders import Attention, Order
from app.render import Renderer
from app.room import Room, Snapshot
from app.settings import Store
from app.trips import Fix

log = structlog.get_logger()

NOWHERE: Final = "-"
GAP_MOST: Final = 10_000  # changes read from the journal; beyond, the view is read anew
LINGER: Final = 5.0  # seconds a view outlives its last watcher
PATIENCE: Final = 0.25  # seconds a number may be under way before it counts as missed


class Message(Protocol):
    @property
    def store(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def rev(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def own(self) -> bool: ...


class Head(Protocol):
    @property
    def epoch(self) -> str: ...
    @property
    def seqs(self) -> Mapping[str, int]: ...


class Reads(Struct, frozen=True, kw_only=True):
    """What the relay needs of the store, handed to it as plain callables."""

    changes: Callable[[], AsyncIterator[Message]]
    read: Callable[[Iterable[str]], Awaitable[Mapping[str, Order]]]
    board: Callable[[str, float], Awaitable[Snapshot]]
    heads: Callable[[Sequence[str]], Awaitable[Head]]
    since: Callable[[str, int, int], Awaitable[Sequence[Message] | None]]
    listen: Callable[[str], Awaitable[None]]
    forget: Callable[[str], Awaitable[None]]


class Relay:
    def __init__(
        self,
        hub: Hub,
        render: Renderer,
        stores: Mapping[str, Store],
        reads: Reads,
        clock: Callable[[], float],
        tick: float,
    ) -> None:
        self._hub = hub
        self._render = render
        self._stores = stores
        self._reads = reads
        self._clock = clock
        self._tick = tick
        self._rooms: dict[str, dict[str, Room]] = {}  # store → pane → its view
        self._tracks: dict[str, int] = {}  # order key → rev last shown
        self._homes: dict[str, str] = {}  # order key → store it is listened to in
        self._last: dict[str, int] = {}  # store → number last heard
        self._audiences: dict[str, dict[str, tuple[str, str]]] = {}  # order key → groups that watch it, and what as
        self._tripped: set[str] = set()  # keys of orders whose pages were told of a trip
        self._foreign: set[str] = set()
        self._doubt = False  # something was missed that the numbers won't tell
        self._reading: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._later: set[asyncio.Task[None]] = set()
        self.fixes: Callable[[Order], Sequence[Fix]] = _unseen  # where the shopper was lately; this and the next are
        self.look: Callable[[Order], Awaitable[None]] = _unsought  # the couriers', who read it for a first time
        self.epoch = ""
        self.confirmed = 0.0  # when the heads were last compared, by `clock`
        hub.on_unwatched = self.unwatched

    # ---- joining ----

    async def join_board(self, store: str, mailbox: Mailbox, seat: Seat | None = None, pane: str = "board") -> None:
        """Registers first, reads second: what changes meanwhile waits in the mailbox."""
        self._hub.join(f"{pane}:{store}", mailbox, seat)
        async with self._lock:
            room = self._rooms.get(store, {}).get(pane)
            if room is None:
                room = Room(store, self._render.panes[pane])
                self._rooms.setdefault(store, {})[pane] = room
            await self._listen(store)
            if not room.loaded:
                await self._load(room)
        self._flush(room)
        mailbox.open(self._position(room), self._view(room), room.revs)

    async def join_track(self, key: str, audience: str, lang: str, mailbox: Mailbox, seat: Seat | None = None) -> None:
        group = f"track:{key}|{audience}|{lang}"
        self._hub.join(group, mailbox, seat)
        self._audiences.setdefault(key, {})[group] = audience, lang
        self._tracks.setdefault(key, 0)
        async with self._lock:
            order = await self._tracked(key)
        await self.look(order)
        shown = self._tracks[key]
        if order.rev > shown:
            self._tracks[key] = order.rev
            if shown:  # whoever was here before would wait in vain: the same word is no news when it comes
                self._track(order)
        now = self._clock()
        content = self._page(order, now, audience, lang, self.fixes(order))
        mailbox.open(f"{self.epoch}:{order.rev}", content, self._shown(order, now))

    def _shown(self, order: Order, now: float) -> dict[str, int]:
        """What a page holds, each with its number."""
        return {"track": order.rev} | ({"trip": moment(now)} if order.key in self._tripped else {})

    def _page(
        self,
        order: Order,
        now: float,
        audience: str,
        lang: str,
        fixes: Sequence[Fix],
        seen: Attention | None = None,
    ) -> str:
        made = self._render.track(order, now, audience=audience, lang=lang, fixes=fixes, seen=seen)
        return self._render.whole_track(made)

    async def _tracked(self, key: str) -> Order:
        """The order, read after its store is listened to."""
        home = self._homes.get(key)
        while True:
            found = (await self._reads.read([key])).get(key)
            if found is None:
                raise Unknown("There is no such order.")
            store = found.store or NOWHERE
            if store == home:
                return found
            await self._listen(store)
            self._homes[key] = home = store

    async def _listen(self, store: str) -> None:
        if store in self._last:
            return
        await self._reads.listen(store)
        head = await self._reads.heads([store])
        self.epoch = self.epoch or head.epoch
        self._last[store] = head.seqs[store]

    def position(self, store: str, pane: str = "board") -> str | None:
        """Where a store's board (or another pane) stands; None where nobody watches it."""
        room = self._rooms.get(store, {}).get(pane)
        return None if room is None or not room.loaded else self._position(room)

    def tracked(self, key: str) -> bool:
        """Does anybody on this node watch this order's page?"""
        return key in self._tracks

    def tell(self, key: str, made: Callable[[str, str], str]) -> None:
        """To everybody at an order's page what `made` says to an audience in a language, of the trip alone: the page's
        number stays as it is, and the newest of these replaces what still waits."""
        rev, now = self._tracks.get(key, 0), moment(self._clock())
        self._tripped.add(key)
        if not rev:  # nobody, or nobody yet: what is read for a page has it
            return
        for group, audience, lang in self._groups(key):
            content = made(audience, lang)
            if content:
                self._hub.deliver(group, f"{self.epoch}:{rev}", {"trip": Fragment(now, content)})

    def _position(self, room: Room) -> str:
        return f"{self.epoch}:{room.seq}"

    def _view(self, room: Room) -> str:
        if room.whole is None:
            room.whole = self._render.whole(room.pane.inner(self._stores[room.store], room.cards.values()))
        return room.whole

    async def _load(self, room: Room) -> None:
        room.begin()
        now = self._clock()
        room.fill(await self._reads.board(room.store, now), now)
        self._flush(room)

    def unwatched(self, group: str) -> None:
        """The last watcher has gone; the view goes too, unless somebody is back soon."""
        task = asyncio.get_running_loop().create_task(self._let_go(group))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _let_go(self, group: str) -> None:
        await asyncio.sleep(LINGER)
        async with self._lock:
            if self._hub.watched(group):
                return
            kind, _, rest = group.partition(":")
            if kind in self._render.panes:
                self._close(rest, kind)
            else:
                self._untrack(rest.rsplit("|", 2)[0], group)
            needed = {*self._rooms, *self._homes.values()}
            for store in [store for store in self._last if store not in needed]:
                del self._last[store]
                await self._reads.forget(store)

    def _close(self, store: str, pane: str) -> None:
        panes = self._rooms.get(store, {})
        panes.pop(pane, None)
        if not panes:
            self._rooms.pop(store, None)

    def _untrack(self, key: str, group: str) -> None:
        groups = self._audiences.get(key, {})
        groups.pop(group, None)
        if not groups:
            self._audiences.pop(key, None)
            self._tripped.discard(key)
            self._tracks.pop(key, None)
            self._homes.pop(key, None)

    # ---- changes ----

    def told(
        self, order: Order, store: str, seq: int, left: str | None, left_seq: int | None, seen: Attention | None = None
    ) -> None:
        """A change that this node committed itself."""
        if left is not None and left_seq is not None:
            self._left(left, order.key, left_seq)
        for room in self._views(store):
            room.seq = max(room.seq, seq)
        self._changed(order, seq, seen)

    def _changed(self, order: Order, seq: int, seen: Attention | None = None) -> None:
        key = order.key
        if key in self._tracks and order.rev > self._tracks[key]:
            self._tracks[key] = order.rev
            self._track(order, seen)
        for room in self._views(order.store or NOWHERE):
            if room.change(order, seq, seen):
                self._soon(room)

    def _left(self, store: str, key: str, seq: int) -> None:
        for room in self._views(store):
            room.lose(key, seq)
            self._soon(room)

    def _views(self, store: str) -> Iterable[Room]:
        return self._rooms.get(store, {}).values()

    def _groups(self, key: str) -> list[tuple[str, str, str]]:
        """The audiences that watch an order: (group, audience, language)."""
        return [(group, *shown) for group, shown in self._audiences.get(key, {}).items() if self._hub.watched(group)]

    def _track(self, order: Order, seen: Attention | None = None) -> None:
        """A tracking page is written at once: an order rarely changes twice in a tick."""
        now, fixes = self._clock(), self.fixes(order)
        # A position that still waits for a slow socket is older than this, and may be none of its business any more.
        no_trip = Fragment(moment(now), "")
        for group, audience, lang in self._groups(order.key):
            content = self._page(order, now, audience, lang, fixes, seen)
            page = {"track": Fragment(order.rev, content)}
            if order.key in self._tripped:
                page["trip"] = no_trip
            self._hub.deliver(group, f"{self.epoch}:{order.rev}", page)

    def _soon(self, room: Room) -> None:
        """At once when quiet; while changes keep coming, once a tick, or as seldom as leaves half of the time free."""
        if room.timer is None and room.loaded:
            began = monotonic()
            self._flush(room)
            took = monotonic() - began
            room.timer = asyncio.get_running_loop().call_later(max(self._tick - took, took), self._ticked, room)

    def _ticked(self, room: Room) -> None:
        room.timer = None
        if room.dirty and room.loaded:
            self._soon(room)

    def _flush(self, room: Room) -> None:
        fragments = room.drain(self._clock(), self._render)
        if fragments:
            self._hub.deliver(room.group, self._position(room), fragments)

    # ---- hearing ----

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear())
            tasks.create_task(self._compare())

    async def _hear(self) -> None:
        pause = 0.05
        while True:
            try:
                async for message in self._reads.changes():
                    pause = 0.05
                    self._message(message)
            except Exception as error:  # the link to Redis: whatever it was, the heads will tell what was missed
                log.warning("changes lost", error=type(error).__name__, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    def _message(self, message: Message) -> None:
        last = self._last.get(message.store)
        if last is None:
            return
        if message.seq > last + 1:
            self._fill_soon(message.store)
            return
        self._last[message.store] = max(last, message.seq)
        if not message.own:
            self._take(message)

    def _take(self, message: Message) -> None:
        """A change of another node's: the order is read with all others of this turn, and only where it is watched."""
        if message.rev < 0:
            self._left(message.store, message.key, message.seq)
            if message.key not in self._tracks:
                return
        wanted = message.key in self._tracks
        for room in self._views(message.store):
            wanted |= room.hear(message.key, message.rev, message.seq)
        if wanted:
            self._foreign.add(message.key)
            if self._reading is None:
                self._reading = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._foreign:
                keys, self._foreign = self._foreign, set()
                heard = dict(self._last)  # what is heard meanwhile may be newer than what is read
                orders = await self._reads.read(keys)
                for order in orders.values():
                    await self._follow(order)
                    self._changed(order, heard.get(order.store or NOWHERE, 0))
                for key in keys - orders.keys():
                    self._erased(key)
                await asyncio.sleep(self._tick / 4)
        except Away:
            self._doubt = True
        finally:
            self._reading = None

    async def _follow(self, order: Order) -> None:
        """A tracked order has moved to another store: hear that one too."""
        if order.key in self._homes and self._homes[order.key] != (order.store or NOWHERE):
            await self._listen(order.store or NOWHERE)
            self._homes[order.key] = order.store or NOWHERE

    def _fill_soon(self, store: str) -> None:
        task = asyncio.get_running_loop().create_task(self._fill(store))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _fill(self, store: str) -> None:
        """Reads what was missed from the journal; where that no longer reaches, the view anew."""
        async with self._lock:
            last = self._last.get(store)
            if last is None:
                return
            try:
                missed = await self._reads.since(store, last, GAP_MOST)
            except Away:
                self._doubt = True
                return
            if missed is None:
                metrics.GAPS.labels("view").inc()
                await self._anew([store])
                return
            if missed:
                metrics.GAPS.labels("journal").inc()
                self._last[store] = max(self._last.get(store, 0), missed[-1].seq)
            for message in missed:
                self._take(message)

    # ---- comparing ----

    async def _compare(self) -> None:
        """Once a second: is the data still the same, and have we heard everything?"""
        while True:
            await asyncio.sleep(1.0)
            stores = list(self._last)
            try:
                head = await self._reads.heads(stores)
                if self._doubt or head.epoch != self.epoch:
                    self._doubt, self.epoch = True, head.epoch
                    async with self._lock:
                        await self._anew(stores)
                    self._doubt = False
                else:
                    await self._behind(head)
                self.confirmed = self._clock()
            except Away as error:
                log.warning("heads unknown", error=str(error))

    async def _behind(self, head: Head) -> None:
        late = [store for store, seq in head.seqs.items() if seq > self._last.get(store, seq)]
        began = monotonic()
        while late and monotonic() - began < PATIENCE:
            await asyncio.sleep(PATIENCE / 5)
            late = [store for store in late if head.seqs[store] > self._last.get(store, head.seqs[store])]
        for store in late:
            await self._fill(store)

    async def _anew(self, stores: Sequence[str]) -> None:
        """Every view of these stores from the data, whatever was shown before."""
        head = await self._reads.heads(stores)
        self._last.update({store: head.seqs[store] for store in stores if store in self._last})
        for store in stores:
            for room in list(self._views(store)):
                await self._load(room)
                self._hub.resync(room.group, self._position(room), self._view(room), room.revs)
        keys = [key for key, home in self._homes.items() if home in stores]
        if keys:
            orders = await self._reads.read(keys)
            for key in keys:
                self._tracks[key] = 0
                if key in orders:
                    await self._follow(orders[key])
                    self._again(orders[key])
                else:
                    self._erased(key)

    def _erased(self, key: str) -> None:
        """There is no such order any more: whoever watches its page is told so."""
        for group, _, _ in self._groups(key):
            self._hub.close_group(group, 4404)

    def _again(self, order: Order) -> None:
        self._tracks[order.key] = order.rev
        now, fixes = self._clock(), self.fixes(order)
        for group, audience, lang in self._groups(order.key):
            content = self._page(order, now, audience, lang, fixes)
            self._hub.resync(group, f"{self.epoch}:{order.rev}", content, self._shown(order, now))


def moment(now: float) -> int:
    """Numbers what has no number of its own, on one node."""
    return int(now * 1000)


def _unseen(_: Order) -> Sequence[Fix]:
    return ()


async def _unsought(_: Order) -> None:
    """Nobody looks for anybody."""
