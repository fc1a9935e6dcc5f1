"""How PostgreSQL goes through the tables of the large demo, whatever is asked of the API or done by the worker.

Every operation is asked by those who may, as the busiest coach and customer of 10,000, and every job that runs
at least each five minutes is run; each statement they say is explained. No large table is read from end to end.
`PLYO_DRILL_CUSTOMERS=1000` for a smaller business.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from contracts.events import registry
from operational_api.core.consumers import handle_next
from operational_api.core.database import session_factory
from operational_api.core.relay import Routes, relay_due
from operational_api.core.retries import RetryPolicy
from operational_api.core.viewer import SYSTEM
from operational_api.identity.models import Account
from operational_api.scheduling.models import Coach
from operational_api.worker import handler_modules
from plyo.demo.loading import load
from plyo.postgres import PostgresServer
from tests.conftest import sqlalchemy_url, taken_back
from tests.fakes.stripe.testing import local_stripe
from tests.operational_api.conftest import access_token, grant, joined
from tests.operational_api.deeds import DEEDS
from tests.operational_api.doers import Doers
from tests.operational_api.matrix import ROLES_OF
from tests.operational_api.reach import OBJECTS
from tests.operational_api.statements import Explained
from tests.operational_api.world import Asking, Route, asking_of, routes_of

pytestmark = pytest.mark.drill
FILTERS: dict[str, tuple[str, ...]] = {
    "q": ("anna mueler", "squat"), "who": ("anna",), "coach_id": ("COACH",), "coach": ("COACH",),
    "customer_id": ("CUSTOMER",), "person": ("CUSTOMER",), "subject": ("CUSTOMER",), "account_id": ("CUSTOMER",),
    "actor": ("CUSTOMER",), "person_id": ("CUSTOMER",), "object_id": ("CUSTOMER",), "object_type": ("Client",),
    "from": ("LAST_WEEK", "LAST_WEEKS_DAY"), "to": ("NOW", "TODAY"), "since": ("LAST_WEEKS_DAY",),
    "until": ("TODAY",), "day": ("LAST_WEEKS_DAY",), "last_on": ("LAST_WEEKS_DAY",), "kind": ("group", "one_to_one"),
    "status": ("booked", "requested", "paid", "completed", "open"), "state": ("failed",), "show": ("resolved",),
    "order": ("desc",), "only_free": ("true",), "is_resolved": ("true",), "outcome": ("refused",),
    "location_id": ("LOCATION",), "place": ("LOCATION",), "studio": ("LOCATION",), "title": ("squat",),
    "muscle": ("quadriceps",), "equipment": ("barbell",), "level": ("beginner",), "category": ("strength",),
    "pattern": ("squat",), "arm": ("holdout",), "decision": ("refuse",), "failed": ("true",), "offset": ("20",),
    "page": ("2",), "weeks": ("26",), "months": ("12",), "what": ("commerce.create_refund",),
}  # fmt: skip
"""What lists are narrowed by, each alone. Values that a list does not know are refused, and cost nothing."""
CUSTOMERS = int(os.environ.get("PLYO_DRILL_CUSTOMERS", "10000"))
LARGE = 5_000
"""Rows from which on a table is not read from end to end."""
OFTEN = timedelta(minutes=5)
READ_WHOLE = {
    "compliance.check_events": "once a day the whole record is compared with its seals; its job asks each minute",
    "GET /api/commerce/catalogue": "whoever has each plan is counted",
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
        explained, answered, narrowed, undone = explained_of(large), 0, 0, list[str]()
        now = datetime.now(UTC)
        words = {
            "COACH": coach.id, "CUSTOMER": customer.id, "LOCATION": large.get_one(Coach, coach.id).location_id,
            "NOW": now.isoformat(), "TODAY": now.date(), "LAST_WEEK": (now - timedelta(days=7)).isoformat(),
            "LAST_WEEKS_DAY": (now - timedelta(days=7)).date(),
        }  # fmt: skip

        async def go() -> None:
            nonlocal answered, narrowed, undone
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
                    with explained.of(f"{route.key} as {role}, narrowed"):
                        world.tokens = theirs
                        narrowed += await self.narrow(asking, route, role, customer.id, words)
            world.tokens = own
            with local_stripe() as stripe:
                doers = Doers(app, large, world, stripe)
                for key in DEEDS:
                    with explained.of(key):
                        answer = await doers.do(asking, key)
                    undone += [f"{key} {answer.status} {answer.code}"] * (answer.status >= 400)

        asyncio.run(go())
        assert not (wrong := explained.whole(but=READ_WHOLE)), "\n".join(wrong)
        assert undone == []
        assert answered > 400
        assert narrowed > 150
        assert len(explained.by) > 300

    async def narrow(self, asking: Asking, route: Route, role: str, id_: UUID, words: dict[str, Any]) -> int:
        """A list by each of its filters, and a page further; how often that was answered."""
        about = OBJECTS.get(route.key)
        if route.method != "GET" or (about is not None and about.of != "customer"):
            return 0
        asked = [{name: str(words.get(value, value))} for name in route.query for value in FILTERS.get(name, ())]
        asked += [{"limit": "5"}] * ("cursor" in route.query)
        answered = 0
        while asked:
            query = asked.pop()
            answer = await asking.ask(route, role, id_ if about else None, about, query=query)
            answered += answer.status < 400
            further = re.search(r'"next_cursor":"([^"]+)"|[?&;]cursor=([^"&]+)', answer.text)
            if further and "cursor" not in query:
                asked.append(query | {"cursor": unquote(further[1] or further[2])})
        return answered

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

    def test_are_never_read_whole_by_who_hears_of_an_event(self, large: Session) -> None:
        """Each handler hears the newest event of its kind that there is, and takes back what it did."""
        newest = text(
            "select distinct on (type) type, version, event_id, occurred_at, payload from platform.outbox_events "
            "order by type, occurred_at desc, event_id"
        )
        known = {row.type: row for row in large.execute(newest)}
        explained = explained_of(large)
        sessions = session_factory(large.connection(), viewer=lambda: SYSTEM, join_transaction_mode="create_savepoint")
        modules, heard = handler_modules(), 0
        for module in modules:
            for kind, functions in getattr(module, "HANDLERS", {}).items():
                for function in functions if kind in known else ():
                    row = known[kind]
                    event = registry.parse(
                        event_type=kind, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
                        payload=row.payload,
                    )  # fmt: skip
                    with explained.of(f"{function.__module__}.{function.__name__}"), sessions() as session:
                        function(session, event)
                        session.flush()
                        session.rollback()
                    heard += 1
        routes = Routes(modules)
        with explained.of("relay"):
            relay_due(sessions, routes)
        with explained.of("inbox"):
            handle_next(sessions, routes.consumers, retry=RetryPolicy(attempts=1, first_seconds=1))
        assert heard > 30
        assert not (wrong := explained.whole(but=READ_WHOLE)), "\n".join(wrong)
