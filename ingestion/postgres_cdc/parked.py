"""Changes of blocked tables, put aside in the lake as PostgreSQL sent them, until somebody says how to land them.

What is kept of a table is a stream of its own: transactions, relation messages and changes in their order, so landing
it later is decoding it. It is written in the lake transaction that moves the watermark past it.
"""

from collections.abc import Iterator, Mapping

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.postgres_cdc.decode import Decoder, Piece, bytes_of
from ingestion.postgres_cdc.kernels import scan
from ingestion.postgres_cdc.progress import TableState
from ingestion.postgres_cdc.relation import Relation, TableStopped
from ingestion.postgres_cdc.source import Source
from ingestion.postgres_cdc.texts import SourceTexts

TABLE = "raw.main._cdc_parked"
COLUMNS = {"slot": "varchar", "raw_table": "varchar", "lsn": "ubigint", "place": "bigint", "message": "blob"}
_CHUNK_MESSAGES = 200_000


class Parking:
    """Picks the messages of blocked tables out of one batch, given in chunks.

    Args:
        tables: Raw name by oid.
    """

    def __init__(self, tables: Mapping[int, str]) -> None:
        self._tables = tables
        self._carried = {oid: np.zeros(scan.CARRIED, np.int64) for oid in tables}
        self._seen = 0

    def pick(self, messages: pa.BinaryArray) -> Iterator[tuple[str, pa.Table]]:
        """For each blocked table with changes in the next chunk: raw name; lsn, place in the batch, message."""
        data, offsets = bytes_of(messages)
        for oid, raw_table in self._tables.items():
            kept, lsn = scan.of_relation(data, offsets, oid, self._carried[oid])
            chosen = np.flatnonzero(kept)
            if len(chosen):
                columns = {
                    "lsn": pa.array(lsn[chosen].astype(np.uint64)),
                    "place": pa.array(chosen + self._seen),
                    "message": _alone(messages.take(pa.array(chosen)), oid),
                }
                yield raw_table, pa.table(columns)
        self._seen += len(messages)


def _alone(messages: pa.BinaryArray, oid: int) -> pa.BinaryArray:
    # A truncate names every table that it empties; of the others nothing is kept.
    alone = b"T" + (1).to_bytes(4, "big") + b"\0" + oid.to_bytes(4, "big")
    is_truncate = pc.equal(pc.binary_slice(messages, 0, 1), b"T")
    return pc.if_else(is_truncate, pa.scalar(alone, pa.binary()), messages)


def park(lake: duckdb.DuckDBPyConnection, slot: str, raw_table: str, picked: pa.Table) -> None:
    """Put aside what was picked."""
    lake.register("_picked", picked)
    lake.execute(f"insert into {TABLE} select ?, ?, lsn, place, message from _picked", [slot, raw_table])
    lake.unregister("_picked")


def messages(lake: duckdb.DuckDBPyConnection, slot: str, raw_table: str, *, since_lsn: int) -> Iterator[pa.BinaryArray]:
    """What was put aside of a table since it was blocked, in order, in chunks; it stays there.

    The connection may be used between chunks.
    """
    begin = (since_lsn, -1)
    while True:
        chunk = lake.execute(
            f"""select lsn, place, message from {TABLE} where slot = ? and raw_table = ? and (lsn, place) > (?, ?)
                order by lsn, place limit {_CHUNK_MESSAGES}""",
            [slot, raw_table, *begin],
        ).to_arrow_table()
        if not chunk.num_rows:
            return
        begin = (chunk["lsn"][-1].as_py(), chunk["place"][-1].as_py())
        yield chunk["message"].combine_chunks().cast(pa.binary())


def pieces(
    lake: duckdb.DuckDBPyConnection, slot: str, raw_table: str, state: TableState, source: Source, texts: SourceTexts
) -> Iterator[Piece]:
    """What was put aside of a blocked table, decoded.

    Raises:
        TableStopped: not all of it was, or it cannot be landed.
    """
    if not state.lsn:
        schema, table = raw_table.split("__", 1)
        reason = "its changes are not all there, so it needs a snapshot: resume it without saying how"
        raise TableStopped(Relation(state.oid, schema, table, ()), reason)
    decoder = Decoder(source.completed, lambda relation: state.lsn if relation.oid == state.oid else None, texts.column)
    for chunk in messages(lake, slot, raw_table, since_lsn=state.lsn):
        yield from decoder.decode(chunk)
