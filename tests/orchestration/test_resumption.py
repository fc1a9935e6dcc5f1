"""The job that takes up a blocked table."""

import dagster as dg
import psycopg
import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture
from orchestration.jobs import resume_table
from tests.ingestion.conftest import Captured, captured  # noqa: F401 a fixture


@pytest.fixture
def blocked(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> psycopg.Connection:  # noqa: F811
    settings = captured.settings
    for name, value in {
        "PLYO_CDC_URL": settings.cdc_url.get_secret_value(),
        "PLYO_CDC_SLOT": settings.cdc_slot,
        "PLYO_LAKE_CATALOG_URL": settings.lake_catalog_url.get_secret_value(),
        "PLYO_LAKE_PATH": settings.lake_path,
    }.items():
        monkeypatch.setenv(name, value)
    captured.source.execute("create table training.steps (id int primary key, note text)")
    capture.ensure_ready(settings)
    captured.source.execute("alter table training.steps rename note to remark")
    captured.source.execute("insert into training.steps values (1, 'kept')")
    assert capture.run_once(settings).blocked
    return captured.source


def run(**told: object) -> dg.ExecuteInProcessResult:
    config = dg.RunConfig(ops={"resume": {"config": {"raw_table": "training__steps", **told}}})
    return resume_table.execute_in_process(run_config=config, raise_on_error=False)


def test_lands_what_was_put_aside(blocked: psycopg.Connection, captured: Captured) -> None:  # noqa: F811
    assert run(renamed={"note": "remark"}).success
    with warehouse.reading(captured.settings) as lake:
        assert lake.execute("select _op, remark from raw.training__steps").fetchall() == [("i", "kept")]


def test_fails_while_the_table_is_still_blocked(blocked: psycopg.Connection) -> None:
    failed = run(dropped=["id"])
    assert not failed.success
    assert "still blocked" in failed.failure_data_for_node("resume").error.message
    assert not run(raw_table="training__nothing").success
