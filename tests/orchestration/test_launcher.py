"""A run whose process is gone is noticed, one whose process lives is left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus
from dagster._core.test_utils import instance_for_test

from orchestration.launcher import LocalRunLauncher


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    launcher = {"module": "orchestration.launcher", "class": "LocalRunLauncher"}
    with instance_for_test(overrides={"run_launcher": launcher}) as made:
        yield made


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield process
    process.kill()
    process.wait()


def started(instance: dg.DagsterInstance, pid: int | None) -> dg.DagsterRun:
    run = dg.DagsterRun("refresh_marts", run_id=str(uuid4()), status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run


class TestCheckRunWorkerHealth:
    def test_a_living_process_is_left_alone(self, instance, worker):
        launcher = instance.run_launcher
        assert isinstance(launcher, LocalRunLauncher)
        assert launcher.check_run_worker_health(started(instance, worker.pid)).status == WorkerStatus.RUNNING

    def test_a_killed_one_is_noticed_also_before_its_parent_collects_it(self, instance, worker):
        run = started(instance, worker.pid)
        worker.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        health = instance.run_launcher.check_run_worker_health(run)
        assert health.status == WorkerStatus.FAILED
        worker.wait()
        health = instance.run_launcher.check_run_worker_health(run)
        assert (health.status, health.msg) == (WorkerStatus.FAILED, f"its process {worker.pid} is gone")

    def test_a_number_used_again_is_not_the_process(self, instance, worker, monkeypatch):
        monkeypatch.setattr(time, "time", lambda: 1_000_000.0)  # the run began long before today's process
        run = started(instance, worker.pid)
        monkeypatch.undo()
        assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.FAILED

    def test_a_run_that_has_not_told_its_process_is_left_to_the_start_timeout(self, instance):
        assert instance.run_launcher.check_run_worker_health(started(instance, None)).status == WorkerStatus.RUNNING
