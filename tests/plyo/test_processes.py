"""Processes of a copy are found by their mark and ended, also after their supervisor was killed with -9."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from plyo import processes, valkey
from plyo.home import Home
from plyo.postgres import PostgresServer, free_port
from plyo.services import STACK_MARK, Service, environment_of

SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "state")
    home.prepare()
    yield home
    processes.end_all(home)


def eventually(fact: Callable[[], bool], *, within_seconds: float = 20) -> bool:
    """Whether the fact comes true in time."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if fact():
            return True
        time.sleep(0.05)
    return False


class TestOurs:
    def test_finds_marked_processes_and_their_children(self, home: Home) -> None:
        script = f"import subprocess; subprocess.run({SLEEP!r})"
        processes.start(Service("parent", [sys.executable, "-c", script], "a test"), home, cwd=home.path)
        assert eventually(lambda: len(processes.ours(home)) == 2)

    def test_finds_valkey_once_it_serves(self, home: Home) -> None:
        port = free_port()
        command = valkey.configure(home.path / "valkey", port, "a-password")
        service = Service("valkey", command, "a test", ready=f"tcp://127.0.0.1:{port}")
        server = processes.start(service, home, cwd=home.path)
        assert processes.wait_ready(service, server, timeout_seconds=20)
        assert [process.pid for process in processes.ours(home)] == [server.pid]

    def test_leaves_another_copys_alone(self, home: Home, tmp_path: Path) -> None:
        other = Home(tmp_path / "other")
        other.prepare()
        processes.start(Service("theirs", SLEEP, "a test"), other, cwd=other.path)
        assert eventually(lambda: len(processes.ours(other)) == 1)
        assert processes.ours(home) == []
        processes.end_all(other)


class TestEndAll:
    def test_kills_what_ignores_the_request(self, home: Home) -> None:
        script = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
        )
        processes.start(Service("deaf", [sys.executable, "-c", script], "a test"), home, cwd=home.path)
        assert eventually(lambda: (home.logs / "deaf.log").read_text() != "")
        processes.end(processes.ours(home), patience_seconds=0.5)
        assert processes.ours(home) == []

    def test_stops_postgres_cleanly_and_last(self, home: Home) -> None:
        server = PostgresServer(home.postgres, free_port(), "x", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        found = processes.postmaster(home)
        assert found is not None
        assert processes.end_all(home) == 1
        assert server.process is not None
        server.process.wait(10)
        assert "database system is shut down" in server.log.read_text()
        assert processes.postmaster(home) is None


class TestEnvironmentOf:
    def test_gives_a_service_no_setting_of_another(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PLYO_STRIPE_SECRET_KEY", "sk_leak")
        environment = environment_of(Service("coach", SLEEP, "a test", {"PLYO_API_URL": "http://x"}), home)
        assert "PLYO_STRIPE_SECRET_KEY" not in environment
        assert environment["PLYO_API_URL"] == "http://x"


class TestWarden:
    def test_clears_up_after_a_killed_supervisor(self, home: Home) -> None:
        supervisor = textwrap.dedent(f"""
            import time
            from pathlib import Path
            from plyo import processes, warden
            from plyo.home import Home
            from plyo.services import Service
            home = Home.find()
            guard, pipe = warden.start(home)
            for name in ("one", "two"):
                processes.start(Service(name, {SLEEP!r}, "a test"), home, cwd=home.path)
            Path(home.run / "up").touch()
            time.sleep(300)
        """)
        process = subprocess.Popen(
            [sys.executable, "-c", supervisor],
            env=os.environ | {"PLYO_HOME": str(home.path), STACK_MARK: home.stack_id},
        )
        assert eventually((home.run / "up").exists)
        assert len(processes.ours(home)) == 4
        process.kill()
        process.wait()
        assert eventually(lambda: processes.ours(home) == [])
        assert psutil.pid_exists(os.getpid())
