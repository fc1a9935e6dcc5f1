"""Pulls and operations: the real API says what an admin wants, is told how a pull went, and names who is connected."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import dagster as dg
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from contracts import warehouse
from contracts.warehouse import WarehouseSettings
from operational_api.app import create_app
from operational_api.compliance.service import consents
from operational_api.identity.clients import ensure_clients
from operational_api.integrations.models import Connector
from operational_api.integrations.service import connectors, links, runs
from operational_api.integrations.settings import IntegrationSettings
from operational_api.settings import ApiSettings
from orchestration import automation, jobs
from orchestration.defs import payments
from orchestration.resources import RESOURCES
from tests.conftest import sqlalchemy_url
from tests.dbt_project.lake import environment
from tests.factories import make_client
from tests.fakes.stripe.testing import LocalStripe, free_listener, local_stripe, served
from tests.fakes.terra.testing import LocalTerra, local_terra
from tests.ingestion.conftest import Captured

ADMIN = UUID(int=9)
SECRETS = dict.fromkeys(("plyo-app", "plyo-coach", "plyo-activation"), "a-secret-of-a-service-of-32-chars")


@pytest.fixture
def operations(
    fresh_database: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sessionmaker[Session]]:
    """The API on a database of its own, and the data platform's environment to reach it."""
    listener = free_listener()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    key = tmp_path / "signing.pem"
    key.write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    app = create_app(
        ApiSettings(
            public_url=url,
            database_url=SecretStr(sqlalchemy_url(fresh_database())),
            signing_key_file=key,
            session_secret=SecretStr("test-session-secret-of-32-characters!"),
        )
    )
    with app.state.sessions.begin() as session:
        ensure_clients(session, public_url=url, secrets=SECRETS)
    monkeypatch.setenv("PLYO_API_URL", url)
    monkeypatch.setenv("PLYO_ACTIVATION_CLIENT_ID", "plyo-activation")
    monkeypatch.setenv("PLYO_ACTIVATION_CLIENT_SECRET", SECRETS["plyo-activation"])
    with served(app, listener):
        yield app.state.sessions


@pytest.fixture
def lake(captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WarehouseSettings:
    for name, value in environment(captured.settings, tmp_path / "target").items():
        monkeypatch.setenv(name, value)
    return captured.settings


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStripe]:
    with local_stripe() as running:
        monkeypatch.setenv("PLYO_STRIPE_SECRET_KEY", running.secret_key)
        monkeypatch.setenv("PLYO_STRIPE_API_BASE", running.url)
        yield running


def connect(operations: sessionmaker[Session], stripe: LocalStripe, state: str = "connected") -> None:
    """As the admin does it: the API asks Stripe itself before it says yes."""
    settings = IntegrationSettings(stripe_api_base=stripe.url, stripe_secret_key=SecretStr(stripe.secret_key))
    with operations.begin() as session:
        connectors.connect(session, name="stripe", admin_id=ADMIN, settings=settings, now=datetime.now(UTC))
        connectors.set_state(session, name="stripe", state=state, admin_id=ADMIN, now=datetime.now(UTC))


def condition(operations: sessionmaker[Session]) -> runs.Condition:
    with operations() as session:
        row = session.get_one(Connector, "stripe")
        return runs.conditions(session, {"stripe": row}, now=datetime.now(UTC))["stripe"]


def pull(**config: bool) -> dg.ExecuteInProcessResult:
    given = {"ops": {"stripe_raw": {"config": config}}}
    return dg.materialize([payments.stripe_raw], resources=RESOURCES, raise_on_error=False, run_config=given)


