"""Captures that die at a chosen step, and captures with a planted fault that such deaths must bring to light."""

import os
import signal
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from ingestion.postgres_cdc import capture, slot
from ingestion.settings import CdcSettings
from tests.forks import Forks

# Children are forked from a server that has the capture imported, not from us: we have threads and connections.
forks = Forks("tests.ingestion.kills")


class AdvancesBeforeCommit(capture.Capture):
    """Lets PostgreSQL drop the log before the lake holds what was in it."""

    def _move_mark(self, lsn: int, committed_at: datetime, changes: int) -> None:
        slot.advance(self._control, self._slot, lsn)
        super()._move_mark(lsn, committed_at, changes)


class NotesItsPlaceLater(capture.Capture):
    """Writes the watermark in a transaction of its own, after that of the rows."""

    def _move_mark(self, lsn: int, committed_at: datetime, changes: int) -> None:
        self._lake.execute("commit")
        self._step("rows committed")
        self._lake.execute("begin")
        super()._move_mark(lsn, committed_at, changes)


class CutsTransactions(capture.Capture):
    """Takes the first few messages of what was read for a batch, wherever a transaction ends."""

    def _open_reader(self) -> slot.ChangeReader:
        reader = super()._open_reader()
        whole = reader.batch

        def batch(changes: int, until_lsn: int) -> Iterator[pa.RecordBatch]:
            for piece in whole(changes, until_lsn):
                yield piece[: max(piece.num_rows - 2, 1)]

        reader.batch = batch  # type: ignore[method-assign]
        return reader


def run_until_killed(settings: CdcSettings, step: str, times: int, kind: type[capture.Capture]) -> None:
    """In a child: capture, and die without a word when a step is about to be made for the n-th time."""
    left = times

    def die(name: str) -> None:
        nonlocal left
        left -= name == step
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with kind(settings, step=die) as running:
        running.get_ready()
        while True:
            for _ in running.batches():
                pass
            running.advance_anchor()


def kill(
    settings: CdcSettings, step: str, *, times: int = 1, kind: type[capture.Capture] = capture.Capture
) -> None:  # fmt: skip
    """Start a capture and wait until it has died at a step.

    Raises:
        AssertionError: it ended otherwise, or never came to the step.
    """
    child = forks.process(run_until_killed, [settings, step, times, kind])
    child.start()
    child.join(120)
    if child.is_alive():
        child.kill()
        child.join()
        raise AssertionError(f"never came to the step {step!r}")
    assert child.exitcode == -signal.SIGKILL, step


def kill_after(settings: CdcSettings, seconds: float) -> None:
    """Start a capture and kill it some time later, wherever it is."""
    child = forks.process(run_until_killed, [settings, "never", 1, capture.Capture])
    child.start()
    child.join(seconds)
    child.kill()
    child.join()
