"""A build of parts says what a build of everything says, and other warehouses what the lake says: each mart, by row."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from math import isnan, nan
from pathlib import Path

import duckdb
import numpy as np
import psycopg
import pytest

from contracts import warehouse
from contracts.ids import new_id
from contracts.metrics import METRICS
from contracts.relations import RELATIONS
from contracts.warehouse import WarehouseSettings
from ingestion.destinations import DestinationSettings, copy
from plyo.postgres import PostgresServer
from tests.dbt_project import coaching, elsewhere, histories, stated
from tests.dbt_project import lake as lakes
from tests.dbt_project.test_leaks import LOGS_SAY
from tests.dbt_project.test_lives import LIVES_SAY
from tests.dbt_project.words import Words, over_all_time

TIMES = os.environ.get(
    "PLYO_HISTORY_TIMES",
    "2026-06-18 00:30:00+00,2026-10-25 00:30:00+00,2026-10-25 23:30:00+00,2026-10-25 23:30:00+00",
).split(",")
"""When parts are built. First UTC's day has ended; then months have passed, to the last hour of Berlin's summer time;
then Berlin's day of 25 hours has ended, and UTC's has not; then only rows have moved. Before the second two tables were
emptied, and a build was killed."""
STEPS, SEED = int(os.environ.get("PLYO_HISTORY_STEPS", "300")), int(os.environ.get("PLYO_HISTORY_SEED", "6"))
MARTS = sorted(name for name in RELATIONS if not name.startswith("ml."))

HELD = {
    **dict.fromkeys(
        ("new_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr", "reactivation_mrr"),
        "test_lives: movements by month, currency and name",
    ),
    **dict.fromkeys(
        ("customer_lifetime", "ltv_by_lifetime", "ltv_billed"), "test_lives: by Kaplan and Meier, and their worth"
    ),
    **dict.fromkeys(("drifted_columns", "judged_columns"), "tests/ingestion/quality: numbers of data, not of people"),
}
"""Metrics whose words are not worked out over random histories, and what holds them instead."""


WITHOUT_NOTE = ("core.dim_plans", "core.dim_coaches", "engagement.fct_messages")
"""Tables that a build of parts finds without a note, so that it replaces them while others are made."""


@dataclass(frozen=True)
class Rebuilt:
    """A lake with a random history, built in parts and then whole; snapshots of its marts before the last build.

    `project` has the seeds that the lake has, for warehouses that load their own.
    """

    lake: duckdb.DuckDBPyConnection
    settings: WarehouseSettings
    snapshots: list[int]
    target: Path
    project: Path


@pytest.fixture(scope="module")
def rebuilt(
    built_lake: WarehouseSettings, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rebuilt]:
    """A copy of the built lake, so that nothing is built twice. What is built in parts is built side by side."""
    settings, target = lakes.copied(built_lake, postgres), tmp_path_factory.mktemp("rebuilt")
    rng, lsn = np.random.default_rng(SEED), lakes.SNAPSHOT_LSN
    snapshots = [_snapshot(settings)]
    for nth, now in enumerate(TIMES):
        with warehouse.writing(settings) as lake, warehouse.transaction(lake):
            lsn = histories.live(lake, rng, lsn=lsn, steps=STEPS // len(TIMES))
            if now == TIMES[1]:
                lsn = histories.empty(lake, lsn=lsn)
            if nth == len(TIMES) - 1:
                lsn = histories.complete(lake, lsn=lsn)
            lakes.watermark(lake, lsn, at=now)
        with warehouse.writing(settings) as lake:
            stated.enter(lake, nth)
            for table in WITHOUT_NOTE if nth == 0 else ():
                lake.execute(f"comment on table marts.{table} is null")
        if now == TIMES[1]:  # and what it had made by then was made of less than the next build looks at
            assert lakes.killed("run", target=target, settings=settings, now=now, after_tables=12) == 12
        _run(settings, target, now, "--threads", "2")
        snapshots.append(_snapshot(settings))
    _run(settings, target, TIMES[-1], "--full-refresh")
    with warehouse.reading(settings) as lake:
        yield Rebuilt(lake, settings, snapshots, target, stated.project(target / "project"))


def _snapshot(settings: WarehouseSettings) -> int:
    with warehouse.reading(settings) as lake:
        return warehouse.snapshot_id(lake, "marts")


def _run(settings: WarehouseSettings, target: Path, now: str, *options: str) -> None:
    done = lakes.dbt("run", *options, settings=settings, target=target, now=now)
    assert done.returncode == 0, done.stdout[-3000:]


def told(relation: str, where: str) -> str:
    """A query of a mart's rows with floating numbers as far as sums in another order agree."""
    columns = RELATIONS[relation].columns
    told = ", ".join(f"round({name}, 6) as {name}" if kind == "double" else name for name, kind in columns.items())
    return f"select {told} from {where}"


