"""Brings a copy of Plyo up step by step, keeps its processes running, and ends them all when it is told to.

What the processes are is `plyo.services`; what was said on the way is `plyo.progress`.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from types import FrameType
from typing import Any

import psycopg

from plyo import databases, pipeline, processes, warden
from plyo.data_platform import (
    DbtParseFailed,
    first_pipeline_is_done,
    mark_first_pipeline,
    prepare_dagster,
    prepare_dbt,
    prepare_lake,
)
from plyo.home import BrokenHome, Home, checkout, write_json
from plyo.people import LoadFailed, ensure_business, ensure_oauth_clients, ensure_videos
from plyo.postgres import PostgresFailed, PostgresServer
from plyo.progress import Steps
from plyo.schema import migrate
from plyo.services import Service, all_services, public_url


class StartFailed(RuntimeError):
    """A step of the start went wrong; the message says which and what to do."""


@dataclass
class Running:
    """A service and the process that is it now."""

    service: Service
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)
    restarts: int = 0
    state: str = "starting"
    again_at: float | None = None


class Supervisor:
    """One copy's life from `up` to `down`.

    Args:
        home: Its state folder.
        customers: Size of the demo business that an empty database gets; 0 leaves it empty.
        months: Its length.
        seed: Its seed.
    """

    def __init__(self, home: Home, *, customers: int, months: int, seed: int) -> None:
        self.home = home
        self.demo = (customers, months, seed)
        self.steps = Steps(home.events)
        self.running: dict[str, Running] = {}
        self.stopping = False
        self.is_ready = False
        self.began_at = datetime.now(UTC)
        self.ready_at: datetime | None = None
        self._writing = Lock()

    def run(self) -> None:
        """Start everything, watch it until SIGTERM or SIGINT, stop everything."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        lock = (self.home.run / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartFailed("this copy is already being started; see `plyo status`") from error
        with self.steps.step("Clear what an earlier run left"):
            processes.end_all(self.home)
        guard, pipe = warden.start(self.home)
        try:
            self._start()
            self._watch()
        finally:
            self.stopping = True
            self._write_state("stopping")
            with self.steps.step("Stop every process"):
                processes.end(process for process in processes.ours(self.home) if process.pid != guard.pid)
                self.server.stop()
            warden.dismiss(guard, pipe)
            self.home.state.unlink(missing_ok=True)

    def _start(self) -> None:
        secrets, self.ports = self.home.secrets(), self.home.ports()
        self.server = PostgresServer(self.home.postgres, self.ports["postgres"], secrets["postgres"])
        services = all_services(self.home, self.ports, secrets)
        data = next(one for one in services if one.name == "dagster-code")
        prepare_dagster(self.home, self.ports)
        with ThreadPoolExecutor(1) as beside:
            # The longest road of the start is dbt, Dagster, first pipeline: it begins first, the rest goes beside it.
            parsed = beside.submit(self._step, "Parse the dbt project", lambda: prepare_dbt(data, self.home))
            self._step("Start PostgreSQL", self._start_postgres)
            self._step("Make databases and roles", lambda: databases.create(self.server, secrets))
            platform = beside.submit(self._start_data_platform, services, parsed)
            self._step("Migrate the schemas", lambda: migrate(self.server, secrets))
            self._step("Set up the lake", lambda: prepare_lake(self.home, self.server, secrets))
            with self.steps.step("Load the demo business") as advance:
                ensure_business(self.home, self.server, secrets, *self.demo, progress=advance)
            ensure_oauth_clients(self.server, secrets, public_url(self.ports))
            # Only now, because a load over a half-made business empties every table first.
            self._launch(
                services, "objects", "gateway", "valkey", "api", "worker", "stripe", "momo", "mailbox", "coach",
                "admin", "analytics",
            )  # fmt: skip
            platform.result()
        with self.steps.step("Wait for every process") as advance:
            self._wait_for_all(advance)
        if self.demo[0]:
            self._step("Show two videos", lambda: ensure_videos(self.home, self.server, self.ports["s3"], secrets))
        if not first_pipeline_is_done(self.home):
            with self.steps.step("Run the first pipeline") as advance:
                pipeline.run_job(
                    f"http://127.0.0.1:{self.ports['dagster']}/dagster",
                    "first_pipeline",
                    on_step=advance,
                    auth=pipeline.ServiceToken(
                        f"http://127.0.0.1:{self.ports['api']}", "plyo-supervisor", secrets["supervisor_client"]
                    ),
                )
            mark_first_pipeline(self.home)
        self.is_ready, self.ready_at = True, datetime.now(UTC)
        self._write_state("ready")
        self.steps.write(kind="ready", gateway=public_url(self.ports), taken=self.steps.taken)

    def _step(self, label: str, work: Callable[[], Any]) -> None:
        with self.steps.step(label):
            work()
        self._write_state("starting")

    def _start_postgres(self) -> None:
        self.server.create()
        self.server.start()

    def _start_data_platform(self, services: Sequence[Service], parsed: Future[None]) -> None:
        parsed.result()
        self._launch(services, "dagster-code", "dagster-webserver", "dagster-daemon")

    def _launch(self, services: Sequence[Service], *names: str) -> None:
        for service in services:
            if service.name in names:
                started = Running(service, processes.start(service, self.home, cwd=checkout()))
                self.running = self.running | {service.name: started}

    def _wait_for_all(self, advance: Callable[[float, float, str], None]) -> None:
        deadline = time.monotonic() + 180
        waiting = dict(self.running)
        while waiting:
            for name, one in list(waiting.items()):
                if one.process.poll() is not None:
                    raise StartFailed(f"{name} ended while starting. {self._tail(name)}")
                if processes.is_ready(one.service):
                    one.state = "ready"
                    del waiting[name]
            done = len(self.running) - len(waiting)
            advance(done, len(self.running), "waiting for " + ", ".join(waiting) if waiting else "")
            self._write_state("starting")
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{', '.join(waiting)} did not answer in 3 minutes. {self._tail(next(iter(waiting)))}"
                )
            time.sleep(0.3)

    def _tail(self, name: str) -> str:
        log = self.home.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else []
        return f"Its log {log} ends:\n" + "\n".join(lines)

    def _watch(self) -> None:
        while not self.stopping:
            if self.server.process is not None and self.server.process.poll() is not None:
                self.steps.write(kind="restart", label="postgres")
                self.server.start()
            for one in self.running.values():
                self._mend(one)
            self._write_state("ready")
            time.sleep(1)

    def _mend(self, one: Running) -> None:
        now = time.monotonic()
        if one.process.poll() is None:
            if one.state != "ready" and processes.is_ready(one.service):
                one.state = "ready"
            return
        if one.again_at is None:
            one.state, one.again_at = "restarting", now + min(2**one.restarts, 30)
        elif now >= one.again_at:
            one.process, one.again_at = processes.start(one.service, self.home, cwd=checkout()), None
            one.restarts, one.started_at = one.restarts + 1, now
            one.state = "starting"

    def _write_state(self, state: str) -> None:
        with self._writing:
            self._write(state)

    def _write(self, state: str) -> None:
        services = {
            name: {"url": one.service.url, "state": one.state, "pid": one.process.pid, "restarts": one.restarts,
                   "what": one.service.what}
            for name, one in self.running.items()
        }  # fmt: skip
        if self.server.process is not None:
            services["postgres"] = {
                "url": f"postgresql://127.0.0.1:{self.ports['postgres']}/plyo", "state": "ready",
                "pid": self.server.process.pid, "restarts": 0, "what": "the truth",
            }  # fmt: skip
        write_json(
            self.home.state,
            {
                "state": state if self.is_ready or state != "ready" else "starting",
                "pid": os.getpid(),
                "gateway": public_url(self.ports),
                "began_at": self.began_at.isoformat(),
                "steps": self.steps.taken,
                "seconds": ((self.ready_at or datetime.now(UTC)) - self.began_at).total_seconds(),
                "services": services,
            },
        )

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            return
        self.stopping = True
        if not self.is_ready:
            raise KeyboardInterrupt


def main() -> None:
    """`python -m plyo.supervisor CUSTOMERS MONTHS SEED`: run in the foreground, say how it ended in the events file."""
    home = Home.find()
    home.prepare()
    supervisor = Supervisor(home, customers=int(sys.argv[1]), months=int(sys.argv[2]), seed=int(sys.argv[3]))
    try:
        supervisor.run()
    except KeyboardInterrupt:
        supervisor.steps.write(kind="stopped", error=None)
    except (StartFailed, BrokenHome, PostgresFailed, LoadFailed, DbtParseFailed, pipeline.PipelineFailed) as error:
        supervisor.steps.write(kind="stopped", error=str(error))
        raise SystemExit(1) from error
    except psycopg.OperationalError as error:
        supervisor.steps.write(kind="stopped", error=f"PostgreSQL went away: {error}. Run `plyo up` again.")
        raise SystemExit(1) from error
    except Exception as error:
        supervisor.steps.write(kind="stopped", error=f"{type(error).__name__}: {error}")
        raise
    else:
        supervisor.steps.write(kind="stopped", error=None)


if __name__ == "__main__":
    main()
