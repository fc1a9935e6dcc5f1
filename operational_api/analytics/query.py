"""A question to the lake: SQL with named parameters over marts, and the two ways to write it down.

Marts are written `@schema.table`; only relations of `contracts.relations` are accepted. To be run, the query is bound
to one snapshot (and `@then:schema.table` to an older one) and its parameters travel apart from the text. To be read,
values stand in the text, so that a person can paste it into any connection to the lake and get the very same numbers.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from contracts.relations import RELATIONS, relation

Value = str | int | date | UUID
_MART = re.compile(r"@(then:)?([a-z_]+\.[a-z_0-9]+)( as \w+)?")
_PARAMETER = re.compile(r"\$([a-z_]+)")
_TIME = re.compile(r"\bcurrent_(timestamp|date)\b|\bnow\(")


@dataclass(frozen=True)
class Query:
    """SQL over `@marts` with `$parameters`."""

    text: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    then: int | None = None

    @property
    def relations(self) -> tuple[str, ...]:
        """Marts it reads, in order of appearance.

        Raises:
            contracts.relations.UnknownRelation: one is not promised to readers; a mistake in our own code.
        """
        return tuple(relation(name).name for name in dict.fromkeys(found[1] for found in _MART.findall(self.text)))

    @property
    def depends_on_the_clock(self) -> bool:
        """Whether the same snapshot may answer differently a moment later."""
        return bool(_TIME.search(self.text))

    def to_run(self, snapshot_id: int, *, missing: Collection[str] = ()) -> str:
        """The text bound to a snapshot; marts in `missing` are empty tables of the promised shape."""

        def place(found: re.Match[str]) -> str:
            name, at = found[2], self.then if found[1] else snapshot_id
            if name in missing:
                return _empty(name) + (found[3] or "")
            bound = f"{relation(name).path} at (version => {at:d})"
            return f"(from {bound}){found[3]}" if found[3] else bound  # DuckDB takes no alias after `at`

        return _MART.sub(place, self.text)

    def to_read(self, snapshot_id: int, *, missing: Collection[str] = ()) -> str:
        """The same with values in place of parameters: runnable as it stands."""
        return _PARAMETER.sub(
            lambda found: literal(self.parameters[found[1]]), self.to_run(snapshot_id, missing=missing)
        )


def literal(value: Value) -> str:
    """A value as SQL text."""
    if isinstance(value, bool) or not isinstance(value, Value):
        raise TypeError(f"{type(value).__name__} is no value of a query")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, UUID):
        return f"uuid '{value}'"
    return "'" + value.replace("'", "''") + "'"


def _empty(name: str) -> str:
    columns = ", ".join(f"cast(null as {kind}) as {column}" for column, kind in RELATIONS[name].columns.items())
    return f"(select {columns} where false)"