def differing(lake: duckdb.DuckDBPyConnection, one: str, other: str) -> list[tuple]:
    """Some rows that only one of two queries gives, with its name."""
    found = []
    for name, left, right in (("first", one, other), ("second", other, one)):
        rows = lake.execute(f"({left}) except all ({right}) limit 3").fetchall()
        found += [(name, *row) for row in rows]
    return found


class TestParts:
    @pytest.mark.parametrize("name", MARTS)
    def test_a_mart_built_in_parts_is_the_mart_built_whole(self, rebuilt, name):
        path = RELATIONS[name].path
        in_parts = told(name, f"{path} at (version => {rebuilt.snapshots[-1]})")
        assert differing(rebuilt.lake, in_parts, told(name, path)) == []

    def test_a_table_without_statistics_never_had_a_row(self, rebuilt):
        """By which a build of parts knows what it need not read."""
        counted = {}
        for name in warehouse.LAKES:
            catalog = f"__ducklake_metadata_{name}.{name}."
            unfilled = rebuilt.lake.execute(
                f"""select place.schema_name, own.table_name
                from {catalog}ducklake_table as own inner join {catalog}ducklake_schema as place using (schema_id)
                where own.end_snapshot is null and place.end_snapshot is null
                    and own.table_id not in (select table_id from {catalog}ducklake_table_stats)"""
            ).fetchall()
            for schema, table in unfilled:
                path = f"{name}.{schema}.{table}"
                counted[path] = rebuilt.lake.execute(f"select count(*) from {path}").fetchone()
        assert len(counted) > 5
        assert set(counted.values()) == {(0,)}

    def test_what_stands_between_is_the_same_built_in_parts_and_whole(self, rebuilt):
        """Tables that no reader may name: a wrong row there shows in a mart only when some later part asks for it."""
        between = rebuilt.lake.execute(
            """select table_name, list(column_name), list(data_type) from duckdb_columns()
            where database_name = 'marts' and schema_name = 'intermediate'
                and table_name in (select table_name from duckdb_tables() where database_name = 'marts')
            group by table_name order by table_name"""
        ).fetchall()
        assert len(between) > 10
        wrong = {}
        for name, columns, types in between:
            told = ", ".join(
                f"round({column}, 6)" if kind == "DOUBLE" else column
                for column, kind in zip(columns, types, strict=True)
            )
            path = f"marts.intermediate.{name}"
            rows = differing(
                rebuilt.lake,
                f"select {told} from {path} at (version => {rebuilt.snapshots[-1]})",
                f"select {told} from {path}",
            )
            if rows:
                wrong[name] = rows
        assert wrong == {}

    def test_the_history_reached_the_marts(self, rebuilt):
        moved = [
            name
            for name in MARTS
            if differing(
                rebuilt.lake,
                told(name, f"{RELATIONS[name].path} at (version => {rebuilt.snapshots[0]})"),
                told(name, RELATIONS[name].path),
            )
        ]
        assert len(moved) > len(MARTS) // 2

    def test_no_table_was_replaced_but_those_of_which_nothing_was_noted(self, rebuilt):
        def replaced(*between: int) -> set[str]:
            found = rebuilt.lake.execute(
                """select place.schema_name || '.' || own.table_name
                from __ducklake_metadata_marts.marts.ducklake_table as own
                inner join __ducklake_metadata_marts.marts.ducklake_schema as place using (schema_id)
                where own.begin_snapshot > ? and own.begin_snapshot <= ?""",
                between,
            ).fetchall()
            return {name for (name,) in found}

        assert replaced(*rebuilt.snapshots[-2:]) == set()
        assert replaced(*rebuilt.snapshots[:2]) >= set(WITHOUT_NOTE)


@pytest.fixture(scope="module")
def apart(rebuilt: Rebuilt) -> dict[str, float]:
    """What metrics' words come to over the history, worked out apart."""
    now = datetime.fromisoformat(TIMES[-1])
    return Words(rebuilt.lake, now).all() | coaching.told(coaching.weeks(rebuilt.lake, now)) | stated.told()


