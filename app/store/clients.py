"""The connections. None has a time limit of its own for an answer: who sends a command times it, and listening waits
for ever.

redis-py's defaults would retry a blocked read ten times, and repeat writes that may have landed: neither is wanted.
"""

from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import RedisError

from app.errors import Away

LIMIT: Final = 1.7  # seconds for a command with its reconnection; with it a hook answers 503 within two

FAILURES: Final = (RedisError, OSError)


def commands(url: str) -> Redis:
    """For commands that their senders time. redis-py's own time limit starts a timer for each answer, and waits for
    each write in a way that swallows a cancellation which meets the write's end (`asyncio.wait_for` of Python 3.11)."""
    # One more try on a lost connection only: after a restart every pooled connection is dead once.
    retry = Retry(NoBackoff(), 1, supported_errors=(Lost,))
    return _client(url, socket_timeout=None, socket_connect_timeout=1.0, retry=retry)


def listening(url: str) -> Redis:
    retry = Retry(NoBackoff(), 0)
    return _client(url, socket_timeout=None, socket_connect_timeout=2.0, health_check_interval=0, retry=retry)


def _client(url: str, **options: Any) -> Redis:
    if not url.startswith("redis+sentinel://"):
        return Redis.from_url(url, **options)
    parts = urlsplit(url)
    hosts = [host.rpartition(":") for host in parts.netloc.rpartition("@")[2].split(",")]
    name, _, database = parts.path.strip("/").partition("/")
    query = {key: value[0] for key, value in parse_qs(parts.query).items()}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        [(host or port, int(port) if host else 26379) for host, _, port in hosts],
        sentinel_kwargs={"socket_timeout": 1.0, "password": query.get("sentinel_password")},
        password=unquote(parts.password) if parts.password else None,
        username=unquote(parts.username) if parts.username else None,
        db=int(database or 0),
        **options,
    )
    made: Redis = sentinel.master_for(name or "mymaster")
    return made


def away(error: BaseException) -> Away:
    """What a failed command is to the outside: not now, try again."""
    # A write that ran out of time may still be done: no promise either way, and a repeat is refused as one.
    return Away(f"The store has not said that it took it ({type(error).__name__}). Try again in a moment.")
