"""The API's processes: as many as are asked for, forked once all is loaded, each replaced when it ends.

They are alike and know nothing of each other: what all must know is in PostgreSQL or in the store that counts requests.
Each listens by a socket of its own on the one address, between which the system deals connections out. The process that
forked them keeps the sockets: who connects while one is replaced waits for its successor. Does not belong here: what
the app is made of (`app`), and what is not caused by a request (`worker`).
"""

import argparse
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import ForkProcess
from threading import Thread, active_count

import uvicorn
from fastapi import FastAPI

from contracts import telemetry
from contracts.telemetry import get_logger
from operational_api.app import create_app
from operational_api.core import memory
from operational_api.settings import ApiSettings

log = get_logger(__name__)
GRACE_SECONDS = 5
"""For requests under way when a process is told to end."""
KEEP_ALIVE_SECONDS = 75
"""Longer than the gateway keeps a connection that nobody uses."""
_PAUSE_SECONDS = 0.5
_forks = get_context("fork")


class CannotStart(Exception):
    """No process of this app would serve."""


def serve(app: FastAPI, *, host: str, port: int, count: int, on_ready: Callable[[], object] = lambda: None) -> None:
    """Serve until this process is told to end (SIGTERM, SIGINT); requests under way are answered first.

    Args:
        app: Connected to nothing yet.
        count: Of processes. A single one is this one: whoever started it replaces it.
        on_ready: Called in each once it serves.

    Raises:
        OSError: somebody else listens there.
        CannotStart: a process did not come to serve.
    """
    sockets = listening(host, port, count)
    if count == 1:
        _let_threads_finish()
        Serving(app, on_ready).run(sockets=list(sockets))
    else:
        Processes(app, sockets, on_ready).run()


class Processes:
    """A process for each of these sockets, from `run` until this process is told to end."""

    def __init__(self, app: FastAPI, sockets: Sequence[socket.socket], on_ready: Callable[[], object]) -> None:
        self._app, self._sockets, self._on_ready = app, sockets, on_ready
        self._running: list[ForkProcess] = []

    def run(self) -> None:
        """See `serve`."""
        if active_count() > 1:
            raise CannotStart("a thread runs already, and what it holds would stay locked in a fork")
        told, tell = _forks.Pipe(duplex=False)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: tell.send_bytes(b"end"))
        self._running = [self._start(place) for place in range(len(self._sockets))]
        try:
            while told not in connection.wait([told, *(one.sentinel for one in self._running)]):
                for place, one in enumerate(self._running):
                    if not one.is_alive():
                        self._running[place] = self._successor(place, one)
        finally:
            self._end()

    def _successor(self, place: int, ended: ForkProcess) -> ForkProcess:
        log.error("api_process_ended", pid=ended.pid, exit_code=ended.exitcode)
        if ended.exitcode == uvicorn.config.STARTUP_FAILURE:
            raise CannotStart("a process ended before it served")
        time.sleep(_PAUSE_SECONDS)  # one that ends again and again leaves room for the others
        return self._start(place)

    def _start(self, place: int) -> ForkProcess:
        process = _forks.Process(target=self._serve, args=(place,), name=f"api-{place}", daemon=True)
        process.start()
        return process

    def _serve(self, place: int) -> None:
        _let_threads_finish()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_DFL)
        for other in set(range(len(self._sockets))) - {place}:
            self._sockets[other].close()
        Thread(target=_end_with_parent, name="parent", daemon=True).start()
        Serving(self._app, self._on_ready).run(sockets=[self._sockets[place]])

    def _end(self) -> None:
        for listener in self._sockets:  # nobody waits for those who will not come
            listener.close()
        for one in self._running:
            one.terminate()
        until = time.monotonic() + GRACE_SECONDS + 2
        for one in self._running:
            one.join(max(0.0, until - time.monotonic()))
            one.kill()


class Serving(uvicorn.Server):
    """The server of one process.

    Args:
        on_ready: Called once it serves.
    """

    def __init__(self, app: FastAPI, on_ready: Callable[[], object] = lambda: None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                proxy_headers=True,
                access_log=False,
                log_level="warning",
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say so."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()


def listening(host: str, port: int, count: int) -> Sequence[socket.socket]:
    """So many sockets on one address, between which the system deals out who connects.

    Raises:
        OSError: somebody else listens there.
    """
    with socket.socket() as alone:  # sockets that share would share with a stranger as well
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        alone.bind((host, port))
    found = []
    for _ in range(count):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((host, port))
        one.listen(uvicorn.Config("").backlog)
        found.append(one)
    return found


def _let_threads_finish() -> None:
    """Have a thread that is woken wait until the one that runs waits itself.

    One that lets go of the interpreter is about to wait for PostgreSQL. By Linux's own rule whoever gets it then takes
    the processor as well, before the first has begun to wait: a quarter of all changes of threads (ADR 0045). What is
    due to this process among others stays as it was.
    """
    if hasattr(os, "SCHED_BATCH"):
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except OSError as error:  # a sandbox without it serves all the same
            log.warning("api_threads_interrupt_each_other", error=str(error))


def _end_with_parent() -> None:
    """Whose parent was killed has nobody who replaces it or tells it to end."""
    parent = parent_process()
    assert parent is not None  # noqa: S101 - it forked this process
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """`python -m operational_api.serving --port 8401`: as many processes as `PLYO_API_PROCESSES` says."""
    parser = argparse.ArgumentParser(description="The API on one address.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    telemetry.configure("api")
    settings = ApiSettings()
    app = create_app(settings)
    memory.settle()
    try:
        serve(app, host=asked.host, port=asked.port, count=settings.api_processes)
    except (CannotStart, OSError) as error:
        raise SystemExit(f"The API cannot start: {error}") from error


if __name__ == "__main__":
    main()
