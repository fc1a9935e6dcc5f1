"""A question to the lake: SQL with named parameters over marts, and the two ways to write it down.

Marts are written `@schema.table`; only relations of `contracts.relations` are accepted. To be run, the query is bound
to one snapshot (and `@then:schema.table` to an older one) and its parameters travel apart from the text. To be read,
values stand in the text, so that a person can paste it into any connection to the lake and get the very same numbers.

`current_timestamp` and `current_date` mean the moment the snapshot was made: what was told at a snapshot is told at it
for ever, also where a definition speaks of now.
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import UUID

from contracts.relations import RELATIONS, relation

Value = str | int | float | date | UUID
"""A datetime is a date too; it needs a time zone."""
Part = tuple[str, UUID]
"""The rows of a mart that have this in a column."""
_NONE: Mapping[str, str] = {}
_MART = re.compile(r"@(then:)?([a-z_]+\.[a-z_0-9]+)( as \w+)?")
_PARAMETER = re.compile(r"\$([a-z_0-9]+)")
_WORD = re.compile(r"[a-z_][a-z_0-9]*")
_ALL_COLUMNS = re.compile(r"(?<!\bcount\()\*|(^|\()\s*from\b|\bcolumns\s*\(")
"""A star, which may be a product too: then more is read than is needed. `from` without `select` means all as well."""
_TIME = re.compile(r"\b(then|current)_(timestamp|date)\b(?:\(\))?")


@dataclass(frozen=True)
class At:
    """The snapshots that a query is bound to, and what the time was when they were made."""

    snapshot_id: int
    made_at: datetime
    then_id: int = -1
    then_made_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Query:
    """SQL over `@marts` with `$parameters`.

    Attributes:
        then: Another snapshot, which `@then:` marts are of.
        parts: Of marts of which it reads no other rows. It says so itself in its text.
    """

    text: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    then: int | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)

    @property
    def relations(self) -> tuple[str, ...]:
        """Marts it reads, in order of appearance.

        Raises:
            contracts.relations.UnknownRelation: one is not promised to readers; a mistake in our own code.
        """
        return tuple(relation(name).name for name in dict.fromkeys(found[1] for found in _MART.findall(self.text)))

    def columns_of(self, name: str) -> tuple[str, ...]:
        """Columns of a mart that it may read: those whose names stand in its text, or all where it says `*`."""
        columns = tuple(relation(name).columns)
        if _ALL_COLUMNS.search(self.text):
            return columns
        words = set(_WORD.findall(self.text))
        return tuple(one for one in columns if one in words) or columns[:1]

    @property
    def depends_on_the_clock(self) -> bool:
        """Whether it speaks of now, and has to be told when its snapshot was made."""
        return bool(_TIME.search(self.text))

    def to_run(self, at: At, *, missing: Collection[str] = (), tables: Mapping[str, str] = _NONE) -> str:
        """The text bound to a snapshot; marts in `missing` are empty tables of the promised shape.

        Args:
            tables: What stands for a mart at the snapshot, where that is not the lake itself.
        """

        def place(found: re.Match[str]) -> str:
            name, version = found[2], at.then_id if found[1] else at.snapshot_id
            if name in missing:
                return _empty(name) + (found[3] or "")
            if name in tables and not found[1]:
                return tables[name] + (found[3] or "")
            bound = f"{relation(name).path} at (version => {version:d})"
            return f"(from {bound}){found[3]}" if found[3] else bound  # DuckDB takes no alias after `at`

        def moment(found: re.Match[str]) -> str:
            told = at.then_made_at if found[1] == "then" else at.made_at
            return literal(told if found[2] == "timestamp" else told.astimezone(UTC).date())

        return _TIME.sub(moment, _MART.sub(place, self.text))

    def to_read(self, at: At, *, missing: Collection[str] = ()) -> str:
        """The same with values in place of parameters: runnable as it stands."""
        return _PARAMETER.sub(lambda found: literal(self.parameters[found[1]]), self.to_run(at, missing=missing))


def of_then(text: str) -> str:
    """The text of a query asked of the older snapshot (`Query.then`) instead."""
    return _TIME.sub(lambda found: f"then_{found[2]}", text.replace("@", "@then:"))


def literal(value: Value) -> str:
    """A value as SQL text."""
    if isinstance(value, bool) or not isinstance(value, Value):
        raise TypeError(f"{type(value).__name__} is no value of a query")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} is no value of a query")
        return f"cast({value!r} as double)"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a time without a zone is no value of a query")
        return f"timestamptz '{value.isoformat()}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, UUID):
        return f"uuid '{value}'"
    return "'" + value.replace("'", "''") + "'"


def _empty(name: str) -> str:
    columns = ", ".join(f"cast(null as {kind}) as {column}" for column, kind in RELATIONS[name].columns.items())
    return f"(select {columns} where false)"
