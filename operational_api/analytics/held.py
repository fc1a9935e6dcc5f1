"""Columns of marts held in memory, as they are at the newest snapshot.

A snapshot never changes, so what is held is exact; with a newer one it is dropped. DuckLake asks its catalog a dozen
times for every query, however small the mart, and those are most of what a question costs. A mart is held from the
second question on that is asked of it at a snapshot, with the columns that were asked for until then: one that is asked
about once is not worth a copy, and of a wide mart few columns are asked about.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from threading import Lock

import duckdb

from contracts.relations import RELATIONS

_SHARE = 4
"""No mart may have more than such a part of all that may be held."""


class Held:
    """Which marts are held by the process's one connection. Safe to share between threads.

    Args:
        cells: Rows times columns of all that may be held; 0 holds nothing.
        sizes: Rows of each mart at the newest snapshot, or more.
    """

    def __init__(self, cells: int, sizes: Callable[[], Mapping[str, int]]) -> None:
        self._cells, self._sizes_of = cells, sizes
        self._lock = Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew: the connection is another one."""
        self._snapshot_id, self._free, self._copies = -1, self._cells, 0
        self._asked: Counter[str] = Counter()
        self._columns: dict[str, set[str]] = {}
        self._tables: dict[str, Copy | None] = {}
        self._sizes: Mapping[str, int] | None = None

    def tables(
        self, cursor: duckdb.DuckDBPyConnection, asked: Mapping[str, Collection[str]], snapshot_id: int
    ) -> dict[str, str]:  # fmt: skip
        """Tables that stand for marts at the snapshot; those left out are read from the lake.

        It copies what is asked about for the second time, and waits for nobody else who does.

        Args:
            asked: Columns by mart.

        Raises:
            duckdb.Error: the lake cannot be read.
        """
        if not self._cells or snapshot_id < self._snapshot_id or not self._lock.acquire(blocking=False):
            return {}
        try:
            if snapshot_id > self._snapshot_id:
                self._drop(cursor)
                self._snapshot_id = snapshot_id
            self._asked.update(asked.keys())
            found = {}
            for name, columns in asked.items():
                self._columns.setdefault(name, set()).update(columns)
                held = self._tables.get(name)
                if held is None or not held.columns.issuperset(columns):
                    held = self._widened(cursor, name, held)
                if held is not None and held.columns.issuperset(columns):
                    found[name] = held.table
            return found
        finally:
            self._lock.release()

    def _widened(self, cursor: duckdb.DuckDBPyConnection, name: str, held: "Copy | None") -> "Copy | None":
        """The mart with all columns that were asked for, where that is worth it and there is room; or as it is held."""
        if self._asked[name] < 2 or (name in self._tables and held is None):
            return held
        if held is not None:
            self._free += held.cells
        made = self._copied(cursor, name, self._columns[name])
        if made is None:
            if held is not None:
                self._free -= held.cells
            self._tables[name] = held
            return held
        self._tables[name] = made
        self._free -= made.cells
        if held is not None:
            cursor.execute(f"drop table if exists {held.table}")  # who reads from it still has it until the end
        return made

    def _copied(self, cursor: duckdb.DuckDBPyConnection, name: str, columns: Collection[str]) -> "Copy | None":
        relation = RELATIONS[name]
        rows = min(self._free, self._cells // _SHARE) // len(columns)
        if self._sizes is None:
            self._sizes = self._sizes_of()
        if self._sizes.get(name, 0) > rows:
            return None
        self._copies += 1
        schema = _schema(name, self._snapshot_id)
        table = f"{schema}.{relation.table}_{self._copies}"
        chosen = ", ".join(one for one in relation.columns if one in columns)
        cursor.execute(f"create schema if not exists {schema}")
        copy = f"""create table {table} as
            select {chosen} from {relation.path} at (version => {self._snapshot_id:d}) limit {rows + 1}"""
        try:
            cursor.execute(copy)
        except duckdb.OutOfMemoryException:
            return None
        found = cursor.execute(f"select count(*) from {table}").fetchone()
        if found is None or found[0] > rows:
            cursor.execute(f"drop table {table}")
            return None
        return Copy(table, frozenset(columns), found[0] * len(columns))

    def _drop(self, cursor: duckdb.DuckDBPyConnection) -> None:
        schemas = {_schema(name, self._snapshot_id) for name, held in self._tables.items() if held}
        self.forget()
        for schema in sorted(schemas):  # who reads from one still has it until the end
            cursor.execute(f"drop schema if exists {schema} cascade")


@dataclass(frozen=True, slots=True)
class Copy:
    """Columns of a mart in a table of the process's memory."""

    table: str
    columns: frozenset[str]
    cells: int


def _schema(name: str, snapshot_id: int) -> str:
    return f'memory."{RELATIONS[name].schema}@{snapshot_id:d}"'
