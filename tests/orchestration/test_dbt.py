"""dbt in Dagster: a failed check blocks what is downstream of it and only that; what is built again says the same."""

from collections.abc import Iterator

import dagster as dg
import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from orchestration.defs import dbt
from orchestration.resources import RESOURCES


@dg.asset(deps=[dg.AssetKey(["scheduling", "fct_slots"])])
def needs_slots() -> None:
    """Stands for a step after dbt that reads one mart."""


@dg.asset(deps=[dg.AssetKey(["finance", "fct_ledger_balances"])])
def needs_ledger() -> None:
    """Stands for a step after dbt that reads another."""


def build() -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [dbt.marts, needs_slots, needs_ledger],
        resources=RESOURCES,
        selection=dg.AssetSelection.assets(needs_slots, needs_ledger).upstream(),
        raise_on_error=False,
    )


def built(result: dg.ExecuteInProcessResult) -> dict[str, dict]:
    """Asset to the metadata it was recorded with."""
    return {
        event.asset_key.path[-1]: dict(event.step_materialization_data.materialization.metadata)
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


@pytest.fixture
def unbalanced(lake_environment: WarehouseSettings) -> Iterator[None]:
    """A ledger that does not sum to zero: one line lost its way."""
    with warehouse.writing(lake_environment) as lake:
        lake.execute(
            "insert into raw.commerce__ledger_lines by name select * replace (999 as amount_minor, uuid() as id) "
            "from raw.commerce__ledger_lines where account = 'refunds'"
        )
    yield
    with warehouse.writing(lake_environment) as lake:
        lake.execute("delete from raw.commerce__ledger_lines where amount_minor = 999")


@pytest.mark.usefixtures("lake_environment", "unbalanced")
class TestMarts:
    def test_a_failed_check_blocks_what_is_downstream_of_it_and_the_rest_says_the_same_as_before(self, built_lake):
        def told() -> list[tuple]:
            with warehouse.reading(built_lake) as lake:
                # Whether one has started is as of the build, and this one is built by the real clock.
                return lake.execute(
                    "select * exclude (has_started) from marts.scheduling.fct_slots order by all"
                ).fetchall()

        before = told()
        result = build()
        failed = [evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
        assert failed == ["ledger_sums_to_zero"]
        done = built(result)
        assert "needs_slots" in done
        assert "needs_ledger" not in done
        assert done["fct_ledger_balances"]["blocked_by"].value == "ledger_sums_to_zero"
        assert "blocked_by" not in done["fct_slots"]
        assert done["fct_slots"]["dagster/row_count"].value == len(before) > 0
        assert told() == before
