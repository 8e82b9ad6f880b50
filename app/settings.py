"""The config file and the environment, checked whole before anything starts. The file is TOML, `ORDERBOARD_CONFIG`
names it, `ORDERBOARD_<KEY>` overrides a `[server]` key. Every complaint names the key and what is expected."""

import re
import tomllib
from collections.abc import Mapping
from datetime import tzinfo
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from app.errors import Fatal
from app.orders import MANUAL
from app.tiles import Tiles
from app.tiles import read as read_tiles

SECRET_LEAST: Final = 24  # characters; a shorter secret can be guessed
ID_MOST: Final = 64
LANGUAGES: Final = ("en", "es", "pl", "sv")  # of customers; each but the first has a catalogue in render/locale
STEPS_MOST: Final = 6  # of how to collect
TEXT_MOST: Final = 200
PICTURE_MOST: Final = 256 * 1024
# kind, how its file begins, and where
PICTURES: Final = (
    ("jpg", b"\xff\xd8\xff", 0),
    ("png", b"\x89PNG\r\n", 0),
    ("webp", b"WEBP", 8),
    ("avif", b"ftypavif", 4),
)


class Server(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://localhost:8000"
    data_dir: str = "data"
    redis_url: str = ""
    workers: int = 1
    map_tiles: str = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
    map_credit: str = "© OpenStreetMap contributors"  # shown on maps with streets
    api_token: str = ""
    sockets_per_ip: int = 500
    sockets_per_session: int = 20
    sockets_per_link: int = 50
    replicas: int = 0  # how many must hold a commit before it is acknowledged (WAIT)
    tick_ms: int = 40  # a busy board's frames are this far apart
    retention_days: int = 30  # after its end, until an order is erased; 0: never
    pictures: str = ""  # the folder of the stores' pictures; empty: pictures in data_dir
    link_hours: int = 24  # how long tracking links outlive the handover

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")


class Notice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to collect, a step: its words and a picture. `picture` is a file in the pictures folder; once the config is
    checked, the address that it is shown under."""

    text: str
    picture: str | None = None
    alt: str = ""


class Store(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    id: str
    name: str
    timezone: str
    latitude: float | None = None
    longitude: float | None = None
    bays: tuple[str, ...] = ()
    currency: str | None = None
    street: str | None = None
    phone: str | None = None
    language: str = LANGUAGES[0]  # of what hangs in the shop: signs, the screen of what is ready
    show_before: Annotated[int, Meta(ge=0, le=44_640)] = 0
    checkin_before: Annotated[int, Meta(ge=0, le=1440)] = 5
    pickup: tuple[Notice, ...] = ()
    near_metres: int = 300  # what a phone calls near, when its owner lets it say so; 0: it is not asked
    pin: bool = False  # what can't be taken back asks for a person's PIN: for tablets that many use

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.timezone)


class Source(Struct, frozen=True, kw_only=True):
    """One configured connection to one order system. `options` is the provider's own Struct."""

    id: str
    provider: str
    secret: str
    store: str | None = None
    store_ids: dict[str, str] = {}
    base_url: str | None = None
    currency: str | None = None
    timezone: str | None = None
    rate: float = 10.0
    poll_seconds: float = 5.0
    options: Any = None
    stores: frozenset[str] = frozenset()  # our stores that this source may place orders in
    zone: tzinfo = ZoneInfo("UTC")  # of stamps that name none

    def home(self, said: str | None) -> str | None:
        """Our store for the provider's; None where it is unknown and nothing is configured to take its place."""
        if said is not None:
            ours = self.store_ids.get(said, said)
            if ours in self.stores:
                return ours
        return self.store

    @property
    def fallback(self) -> str | None:
        """Our store of an order whose events name none: the configured one, or the only one there is."""
        return self.store or (next(iter(self.stores)) if len(self.stores) == 1 else None)


class Grant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who has `value` in the claim may do this."""

    value: str
    role: Literal["staff", "manager", "admin"] = "staff"
    stores: tuple[str, ...] = ()


class Oidc(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Signing in with accounts of elsewhere. Without `grants` nobody comes in."""

    issuer: str
    client_id: str
    client_secret: str = ""
    label: str = "Sign in with another account"
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    claim: str = "groups"
    grants: tuple[Grant, ...] = ()


class Settings(Struct, frozen=True, kw_only=True):
    server: Server = Server()
    stores: dict[str, Store] = {}
    sources: dict[str, Source] = {}
    oidc: Oidc | None = None
    pictures: dict[str, Path] = {}  # name in its address → file
    tiles: Tiles = Tiles()


_COMMON: Final = frozenset(Source.__struct_fields__) - {"options", "stores", "zone"}


def load(environ: Mapping[str, str], options: Mapping[str, type[Struct]], path: Path | None = None) -> Settings:
    """Reads the file that `path` or `ORDERBOARD_CONFIG` names (`orderboard.toml` else). `options`: each provider's."""
    path = path or Path(environ.get("ORDERBOARD_CONFIG", "orderboard.toml"))
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Fatal(
            f"There is no config file {path}. Copy orderboard.example.toml, or set ORDERBOARD_CONFIG."
        ) from None
    except OSError as error:
        raise Fatal(f"The config file {path} can't be read ({error.strerror}). See whose it is.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Fatal(f"{path} is not TOML: {error}") from None
    return check(raw, environ, options)


def check(raw: dict[str, Any], environ: Mapping[str, str], options: Mapping[str, type[Struct]]) -> Settings:
    if extra := raw.keys() - {"server", "stores", "sources", "oidc"}:
        raise Fatal(f"The config has an unknown key: {min(extra)}. Expected [server], [[stores]], [[sources]], [oidc].")
    server = _server(raw.get("server", {}), environ)
    pictures: dict[str, Path] = {}
    folder = Path(server.pictures or Path(server.data_dir) / "pictures")
    made = [_store(i, table) for i, table in enumerate(_tables(raw, "stores"))]
    stores = _unique("stores", [_pictured(store, folder, pictures) for store in made])
    sources = [_source(i, table, environ, options, stores) for i, table in enumerate(_tables(raw, "sources"))]
    return Settings(
        server=server,
        stores=stores,
        sources=_unique("sources", sources),
        pictures=pictures,
        tiles=read_tiles(server.map_tiles, server.data_dir, server.map_credit),
        oidc=_oidc(raw.get("oidc"), environ, stores),
    )


def _oidc(table: dict[str, Any] | None, environ: Mapping[str, str], stores: Mapping[str, Store]) -> Oidc | None:
    if table is None:
        return None
    _need(isinstance(table, dict), "oidc", "a table: [oidc]")
    made: Oidc = _convert(_secrets(dict(table), environ, "[oidc]"), Oidc, "[oidc]")
    _need(safe(made.issuer), "oidc.issuer", "an https:// address (http:// only on this machine)")
    _need("openid" in made.scopes.split(), "oidc.scopes", "words with openid among them")
    for grant in made.grants:
        where = f"oidc.grants, {grant.value!r}"
        _need(bool(grant.stores) or grant.role == "admin", f"{where}, stores", "one id or more; only an admin sees all")
        for store in grant.stores:
            _need(store in stores, f"{where}, stores", f"ids of configured stores, not {store!r}")
    return made


def safe(url: str) -> bool:
    """An address that nobody on the way can read or forge."""
    parts = urlsplit(url)
    here = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and here))


