"""kill -9 at every step of the capture, and at random: nothing is lost, nothing lands twice."""

import os
import random
import signal
import threading
from multiprocessing import get_context

import pytest

from ingestion.postgres_cdc import capture
from ingestion.settings import CdcSettings
from tests.ingestion.histories import KEYS, TABLES, History, Witness, assert_equal, assert_exactly_once

STEPS = ("anchor made", "snapshot commit", "landed", "commit", "committed", "advance")

# Children are forked from a server that has the capture imported, not from us: we have threads and connections.
children = get_context("forkserver")
children.set_forkserver_preload(["ingestion.postgres_cdc.capture"])


def capture_until_killed(settings: CdcSettings, step: str, times: int) -> None:
    """Run in a child: capture, and die without a word when a step is about to be made for the n-th time."""
    left = times

    def die(name: str) -> None:
        nonlocal left
        left -= name == step
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with capture.Capture(settings, step=die) as running:
        running.get_ready()
        while True:
            for _ in running.batches():
                pass
            running.advance_anchor()


class TestKill:
    @pytest.mark.parametrize("seed", [11])
    def test_at_every_step_while_changes_go_on(self, captured, seed):
        captured.source.execute(TABLES)
        witness = Witness(captured.source, f"witness_{captured.settings.cdc_slot}")
        history = History(captured.source, seed)
        settings = captured.settings.model_copy(update={"cdc_batch_changes": 200})
        over = threading.Event()

        def write() -> None:
            while not over.wait(0.3):
                history.transaction()

        writer = threading.Thread(target=write)
        try:
            for step in STEPS:
                if step == "landed":
                    capture.ensure_ready(settings)
                    writer.start()  # after the snapshot: all of it passes through the stream
                times = 2 if step == "landed" else 1
                child = children.Process(target=capture_until_killed, args=(settings, step, times))
                child.start()
                child.join(120)
                assert child.exitcode == -signal.SIGKILL, step
            child = children.Process(target=capture_until_killed, args=(settings, "never", 1))
            child.start()
            child.join(random.uniform(0.5, 2))  # noqa: S311
            child.kill()
            child.join()
        finally:
            over.set()
            if writer.is_alive():
                writer.join()
        history.add_column()
        for _ in range(20):  # the column arrives with its first row, and one transaction may touch another table
            history.transaction()
        capture.run_once(settings)
        for table in KEYS:
            assert_equal(captured.source, captured.settings, table)
            assert_exactly_once(captured.settings, witness, table)
