"""A process that has dbt imported and the project read, and gives each build a copy of itself by `fork`.

It is there where `PLYO_BUILDER` names its socket; `dbt_process.py` asks it, and runs dbt itself as ever where nobody
answers, where the code has changed since, or where the variable is not set. So it saves time and decides nothing: dbt
checks in each build whether files, variables and profile are those it has read. A build is a process of its own, which
speaks with whoever asked for it and needs its parent no more; what it does to its memory, or a crash of a library,
stays with it. How dbt is run, and what a build looks at, do not belong here.
"""

import atexit
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from hashlib import sha256
from pathlib import Path
from socketserver import BaseRequestHandler, ForkingMixIn, UnixStreamServer
from tempfile import TemporaryDirectory
from threading import Thread
from typing import IO, Any

PLACE = "PLYO_BUILDER"
"""Environment variable: the socket, in a folder that only we may write to. Beside it lie its lock and its log."""
IDLE_SECONDS = 1800
"""How long it stays when nobody builds."""
PATIENCE_SECONDS = 5
"""How long an answer may take, which is a matter of milliseconds; one that takes longer is held to be stuck."""
_LOOKS_SECONDS = 20
_ROOT = Path(__file__).resolve().parents[1]
_READY, _STALE, _GO = b"r", b"s", b"g"


def asked(place: Path, arguments: Sequence[str]) -> int | None:
    """Let the builder run dbt with the arguments given, in this process's environment and with its files 0 to 2.

    Signals that end or interrupt us are handed on. When we die it dies too, and does no more than we could have done.

    Returns:
        dbt's exit status; 4 when it died without one; none when there is no builder that would do it.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE_SECONDS)
        try:
            with _folder(place):
                line.connect(place.name)
            text = json.dumps(
                {"code": _code(), "arguments": [*arguments], "folder": str(Path.cwd()), "environment": dict(os.environ)}
            ).encode()
            socket.send_fds(line, [len(text).to_bytes(8, "big")], [0, 1, 2])
            line.sendall(text)
            answer = line.recv(9)
        except TimeoutError:
            end(place, how=signal.SIGKILL)
            return None
        except OSError:
            return None
        if answer[:1] != _READY:
            return None
        for heard in (signal.SIGINT, signal.SIGTERM):
            signal.signal(heard, _handed_on(int.from_bytes(answer[1:], "big")))
        line.settimeout(None)
        try:
            line.sendall(_GO)
            told = line.recv(1)
        except OSError:
            told = b""
    if not told:
        sys.stderr.write("The process that ran dbt died.\n")
        return 4
    return told[0]


def start(place: Path) -> None:
    """Start a builder in the background, in this process's environment. Where there is one already it ends at once."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with _beside(place, "log").open("w") as log:
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "orchestration.dbt_builder", str(place)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def is_ready(place: Path) -> bool:
    """Whether a builder listens."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            with _folder(place):
                line.connect(place.name)
        except OSError:
            return False
    return True


def end(place: Path, *, how: signal.Signals = signal.SIGTERM) -> None:
    """End the builder, if there is one, and wait for it. Builds that it began go on."""
    import psutil  # by few

    number = pid_of(place)
    if number is not None:
        with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            builder = psutil.Process(number)
            builder.send_signal(how)
            builder.wait(PATIENCE_SECONDS)


def pid_of(place: Path) -> int | None:
    """The builder's process, where there is one."""
    try:
        with _beside(place, "lock").open() as lock:
            flock(lock, LOCK_EX | LOCK_NB)  # nobody holds it, so nobody is there
    except FileNotFoundError:
        return None
    except BlockingIOError:
        number = _beside(place, "lock").read_text()
        return int(number) if number else None
    return None


class _Builder(ForkingMixIn, UnixStreamServer):
    """Listens, and forks for each who asks."""

    timeout = _LOOKS_SECONDS
    block_on_close = False

    def __init__(self, place: Path, lock: IO[str]) -> None:
        self.place, self.lock, self.code, self.number = place, lock, _code(), os.getpid()
        with _folder(place):
            before = os.umask(0o177)
            super().__init__(place.name, _Build)
            os.umask(before)
            self.made = Path(place.name).stat().st_ino
        self.last_asked = time.monotonic()

    def serve(self) -> None:
        """Until nobody has asked for long, or the socket is no more ours."""
        while time.monotonic() - self.last_asked < IDLE_SECONDS and self._is_ours():
            self.handle_request()
            self.collect_children()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.last_asked = time.monotonic()
        super().process_request(request, client_address)

    def leave(self) -> None:
        """For a build: what is its parent's alone. The lock would outlive the builder in it."""
        self.server_close()
        self.lock.close()

    def _is_ours(self) -> bool:
        try:
            return self.place.stat().st_ino == self.made
        except FileNotFoundError:
            return False


