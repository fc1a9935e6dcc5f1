"""Small marts held in memory, each as it is at the newest snapshot.

A snapshot never changes, so what is held is exact; with a newer one it is dropped. DuckLake asks its catalog a dozen
times for every query, however small the mart, and those are most of what a question costs. A mart is held from the
second question on that is asked of it at a snapshot: one that is asked about once is not worth a copy.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
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
        self._snapshot_id, self._free = -1, self._cells
        self._asked: Counter[str] = Counter()
        self._tables: dict[str, str | None] = {}
        self._sizes: Mapping[str, int] | None = None

    def tables(
        self, cursor: duckdb.DuckDBPyConnection, relations: Collection[str], snapshot_id: int
    ) -> dict[str, str]:  # fmt: skip
        """Tables that stand for these marts at the snapshot; those left out are read from the lake.

        It copies what is asked about for the second time, and waits for nobody else who does.

        Raises:
            duckdb.Error: the lake cannot be read.
        """
        if not self._cells or snapshot_id < self._snapshot_id or not self._lock.acquire(blocking=False):
            return {}
        try:
            if snapshot_id > self._snapshot_id:
                self._drop(cursor)
                self._snapshot_id = snapshot_id
            self._asked.update(relations)
            for name in relations:
                if name not in self._tables and self._asked[name] > 1:
                    self._tables[name] = self._copied(cursor, name, snapshot_id)
            return {name: table for name in relations if (table := self._tables.get(name))}
        finally:
            self._lock.release()

    def _copied(self, cursor: duckdb.DuckDBPyConnection, name: str, snapshot_id: int) -> str | None:
        relation = RELATIONS[name]
        columns = len(relation.columns)
        rows = min(self._free, self._cells // _SHARE) // columns
        if self._sizes is None:
            self._sizes = self._sizes_of()
        if self._sizes.get(name, 0) > rows:
            return None
        schema = f'memory."{relation.schema}@{snapshot_id:d}"'
        table = f"{schema}.{name.partition('.')[2]}"
        cursor.execute(f"create schema if not exists {schema}")
        copy = f"create table {table} as from {relation.path} at (version => {snapshot_id:d}) limit {rows + 1}"
        try:
            cursor.execute(copy)
        except duckdb.OutOfMemoryException:
            return None
        found = cursor.execute(f"select count(*) from {table}").fetchone()
        if found is None or found[0] > rows:
            cursor.execute(f"drop table {table}")
            return None
        self._free -= found[0] * columns
        return table

    def _drop(self, cursor: duckdb.DuckDBPyConnection) -> None:
        schemas = {table.rpartition(".")[0] for table in self._tables.values() if table}
        self.forget()
        for schema in sorted(schemas):  # who reads from one still has it until the end
            cursor.execute(f"drop schema if exists {schema} cascade")
