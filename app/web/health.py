"""Is the process alive, can it do its work, and the figures."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.di import NamedDependency

from app import metrics
from app.errors import Away
from app.web.site import Site

FRESH: Final = 5.0  # seconds since the relay last compared its numbers


def fresh(confirmed: float, now: float) -> bool:
    """Were the numbers compared just now? What a clock that was put back since has confirmed says nothing."""
    return abs(now - confirmed) < FRESH


@get("/healthz", sync_to_thread=False)
def alive() -> dict[str, str]:
    return {"status": "ok"}


@get("/readyz")
async def ready(site: NamedDependency[Site]) -> Response[dict[str, str]]:
    try:
        await site.orders.ping()
        redis = "ok"
    except Away:
        redis = "away"
    relay = "ok" if fresh(site.relay.confirmed, site.clock()) else "behind"
    well = redis == relay == "ok"
    return Response({"redis": redis, "relay": relay}, status_code=200 if well else 503)


@get("/metrics", media_type="text/plain; version=0.0.4")
async def figures(request: Request[Any, Any, Any], site: NamedDependency[Site]) -> bytes:
    await site.program(request)
    return metrics.text()


HANDLERS: Final = (alive, ready, figures)
