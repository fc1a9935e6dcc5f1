"""Columns of marts held in memory, as they are at the newest snapshot.

A snapshot never changes, so what is held is exact; with a newer one it is dropped. DuckLake asks its catalog a dozen
times for every query, however small the mart, and those are most of what a question costs: a small mart is held whole
from the first question on. One that is not small is held from the second on that is asked of it at a snapshot, with the
columns that were asked for until then: one that is asked about once is not worth a copy, and of a wide mart few columns
are asked about. Of one that is too large, the rows of a customer are held from the second question on that is asked
about them: a client's page asks many.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from threading import Lock

import duckdb

from contracts.relations import RELATIONS
from operational_api.analytics.query import Part, literal

_SHARE = 4
"""No mart may have more than such a part of all that may be held, nor all parts of marts together."""
_SMALL_SHARE = 64
"""A mart that takes no more than such a part is small: reading it takes longer than copying it."""
_NO_PARTS: Mapping[str, Part] = {}


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
        self._asked_parts: Counter[tuple[str, Part]] = Counter()
        self._parts: OrderedDict[tuple[str, Part], Copy] = OrderedDict()
        self._sizes: Mapping[str, int] | None = None

    def tables(
        self, cursor: duckdb.DuckDBPyConnection, asked: Mapping[str, Collection[str]], snapshot_id: int,
        parts: Mapping[str, Part] = _NO_PARTS,
    ) -> dict[str, str]:  # fmt: skip
        """Tables that stand for marts at the snapshot; those left out are read from the lake.

        It copies what is small, or asked about for the second time, and waits for nobody else who does.

        Args:
            asked: Columns by mart.
            parts: Of marts of which no other rows are asked for.

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
                if held is None and name in parts:
                    held = self._part(cursor, name, parts[name])
                if held is not None and held.columns.issuperset(columns):
                    found[name] = held.table
            return found
        finally:
            self._lock.release()

    def _widened(self, cursor: duckdb.DuckDBPyConnection, name: str, held: "Copy | None") -> "Copy | None":
        """The mart with all columns that were asked for, where that is worth it and there is room; or as it is held."""
        if name in self._tables and held is None:
            return None
        if self._is_small(name):
            self._columns[name] = set(RELATIONS[name].columns)
        elif self._asked[name] < 2:
            return held
        if held is not None:
            self._free += held.cells
        made = self._copied(cursor, name, self._columns[name], min(self._free, self._cells // _SHARE))
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

    def _is_small(self, name: str) -> bool:
        return self._rows_of(name) * len(RELATIONS[name].columns) <= self._cells // _SMALL_SHARE

    def _rows_of(self, name: str) -> int:
        if self._sizes is None:
            self._sizes = self._sizes_of()
        return self._sizes.get(name, 0)

    def _part(self, cursor: duckdb.DuckDBPyConnection, name: str, part: Part) -> "Copy | None":
        """A part of the mart, with all of its columns; None where it is not worth it or too large."""
        key, most = (name, part), self._cells // _SHARE
        self._asked_parts[key] += 1
        if key in self._parts:
            self._parts.move_to_end(key)
        elif self._asked_parts[key] > 1 and (
            made := self._copied(cursor, name, RELATIONS[name].columns.keys(), most // _SHARE, part)
        ):
            self._parts[key] = made
            while sum(one.cells for one in self._parts.values()) > most:
                cursor.execute(f"drop table if exists {self._parts.popitem(last=False)[1].table}")
        return self._parts.get(key)

    def _copied(
        self, cursor: duckdb.DuckDBPyConnection, name: str, columns: Collection[str], cells: int,
        part: Part | None = None,
    ) -> "Copy | None":  # fmt: skip
        """So many cells of the mart at the most, all of it or a part; None where there are more."""
        relation, rows = RELATIONS[name], cells // len(columns)
        if part is None and self._rows_of(name) > rows:
            return None
        where = f"where {part[0]} = {literal(part[1])}" if part is not None else ""
        self._copies += 1
        schema = _schema(name, self._snapshot_id)
        table = f"{schema}.{relation.table}_{self._copies}"
        chosen = ", ".join(one for one in relation.columns if one in columns)
        cursor.execute(f"create schema if not exists {schema}")
        copy = f"""create table {table} as
            select {chosen} from {relation.path} at (version => {self._snapshot_id:d}) {where} limit {rows + 1}"""
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
        held = {name for name, copy in self._tables.items() if copy} | {name for name, _ in self._parts}
        schemas = {_schema(name, self._snapshot_id) for name in held}
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