class TestWords:
    def test_metrics_say_what_their_words_say(self, rebuilt, apart):
        """Stocks of the newest day, flows over all time: the answers of a random history, worked out apart."""
        expected = apart
        told = {}
        for name in expected:
            row = rebuilt.lake.execute(over_all_time(METRICS[name])).fetchone()
            told[name] = nan if row is None or row[0] is None else float(row[0])
        assert [name for name, value in expected.items() if isnan(value)] == []
        assert told == pytest.approx(expected, rel=1e-6)

    def test_the_device_that_counts_and_the_readiness_it_tells_are_those_of_the_words(self, rebuilt):
        expected = Words(rebuilt.lake, datetime.fromisoformat(TIMES[-1])).readings()
        rows = rebuilt.lake.execute(
            "select customer_id::varchar, day, device, readiness from marts.training.fct_wearable_days"
        ).fetchall()
        assert {row[:2]: row[2] for row in rows} == {place: device for place, (device, *_) in expected.items()}
        scores = {row[:2]: nan if row[3] is None else row[3] for row in rows}
        assert scores == pytest.approx({place: score for place, (_, score, _) in expected.items()}, nan_ok=True)
        assert len({score for score in scores.values() if 0 < score < 100}) > 5

    def test_each_week_of_a_coach_has_the_hours_and_clients_of_the_words(self, rebuilt):
        expected = coaching.weeks(rebuilt.lake, datetime.fromisoformat(TIMES[-1]))
        rows = rebuilt.lake.execute(
            """select coach_id::varchar, week_starts_on, available_hours, delivered_hours, clients, client_capacity
            from marts.scheduling.fct_coach_weeks"""
        ).fetchall()
        assert {row[:2]: coaching.Week(*row[2:]) for row in rows} == expected
        assert len({one.clients for one in expected.values()}) > 2

    def test_every_metric_is_worked_out_apart_or_says_where_it_is_held(self, apart):
        worked_out = {*apart, *LIVES_SAY, *LOGS_SAY}
        assert worked_out | HELD.keys() == METRICS.keys()
        assert not worked_out & HELD.keys()


def landed(rebuilt: Rebuilt) -> set[str]:
    """The raw tables that models read and the lake has."""
    sources = json.loads((rebuilt.target / "manifest.json").read_text())["sources"].values()
    there = rebuilt.lake.execute("select table_name from duckdb_tables() where database_name = 'raw'").fetchall()
    return {source["identifier"] for source in sources} & {row[0] for row in there}


def cast(relation: str, where: str) -> str:
    """A query of a mart's rows of another warehouse, or of ours to compare with those, as the contract's types."""
    left_out = {"raw_snapshot_id"} if relation == "core.fct_builds" else set()  # only the lake has snapshots
    columns = ", ".join(
        f"round(cast({c} as double), 6) as {c}" if kind == "double" else f"cast({c} as {kind}) as {c}"
        for c, kind in RELATIONS[relation].columns.items()
        if c not in left_out
    )
    return f"select {columns} from {where}"


@pytest.fixture(scope="module")
def on_postgres(rebuilt: Rebuilt, postgres: PostgresServer) -> str:
    """Where a PostgreSQL is attached to which the change logs were copied, with the marts built on the copy."""
    name = f"warehouse_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    there = DestinationSettings(kind="postgres", credentials=postgres.url(name))
    sent = copy(rebuilt.settings, there, sorted(landed(rebuilt)))
    assert sum(sent.values()) > 0
    done = lakes.dbt(
        "build", "--resource-type", "model", "--resource-type", "seed", "--target", "postgres",
        settings=rebuilt.settings, target=rebuilt.target / "postgres", now=TIMES[-1], project=rebuilt.project,
        more={"PLYO_WAREHOUSE_PORT": str(postgres.port), "PLYO_WAREHOUSE_PASSWORD": postgres.password,
              "PLYO_WAREHOUSE_USER": "postgres", "PLYO_WAREHOUSE_DATABASE": name},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    rebuilt.lake.execute(f"attach '{postgres.url(name)}' as theirs (type postgres, read_only)")
    return "theirs"


class TestPostgres:
    @pytest.mark.parametrize("name", MARTS)
    def test_a_mart_on_postgres_is_the_mart_of_the_lake(self, rebuilt, on_postgres, name):
        theirs = f"{on_postgres}.{name}"
        assert differing(rebuilt.lake, cast(name, RELATIONS[name].path), cast(name, theirs)) == []


@pytest.fixture(scope="module")
def on_snowflake(rebuilt: Rebuilt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a Parquet file of each mart, by the mart's name, as dbt's own adapter builds it on a stand-in."""
    raw, target, marts = (tmp_path_factory.mktemp(name) for name in ("raw", "dbt_snowflake", "marts"))
    elsewhere.land(rebuilt.lake.cursor(), landed(rebuilt), raw)
    (marts / "queries.json").write_text(json.dumps({name: f"select * from {name}" for name in MARTS}))
    with elsewhere.snowflake(target) as port:
        elsewhere.stand_in("load", port, raw)
        done = lakes.dbt(
            "build", "--resource-type", "model", "--resource-type", "seed", "--target", "snowflake",
            settings=rebuilt.settings, target=target, now=TIMES[-1], more=elsewhere.snowflake_profile(port),
            python=elsewhere.python(), project=rebuilt.project,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:]
        elsewhere.stand_in("fetch", port, marts)
    return marts


class TestSnowflake:
    @pytest.mark.parametrize("name", MARTS)
    def test_a_mart_on_snowflake_is_the_mart_of_the_lake(self, rebuilt, on_snowflake, name):
        theirs = f"read_parquet('{on_snowflake / name}.parquet')"
        assert differing(rebuilt.lake, cast(name, RELATIONS[name].path), cast(name, theirs)) == []
