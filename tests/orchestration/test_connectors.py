"""Pulls as Dagster runs them: each stream its own asset, each connector alone, what is not set up skipped."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from ingestion.batch import Document
from ingestion.crm.hubspot import HubSpot
from ingestion.payments.momo import Momo
from ingestion.payments.stripe import Stripe
from orchestration import automation, jobs
from orchestration.definitions import defs
from orchestration.defs import crm, payments
from orchestration.resources import RESOURCES
from tests.dbt_project.lake import environment
from tests.fakes.hubspot.testing import TOKEN, local_hubspot
from tests.fakes.stripe.testing import LocalStripe, local_stripe
from tests.ingestion.conftest import Captured

NAMES = (
    "PLYO_STRIPE_SECRET_KEY", "PLYO_MOMO_SETTLEMENTS_URL", "PLYO_HUBSPOT_ACCESS_TOKEN", "PLYO_TERRA_DEV_ID",
    "PLYO_TERRA_API_KEY",
)  # fmt: skip


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lake(captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WarehouseSettings:
    """An empty lake of the test's own, in the environment."""
    for name, value in environment(captured.settings, tmp_path / "target").items():
        monkeypatch.setenv(name, value)
    return captured.settings


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStripe]:
    """A local Stripe, in the environment."""
    with local_stripe() as running:
        monkeypatch.setenv("PLYO_STRIPE_SECRET_KEY", running.secret_key)
        monkeypatch.setenv("PLYO_STRIPE_API_BASE", running.url)
        yield running


def materialize(*assets: dg.AssetsDefinition, **given: object) -> dg.ExecuteInProcessResult:
    return dg.materialize([*assets], resources=RESOURCES, raise_on_error=False, **given)  # type: ignore[arg-type]


