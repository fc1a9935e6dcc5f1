"""The parts that a table is copied in: ranges of blocks, in the order of the file; and which of them the lake has.

Blocks and not keys: they are read in the order of the disk, no table needs a key for it, and nobody has to compare keys
as the source does. A row may move to another block meanwhile, but not without a change in the log, which is landed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import duckdb
import psycopg

from ingestion.postgres_cdc.land import quoted
from ingestion.postgres_cdc.relation import Relation

TABLE = "raw.main._cdc_parts"
COLUMNS = {
    "slot": "varchar", "raw_table": "varchar", "since_lsn": "ubigint", "file": "bigint", "number": "bigint",
    "until_block": "bigint", "is_end": "boolean", "lsn": "ubigint", "rows": "bigint", "noted_at": "timestamptz",
}  # fmt: skip

PART_BYTES = 256 << 20  # copied in about two seconds, for which the changes of all tables wait
_WHOLE = 1.5  # parts: what is not larger is read as one, in parallel

_FILES: LiteralString = """
    select root.oid::bigint, c.oid::bigint, n.nspname::text, c.relname::text, c.relfilenode::bigint,
           coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint,
           coalesce(pg_table_size(c.oid), 0), has_table_privilege(c.oid, 'select')
    from unnest(%s::oid[]) root(oid)
    cross join lateral (
        select relid::oid from pg_partition_tree(root.oid::regclass) where isleaf
        union select r.oid from pg_class r where r.oid = root.oid and r.relkind = 'r') leaf
    join pg_class c on c.oid = leaf.relid join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' order by 1, 2"""


@dataclass(frozen=True)
class File:
    """Where rows of a table are: a table's own, or a partition's.

    Args:
        oid: Of the table or the partition.
        number: `pg_class.relfilenode`; another one when the rows were written anew (truncate, vacuum full, alter).
        bytes: With long values that are kept apart.
        is_readable: We may read it by itself, not only through its root.
    """

    oid: int
    schema: str
    table: str
    number: int
    blocks: int
    bytes: int
    is_readable: bool


@dataclass(frozen=True)
class Part:
    """Blocks of one file, or a whole table.

    Args:
        file: None: the whole table.
        first, end: Blocks; an `end` of None is the end of the file.
        bytes: About so many.
    """

    raw_table: str
    bytes: int
    file: File | None = None
    first: int = 0
    end: int | None = None

    @property
    def place(self) -> str:
        """SQL of what to read from."""
        return f"only {quoted(self.file.schema)}.{quoted(self.file.table)}" if self.file else ""

    @property
    def condition(self) -> str:
        """SQL of which of its rows."""
        if not self.file:
            return ""
        until = "" if self.end is None else f" and ctid < '({self.end},0)'"
        return f"ctid >= '({self.first},0)'{until}"


@dataclass(frozen=True)
class Copied:
    """How far the copy of one file is: `end` as in `Part`."""

    number: int
    end: int | None


def note(lake: duckdb.DuckDBPyConnection, slot: str, part: Part, *, since_lsn: int, lsn: int, rows: int) -> None:
    """Note that a part of a file is copied once this transaction commits."""
    if part.file:
        lake.execute(
            f"insert into {TABLE} values (?, ?, ?, ?, ?, ?, ?, ?, ?, now())",
            [slot, part.raw_table, since_lsn, part.file.oid, part.file.number, part.end, part.end is None, lsn, rows],
        )


def copied(lake: duckdb.DuckDBPyConnection, slot: str, raw_table: str, since_lsn: int) -> tuple[dict[int, Copied], int]:
    """How far each file of a table was copied, by oid, by the snapshot that began at `since_lsn`; and rows in all."""
    found = lake.execute(
        f"""select file, max(number), max(until_block), bool_or(is_end), sum(rows)::bigint from {TABLE}
            where slot = ? and raw_table = ? and since_lsn = ? group by 1""",
        [slot, raw_table, since_lsn],
    ).fetchall()
    return {file: Copied(number, None if is_end else end) for file, number, end, is_end, _ in found}, sum(
        row[4] for row in found
    )


def files(connection: psycopg.Connection, relations: Sequence[Relation]) -> dict[int, list[File]]:
    """The files of some tables, as their snapshot sees them, by oid; none for a table that came after it."""
    found: dict[int, list[File]] = {relation.oid: [] for relation in relations}
    with connection.transaction(force_rollback=True):  # which lets go of locks
        for root, *of_file in connection.execute(_FILES, [list(found)]):
            found[root].append(File(*of_file))
    return found


def plan(raw_table: str, of_table: Sequence[File], done: Mapping[int, Copied]) -> list[Part]:
    """What is left to be copied of a table."""
    total = sum(file.bytes for file in of_table)
    if not done and (total <= _WHOLE * PART_BYTES or not all(file.is_readable for file in of_table)):
        return [Part(raw_table, total)]
    left = []
    for file in of_table:
        begun = done.get(file.oid)
        if begun and begun.end is None:
            continue
        first = begun.end or 0 if begun else 0
        of_block = file.bytes / max(file.blocks, 1)
        step = max(int(PART_BYTES / max(of_block, 1)), 1)
        cuts = list(range(first, max(file.blocks, first + 1), step))
        for at, end in zip(cuts, [*cuts[1:], None], strict=True):
            left.append(Part(raw_table, int(((end or file.blocks) - at) * of_block), file, at, end))
    return left or [Part(raw_table, 0, of_table[0], of_table[0].blocks) if of_table else Part(raw_table, 0)]


def lots(planned: Sequence[Part]) -> list[list[Part]]:
    """Parts that are copied together, in one lake transaction: small ones by the dozen."""
    made: list[list[Part]] = []
    size = 0
    for part in planned:
        if not made or size + part.bytes > PART_BYTES:
            made.append([])
            size = 0
        made[-1].append(part)
        size += part.bytes
    return made
