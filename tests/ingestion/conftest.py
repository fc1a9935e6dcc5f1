"""A source to capture and a lake to land in, both of the test's own, with the roles they have in the product."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from contracts import warehouse
from contracts.ids import new_id
from ingestion.postgres_cdc import publication
from ingestion.settings import CdcSettings
from plyo.postgres import PostgresServer


@dataclass
class Published:
    """A migrated, empty operational database with its publication.

    Args:
        source: Superuser's connection in autocommit.
        owner_url: The same, to connect anew.
        cdc_url: As `plyo_cdc`.
    """

    source: psycopg.Connection
    owner_url: str
    cdc_url: str


@dataclass
class Captured(Published):
    """The same, with a lake to land in and settings to capture it; nothing is captured yet."""

    settings: CdcSettings


@pytest.fixture
def published(postgres: PostgresServer, fresh_database: Callable[[], str]) -> Iterator[Published]:
    """A source ready to be captured. Its replication slots are dropped after the test."""
    url = fresh_database()
    with psycopg.connect(url, autocommit=True) as source:
        if source.execute("select from pg_roles where rolname = 'plyo_cdc'").fetchone() is None:
            source.execute("create role plyo_cdc login replication password 'captures'")
        for schema in publication.SCHEMAS:
            source.execute(f"grant usage on schema {schema} to plyo_cdc")
            source.execute(f"grant select on all tables in schema {schema} to plyo_cdc")
            source.execute(f"alter default privileges in schema {schema} grant select on tables to plyo_cdc")
        with psycopg.connect(url) as owner:
            publication.create(owner)
        yield Published(source, url, postgres.url(source.info.dbname, user="plyo_cdc", password="captures"))
        # A slot keeps its database from being dropped; a killed capture's session may need a moment to let go.
        mine = "from pg_replication_slots where database = current_database()"
        source.execute(f"select pg_terminate_backend(active_pid, 5000) {mine} and active_pid is not null")
        source.execute(f"select pg_drop_replication_slot(slot_name) {mine}")


@pytest.fixture
def captured(published: Published, postgres: PostgresServer, tmp_path: Path) -> Iterator[Captured]:
    """A source ready to be captured and a lake that was set up."""
    name = f"lake_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    settings = CdcSettings(
        cdc_url=published.cdc_url,
        cdc_slot=f"test_{new_id().hex}",
        lake_catalog_url=postgres.url(name),
        lake_path=str(tmp_path / "lake"),
        cdc_period_seconds=0.2,
    )
    warehouse.set_up(settings)
    yield Captured(published.source, published.owner_url, published.cdc_url, settings)
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
