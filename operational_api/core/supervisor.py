"""Loops in threads that outlive their own errors, wake when PostgreSQL notifies them, and end cleanly on a signal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic

import psycopg

from contracts.telemetry import get_logger

log = get_logger(__name__)
CHANNEL = "plyo_work"
"""NOTIFY channel; the payload names the kind of work that waits: outbox, inbox or emails (migration 0008)."""


@dataclass
class Loop:
    """Something done again and again.

    Args:
        name: Of the thread and in the logs.
        work: Does one piece; returns True to be called again at once, False when there is nothing to do.
        wakes_on: Payload of the notification that ends the wait.
        idle_seconds: Longest wait: what comes due by time is found this late at most.
    """

    name: str
    work: Callable[[], bool]
    wakes_on: str | None = None
    idle_seconds: float = 1
    wake: Event = field(default_factory=Event)

    def run(self, stop: Event) -> None:
        """Until `stop`. An error is logged and followed by a pause that doubles up to 30 s."""
        failures = 0
        while not stop.is_set():
            self.wake.clear()  # before the work: what is notified during it is seen by the next round
            try:
                is_busy = self.work()
            except Exception:
                failures += 1
                log.exception("loop_failed", loop=self.name, failures=failures)
                stop.wait(min(2 ** (failures - 1) * 0.5, 30))
                continue
            failures = 0
            if not is_busy:
                self.wake.wait(self.idle_seconds)


def listen(url: str, loops: Sequence[Loop], stop: Event) -> None:
    """Wake loops as PostgreSQL notifies, until `stop`. While the connection is down they live by their own clocks.

    Args:
        url: libpq URL.
    """
    while not stop.is_set():
        try:
            with psycopg.connect(url, autocommit=True, application_name="plyo-worker-listen") as connection:
                connection.execute(f"listen {CHANNEL}")
                for loop in loops:
                    loop.wake.set()  # whatever came while nobody listened
                while not stop.is_set():
                    for notice in connection.notifies(timeout=0.5):
                        for loop in loops:
                            if loop.wakes_on == notice.payload:
                                loop.wake.set()
        except psycopg.Error:
            log.exception("listen_failed")
            stop.wait(1)


def run(loops: Sequence[Loop], *, url: str, stop: Event, grace_seconds: float = 20) -> bool:
    """Run every loop in a thread of its own until `stop`, then wait for the piece of work each has in hand.

    Returns:
        Whether all ended within the grace.
    """

    def thread(name: str, work: Callable[..., None], *arguments: object) -> Thread:
        return Thread(target=work, args=arguments, name=name, daemon=True)

    threads = [thread(loop.name, loop.run, stop) for loop in loops]
    threads.append(thread("listen", listen, url, loops, stop))
    for one in threads:
        one.start()
    stop.wait()
    for loop in loops:
        loop.wake.set()
    deadline = monotonic() + grace_seconds
    for one in threads:
        one.join(max(0.0, deadline - monotonic()))
    late = [one.name for one in threads if one.is_alive()]
    if late:
        log.error("loops_cut_off", loops=late)
    return not late
