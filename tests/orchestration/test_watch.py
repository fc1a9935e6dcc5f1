"""Alarms reach Dagster: what a comparison found, and the lag."""

from typing import Any

import dagster as dg

from contracts import warehouse
from orchestration import automation
from orchestration.defs import watch
from tests.ingestion.streams import streaming


def checked(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {found.check_name: found.passed for found in result.get_asset_check_evaluations()}


class TestComparison:
    def test_fails_its_check_and_nothing_else_when_a_row_differs(self, captured_environment):
        def run() -> dg.ExecuteInProcessResult:
            with streaming(captured_environment.settings):
                return dg.materialize([watch.comparison_with_source])

        assert checked(run()) == {"lake_agrees_with_source": True}
        with warehouse.writing(captured_environment.settings) as lake:
            lake.execute("update raw.training__steps set note = 'wrong' where id = 2")
        result = run()
        assert result.success
        assert checked(result) == {"lake_agrees_with_source": False}
        metadata = result.get_asset_check_evaluations()[0].metadata
        assert metadata["training__steps"].value == {"different": ["{'id': 2}"]}


class TestLag:
    def test_the_sensor_tells_what_the_checks_tell(self, captured_environment, monkeypatch):
        def told() -> dict[str, tuple[bool, dg.AssetCheckSeverity]]:
            tick: Any = automation.watch_lag(dg.build_sensor_context())
            return {event.check_name: (event.passed, event.severity) for event in tick.asset_events}

        assert {passed for passed, _ in told().values()} == {True}
        checks = dg.Definitions(asset_checks=[watch.lag_checks]).resolve_implicit_global_asset_job_def()
        assert set(checked(checks.execute_in_process())) == set(told())
        monkeypatch.setenv("PLYO_CDC_OBJECTIVE_SECONDS", "0.001")
        captured_environment.source.execute("insert into training.steps select n from generate_series(10, 20) n")
        assert told()["lake_is_fresh"] == (False, dg.AssetCheckSeverity.ERROR)
