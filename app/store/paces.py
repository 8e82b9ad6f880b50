"""What finished orders say of their stores' pace: the newest of each store and kind, and what was learnt from them."""

from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from redis.asyncio import Redis

from app.orders import Pace
from app.pace import KEPT, Sample, learn
from app.store.ask import Ask
from app.store.line import Line

HERE: Final = Path(__file__).parent
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_SAMPLE: Final = msgspec.msgpack.Decoder(Sample)
_PACE: Final = msgspec.msgpack.Decoder(Pace)


class Paces(Ask):
    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self._learns = Line(client, (HERE / "learn.lua").read_text())

    async def learn(self, store: str, kind: str, key: str, ended: float, sample: Sample) -> Pace:
        """Takes an order in, each once, and answers what is known now."""
        name, mark = f"{store}|{kind}", sha256(key.encode()).hexdigest()[:16]
        rows: list[bytes] = await self._learns.call([name, mark, repr(ended), _ENCODE(sample), KEPT])
        pace = learn([_SAMPLE.decode(row) for row in rows])
        await self.ask("HSET", "ob:pace", name, _ENCODE(pace))
        return pace

    async def read(self) -> dict[tuple[str, str], Pace]:
        """What is known, by store and kind."""
        rows: dict[bytes, bytes] = await self.ask("HGETALL", "ob:pace")
        return {_named(name.decode()): _PACE.decode(body) for name, body in rows.items()}

    async def ways(self, store: str) -> str:
        """Which of the config's ways the store's open orders were last reckoned with; empty for the usual ones."""
        found = await self.ask("HGET", "ob:ways", store)
        return "" if found is None else str(found.decode())

    async def settled(self, store: str, ways: str) -> None:
        await self.ask("HSET", "ob:ways", store, ways)


def _named(name: str) -> tuple[str, str]:
    store, _, kind = name.rpartition("|")
    return store, kind
