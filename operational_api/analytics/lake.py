"""The process's one connection to the lake, shared by its threads, and what it remembers of answers.

An answer belongs to a snapshot of the marts: queries are bound to the snapshot's id, so the id is an exact cache key
and an answer can never mix two builds' tables within itself. Reading takes no lock in the catalog, so dbt never waits.
Does not belong here: what is asked (`metrics`, `datasets`) and who may ask (`scope`).
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from queue import Empty, LifoQueue
from threading import Lock, Timer
from typing import Any, Generic, TypeVar

import duckdb
import pyarrow as pa

from contracts import warehouse
from contracts.relations import RELATIONS
from contracts.telemetry import get_logger
from contracts.warehouse import LakeMissing
from operational_api.analytics.errors import Busy, LakeDown, NotBuilt, NotThatLongAgo, TooManyRows, TooSlow
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings

log = get_logger(__name__)
T = TypeVar("T")
SNAPSHOT_SECONDS = 0.25
"""How long the newest snapshot id is believed before the catalog is asked again."""


class Remembered(Generic[T]):
    """Values by key up to a total weight, least recently used out first; equal questions at once are made once."""

    def __init__(self, limit: int) -> None:
        self._limit, self._weight = limit, 0
        self._kept: OrderedDict[Any, tuple[T, int]] = OrderedDict()
        self._making: dict[Any, Future[T]] = {}
        self._lock = Lock()

    def get(self, key: object, make: Callable[[], T], weigh: Callable[[T], int] = lambda _: 1) -> T:
        """The value of `key`, made by `make` when it is not there; what `make` raises is not remembered."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
            waited_for = self._making.get(key)
            if waited_for is None:
                mine = self._making[key] = Future()
        if waited_for is not None:
            return waited_for.result()
        try:
            value = make()
        except BaseException as error:
            mine.set_exception(error)
            with self._lock:
                del self._making[key]
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, value, weigh(value))
        mine.set_result(value)
        return value

    def _keep(self, key: object, value: T, weight: int) -> None:
        if weight > self._limit // 4:
            return
        self._kept[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit:
            _, (_, gone) = self._kept.popitem(last=False)
            self._weight -= gone


@dataclass(frozen=True)
class Answer:
    """Rows of a query at a snapshot, and the SQL that gives them to anybody."""

    table: pa.Table
    snapshot_id: int
    sql: str


class Lake:
    """Answers queries at snapshots. Safe to share between threads; opens the connection when first asked."""

    def __init__(self, settings: AnalyticsSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._cursors: LifoQueue[duckdb.DuckDBPyConnection | None] = LifoQueue()
        for _ in range(settings.analytics_cursors):
            self._cursors.put(None)
        self._newest: tuple[float, int] = (-1e9, -1)
        self._answers: Remembered[pa.Table] = Remembered(settings.analytics_cache_mib * 2**20)
        self._moments: Remembered[int] = Remembered(512)
        self._missing: Remembered[frozenset[str]] = Remembered(64)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def snapshot_id(self) -> int:
        """Id of the newest snapshot of the marts.

        Raises:
            NotBuilt: there is no lake yet.
            LakeDown: the catalog does not answer.
        """
        asked_at, known = self._newest
        if time.monotonic() - asked_at > SNAPSHOT_SECONDS:
            with self._cursor() as cursor:
                known = warehouse.snapshot_id(cursor, "marts")
            self._newest = (time.monotonic(), known)
        return known

    def snapshot_at(self, moment: datetime) -> int:
        """Id of the snapshot that was the newest at `moment` (with a time zone).

        Raises:
            NotThatLongAgo: the oldest snapshot still kept is younger.
        """
        self.snapshot_id()

        def find() -> int:
            with self._cursor() as cursor:
                row = cursor.execute(
                    """select max(snapshot_id) filter (snapshot_time <= $moment), min(snapshot_time)
                    from marts.snapshots()""",
                    {"moment": moment},
                ).fetchone()
            found, oldest = row or (None, None)
            if found is None:
                raise NotThatLongAgo(oldest=oldest.isoformat() if oldest else None)
            return int(found)

        return self._moments.get(moment, find)

    def ask(self, query: Query, *, snapshot_id: int | None = None) -> Answer:
        """Run a query at a snapshot (default: the newest), or remember its answer.

        Raises:
            NotBuilt: a mart it reads does not exist at that snapshot.
            TooManyRows, TooSlow, Busy, LakeDown: as they say.
        """
        at = self.snapshot_id() if snapshot_id is None else snapshot_id
        missing = self._missing_at(at) & set(query.relations)
        text = query.to_run(at, missing=missing)

        def run() -> pa.Table:
            with self._cursor() as cursor:
                limit = self._settings.analytics_max_rows
                table = cursor.execute(f"select * from ({text}) limit {limit + 1}", query.parameters).to_arrow_table()
            if table.num_rows > limit:
                raise TooManyRows(limit=limit)
            return table

        if query.depends_on_the_clock:
            table = run()
        else:
            key = (text, tuple(sorted(query.parameters.items())))
            table = self._answers.get(key, run, lambda made: int(made.nbytes) + 1024)
        return Answer(table, at, query.to_read(at, missing=missing))

    def raw(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement of our own over `raw`, at its newest snapshot; empty where its table is not there yet."""
        try:
            with self._cursor() as cursor:
                return cursor.execute(statement).fetchall()
        except NotBuilt:
            return []

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
            self._connection = None  # cursors still at work keep theirs until they end

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of one's own for a moment, with DuckDB's errors told in our words."""
        try:
            cursor = self._cursors.get(timeout=self._settings.analytics_query_seconds)
        except Empty:
            raise Busy from None
        try:
            if cursor is None:
                cursor = self._open().cursor()
            timer = Timer(self._settings.analytics_query_seconds, cursor.interrupt)
            timer.start()
            try:
                yield cursor
            finally:
                timer.cancel()
        except (LakeMissing, duckdb.CatalogException) as error:
            raise NotBuilt from error
        except duckdb.InterruptException as error:
            raise TooSlow from error
        except duckdb.OutOfMemoryException as error:
            raise TooSlow("This question needs more memory than it may have. Narrow it.") from error
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
            self._cursors.put(cursor)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as dicts of Python values."""
    told: list[dict[str, Any]] = table.to_pylist()
    return told


def one(table: pa.Table) -> Mapping[str, Any] | None:
    """The only row, or None."""
    return rows(table.slice(0, 1))[0] if table.num_rows else None
