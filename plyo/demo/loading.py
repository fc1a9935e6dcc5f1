"""Loading the simulated business: refuse a business that is there, mark, simulate and COPY side by side, unmark.

Stages of its people are what its events make, as for everybody (`plyo.stages`).

Each block of customers is one transaction. A load that was cut off leaves its marker in `platform.bulk_loads` without
`finished_at`; the next load sees that, empties the tables and begins anew.
"""

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import psycopg
from psycopg import sql

from contracts.ids import new_id
from plyo.demo import balance
from plyo.demo.batch import Batch
from plyo.demo.block import Block, live
from plyo.demo.catalogue import ZONES
from plyo.demo.clock import Clock
from plyo.demo.columns import insert_order
from plyo.demo.foundation import Foundation, lay
from plyo.demo.presence import (
    DEFAULT_CUSTOMERS,
    DEFAULT_MONTHS,
    DEFAULT_SEED,
    NAME,
    SMALLEST,
    BusinessExists,
    LoadRunning,
    libpq,
    state_of,
)
from plyo.demo.truth import Truth
from plyo.stages import replay

SMALLEST_BLOCK, LARGEST_BLOCK = 400, 1000
WRITERS = 2
Progress = Callable[[str, int, int], None]
_LOCK = 0x504C594F
_KEPT = frozenset({"platform.bulk_loads", "platform.consent_marks", "identity.oauth_clients"})


@dataclass(frozen=True)
class LoadReport:
    """What a load wrote: rows of each table, the simulated now, and the seconds it took."""

    rows: dict[str, int]
    until: datetime
    seconds: float


