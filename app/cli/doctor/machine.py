"""What Redis, the disk, the config and the server come to: facts in, findings out. Pure."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from app.cli.doctor.lines import Finding, look, many, note, ok
from app.cli.doctor.probes import Disk, hosts
from app.embedded import OLDEST
from app.orders import spell
from app.settings import Server
from app.store.vitals import Vitals
from app.tiles import LOOPBACK, Tiles

SLOW_TRIP: Final = 0.010  # seconds to Redis and back
SLOW_SYNC: Final = 0.050
FULL: Final = 0.9  # of maxmemory
FREE_SHARE: Final = 0.05
FREE_LEAST: Final = 500 * 2**20  # bytes
CLOCKS_APART: Final = 2.0  # seconds
FEW_SIGNS: Final = 8  # different characters: who has fewer can be guessed
EXAMPLES: Final = frozenset(  # whoever has the example file has these
    {
        "change-me-to-24-characters-or-more",
        "change-me-too-to-24-characters-or-more",
        "what-instacart-calls-back-with-24-chars",
        "the-bearer-token-of-its-webhooks",
        "the-shared-secret-in-base64-as-given",
    }
)


def redis(vitals: Vitals, settings: Server, *, own: bool) -> list[Finding]:
    near = settings.redis_url.startswith("unix:")
    where = "on a private socket" if own else "on a socket" if near else "over the network"
    found = [ok(f"{vitals.name} {vitals.version} {where}; {vitals.trip * 1000:.1f} ms there and back")]
    if _older(vitals):
        found.append(look("too old: at least Redis 7.0 or Valkey 7.2 is needed"))
    if vitals.trip > SLOW_TRIP:
        found.append(note("it is far away, and every event waits for it: put it near"))
    if vitals.role != "master":
        found.append(look("a replica, which takes no writes: name the master in redis_url, or its Sentinels"))
    found += _kept(vitals, settings.replicas)
    found += [look(f"{what} failed: see its log, and whether its disk is full") for what in vitals.failed]
    if vitals.replicas < settings.replicas:
        found.append(
            look(f"{many(vitals.replicas, 'replica')} online and replicas = {settings.replicas}: no event is accepted")
        )
    return found + _room(vitals) + [*_way(settings.redis_url)]


def _older(vitals: Vitals) -> bool:
    version = tuple(int(part) for part in vitals.version.split(".") if part.isdigit())
    return version < OLDEST[vitals.name.lower()]


def _kept(vitals: Vitals, replicas: int) -> list[Finding]:
    """Is what was acknowledged still there after a crash?"""
    if not vitals.appendonly:
        return [look("appendonly is off: a restart loses orders. Set appendonly yes and appendfsync always")]
    if vitals.fsync is None:
        return [note("appendfsync can't be told, CONFIG is forbidden here: ask its host for always")]
    if vitals.fsync == "always":
        return [ok("every write on disk before it is acknowledged")]
    said = f"appendfsync is {vitals.fsync}: a crash may lose what was just acknowledged"
    if replicas:
        return [note(f"{said}, but for {many(replicas, 'replica')} that must hold it too")]
    return [look(f"{said}. Set appendfsync always")]


def _room(vitals: Vitals) -> list[Finding]:
    found = []
    if vitals.policy is None:
        found.append(note("maxmemory-policy can't be told: it must be noeviction"))
    elif vitals.policy != "noeviction":
        grave = look if vitals.most else note
        found.append(grave(f"maxmemory-policy is {vitals.policy}: when full it throws orders away. Set noeviction"))
    if vitals.most and vitals.used > FULL * vitals.most:
        share = vitals.used / vitals.most
        found.append(look(f"{share:.0%} of maxmemory is used, and a full one takes no events: raise maxmemory"))
    return found


def _way(url: str) -> list[Finding]:
    """Who on the way to it could read or do as they like?"""
    parts, names = urlsplit(url), [name for name, _ in hosts(url)]
    if parts.scheme == "rediss" or all(name in LOOPBACK for name in names):
        return []
    if parts.password:
        return [note("its password and all orders travel readable: use rediss:// unless the network is your own")]
    if not any("." in name or ":" in name for name in names):  # a name of a private network, as compose makes them
        return [note("without a password: right only where nobody else is on that network")]
    return [look("without a password, to another host: set one there and in redis_url, and use rediss://")]


def clock(ahead: float) -> Finding:
    if abs(ahead) <= CLOCKS_APART:
        return ok("this machine and Redis agree")
    way = "ahead of" if ahead > 0 else "behind"
    return look(f"Redis is {spell(abs(ahead))} {way} this machine: let both keep time by NTP")


def server(status: int, body: str, settings: Server) -> list[Finding]:
    """`status` and `body` of /readyz; status 0: nobody listens."""
    where = f"{settings.host}:{settings.port}"
    workers = many(settings.workers, "worker")
    if status == 0:
        return [note(f"none runs at {where}: `orderboard serve` starts it")]
    try:
        said = msgspec.json.decode(body.encode(), type=dict[str, str])
    except msgspec.MsgspecError:
        said = {}
    if "relay" not in said:
        return [look(f"something else answers at {where}: end it, or set another port")]
    if status == 200:
        return [ok(f"runs at {where}, {workers}")]
    parts = ", ".join(f"{part} {how}" for part, how in sorted(said.items()))
    return [look(f"runs at {where} and can't do its work ({parts}): see its log")]


def address(settings: Server) -> list[Finding]:
    if settings.secure:
        return [ok(f"{settings.public_url}: the session cookie is Secure and __Host-")]
    said = f"{settings.public_url} is not https, so the session cookie is not Secure"
    if urlsplit(settings.public_url).hostname in LOOPBACK:
        return [note(f"{said}: enough on this machine; for others put it behind https and set public_url")]
    return [look(f"{said}, and passwords travel readable: put it behind https and set public_url")]


def config(exposed: bool, settings: Server) -> list[Finding]:
    found = []
    if exposed:
        found.append(note("every user of this machine may read its secrets: chmod 640, or use secret_file"))
    if settings.api_token and weak(settings.api_token):
        found.append(look("server.api_token can be guessed: empty it, `orderboard api-token create` makes one"))
    return found or [ok("read whole")]


def weak(secret: str) -> bool:
    return secret in EXAMPLES or len(set(secret)) < FEW_SIGNS


def maps(tiles: Tiles) -> Finding:
    if tiles.file is not None:
        return ok(f"streets from {tiles.file.name}")
    return ok(f"streets from {tiles.origin}, fetched by each browser") if tiles.origin else ok("drawn without streets")


def disk(space: Disk, settings: Server) -> list[Finding]:
    """With a Redis elsewhere nothing of ours is kept here: then nothing here needs a person."""
    grave = note if settings.redis_url else look
    free = f"{space.free / 2**30:.1f} GB free ({space.free / space.total:.0%})"
    scarce = space.free < FREE_LEAST or space.free < FREE_SHARE * space.total
    found = [grave(f"only {free}: a full one takes no orders, make room") if scarce else ok(free)]
    if space.wrong:
        found.append(grave(f"data_dir can't be written ({space.wrong}): see who owns it, and how it is mounted"))
    elif space.sync is not None:
        how = f"{space.sync * 1000:.1f} ms until a write is on it"
        slow = space.sync > SLOW_SYNC and not settings.redis_url
        found.append(note(f"{how}, and every event waits for that: a faster disk helps") if slow else ok(how))
    if space.mode & 0o077:
        found.append(grave("other users of this machine may read the orders: chmod 700 data_dir and redis in it"))
    return found
