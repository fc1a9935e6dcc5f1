"""From the messages of a batch to Arrow tables of changes, in order. Knows no lake; asks no database but by `texts`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingestion.postgres_cdc.columns import Unsupported, commit_times
from ingestion.postgres_cdc.kernels import Bytes, Lengths, Positions, rows, scan
from ingestion.postgres_cdc.relation import Relation, TableStopped, parse

_OPERATIONS = pa.array(["i", "u", "d"])
_STATE = 8  # numbers of state that `scan` carries from chunk to chunk


def bytes_of(messages: pa.BinaryArray) -> tuple[Bytes, Positions]:
    """The bytes of all messages, and where each starts; shape (messages + 1,)."""
    _, offset_buffer, data_buffer = messages.buffers()
    data = np.frombuffer(data_buffer, np.uint8)
    data.flags.writeable = False  # as PostgreSQL's pieces are; else Numba compiles every kernel a second time
    starts_and_end = slice(messages.offset, messages.offset + len(messages) + 1)
    return data, np.frombuffer(offset_buffer, np.int32)[starts_and_end].astype(np.int64)


@dataclass(frozen=True)
class Gap:
    """Values of one column that are not in the log because their statement did not touch them (unchanged TOAST).

    Args:
        column: Its name.
        keys: Key columns of the row before the chunk, and `_row`, the index of the row in `Rows.table` to fill.
        earliest: For each of `keys`, the index in `Rows.table` of a row that has this key.
    """

    column: str
    keys: pa.Table
    earliest: NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Changes of one relation in one shape, in order: its columns and our own, but for `_landed_at`.

    Args:
        key_texts: For rows of `table`, by index: their key, a list of texts per column, as the source writes them.
    """

    relation: Relation
    table: pa.Table
    gaps: list[Gap]
    key_texts: Callable[[NDArray[np.int64]], list[list[str]]]


@dataclass(frozen=True)
class Truncated:
    """A table was emptied at this point of the order."""

    relation: Relation
    lsn: int
    seq: int
    xid: int
    committed_at: pa.Scalar


Piece = Rows | Truncated


@dataclass(frozen=True)
class _Chunk:
    """The arrays that `scan` returns; see there."""

    data: Bytes
    layout: NDArray[np.int64]
    operation: NDArray[np.uint8]
    new: Positions
    old: Positions
    transaction: NDArray[np.int64]
    place: NDArray[np.int64]
    lsn: NDArray[np.int64]
    committed: NDArray[np.int64]
    xid: NDArray[np.int64]


