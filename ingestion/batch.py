"""What a pull brings: rows of one raw table, what makes a row the same row, and the cursor that goes on after them.

Values only; reading a source belongs to its connector, writing to `landing`.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

import pyarrow as pa

DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("document", pa.json_(pa.string())),
        pa.field("_version", pa.timestamp("us", tz="UTC")),
        pa.field("_deleted", pa.bool_()),
        pa.field("_hash", pa.string()),
    ]
)
"""Columns of a raw table of JSON objects: the object as the source sent it, and when the source last changed it."""


@dataclass(frozen=True)
class Document:
    """One object of a source.

    Args:
        id: The source's id of it.
        body: As the source sent it.
        version: When the source changed it last; None where it does not say: then the time of landing stands for it.
        deleted: The source no longer has it.
    """

    id: str
    body: dict[str, Any]
    version: datetime | None = None
    deleted: bool = False


@dataclass(frozen=True)
class Batch:
    """Rows of one raw table.

    Args:
        table: `<source>__<plural>`, as it is called in raw.
        rows: Any columns; those that begin with `_batch` or `_landed` are the landing's own.
        key: A row whose key is in raw already is not landed again. With `changes_only`, the object's id: then a row is
            landed if its `_hash` is not that of the newest row of the id, for sources that never say when an object
            changed.
        cursor: Where the stream goes on after this batch, in the connector's own words; None: where it was before.
    """

    table: str
    rows: pa.Table
    key: tuple[str, ...]
    cursor: str | None = None
    changes_only: bool = False


def documents(table: str, found: Iterable[Document], *, cursor: str | None = None) -> Batch:
    """A batch of objects that say when they changed: each version of each is landed once."""
    return Batch(table, _rows(found), ("id", "_version", "_hash"), cursor)


def facts(table: str, found: Iterable[Document], *, cursor: str | None = None) -> Batch:
    """A batch of objects that happened once and never change: each id is landed once, as it was first seen."""
    return Batch(table, _rows(found), ("id",), cursor)


def snapshots(table: str, found: Iterable[Document], *, cursor: str | None = None) -> Batch:
    """A batch of objects that do not say when they changed: landed when they differ from what raw holds."""
    return Batch(table, _rows(found), ("id",), cursor, changes_only=True)


def in_pieces(found: Iterable[Document], size: int) -> Iterator[list[Document]]:
    """Objects in lists of at most `size`, made as they come."""
    arriving = iter(found)
    while piece := list(islice(arriving, size)):
        yield piece


def _rows(found: Iterable[Document]) -> pa.Table:
    objects = list(found)
    bodies = [json.dumps(one.body, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for one in objects]
    hashes = [
        hashlib.sha256(f"{one.deleted}{body}".encode()).hexdigest()[:32]
        for one, body in zip(objects, bodies, strict=True)
    ]
    return pa.table(
        [
            pa.array([one.id for one in objects], pa.string()),
            pa.array(bodies, pa.string()).cast(DOCUMENTS.field("document").type),
            pa.array([one.version for one in objects], DOCUMENTS.field("_version").type),
            pa.array([one.deleted for one in objects], pa.bool_()),
            pa.array(hashes, pa.string()),
        ],
        schema=DOCUMENTS,
    )
