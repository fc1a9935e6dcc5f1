"""How PostgreSQL goes through the tables of the large demo, whatever is asked of the API or done by the worker.

Every operation is asked by those who may, as the busiest coach and customer of 10,000, and every job that runs
at least each five minutes is run; each statement they say is explained. No large table is read from end to end.
`PLYO_DRILL_CUSTOMERS=1000` for a smaller business.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from operational_api.core.database import session_factory
from operational_api.core.viewer import SYSTEM
from operational_api.identity.models import Account
from operational_api.worker import handler_modules
from plyo.demo.loading import load
from plyo.postgres import PostgresServer
from tests.conftest import sqlalchemy_url, taken_back
from tests.operational_api.conftest import access_token, grant, joined
from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.reach import OBJECTS
from tests.operational_api.statements import Explained
from tests.operational_api.world import asking_of, routes_of

pytestmark = pytest.mark.drill
CUSTOMERS = int(os.environ.get("PLYO_DRILL_CUSTOMERS", "10000"))
LARGE = 5_000
"""Rows from which on a table is not read from end to end."""
OFTEN = timedelta(minutes=5)
READ_WHOLE = {
    "compliance.check_events": "once a day the whole record is compared with its seals; its job asks each minute",
    "GET /api/engagement/announcement-audiences": "everybody is counted, by stage and by what they allow",
}
"""What reads large tables from end to end because that is what is asked of it."""


@pytest.fixture(scope="module")
def business(
    postgres: PostgresServer, template_database: str, plain_role: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The demo of 24 months."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database plyo_large template {template_database}")
    folder = tmp_path_factory.mktemp("demo")
    load(postgres.url("plyo_large"), customers=CUSTOMERS, months=24, seed=7, state_folder=folder)
    with psycopg.connect(postgres.url("plyo_large"), autocommit=True) as connection:
        connection.execute("vacuum analyze")
    engine = create_engine(sqlalchemy_url(postgres.url("plyo_large")), connect_args={"options": "-c timezone=UTC"})
    with engine.begin() as connection:
        grant(connection, plain_role)
    yield engine
    engine.dispose()


@pytest.fixture
def large(business: Engine) -> Iterator[Session]:
    """A session in it, taken back."""
    with taken_back(business) as session:
        yield session


def explained_of(session: Session) -> Explained:
    """For the large tables of the business."""
    rows = session.execute(
        text(
            "select relname from pg_class join pg_namespace n on n.oid = relnamespace "
            "where relkind = 'r' and nspname not like 'pg%' and reltuples >= :large"
        ),
        {"large": LARGE},
    )
    large = set(rows.scalars())
    assert len(large) > 10 if CUSTOMERS >= 1000 else large
    return Explained(session.connection().engine, large)


def busiest(session: Session, column: str) -> Account:
    """Whose workouts and bookings are the most."""
    sql = (
        f"select {column} from scheduling.bookings where {column} is not null group by 1 order by count(*) desc limit 1"
    )
    return session.get_one(Account, session.scalar(text(sql)))


class TestLargeTables:
    def test_are_never_read_whole_by_an_operation(
        self, large: Session, serve_app: Callable[[str], FastAPI], plain_role: str
    ) -> None:
        app = joined(serve_app, large.connection(), plain_role)
        asking = asking_of(app, large)
        world, own = asking.world, dict(asking.world.tokens)
        customer, coach = busiest(large, "customer_id"), busiest(large, "coach_id")
        theirs = own | {"customer": access_token(app, customer), "coach": access_token(app, coach)}
        explained, answered = explained_of(large), 0

        async def go() -> None:
            nonlocal answered
            for route in routes_of(app):
                about = OBJECTS.get(route.key)
                for role in ROLES_OF[route.action or ""].split():
                    with explained.of(f"{route.key} as {role}"):
                        if about is None:
                            world.tokens = theirs
                            answered += (await asking.ask(route, role)).status < 400
                        elif role in about.own.split() + about.every.split():
                            world.tokens = own
                            answered += (await asking.ask(route, role, world.own(about.of, role), about)).status < 400
                            if about.of == "customer":
                                world.tokens = theirs
                                await asking.ask(route, role, customer.id, about)

        asyncio.run(go())
        assert answered > 400
        assert len(explained.by) > 300
        assert not (wrong := explained.whole(but=READ_WHOLE)), "\n".join(wrong)

    def test_are_never_read_whole_by_what_the_worker_does_often(self, large: Session) -> None:
        explained, now = explained_of(large), datetime.now(UTC)
        sessions = session_factory(large.connection(), viewer=lambda: SYSTEM, join_transaction_mode="create_savepoint")
        for module in handler_modules():
            for name, every, work in getattr(module, "PERIODIC", []):
                if every <= OFTEN:
                    with explained.of(name), sessions.begin() as session:
                        work(session, now)
        assert explained.by
        assert not (wrong := explained.whole(but=READ_WHOLE)), "\n".join(wrong)
