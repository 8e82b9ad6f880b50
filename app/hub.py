"""Who watches what: hands one frame to every mailbox of a group, says that we are alive, and lets go of the stuck."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.json import encode

from app.mailbox import Fragment, Group, Mailbox, Tally, Tick, View
from app.wire import Frame, ignore

PENDING_MOST: Final = 64 * 1024 * 1024  # bytes waiting for all sockets together
SLICE: Final = 250  # sockets written to before a heartbeat lets others run (2 ms)

Key = tuple[str, str]


class Limits(Struct, frozen=True):
    """How many sockets may be open at once; 0 = no limit."""

    ip: int = 0
    session: int = 0
    link: int = 0
    token: int = 0


UNLIMITED: Final = Limits()


class Seat:
    """A socket's place within the limits. Freed by the hub when a joined socket ends, else by whoever took it."""

    __slots__ = ("_taken", "keys")

    def __init__(self, taken: Counter[Key], keys: tuple[Key, ...]) -> None:
        self.keys = keys
        self._taken = taken
        taken.update(keys)

    def free(self) -> None:
        self._taken.subtract(self.keys)
        for key in self.keys:
            if self._taken[key] <= 0:
                del self._taken[key]
        self.keys = ()


class Figures(Struct):
    """For the metrics: `sockets` by kind, the word before the first ':' of a group; `closed` by code."""

    sockets: dict[str, int]
    frames: int
    bytes: int
    closed: dict[int, int]
    pending: int


