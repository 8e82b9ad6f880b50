"""`orderboard doctor`: a line for Redis, the disk, the settings, each store and each source. It looks and changes
nothing; every look has its own time, so that it ends within 15 s whatever is broken."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Final

from msgspec import Struct

from app import main, providers
from app.cli.beside import beside
from app.cli.doctor import machine, probes, shops
from app.cli.doctor.lines import Finding, Line, look, note, written
from app.embedded import busy
from app.errors import Away, Fatal
from app.main import House
from app.orders import attention, place
from app.providers.contract import Follow
from app.settings import Settings, Source
from app.store.clients import commands
from app.store.feeds import DAY
from app.store.orders import NOWHERE
from app.store.people import User
from app.store.screens import ON
from app.store.vitals import Pulse, Vitals, why
from app.web.admin.feeds import sources as rows_of

FOUND_WITHIN: Final = 1.5  # seconds until a Redis that should run beside us has answered
STARTED_WITHIN: Final = 7.0  # seconds for all that is done with Redis: a start of our own, and the questions
ASKED_WITHIN: Final = 4.0
ALL_SEEING: Final = User("doctor", "admin", (), "")  # no account: who is asked on behalf of


class Known(Struct):
    """What Redis knows; `wrong` where it could not be asked. `homeless`: open orders of no store."""

    vitals: Vitals | None = None
    trade: dict[str, shops.Trade] = {}
    fed: dict[str, shops.Fed] = {}
    homeless: int = 0
    wrong: Finding | None = None


async def run(settings: Settings, args: argparse.Namespace) -> int:
    """1 where something needs a person, else 0."""
    path = args.config or Path(os.environ.get("ORDERBOARD_CONFIG", "orderboard.toml"))
    return told(await looked(settings, path, time.time))


def unread(error: Fatal) -> int:
    """Without a config there is nothing else to look at."""
    return told([Line("config", "", (look(str(error)),))])


def told(lines: list[Line]) -> int:
    bare = "NO_COLOR" in os.environ or not sys.stdout.isatty()
    print("\n".join(written(lines, colour=not bare)), flush=True)
    return int(any(line.level == "look" for line in lines))


async def looked(settings: Settings, path: Path, clock: Callable[[], float]) -> list[Line]:
    (space, known), (status, config), reaches = await asyncio.gather(
        _kept(settings, clock), _here(settings, path), _reaches(settings)
    )
    first = [
        Line("redis", "", tuple(_redis(settings, known))),
        *([Line("clock", "", (machine.clock(known.vitals.ahead),))] if known.vitals else []),
        Line("disk", "", tuple([space] if isinstance(space, Finding) else machine.disk(space, settings.server))),
        Line("server", "", tuple(status)),
        Line("address", "", tuple(machine.address(settings.server))),
        Line("config", "", tuple(config)),
        Line("maps", "", (machine.maps(settings.tiles),)),
    ]
    return [*first, *_stores(settings, known, clock()), *_sources(settings, known, reaches, clock())]


def _redis(settings: Settings, known: Known) -> list[Finding]:
    own = not settings.server.redis_url
    found = machine.redis(known.vitals, settings.server, own=own) if known.vitals else []
    return [known.wrong, *found] if known.wrong else found


def _stores(settings: Settings, known: Known, now: float) -> list[Line]:
    made = []
    for home in settings.stores.values():
        mine = [feed for feed in settings.sources.values() if home.id in feed.stores]
        found = shops.store(home, mine, known.trade.get(home.id), settings.oidc, now)
        made.append(Line("store", home.id, tuple(found)))
    lost = [Line("store", "none", (shops.homeless(known.homeless),))] if known.homeless else []
    return made + lost


def _sources(settings: Settings, known: Known, reaches: dict[str, str], now: float) -> list[Line]:
    systems = providers.load()
    made = []
    for feed in settings.sources.values():
        polling = systems[feed.provider].polling
        follow = Follow(source=feed.id, ref="doctor", began=now, user_id="doctor")
        setup = shops.Setup(
            polls=polling is not None,
            needed=polling is not None and polling.needed,
            able=polling is not None and bool(polling.plan(feed, follow, None, now)),
            reach=reaches.get(feed.id, ""),
            twins=tuple(other.id for other in _twins(feed, settings)),
        )
        made.append(Line("source", feed.id, tuple(shops.source(feed, setup, known.fed.get(feed.id), settings, now))))
    return made


def _twins(feed: Source, settings: Settings) -> list[Source]:
    return [other for other in settings.sources.values() if other.id != feed.id and other.secret == feed.secret]


# ---- what is looked at without Redis ----


async def _disk(settings: Settings) -> probes.Disk | Finding:
    try:
        return await probes.apart(partial(probes.disk, Path(settings.server.data_dir)))
    except TimeoutError:
        return look("data_dir does not answer: see whether its disk is there, and mounted")
    except OSError as error:
        return look(f"data_dir can't be looked at ({error.strerror}): run as the user that runs the server")


async def _here(settings: Settings, path: Path) -> tuple[list[Finding], list[Finding]]:
    """The server beside us, and the config file."""
    server = settings.server
    try:
        exposed = await probes.apart(partial(probes.secrets_seen, path))
    except (OSError, ValueError):  # a config that isn't a file is nobody else's to read
        exposed = False
    config = machine.config(exposed, server)
    where = f"{server.host}:{server.port}"
    try:
        status, body = await probes.apart(partial(probes.readiness, server.host, server.port), probes.WITHIN + 1)
        return machine.server(status, body, server), config
    except TimeoutError:
        return [look(f"{where} takes connections and does not answer: see its log, then restart it")], config
    except (OSError, HTTPException) as error:
        return [look(f"{where} does not answer as a server of ours ({type(error).__name__}): see its log")], config


async def _reaches(settings: Settings) -> dict[str, str]:
    """Why a source's base_url takes no connection; "" where it does."""
    asked = [feed for feed in settings.sources.values() if feed.base_url]
    said = await asyncio.gather(*(probes.reached(feed.base_url or "") for feed in asked))
    return {feed.id: wrong for feed, wrong in zip(asked, said, strict=True)}


