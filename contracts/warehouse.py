"""How to reach the lake: connections with both lakes attached, retries, extensions, snapshots.

The lake is two DuckLakes: `raw`, to which change capture and ingestion append, and `marts`, which dbt and ml write.
Both catalogs live in one PostgreSQL database, in a schema of the lake's name; the rows are Parquet files in one folder.
No SQL of a model and no table name belongs here.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from time import sleep
from typing import Literal, TypeVar
from urllib.parse import unquote, urlsplit

import duckdb
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Lake = Literal["raw", "marts"]
LAKES: tuple[Lake, ...] = ("raw", "marts")

# Writes of at most so many rows stay in the catalog until they are flushed: the change stream commits every second and
# would otherwise leave a Parquet file per table and commit. Not more, because inlining writes about a megabyte a
# second, a file a hundred times that. dbt replaces whole tables, which gain nothing from it.
_INLINED_ROWS: dict[Lake, int] = {"raw": 100, "marts": 0}

# The two extensions come as wheels: nothing is downloaded when the program runs.
_EXTENSIONS = ("ducklake", "postgres_scanner")

# DuckLake repeats a commit that lost the race for the next snapshot id; more often and sooner than its default, because
# a stream commits to `raw` all the time.
_RETRIES = {"ducklake_max_retry_count": 100, "ducklake_retry_wait_ms": 20, "ducklake_retry_backoff": 1.2}

RAW_SNAPSHOT = "PLYO_LAKE_RAW_SNAPSHOT"
"""Environment variable: the snapshot of raw that a builder of marts is lent, instead of the newest."""
THREADS = "PLYO_LAKE_THREADS"
"""Environment variable: DuckDB's threads in one process."""

T = TypeVar("T")


class LakeMissing(RuntimeError):
    """The lake was never set up: run `contracts.warehouse.set_up` (or `make run`) first."""


class WarehouseSettings(BaseSettings):
    """Where the lake is, read from PLYO_LAKE_*.

    Args:
        lake_catalog_url: libpq URL of the catalog database, with the process's own role.
        lake_path: Folder of the Parquet files; `raw/` and `marts/` are made in it.
        lake_memory_limit: DuckDB's limit for one process.
        lake_threads: DuckDB's worker threads in one process.
        lake_raw_snapshot: Snapshot of raw that a builder of marts is lent; without it, the newest.
    """

    model_config = SettingsConfigDict(env_prefix="PLYO_", extra="ignore")

    lake_catalog_url: SecretStr
    lake_path: str
    lake_memory_limit: str = "1GB"
    lake_threads: int = 2
    lake_raw_snapshot: int | None = None


def extension_file(name: str) -> Path:
    """The DuckDB extension that the wheel `duckdb-extension-<name>` brought for the installed DuckDB.

    Raises:
        ModuleNotFoundError: the wheel is not installed, or is of another DuckDB version.
    """
    spec = find_spec(f"duckdb_extension_{name}")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        file = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.exists():
            return file
    raise ModuleNotFoundError(f"duckdb-extension-{name}=={duckdb.__version__} is not installed: run `make install`")


