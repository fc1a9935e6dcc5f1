"""What the clients talk to, each in a process of its own: Plyo's API as it is deployed, and a bare handler."""

import gc
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn
from fastapi import FastAPI
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, SecretStr

from benchmarks.api.recorded import BEGIN, COMMIT
from contracts import telemetry
from operational_api.app import create_app
from operational_api.core import memory
from operational_api.scheduling.schemas import BookingCreate, BookingRead
from operational_api.settings import ApiSettings
from operational_api.training.schemas import WorkoutCreate, WorkoutRead

CONNECTIONS = 20
"""As many as Plyo's API opens under load."""
Said = list[tuple[str, dict[str, Any]]]
processes = get_context("spawn")


def settings(url: str, key_file: Path) -> ApiSettings:
    """Of the API on this database; nobody is told that they ask too often."""
    return ApiSettings(
        public_url="http://127.0.0.1", database_url=SecretStr(url), signing_key_file=key_file, rate_limit_factor=0,
        session_secret=SecretStr("a-secret-of-the-benchmark-of-32-chars!"), staff_mfa="offered",
    )  # fmt: skip


def serve_plyo(port: int, ready: Semaphore, url: str, key_file: Path) -> None:
    """Plyo's API, as `operational_api.app.serve` makes it."""
    telemetry.configure("api")
    app = create_app(settings(url, key_file))
    memory.settle()
    _serve(app, port, ready)


@dataclass(frozen=True)
class Kind:
    """What is sent and answered: as models, and by which field of the first a request is told from others."""

    body: type[BaseModel]
    answer: type[BaseModel]
    named_by: str


KINDS = {
    "booking": Kind(BookingCreate, BookingRead, "slot_id"),
    "workout_log": Kind(WorkoutCreate, WorkoutRead, "id"),
}


def serve_bare(port: int, ready: Semaphore, url: str, kind: Kind, answer: str, prepared: dict[UUID, Said]) -> None:
    """FastAPI and psycopg: a handler that declares what it is sent and what it answers, and says the statements.

    Args:
        answer: What it answers each time, as JSON.
        prepared: Statements and values of each request, by what names it.
    """
    pool = ConnectionPool(url, min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)
    app, told = FastAPI(), kind.answer.model_validate_json(answer)

    def say(asked: Any) -> Any:
        with pool.connection() as connection, connection.cursor() as cursor:
            for sql, values in prepared[getattr(asked, kind.named_by)]:
                if sql == COMMIT:
                    connection.commit()
                elif sql != BEGIN:
                    cursor.execute(sql, values)
                    if cursor.description:
                        cursor.fetchall()
        return told

    say.__annotations__ = {"asked": kind.body, "return": kind.answer}
    app.post("/", status_code=201)(say)
    gc.collect()
    gc.freeze()  # our modules, and statements of thousands of requests, are none of its own
    _serve(app, port, ready)


def _serve(app: FastAPI, port: int, ready: Semaphore) -> None:
    with Path(os.devnull).open("w") as nowhere:  # each request is a line of the log, as deployed
        os.dup2(nowhere.fileno(), 2)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.release()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # the processes of a server share connections
        listening.bind(("127.0.0.1", port))
        Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])


@contextmanager
def running(count: int, target: Any, port: int, *about: Any) -> Iterator[list[int]]:
    """A server of so many processes for the length of a block, from when each answers; their ids."""
    ready = processes.Semaphore(0)
    servers = [processes.Process(target=target, args=(port, ready, *about), daemon=True) for _ in range(count)]
    for one in servers:
        one.start()
    try:
        for _ in servers:
            if not ready.acquire(timeout=60):
                raise TimeoutError(f"{target.__name__} did not start")
        yield [one.pid for one in servers if one.pid is not None]
    finally:
        for one in servers:
            one.kill()
            one.join()
