"""One HTTP connection, within the bounds that uvicorn leaves to a proxy: how much may come before a request is whole,
how many requests may come ahead of their answers, and how long a peer may keep us waiting."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.wire import taken

LOOSE_MOST: Final = 64 * 1024  # bytes of a request's head, of what stands between the pieces of its body, of its tail
AHEAD_MOST: Final = 16  # requests that may come before the first of them is answered
HELD_MOST: Final = 64 * 1024 * 1024  # bytes of bodies that are still to come to their end, of all connections together
WHOLE_WITHIN: Final = 20.0  # seconds for a request to come, also for the first byte of the first one
TAKEN_WITHIN: Final = 30.0  # seconds in which a peer takes nothing of an answer
LATE: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Http(HttpToolsProtocol):
    """`look` is called every few seconds: a timer for each request would cost more."""

    whole_within = WHOLE_WITHIN
    taken_within = TAKEN_WITHIN
    held_most = HELD_MOST
    held_by_all: ClassVar[int] = 0

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.loose = 0  # bytes since the parser last handed on a whole head or a piece of a body
        self.held = 0  # bytes of a body that is still to come to its end
        self.heads = 0  # that have come
        self.waits: tuple[object, ...] = ()  # what for, when last looked at
        self.since = 0.0

    # Without super(): a webhook passes here three times, and each would cost as much as what is done.

    def data_received(self, data: bytes) -> None:
        self.loose += len(data)
        HttpToolsProtocol.data_received(self, data)
        cycle = self.cycle
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            self._hold(len(data))
        elif self.held:
            self._free()
        if self.loose > LOOSE_MOST and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self.loose = 0
        self.heads += 1
        if len(self.pipeline) >= AHEAD_MOST:  # each weighs a hundred times its bytes
            raise ValueError("too many requests at once")  # the parser makes a 400 of it
        HttpToolsProtocol.on_headers_complete(self)

    def on_body(self, body: bytes) -> None:
        self.loose = 0
        HttpToolsProtocol.on_body(self, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._free()
        super().connection_lost(exc)

    def _hold(self, size: int) -> None:
        self.held += size
        Http.held_by_all += size
        if Http.held_by_all > self.held_most:
            self._shed()

    def _free(self) -> None:
        Http.held_by_all -= self.held
        self.held = 0

    def _shed(self) -> None:
        """The largest goes: a webhook among many that fill our memory is a small one."""
        largest = max((one for one in self.connections if isinstance(one, Http)), key=lambda one: one.held)
        largest._free()
        largest.transport.abort()

    def look(self, now: float) -> None:
        """Ends the connection where the peer has kept us waiting for the same thing for too long."""
        waits = self._awaited()
        if waits != self.waits:
            self.waits, self.since = waits, now
        elif not waits:
            return
        elif waits[0] == "taken" and now - self.since >= self.taken_within:
            self.transport.abort()
        elif waits[0] == "whole" and now - self.since >= self.whole_within:
            if self.loose or (self.cycle is not None and not self.cycle.response_started):
                self.transport.write(LATE)
            self.transport.close()

    def _awaited(self) -> tuple[object, ...]:
        """What the peer owes us: to take what is written, or the rest of a request. Empty: nothing."""
        if self.transport.get_write_buffer_size():
            return "taken", taken(self.transport)
        if self.transport.is_closing() or self.timeout_keep_alive_task is not None:
            return ()
        if self.cycle is None or self.cycle.more_body or self.cycle.response_complete:
            return "whole", self.heads
        return ()


def sweep(connections: Iterable[object]) -> None:
    now = time.monotonic()
    for one in list(connections):
        if isinstance(one, Http):
            one.look(now)
