"""What one browser has yet to be sent: nothing while it keeps up, else the newest fragment of each order."""

from asyncio import WriteTransport
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from msgspec import Struct

from app.wire import Frame, Socket, message

SETTLED: Final = 2  # heartbeats after a whole view until no reading older than it can be on its way any more


class Fragment(Struct, frozen=True):
    rev: int
    html: str  # ready htmx content of one order; "" = nothing to show


class Tick:
    """Changes that go out together, and the one frame that every socket which keeps up gets.
    `position` is "<epoch>:<number>"; `shared` says whether the frame goes to several sockets."""

    def __init__(self, position: str, fragments: Mapping[str, Fragment], shared: bool) -> None:
        self.position = position
        self.fragments = fragments
        self.shared = shared
        content = "".join([fragment.html for fragment in fragments.values()])
        self.frame = message(position, content) if content else None  # None: the position alone has moved


class View:
    """A whole view as it was read: `revs` says which version of each order it holds. May be shown to many."""

    def __init__(self, position: str, content: str, revs: Mapping[str, int], shared: bool = False) -> None:
        self.position = position
        self.content = content
        self.revs = revs
        self.shared = shared

    @cached_property
    def frame(self) -> Frame:
        return message(self.position, self.content)


class Tally:
    """What has gone out, in frames and in bytes before compression."""

    def __init__(self) -> None:
        self.frames = self.bytes = 0

    def add(self, frame: Frame, times: int = 1) -> None:
        self.frames += times
        self.bytes += times * len(frame.data)


class Group:
    """Mailboxes that get the same ticks. Of one that keeps up only the transport is touched: the objects around it are
    cold memory by the next tick, and going through them made a delivery a quarter dearer."""

    def __init__(self) -> None:
        self.position = ""  # of those that keep up
        self.ticks = 0
        self.plain: dict[Mailbox, WriteTransport] = {}
        self.packed: dict[Mailbox, WriteTransport] = {}
        self.slow: dict[Mailbox, None] = {}  # joining, congested, just joined, or without a transport

    def __len__(self) -> int:
        return len(self.plain) + len(self.packed) + len(self.slow)

    def members(self) -> list["Mailbox"]:
        return [*self.plain, *self.packed, *self.slow]

    def put(self, tick: Tick) -> int:
        """To how many it was written. A socket that is full by now turns slow within its own write."""
        slow = tuple(self.slow)
        self.position = tick.position
        self.ticks += 1
        written = self._write(tick.frame, tick.shared) if tick.frame is not None else 0
        return written + sum([mailbox.put(tick) for mailbox in slow])

    def _write(self, frame: Frame, shared: bool) -> int:
        plain, packed = tuple(self.plain.values()), tuple(self.packed.values())
        data = frame.plain
        for transport in plain:
            transport.write(data)
        if packed and shared:
            data = frame.deflated
        for transport in packed:
            transport.write(data)
        return len(plain) + len(packed)

    def drop(self, mailbox: "Mailbox") -> None:
        self.plain.pop(mailbox, None)
        self.packed.pop(mailbox, None)
        self.slow.pop(mailbox, None)


def epoch(position: str) -> str:
    return position.rpartition(":")[0]


def later(one: str, other: str) -> str:
    """The further of two positions of one epoch; "" is nowhere, and a new epoch is further than an old one."""
    if not other:
        return one
    here, _, number = one.rpartition(":")
    there, _, seq = other.rpartition(":")
    return one if here != there or int(number) >= int(seq) else other