class Hub:
    """`beat`, `deadline`: seconds between heartbeats, and without progress until a socket is closed (1013).
    `well`: are the views known to hold? While they are not, no heartbeat says so.
    `on_watched` and `on_unwatched` hear of a group's first join and last leave, within the call."""

    def __init__(
        self,
        limits: Limits = UNLIMITED,
        *,
        beat: float = 10.0,
        deadline: float = 30.0,
        pending_most: int = PENDING_MOST,
        well: Callable[[], bool] = lambda: True,
        on_text: Callable[[Mailbox, str], None] = ignore,
        on_watched: Callable[[str], None] = ignore,
        on_unwatched: Callable[[str], None] = ignore,
    ) -> None:
        self.limits = limits
        self.beat = beat
        self.deadline = deadline
        self.pending_most = pending_most
        self.well = well
        self.on_text = on_text
        self.on_watched = on_watched
        self.on_unwatched = on_unwatched
        self._groups: dict[str, Group] = {}
        self._taken: Counter[Key] = Counter()
        self._stalled: dict[Mailbox, tuple[int, float]] = {}  # progress when last seen to grow, and when that was
        self._closed: Counter[int] = Counter()
        self._tally = Tally()
        self._fresh: set[Mailbox] = set()

    # Who watches

    def admit(self, ip: str = "", session: str = "", link: str = "", token: str = "") -> Seat | None:
        """A seat, or None where one of the limits is reached (the answer is 1013). Empty = does not count."""
        named = (("ip", ip), ("session", session), ("link", link), ("token", token))
        keys = tuple((kind, who) for kind, who in named if who)
        if any(0 < getattr(self.limits, kind) <= self._taken[kind, who] for kind, who in keys):
            return None
        return Seat(self._taken, keys)

    def join(self, group: str, mailbox: Mailbox, seat: Seat | None = None) -> None:
        """Before the view is read. A socket that has closed meanwhile is left out, its seat freed."""
        mailbox.group, mailbox.seat, mailbox.tally = group, seat, self._tally
        if mailbox.socket.closed:
            self._ended(mailbox, 1006)
            return
        mailbox.socket.on_text = partial(self.on_text, mailbox)
        mailbox.socket.on_close = partial(self._ended, mailbox)
        room = self._groups.setdefault(group, Group())
        mailbox.enter(room)
        self._fresh.add(mailbox)
        if len(room) == 1:
            self.on_watched(group)

    def leave(self, mailbox: Mailbox) -> None:
        room = self._groups.get(mailbox.group)
        mailbox.leave()
        self._fresh.discard(mailbox)
        self._stalled.pop(mailbox, None)
        if room is not None and not room:
            del self._groups[mailbox.group]
            self.on_unwatched(mailbox.group)

    def _ended(self, mailbox: Mailbox, code: int) -> None:
        self._closed[code] += 1
        self.leave(mailbox)
        if mailbox.seat is not None:
            mailbox.seat.free()

    def newcomers(self) -> set[Mailbox]:
        """Who has joined since this was last asked."""
        fresh, self._fresh = self._fresh, set()
        return fresh

    def watched(self, group: str) -> bool:
        return group in self._groups

    def groups(self) -> list[str]:
        return list(self._groups)

    def members(self, group: str | None = None) -> list[Mailbox]:
        """Those of this moment, of a group or of all: a copy, so that closing one of them is safe."""
        rooms = self._groups.values() if group is None else [self._groups.get(group, Group())]
        return [mailbox for room in rooms for mailbox in room.members()]

    # What they get

    def deliver(self, group: str, position: str, fragments: Mapping[str, Fragment]) -> int:
        """To how many sockets it was written at once; the others keep the newest of each order until they can."""
        room = self._groups.get(group)
        if room is None:
            return 0
        tick = Tick(position, fragments, len(room) > 1)
        written = room.put(tick)
        if tick.frame is not None:
            self._tally.add(tick.frame, written)
        return written

    def rejoin(self, group: str) -> None:
        for mailbox in self.members(group):
            mailbox.rejoin()

    def resync(self, group: str, position: str, content: str, revs: Mapping[str, int]) -> None:
        """A new whole view for all of a group: a gap could not be filled, or the epoch has changed."""
        members = self.members(group)
        view = View(position, content, revs, len(members) > 1)
        for mailbox in members:
            mailbox.show(view)

    # How they end

    def close_group(self, group: str, code: int) -> None:
        for mailbox in self.members(group):
            mailbox.close(code)

    def seated(self, kind: str, among: Iterable[Mailbox] | None = None) -> dict[str, list[Mailbox]]:
        """The sockets that a session, a link (a screen's too) or a token opened, by its id; of all or `among`."""
        found: dict[str, list[Mailbox]] = {}
        for mailbox in self.members() if among is None else among:
            for name, who in mailbox.seat.keys if mailbox.seat is not None else ():
                if name == kind:
                    found.setdefault(who, []).append(mailbox)
        return found

    def close_all(self, code: int) -> None:
        for mailbox in self.members():
            mailbox.close(code)

    # What goes on by itself

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(self.beat, self.heartbeat))
            tasks.create_task(self._every(min(self.deadline / 6, 5.0), self.watch))

    async def _every(self, seconds: float, work: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(seconds)
            done = work()
            if asyncio.iscoroutine(done):
                await done

    async def heartbeat(self) -> None:
        """Tells each page that what it shows still holds. One that has something pending stays without: it doesn't."""
        if not self.well():
            return
        frames: dict[str, Frame] = {}
        at = round(time.time(), 3)
        for number, mailbox in enumerate(self.members(), 1):
            mailbox.settle()
            if mailbox.idle:
                here = mailbox.position
                if here not in frames:
                    frames[here] = Frame(encode({"id": here, "at": at}))
                mailbox.beat(frames[here])
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def watch(self) -> None:
        """Closes who has taken nothing for too long; and where too much waits in all, the slowest first."""
        now, waiting = time.monotonic(), dict[Mailbox, int]()
        for mailbox in self.members():
            size = mailbox.socket.buffered() + mailbox.weight()
            if not size:
                self._stalled.pop(mailbox, None)
            elif self._stuck(mailbox, now):
                mailbox.close(1013, "too slow")
            else:
                waiting[mailbox] = size
        self._shed(waiting)

    def _stuck(self, mailbox: Mailbox, now: float) -> bool:
        progress = mailbox.socket.progress()
        known = self._stalled.get(mailbox)
        if known is None or known[0] != progress:
            self._stalled[mailbox] = progress, now
            return False
        return now - known[1] >= self.deadline

    def _shed(self, waiting: dict[Mailbox, int]) -> None:
        total = sum(waiting.values())
        for mailbox in sorted(waiting, key=lambda one: (self._stalled[one][1], -waiting[one])):
            if total <= self.pending_most:
                return
            total -= waiting[mailbox]
            mailbox.close(1013, "too much is waiting")

    def sockets(self) -> dict[str, int]:
        """How many watch, by kind."""
        kinds: Counter[str] = Counter()
        for group, room in self._groups.items():
            kinds[group.partition(":")[0]] += len(room)
        return dict(kinds)

    def figures(self) -> Figures:
        return Figures(
            sockets=self.sockets(),
            frames=self._tally.frames,
            bytes=self._tally.bytes,
            closed=dict(self._closed),
            pending=sum(mailbox.socket.buffered() for mailbox in self.members()),
        )
