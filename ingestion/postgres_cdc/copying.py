"""A snapshot under way: which tables it copies, what is left of each, and rows that are wanted before their turn.

Tables are copied part by part at one moment of the source, each part in a lake transaction of its own that notes it.
Every change since a table's copy began is landed at once, whether its row was copied or not: a copied row is older than
any of them, by its LSN, so their order in the lake is right whichever comes first. Killed half way, another moment is
taken for the parts that are left; the changes between the two moments pass before any part of the second is copied.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import duckdb
import psycopg

from ingestion.postgres_cdc import parts, progress, snapshot
from ingestion.postgres_cdc.land import RawTables, quoted
from ingestion.postgres_cdc.moment import Moment
from ingestion.postgres_cdc.parts import File, Part
from ingestion.postgres_cdc.progress import TableState
from ingestion.postgres_cdc.relation import Relation, TableStopped

_REWRITTEN = "it was truncated or written anew while it was copied"
_MOMENT_SECONDS = 900.0  # PostgreSQL cleans up nothing since then; another moment costs little


@dataclass
class _Table:
    # A table that is not wholly copied.
    relation: Relation
    since_lsn: int
    files: Sequence[File]
    parts_left: int
    rows: int = 0
    brought: dict[int, set[str]] = field(default_factory=dict)  # by oid of the file: where in it
    bringing: dict[int, set[str]] = field(default_factory=dict)  # the same, of the open transaction


class Copying:
    """One snapshot under way. Transactions of the lake are the caller's, with the source attached."""

    def __init__(self, lake: duckdb.DuckDBPyConnection, raw: RawTables, slot: str, moment: Moment) -> None:
        """Take over a moment of the source; nothing is copied yet."""
        self._lake, self._raw, self._slot, self._moment = lake, raw, slot, moment
        self._tables: dict[str, _Table] = {}
        self._lots: deque[list[Part]] = deque()
        self._started: list[Relation] = []

    @property
    def lsn(self) -> int:
        """What is copied is of this point."""
        return self._moment.lsn

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be copied."""
        return not self._lots

    @property
    def is_old(self) -> bool:
        """Whether what is left had better be copied at another moment."""
        return (datetime.now(UTC) - self._moment.taken_at).total_seconds() > _MOMENT_SECONDS

    def close(self) -> None:
        """Let go of the moment."""
        self._moment.close()

    def plan(self, fresh: Sequence[Relation], half: Sequence[tuple[Relation, TableState]]) -> list[Relation]:
        """Find out what there is to copy: tables from the start, and tables of which a part is copied.

        Returns:
            Those that are to be started: the first, and of the second those that were written anew meanwhile.
        """
        found = parts.files(self._moment.connection, [*fresh, *(relation for relation, _ in half)])
        planned: list[Part] = []
        fresh = list(fresh)
        for relation, state in half:
            done, rows = parts.copied(self._lake, self._slot, relation.raw_table, state.lsn)
            now = {file.oid: file.number for file in found[relation.oid]}
            if any(file in now and now[file] != copied.number for file, copied in done.items()):
                fresh.append(relation)
                continue
            planned += self._take(relation, state.lsn, found[relation.oid], done, rows)
        self._started = fresh
        starting: list[Part] = []
        for relation in sorted(self._started, key=lambda one: sum(file.bytes for file in found[one.oid])):
            starting += self._take(relation, self.lsn, found[relation.oid], {}, 0)
        self._lots.extend([*parts.lots(starting), *parts.lots(planned)])
        return self._started

    def _take(
        self, relation: Relation, since_lsn: int, files: Sequence[File], done: Mapping[int, parts.Copied], rows: int
    ) -> list[Part]:
        left = parts.plan(relation.raw_table, files, done)
        self._tables[relation.raw_table] = _Table(relation, since_lsn, files, len(left), rows)
        return left

    def start(self) -> None:
        """Have the lake know the tables that are started, so that their changes are landed from here on.

        Raises:
            TableStopped: the lake cannot follow a table's shape.
        """
        for relation in self._started:
            if relation.raw_table in self._tables:
                self._raw.prepare(relation, for_snapshot=True)
        ready = {part.raw_table for part in self._lots[0]} if self._lots else set()
        for raw_table, table in self._tables.items():
            if table.relation in self._started and (raw_table not in ready or table.parts_left > 1):
                gone = self._raw.gone_of(raw_table)
                copying = TableState("copying", self.lsn, table.relation.oid, gone=gone)
                progress.set_state(self._lake, self._slot, raw_table, copying)

    def leave(self, raw_table: str) -> None:
        """Copy no more of a table."""
        if self._tables.pop(raw_table, None):
            left = ([part for part in lot if part.raw_table != raw_table] for lot in self._lots)
            self._lots = deque(lot for lot in left if lot)

    def copy_lot(self, control: psycopg.Connection[Any], relations: Mapping[str, Relation]) -> dict[str, int]:
        """Copy the next parts, and call tables live of which these were the last. Undone when it raises.

        Args:
            control: Sees the source as it is now.
            relations: The published tables as they are now.

        Returns:
            Rows copied, by raw table.

        Raises:
            TableStopped: a table has a type or a value that cannot be landed, or must be started again.
        """
        lot = self._lots[0] if self._lots else []
        copied: dict[str, int] = {}
        self.adopt()
        for part in lot:
            table = self._tables[part.raw_table]
            relation = relations.get(part.raw_table)
            if relation is None or relation.oid != table.relation.oid:
                raise TableStopped(table.relation, "it was dropped or made anew while it was copied", state="due")
            self._raw.prepare(relation)
            condition = " and ".join(filter(None, [part.condition, *_left_out(table, part)]))
            rows = snapshot.copy_rows(self._lake, relation, self._moment, place=part.place, condition=condition)
            copied[part.raw_table] = copied.get(part.raw_table, 0) + rows
        for raw_table, rows in copied.items():
            table = self._tables[raw_table]
            mine = [part for part in lot if part.raw_table == raw_table]
            if table.parts_left > len(mine):
                for part in mine:
                    parts.note(
                        self._lake, self._slot, part, since_lsn=table.since_lsn, lsn=self.lsn,
                        rows=rows if part is mine[0] else 0,
                    )  # fmt: skip
                continue
            snapshot.remove_vanished(self._lake, self._raw, relations[raw_table], self._moment, table.since_lsn)
            live = TableState("live", self.lsn, table.relation.oid, gone=self._raw.gone_of(raw_table))
            progress.set_state(self._lake, self._slot, raw_table, live, rows=table.rows + rows)
        self._check_files(control, copied)
        return copied

    def lot_is_copied(self, copied: Mapping[str, int]) -> None:
        """Go on with the next lot: the transaction of this one was committed."""
        self._started = []
        for part in self._lots.popleft() if self._lots else ():
            self._tables[part.raw_table].parts_left -= 1
        for raw_table, rows in copied.items():
            self._tables[raw_table].rows += rows
            if not self._tables[raw_table].parts_left:
                del self._tables[raw_table]

    def _check_files(self, control: psycopg.Connection[Any], raw_tables: Iterable[str]) -> None:
        # A file that was written anew is empty to a snapshot from before.
        seen = {file.oid: (file.number, name) for name in raw_tables for file in self._tables[name].files}
        now = control.execute("select oid::bigint, relfilenode::bigint from pg_class where oid = any(%s)", [list(seen)])
        same = {oid for oid, number in now if seen[oid][0] == number}
        for oid in seen.keys() - same:
            raise TableStopped(self._tables[seen[oid][1]].relation, _REWRITTEN, state="due")

    def unfinished(self, raw_table: str) -> "UnfinishedTable | None":
        """A table of which parts are not copied yet. The source must have been attached, and told to `adopt`."""
        table = self._tables.get(raw_table)
        return UnfinishedTable(self._lake, self._moment, table) if table else None

    def settle(self, *, is_committed: bool) -> None:
        """Remember which rows were brought before their turn, or forget it with the transaction that did."""
        for table in self._tables.values():
            for oid, places in table.bringing.items():
                if is_committed:
                    table.brought.setdefault(oid, set()).update(places)
            table.bringing = {}

    def adopt(self) -> None:
        """Have the attached source read as of the moment, to the end of the lake's transaction."""
        snapshot.adopt(self._lake, self._moment.snapshot)


