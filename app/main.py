"""Builds everything in order, starts it and stops it."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import ASGIRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.middleware.compression import CompressionMiddleware
from litestar.types import ASGIApp
from msgspec import Struct
from redis.asyncio import Redis

from app import metrics
from app import providers as order_systems
from app.couriers import Couriers
from app.couriers import Reads as Looks
from app.door import Http, sweep
from app.embedded import Server
from app.errors import Fatal, Problem
from app.hub import Hub, Limits
from app.intake import Intake, Told
from app.orders import MANUAL, Order
from app.relay import Reads, Relay
from app.render import Feed, Renderer
from app.services.doorman import Doorman
from app.services.lights import Lights
from app.services.oidc import Oidc
from app.services.work import Shelves, Work
from app.settings import Settings, load
from app.store.audit import Audit
from app.store.clients import commands, listening
from app.store.control import Control
from app.store.days import Days
from app.store.erasing import Erasing
from app.store.feeds import Feeds
from app.store.follows import Follows
from app.store.grants import Grants
from app.store.links import Links
from app.store.orders import Orders
from app.store.outbox import Outbox
from app.store.paces import Paces
from app.store.pending import Pending
from app.store.people import People
from app.store.positions import Positions
from app.store.quarantine import Quarantine
from app.store.rates import Rates
from app.store.screens import Screens
from app.store.tokens import Tokens
from app.web import (
    account,
    admin,
    api,
    board,
    files,
    follow,
    health,
    held,
    ledger,
    manual,
    pictures,
    schema,
    screens,
    signs,
    someone,
    sso,
    staff,
    tiles,
    today,
    track,
)
from app.web.chips import Chips
from app.web.failures import Failures
from app.web.hooks import front, receiver, whole
from app.web.lapse import Lapse
from app.web.site import HEADERS, Site, Sso
from app.wire import Protocol

log = structlog.get_logger()

GAUGED: Final = 1.0  # seconds
SWEEP: Final = 20  # ticks of uvicorn's, each a tenth of a second, between two looks at who keeps us waiting
STOP_WITHIN: Final = 3  # seconds for sockets and calls under way; the embedded server is stopped after that


class House(Struct, frozen=True):
    """Everything that was built: the application, what it is made of, and what runs beside it."""

    app: Litestar
    front: ASGIApp  # what is served: `app`, with a short cut for webhooks
    site: Site
    work: Work
    runs: tuple[Callable[[], Coroutine[Any, Any, None]], ...]


def configured(environ: Mapping[str, str], path: Path | None = None) -> Settings:
    systems = order_systems.load()
    return load(environ, {name: system.options for name, system in systems.items()}, path)


def build(settings: Settings, url: str, clock: Callable[[], float] = time.time) -> House:
    """The application on the Redis at `url`. Nothing is started or connected yet."""
    systems = order_systems.load()
    client = commands(url)
    listener = listening(url)
    orders = Orders(client, commands(url), listener, replicas=settings.server.replicas)
    positions = Positions(client, listener)
    feeds = {source.id: Feed(source.provider, systems[source.provider].label) for source in settings.sources.values()}
    feeds[MANUAL] = Feed(MANUAL, "Manual")
    render = Renderer(
        settings.stores,
        feeds=feeds,
        public_url=settings.server.public_url,
        link_hours=settings.server.link_hours,
        tiles=settings.tiles,
    )
    hub = _hub(settings)
    relay = Relay(hub, render, settings.stores, _reads(orders, positions), clock, settings.server.tick_ms / 1000)
    couriers = Couriers(hub, relay, render, settings.stores, _looks(orders, positions), clock)
    site, work = _site(settings, client, orders, positions, hub, relay, render, clock, systems)
    hub.well = lambda: health.fresh(relay.confirmed, clock())
    hub.on_text = partial(board.heard, site)
    hooks = receiver(site)
    app = _app(site, render, hooks, lambda: _running(house))
    chips = Chips(settings, hub, relay, render, lambda: work.watch.feeds, clock)
    doorman = Doorman(hub, Control(client, listener), site.people, site.links, site.screens, site.tokens)
    doorman.forgotten = partial(_forgotten, site)
    beside = (relay.run, hub.run, couriers.run, doorman.run, chips.run, Lapse(site).run, partial(_gauged, hub))
    lights = Lights(hub, site.screens, clock)
    house = House(app, front(app, hooks), site, work, (*beside, lights.run, *work.runs))
    return house


def _forgotten(site: Site, key: str) -> None:
    """An order was erased: what this process remembers of it goes too."""
    site.intake.know(key, None)
    site.render.forget(key)


async def _gauged(hub: Hub) -> None:
    """Tells the metrics who watches."""
    while True:
        open_now = hub.sockets()
        for kind in ("board", "track", "screen", "ready"):
            metrics.SOCKETS.labels(kind).set(open_now.get(kind, 0))
        metrics.told()
        await asyncio.sleep(GAUGED)


def _hub(settings: Settings) -> Hub:
    server = settings.server
    limits = Limits(server.sockets_per_ip, server.sockets_per_session, server.sockets_per_link)
    return Hub(limits)


def _read(orders: Orders) -> Callable[[Iterable[str]], Awaitable[dict[str, Order]]]:
    async def read(keys: Iterable[str]) -> dict[str, Order]:
        return {key: record.order for key, record in (await orders.read(keys)).items()}

    return read


def _looks(orders: Orders, positions: Positions) -> Looks:
    return Looks(said=positions.said, fixes=positions.read, orders=_read(orders), board=orders.board)


def _reads(orders: Orders, positions: Positions) -> Reads:
    async def listen(store: str) -> None:
        await orders.listen(store)
        await positions.listen(store)

    async def forget(store: str) -> None:
        await orders.forget(store)
        await positions.forget(store)

    return Reads(
        changes=orders.changes,
        read=_read(orders),
        board=orders.board,
        heads=orders.heads,
        since=orders.since,
        listen=listen,
        forget=forget,
    )


def _sso(settings: Settings, clock: Callable[[], float]) -> Sso | None:
    if settings.oidc is None:
        return None
    made = Oidc(settings.oidc, settings.server.public_url + "/login/oidc/done", clock)
    return Sso(settings.oidc.label, settings.oidc.issuer, made.address, made.proven)


def _site(
    settings: Settings,
    client: Redis,
    orders: Orders,
    positions: Positions,
    hub: Hub,
    relay: Relay,
    render: Renderer,
    clock: Callable[[], float],
    systems: Mapping[str, Any],
) -> tuple[Site, Work]:
    def told(change: Told) -> None:
        relay.told(change.order, change.store, change.seq, change.left, change.left_seq, change.seen)

    quarantine = Quarantine(client)
    intake = Intake(orders, quarantine, told)
    shelves = Shelves(
        orders=orders,
        quarantine=quarantine,
        follows=Follows(client),
        outbox=Outbox(client),
        feeds=Feeds(client),
        positions=positions,
        rates=Rates(client),
        grants=Grants(client),
        paces=Paces(client),
        erasing=Erasing(client, orders, replicas=settings.server.replicas),
    )
    work = Work(settings, systems, shelves, intake, clock)
    site = Site(
        settings=settings,
        providers=systems,
        orders=orders,
        links=Links(client),
        screens=Screens(client),
        people=People(client),
        tokens=Tokens(client),
        audit=Audit(client, clock),
        pending=Pending(client),
        sso=_sso(settings, clock),
        quarantine=quarantine,
        intake=intake,
        relay=relay,
        hub=hub,
        render=render,
        clock=clock,
        follows=shelves.follows,
        outbox=shelves.outbox,
        feeds=shelves.feeds,
        days=Days(client),
        positions=shelves.positions,
        replay=work.replay.one,
        stirred=work.poller.stir,
    )
    return site, work


def _app(
    site: Site,
    render: Renderer,
    hooks: ASGIRouteHandler,
    running: Callable[[], contextlib.AbstractAsyncContextManager[None]],
) -> Litestar:
    failures = Failures(render)
    pages = Router(
        "/",
        include_in_schema=False,
        route_handlers=[
            *board.HANDLERS,
            *ledger.HANDLERS,
            *manual.HANDLERS,
            *today.HANDLERS,
            *admin.HANDLERS,
            *track.HANDLERS,
            *someone.HANDLERS,
            *signs.HANDLERS,
            *screens.HANDLERS,
            *staff.HANDLERS,
            *account.HANDLERS,
            *sso.HANDLERS,
        ],
        middleware=[DefineMiddleware(CompressionMiddleware, config=CompressionConfig("brotli", brotli_quality=5))],
    )
    return Litestar(
        [
            hooks,
            api.router(*follow.HANDLERS, *held.HANDLERS, *screens.API),
            pages,
            *health.HANDLERS,
            *pictures.HANDLERS,
            *tiles.HANDLERS,
            *files.HANDLERS,
        ],
        dependencies={
            "site": Provide(lambda: site, sync_to_thread=False),
            "ticket": Provide(api.ticket),
        },
        exception_handlers={
            Problem: failures.known,
            HTTPException: failures.http,
            Exception: failures.unknown,
        },
        response_headers=HEADERS,
        before_request=whole,
        openapi_config=schema.CONFIG,
        lifespan=[lambda _: running()],
        request_max_body_size=1_000_000,
        logging_config=None,
    )


@contextlib.asynccontextmanager
async def _running(house: House) -> AsyncIterator[None]:
    """What runs beside the application, each restarted with growing pauses should it ever end."""
    tasks = [asyncio.create_task(_kept(run)) for run in house.runs]
    # Long-lived sockets and orders would be walked through again and again: 19 % of the CPU, half the p99 (speed.md).
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        yield
    finally:
        await _ended(tasks)
        await house.work.close()
        await house.site.positions.close()
        await house.site.orders.close()


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels until all have ended: a cancellation that meets a time limit at its very end is lost with it."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.5)


async def _kept(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    pause = 0.1
    while True:
        began = time.monotonic()
        try:
            await run()
            log.error("a background loop ended", loop=_name(run))
        except Exception:
            log.exception("a background loop failed", loop=_name(run))
            if (task := asyncio.current_task()) is not None and task.cancelling():
                return  # a task group that fails while it is cancelled tells of the failure only
        pause = 0.1 if time.monotonic() - began > 60 else min(pause * 2, 10.0)
        await asyncio.sleep(pause)


def _name(run: Callable[[], Coroutine[Any, Any, None]]) -> str:
    """For the log: a partial has no name of its own."""
    return str(getattr(getattr(run, "func", run), "__qualname__", run))


# ---- serving ----


class _Served(uvicorn.Server):
    """uvicorn would hand the signal on after its own end; ours comes later, after Redis has been stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn leaves with a line in the log and a number where it can't listen."""
        try:
            await super().startup(sockets)
        except SystemExit as error:
            why = error.__context__
            if not isinstance(why, OSError):
                raise
            where = f"Port {self.config.port} of {self.config.host}"
            said = str(why.strerror).rpartition(": ")[2]
            raise Fatal(
                f"{where} can't be had ({said}). Trying again helps once it is free; else set another "
                "server.port, for the demo --port."
            ) from None

    async def on_tick(self, counter: int) -> bool:
        if counter % SWEEP == 0:
            sweep(self.server_state.connections)
        return await super().on_tick(counter)


