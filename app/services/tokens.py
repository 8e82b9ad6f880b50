"""Access tokens: asked for once by each name, kept in Redis for all nodes, renewed where one is refused."""

import asyncio
import time
from typing import Final

from app.errors import Problem
from app.providers.contract import Follow, Polling
from app.services.gate import Gate
from app.services.http import Failed
from app.store.grants import Grants

EARLY: Final = 60.0  # seconds before its end a token counts as ended
CACHED: Final = 20_000
REFUSED_FOR: Final = 30.0  # seconds: thousands of orders must not each ask again with keys that are wrong


class Tokens:
    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self._held: dict[tuple[str, str], tuple[str, float]] = {}
        self._asking: dict[tuple[str, str], asyncio.Lock] = {}
        self._refused: dict[tuple[str, str], tuple[str, float]] = {}

    async def get(self, gate: Gate, polling: Polling, follow: Follow, refused: str | None = None) -> str | None:
        """The token for an order; another than `refused`. None where its system has none. Raises Failed or Later."""
        if polling.token is None:
            return None
        name, _ = polling.token(gate.source, follow)
        key = (gate.source.id, name)
        held = self._held.get(key)
        if held is not None and held[1] > time.monotonic() and held[0] != refused:
            return held[0]
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                return await self._renewed(gate, polling, follow, refused, key)
        finally:
            if not lock.locked():
                self._asking.pop(key, None)

    async def _renewed(
        self, gate: Gate, polling: Polling, follow: Follow, refused: str | None, key: tuple[str, str]
    ) -> str:
        held = self._held.get(key)
        if held is not None and held[1] > time.monotonic() and held[0] != refused:
            return held[0]  # somebody asked while this one waited
        words, until = self._refused.get(key, ("", 0.0))
        if time.monotonic() < until:
            raise Failed(words, sent=False)
        if refused is not None:
            await self._grants.drop(*key, refused)
        found = await self._grants.get(*key)
        if found is None:
            found = await self._granted(gate, polling, follow, key)
        self._held[key] = (found[0], time.monotonic() + found[1])
        if len(self._held) > CACHED:
            del self._held[next(iter(self._held))]
        return found[0]

    async def _granted(self, gate: Gate, polling: Polling, follow: Follow, key: tuple[str, str]) -> tuple[str, float]:
        assert polling.token is not None
        assert polling.granted is not None
        _, request = polling.token(gate.source, follow)
        reply = await gate.send(request)
        try:
            token, seconds = polling.granted(reply)
        except Problem as error:
            words = f"No token: {error}"
            if reply.status < 500 and reply.status not in (408, 429):
                self._refused[key] = (words, time.monotonic() + REFUSED_FOR)
            raise Failed(words, sent=False) from None
        self._refused.pop(key, None)
        left = seconds - EARLY if seconds > 2 * EARLY else seconds / 2
        await self._grants.put(*key, token, left)
        return token, left