class TestPulls:
    def test_wait_until_an_admin_has_connected(
        self, operations: sessionmaker[Session], lake: WarehouseSettings, stripe: LocalStripe
    ) -> None:
        failure = pull().failure_data_for_node("stripe_raw")
        assert failure is not None
        assert failure.user_failure_data is not None
        assert "stripe is not connected" in str(failure.user_failure_data.description)
        connect(operations, stripe, state="paused")
        assert not pull().success
        connect(operations, stripe)
        assert pull().success

    def test_tell_how_each_stream_went(
        self, operations: sessionmaker[Session], lake: WarehouseSettings, stripe: LocalStripe
    ) -> None:
        connect(operations, stripe)
        stripe.client().v1.customers.create({"name": "Mia"})
        assert pull().success
        told = condition(operations)
        assert told.health == "healthy"
        assert {one["stream"]: one["rows"] for one in told.streams}["customers"] == 1
        stripe.store.forbidden.add("payouts")
        assert not pull().success
        told = condition(operations)
        assert told.health == "failing"
        assert "payouts: PermissionError" in str(told.problem)

    def test_begin_again_when_asked_and_then_the_wish_is_done(
        self, operations: sessionmaker[Session], lake: WarehouseSettings, stripe: LocalStripe
    ) -> None:
        connect(operations, stripe)
        sensor = next(one for one in automation.RESYNC_SENSORS if one.name == "resync_stripe_asked")

        def asked() -> list[dg.RunRequest]:
            with dg.DagsterInstance.ephemeral() as instance:
                context = dg.build_sensor_context(instance=instance, resources=RESOURCES)
                return list(sensor.evaluate_tick(context).run_requests or [])

        assert asked() == []
        with operations.begin() as session:
            connectors.resync(session, name="stripe", admin_id=ADMIN, now=datetime.now(UTC))
        [request] = asked()
        assert [again.run_key for again in asked()] == [request.run_key]
        assert pull(resync=True).success
        assert asked() == []

    def test_are_skipped_with_the_reason(
        self, operations: sessionmaker[Session], lake: WarehouseSettings, stripe: LocalStripe
    ) -> None:
        schedule = next(one for one in automation.CONNECTORS if one.job_name == "pull_stripe_events")
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(
                instance=instance, scheduled_execution_time=datetime.now(UTC), resources=RESOURCES
            )
            assert "stripe is not connected" in str(schedule.evaluate_tick(context).skip_message)
            connect(operations, stripe)
            assert schedule.evaluate_tick(context).run_requests


class TestTerra:
    @pytest.fixture
    def terra(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalTerra]:
        with local_terra() as running:
            monkeypatch.setenv("PLYO_TERRA_BASE_URL", running.base_url)
            monkeypatch.setenv("PLYO_TERRA_DEV_ID", running.settings.dev_id)
            monkeypatch.setenv("PLYO_TERRA_API_KEY", running.settings.api_key)
            yield running

    def test_is_asked_for_what_each_person_allows(
        self, operations: sessionmaker[Session], lake: WarehouseSettings, terra: LocalTerra
    ) -> None:
        now = datetime.now(UTC)
        with operations.begin() as session:
            mia, tom = (make_client(session).id for _ in range(2))
            session.add(Connector(name="terra", state="connected", connected_at=now, changed_at=now))
            for who, kind in ((mia, "daily"), (tom, "sleep")):
                consents.decide(session, customer_id=who, decisions={(kind, "coaching"): True}, decided_by=who, now=now)
            for who in (mia, tom):
                user = terra.connect("GARMIN", str(who))
                links.connect(
                    session,
                    customer_id=who,
                    source="terra",
                    external_user_id=user,
                    provider="GARMIN",
                    scopes="",
                    at=now,
                )
                day = {"metadata": {"start_time": f"{now.date()}T00:00:00+00:00"}, "distance_data": {"steps": 8000}}
                terra.measure(user, "daily", day)
        for _ in range(2):
            assert jobs.reconcile_terra.execute_in_process(resources=RESOURCES).success
        with warehouse.reading(lake) as connection:
            found = connection.execute("select customer_id, steps from raw.wearables__days").fetchall()
        assert found == [(mia, 8000)]
        with operations() as session:
            reported, _ = runs.runs_of(session, "terra", limit=5, cursor=None)
        assert [(run.has_succeeded, len(run.streams)) for run in reported] == [(True, 4), (True, 4)]
