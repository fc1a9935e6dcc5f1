"""dbt in Dagster: a failed check blocks what is downstream of it and only that; what is built again says the same."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from contracts import warehouse
from contracts.relations import RELATIONS
from contracts.warehouse import WarehouseSettings
from orchestration import dbt_builder
from orchestration.defs import dbt
from orchestration.jobs import document_marts
from orchestration.resources import DBT_PROJECT, RESOURCES
from tests.dbt_project import lake as lakes


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


def build_everything() -> dg.ExecuteInProcessResult:
    return dg.materialize([dbt.marts], resources=RESOURCES, raise_on_error=False)


def failed(result: dg.ExecuteInProcessResult) -> list[str]:
    return [evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]


def left_out(result: dg.ExecuteInProcessResult) -> tuple[set[str], set[str]]:
    """Models and data tests that dbt was not asked for."""
    models = {name for name, metadata in built(result).items() if "unchanged" in metadata}
    tests = {e.check_name for e in result.get_asset_check_evaluations() if "unchanged" in e.metadata}
    return models, tests


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
        assert failed(result) == ["ledger_sums_to_zero"]
        done = built(result)
        assert "needs_slots" in done
        assert "needs_ledger" not in done
        assert done["fct_ledger_balances"]["blocked_by"].value == "ledger_sums_to_zero"
        assert "blocked_by" not in done["fct_slots"]
        assert done["fct_slots"]["dagster/row_count"].value == len(before) > 0
        assert told() == before


def in_page(page: str, name: str) -> dict:
    """A document that dbt's page brings along, where the page's own script looks for it."""
    [found] = re.finditer(rf"[{{,]{name}:(?={{\")", page)
    document: dict = json.JSONDecoder().raw_decode(page, found.end())[0]
    return document


@pytest.mark.usefixtures("lake_environment", "built_lake")
class TestDocs:
    def test_the_page_leads_from_a_mart_to_the_tables_it_is_made_of_and_has_its_columns(self):
        assert document_marts.execute_in_process(resources=RESOURCES).success
        page = (Path(DBT_PROJECT.target_path) / dbt.DOCS).read_text()
        manifest, catalogue = in_page(page, "manifest"), in_page(page, "catalog")

        def tables(node: str) -> set[str]:
            if node in manifest["sources"]:
                return {manifest["sources"][node]["identifier"]}
            return set().union(*map(tables, manifest["parent_map"][node]))

        slots = "model.plyo.fct_slots"
        assert tables(slots) == {
            "scheduling__slots", "scheduling__bookings", "scheduling__waitlist_entries", "scheduling__locations",
        }  # fmt: skip
        assert [*catalogue["nodes"][slots]["columns"]] == [*RELATIONS["scheduling.fct_slots"].columns]
        readers = {one for one in manifest["child_map"][slots] if one in manifest["exposures"]}
        assert "Admin console, Coaches" in {manifest["exposures"][one]["label"] for one in readers}


@pytest.fixture
def misspelt(environment_of_a_copy: WarehouseSettings) -> Callable[[], None]:
    """Lands a workout in a status that there is not, as a new change of a workout that is there."""

    def land() -> None:
        with warehouse.writing(environment_of_a_copy) as lake:
            lakes.change(lake, "training__workouts", "u", lsn=7001, where=_A_WORKOUT, status="'finished'")

    return land


@pytest.fixture
def builder(
    environment_of_a_copy: WarehouseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The place of a builder: the first build starts it, the others are its own."""
    place = tmp_path / "builder"
    monkeypatch.setenv(dbt_builder.PLACE, str(place))
    yield place
    dbt_builder.end(place)


_A_WORKOUT = "id = (select min(id) from raw.training__workouts where status = 'completed') and _lsn < 7000"
_A_BOOKING = "id = (select min(id) from raw.scheduling__bookings where status = 'attended') and _lsn < 7000"
_IS_KNOWN = "accepted_values_stg_training__workouts_status__planned__completed__skipped"


class TestBuildsOfEverything:
    def test_what_nothing_reached_is_left_out_and_a_wrong_row_is_found_until_it_is_put_right(
        self, environment_of_a_copy, misspelt, builder
    ):
        first = build_everything()
        for _ in range(3000):
            if dbt_builder.is_ready(builder):
                break
            time.sleep(0.1)
        second = build_everything()
        assert dbt_builder.is_ready(builder)
        assert first.success
        assert second.success
        assert left_out(first) == (set(), set())
        models, tests = left_out(second)
        assert {"stg_training__workouts", "fct_workouts", "fct_payments", "marketing_spend"} <= models
        assert {_IS_KNOWN, "ledger_sums_to_zero"} <= tests
        assert "fct_builds" not in models  # which asks the clock
        assert built(first).keys() == built(second).keys()
        assert failed(first) == failed(second) == []

        misspelt()
        third, fourth = build_everything(), build_everything()
        assert failed(third) == failed(fourth) == [_IS_KNOWN]  # although nothing moved before the fourth
        models, tests = left_out(third)
        assert "fct_payments" in models
        assert not {"stg_training__workouts", "fct_workouts", "fct_exercise_bests"} & models

    @pytest.mark.drill
    def test_a_wrong_row_that_was_put_right_is_found_no_more_and_one_beside_a_right_one_is(
        self, environment_of_a_copy, misspelt, builder
    ):
        assert build_everything().success
        misspelt()
        assert failed(build_everything()) == [_IS_KNOWN]
        with warehouse.writing(environment_of_a_copy) as lake:
            lake.execute("delete from raw.training__workouts where _lsn = 7001")
        assert failed(build_everything()) == []

        misspelt()
        with warehouse.writing(environment_of_a_copy) as lake:
            lakes.change(lake, "training__workouts", "u", lsn=7002, where="_lsn = 7001", status="'completed'")
        assert failed(build_everything()) == []  # a wrong row came, and what is true of the workout now is right
        with warehouse.writing(environment_of_a_copy) as lake:
            assert "finished" not in {
                row[0] for row in lake.execute("select status from marts.training.fct_workouts").fetchall()
            }

            # A second seat at the same time, of which the first was there before.
            lakes.change(lake, "scheduling__bookings", "i", lsn=7003, where=_A_BOOKING, id="uuid()")
        assert failed(build_everything()) == ["nobody_is_booked_twice_at_once"]
        with warehouse.writing(environment_of_a_copy) as lake:
            lake.execute("delete from raw.scheduling__bookings where _lsn = 7003")

            # A key twice, of which only one row came since the last build.
            lake.execute("insert into marts.training.fct_training_days from marts.training.fct_training_days limit 1")
        assert [name.split(".")[0] for name in failed(build_everything())] == [
            "unique_together_fct_training_days_customer_id__day"
        ]
