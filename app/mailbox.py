"""What one browser has yet to be sent: nothing while it keeps up, else the newest fragment of each order."""

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


def epoch(position: str) -> str:
    return position.rpartition(":")[0]


def later(one: str, other: str) -> str:
    """The further of two positions of one epoch."""
    return one if int(one.rpartition(":")[2]) >= int(other.rpartition(":")[2]) else other


class Tally:
    """What has gone out, in frames and in bytes before compression."""

    def __init__(self) -> None:
        self.frames = self.bytes = 0

    def add(self, frame: Frame, times: int = 1) -> None:
        self.frames += times
        self.bytes += times * len(frame.data)


class Lane:
    """The mailboxes of a group that keep up: of each only its transport is touched when a tick goes out.
    Mailboxes, sockets and counters would be cold memory by the next tick: that alone made a delivery a quarter dearer."""

    def __init__(self) -> None:
        self.position = ""
        self.ticks = 0
        self.plain: dict[Mailbox, WriteTransport] = {}
        self.packed: dict[Mailbox, WriteTransport] = {}

    def write(self, tick: Tick) -> int:
        """To how many sockets. One that is full by now leaves within its own write, with this tick in its buffer."""
        self.position = tick.position
        self.ticks += 1
        if tick.frame is None:
            return 0
        written = len(self.plain) + len(self.packed)
        data = tick.frame.plain
        for transport in tuple(self.plain.values()):
            transport.write(data)
        if self.packed:
            data = tick.frame.deflated if tick.shared else data
            for transport in tuple(self.packed.values()):
                transport.write(data)
        return written

    def enter(self, mailbox: "Mailbox", transport: WriteTransport) -> None:
        (self.packed if mailbox.socket.deflate else self.plain)[mailbox] = transport

    def leave(self, mailbox: "Mailbox") -> None:
        self.packed.pop(mailbox, None)
        self.plain.pop(mailbox, None)


class Mailbox:
    """Joining (fragments gather until the whole view is there), then clear or congested, as the socket says."""

    __slots__ = (
        "_age",
        "_entered",
        "_floor",
        "_lane",
        "_pending",
        "_position",
        "_reached",
        "_view",
        "group",
        "joining",
        "seat",
        "slow",
        "socket",
        "tally",
    )

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.group, self.tally = "", Tally()  # the hub's
        self.seat: Any = None  # the hub's
        self.joining = True
        self.slow: dict[Mailbox, None] = {}  # the group's others: where this one is while it is not in the lane
        self._lane: Lane | None = None  # where this one is while it keeps up
        self._entered = 0
        self._position = ""
        self._reached = ""  # where it will be once what is pending has gone out; "" = nothing is
        self._pending: dict[str, Fragment] = {}
        self._view: View | None = None
        self._floor: Mapping[str, int] | None = None
        self._age = 0
        socket.on_pause, socket.on_drain = self._out, self.flush

    @property
    def position(self) -> str:
        """What the browser has been sent. In the lane it moves with everybody's."""
        lane = self._lane
        return lane.position if lane is not None and lane.ticks != self._entered else self._position

    def place(self, lane: Lane | None, slow: "dict[Mailbox, None]") -> None:
        XXX

    def _write(self, tick: Tick) -> bool:
        self._position = tick.position
        if tick.frame is not None:
            self.socket.write(tick.frame, tick.shared)
        return tick.frame is not None

    def _keep(self, tick: Tick) -> bool:
        self._turn(tick.position)
        fresh = self._fresh(tick.fragments)
        if not self.joining and not self.socket.congested:
            return self._write(tick if len(fresh) == len(tick.fragments) else Tick(tick.position, fresh, False))
        for key, fragment in fresh.items():
            known = self._pending.get(key)
            if known is None or known.rev <= fragment.rev:
                self._pending[key] = fragment
        self._reached = tick.position
        return False

    def _turn(self, position: str) -> None:
        """Revs of two epochs can't be compared: a restored store counts from where it was."""
        last = self._reached or self.position
        if last and epoch(position) != epoch(last):
            self._pending, self._floor, self._reached = {}, None, ""

    def _fresh(self, fragments: Mapping[str, Fragment]) -> Mapping[str, Fragment]:
        """Without what was read before the whole view was, though it arrives after it."""
        floor = self._floor
        if not floor:
            return fragments
        return {key: fragment for key, fragment in fragments.items() if fragment.rev >= floor.get(key, -1)}

    def rejoin(self) -> None:
        """Gather again, before the view is read anew for `resync`: what changes meanwhile must land on top of it."""
        self.joining, self.clear = True, False

    def open(self, position: str, content: str, revs: Mapping[str, int]) -> None:
        """Ends joining: the whole view, then what is newer. Too late, and dropped, after a `resync`."""
        if self.joining:
            self.show(View(position, content, revs))

    def resync(self, position: str, content: str, revs: Mapping[str, int]) -> None:
        """A new whole view, in any state. A congested socket keeps only the newest one."""
        self.show(View(position, content, revs))

    def show(self, view: View) -> None:
        self._turn(view.position)
        self._pending = {k: f for k, f in self._pending.items() if f.rev > view.revs.get(k, -1)}
        self._reached = later(self._reached, view.position) if self._reached else view.position
        self._view = view
        self._floor, self._age = view.revs or None, 0
        self.joining, self.clear = False, self._floor is None
        self.flush()

    def flush(self) -> None:
        """Writes what is pending as far as the socket takes it. Called when the socket has drained, too."""
        if self.joining or self.socket.congested:
            return
        if self._view is not None:
            view, self._view = self._view, None
            self.position = view.position
            self.socket.write(view.frame, view.shared)
            self.tally.add(view.frame)
        if self._reached and not self.socket.congested:
            tick = Tick(self._reached, self._pending, False)
            self._pending, self._reached = {}, ""
            if self._write(tick) and tick.frame is not None:
                self.tally.add(tick.frame)

    def beat(self, frame: Frame) -> None:
        self.socket.write(frame, True)

    @property
    def idle(self) -> bool:
        """Has been sent all there is: only then a heartbeat tells the truth."""
        return not self.joining and not self.socket.congested

    def settle(self) -> None:
        """Called with each heartbeat: some time after a whole view nothing older can arrive any more."""
        if self._floor is not None and not self.joining:
            self._age += 1
            if self._age >= SETTLED:
                self._floor, self.clear = None, True

    def weight(self) -> int:
        """Characters pending here, a whole view not counted: many share it."""
        return sum(len(fragment.html) for fragment in self._pending.values())

    def close(self, code: int, reason: str = "") -> None:
        self.socket.close(code, reason)
