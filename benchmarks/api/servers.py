"""What the clients talk to, each in processes of its own: Plyo's API as it is deployed, and a bare handler."""

import gc
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, SecretStr

from benchmarks.api.recorded import BEGIN, COMMIT
from contracts import telemetry
from operational_api import serving
from operational_api.app import create_app
from operational_api.core import memory
from operational_api.scheduling.schemas import BookingCreate, BookingRead
from operational_api.settings import ApiSettings
from operational_api.training.schemas import WorkoutCreate, WorkoutRead

CONNECTIONS = 20
"""As many as a process of Plyo's API opens under load."""
Said = list[tuple[str, dict[str, Any]]]
processes = get_context("spawn")


def settings(url: str, key_file: Path) -> ApiSettings:
    """Of the API on this database; nobody is told that they ask too often."""
    return ApiSettings(
        public_url="http://127.0.0.1", database_url=SecretStr(url), signing_key_file=key_file, rate_limit_factor=0,
        session_secret=SecretStr("a-secret-of-the-benchmark-of-32-chars!"), staff_mfa="offered",
    )  # fmt: skip


def serve_plyo(port: int, count: int, ready: Semaphore, url: str, key_file: Path) -> None:
    """Plyo's API, as `operational_api.serving` makes it."""
    telemetry.configure("api")
    app = create_app(settings(url, key_file))
    memory.settle()
    _serve(app, port, count, ready)


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


def serve_bare(
    port: int, count: int, ready: Semaphore, url: str, kind: Kind, answer: str, prepared: dict[UUID, Said]
) -> None:
    """FastAPI and psycopg: a handler that declares what it is sent and what it answers, and says the statements.

    Args:
        answer: What it answers each time, as JSON.
        prepared: Statements and values of each request, by what names it.
    """
    pool = ConnectionPool(url, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool.open(wait=True)
        yield
        pool.close()

    app, told = FastAPI(lifespan=lifespan), kind.answer.model_validate_json(answer)

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
    _serve(app, port, count, ready)


def _serve(app: FastAPI, port: int, count: int, ready: Semaphore) -> None:
    with Path(os.devnull).open("w") as nowhere:  # each request is a line of the log, as deployed
        os.dup2(nowhere.fileno(), 2)
    serving.serve(app, host="127.0.0.1", port=port, count=count, on_ready=ready.release)


@contextmanager
def running(count: int, target: Any, port: int, *about: Any) -> Iterator[int]:
    """A server of so many processes for the length of a block, from when each answers; the id of what began them."""
    ready = processes.Semaphore(0)
    server = processes.Process(target=target, args=(port, count, ready, *about))
    server.start()
    try:
        for _ in range(count):
            if not ready.acquire(timeout=60):
                raise TimeoutError(f"{target.__name__} did not start")
        assert server.pid is not None  # noqa: S101 - it was started
        yield server.pid
    finally:
        server.terminate()
        server.join()
