"""What goes on beside a test, in threads: a capture that streams, a history that is written."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ingestion.postgres_cdc import capture
from ingestion.settings import CdcSettings
from tests.ingestion.histories import History


@contextmanager
def streaming(settings: CdcSettings) -> Iterator[CdcSettings]:
    """A stream in a thread, with a heartbeat quick enough to wait for. What stopped it is raised at the end."""
    settings = settings.model_copy(update={"cdc_heartbeat_seconds": 0.3})
    over, raised = threading.Event(), []

    def run() -> None:
        try:
            capture.stream(settings, stop=over.is_set)
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield settings
    finally:
        over.set()
        thread.join()
    if raised:
        raise raised[0]


@contextmanager
def written(history: History) -> Iterator[None]:
    """Transaction after transaction, to the end of the block."""
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.05):
            history.transaction()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()
