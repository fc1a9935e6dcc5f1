"""Raw tables in the lake: their shape, and appending changes to them. Opens and commits no transaction.

A raw table has the source's columns by name and six of our own. It is only ever appended to: the newest row of a key by
(`_lsn`, `_seq`) whose `_op` is not `d` is the row as it is in the source today.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa

from ingestion.postgres_cdc.columns import REMEDY
from ingestion.postgres_cdc.decode import Gap, Rows, Truncated
from ingestion.postgres_cdc.relation import Relation, Reshape, TableStopped
from ingestion.postgres_cdc.source import Source

OWN_COLUMNS = {
    "_op": "VARCHAR",
    "_lsn": "UBIGINT",
    "_seq": "BIGINT",
    "_xid": "UBIGINT",
    "_committed_at": "TIMESTAMP WITH TIME ZONE",
    "_landed_at": "TIMESTAMP WITH TIME ZONE",
}

# What PostgreSQL's and DuckLake's own changes of type leave as the same values.
_WIDER = {"SMALLINT": ("INTEGER", "BIGINT"), "INTEGER": ("BIGINT",), "FLOAT": ("DOUBLE",)}
_DECIMAL = re.compile(r"DECIMAL\((?P<precision>\d+),(?P<scale>\d+)\)")


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def first_line(error: Exception) -> str:
    """What an error of DuckDB says, without the statement that it quotes."""
    return str(error).splitlines()[0]


class Unfinished(Protocol):
    """A snapshot of one table that is under way."""

    @property
    def since_lsn(self) -> int:
        """Its changes from there on are landed."""

    @property
    def lsn(self) -> int:
        """What it brings is of this point."""

    def bring(self, relation: Relation, key_texts: list[list[str]]) -> None:
        """Append the rows of some keys as of `lsn`, as far as they are there, whether or not their turn has come."""


class RawTables:
    """The raw tables, through a writing connection.

    Attributes:
        gone: By raw table, columns that the source no longer has, which is no surprise.
        told: By raw table, how to follow changes of its shape while they are landed.
    """

    def __init__(self, lake: duckdb.DuckDBPyConnection, source: Source) -> None:
        self._lake = lake
        self._source = source
        self._shapes: dict[str, dict[str, str]] = {}
        self.gone: dict[str, set[str]] = {}
        self.told: dict[str, Reshape] = {}
        self.refresh()

    def gone_of(self, raw_table: str) -> tuple[str, ...]:
        """Columns of a raw table that the source no longer has, sorted."""
        return tuple(sorted(self.gone.get(raw_table, ())))

    def refresh(self) -> None:
        """Forget the shapes learned, after a transaction that was rolled back."""
        self._shapes = {}
        for table, column, kind in self._lake.execute(
            """select table_name, column_name, data_type from duckdb_columns()
               where database_name = 'raw' and schema_name = 'main'"""
        ).fetchall():
            self._shapes.setdefault(table, {})[column] = kind

    def prepare(self, relation: Relation, *, for_snapshot: bool = False) -> bool:
        """Give a raw table every column that a relation has, of its type; columns are only ever added or widened.

        Args:
            for_snapshot: The rows that follow are all rows there are: columns may have gone, and old rows need no
                value for new columns.

        Returns:
            Whether the table was there before.

        Raises:
            TableStopped: the lake cannot follow: a column went or changed its type; or it can, but old rows got values
                that never passed through the log.
        """
        # Everything is judged before it is done: a statement that fails aborts the whole lake transaction.
        wanted = _shape(relation)
        shape = self._shapes.get(relation.raw_table)
        if shape is None:
            columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in (wanted | OWN_COLUMNS).items())
            self._lake.execute(f"create table {self._target(relation)} ({columns})")
            self._shapes[relation.raw_table] = wanted | OWN_COLUMNS
            return False
        told = self.told.get(relation.raw_table, Reshape())
        shape = self._renamed(relation, shape, wanted, told)
        known = self.gone.setdefault(relation.raw_table, set())
        gone = shape.keys() - wanted.keys() - OWN_COLUMNS.keys()
        unexpected = gone - known - set(told.dropped)
        if unexpected and not for_snapshot:
            raise TableStopped(relation, f"columns {sorted(unexpected)} were dropped or renamed in the source")
        known.clear()
        known.update(gone)
        for name, kind in wanted.items():
            if name not in shape:
                self._add(relation, name, kind, for_snapshot=for_snapshot)
            elif shape[name] != kind and name in told.retyped:
                self._retype(relation, name, kind, told.retyped[name])
            elif shape[name] != kind:
                self._widen(relation, name, shape[name], kind)
        self._shapes[relation.raw_table] = shape | wanted
        return True

    def append(self, rows: Rows, unfinished: Unfinished | None = None) -> int:
        """Append changes, with their gaps filled from earlier images. Returns how many.

        Args:
            unfinished: The snapshot of the table that is under way.

        Raises:
            TableStopped: DuckDB refuses a value (JSON that only PostgreSQL takes for such), or a gap cannot be filled.
        """
        table, gaps, since = rows.table, rows.gaps, 0
        if unfinished and gaps:
            since = unfinished.since_lsn
            table, gaps = self._covered(rows, unfinished)
        for gap in gaps:
            table = self._filled(rows.relation, table, gap, since)
        with _registered(self._lake, table) as name:
            try:
                self._lake.execute(
                    f"""insert into {self._target(rows.relation)} by name
                        select *, current_timestamp as _landed_at from {name}"""
                )
            except duckdb.ConversionException as error:
                raise TableStopped(rows.relation, f"{first_line(error)}: {REMEDY}") from error
        return int(table.num_rows)

    def remove_all(self, truncated: Truncated) -> int:
        """Append a delete for every row that is there now: what a truncate means. Returns how many."""
        relation = truncated.relation
        keys = ", ".join(quoted(column.name) for column in relation.key)
        counted = self._lake.execute(
            f"""insert into {self._target(relation)} by name
                select {keys}, 'd' as _op, ?::ubigint as _lsn, ?::bigint as _seq, ?::ubigint as _xid,
                       ?::timestamptz as _committed_at, current_timestamp as _landed_at
                from ({self.today(relation)})""",
            [truncated.lsn, truncated.seq, truncated.xid, truncated.committed_at.as_py()],
        ).fetchone()
        return int(counted[0]) if counted else 0

    def today(self, relation: Relation) -> str:
        """SQL of the rows of a raw table as they are today."""
        keys = ", ".join(quoted(column.name) for column in relation.key)
        return (
            f"select * from {self._target(relation)} "
            f"qualify row_number() over (partition by {keys} order by _lsn desc, _seq desc) = 1 and _op <> 'd'"
        )

    def _covered(self, rows: Rows, unfinished: Unfinished) -> tuple[pa.Table, list[Gap]]:
        # Rows that the snapshot has not come to yet have no image here. It brings them out of its turn. A change from
        # before the snapshot is left out then: what it did is part of the row that was brought.
        lsn = rows.table["_lsn"].to_numpy()
        left_out = np.zeros(len(lsn), bool)
        brought: set[int] = set()
        for gap in rows.gaps:
            at = gap.keys["_row"].to_numpy()
            found = self._images(rows.relation, rows.table, gap, unfinished.since_lsn)
            lacking = ~np.isin(at, found["_row"].to_numpy())
            is_before = lsn[at] < unfinished.lsn
            left_out[at[lacking & is_before]] = True
            brought.update(at[lacking & is_before].tolist(), gap.earliest[lacking & ~is_before].tolist())
        if brought:
            unfinished.bring(rows.relation, rows.key_texts(np.array(sorted(brought), np.int64)))
        if not left_out.any():
            return rows.table, rows.gaps
        moved = np.cumsum(~left_out) - 1
        gaps = []
        for gap in rows.gaps:
            at = gap.keys["_row"].to_numpy()
            kept = ~left_out[at]
            keys = gap.keys.filter(pa.array(kept)).drop_columns("_row").append_column("_row", pa.array(moved[at[kept]]))
            gaps.append(Gap(gap.column, keys, gap.earliest[kept]))
        return rows.table.filter(pa.array(~left_out)), [gap for gap in gaps if gap.keys.num_rows]

    def _images(self, relation: Relation, table: pa.Table, gap: Gap, since: int) -> pa.Table:
        # The values that the gaps had before, as `_row` and `value`. While a snapshot is under way (`since`), an image
        # from before it may be of another time, and one that the snapshot brought may be newer than the change.
        column, keys = quoted(gap.column), [quoted(key.name) for key in relation.key]
        asked = gap.keys.append_column("_before", table["_lsn"].take(gap.keys["_row"])) if since else gap.keys
        with _registered(self._lake, asked) as name:
            # A copy, because DuckDB cannot push a join's filter on uuids into an Arrow scan.
            self._lake.execute(f"create or replace temp table _gap as from {name}")
        of_this_snapshot = f"image._lsn between {since:d} and _gap._before" if since else "image._op <> 'd'"
        found = self._lake.execute(
            f"""select _gap._row, image.{column} as value from _gap join {self._target(relation)} image
                on {" and ".join(f"image.{key} is not distinct from _gap.{key}" for key in keys)}
                where {of_this_snapshot}
                qualify row_number() over (partition by _gap._row order by image._lsn desc, image._seq desc) = 1
                    and image._op <> 'd'"""
        ).to_arrow_table()
        self._lake.execute("drop table _gap")
        return found

    def _filled(self, relation: Relation, table: pa.Table, gap: Gap, since: int) -> pa.Table:
        column, found = quoted(gap.column), self._images(relation, table, gap, since)
        if found.num_rows != gap.keys.num_rows or found["value"].null_count:
            missing = gap.keys.num_rows - found.num_rows + found["value"].null_count
            reason = f"{missing} unchanged values of {gap.column} have no earlier image in the lake"
            raise TableStopped(relation, reason, state="due")
        numbered = table.append_column("_row", pa.array(np.arange(table.num_rows)))
        with _registered(self._lake, numbered) as rows, _registered(self._lake, found) as images:
            return self._lake.execute(
                f"""select changes.* exclude (_row) replace (
                        case when images._row is null then changes.{column} else images.value end as {column})
                    from {rows} changes left join {images} images using (_row) order by changes._row"""
            ).to_arrow_table()

    def _add(self, relation: Relation, name: str, kind: str, *, for_snapshot: bool) -> None:
        constant, is_uncertain = (None, False) if for_snapshot else self._source.value_of_old_rows(relation, name)
        default = "" if constant is None else " default '" + constant.replace("'", "''") + "'"
        if is_uncertain or (default and not self._is_literal(constant, kind)):
            raise TableStopped(relation, f"new column {name} came with values for old rows", state="due")
        self._lake.execute(f"alter table {self._target(relation)} add column {quoted(name)} {kind}{default}")

    def _is_literal(self, text: str | None, kind: str) -> bool:
        if kind.endswith("[]") or kind == "BLOB":
            return False
        return self._lake.execute(f"select try_cast(? as {kind}) is not null", [text]).fetchone() == (True,)

    def _renamed(
        self, relation: Relation, shape: dict[str, str], wanted: dict[str, str], told: Reshape
    ) -> dict[str, str]:
        for old, new in told.renamed.items():
            if old in shape and old not in wanted and new in wanted and new not in shape:
                self._lake.execute(f"alter table {self._target(relation)} rename {quoted(old)} to {quoted(new)}")
                shape = {new if name == old else name: kind for name, kind in shape.items()}
        return shape

    def _retype(self, relation: Relation, name: str, kind: str, expression: str) -> None:
        target, column, was = self._target(relation), quoted(name), quoted(f"{name} before")
        self._lake.execute(f"alter table {target} rename {column} to {was}")
        self._lake.execute(f"alter table {target} add column {column} {kind}")
        try:
            self._lake.execute(
                f"update {target} set {column} = (select ({expression})::{kind} from (select {was} as old))"
            )
        except duckdb.Error as error:
            raise TableStopped(relation, f"column {name} cannot be rewritten: {first_line(error)}") from error
        self._lake.execute(f"alter table {target} drop column {was}")

    def _widen(self, relation: Relation, name: str, have: str, want: str) -> None:
        if not _is_wider(have, want):
            raise TableStopped(relation, f"column {name} changed its type from {have} to {want}")
        self._lake.execute(f"alter table {self._target(relation)} alter column {quoted(name)} set data type {want}")

    def _target(self, relation: Relation) -> str:
        return f"raw.main.{quoted(relation.raw_table)}"


class _Held:
    # DuckDB keeps what was registered until its transaction ends; the rows must not stay as long.

    def __init__(self, table: pa.Table) -> None:
        self.table: pa.Table | None = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self.table is None:
            raise AssertionError("read after its block")
        return self.table.__arrow_c_stream__(requested_schema)


@contextmanager
def _registered(lake: duckdb.DuckDBPyConnection, table: pa.Table) -> Iterator[str]:
    # A name under which DuckDB sees an Arrow table.
    held = _Held(table)
    name = f"_arrow_{id(held)}"
    lake.register(name, held)
    try:
        yield name
    finally:
        lake.unregister(name)
        held.table = None


def _shape(relation: Relation) -> dict[str, str]:
    shape = {}
    for column in relation.columns:
        if column.name in OWN_COLUMNS:
            raise TableStopped(relation, f"column {column.name} has the name of one of our own")
        shape[column.name] = column.lake_type.name
    return shape


def _is_wider(have: str, want: str) -> bool:
    if want in _WIDER.get(have, ()):
        return True
    old, new = _DECIMAL.fullmatch(have), _DECIMAL.fullmatch(want)
    return bool(old and new and old["scale"] == new["scale"] and int(new["precision"]) > int(old["precision"]))
