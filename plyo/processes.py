"""Starting, watching and ending operating-system processes of one copy. Knows no service by name."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from plyo.home import Home
from plyo.services import STACK_MARK, Service, environment_of


def start(service: Service, home: Home, *, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a service in a session of its own, its output appended to its log."""
    log = home.logs / f"{service.name}.log"
    if log.exists() and log.stat().st_size > 20_000_000:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as stream:
        return subprocess.Popen(
            service.command,
            cwd=cwd,
            env=environment_of(service, home),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


def is_ready(service: Service) -> bool:
    """Whether the service answers at its ready address now."""
    if service.ready is None:
        return True
    address = urlsplit(service.ready)
    if address.scheme == "tcp":
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((address.hostname or "127.0.0.1", address.port or 0)) == 0
    try:
        with urllib.request.urlopen(service.ready, timeout=3) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status < 400)
    except (urllib.error.URLError, OSError):
        return False


def ours(home: Home) -> list[psutil.Process]:
    """Every process of this copy except PostgreSQL and the caller: those that carry its mark in their environment."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if process.environ().get(STACK_MARK) == home.stack_id and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def is_ours(pid: int, home: Home) -> bool:
    """Whether a process of this number lives and belongs to this copy: numbers are used again, marks are not."""
    try:
        return bool(psutil.Process(pid).environ().get(STACK_MARK) == home.stack_id)
    except (psutil.Error, OSError):
        return False


def postmaster(home: Home) -> psutil.Process | None:
    """The PostgreSQL server of this copy if one runs. Found by its data folder: it overwrites its environment."""
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if "-D" in command and str(home.postgres) in command and process.name() == "postgres":
                return process
        except (psutil.Error, OSError):
            continue
    return None


def end(
    processes: Iterable[psutil.Process], *, how: signal.Signals = signal.SIGTERM, patience_seconds: float = 8
) -> int:
    """Ask processes to end, wait, then kill the ones that did not. Returns how many there were."""
    remaining = list(processes)
    for process in remaining:
        _send(process, how)
    _, stubborn = psutil.wait_procs(remaining, timeout=patience_seconds)
    for process in stubborn:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)
    return len(remaining)


def _send(process: psutil.Process, how: signal.Signals) -> None:
    try:
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return


def end_all(home: Home) -> int:
    """End every process of the copy: people's surfaces first, PostgreSQL last and cleanly. Returns how many."""
    count = end(ours(home))
    server = postmaster(home)
    return count + (end([server], how=signal.SIGINT, patience_seconds=20) if server else 0)


def wait_ready(service: Service, process: subprocess.Popen[bytes], *, timeout_seconds: float) -> bool:
    """Wait until the service answers; False when it ended or time is over."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        if is_ready(service):
            return True
        time.sleep(0.2)
    return False


def resident_mib(pid: int) -> float:
    """Memory of a process and its children in MiB, shared pages counted once (PSS) where the system tells."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, AttributeError):
            continue
    return total / 2**20


def resident_mib_alone(pid: int) -> float:
    """Memory of one process without its children, in MiB (PSS)."""
    try:
        return float(psutil.Process(pid).memory_full_info().pss) / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