def install_extensions() -> None:
    """Put the extensions where DuckDB looks for them by name, for programs that open DuckDB themselves (dbt).

    Our own connections load the wheels' files and don't need it. Processes that start at once take turns.
    """
    with (Path(tempfile.gettempdir()) / f"plyo-duckdb-extensions-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
            for name in _EXTENSIONS:
                if not _is_installed(connection, name):
                    connection.execute(f"force install '{extension_file(name)}'")


def connect(
    settings: WarehouseSettings, *, read_only: bool = True, as_of: datetime | Mapping[Lake, int] | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection with both lakes attached, in UTC; prefer `reading` or `writing`, which close it.

    A connection costs about half a second: a service keeps one and gives each request a `cursor()`. Never write from
    two threads of one process: DuckLake's schema changes race inside a process.

    Args:
        read_only: Refuse writes here already; give readers a role that may only select as well.
        as_of: See the lakes as they were then: a time, or a snapshot id for each lake (which makes it read-only).

    Raises:
        LakeMissing: no lake is in the catalog yet.
    """
    connection = _open(settings)
    try:
        for lake in LAKES:
            options = _moment(lake, as_of) + (["read_only"] if read_only or as_of is not None else [])
            _attach(connection, lake, [*options, "create_if_not_exists false"])
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def reading(
    settings: WarehouseSettings, *, as_of: datetime | Mapping[Lake, int] | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Both lakes, read-only, as `raw` and `marts`. See `connect`."""
    with connect(settings, read_only=True, as_of=as_of) as connection:
        yield connection


@contextmanager
def writing(settings: WarehouseSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Both lakes, writable, as `raw` and `marts`. A transaction writes to one lake only. See `connect`."""
    with connect(settings, read_only=False) as connection:
        yield connection


@cache
def check_extensions() -> None:
    """Load the extensions once; without it, the first connection of a process does.

    DuckDB checks an extension's signature in every database that loads it, which takes half a second. Once in a process
    is enough for files that don't change under it.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute("set enable_progress_bar = false")
        for name in _EXTENSIONS:
            connection.execute(f"load '{extension_file(name)}'")


def connection_config(settings: WarehouseSettings) -> dict[str, str | bool | int | float | list[str]]:
    """What `duckdb.connect` must be told, for programs that open DuckDB themselves (dbt)."""
    check_extensions()
    return {
        "allow_unsigned_extensions": "true",
        "autoinstall_known_extensions": "false",
        "memory_limit": settings.lake_memory_limit,
        "threads": str(settings.lake_threads),
        "temp_directory": str(Path(tempfile.gettempdir()) / f"plyo-duckdb-{os.getpid()}"),
    }


def lend(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings) -> None:
    """Attach both lakes to a connection that a builder of marts opened with `connection_config`.

    `marts` is writable. `raw` stays as it is now however long the connection lives: models built one after the other
    then agree with each other, although the stream goes on appending.

    Raises:
        LakeMissing: no lake is in the catalog yet.
    """
    _furnish(connection, settings)
    # A build fails when its catalog goes away, however often it asks before; a service has to notice and connect anew.
    connection.execute("set pg_pool_health_check_query = ''")
    snapshot = settings.lake_raw_snapshot
    if snapshot is None:
        _attach(connection, "raw", ["read_only", "create_if_not_exists false"])
        snapshot = snapshot_id(connection, "raw")
        connection.execute("detach raw")
    _attach(connection, "raw", [*_moment("raw", {"raw": snapshot}), "read_only", "create_if_not_exists false"])
    _attach(connection, "marts", ["create_if_not_exists false"])


def set_up(settings: WarehouseSettings, *, reader_role: str = "lake_reader") -> None:
    """Make both lakes unless they are there, and let the reader role see what is and what will be in them.

    Args:
        settings: With a role that may create schemas in the catalog database.
        reader_role: PostgreSQL role of those who only look; skipped where the server has no such role.
    """
    if "://" not in settings.lake_path:
        for lake in LAKES:
            (Path(settings.lake_path) / lake).mkdir(parents=True, exist_ok=True)
    install_extensions()
    with _open(settings) as connection:
        connection.execute("attach '' as catalog (type postgres, secret lake_catalog)")
        # Two processes that set up at once: the second waits, then finds the lakes made.
        connection.execute("begin")
        connection.execute("select * from postgres_query('catalog', 'select pg_advisory_xact_lock(748294)::text')")
        with _open(settings) as maker:
            for lake in LAKES:
                folder = f"{settings.lake_path.rstrip('/')}/{lake}/"
                _attach(maker, lake, [f"data_path {_literal(folder)}"])
                # At creation and never again: DuckDB 1.5.5 crashes when it is set on a lake that holds a view.
                options = {row[0] for row in maker.execute(f"from {lake}.options()").fetchall()}
                if "data_inlining_row_limit" not in options:
                    maker.execute(f"call {lake}.set_option('data_inlining_row_limit', {_INLINED_ROWS[lake]})")
        connection.execute("commit")
        for statement in _grants(reader_role):
            connection.execute(f"call postgres_execute('catalog', {_literal(statement)})")


def snapshot_id(connection: duckdb.DuckDBPyConnection, lake: Lake) -> int:
    """Id of the newest snapshot of a lake; it grows with every commit, so it is an exact cache key."""
    row = connection.execute(f"from {lake}.current_snapshot()").fetchone()
    if row is None:
        raise LakeMissing(lake)
    return int(row[0])


def newest_snapshot(lake: Lake) -> str:
    """The same as SQL for the catalog itself: a look into an index, where DuckDB needs eight round trips."""
    return f"select max(snapshot_id) from {lake}.ducklake_snapshot"  # noqa: S608 - one of two names


def snapshot(lake: Lake) -> str:
    """SQL for the catalog: when the snapshot `:snapshot_id` was made, while it is kept."""
    return f"select snapshot_time from {lake}.ducklake_snapshot where snapshot_id = :snapshot_id"  # noqa: S608 - one of two names


def row_counts(lake: Lake) -> str:
    """SQL for the catalog: `schema.table` and rows of every table at the newest snapshot; never fewer than it has."""
    return f"""
        select schema_name || '.' || table_name, record_count
        from {lake}.ducklake_table_stats
        inner join {lake}.ducklake_table as own using (table_id)
        inner join {lake}.ducklake_schema as home using (schema_id)
        where own.end_snapshot is null and home.end_snapshot is null
    """  # noqa: S608 - one of two names


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Everything inside is committed together at the end, or not at all when it raises."""
    connection.execute("begin")
    try:
        yield connection
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def in_transaction(connection: duckdb.DuckDBPyConnection, work: Callable[[], T], *, attempts: int = 5) -> T:
    """Run `work` in a transaction, from the start again when another writer changed the same table meanwhile.

    DuckLake itself repeats only lost races for the snapshot id; a conflict of contents is the application's to repeat.

    Raises:
        duckdb.TransactionException: the conflict came back in every attempt.
    """
    for attempt in range(1, attempts + 1):
        try:
            with transaction(connection):
                return work()
        except duckdb.TransactionException:
            if attempt == attempts:
                raise
            sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable")


def _is_installed(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    query = "select install_path from duckdb_extensions() where extension_name = ? and installed"
    row = connection.execute(query, [name]).fetchone()
    return (
        row is not None
        and Path(row[0]).is_file()
        and Path(row[0]).stat().st_size == extension_file(name).stat().st_size
    )


def _open(settings: WarehouseSettings) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=connection_config(settings))
    try:
        _furnish(connection, settings)
    except BaseException:
        connection.close()
        raise
    return connection


def _furnish(connection: duckdb.DuckDBPyConnection, settings: WarehouseSettings) -> None:
    connection.execute("set enable_progress_bar = false")
    for name in _EXTENSIONS:
        connection.execute(f"load '{extension_file(name)}'")
    connection.execute("set timezone = 'UTC'; set python_enable_replacements = false")
    for setting, value in _RETRIES.items():
        connection.execute(f"set {setting} = {value}")
    connection.execute(f"create secret lake_catalog ({_secret(settings.lake_catalog_url.get_secret_value())})")


def _attach(connection: duckdb.DuckDBPyConnection, lake: Lake, options: list[str]) -> None:
    # `meta_schema`: look at the catalog's tables in this schema alone, not in every schema of the database.
    named = [f"metadata_schema '{lake}'", f"meta_schema '{lake}'", "meta_secret 'lake_catalog'", *options]
    try:
        connection.execute(f"attach 'ducklake:postgres:' as {lake} ({', '.join(named)})")
    except duckdb.InvalidInputException as error:
        if "does not exist" in str(error):
            raise LakeMissing(f"No lake `{lake}` in the catalog. Run `make run` once to set it up.") from error
        raise


def _moment(lake: Lake, as_of: datetime | Mapping[Lake, int] | None) -> list[str]:
    if as_of is None:
        return []
    if isinstance(as_of, datetime):
        if as_of.tzinfo is None:
            raise ValueError("as_of needs a time zone")
        return [f"snapshot_time '{as_of.isoformat()}'"]
    return [f"snapshot_version {int(as_of[lake])}"] if lake in as_of else []


def _secret(url: str) -> str:
    # As a secret the password is in no statement's text, so it cannot come back in an error message.
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ValueError("PLYO_LAKE_CATALOG_URL must look like postgresql://role:password@host:port/lake")
    given = {
        "host": parts.hostname or "127.0.0.1",
        "port": str(parts.port or 5432),
        "database": unquote(parts.path.strip("/")),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }
    return "type postgres, " + ", ".join(f"{name} {_literal(value)}" for name, value in given.items() if value)


def _grants(reader_role: str) -> list[str]:
    return [
        f"""do $$ begin
            if exists (select from pg_roles where rolname = '{reader_role}') then
                grant usage on schema {lake} to {reader_role};
                grant select on all tables in schema {lake} to {reader_role};
                alter default privileges in schema {lake} grant select on tables to {reader_role};
            end if;
        end $$"""
        for lake in LAKES
    ]


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