class Decoder:
    """Decodes one batch, given in chunks. A new batch needs a new decoder: PostgreSQL describes its relations anew."""

    def __init__(
        self,
        complete: Callable[[Relation], Relation],
        wanted_from: Callable[[Relation], int | None],
        texts: Callable[[int, Bytes, Positions, Lengths], pa.Array],
    ) -> None:
        """Start before the first message of a batch.

        Args:
            complete: Adds to a streamed relation what only the catalog knows (`Source.completed`).
            wanted_from: LSN from which a relation's changes are wanted; None: not at all.
            texts: Values of a type that only the source can read, as text (`SourceTexts.column`).
        """
        self._complete = complete
        self._wanted_from = wanted_from
        self._texts = texts
        self._oids = np.full(scan.SLOTS, -1, np.int64)
        self._layouts = np.zeros(scan.SLOTS, np.int64)
        self._state = np.zeros(_STATE, np.int64)
        self._relations: list[Relation] = []
        self._shapes: list[int] = []  # of each relation message the index of its relation in _relations
        self._newest: dict[int, tuple[bytes, int]] = {}

    @property
    def end_lsn(self) -> int:
        """End of the last transaction that ended, 0 before the first."""
        return int(self._state[5])

    @property
    def committed_at(self) -> pa.Scalar:
        """When that transaction committed."""
        return commit_times(self._state[6:7])[0]

    @property
    def transactions(self) -> int:
        """How many transactions ended."""
        return int(self._state[7])

    def decode(self, messages: pa.BinaryArray) -> Iterator[Piece]:
        """The changes of the next chunk. Pieces of one relation come in order; of different ones in any.

        Raises:
            TableStopped: a type or a value cannot be landed.
        """
        data, offsets = bytes_of(messages)
        *arrays, relation_at = scan.scan(data, offsets, self._oids, self._layouts, self._state)
        for message in relation_at:
            self._learn(data[offsets[message] : offsets[message + 1]].tobytes())
        chunk = _Chunk(data, *arrays)
        shape = np.asarray(self._shapes, np.int64)[chunk.layout] if len(chunk.layout) else chunk.layout
        order = np.argsort(shape, kind="stable")
        starts = np.flatnonzero(np.diff(shape[order], prepend=-1))
        for chosen in np.split(order, starts[1:]) if len(order) else []:
            yield from self._changes_of(self._relations[shape[chosen[0]]], chunk, chosen)

    def _learn(self, message: bytes) -> None:
        oid = int.from_bytes(message[1:5], "big")
        known = self._newest.get(oid)
        if known is None or known[0] != message:
            known = self._newest[oid] = (message, len(self._relations))
            self._relations.append(self._complete(parse(message)))
        self._shapes.append(known[1])

    def _changes_of(self, relation: Relation, chunk: _Chunk, chosen: NDArray[np.int64]) -> Iterator[Piece]:
        start = self._wanted_from(relation)
        if start is None:
            return
        chosen = chosen[chunk.lsn[chunk.transaction[chosen]] >= start]
        is_truncate = chunk.operation[chosen] == scan.TRUNCATE
        for run in np.split(chosen, np.flatnonzero(is_truncate)):
            if not len(run):
                continue
            changes = run
            if chunk.operation[run[0]] == scan.TRUNCATE:
                yield _truncated(relation, chunk, run[0])
                changes = run[1:]
            if len(changes):
                try:
                    yield self._rows(relation, chunk, changes)
                except Unsupported as reason:
                    raise TableStopped(relation, str(reason)) from reason

    def _rows(self, relation: Relation, chunk: _Chunk, changes: NDArray[np.int64]) -> Rows:
        key = np.flatnonzero([column in relation.key for column in relation.columns]).astype(np.int64)
        change, tuple_at, removes = rows.expand(chunk.data, changes, chunk.operation, chunk.new, chunk.old, key)
        positions, lengths, unchanged = rows.explode(chunk.data, tuple_at, len(relation.columns))
        gaps: list[Gap] = []
        if unchanged:
            earliest = rows.fill_unchanged(
                chunk.data, change, tuple_at, removes, chunk.old, key, positions, lengths
            )  # fmt: skip
            gaps = self._gaps(relation, chunk.data, tuple_at, earliest, key, lengths)
        arrays = {
            column.name: self._build(relation, number, chunk.data, positions[number], lengths[number])
            for number, column in enumerate(relation.columns)
        }
        # The even place below a change's own is for the removal of the row that the change moved to another key.
        is_moved_away = (removes == 1) & (chunk.operation[change] == scan.UPDATE)
        transaction = chunk.transaction[change]
        operation = np.where(removes == 1, scan.DELETE, chunk.operation[change])
        arrays |= {
            "_op": pa.DictionaryArray.from_arrays(pa.array(operation.astype(np.int8)), _OPERATIONS),
            "_lsn": pa.array(chunk.lsn[transaction].astype(np.uint64)),
            "_seq": pa.array(chunk.place[change] - is_moved_away),
            "_xid": pa.array(chunk.xid[transaction].astype(np.uint64)),
            "_committed_at": commit_times(chunk.committed[transaction]),
        }

        def key_texts(chosen: NDArray[np.int64]) -> list[list[str]]:
            at, length = rows.locate_all(chunk.data, tuple_at[chosen], key)
            return [
                self._texts(relation.columns[k].oid, chunk.data, at[i], length[i]).to_pylist()
                for i, k in enumerate(key)
            ]

        return Rows(relation, pa.table(arrays), gaps, key_texts)

    def _build(self, relation: Relation, number: int, data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
        column = relation.columns[number]
        kind = column.lake_type
        try:
            if kind.build is None:
                return self._texts(column.oid, data, positions, lengths)
            return kind.build(data, positions, lengths)
        except Unsupported as reason:
            raise Unsupported(f"column {column.name}: {reason}") from reason

    def _gaps(
        self,
        relation: Relation,
        data: Bytes,
        tuple_at: Positions,
        earliest: NDArray[np.int64],
        key: NDArray[np.int64],
        lengths: Lengths,
    ) -> list[Gap]:
        gaps = []
        for number, column in enumerate(relation.columns):
            unfilled = np.flatnonzero(lengths[number] == rows.IS_UNCHANGED)
            if len(unfilled):
                at, length = rows.locate_all(data, tuple_at[earliest[unfilled]], key)
                columns = {"_row": pa.array(unfilled)}
                columns |= {
                    relation.columns[k].name: self._build(relation, k, data, at[i], length[i])
                    for i, k in enumerate(key)
                }
                gaps.append(Gap(column.name, pa.table(columns), earliest[unfilled]))
        return gaps


def _truncated(relation: Relation, chunk: _Chunk, change: int) -> Truncated:
    transaction = chunk.transaction[change]
    return Truncated(
        relation,
        int(chunk.lsn[transaction]),
        int(chunk.place[change]),
        int(chunk.xid[transaction]),
        commit_times(chunk.committed[transaction : transaction + 1])[0],
    )
