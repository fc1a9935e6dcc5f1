"""Alarms reach Dagster: what a comparison found, and the lag."""

from typing import Any

import dagster as dg
import pytest

from contracts import warehouse
from ingestion.postgres_cdc import capture
from orchestration import automation
from orchestration.defs import watch
from tests.ingestion.conftest import Captured, captured
from tests.ingestion.streams import streaming

__all__ = ["captured"]


@pytest.fixture
def source(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> Captured:
    """A captured table of three rows, and the environment of a data process."""
    for name, value in captured.settings.model_dump().items():
        told = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        monkeypatch.setenv(f"PLYO_{name.upper()}", told)
    captured.source.execute(
        "create table training.steps (id int primary key, note text); insert into training.steps values (1), (2), (3)"
    )
    capture.ensure_ready(captured.settings)
    return captured


def checked(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


class TestComparison:
    def test_fails_its_check_and_nothing_else_when_a_row_differs(self, source):
        def run() -> dg.ExecuteInProcessResult:
            with streaming(source.settings):
                return dg.materialize([watch.comparison_with_source])

        assert checked(run()) == {"lake_agrees_with_source": True}
        with warehouse.writing(source.settings) as lake:
            lake.execute("update raw.training__steps set note = 'wrong' where id = 2")
        result = run()
        assert result.success
        assert checked(result) == {"lake_agrees_with_source": False}
        metadata = result.get_asset_check_evaluations()[0].metadata
        assert metadata["training__steps"].value == {"different": ["{'id': 2}"]}


class TestLag:
    def test_the_sensor_tells_what_the_checks_tell(self, source, monkeypatch):
        def told() -> dict[str, tuple[bool, dg.AssetCheckSeverity]]:
            tick: Any = automation.watch_lag(dg.build_sensor_context())
            return {event.check_name: (event.passed, event.severity) for event in tick.asset_events}

        assert {passed for passed, _ in told().values()} == {True}
        checks = dg.Definitions(asset_checks=[watch.lag_checks]).resolve_implicit_global_asset_job_def()
        assert set(checked(checks.execute_in_process())) == set(told())
        monkeypatch.setenv("PLYO_CDC_OBJECTIVE_SECONDS", "0.001")
        source.source.execute("insert into training.steps select n from generate_series(10, 20) n")
        assert told()["lake_is_fresh"] == (False, dg.AssetCheckSeverity.ERROR)
