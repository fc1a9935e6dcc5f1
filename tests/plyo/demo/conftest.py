"""A small demo business, loaded once for all tests of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from plyo.demo.loading import LoadReport, load
from plyo.postgres import PostgresServer

UNTIL = datetime(2026, 3, 30, 10, 17, tzinfo=UTC)
"""A Monday morning just after Berlin's clocks changed and three weeks after New York's."""
SIZE = {"customers": 140, "months": 14, "seed": 3}


@dataclass
class Business:
    """A loaded database."""

    url: str
    state_folder: Path
    report: LoadReport


@pytest.fixture(scope="session")
def business(postgres: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Business:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database plyo_demo template {template_database}")
    url, folder = postgres.url("plyo_demo"), tmp_path_factory.mktemp("demo")
    return Business(url, folder, load(url, until=UNTIL, state_folder=folder, **SIZE))


@pytest.fixture
def database(business: Business) -> Iterator[psycopg.Connection]:
    """A connection to it; what a test changes is rolled back."""
    with psycopg.connect(business.url, options="-c timezone=UTC") as connection:
        yield connection
        connection.rollback()
