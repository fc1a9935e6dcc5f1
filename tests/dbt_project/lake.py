"""A lake for tests of what stands on it: raw change logs of a small business, snapshotted from a real PostgreSQL.

Change capture has tests of its own; here DuckDB's scanner takes its place, in the shape that capture lands.
"""

import os
import subprocess
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import psycopg

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from ingestion.landing import ensure_tables
from ingestion.quality import drift, judgements
from ingestion.wearables.tables import SCHEMAS
from plyo.postgres import PostgresServer
from tests.dbt_project import forked

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "dbt_project"
NOW = "2026-06-17 12:00:00+00"
"""The Wednesday on which the business of `business.sql` is looked at."""

SNAPSHOT_LSN = 1000
_LOADER = (
    "'r' as _op, 1000::ubigint as _lsn, row_number() over () as _seq, 0::ubigint as _xid, "
    f"timestamptz '{NOW}' as _committed_at, timestamptz '{NOW}' as _landed_at"
)
_TABLES = """
    select table_schema, table_name from information_schema.tables
    where table_type = 'BASE TABLE' and table_schema in
        ('platform', 'identity', 'commerce', 'training', 'scheduling', 'engagement', 'automation',
         'compliance', 'integrations')
"""


def snapshot(database_url: str, settings: WarehouseSettings) -> None:
    """Land every table of a migrated database in `raw` as a first snapshot would, and a watermark with it."""
    with psycopg.connect(database_url) as postgres:
        tables = postgres.execute(_TABLES).fetchall()
    with warehouse.writing(settings) as lake, warehouse.transaction(lake):
        lake.execute(f"attach '{database_url}' as source (type postgres, read_only)")
        for schema, table in tables:
            lake.execute(
                f"create or replace table raw.{schema}__{table} as select *, {_LOADER} from source.{schema}.{table}"
            )
        lake.execute("create table if not exists raw._cdc_watermarks (slot varchar, lsn ubigint, "
                     "committed_at timestamptz, landed_at timestamptz, changes bigint)")  # fmt: skip
        watermark(lake, SNAPSHOT_LSN)
    with warehouse.writing(settings) as lake:
        ensure_tables(lake, SCHEMAS)  # as their connector does before it reads anything
        drift.ensure(lake)
        judgements.ensure(lake)
        judgements.note(
            lake, "commerce__plans", "in raw", rows=9, refused=1, reasons={"currency is no currency": 1},
            now=datetime.fromisoformat(NOW),
        )  # fmt: skip
        lake.execute(
            f"""insert into {drift.TABLE} values (date '2026-06-15', 'marts.finance.fct_payments', 'attempt', 900, 120,
            0.4, 0.1, 'above 2: 1% before, 9% now', timestamptz '{NOW}')"""
        )


def copied(settings: WarehouseSettings, postgres: PostgresServer) -> WarehouseSettings:
    """The same lake by another catalog, to be changed at will; its files are shared. Nobody may be connected."""
    name, original = f"copied_{new_id().hex}", urlsplit(settings.lake_catalog_url.get_secret_value()).path.strip("/")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {original}")
    return WarehouseSettings(lake_catalog_url=postgres.url(name), lake_path=settings.lake_path)


def watermark(lake: duckdb.DuckDBPyConnection, lsn: int, *, at: str = NOW) -> None:
    """Say that the change log holds everything up to `lsn`."""
    lake.execute("insert into raw._cdc_watermarks values ('plyo', ?, ?, ?, 0)", [lsn, at, at])


def change(lake: duckdb.DuckDBPyConnection, table: str, operation: str, *, lsn: int, where: str, **values: str) -> None:
    """Append a change of the rows that `where` picks: a copy of them with other values, an operation and a place.

    Args:
        table: `<context>__<plural>`.
        operation: i, u or d.
        values: Column to SQL expression.
    """
    columns = [row[0] for row in lake.execute(f"describe raw.{table}").fetchall()]
    given = {"_op": f"'{operation}'", "_lsn": str(lsn), "_seq": "row_number() over ()"} | values
    picked = ", ".join(f"{given[column]} as {column}" if column in given else column for column in columns)
    lake.execute(f"insert into raw.{table} select {picked} from raw.{table} where {where}")


def environment(settings: WarehouseSettings | None, target: Path) -> dict[str, str]:
    """What a dbt process needs, and nothing else of ours."""
    known = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(ROOT),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target / "logs"),
        "DBT_LOG_LEVEL_FILE": "none",  # nobody reads it, and writing it is a tenth of a build
    }
    if settings is None:
        return known
    return known | {
        "PLYO_LAKE_CATALOG_URL": settings.lake_catalog_url.get_secret_value(),
        "PLYO_LAKE_PATH": settings.lake_path,
        "PLYO_LAKE_THREADS": str(settings.lake_threads),
    }


def command(*arguments: str, now: str, project: Path = PROJECT) -> list[str]:
    """One dbt command at a time."""
    return [
        *arguments, "--project-dir", str(project), "--profiles-dir", str(PROJECT), "--vars", f"{{now: '{now}'}}",
    ]  # fmt: skip


def killed(*arguments: str, target: Path, settings: WarehouseSettings, now: str, after_tables: int) -> int:
    """Kill dbt with -9 when it has made so many tables; returns how many it had."""
    made, said = 0, target / "said"
    os.mkfifo(said)
    process = forked.started(
        command(*arguments, now=now), environment=environment(settings, target), folder=ROOT, said=said
    )
    with said.open() as lines:
        for line in lines:
            made += " OK created sql table" in line
            if made == after_tables:
                process.kill()
                break
    process.join(600)
    return made


def dbt(
    *arguments: str,
    target: Path,
    settings: WarehouseSettings | None = None,
    now: str = NOW,
    more: Mapping[str, str] | None = None,
    python: Path | None = None,
    project: Path = PROJECT,
) -> subprocess.CompletedProcess[str]:
    """Run one dbt command on the lake, or where the environment leads to, at the tests' own time.

    Args:
        python: The interpreter whose dbt it is, where it is not ours.
    """
    known = environment(settings, target) | dict(more or {})
    told = command(*arguments, now=now, project=project)
    if python is None:
        is_read = project == PROJECT and "--target" not in arguments
        return forked.run(told, environment=known, folder=ROOT, timeout_seconds=900, is_read=is_read)
    return subprocess.run(
        [str(python), "-m", "dbt.cli.main", *told],
        env=known, cwd=ROOT, text=True, capture_output=True, check=False, timeout=900,
    )  # fmt: skip
