"""The business of `business.sql` in a lake, built once by the real dbt for every folder that reads it.

A plugin, which `tests/conftest.py` names: a fixture that two conftests import is made twice.
"""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from plyo.postgres import PostgresServer
from tests.dbt_project import lake as lakes


@pytest.fixture(scope="session")
def business_database(postgres: PostgresServer, template_database: str) -> str:
    """URL of a database with the business of seven customers. Named anew: other folders make their own."""
    name = f"business_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template_database}")
    with psycopg.connect(postgres.url(name)) as connection:
        connection.execute((Path(__file__).parent / "business.sql").read_text())
    return postgres.url(name)


@pytest.fixture(scope="session")
def business_lake(
    postgres: PostgresServer, business_database: str, tmp_path_factory: pytest.TempPathFactory
) -> WarehouseSettings:
    """A lake whose raw half holds the business of seven customers; nothing is built yet."""
    name = f"lake_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    settings = WarehouseSettings(lake_catalog_url=postgres.url(name), lake_path=str(tmp_path_factory.mktemp("lake")))
    warehouse.set_up(settings)
    lakes.snapshot(business_database, settings)
    return settings


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt keeps its manifest and compiled SQL in this run."""
    return tmp_path_factory.mktemp("dbt_target")


@pytest.fixture(scope="session")
def built_lake(business_lake: WarehouseSettings, target: Path) -> WarehouseSettings:
    """The same lake after `dbt build`: models, data tests and unit tests."""
    done = lakes.dbt("build", settings=business_lake, target=target)
    assert done.returncode == 0, done.stdout[-4000:]
    return business_lake


@pytest.fixture
def marts(built_lake: WarehouseSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to the built lake."""
    with warehouse.reading(built_lake) as connection:
        yield connection