class Mailbox:
    """Joining (fragments gather until the whole view is there), then clear or congested, as the socket says."""

    __slots__ = (
        "_age",
        "_floor",
        "_pending",
        "_position",
        "_quick",
        "_reached",
        "_room",
        "_view",
        "group",
        "joining",
        "seat",
        "socket",
        "tally",
    )

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.group = ""  # this and the next two are the hub's
        self.seat: Any = None
        self.tally = Tally()
        self.joining = True
        self._position = ""
        self._reached = ""  # where it will be once what is pending has gone out; "" = nothing is
        self._pending: dict[str, Fragment] = {}
        self._view: View | None = None
        self._floor: Mapping[str, int] | None = None
        self._age = 0
        self._room: Group | None = None
        self._quick = -1  # the tick after which it began to keep up; -1: it doesn't
        socket.on_pause, socket.on_drain = self._slow, self.flush

    @property
    def position(self) -> str:
        """What the browser has been sent."""
        room = self._room
        return room.position if room is not None and 0 <= self._quick < room.ticks else self._position

    # Between the quick and the slow of its group

    def enter(self, room: Group) -> None:
        self._room = room
        room.slow[self] = None
        self._keep_up()

    def leave(self) -> None:
        self._slow()
        if self._room is not None:
            self._room.drop(self)
            self._room = None

    def _keep_up(self) -> None:
        """From here on it gets ticks as they are, if nothing is pending or to be held against them."""
        room, transport = self._room, self.socket.line
        if room is None or transport is None or not self.idle or self._floor is not None or self._quick >= 0:
            return
        self._quick = room.ticks
        del room.slow[self]
        (room.packed if self.socket.deflate else room.plain)[self] = transport

    def _slow(self) -> None:
        if self._room is not None and self._quick >= 0:
            self._position, self._quick = self.position, -1
            self._room.drop(self)
            self._room.slow[self] = None

    # What comes

    def put(self, tick: Tick) -> bool:
        """True where the tick was written at once."""
        self._turn(tick.position)
        fresh = self._fresh(tick.fragments)
        position = later(tick.position, self._reached or self._position)
        if self.idle:
            whole = position == tick.position and len(fresh) == len(tick.fragments)
            written = self._write(tick if whole else Tick(position, fresh, False))
            if whole and self._floor is not None and self._floor.keys() <= tick.fragments.keys():
                self._floor = None  # something newer of all that the view held: nothing older will follow
                self._keep_up()
            return written
        for key, fragment in fresh.items():
            known = self._pending.get(key)
            if known is None or known.rev <= fragment.rev:
                self._pending[key] = fragment
        self._reached = position
        return False

    def _write(self, tick: Tick) -> bool:
        self._position = tick.position
        if tick.frame is not None:
            self.socket.write(tick.frame, tick.shared)
        return tick.frame is not None

    def _turn(self, position: str) -> None:
        """Revs of two epochs can't be compared: a restored store counts from where it was."""
        last = self._reached or self._position
        if last and epoch(position) != epoch(last):
            self._pending, self._floor, self._reached = {}, None, ""

    def _fresh(self, fragments: Mapping[str, Fragment]) -> Mapping[str, Fragment]:
        """Without what was read before the whole view was, though it arrives after it."""
        floor = self._floor
        if not floor:
            return fragments
        return {key: fragment for key, fragment in fragments.items() if fragment.rev >= floor.get(key, -1)}

    def rejoin(self) -> None:
        """Gather anew, before a view is read for `resync`: what changes meanwhile must land on top of it."""
        self._slow()
        self._pending, self._view = {}, None
        self.joining = True

    def open(self, position: str, content: str, revs: Mapping[str, int]) -> None:
        """Ends joining: the whole view, then what is newer. Too late, and dropped, after a `resync`."""
        if self.joining:
            self.show(View(position, content, revs))

    def resync(self, position: str, content: str, revs: Mapping[str, int]) -> None:
        """A new whole view in place of all that is pending, in any state. If reading it takes time, `rejoin` first."""
        self.show(View(position, content, revs))

    def show(self, view: View) -> None:
        self._slow()
        self._turn(view.position)
        if not self.joining:
            self._pending = {}
        self._pending = {k: f for k, f in self._pending.items() if f.rev > view.revs.get(k, -1)}
        self._reached = later(view.position, self._reached)
        self._view = view
        self._floor, self._age = view.revs or None, 0
        self.joining = False
        self.flush()

    # What goes

    def flush(self) -> None:
        """Writes what is pending as far as the socket takes it. Called when the socket has drained, too."""
        if self._view is not None and self.idle:
            view, self._view = self._view, None
            self._position = view.position
            self.socket.write(view.frame, view.shared)
            self.tally.add(view.frame)
        if self._reached and self.idle:
            tick = Tick(self._reached, self._pending, False)
            self._pending, self._reached = {}, ""
            self._write(tick)
            if tick.frame is not None:
                self.tally.add(tick.frame)
        self._keep_up()

    @property
    def idle(self) -> bool:
        """Nothing is pending, or needn't be: only then a heartbeat tells the truth."""
        return not self.joining and not self.socket.congested and not self.socket.closed

    def beat(self, frame: Frame) -> None:
        self.socket.write(frame, True)
        self.tally.add(frame)

    def settle(self) -> None:
        """Called with each heartbeat: some time after a whole view nothing older can arrive any more."""
        if self._floor is not None and not self.joining:
            self._age += 1
            if self._age >= SETTLED:
                self._floor = None
                self._keep_up()

    def weight(self) -> int:
        """Characters pending here, a whole view not counted: many share it."""
        return sum(len(fragment.html) for fragment in self._pending.values())

    def close(self, code: int, reason: str = "") -> None:
        self.socket.close(code, reason)
