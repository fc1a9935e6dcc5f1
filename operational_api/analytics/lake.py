"""The process's one connection to the lake, shared by its threads, and what it remembers of answers.

An answer belongs to a snapshot of the marts: queries are bound to the snapshot's id, so the id is an exact cache key
and an answer can never mix two builds' tables within itself. Reading takes no lock in the catalog, so dbt never waits.
Does not belong here: what is asked (`metrics`, `datasets`) and who may ask (`scope`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
from psycopg.errors import UndefinedTable
from sqlalchemy import BigInteger, DateTime, Engine, column
from sqlalchemy import text as statement_of
from sqlalchemy.exc import DBAPIError

from contracts import warehouse
from contracts.relations import RELATIONS
from contracts.telemetry import get_logger
from contracts.warehouse import LakeMissing
from operational_api.analytics import asking
from operational_api.analytics.cursors import Cursors, Deadlines, following
from operational_api.analytics.errors import (
    Abandoned,
    LakeDown,
    NotBuilt,
    NotThatLongAgo,
    OtherColumns,
    TooManyRows,
    TooMuchMemory,
    TooSlow,
)
from operational_api.analytics.held import Held
from operational_api.analytics.query import At, Query, Value
from operational_api.analytics.remembered import Remembered
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.analytics.shared import Shared
from operational_api.core.database import make_engine
from operational_api.core.statements import Statement

log = get_logger(__name__)
_SIZES = statement_of(warehouse.row_counts("marts"))
_ERASED = "select max(erased_at) from raw.main._erasures where erased_at > $moment"
_BATCH_ROWS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _newest(lake: warehouse.Lake) -> Statement[tuple[int | None]]:
    return Statement(statement_of(warehouse.newest_snapshot(lake)).columns(column("max", BigInteger)))


_NEWEST, _NEWEST_RAW = _newest("marts"), _newest("raw")
_MADE: Statement[tuple[datetime]] = Statement(
    statement_of(warehouse.snapshot("marts")).columns(column("snapshot_time", DateTime(timezone=True)))
)
NEWEST_OF_BOTH: Statement[tuple[int | None, int | None]] = Statement(
    statement_of(
        f"select ({warehouse.newest_snapshot('marts')}) as marts, ({warehouse.newest_snapshot('raw')}) as raw"
    ).columns(column("marts", BigInteger), column("raw", BigInteger))
)
"""Asks the catalog itself for the newest snapshots of the marts and of `raw`."""


@dataclass(frozen=True)
class Answer:
    """Rows of a query at a snapshot, and the SQL that gives them to anybody."""

    table: pa.Table
    snapshot_id: int
    sql: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A query as it is run at a snapshot, and as it is told.

    Attributes:
        key: All that its answer depends on: equal keys are equal answers. The row policy is in it, so who may not see
            the same rows does not have the same key; nor has an answer of a lake that was made anew, or put back from a
            backup, where a snapshot's number is given again: when it was made is in the key.
        columns: Of each mart that is there, those that it may read.
    """

    text: str
    sql: str
    snapshot_id: int
    key: str
    at: At
    missing: frozenset[str]
    columns: Mapping[str, tuple[str, ...]]