class _Build(BaseRequestHandler):
    """One build, in the process that was forked for it, which ends with it."""

    server: _Builder

    def handle(self) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        line: socket.socket = self.request
        head, files, _, _ = socket.recv_fds(line, 8, 3)
        if not head:  # it only looked whether we are there
            return
        asked_for = json.loads(_read(line, int.from_bytes(head, "big")))
        if asked_for["code"] != self.server.code:
            if os.getppid() == self.server.number:
                os.kill(self.server.number, signal.SIGTERM)
            line.sendall(_STALE)
            return
        self.server.leave()
        line.sendall(_READY + os.getpid().to_bytes(8, "big"))
        if line.recv(1) != _GO:  # it waits no more, and runs dbt itself
            return
        Thread(target=_die_with, args=[line], daemon=True).start()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(asked_for["environment"])
        os.chdir(asked_for["folder"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = _status_of(asked_for["arguments"])
        atexit._run_exitfuncs()  # as at the end of any process: dbt closes DuckDB there
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(bytes([status]))


def main() -> None:
    """Read the project once and listen at the place named, until nobody asks."""
    place = Path(sys.argv[1])
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # heard although who started us may ignore it
    with _beside(place, "lock").open("a+") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return
        place.unlink(missing_ok=True)  # of one that was killed
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _warm()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # how a build ended is told to who asked for it
        server = _Builder(place, lock)
        try:
            server.serve()
        finally:
            server.server_close()
            place.unlink(missing_ok=True)


def _warm() -> None:
    """Do once what every build would: import dbt, load DuckDB's extensions, read the project, compile its macros."""
    gc.disable()
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.clients.jinja import template_cache

    from contracts import warehouse
    from orchestration import dbt_shortcuts

    warehouse.check_extensions()
    dbt_shortcuts.take()
    with TemporaryDirectory(prefix="plyo-builder-") as scratch:
        read = Path(os.environ.get("DBT_TARGET_PATH", "")) / "partial_parse.msgpack"
        if read.exists():
            shutil.copy(read, scratch)
        # dbt's parser in Rust starts threads. A fork would have their lock and not them, and wait forever for a model.
        quietly = ["--quiet", "--log-level-file", "none", "--no-static-parser"]
        done = dbtRunner().invoke([*quietly, "parse", "--no-write-json", "--target-path", scratch])
    if not isinstance(done.result, Manifest):
        raise SystemExit(f"The project cannot be read: {done.exception}")
    for macro in done.result.macros.values():
        template_cache.get_node_template(macro)
    dbt_shortcuts.compile_texts(done.result.nodes.values())
    if read.exists():
        _keep(read.read_bytes())
    gc.freeze()


def _keep(saved: bytes) -> None:
    """Let a build that reads the same saved project take it as it is read here. Whether it still holds, dbt judges."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    read: Callable[..., Manifest] = Manifest.from_msgpack
    kept = read(saved, decoder=extended_mashumuro_decoder)

    def known(data: bytes, **how: Any) -> Manifest:
        return kept if data == saved else read(data, **how)

    Manifest.from_msgpack = staticmethod(known)  # type: ignore[assignment, misc]


def _status_of(arguments: Sequence[str]) -> int:
    from orchestration.dbt_process import run

    try:
        run(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _die_with(line: socket.socket) -> None:
    """Whoever asked for this build is gone: so are we, as dbt would be that was killed."""
    line.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _handed_on(to: int) -> Callable[[int, Any], None]:
    def hand_on(number: int, _frame: Any) -> None:
        with suppress(ProcessLookupError):
            os.kill(to, number)

    return hand_on


def _code() -> str:
    """Of the code that a builder has in its memory: ours, and what is installed."""
    installed = Path(sysconfig.get_path("purelib")).stat().st_mtime_ns
    told = sha256(f"{sys.executable} {sys.version} {installed}".encode())
    for file in sorted(file for name in ("contracts", "orchestration") for file in (_ROOT / name).rglob("*.py")):
        told.update(f"{file} {file.stat().st_mtime_ns}".encode())
    return told.hexdigest()


def _beside(place: Path, kind: str) -> Path:
    return place.with_name(f"{place.name}.{kind}")


def _read(line: socket.socket, size: int) -> bytes:
    with line.makefile("rb", buffering=0) as stream:
        text = b""
        while len(text) < size and (more := stream.read(size - len(text))):
            text += more
    return text


@contextmanager
def _folder(place: Path) -> Iterator[None]:
    """Work in the folder of the socket: its whole path may be longer than an address of a socket."""
    before = Path.cwd()
    os.chdir(place.parent)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