def web(settings: Settings, app: ASGIApp) -> uvicorn.Server:
    server = settings.server
    return _Served(
        uvicorn.Config(
            app,
            host=server.host,
            port=server.port,
            ws=Protocol,
            loop="uvloop",
            http=Http,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # `front` sees to them, where they matter
            ws_max_size=65_536,
            timeout_graceful_shutdown=STOP_WITHIN,
            timeout_keep_alive=30,
        )
    )


@contextlib.asynccontextmanager
async def backed(settings: Settings) -> AsyncIterator[str]:
    """The URL of the Redis to use: the configured one, or our own, started here and stopped last."""
    if settings.server.redis_url:
        yield settings.server.redis_url
        return
    server = Server(Path(settings.server.data_dir))
    await server.start()
    guard = asyncio.create_task(_kept(server.run))
    try:
        yield server.url
    finally:
        guard.cancel()
        await asyncio.gather(guard, return_exceptions=True)
        await server.stop()


async def serve(
    settings: Settings,
    beside: Callable[[House], Coroutine[Any, Any, None]] | None = None,
    shared: socket.socket | None = None,
) -> None:
    """Runs until SIGINT or SIGTERM. `beside` is run once the server listens, and ended with it; `shared` is a worker's
    socket."""
    async with backed(settings) as url:
        house = build(settings, url)
        server = web(settings, house.front)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, _leave, server)
        extra = [asyncio.create_task(_after(server, house, beside))] if beside else []
        if shared is not None:
            extra.append(asyncio.create_task(_orphaned(server, os.getppid())))
        await server.serve(None if shared is None else [shared])
        for task in extra:
            task.cancel()
        await asyncio.gather(*extra, return_exceptions=True)


def _leave(server: uvicorn.Server) -> None:
    server.should_exit = True


async def _orphaned(server: uvicorn.Server, parent: int) -> None:
    """A worker whose parent was killed must not stay on: nobody would stop it, and nobody holds its Redis."""
    while os.getppid() == parent:
        await asyncio.sleep(1.0)
    server.should_exit = True


async def _after(server: uvicorn.Server, house: House, beside: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    while not server.started:
        await asyncio.sleep(0.05)
    await beside(house)


def logging_on() -> None:
    """One line an event, JSON unless somebody is looking; never a path, a token or a name."""
    plain = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if plain else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
