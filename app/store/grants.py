"""Access tokens of order systems, kept until they end. Their names are hashed: they may hold a customer's id."""

from hashlib import sha256

from app.store.ask import Ask


def _key(source: str, name: str) -> str:
    return f"ob:grant:{source}:{sha256(name.encode()).hexdigest()[:32]}"


class Grants(Ask):
    async def get(self, source: str, name: str) -> tuple[str, float] | None:
        """The token and the seconds it has left."""
        token, left = await self.every(("GET", _key(source, name)), ("PTTL", _key(source, name)))
        return None if token is None or left <= 0 else (token.decode(), left / 1000)

    async def put(self, source: str, name: str, token: str, seconds: float) -> None:
        await self.ask("SET", _key(source, name), token, "PX", max(int(seconds * 1000), 1))

    async def drop(self, source: str, name: str, token: str) -> None:
        """Forgets a token that was refused, unless another has taken its place."""
        held = await self.ask("GET", _key(source, name))
        if held is not None and held.decode() == token:
            await self.ask("DEL", _key(source, name))
