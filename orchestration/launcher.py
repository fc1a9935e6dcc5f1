"""Runs as processes of this machine whose death is noticed. A cluster has a launcher of its own (dagster-k8s).

Dagster's default launcher cannot say whether a run's process lives, so a run that was killed stayed "started" for ever,
and with it everything that waits its turn. What is retried then is `run_retries` in dagster.yaml.
"""

from typing import Any

import dagster as dg
import psutil
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, with an answer to "does the run's process live?"."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """The monitoring daemon may ask."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the process that said it carries the run is still that process.

        A process number is used again, so one that began after it was told is another.
        """
        told = self._started_process(run.run_id)
        if told is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no process was told yet")
        pid, told_at = told
        try:
            process = psutil.Process(pid)
            lives = process.create_time() <= told_at and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            lives = False
        if lives:
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(pid))
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {pid} is gone", run_worker_id=str(pid))

    def _started_process(self, run_id: str) -> tuple[int, float] | None:
        entries: Any = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        for entry in reversed(entries):
            data = entry.dagster_event.engine_event_data
            if (pid := data.metadata.get("pid")) is not None:
                return int(pid.value), entry.timestamp
        return None