# ---- what Redis knows ----


async def _kept(settings: Settings, clock: Callable[[], float]) -> tuple[probes.Disk | Finding, Known]:
    """The disk, and then Redis: nothing is started on a disk that does not answer."""
    space = await _disk(settings)
    return space, await _known(settings, space, clock)


async def _known(settings: Settings, space: probes.Disk | Finding, clock: Callable[[], float]) -> Known:
    known = Known()
    url = settings.server.redis_url
    begun = isinstance(space, probes.Disk) and space.begun
    if not url and isinstance(space, Finding):
        known.wrong = look("its own one was not looked for: see disk")
    elif not url and not begun:  # to start one would make the folder
        known.wrong = note("its own one, which has never run in data_dir: the first `orderboard serve` makes it")
    elif url and (wrong := await probes.reached(url)):
        known.wrong = look(f"it takes no connection ({wrong}): see that it runs, and check redis_url")
    else:
        await _within(STARTED_WITHIN, beside(settings, partial(_asked, settings, known, clock), FOUND_WITHIN), known)
        if not url and known.vitals is None and busy(Path(settings.server.data_dir)):
            known.wrong = look("the running server's own one does not answer: see its log and the disk, restart it")
    return known


async def _within(seconds: float, work: Awaitable[None], known: Known) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except Away as error:
        known.wrong = look(why(error))
    except Fatal as error:
        known.wrong = look(str(error))
    except TimeoutError:
        known.wrong = look(f"not ready within {seconds:.0f} s: see its log; if it only loads its data, ask again later")
    except OSError as error:
        known.wrong = look(f"its own one can't be started ({error.strerror}): see disk")
    except Exception as error:  # what another version has stored, or a broken record: to be told, not to end in
        known.wrong = look(f"what it holds can't be read ({type(error).__name__}): is this the server's own version?")


async def _asked(settings: Settings, known: Known, clock: Callable[[], float], url: str) -> None:
    client = commands(url)
    try:
        await _within(ASKED_WITHIN, _pulse(Pulse(client), known), known)
    finally:
        await client.aclose()
    if known.wrong is None:
        house = main.build(settings, url, clock)
        try:
            await _within(ASKED_WITHIN, _read(house, known), known)
        finally:
            await house.site.orders.close()


async def _pulse(pulse: Pulse, known: Known) -> None:
    known.vitals = await pulse.take()


async def _read(house: House, known: Known) -> None:
    site, now = house.site, house.site.clock()
    people = await site.people.all()
    for store in site.settings.stores:
        known.trade[store] = await _trade(house, store, people, now)
    known.homeless = len(await _open(house, NOWHERE, now))
    names = list(site.settings.sources)
    recent = await site.quarantine.counts(names, now - DAY, now + DAY)
    for row in await rows_of(site, ALL_SEEING, now):
        follows = await site.follows.count(row.id)
        known.fed[row.id] = shops.Fed(row=row, recent=recent[row.id], follows=follows)


async def _trade(house: House, store: str, people: list[User], now: float) -> shops.Trade:
    site = house.site
    lanes = await _open(house, store, now)
    screens = [screen.id for screen in await site.screens.of(store)]
    seen = await site.screens.seen(screens)
    elsewhere = site.settings.oidc is not None
    return shops.Trade(
        open=len(lanes),
        now=sum(lane in ("waiting", "needs") for lane in lanes),
        screens=len(screens),
        on=sum(now - at < ON for at in seen.values()),
        accounts=sum(user.sees(store) and _may_enter(user, elsewhere) for user in people),
    )


def _may_enter(user: User, elsewhere: bool) -> bool:
    return not user.disabled and bool(user.password or (user.subject and elsewhere))


async def _open(house: House, store: str, now: float) -> list[str]:
    """The lanes that a store's open orders stand in; what no board shows, as carts, is left out."""
    snapshot = await house.site.orders.board(store, now)
    lanes = [place(order, attention(order, now))[0] for order in snapshot.orders if order.end is None]
    return [lane for lane in lanes if lane not in ("", "done")]
