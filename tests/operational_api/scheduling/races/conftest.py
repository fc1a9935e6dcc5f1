"""The server that callers race on, one for all of these tests."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
import uvicorn
from fastapi import FastAPI

from plyo.postgres import PostgresServer
from tests.operational_api.scheduling.races.callers import Server


@pytest.fixture(scope="package")
def server(
    postgres: PostgresServer, template_database: str, serve_app: Callable[[str], FastAPI]
) -> Iterator[Server]:  # fmt: skip
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database plyo_races template {template_database}")
    app = serve_app(postgres.url("plyo_races"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        served = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on", backlog=1024))
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        while not served.started:
            time.sleep(0.01)
        yield Server(app, listener.getsockname()[1])
        served.should_exit = True
        thread.join()
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        counted = "select deadlocks from pg_stat_database where datname = 'plyo_races'"
        gone = "select count(*) from pg_stat_activity where datname = 'plyo_races'"
        while connection.execute(gone).fetchone() != (0,):  # what a connection counted is told when it ends
            time.sleep(0.01)
        deadlocks = connection.execute(counted).fetchone()
        connection.execute("drop database plyo_races with (force)")
    assert deadlocks == (0,)
