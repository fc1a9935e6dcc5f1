"""A real lake with every promised mart, small enough to count by hand, and the analytics app in front of it."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from contracts import warehouse
from contracts.ids import new_id
from contracts.relations import RELATIONS, Relation
from operational_api.analytics.app import create_app
from operational_api.analytics.settings import AnalyticsSettings
from plyo.postgres import PostgresServer
from tests.conftest import sqlalchemy_url

ISSUER = "http://testserver"
KEY = RSAKey.generate_key(2048)
KEY.ensure_kid()
ANNA, BORIS = UUID(int=0xA1), UUID(int=0xB2)  # coaches
BASIC, PREMIUM = UUID(int=41), UUID(int=42)
MIA, NOAH, OLGA = UUID(int=1), UUID(int=2), UUID(int=3)  # Mia and Noah train with Anna, Olga with Boris
SIX = tuple(UUID(int=1 + number) for number in range(6))
LOCATION = UUID(int=0xF0)
Ask = Callable[..., TestClient]


def make_marts(lake: duckdb.DuckDBPyConnection, *, with_ml: bool = True) -> None:
    """Every promised mart, empty."""
    made = [relation for relation in RELATIONS.values() if relation.schema != "ml" or with_ml]
    with warehouse.transaction(lake):
        for schema in {relation.schema for relation in made}:
            lake.execute(f"create schema marts.{schema}")
        for relation in made:
            columns = ", ".join(f"{name} {kind}" for name, kind in relation.columns.items())
            lake.execute(f"create table {relation.path} ({columns})")
    lake.execute(
        """create table raw.main._cdc_watermarks (slot varchar, lsn ubigint, committed_at timestamptz,
        landed_at timestamptz, changes bigint)"""
    )


def insert(lake: duckdb.DuckDBPyConnection, name: str, *rows: dict[str, object]) -> None:
    """Rows by column name; columns left out are null."""
    for row in rows:
        marks = ", ".join(f"${column} as {column}" for column in row)
        lake.execute(f"insert into {RELATIONS[name].path} by name select {marks}", row)


def stream(lake: duckdb.DuckDBPyConnection, lsn: int, at: datetime, *, changes: int) -> None:
    lake.execute("insert into raw.main._cdc_watermarks values ('plyo', ?, ?, ?, ?)", [lsn, at, at, changes])


def build(lake: duckdb.DuckDBPyConnection, lsn: int, at: datetime) -> None:
    """What dbt notes at the end of a build."""
    lake.execute(
        """create or replace table marts.core.fct_builds as select ?::timestamptz as built_at,
        ?::timestamptz as data_as_of, ?::timestamptz as landed_at, ?::bigint as lsn, 1::bigint as raw_snapshot_id""",
        [at, at, at, lsn],
    )


def fill(lake: duckdb.DuckDBPyConnection) -> None:
    """Three customers, two coaches, three months of numbers in two currencies."""
    now = datetime.now(UTC)
    stream(lake, 100, now, changes=10)
    with warehouse.transaction(lake):
        _fill(lake, now)


def _fill(lake: duckdb.DuckDBPyConnection, now: datetime) -> None:
    build(lake, 100, now)
    for customer, name, coach, currency in (
        (MIA, "Mia", ANNA, "EUR"), (NOAH, "Noah", ANNA, "USD"), (OLGA, "Olga", BORIS, "EUR"),
    ):  # fmt: skip
        insert(lake, "core.dim_customers", {
            "customer_id": customer, "display_name": name, "coach_id": coach, "currency": currency, "stage": "active",
            "coach_name": "Anna" if coach == ANNA else "Boris", "mrr_minor": 9900,
        })  # fmt: skip
    insert(
        lake,
        "core.dim_coaches",
        {"coach_id": ANNA, "display_name": "Anna"},
        {"coach_id": BORIS, "display_name": "Boris"},
    )
    lake.execute(
        """insert into marts.finance.fct_mrr_daily by name
        select day::date as day, currency, (100000 + 37 * i * (case currency when 'EUR' then 1 else 2 end))::bigint
            as mrr_minor, 10 + i // 10 as active_members, 500 as new_minor, -120 as churn_minor, 1 as members_started,
            0 as members_ended
        from range(90) as days(i), unnest(['EUR', 'USD']) as currencies(currency),
            lateral (select date '2026-08-01' + i::integer as day)"""
    )
    lake.execute(
        """insert into marts.finance.fct_payments by name
        select uuid() as payment_id, 'stripe' as provider, 'membership' as kind,
            (case i % 3 when 0 then $mia when 1 then $noah else $olga end)::uuid as customer_id,
            case when i % 5 = 0 then 'failed' else 'captured' end as status, 9900 + i as amount_minor, 100 as fee_minor,
            case when i % 7 = 0 then 500 else 0 end as refunded_minor, 0 as disputed_minor,
            case when i % 3 = 1 then 'USD' else 'EUR' end as currency, date '2026-08-01' + i::integer as attempted_on,
            case when i % 5 > 0 then date '2026-08-01' + i::integer end as captured_on
        from range(60) as r(i)""",
        {"mia": str(MIA), "noah": str(NOAH), "olga": str(OLGA)},
    )
    lake.execute(
        """insert into marts.scheduling.fct_bookings by name
        select uuid() as booking_id, customer_id::uuid as customer_id, coach_id::uuid as coach_id,
            $place::uuid as location_id, date '2026-09-01' + (i // 3)::integer as local_day,
            ['attended', 'attended', 'no_show', 'cancelled', 'late_cancelled', 'booked'][1 + (i // 3) % 6] as status
        from range(1, 121) as r(i), lateral (
            select case i % 3 when 0 then $mia when 1 then $noah else $olga end as customer_id,
                case when i % 3 < 2 then $anna else $boris end as coach_id)""",
        {
            "mia": str(MIA),
            "noah": str(NOAH),
            "olga": str(OLGA),
            "anna": str(ANNA),
            "boris": str(BORIS),
            "place": str(LOCATION),
        },
    )
    lake.execute(
        """insert into marts.scheduling.fct_coach_weeks by name
        select coach_id::uuid as coach_id, date '2026-09-07' + (7 * i)::integer as week_starts_on,
            30.0 as available_hours, (10 + i)::double as delivered_hours, (10 + i) / 30.0 as utilisation,
            10 + i as sessions_delivered, 1 as no_shows
        from range(6) as r(i), unnest([$anna, $boris]) as c(coach_id)""",
        {"anna": str(ANNA), "boris": str(BORIS)},
    )
    for customer in (MIA, NOAH, OLGA):
        for week in ("2026-09-07", "2026-09-14"):
            insert(lake, "training.fct_adherence_weeks", {
                "customer_id": customer, "week_starts_on": week, "planned": 4, "completed": 3, "adherence": 0.75,
            })  # fmt: skip
        insert(
            lake,
            "training.fct_training_days",
            {"customer_id": customer, "day": "2026-09-07", "load": 300.0, "workouts": 1},
        )
        insert(lake, "training.fct_wearable_days", {"customer_id": customer, "day": "2026-09-07", "sleep_minutes": 420})
        insert(lake, "training.fct_activities", {
            "activity_id": f"run of {customer}", "customer_id": customer, "local_day": "2026-09-07",
            "is_counted": True, "decision": "counted",
        })  # fmt: skip
        insert(lake, "training.fct_workouts", {
            "workout_id": new_id(), "customer_id": customer, "coach_id": BORIS, "scheduled_on": "2026-09-07",
            "completed_on": "2026-09-07", "status": "completed", "volume_kg": 1234.5,
        })  # fmt: skip
        insert(lake, "training.fct_exercise_bests", {
            "customer_id": customer, "exercise_id": 1, "exercise_name": "Squat", "performed_on": "2026-09-07",
            "best_e1rm_kg": 116.67,
        })  # fmt: skip
        insert(lake, "ml.churn_scores", {
            "customer_id": customer, "as_of": now.date(), "scored_at": now, "model_id": "churn-1",
            "probability": 0.1 * (1 + customer.int), "base_value": -2.0, "reasons": json.dumps([{"feature": "x"}]),
        })  # fmt: skip
        insert(lake, "ml.lifetime_values", {
            "customer_id": customer, "currency": "EUR", "as_of": now.date(), "purchases": 2,
            "expected_value_minor": 1000.5 * customer.int,
        })  # fmt: skip
    insert(lake, "ml.churn_models", {
        "model_id": "churn-1", "trained_at": now, "is_current": True, "algorithm": "lightgbm", "metrics": "{}",
    })  # fmt: skip
    insert(lake, "ml.lifetime_models", {"currency": "EUR", "as_of": now.date(), "fitted_at": now, "buyers": 3})
    insert(lake, "ml.training_effects", {
        "state": "load_spike", "outcome": "no_show", "as_of": now.date(), "measured_at": now, "difference": 0.1,
    })  # fmt: skip
    for plan, name in ((BASIC, "Basic"), (PREMIUM, "Premium")):  # Mia began with one and has the other now
        for currency in ("EUR", "USD"):
            insert(lake, "core.dim_plans", {"plan_id": plan, "plan_name": name, "currency": currency})
    lake.execute("update marts.core.dim_customers set plan_name = 'Premium'")
    for plan, kind, day in ((BASIC, "new", "2026-08-01"), (PREMIUM, "expansion", "2026-09-01")):
        insert(lake, "finance.fct_mrr_movements", {
            "change_id": new_id(), "customer_id": MIA, "currency": "EUR", "kind": kind, "plan_id": plan,
            "changed_on": day, "changed_at": f"{day} 12:00:00+00",
        })  # fmt: skip
    insert(lake, "core.fct_stages_daily", {"day": "2026-09-07", "stage": "active", "customers": 3})
    insert(
        lake,
        "retention.fct_automation_runs",
        {"run_id": new_id(), "customer_id": MIA, "coach_id": BORIS, "arm": "treatment"},  # who was her coach then
    )
    insert(
        lake,
        "retention.fct_automation_effects",
        {"rule_name": "Nudge", "outcome": "attended", "treated": 1, "held_out": 0},
    )
    insert(
        lake,
        "retention.fct_cohort_retention",
        {"cohort_month": "2026-08-01", "months_since": 1, "members": 3, "retained": 3},
    )


_PLAUSIBLE: dict[str, list[str]] = {
    "currency": ["EUR", "USD"], "status": ["captured", "attended", "completed", "open", "failed", "no_show"],
    "kind": ["churn", "message", "nudge", "new"], "cancel_kind": ["involuntary", "voluntary"],
    "display_name": ["=Mia"], "title": ["@sum"],
}  # fmt: skip
_TELLING = _PLAUSIBLE | {
    "currency": ["EUR", "EUR", "USD"], "cancel_kind": ["involuntary", "voluntary", "voluntary"],
    "status": ["attended", "captured", "completed", "sent", "failed", "no_show", "late_cancelled", "withheld",
               "promoted", "open"],
    "kind": ["churn", "nudge", "message", "group"], "attitude": ["promoter", "promoter", "passive", "detractor"],
    "dunning": ["recovered", "recovered", "lost"], "stage": ["active", "won_back", "trial"],
}  # fmt: skip


def _fill_mart(
    lake: duckdb.DuckDBPyConnection, relation: Relation, rows: int, a_week: int, people: list[UUID],
    words: dict[str, list[str]],
) -> None:  # fmt: skip
    """Rows with every column told: so many, so many of them a week, of these people and of both coaches in turn."""
    told = ", ".join(f"uuid '{one}'" for one in people)
    by_name = {
        "customer_id": f"[{told}][1 + i % {len(people)}]", "location_id": f"uuid '{LOCATION}'",
        "coach_id": f"[uuid '{ANNA}', uuid '{BORIS}'][1 + i % 2]",
        "sessions_refunded": "i % 2", "months_since": "i % 6",
        "reversed_at": "case when i % 5 = 0 then timestamptz '2026-11-02 09:00:00+00' end",
    }  # fmt: skip
    week = f"(7 * (i // {a_week}))::integer"
    by_kind = {
        "uuid": "uuid()", "date": f"date '2026-08-03' + {week}", "boolean": "(i // 2) % 3 < 2", "json": "'{}'",
        "timestamp with time zone": f"timestamptz '2026-08-03 09:00:00+00' + to_days({week})",
        "integer": "1 + i % 7", "bigint": "10007 + 13 * i", "double": "1.5 + i % 5",
    }  # fmt: skip
    values = []
    for name, kind in relation.columns.items():
        said = words.get(name, [f"{name} {number}" for number in range(6)])
        value = by_name.get(name) or by_kind.get(kind) or f"{said}[1 + i % {len(said)}]"
        values.append(f"cast({value} as {kind}) as {name}")
    lake.execute(f"insert into {relation.path} by name select {', '.join(values)} from range({rows:d}) as r(i)")


def fill_every_mart(lake: duckdb.DuckDBPyConnection) -> None:
    """Six rows a week for eight weeks in each mart, every column told, of six customers: each metric has a number."""
    for relation in RELATIONS.values():
        _fill_mart(lake, relation, 48, 6, list(SIX), _TELLING)
    now = datetime.now(UTC)
    stream(lake, 100, now, changes=10)
    build(lake, 100, now)


def fill_the_rest(lake: duckdb.DuckDBPyConnection) -> None:
    """Some rows in each mart that has none yet, of Mia and Olga: so that there is something of everything."""
    for relation in RELATIONS.values():
        if lake.execute(f"select count(*) from {relation.path}").fetchone() == (0,):
            _fill_mart(lake, relation, 12, 1, [MIA, OLGA], _PLAUSIBLE)
    lake.execute("update marts.quality.fct_suite_judgements set judged_at = now()")


def new_lake(postgres: PostgresServer, folder: Path, template: str) -> AnalyticsSettings:
    name = f"lake_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
        connection.execute(f"create database audit_{name} template {template}")
    settings = AnalyticsSettings(
        lake_catalog_url=postgres.url(name), lake_path=str(folder / "lake"), public_url=ISSUER,
        dbt_manifest=folder / "manifest.json", audit_database_url=sqlalchemy_url(postgres.url(f"audit_{name}")),
    )  # fmt: skip
    warehouse.set_up(settings)
    return settings


@pytest.fixture
def empty_settings(postgres: PostgresServer, template_database: str, tmp_path: Path) -> AnalyticsSettings:
    """A lake that was set up and never built."""
    return new_lake(postgres, tmp_path, template_database)


@pytest.fixture(scope="package")
def settings(
    postgres: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AnalyticsSettings:
    """A filled lake that no test changes."""
    settings = new_lake(postgres, tmp_path_factory.mktemp("analytics"), template_database)
    with warehouse.writing(settings) as lake:
        make_marts(lake)
        fill(lake)
        with warehouse.transaction(lake):
            fill_the_rest(lake)
    for customer in (MIA, NOAH, OLGA):
        decide(settings, customer, dict.fromkeys(("activity", "sleep", "daily", "body"), True))
    return settings


def decide(settings: AnalyticsSettings, customer: UUID, kinds: dict[str, bool]) -> None:
    """A customer's word on what others may see, as the operational database has it."""
    url = str(settings.audit_database_url.get_secret_value()).replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        for kind, is_given in kinds.items():
            connection.execute(
                """insert into compliance.consents values (%s, %s, %s, 'coaching', %s, 'x', clock_timestamp(), %s)""",
                [new_id(), customer, kind, is_given, customer],
            )


@pytest.fixture(scope="package")
def every_number(
    postgres: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FastAPI]:
    """The service over a lake in which each metric has a number."""
    settings = new_lake(postgres, tmp_path_factory.mktemp("told"), template_database)
    with warehouse.writing(settings) as lake:
        make_marts(lake)
        fill_every_mart(lake)
    for customer in SIX:
        decide(settings, customer, dict.fromkeys(("activity", "sleep", "daily", "body"), True))
    app = serve(settings)
    yield app
    app.state.lake.close()


def serve(settings: AnalyticsSettings) -> FastAPI:
    return create_app(settings, keys=lambda _refresh: KeySet([RSAKey.import_key(KEY.as_dict(private=False))]))


def person(
    app: FastAPI, role: str, account: UUID | None = None, *, session_id: UUID | None = None, **options: Any
) -> TestClient:
    """A client with the token of a person (or service) of that role."""
    claims = {
        "iss": ISSUER, "aud": "plyo-analytics", "sub": str(account or new_id()), "role": role, "client_id": "tests",
        "sid": str(session_id or new_id()), "exp": int(time.time()) + 600,
    }  # fmt: skip
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": KEY.kid}, claims, KEY)
    return client_of(app, raise_server_exceptions=False, headers={"Authorization": f"Bearer {token}"}, **options)


def client_of(app: FastAPI, **options: Any) -> TestClient:
    """A client of nobody, in the event loop of `one_loop` where there is one."""
    client = TestClient(app, base_url=ISSUER, **options)
    client.portal = _LOOPS[-1] if _LOOPS else None
    return client


_LOOPS: list[BlockingPortal] = []


@pytest.fixture(scope="module")
def one_loop() -> Iterator[None]:
    """All that is asked meanwhile is answered in one event loop, as in a process of the service.

    Without it each request has a loop of its own, which opens connections of its own to both databases.
    """
    with start_blocking_portal() as portal:
        _LOOPS.append(portal)
        yield
        _LOOPS.remove(portal)


@pytest.fixture(scope="package")
def app(settings: AnalyticsSettings) -> Iterator[FastAPI]:
    app = serve(settings)
    yield app
    app.state.lake.close()


@pytest.fixture
def admin(app: FastAPI) -> TestClient:
    return person(app, "admin")


@pytest.fixture
def anna(app: FastAPI) -> TestClient:
    return person(app, "coach", ANNA)


@pytest.fixture
def mia(app: FastAPI) -> TestClient:
    return person(app, "customer", MIA)


@pytest.fixture(scope="package")
def by_hand(settings: AnalyticsSettings) -> Iterator[Callable[[str], list[tuple]]]:
    """Runs SQL in a connection of the test's own, as a person with the lake would."""
    with warehouse.reading(settings) as lake:
        yield lambda sql: lake.execute(sql).fetchall()


@pytest.fixture
def own(postgres, template_database, tmp_path) -> AnalyticsSettings:  # type: ignore[no-untyped-def]
    """A lake that a test may change."""
    settings = new_lake(postgres, tmp_path, template_database)
    with warehouse.writing(settings) as lake:
        make_marts(lake)
        fill(lake)
    return settings
