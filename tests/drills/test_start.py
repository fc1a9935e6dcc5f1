"""A start that is cut off, whatever cut it off, is taken up by the next `plyo up`, and the business is whole."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from plyo import processes
from plyo.home import Home, read_json
from tests.journeys.conftest import ROOT, plyo
from tests.plyo.demo.test_events import FACTS
from tests.plyo.demo.test_invariants import CALENDAR, MEMBERSHIPS, MONEY, TRAINING

pytestmark = pytest.mark.drill
RULES = MONEY | MEMBERSHIPS | CALENDAR | TRAINING
LIVE = ("automation.", "engagement.")
"""Facts to which the running product adds its own once it is up."""
SIZE = ("--customers", "1200", "--months", "12")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    plyo(made.path, "down")
    assert processes.ours(made) == []
    assert processes.postmaster(made) is None


def begin(home: Home) -> subprocess.Popen[str]:
    """`plyo up` in the foreground of nobody: what it says is kept."""
    return subprocess.Popen(
        [sys.executable, "-m", "plyo.cli", "up", "--detach", *SIZE],
        cwd=ROOT, env=os.environ | {"PLYO_HOME": str(home.path), "PLYO_PORT": "9500", "COLUMNS": "160"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def when(fact: Callable[[], Any], started: subprocess.Popen[str], *, within_seconds: float = 300) -> Any:
    """The first truthy answer while the start goes on."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if found := fact():
            return found
        assert started.poll() is None, started.communicate()[0]
        time.sleep(0.05)
    raise AssertionError("the start never came so far")


def some_customers_are_loaded(home: Home) -> bool:
    """Whether the loader has committed a part of the customers, and not all."""
    if not home.events.exists():
        return False
    events = [json.loads(line) for line in home.events.read_text().splitlines() if line.endswith("}")]
    loading = [event for event in events if event.get("label") == "Load the demo business"]
    return any(event["kind"] == "advance" and 0 < event["done"] < event["total"] for event in loading)


def connect(home: Home) -> psycopg.Connection:
    port, password = home.ports_in_use()["postgres"], home.secrets()["postgres"]
    return psycopg.connect(f"postgresql://postgres:{password}@127.0.0.1:{port}/plyo", options="-c timezone=UTC")


def assert_whole(home: Home) -> None:
    """The business is there once, its rules hold, each fact has its event, and the lake holds the same bookings."""
    with connect(home) as database:
        loads = database.execute(
            "select (parameters ->> 'until')::timestamptz, finished_at is not null from platform.bulk_loads"
        ).fetchall()
        [(until, is_finished)] = loads
        assert is_finished
        broken = {rule: database.execute(query, {"until": until}).fetchmany(3) for rule, query in RULES.items()}
        assert {rule: rows for rule, rows in broken.items() if rows} == {}
        for kind, query in FACTS.items():
            if kind.startswith(LIVE):
                continue
            facts = database.execute(f"select count(*) from ({query}) as facts").fetchone()
            events = database.execute("select count(*) from platform.outbox_events where type = %s", [kind]).fetchone()
            assert facts == events, kind
    state = json.loads(plyo(home.path, "status", "--json").stdout)
    assert state["state"] == "ready"
    assert {service["state"] for service in state["services"].values()} == {"ready"}


@pytest.mark.parametrize("victim", ["supervisor", "postgres"])
def test_killed_while_the_business_is_loaded(home: Home, victim: str) -> None:
    started = begin(home)
    when(lambda: some_customers_are_loaded(home), started)
    postmaster = processes.postmaster(home)
    assert postmaster is not None
    pid = (read_json(home.state) or {})["pid"] if victim == "supervisor" else postmaster.pid
    os.kill(pid, signal.SIGKILL)
    said = started.communicate(timeout=120)[0]
    assert started.returncode == 1, said
    assert "plyo up" in said
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    again = plyo(home.path, "up", "--detach", *SIZE, timeout=900)
    assert again.returncode == 0, again.stdout
    assert_whole(home)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own that the business does not fit on."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1400m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up(small_disk: Path) -> None:
    home = Home(small_disk / "home")
    try:
        started = begin(home)
        when(lambda: processes.postmaster(home), started)
        filler = small_disk / "somebody_elses"
        with filler.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, shutil.disk_usage(small_disk).free - 60_000_000)
        said = started.communicate(timeout=300)[0]
        assert started.returncode == 1, said
        assert "free some space" in said
        filler.unlink()
        again = plyo(home.path, "up", "--detach", *SIZE, timeout=900)
        assert again.returncode == 0, again.stdout
        assert_whole(home)
    finally:
        plyo(home.path, "down")
