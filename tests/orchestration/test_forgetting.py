"""Somebody asks to be deleted in the product, and one night later the lake has forgotten them: the whole way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
import polars as pl
import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts import warehouse
from contracts.events.identity import AccountClosed, AccountRegistered
from contracts.ids import new_id
from ingestion import forgotten, told_otherwise
from ingestion.landing import ensure_tables
from ingestion.postgres_cdc import capture, publication
from ingestion.settings import CdcSettings
from ingestion.wearables.tables import SCHEMAS
from ml.churn import artefact
from ml.churn import tables as churn_tables
from ml.churn.settings import ChurnSettings
from ml.lifetime import tables as lifetime_tables
from operational_api import worker
from operational_api.core.database import make_engine
from operational_api.core.models import OutboxEvent
from operational_api.core.outbox import publish
from operational_api.identity.service import deletion
from orchestration.automation import nightly_forgetting
from orchestration.jobs import forget_withdrawn
from orchestration.resources import RESOURCES
from plyo.postgres import PostgresServer
from tests.conftest import sqlalchemy_url
from tests.dbt_project.lake import ROOT, environment
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
    told = environment(settings, tmp_path / "target") | {
        "PLYO_CDC_URL": url, "PLYO_CDC_SLOT": settings.cdc_slot, "PLYO_ML_PATH": str(tmp_path / "ml"),
    }  # fmt: skip
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


def learned(settings: CdcSettings, *people: UUID) -> None:
    """What ml holds of people: a score with what it was made of, a value, a prediction of a backtest."""
    with warehouse.writing(settings) as lake:
        churn_tables.ensure(lake)
        lifetime_tables.ensure(lake)
        for person in people:
            lake.execute(
                f"insert into {churn_tables.SCORES} by name select ? as customer_id, current_date as as_of, "
                "'m' as model_id, json('{\"has_open_injury\": 1.0}') as inputs", [person],
            )  # fmt: skip
            lake.execute(
                f"insert into {lifetime_tables.VALUES} by name select ? as customer_id, 'EUR' as currency", [person]
            )
    folder = ChurnSettings().ml_path / "churn-1"
    folder.mkdir(parents=True)
    pl.DataFrame({"customer_id": [str(one) for one in people], "probability": [0.5] * len(people)}).write_parquet(
        folder / artefact.BACKTEST
    )


def known_to_ml(settings: CdcSettings) -> dict[str, list[UUID]]:
    with warehouse.reading(settings) as lake:
        told = {
            table: [row[0] for row in lake.execute(f"select customer_id from {table} order by 1").fetchall()]
            for table in (churn_tables.SCORES, lifetime_tables.VALUES)
        }
    return told | {
        "backtest": [UUID(one) for one in artefact.tested(ChurnSettings().ml_path / "churn-1")["customer_id"]]
    }


def closing(session: Session, settings: CdcSettings) -> tuple[UUID, UUID]:
    """Somebody called by the marker, whose two weeks of thinking again are over, and Tom; all of it captured."""
    clients = [make_client(session, display_name=name) for name in (MARKER, "Tom")]
    mia, tom = (account_of(session, client) for client in clients)
    mia.display_name = MARKER
    for account in (mia, tom):
        make_customer(session, id=account.id)
    publish(
        session,
        AccountRegistered(occurred_at=LONG_AGO, account_id=mia.id, role="customer", display_name=MARKER),
    )
    deletion.request(session, account=mia, reason=MARKER, now=LONG_AGO)
    session.commit()
    capture.ensure_ready(settings)
    with warehouse.writing(settings) as lake:
        ensure_tables(lake, SCHEMAS)
    return mia.id, tom.id


def close(session: Session, settings: CdcSettings) -> None:
    """What the worker does of it within the hour, and the capture."""
    now = datetime.now(UTC)
    deletion.close_due(session, now)
    session.flush()
    for account_id in session.scalars(
        select(OutboxEvent.aggregate_id).where(OutboxEvent.type == AccountClosed.type)
    ).all():
        for module in worker.handler_modules():
            for handler in getattr(module, "HANDLERS", {}).get(AccountClosed.type, []):
                handler(session, AccountClosed(occurred_at=now, account_id=account_id))
    deletion.forget_closed(session, now + timedelta(hours=2))
    session.commit()
    capture.run_once(settings)
    assert places(settings) != set(), "raw keeps what the product overwrote"


def test_a_request_of_the_product_reaches_raw_marts_and_their_past(product: tuple[Session, CdcSettings]) -> None:
    session, settings = product
    mia, tom = closing(session, settings)
    assert night().success, "nobody's account is closed yet"
    with warehouse.reading(settings) as lake:
        assert forgotten.proofs(lake, [mia]) == []
    learned(settings, mia, tom)
    close(session, settings)
    assert night().success
    assert all(people == [tom] for people in known_to_ml(settings).values()), known_to_ml(settings)
    assert places(settings) == set()
    assert dict(names_in_marts(settings)) == {mia: "Former client", tom: "Tom"}
    with warehouse.reading(settings) as lake:
        told = {table: rows for _, _, table, rows in forgotten.proofs(lake, [mia, tom])}
        assert told["training__clients"] == 1, "renamed"
        assert told["identity__accounts"] == 2, "closed, and renamed"
        assert lake.execute(f"select count(*) from {told_otherwise.TABLE}").fetchone() == (0,), (
            "of nobody was told a number"
        )


@pytest.mark.drill
def test_a_night_that_is_killed_after_raw_is_finished_by_the_next(product: tuple[Session, CdcSettings]) -> None:
    session, settings = product
    mia, tom = closing(session, settings)
    with warehouse.writing(settings) as lake:  # as a build before had left it
        lake.execute("create schema if not exists marts.core")
        lake.execute(
            "create table marts.core.dim_customers as select id as customer_id, display_name from raw.training__clients"
        )
    close(session, settings)
    process = subprocess.Popen([sys.executable, "-c", NIGHT], cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 500
    while process.poll() is None and time.monotonic() < deadline and not raw_is_erased(settings, mia):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert raw_is_erased(settings, mia)
    assert places(settings) != set(), "marts and their past know still"
    with warehouse.reading(settings) as lake:
        assert forgotten.proofs(lake, [mia]) == []
    assert night().success
    assert places(settings) == set()
    assert dict(names_in_marts(settings)) == {mia: "Former client", tom: "Tom"}
    with warehouse.reading(settings) as lake:
        assert {table for _, _, table, _ in forgotten.proofs(lake, [mia])} >= {"training__clients"}
    assert night().success, "and then there is nothing to do"


NIGHT = """
import dagster as dg
from orchestration.jobs import forget_withdrawn
from orchestration.resources import RESOURCES
with dg.DagsterInstance.ephemeral() as instance:
    forget_withdrawn.execute_in_process(resources=RESOURCES, instance=instance)
"""


def raw_is_erased(settings: CdcSettings, account_id: UUID) -> bool:
    """Whether an erasure was noted and raw has one version of them left."""
    with warehouse.reading(settings) as lake:
        left = lake.execute("select count(*) from raw.training__clients where id = ?", [account_id]).fetchone()
        return bool(forgotten.unfinished(lake).rows) and left == (1,)


def test_it_is_asked_for_each_night() -> None:
    assert nightly_forgetting.cron_schedule == "25 2 * * *"
    assert nightly_forgetting.job_name == forget_withdrawn.name
    assert timedelta(days=1) < forgotten.ERASED_WITHIN, "one night may fail"