def _tables(raw: dict[str, Any], name: str) -> list[dict[str, Any]]:
    tables = raw.get(name, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise Fatal(f"{name} must be written as [[{name}]] tables.")
    return tables


def _convert(table: object, kind: type[Any], where: str, *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(table, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Fatal(f"Config, {where}: {error}") from None


def _server(table: dict[str, Any], environ: Mapping[str, str]) -> Server:
    given = {
        name: environ[key] for name in Server.__struct_fields__ if (key := "ORDERBOARD_" + name.upper()) in environ
    }
    server: Server = _convert(table, Server, "[server]")
    if given:
        server = _convert({**msgspec.structs.asdict(server), **given}, Server, "ORDERBOARD_* variables", strict=False)
    _need(0 <= server.port <= 65535, "server.port", "a number from 0 to 65535")
    _need(1 <= server.workers <= 64, "server.workers", "a number from 1 to 64")
    _need(bool(server.host), "server.host", "an address of this machine; 0.0.0.0 for all of them")
    _need(bool(server.data_dir), "server.data_dir", "a folder")
    address = "an http:// or https:// address of a host, without a path"
    _need(_address(server.public_url) and _bare(server.public_url), "server.public_url", address)
    for name in ("sockets_per_ip", "sockets_per_session", "sockets_per_link", "replicas"):
        _need(getattr(server, name) >= 0, f"server.{name}", "a number, 0 for none")
    _need(1 <= server.tick_ms <= 10_000, "server.tick_ms", "a number from 1 to 10000")
    _need(1 <= server.link_hours <= 8760, "server.link_hours", "a number from 1 to 8760")
    _need(0 <= server.retention_days <= 36_500, "server.retention_days", "a number of days, or 0 to keep orders")
    _need(not server.api_token or len(server.api_token) >= SECRET_LEAST, "server.api_token", "24 characters or more")
    _need(
        not server.redis_url or _redis(server.redis_url),
        "server.redis_url",
        "redis://host:port, rediss://, unix:// or redis+sentinel://host:port/name, or empty for the embedded one",
    )
    return msgspec.structs.replace(server, public_url=server.public_url.rstrip("/"))


def _store(index: int, table: dict[str, Any]) -> Store:
    store: Store = _convert(table, Store, f"[[stores]] number {index + 1}")
    _name(store.id, f"stores[{index}].id")
    _need(bool(store.name.strip()), f"stores.{store.id}.name", "a name")
    _zone(store.timezone, f"stores.{store.id}.timezone")
    _currency(store.currency, f"stores.{store.id}.currency")
    for name, most in (("latitude", 90), ("longitude", 180)):
        _need(-most <= (getattr(store, name) or 0.0) <= most, f"stores.{store.id}.{name}", f"from -{most} to {most}")
    bays = all(bay.strip() and bay.isprintable() for bay in store.bays) and len(set(store.bays)) == len(store.bays)
    _need(bays, f"stores.{store.id}.bays", "different names, each with a letter or a digit")
    _need(store.language in LANGUAGES, f"stores.{store.id}.language", "one of " + ", ".join(LANGUAGES))
    return store


def _pictured(store: Store, folder: Path, pictures: dict[str, Path]) -> Store:
    """The store with the addresses of its pictures, each noted in `pictures`."""
    where = f"stores.{store.id}.pickup"
    _need(len(store.pickup) <= STEPS_MOST, where, f"at most {STEPS_MOST} steps")
    _need(0 <= store.near_metres <= 10_000, f"stores.{store.id}.near_metres", "a number from 0 to 10000")
    steps = []
    for step in store.pickup:
        _need(0 < len(step.text) <= TEXT_MOST, f"{where}, text", f"1 to {TEXT_MOST} characters")
        if step.picture is not None:
            _need(bool(step.alt), f"{where}, alt", f"what {step.picture} shows, for who can't see it")
            name, path = _picture(folder, step.picture, where)
            pictures[name] = path
            step = msgspec.structs.replace(step, picture="/pictures/" + name)
        steps.append(step)
    return msgspec.structs.replace(store, pickup=tuple(steps))


def _picture(folder: Path, name: str, where: str) -> tuple[str, Path]:
    """A name that changes with the picture, and its file."""
    path = (folder / name).resolve()
    _need(path.is_relative_to(folder.resolve()), f"{where}, picture", f"a file in {folder}")
    try:
        body = path.read_bytes()
    except OSError:
        raise Fatal(f"Config: {where}, picture: the file {folder / name} can't be read.") from None
    _need(len(body) <= PICTURE_MOST, f"{where}, picture {name}", f"{PICTURE_MOST // 1024} KiB or less")
    kind = next((kind for kind, start, at in PICTURES if body[at:].startswith(start)), "")
    _need(bool(kind), f"{where}, picture {name}", "a JPEG, PNG, WebP or AVIF")
    return f"{sha256(body).hexdigest()[:16]}.{kind}", path


def _source(
    index: int,
    table: dict[str, Any],
    environ: Mapping[str, str],
    options: Mapping[str, type[Struct]],
    stores: Mapping[str, Store],
) -> Source:
    where = f"[[sources]] number {index + 1}"
    table = _secrets(dict(table), environ, where)
    provider = table.get("provider")
    _need(
        isinstance(provider, str) and provider in options, f"{where}, provider", "one of " + ", ".join(sorted(options))
    )
    own = {name: value for name, value in table.items() if name not in _COMMON}
    made: Source = _convert({name: value for name, value in table.items() if name in _COMMON}, Source, where)
    _name(made.id, f"{where}, id")
    _need(made.id != MANUAL, f"{where}, id", f"another word: {MANUAL} is the source of what people enter")
    where = f"sources.{made.id}"
    _need(len(made.secret) >= SECRET_LEAST, f"{where}.secret", "24 characters or more")
    signing = own.get("signing_secret")
    _need(signing is None or len(str(signing)) >= SECRET_LEAST, f"{where}.signing_secret", "24 characters or more")
    _need(not made.base_url or _address(made.base_url), f"{where}.base_url", "an http:// or https:// address")
    for name in ("rate", "poll_seconds"):
        _need(0 < getattr(made, name) < inf, f"{where}.{name}", "a number over 0")
    _currency(made.currency, f"{where}.currency")
    for store in (*made.store_ids.values(), *([made.store] if made.store else [])):
        _need(store in stores, f"{where}.store", f"the id of a configured store, not {store!r}")
    mine = frozenset(made.store_ids.values()) | ({made.store} if made.store else frozenset())
    home = stores.get(made.store or "")
    return msgspec.structs.replace(
        made,
        options=_convert(own, options[made.provider], where),
        stores=mine or frozenset(stores),
        zone=_zone(made.timezone or (home.timezone if home else "UTC"), f"{where}.timezone"),
        currency=made.currency or (home.currency if home else None),
    )


def _secrets(table: dict[str, Any], environ: Mapping[str, str], where: str) -> dict[str, Any]:
    """A secret may come from a file (`secret_file`) or a variable (`secret_env`); the names end alike for every key."""
    for name in [n for n in table if n.endswith(("secret_file", "secret_env"))]:
        said, plain = str(table.pop(name)), name.rpartition("_")[0]
        if name.endswith("_env"):
            _need(said in environ, f"{where}, {name}", f"the name of a variable that is set, not {said}")
            table[plain] = environ[said]
            continue
        try:
            table[plain] = Path(said).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise Fatal(f"Config, {where}, {name}: the file {said} can't be read.") from None
    return table


def _need(fits: bool, key: str, expected: str) -> None:
    if not fits:
        raise Fatal(f"Config: {key} must be {expected}.")


def _address(url: str) -> bool:
    """Does it say which host to ask, and how?"""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _bare(url: str) -> bool:
    """An origin as browsers say it: nothing but the host and its port."""
    parts = urlsplit(url)
    return not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)


def _redis(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "redis+sentinel":
        hosts = parts.netloc.rpartition("@")[2].split(",")
        return all(re.fullmatch(r"[^:]+(:\d{1,5})?", host) for host in hosts)
    try:
        return parts.scheme in ("redis", "rediss", "unix") and parts.port != 0
    except ValueError:
        return False


def _currency(code: str | None, key: str) -> None:
    _need(not code or re.fullmatch("[A-Z]{3}", code) is not None, key, "three capital letters like EUR")


def _name(value: str, key: str) -> None:
    plain = value.replace("-", "").replace("_", "").replace(".", "")
    fits = 0 < len(value) <= ID_MOST and plain.isascii() and plain.isalnum()
    _need(fits, key, "1 to 64 letters and digits, and . - _ between them")


def _zone(name: str, key: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise Fatal(f"Config: {key} must be a time zone like Europe/Madrid, not {name!r}.") from None


def _unique(kind: str, made: list[Any]) -> dict[str, Any]:
    table = {one.id: one for one in made}
    _need(len(table) == len(made), f"{kind}.id", "given once only")
    return table