def load(
    url: str,
    *,
    customers: int = DEFAULT_CUSTOMERS,
    months: int = DEFAULT_MONTHS,
    seed: int = DEFAULT_SEED,
    until: datetime | None = None,
    state_folder: Path,
    progress: Progress | None = None,
) -> LoadReport:
    """Simulate a business and write it into a migrated, empty database.

    Args:
        url: The database, as owner of the schemas.
        customers: People who ever become customers, at least 20.
        months: Length of the story, 2 to 60.
        seed: The same seed and `until` give the same rows.
        until: The simulated now; bookings reach two weeks further. Default: this moment.
        state_folder: Gets `demo/truth.parquet` and `demo/truth_customers.parquet`.
        progress: Called with a step's name, how much of it is done, and its total.

    Raises:
        BusinessExists: there are accounts, plans or customers that no unfinished demo load wrote.
        LoadRunning: another load is under way.
        ValueError: a size outside its range.
    """
    if not SMALLEST <= customers <= 200_000:
        raise ValueError(f"customers must be between {SMALLEST} and 200000")
    if not 2 <= months <= 60:
        raise ValueError("months must be between 2 and 60")
    if seed < 0:
        raise ValueError("seed must not be negative")
    began = time.monotonic()
    until = (until or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    clock = Clock.make(until, months, ZONES)
    parameters = {"customers": customers, "months": months, "seed": seed, "until": until.isoformat()}
    tell = progress or (lambda _step, _done, _total: None)
    url = libpq(url)
    with _marked(url, parameters), Truth(state_folder / "demo", clock) as truth:
        rows = _fill(url, customers, seed, clock, truth, tell)
        replay(url)
        rows["commerce.provider_movements"] = balance.keep(url, until)
    return LoadReport(rows=dict(rows), until=until, seconds=time.monotonic() - began)


@contextmanager
def _marked(url: str, parameters: dict[str, object]) -> Iterator[None]:
    """Hold the load's lock and its marker: begun before the block, finished after it unless it fails."""
    with psycopg.connect(url, autocommit=True) as connection:
        locked = connection.execute("select pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        if locked != (True,):
            raise LoadRunning("Another process is loading the demo business into this database.")
        found = state_of(connection)
        if found in ("loaded", "in use"):
            what = "The demo is loaded already." if found == "loaded" else "There is data of a business."
            raise BusinessExists(f"{what} Run `plyo reset` first, or choose another database.")
        if found == "unfinished":
            _empty(connection)
        marker = new_id()
        connection.execute(
            "insert into platform.bulk_loads (id, name, parameters, started_at) values (%s, %s, %s, now())",
            [marker, NAME, json.dumps(parameters)],
        )
        yield
        _advance_sequences(connection)
        connection.execute("update platform.bulk_loads set finished_at = now() where id = %s", [marker])


def _advance_sequences(connection: psycopg.Connection) -> None:
    """Let every table whose ids are counted go on behind what was loaded with ids of its own."""
    counted = connection.execute(
        """
        select n.nspname, c.relname, a.attname, s.oid::regclass::text
        from pg_class s join pg_depend d on d.objid = s.oid and d.deptype in ('a', 'i') and d.refobjsubid > 0
        join pg_class c on c.oid = d.refobjid join pg_namespace n on n.oid = c.relnamespace
        join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid
        where s.relkind = 'S'
        """
    ).fetchall()
    for schema, table, column, sequence in counted:
        connection.execute(
            sql.SQL("select setval({}, max({})) from {} having max({}) is not null").format(
                sql.Literal(sequence), sql.Identifier(column), sql.Identifier(schema, table), sql.Identifier(column)
            )
        )


def _empty(connection: psycopg.Connection) -> None:
    """Remove what a load that was cut off left behind, its marker last; one transaction."""
    tables = sql.SQL(", ").join(sql.Identifier(*name.split(".")) for name in insert_order() if name not in _KEPT)
    with connection.transaction():
        # What is written for good refuses to be emptied; what the simulation wrote there never happened.
        kept = connection.execute(
            "select tgrelid::regclass::text from pg_trigger where tgname = 'not_emptied'"
        ).fetchall()
        for (table,) in kept:
            connection.execute(f"alter table {table} disable trigger not_emptied")
        connection.execute(sql.SQL("truncate {} cascade").format(tables))
        for (table,) in kept:
            connection.execute(f"alter table {table} enable trigger not_emptied")
        connection.execute("delete from platform.bulk_loads where name = %s", [NAME])


def _fill(url: str, customers: int, seed: int, clock: Clock, truth: Truth, tell: Progress) -> Counter[str]:
    # Each block writes into every page of the same years of each index, and PostgreSQL logs the page anew: large blocks
    # are fast. Small ones show progress, and keep both writers at work.
    size = min(max(customers // 4, SMALLEST_BLOCK), LARGEST_BLOCK)
    count = max(1, round(customers / size))
    edges = np.linspace(0, customers, count + 1).round().astype(int)
    base, batch = _foundation(seed, clock)
    with _Writers(url, min(WRITERS, count), lambda done: tell("Loading the demo business", done, customers)) as writers:
        writers.write_now(batch)
        for number in range(count):
            size, offset = int(edges[number + 1] - edges[number]), int(edges[number])
            block = live(number=number, size=size, offset=offset, base=base, clock=clock, seed=seed)
            truth.tell(block)
            writers.put(block)
    return writers.rows


def _foundation(seed: int, clock: Clock) -> tuple[Foundation, Batch]:
    batch = Batch(block=0, random=np.random.default_rng([seed, 0]), until=clock.until)
    return lay(batch, clock), batch


class _Writers:
    """Threads that COPY blocks while the next ones are simulated; the driver works outside Python's lock."""

    def __init__(self, url: str, count: int, progress: Callable[[int], None]) -> None:
        self.rows: Counter[str] = Counter()
        self._url, self._progress, self._done = url, progress, 0
        self._queue: queue.Queue[Block | None] = queue.Queue(maxsize=1)
        self._lock = threading.Lock()
        self._failed: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, name=f"demo-writer-{n}") for n in range(count)]

    def __enter__(self) -> "_Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._failed = self._failed or RuntimeError("the simulation stopped")
        for _thread in self._threads:
            self._offer(None)
        for thread in self._threads:
            thread.join()
        if kind is None and self._failed:
            raise self._failed

    def write_now(self, batch: Batch) -> None:
        """Write a batch at once, in a transaction of its own, before any block."""
        with adbc.connect(self._url) as connection:
            self._copy(connection, batch)

    def put(self, block: Block) -> None:
        """Hand over a block; waits while the writers are behind.

        Raises:
            Exception: whatever stopped a writer.
        """
        self._offer(block)
        if self._failed:
            raise self._failed

    def _offer(self, block: Block | None) -> None:
        while any(thread.is_alive() for thread in self._threads):
            try:
                return self._queue.put(block, timeout=0.5)
            except queue.Full:
                continue

    def _work(self) -> None:
        try:
            with adbc.connect(self._url) as connection:
                while (block := self._queue.get()) is not None and self._failed is None:
                    self._copy(connection, block.batch)
                    with self._lock:
                        self._done += len(block.customers)
                        self._progress(self._done)
        except BaseException as error:  # noqa: BLE001 handed to the thread that waits for us
            self._failed = error

    def _copy(self, connection: adbc.Connection, batch: Batch) -> None:
        with connection.cursor() as cursor:
            # The marker is written durably after all blocks, so theirs need not wait for the disk one by one.
            cursor.execute("set synchronous_commit = off")
            for name, table in batch.tables():
                if table.num_rows:
                    schema, plain = name.split(".")
                    cursor.adbc_ingest(plain, table, mode="append", db_schema_name=schema)
                    with self._lock:
                        self.rows[name] += table.num_rows
        connection.commit()
