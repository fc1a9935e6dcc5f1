"""Somebody asks to be deleted in the product, and one night later the lake has forgotten them: the whole way."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
import psycopg
import pytest
from sqlalchemy.orm import Session

from contracts import warehouse
from contracts.ids import new_id
from ingestion import forgotten
from ingestion.landing import ensure_tables
from ingestion.postgres_cdc import capture, publication
from ingestion.settings import CdcSettings
from ingestion.wearables.tables import SCHEMAS
from operational_api.core.database import make_engine
from operational_api.identity.service import deletion
from orchestration.automation import nightly_forgetting
from orchestration.jobs import forget_withdrawn
from orchestration.resources import RESOURCES
from plyo.postgres import PostgresServer
from tests.conftest import sqlalchemy_url
from tests.dbt_project.lake import environment
from tests.factories import account_of, make_client, make_customer
from tests.ingestion.test_lake_maintenance import MARKER, places

LONG_AGO = datetime.now(UTC) - deletion.THINK_AGAIN - timedelta(hours=1)


@pytest.fixture
def product(
    postgres: PostgresServer, fresh_database: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Session, CdcSettings]]:
    """A migrated database, captured into a lake of its own, and the environment of a data process."""
    url, catalog = fresh_database(), f"lake_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute(f"create database {catalog}")
    with psycopg.connect(url, autocommit=True) as source:
        publication.create(source)
    settings = CdcSettings(
        cdc_url=url, cdc_slot=f"test_{catalog}", lake_catalog_url=postgres.url(catalog),
        lake_path=str(tmp_path / "lake"), cdc_period_seconds=0.2,
    )  # fmt: skip
    warehouse.set_up(settings)
    told = environment(settings, tmp_path / "target") | {"PLYO_CDC_URL": url, "PLYO_CDC_SLOT": settings.cdc_slot}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    engine = make_engine(sqlalchemy_url(url), application_name="tests")
    with Session(engine) as session:
        yield session, settings
    engine.dispose()
    with psycopg.connect(url, autocommit=True) as source:
        mine = "from pg_replication_slots where database = current_database()"
        source.execute(f"select pg_terminate_backend(active_pid, 5000) {mine} and active_pid is not null")
        source.execute(f"select pg_drop_replication_slot(slot_name) {mine}")


def night() -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return forget_withdrawn.execute_in_process(resources=RESOURCES, instance=instance, raise_on_error=False)


def names_in_marts(settings: CdcSettings) -> list[tuple[UUID, str]]:
    with warehouse.reading(settings) as lake:
        return lake.execute("select customer_id, display_name from marts.core.dim_customers order by 1").fetchall()


def test_a_request_of_the_product_reaches_raw_marts_and_their_past(product: tuple[Session, CdcSettings]) -> None:
    session, settings = product
    clients = [make_client(session, display_name=name) for name in (MARKER, "Tom")]
    mia, tom = (account_of(session, client) for client in clients)
    mia.display_name = MARKER
    for account in (mia, tom):
        make_customer(session, id=account.id)
    deletion.request(session, account=mia, reason="", now=LONG_AGO)
    session.commit()
    capture.ensure_ready(settings)
    with warehouse.writing(settings) as lake:
        ensure_tables(lake, SCHEMAS)
    assert night().success, "nobody's account is closed yet"
    with warehouse.reading(settings) as lake:
        assert forgotten.proofs(lake, [mia.id]) == []
    deletion.close_due(session, datetime.now(UTC))
    mia.display_name = "Closed account"
    clients[0].display_name = "Former client"
    session.commit()
    capture.run_once(settings)
    assert places(settings) != set(), "raw keeps what the product overwrote"
    done = night()
    assert done.success
    assert places(settings) == set()
    assert dict(names_in_marts(settings)) == {mia.id: "Former client", tom.id: "Tom"}
    with warehouse.reading(settings) as lake:
        told = {table: rows for _, _, table, rows in forgotten.proofs(lake, [mia.id, tom.id])}
        assert (told["training__clients"], told["identity__accounts"]) == (1, 2), "renamed; closed and renamed"


def test_it_is_asked_for_each_night() -> None:
    assert nightly_forgetting.cron_schedule == "25 2 * * *"
    assert nightly_forgetting.job_name == forget_withdrawn.name
    assert timedelta(days=1) < forgotten.ERASED_WITHIN, "one night may fail"
