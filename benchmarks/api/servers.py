"""What the clients talk to, each in a process of its own: Plyo's API as it is deployed, and a bare handler."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, SecretStr

from benchmarks.api.recorded import BEGIN, COMMIT
from contracts import telemetry
from operational_api.app import create_app
from operational_api.settings import ApiSettings

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


def serve_plyo(port: int, url: str, key_file: Path) -> None:
    """Plyo's API."""
    telemetry.configure("api")
    _serve(create_app(settings(url, key_file)), port)


class Asked(BaseModel):
    """Which of the prepared requests."""

    number: int


def serve_bare(port: int, url: str, prepared: dict[int, Said]) -> None:
    """FastAPI and psycopg with the statements of each request, and nothing around them."""
    pool = ConnectionPool(url, min_size=CONNECTIONS, max_size=CONNECTIONS, open=True)
    app = FastAPI()

    @app.post("/", status_code=201)
    def say(asked: Asked) -> Asked:
        with pool.connection() as connection, connection.cursor() as cursor:
            for sql, values in prepared[asked.number]:
                if sql == COMMIT:
                    connection.commit()
                elif sql != BEGIN:
                    cursor.execute(sql, values)
                    if cursor.description:
                        cursor.fetchall()
        return asked

    _serve(app, port)


def _serve(app: FastAPI, port: int) -> None:
    with Path(os.devnull).open("w") as nowhere:  # each request is a line of the log, as deployed
        os.dup2(nowhere.fileno(), 2)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


@contextmanager
def running(target: Any, port: int, *about: Any) -> Iterator[None]:
    """A server for the length of a block, from when it answers."""
    process = processes.Process(target=target, args=(port, *about), daemon=True)
    process.start()
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            raise TimeoutError(f"{target.__name__} did not start")
        yield
    finally:
        process.kill()
        process.join()