class UnfinishedTable:
    """`land.Unfinished`: one table of a snapshot under way."""

    def __init__(self, lake: duckdb.DuckDBPyConnection, moment: Moment, table: _Table) -> None:
        self._lake, self._moment, self._table = lake, moment, table

    @property
    def since_lsn(self) -> int:
        """Its changes from there on are landed."""
        return self._table.since_lsn

    @property
    def lsn(self) -> int:
        """What it brings is of this point."""
        return self._moment.lsn

    def bring(self, relation: Relation, key_texts: list[list[str]]) -> None:
        """Append the rows of some keys as of `lsn`, as far as they are there, whether or not their turn has come."""
        for oid, places in self._places(relation, key_texts).items():
            known = self._table.brought.get(oid, set()) | self._table.bringing.get(oid, set())
            new = sorted(places - known)
            file = next((file for file in self._table.files if file.oid == oid), None)
            if file is None or not new:
                continue
            place = Part(relation.raw_table, 0, file).place if file.is_readable else ""
            condition = f"tableoid = {oid:d} and {_at(new)}"
            snapshot.copy_rows(self._lake, relation, self._moment, place=place, condition=condition)
            self._table.bringing.setdefault(oid, set()).update(new)

    def _places(self, relation: Relation, key_texts: list[list[str]]) -> dict[int, set[str]]:
        # Where the rows of some keys are: by oid of the file.
        found: dict[int, set[str]] = {}
        with self._moment.connection.transaction(force_rollback=True):  # which lets go of locks
            types: dict[str, str] = dict(
                self._moment.connection.execute(
                    """select attname::text, format_type(atttypid, atttypmod) from pg_attribute
                       where attrelid = %s and attnum > 0 and not attisdropped""",
                    [relation.oid],
                ).fetchall()
            )
            keys = [column.name for column in relation.key]
            sent = ", ".join(f"k{n}" for n in range(len(keys)))
            same = " and ".join(f"t.{quoted(key)} = sent.k{n}::{types[key]}" for n, key in enumerate(keys))
            same = same.replace("%", "%%")
            heirs = "only " if relation.has_heirs else ""
            query = f"""select t.tableoid::bigint, t.ctid::text from unnest({", ".join(["%s::text[]"] * len(keys))})
                        sent({sent}) join {heirs}{quoted(relation.schema)}.{quoted(relation.table)} t on {same}"""
            for oid, place in self._moment.connection.execute(query.encode(), key_texts):
                found.setdefault(oid, set()).add(place)
        return found


def _left_out(table: _Table, part: Part) -> Iterable[str]:
    # What was brought already is not copied again.
    for oid, places in table.brought.items():
        if places and (part.file is None or part.file.oid == oid):
            yield f"not (tableoid = {oid:d} and {_at(places)})"


def _at(places: Iterable[str]) -> str:
    return "ctid = any(array[" + ", ".join(f"'{place}'" for place in sorted(places)) + "]::tid[])"
