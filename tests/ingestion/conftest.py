"""A source to capture and a lake to land in, both of the test's own, with the roles they have in the product."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from ingestion.postgres_cdc import publication
from ingestion.settings import CdcSettings
from plyo.postgres import PostgresServer

pytest.register_assert_rewrite("tests.ingestion.histories")


@dataclass
class Captured:
    """A database to capture, and the settings to do it; nothing is captured yet.

    Args:
        source: Superuser's connection in autocommit.
    """

    source: psycopg.Connection
    settings: CdcSettings


def shared_folder() -> Path:
    """Where public data of other people is looked for: PLYO_SHARED_DATA, or beside the checkout."""
    told = os.environ.get("PLYO_SHARED_DATA")
    return Path(told) if told else Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public data of other people that tests read and the repository does not hold."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip("there is no ../shared/data beside this checkout, and PLYO_SHARED_DATA names no folder")
    return folder


@pytest.fixture
def published(fresh_database: Callable[[], str]) -> Iterator[psycopg.Connection]:
    """Superuser's connection (autocommit) to a migrated database with its publication."""
    url = fresh_database()
    with psycopg.connect(url, autocommit=True) as source:
        publication.create(source)
        yield source


@pytest.fixture
def captured(postgres: PostgresServer, tmp_path: Path) -> Iterator[Captured]:
    """A source with the schemas of the contexts and a publication, but no table yet, and a lake that was set up."""
    with source_and_lake(postgres, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def captured_once(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Captured]:
    """The same for a whole module, whose tests look at what one capture brought."""
    with source_and_lake(postgres, tmp_path_factory.mktemp("captured")) as made:
        yield made


def _lake_template(postgres: PostgresServer, server: psycopg.Connection) -> str:
    """Name of a catalog that was set up once; a copy of it takes a tenth of the time."""
    name = "lake_template"
    if server.execute("select from pg_database where datname = %s", [name]).fetchone() is None:
        server.execute(f"create database {name}")
        with TemporaryDirectory() as folder:
            warehouse.set_up(WarehouseSettings(lake_catalog_url=postgres.url(name), lake_path=folder))
    return name


def _move(settings: WarehouseSettings) -> None:
    """Give a copied catalog the folder of its own."""
    with psycopg.connect(settings.lake_catalog_url.get_secret_value()) as catalog:
        for lake in warehouse.LAKES:
            folder = Path(settings.lake_path) / lake
            folder.mkdir(parents=True, exist_ok=True)
            catalog.execute(f"update {lake}.ducklake_metadata set value = %s where key = 'data_path'", [f"{folder}/"])


@contextmanager
def source_and_lake(postgres: PostgresServer, folder: Path) -> Iterator[Captured]:
    """What `captured` says; both end with the block."""
    name = new_id().hex
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute(f"create database source_{name}")
        server.execute(f"create database lake_{name} template {_lake_template(postgres, server)}")
        if server.execute("select from pg_roles where rolname = 'plyo_cdc'").fetchone() is None:
            server.execute("create role plyo_cdc login replication password 'captures'")
        server.execute("alter role plyo_cdc password 'captures'")
    settings = CdcSettings(
        cdc_url=postgres.url(f"source_{name}", user="plyo_cdc", password="captures"),
        cdc_slot=f"test_{name}",
        lake_catalog_url=postgres.url(f"lake_{name}"),
        lake_path=str(folder / "lake"),
        cdc_period_seconds=0.2,
    )
    _move(settings)
    with psycopg.connect(postgres.url(f"source_{name}"), autocommit=True) as source:
        for schema in publication.SCHEMAS:
            source.execute(f"create schema {schema}; grant usage on schema {schema} to plyo_cdc")
            source.execute(f"alter default privileges in schema {schema} grant select on tables to plyo_cdc")
        source.execute("grant execute on function pg_log_standby_snapshot() to plyo_cdc")
        publication.create(source)
        yield Captured(source, settings)
        # A slot keeps its database from being dropped; a killed capture's session may need a moment to let go.
        mine = "from pg_replication_slots where database = current_database()"
        source.execute(f"select pg_terminate_backend(active_pid, 5000) {mine} and active_pid is not null")
        source.execute(f"select pg_drop_replication_slot(slot_name) {mine}")
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute(f"drop database source_{name} with (force)")
        server.execute(f"drop database lake_{name} with (force)")
