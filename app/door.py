"""One HTTP connection, within the bounds that uvicorn leaves to a proxy: how much may come before a request is whole,
how many requests may come ahead of their answers, and how long a peer may keep us waiting."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.wire import taken

LOOSE_MOST: Final = 64 * 1024  # bytes of a request's head, of what stands between the pieces of its body, of its tail
AHEAD_MOST: Final = 16  # requests that may come before the first of them is answered
WHOLE_WITHIN: Final = 20.0  # seconds for a request to come, also for the first byte of the first one
TAKEN_WITHIN: Final = 30.0  # seconds in which a peer takes nothing of an answer
LATE: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Http(HttpToolsProtocol):
    """`look` is called every few seconds: a timer for each request would cost more."""

    whole_within = WHOLE_WITHIN
    taken_within = TAKEN_WITHIN

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.loose = 0  # bytes since the parser last handed on a whole head or a piece of a body
        self.begun = 0  # requests
        self.waits: tuple[object, ...] = ()  # what for, when last looked at
        self.since = 0.0

    def data_received(self, data: bytes) -> None:
        self.loose += len(data)
        super().data_received(data)
        if self.loose > LOOSE_MOST and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        self.begun += 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self.loose = 0
        if len(self.pipeline) >= AHEAD_MOST:  # each weighs a hundred times its bytes
            raise ValueError("too many requests at once")  # the parser makes a 400 of it
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.loose = 0
        super().on_body(body)

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
            return "whole", self.begun
        return ()


def sweep(connections: Iterable[object]) -> None:
    now = time.monotonic()
    for one in list(connections):
        if isinstance(one, Http):
            one.look(now)
