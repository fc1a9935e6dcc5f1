"""A table as the change stream or the catalog describes it: names, types, key. Independent of any row."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ingestion.postgres_cdc.columns import LakeType, lake_type

_FULL_IDENTITY = "f"


@dataclass(frozen=True)
class Column:
    """One published column.

    Args:
        name: In the source, and in raw.
        oid: Type, with enums and types without a binary form as text, and domains as their base.
        modifier: PostgreSQL's atttypmod, -1 for none.
        is_key: Whether it is part of what identifies a row.
        is_plain: Whether its type is `oid` itself, not an enum, a domain or a type without a binary form.
        type_name: What `oid` and `modifier` are called in SQL; empty until the catalog was asked.
    """

    name: str
    oid: int
    modifier: int
    is_key: bool
    is_plain: bool = True
    type_name: str = ""

    @property
    def lake_type(self) -> LakeType:
        """How it is landed."""
        return lake_type(self.oid, self.modifier)


class TableStopped(Exception):
    """One table cannot go on as it is; the others can.

    Args:
        relation: The table.
        reason: What people should know.
        state: `blocked` until somebody resumes it, or `due` for a new snapshot, which comes by itself.
    """

    def __init__(self, relation: "Relation", reason: str, *, state: Literal["blocked", "due"] = "blocked") -> None:
        super().__init__(f"{relation.name}: {reason}")
        self.relation = relation
        self.reason = reason
        self.state = state


@dataclass(frozen=True)
class Relation:
    """One published table, in one of the shapes it had over time.

    Args:
        has_heirs: Whether other tables inherit from it, whose rows a plain select would add; the catalog says.
    """

    oid: int
    schema: str
    table: str
    columns: tuple[Column, ...]
    has_full_identity: bool = False
    has_heirs: bool = False

    @property
    def name(self) -> str:
        """As in the source: `schema.table`."""
        return f"{self.schema}.{self.table}"

    @property
    def raw_table(self) -> str:
        """As in the lake raw: `schema__table`."""
        return f"{self.schema}__{self.table}"

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns that identify a row; all of them where the table has no key."""
        return tuple(column for column in self.columns if column.is_key) or self.columns


@dataclass(frozen=True)
class Reshape:
    """What people say a table's new shape means, so that its changes can be landed without a new snapshot.

    Args:
        dropped: Columns that are gone. Raw keeps their history.
        renamed: New name by old; raw's column is renamed with all its history.
        retyped: DuckDB expression of the new value by column, in which `old` is the old value, as in
            `round(old * 100)::bigint`. All history is rewritten with it.
    """

    dropped: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    retyped: Mapping[str, str] = field(default_factory=dict)


def parse(message: bytes) -> Relation:
    """The relation that a pgoutput relation message (protocol version 1) describes; types are as PostgreSQL's own."""
    (oid,) = struct.unpack_from(">I", message, 1)
    schema, at = _text(message, 5)
    table, at = _text(message, at)
    identity, count = chr(message[at]), struct.unpack_from(">H", message, at + 1)[0]
    at += 3
    columns = []
    for _ in range(count):
        is_key = bool(message[at] & 1)
        name, at = _text(message, at + 1)
        type_oid, modifier = struct.unpack_from(">Ii", message, at)
        at += 8
        columns.append(Column(name, type_oid, modifier, is_key))
    return Relation(oid, schema or "pg_catalog", table, tuple(columns), identity == _FULL_IDENTITY)


def _text(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(b"\0", at)
    return message[at:end].decode(), end + 1
