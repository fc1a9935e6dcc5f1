"""Raw copied to a PostgreSQL warehouse by Dagster, each row once."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest

from contracts.ids import new_id
from orchestration import automation
from orchestration.jobs import copy_to_warehouse
from plyo.postgres import PostgresServer
from tests.ingestion.conftest import Captured


@pytest.fixture
def warehouse_url(postgres: PostgresServer) -> Iterator[str]:
    name = f"warehouse_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute(f"create database {name}")
        yield postgres.url(name)
        server.execute(f"drop database {name} with (force)")


def skip_message() -> str | None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime.now(UTC))
        return automation.hourly_copy.evaluate_tick(context).skip_message


def test_a_second_run_copies_nothing_twice(
    captured_environment: Captured, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert skip_message() == "no warehouse is set up"
    monkeypatch.setenv("PLYO_DESTINATION_KIND", "postgres")
    monkeypatch.setenv("PLYO_DESTINATION_CREDENTIALS", warehouse_url)
    assert skip_message() is None
    for _ in range(2):
        assert copy_to_warehouse.execute_in_process().success
    with psycopg.connect(warehouse_url) as there:
        assert there.execute("select count(*), min(note) from raw.training__steps").fetchone() == (3, None)
