"""Fixtures every test may ask for: a real PostgreSQL, the migrated schema, a session that is rolled back.

A fixture that only one folder needs lives in that folder's conftest.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.migrations import run as migrations
from plyo.postgres import PostgresServer, free_port

TOGETHER = {"business_lake": "lake", "built_empty": "documents"}
"""Fixtures that take long to make: one worker makes each once for all tests that ask for it."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each file, or all that share one of the fixtures above, to one worker; the longest of them begin first."""
    order = list(dict.fromkeys(TOGETHER.values()))

    def group(item: pytest.Item) -> str:
        asked = getattr(item, "fixturenames", ())
        shared = next((name for fixture, name in TOGETHER.items() if fixture in asked), None)
        return shared or item.path.relative_to(config.rootpath).as_posix()

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: order.index(group(item)) if group(item) in order else len(order))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One PostgreSQL 18 for the whole run, without fsync; it dies with us even if we are killed."""
    folder: Path = tmp_path_factory.mktemp("postgres") / "data"
    server = PostgresServer(folder, free_port(), "test-superuser", durable=False, dies_with_parent=True)
    server.create()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def template_database(postgres: PostgresServer) -> str:
    """Name of a database with every migration applied, to copy or to use under rollback."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("create database plyo_template")
    migrations.upgrade(sqlalchemy_url(postgres.url("plyo_template")))
    return "plyo_template"


def sqlalchemy_url(url: str) -> str:
    """The same database for SQLAlchemy with psycopg 3."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture(scope="session")
def engine(postgres: PostgresServer, template_database: str) -> Iterator[Engine]:
    """Engine of a migrated database shared by all tests that roll back."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database plyo_shared template {template_database}")
    engine = create_engine(sqlalchemy_url(postgres.url("plyo_shared")), connect_args={"options": "-c timezone=UTC"})
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on the migrated schema; whatever the test does, even commits, is rolled back after it."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
            yield session
        outer.rollback()


@pytest.fixture
def fresh_database(postgres: PostgresServer, template_database: str) -> Iterator[Callable[[], str]]:
    """Makes migrated databases of the test's own, for tests that need real commits; returns a libpq URL."""
    names: list[str] = []

    def make() -> str:
        name = f"plyo_{new_id().hex}"
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f"create database {name} template {template_database}")
        names.append(name)
        return postgres.url(name)

    yield make
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        for name in names:
            connection.execute(f"drop database {name} with (force)")


os.environ.setdefault("TZ", "UTC")