def landed(result: dg.ExecuteInProcessResult) -> dict[str, int]:
    """Rows that were told of each raw table."""
    return {
        event.asset_key.path[-1]: event.step_materialization_data.materialization.metadata["rows_landed"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key and event.asset_key.path[0] == "raw"
    }


class TestRawAssets:
    def test_are_the_connectors_tables(self) -> None:
        assert [payments.EVENTS, *payments.OBJECTS] == list(Stripe.tables)
        assert set(payments.SETTLEMENTS) == set(Momo.tables)
        assert {key.path[-1] for key in crm.hubspot_raw.keys} == set(HubSpot.tables)
        assert set(crm.STREAMS) == set(HubSpot.streams)

    def test_a_row_that_cannot_be_is_told_by_the_check_of_its_table_alone(
        self, lake: WarehouseSettings, local: LocalStripe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local.client().v1.customers.create({"name": "Mia"})

        def spoiled(body: dict[str, object]) -> Document:
            return Document(str(body["id"]), {**body, "object": "?"})

        monkeypatch.setattr("ingestion.payments.stripe.document", spoiled)
        told = materialize(payments.stripe_raw)
        assert landed(told)["stripe__customers"] == 0
        checks = {one.asset_key.path[-1]: one for one in told.get_asset_check_evaluations()}
        assert {name for name, one in checks.items() if not one.passed} == {"stripe__customers", "stripe__events"}
        assert checks["stripe__customers"].metadata["object is none of customer"].value == 1

    def test_a_second_run_lands_nothing_and_tells_where_it_goes_on(
        self, lake: WarehouseSettings, local: LocalStripe
    ) -> None:
        local.client().v1.customers.create({"name": "Mia"})
        first, second = (materialize(payments.stripe_raw) for _ in range(2))
        assert (landed(first)["stripe__customers"], landed(first)["stripe__events"]) == (1, 1)
        assert landed(second) == dict.fromkeys(Stripe.tables, 0)
        events = first.asset_materializations_for_node("stripe_raw")
        cursors = {one.asset_key.path[-1]: one.metadata["cursor"].value for one in events}
        assert cursors["stripe__events"] == str(local.store.all("event")[0]["created"])
        assert cursors["stripe__customers"] == "none"

    def test_a_stream_that_fails_keeps_back_its_own_table_and_no_other(
        self, lake: WarehouseSettings, local: LocalStripe
    ) -> None:
        local.store.forbidden.add("payouts")
        result = materialize(payments.stripe_raw)
        assert not result.success
        assert set(Stripe.tables) - landed(result).keys() == {"stripe__payouts"}
        failure = result.failure_data_for_node("stripe_raw")
        assert failure is not None
        assert "payouts: PermissionError" in str(failure.user_failure_data and failure.user_failure_data.description)

    def test_a_connector_that_fails_leaves_the_others_alone(
        self, lake: WarehouseSettings, local: LocalStripe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PLYO_MOMO_SETTLEMENTS_URL", str(tmp_path / "nowhere"))
        result = materialize(payments.stripe_raw, payments.momo_raw)
        assert not result.success
        assert landed(result).keys() == Stripe.tables.keys()

    def test_one_that_is_not_configured_says_so_and_is_not_tried_again(self, lake: WarehouseSettings) -> None:
        result = materialize(crm.hubspot_raw)
        failure = result.failure_data_for_node("hubspot_raw")
        assert failure is not None
        assert "PLYO_HUBSPOT_ACCESS_TOKEN" in str(failure.user_failure_data and failure.user_failure_data.description)
        assert [event for event in result.all_events if event.is_step_up_for_retry] == []


@pytest.mark.drill
class TestStaging:
    def test_is_built_after_its_raw_tables(
        self, lake: WarehouseSettings, local: LocalStripe, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        local.client().v1.customers.create({"name": "Mia", "email": "mia@example.test"})
        assert defs.resolve_job_def(jobs.reconcile_stripe.name).execute_in_process().success
        with warehouse.reading(lake) as connection:
            query = "select customer_name, is_deleted from marts.staging.stg_stripe__customers"
            assert connection.execute(query).fetchall() == [("Mia", False)]


class TestReconcileHubSpot:
    def test_reads_all_again_so_that_what_is_gone_is_noticed(
        self, lake: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with local_hubspot(searches_a_second=1000) as local:
            monkeypatch.setenv("PLYO_HUBSPOT_ACCESS_TOKEN", TOKEN)
            monkeypatch.setenv("PLYO_HUBSPOT_API_BASE", local.url)
            contact = local.store.make("contacts", firstname="Mia")["id"]
            assert landed(materialize(crm.hubspot_raw))["hubspot__contacts"] == 2  # and its associations
            local.store.purge("contacts", contact)
            config = jobs.reconcile_hubspot.config
            assert isinstance(config, dict)
            result = materialize(crm.hubspot_raw, run_config=config)
        assert landed(result)["hubspot__contacts"] == 1
        with warehouse.reading(lake) as connection:
            assert connection.execute("select count(*) from raw.hubspot__contacts where _deleted").fetchone() == (1,)


class TestBackfill:
    def test_a_day_is_filled_in_once(self, lake: WarehouseSettings, local: LocalStripe) -> None:
        made = local.client().v1.customers.create({"name": "Old"})
        local.store.find("customer", made.id)["created"] = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
        job = defs.resolve_job_def("backfill_stripe")
        config = {"ops": {"fill_stripe": {"config": {"streams": ["customers"]}}}}
        for day in ("2026-02-28", "2026-03-01", "2026-03-01"):
            assert job.execute_in_process(partition_key=day, run_config=config).success
        with warehouse.reading(lake) as connection:
            assert connection.execute("select id from raw.stripe__customers").fetchall() == [(made.id,)]


class TestSchedules:
    @pytest.mark.parametrize("schedule", automation.CONNECTORS, ids=lambda one: one.name)
    def test_skip_a_connector_that_is_not_configured(
        self, schedule: dg.ScheduleDefinition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(
                instance=instance, scheduled_execution_time=datetime.now(UTC), resources=RESOURCES
            )
            [skipped] = [schedule.evaluate_tick(context).skip_message]
            assert "is not configured" in str(skipped)
            for name in NAMES:
                monkeypatch.setenv(name, "set")
            [request] = schedule.evaluate_tick(context).run_requests or []
        assert defs.resolve_job_def(schedule.job_name).name == schedule.job_name
        [(op, given)] = request.run_config["ops"].items()
        assert given == {"config": {"resync": schedule.job_name in ("reconcile_hubspot", "reconcile_momo")}}
        assert op in ("stripe_raw", "momo_raw", "hubspot_raw", "ask_terra")
