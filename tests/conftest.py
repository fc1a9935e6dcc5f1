"""Fixtures every test may ask for: a real PostgreSQL, the migrated schema, a session that is rolled back.

A fixture that only one folder needs lives in that folder's conftest.
"""

import gc
import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.database import make_engine
from operational_api.migrations import run as migrations
from plyo.postgres import PostgresServer, free_port
from tests.asvs import unknown_ids

pytest_plugins = ["tests.dbt_project.fixtures", "tests.stores"]
# A test that is late because the machine is busy has shown nothing.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# The same few examples each time, in a process that runs a test again and again (`make mutation`).
settings.register_profile(
    "mutation", max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
LAKE = (
    "tests/dbt_project/", "tests/contracts/test_captured.py", "tests/orchestration/test_build.py",
    "tests/orchestration/test_automation.py", "tests/orchestration/test_dbt.py",
)  # fmt: skip
"""Files whose tests share a lake that takes half a minute to build, and a project that dbt takes seconds to read: one
worker makes both once for all of them. Those that leave the lake other than they found it come last."""
LONG = ("tests/ingestion", "tests/ml", "tests/orchestration", "tests/plyo")
"""Folders whose tests take longest; they begin after those of the lake, and before all others."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is made until all is collected stays: looking for garbage in it takes a third of that time, and goes on."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each file, and all of `LAKE`, to one worker. pytest 9 no longer sees the groups that xdist's marks make."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "lake" if nodeid.startswith(LAKE) else super()._split_scope(nodeid)

    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest begin first.

    A test that claims a requirement which does not exist is a mistake, and so is one that would have the lake built a
    second time, by another worker.
    """
    if unknown := unknown_ids(items):
        raise pytest.UsageError(f"docs/asvs.csv has no requirement {', '.join(unknown)}")
    if twice := {item.nodeid.split("::")[0] for item in items if _asks_for_the_lake(item)}:
        raise pytest.UsageError(f"LAKE has to name what shares the lake: {', '.join(sorted(twice))}")
    _name_apart(items)
    items.sort(key=_turn)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many random lives were lived, however many processes lived them."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name.endswith("_lived"):
                terminalreporter.write_line(f"{value} {name.replace('_', ' ')}")


def _asks_for_the_lake(item: pytest.Item) -> bool:
    """Whether it does although no one worker is chosen for its file."""
    return "business_database" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(LAKE)


def _turn(item: pytest.Item) -> int:
    turns = (*LAKE, LONG)
    return next((turn for turn, begin in enumerate(turns) if item.nodeid.startswith(begin)), len(turns))


def _name_apart(items: list[pytest.Item]) -> None:
    """Tests that Schemathesis makes of one function have one id with pytest 9, and xdist runs one test for each id."""
    for item in items:
        if (label := getattr(item, "operation_label", "")) and item.id.params is None:
            item._id = item.id.with_params(label)
    ids = Counter(item.nodeid for item in items)
    if twice := [one for one, count in ids.items() if count > 1]:
        raise pytest.UsageError(f"several tests have one id, of which xdist would run one: {', '.join(twice)}")


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
    engine = make_engine(sqlalchemy_url(postgres.url("plyo_shared")), application_name="tests")
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on the migrated schema; whatever the test does, even commits, is rolled back after it."""
    with taken_back(engine) as session:
        yield session


@contextmanager
def taken_back(engine: Engine) -> Iterator[Session]:
    """A session whose doings, even commits, are rolled back at the end."""
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


# A shell that runs us behind its back has us ignore SIGINT. Dagster would then ignore SIGTERM too, and so would all
# that later tests start and end: each would be waited for until it is killed.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Tests speak to this machine alone. Without this, whoever makes a client reads every authority of the world for it,
# which takes longer than what most tests ask.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).with_name("authority.pem"))
os.environ.setdefault("TZ", "UTC")
# A test asks in a second what people ask in an hour; the tests of the limits take the shipped ones.
os.environ.setdefault("PLYO_RATE_LIMIT_FACTOR", "1000")