class Lake:
    """Answers queries at snapshots. Safe to share between threads; opens the connection when first asked."""

    def __init__(self, settings: AnalyticsSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._cursors = Cursors(settings.analytics_cursors)
        self._files = Cursors(settings.analytics_file_cursors)
        self._deadlines = Deadlines()
        self._catalog = _catalog(settings)
        self._answers: Remembered[pa.Table | None] = Remembered(settings.analytics_cache_mib * 2**20 // 2)
        self._shared = Shared(
            settings.redis_url.get_secret_value(), settings.analytics_answers_key.get_secret_value(),
            making_seconds=2 * settings.analytics_query_seconds,  # its maker may have waited for a cursor as long
        )  # fmt: skip
        self._snapshots: Remembered[Any] = Remembered(512)
        self._missing: Remembered[frozenset[str]] = Remembered(64)
        self._held = Held(settings.analytics_held_cells, self._sizes)
        self._bindings: Remembered[Bound] = Remembered(1024)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
        self._shared.close()
        self._catalog.dispose()

    def snapshot_id(self) -> int:
        """Id of the newest snapshot of the marts. Asked each time, past DuckDB, so that no answer is of an older one
        than there was when somebody began to ask.

        Raises:
            NotBuilt: there is no lake yet.
            LakeDown: the catalog does not answer.
        """
        with catalog_errors(), self._catalog.connect() as connection:
            return newest_in(_NEWEST.all(connection, {}))

    def raw_snapshot_id(self) -> int | None:
        """Id of the newest snapshot of `raw`; None where there is none yet. As cheap as `snapshot_id`.

        Raises:
            LakeDown: the catalog does not answer.
        """
        with suppress(NotBuilt), catalog_errors(), self._catalog.connect() as connection:
            return newest_in(_NEWEST_RAW.all(connection, {}))
        return None

    def snapshot_at(self, moment: datetime) -> int:
        """Id of the snapshot that was the newest at `moment` (with a time zone).

        Raises:
            NotThatLongAgo: the oldest snapshot still kept is younger.
        """
        newest = self.snapshot_id()

        def find() -> int:
            with self._cursor() as cursor:
                row = cursor.execute(
                    """select max(snapshot_id) filter (snapshot_time <= $moment), min(snapshot_time)
                    from marts.snapshots()""",
                    {"moment": moment},
                ).fetchone()
            found, oldest = row or (None, None)
            if found is None:
                raise self._not_that_long_ago(oldest, moment)
            return int(found)

        found = int(self._snapshots.get((moment, newest), find))
        return found if self._moment_of(found) is not None else find()

    def first_after(self, moment: datetime) -> int:
        """Id of the oldest snapshot that is still kept and younger than `moment`.

        Raises:
            NotBuilt: there is none.
        """
        with self._cursor() as cursor:
            row = cursor.execute(
                "select min(snapshot_id) from marts.snapshots() where snapshot_time > ?", [moment]
            ).fetchone()
        if row is None or row[0] is None:
            raise NotBuilt
        return int(row[0])

    def erased_since(self, moment: datetime) -> datetime | None:
        """When people were forgotten last, and the past of the marts with them, if that was after `moment`."""
        ((erased_at,),) = self.raw(_ERASED, {"moment": moment}) or [(None,)]
        return erased_at.astimezone(UTC) if erased_at else None

    def _not_that_long_ago(self, oldest: datetime | None, moment: datetime) -> NotThatLongAgo:
        since = oldest.isoformat() if oldest else None
        if erased_at := self.erased_since(moment):
            return NotThatLongAgo(
                f"The lake does not remember that moment: what was told of people was erased on "
                f"{erased_at:%-d %b %Y}, and what was told before with it. `restatements` says which months changed.",
                oldest=since, because="erasure", erased_at=erased_at.isoformat(),
            )  # fmt: skip
        return NotThatLongAgo(oldest=since)

    def made_at(self, snapshot_id: int) -> datetime:
        """When a snapshot was made, in UTC.

        Raises:
            NotThatLongAgo: it is not kept any more, or was never there.
        """
        found = self._moment_of(snapshot_id)
        if found is None:
            raise NotThatLongAgo(f"The lake has no snapshot {snapshot_id}.")
        return found.astimezone(UTC)

    def _moment_of(self, snapshot_id: int) -> datetime | None:
        """When it was made, while it is kept. Asked each time: what a snapshot said that an erasure has ended, is not
        told from any memory."""
        with catalog_errors(), self._catalog.connect() as connection:
            return next((made for (made,) in _MADE.all(connection, {"snapshot_id": snapshot_id})), None)

    def ask(self, query: Query, *, snapshot_id: int | None = None) -> Answer:
        """Run a query at a snapshot (default: the newest), or tell what it was answered, here or in another process.

        Raises:
            NotBuilt: a mart it reads does not exist at that snapshot.
            TooManyRows, TooSlow, TooMuchMemory, Busy, LakeDown, Abandoned: as they say.
        """
        bound = self._bound(query, snapshot_id)

        def run() -> pa.Table:
            with self._cursor() as cursor:
                limit = self._settings.analytics_max_rows
                table = self._rows(cursor, query, bound, limit + 1)
            if table.num_rows > limit:
                raise TooManyRows(limit)
            return table

        table = self._known(bound.key, run)
        if table is None:  # more than is kept of a file's rows, and not more than may be told at once
            table = self._known(f"{bound.key} at once", run)
        return Answer(table, bound.snapshot_id, bound.sql)

    def _known(self, key: str, run: Callable[[], pa.Table | None]) -> pa.Table | None:
        """The answer of a key: remembered here, another process's of the same lake, or made now."""
        return self._answers.get(
            key, lambda: self._shared.get(f"{self._settings.lake_path} {key}", run),
            lambda made: 1024 + (made.nbytes + 1024 * made.num_columns if made else 0),
        )  # fmt: skip

    def sql_of(self, query: Query, *, snapshot_id: int) -> str:
        """The SQL that gives a query's answer to anybody."""
        return self._bound(query, snapshot_id).sql

    def batches(self, query: Query, *, snapshot_id: int | None = None) -> Iterator[pa.RecordBatch]:
        """All rows: remembered where they are few, streamed where they are many. At least one batch, maybe empty.

        Raises:
            As `stream`.
        """
        bound = self._bound(query, snapshot_id)
        few = self._settings.analytics_kept_rows

        def run() -> pa.Table | None:
            with self._cursor() as cursor:
                table = self._rows(cursor, query, bound, few + 1)
            return table if table.num_rows <= few else None

        try:
            table = self._known(bound.key, run)
        except TooManyRows:  # for somebody who asked for them at once, for whom this one waited
            table = None
        if table is None:
            return self.stream(query, snapshot_id=snapshot_id)
        return iter(table.to_batches(_BATCH_ROWS) or [pa.RecordBatch.from_pylist([], schema=table.schema)])

    def stream(self, query: Query, *, snapshot_id: int | None = None) -> Iterator[pa.RecordBatch]:
        """Batches of a query's rows, one after the other; not remembered, and never all in memory.

        The cursor is held until the last batch, or until the client's asking ends. The first batch is read before
        this returns, so a refusal comes before anything is told.
        Where there are no rows one empty batch tells the columns.

        Raises:
            As `ask`; also between batches. The budgets are those of files.
        """
        bound = self._bound(query, snapshot_id)
        settings, held = self._settings, ExitStack()
        try:
            cursor = held.enter_context(self._cursor(self._files, settings.analytics_file_seconds))
            reader = cursor.execute(bound.text, query.parameters).to_arrow_reader(_BATCH_ROWS)
            first = following(reader) or pa.RecordBatch.from_pylist([], schema=reader.schema)
        except BaseException as error:
            held.__exit__(type(error), error, error.__traceback__)  # raises it again, in our words
            raise
        asking.current().at_end(held.close)

        def rest() -> Iterator[pa.RecordBatch]:
            told, batch = 0, first
            try:
                while True:
                    told += batch.num_rows
                    if told > settings.analytics_file_max_rows:
                        raise TooManyRows(settings.analytics_file_max_rows)
                    yield batch
                    more = following(reader)
                    if more is None:
                        break
                    batch = more
            except GeneratorExit:
                held.close()
                raise
            except BaseException as error:
                held.__exit__(type(error), error, error.__traceback__)
                raise
            held.close()

        return rest()

    def key_of(self, query: Query, *, snapshot_id: int | None = None) -> str:
        """All that an answer depends on, as one text: equal keys are equal answers."""
        return self._bound(query, snapshot_id).key

    def raw(self, statement: str, parameters: Mapping[str, Value] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a statement of our own over `raw`, at its newest snapshot; empty where its table is not there yet."""
        try:
            with self._cursor() as cursor:
                return cursor.execute(statement, parameters or {}).fetchall()
        except OtherColumns:
            raise
        except NotBuilt:
            return []

    def _sizes(self) -> dict[str, int]:
        with catalog_errors(), self._catalog.connect() as connection:
            return {name: int(rows) for name, rows in connection.execute(_SIZES)}

    def _rows(self, cursor: duckdb.DuckDBPyConnection, query: Query, bound: Bound, limit: int) -> pa.Table:
        tables: Mapping[str, str] = {}
        with suppress(duckdb.BinderException):  # of a snapshot from before the mart had all of its columns none is held
            tables = self._held.tables(cursor, bound.columns, bound.snapshot_id, query.parts)
        if tables:
            text = query.to_run(bound.at, missing=bound.missing, tables=tables)
            with suppress(duckdb.CatalogException, duckdb.BinderException):  # a newer snapshot has dropped them since
                return _told(cursor.execute(f"select * from ({text}) limit {limit:d}", query.parameters))
        return _told(cursor.execute(f"select * from ({bound.text}) limit {limit:d}", query.parameters))

    def _bound(self, query: Query, snapshot_id: int | None) -> Bound:
        version = self.snapshot_id() if snapshot_id is None else snapshot_id
        given = tuple(sorted(query.parameters.items()))

        def bind() -> Bound:
            missing = self._missing_at(version) & set(query.relations)
            is_timed = query.depends_on_the_clock
            at = At(
                version, self.made_at(version) if is_timed else _EPOCH, -1 if query.then is None else query.then,
                self.made_at(query.then) if is_timed and query.then is not None else _EPOCH,
            )  # fmt: skip
            text = query.to_run(at, missing=missing)
            sql = query.to_read(at, missing=missing)
            columns = {name: query.columns_of(name) for name in query.relations if name not in missing}
            made = self._snapshots.get(("moment", version), lambda: self._moment_of(version))
            key = repr((text, given, made and made.astimezone(UTC)))
            return Bound(text, sql, version, key, at, frozenset(missing), columns)

        return self._bindings.get((query.text, given, query.then, version), bind)

    def _missing_at(self, snapshot_id: int) -> frozenset[str]:
        # Scores come after the marts of the first pipeline: until then they are empty, not an error.
        def look() -> frozenset[str]:
            absent = set()
            for name, relation in RELATIONS.items():
                if relation.schema == "ml":
                    try:
                        with self._cursor() as cursor:
                            cursor.execute(f"select 1 from {relation.path} at (version => {snapshot_id:d}) limit 0")
                    except NotBuilt:
                        absent.add(name)
            return frozenset(absent)

        return self._missing.get(snapshot_id, look)

    def _open(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = warehouse.connect(self._settings)
            return self._connection

    def _forget(self) -> None:
        with self._lock:
            self._held.forget()
            self._connection = None  # cursors still at work keep theirs until they end

    @contextmanager
    def _cursor(self, pool: Cursors | None = None, seconds: float | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of one's own for a while, within the budget, with DuckDB's errors told in our words."""
        pool = pool or self._cursors
        seconds = self._settings.analytics_query_seconds if seconds is None else seconds
        me = asking.current()
        cursor = pool.take(self._settings.analytics_query_seconds)
        try:
            if cursor is None:
                cursor = self._open().cursor()
            with me.stopping(cursor.interrupt), self._deadlines.stopped_after(seconds, cursor.interrupt):
                yield cursor
        except (LakeMissing, duckdb.CatalogException) as error:
            raise NotBuilt from error
        except duckdb.BinderException as error:
            log.error("lake_has_other_columns", error=str(error).splitlines()[0])
            raise OtherColumns from error
        except duckdb.InterruptException as error:
            raise (Abandoned() if me.is_over else TooSlow(seconds)) from error
        except duckdb.OutOfMemoryException as error:
            raise TooMuchMemory(self._settings.lake_memory_limit) from error
        except (
            duckdb.IOException,
            duckdb.ConnectionException,
            duckdb.FatalException,
            duckdb.InternalException,
        ) as error:
            cursor = None
            self._forget()
            log.error("lake_unavailable", error=str(error).splitlines()[0])
            raise LakeDown from error
        finally:
            pool.put(cursor)


def catalog_url(settings: AnalyticsSettings) -> str:
    """Address of the catalog's own database, for SQLAlchemy."""
    _, _, address = settings.lake_catalog_url.get_secret_value().partition("://")
    return f"postgresql+psycopg://{address}"


def _catalog(settings: AnalyticsSettings) -> Engine:
    engine = make_engine(catalog_url(settings), application_name="plyo-analytics-lake", pool_size=4)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def newest_in(told: Sequence[tuple[int | None]]) -> int:
    """The id in what was answered when it was asked for.

    Raises:
        NotBuilt: there is none yet.
    """
    [(found,)] = told
    if found is None:
        raise NotBuilt
    return found


@contextmanager
def catalog_errors() -> Iterator[None]:
    """Tell what the catalog's database refuses in our words.

    Raises:
        NotBuilt: there is no lake yet.
        LakeDown: the catalog does not answer.
    """
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, UndefinedTable):
            raise NotBuilt from error
        log.error("lake_unavailable", error=str(error).splitlines()[0])
        raise LakeDown from error


def _told(result: duckdb.DuckDBPyConnection) -> pa.Table:
    """All rows of a result, in as much memory as they need. DuckDB reserves that of a whole batch for each column, of a
    million rows unless it is told otherwise, so a handful of rows that were kept took a hundred times their weight."""
    table, sink = result.to_arrow_table(_BATCH_ROWS), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    with pa.ipc.open_stream(sink.getvalue().to_pybytes()) as stream:
        return stream.read_all()


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as dicts of Python values."""
    told: list[dict[str, Any]] = table.to_pylist()
    return told


def one(table: pa.Table) -> Mapping[str, Any] | None:
    """The only row, or None."""
    return rows(table.slice(0, 1))[0] if table.num_rows else None
