"""The feeds on the boards: told to who watches, whether anything is heard or not."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from app.hub import Hub
from app.mailbox import Fragment
from app.relay import Relay
from app.render import Health, Renderer
from app.settings import Settings, Source
from app.store.feeds import Feed

TELL: Final = 5.0  # seconds
Draw = Callable[[Iterable[Health], float], str]


def health(sources: Iterable[Source], feeds: Mapping[str, Feed], now: float) -> list[Health]:
    """The feeds of these sources."""
    rows = []
    for source in sources:
        feed = feeds.get(source.id, Feed())
        state = "down" if feed.breaker == "open" else "silent" if feed.silent(now) else ""
        rows.append(Health(source.id, feed.last, feed.usual, state, feed.polls > 0))
    return rows


def feeding(settings: Settings, store: str) -> list[Source]:
    """The sources whose orders may come to a store."""
    return [source for source in settings.sources.values() if store in source.stores]


class Chips:
    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        relay: Relay,
        render: Renderer,
        feeds: Callable[[], Mapping[str, Feed]],
        clock: Callable[[], float],
    ) -> None:
        self._sources = {store: feeding(settings, store) for store in settings.stores}
        self._hub = hub
        self._relay = relay
        self._render = render
        self._feeds = feeds
        self._clock = clock

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TELL)
            for store in self._sources:
                for pane, draw in (("board", self._render.feeds), ("screen", self._render.quiet)):
                    position = self._relay.position(store, pane)
                    if position is not None:
                        self._tell(f"{pane}:{store}", position, self._sources[store], draw)

    def _tell(self, group: str, position: str, sources: Iterable[Source], draw: Draw) -> None:
        now = self._clock()
        content = self._render.chips(draw(health(sources, self._feeds(), now), now))
        self._hub.deliver(group, position, {"feeds": Fragment(int(now * 1000), content)})
