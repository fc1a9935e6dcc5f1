"""The connector that makes rows of the payloads that the operational API took in: webhooks, files, direct pushes.

They arrive sealed in `raw.main.integrations__wearable_payloads`, through change capture. Consent was asked for before
they were stored; what has been erased since is not read. How a payload becomes rows belongs to `normalise`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import duckdb
import pyarrow as pa

from contracts.telemetry import get_logger
from ingestion.batch import Batch
from ingestion.wearables.normalise import PAYLOADS, batches, normalise
from ingestion.wearables.tables import REJECTIONS, REJECTIONS_SCHEMA, SCHEMAS, VERSION

log = get_logger(__name__)

TABLE = "raw.main.integrations__wearable_payloads"
_COLUMNS = ", ".join("id as payload_id" if name == "payload_id" else name for name in PAYLOADS.names)

# A payload that was deleted or emptied after it arrived is erased: its earlier image is still in the log.
_ERASED = """exists (from recent as later
                     where later.id = payload.payload_id and (later._op = 'd' or later.body is null)
                         and (later._lsn, later._seq) > (payload._lsn, payload._seq))"""


class Opener(Protocol):
    """What opens sealed payloads."""

    def open(self, sealed: bytes) -> bytes:
        """The payload as its source sent it; raises when no key fits."""
        ...


class KeysMissing(RuntimeError):
    """None of the payloads of a group could be opened, so it is the keys that are wrong and nothing was skipped."""


class StoredPayloads:
    """A connector (see `ingestion.connectors`).

    A connector of its own, not a stream of Terra's: payloads are read every minute, whoever sent them, and must not
    wait for a reconciliation that Terra slows down.
    """

    name: str = "wearables"
    streams: Sequence[str] = ("payloads",)
    tables: Mapping[str, pa.Schema] = SCHEMAS

    def __init__(
        self,
        lake: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        opener: Opener,
        *,
        group_payloads: int = 1_000,
        group_bytes: int = 64_000_000,
    ) -> None:
        """Read with a connection of our own: what is landed meanwhile goes through the one of `landing`.

        Args:
            lake: For reading, such as `partial(warehouse.reading, settings)`.
            group_payloads: Payloads that are normalised at once.
            group_bytes: Of sealed payloads in a group; a larger one is a group of its own.
        """
        self._lake = lake
        self._opener = opener
        self._payloads = group_payloads
        self._bytes = group_bytes

    def pull(self, stream: str, cursor: str | None) -> Iterator[Batch]:  # noqa: ARG002  (there is one stream)
        """Rows of the payloads after a cursor, in the order in which they were stored.

        Args:
            cursor: `<lsn>:<seq>` of the last payload read.

        Raises:
            KeysMissing: see there; the cursor stays before the group.
        """
        first, _, second = (cursor or "0:-1").partition(":")
        for group, lsn, seq in self._groups("true", [], int(first), int(second)):
            yield from batches(self._rows(group), cursor=f"{lsn}:{seq}")

    def window(self, stream: str, start: datetime, end: datetime) -> Iterator[Batch]:  # noqa: ARG002
        """Rows of the payloads that were received in a span of time."""
        for group, _, _ in self._groups("received_at >= ? and received_at < ?", [start, end], 0, -1):
            yield from batches(self._rows(group))

    def _groups(
        self, condition: str, parameters: Sequence[object], lsn: int, seq: int
    ) -> Iterator[tuple[pa.Table, int, int]]:
        """Payloads after a place in the log, each group with the place of its last."""
        with self._lake() as lake:
            known = lake.execute(
                """select 1 from duckdb_tables() where database_name = 'raw' and schema_name = 'main'
                   and table_name = 'integrations__wearable_payloads'"""
            ).fetchone()
            lake.execute("set arrow_lossless_conversion = true")
            while known:  # else nobody has connected a device yet
                found = lake.execute(self._query(condition), [lsn, *parameters, lsn, seq]).to_arrow_table()
                if not found.num_rows:
                    return
                lsn, seq = found["_lsn"][-1].as_py(), found["_seq"][-1].as_py()
                yield found, lsn, seq

    def _query(self, condition: str) -> str:
        # The first condition of all lets files that were read before be skipped.
        return f"""
            with recent as (from {TABLE} where _lsn >= ?::ubigint),
            first as (
                select {_COLUMNS}, _lsn, _seq from recent
                where {condition} and _op <> 'd' and (_lsn, _seq) > (?::ubigint, ?::bigint)
                order by _lsn, _seq limit {self._payloads}),
            kept as (
                select * replace (case when not {_ERASED} then body end as body) from first as payload),
            sized as (
                select *, row_number() over in_order as place, sum(octet_length(body)) over in_order as bytes
                from kept window in_order as (order by _lsn, _seq rows unbounded preceding))
            select * exclude (place, bytes) from sized
            where place = 1 or coalesce(bytes, 0) <= {self._bytes} order by _lsn, _seq"""

    def _rows(self, group: pa.Table) -> dict[str, pa.Table]:
        opened: list[bytes | None] = []
        closed: list[int] = []
        for place, sealed in enumerate(group["body"].to_pylist()):
            try:
                opened.append(None if sealed is None else self._opener.open(sealed))
            except Exception as error:  # noqa: BLE001  (every kind of seal breaks with an error of its own)
                log.warning("wearables.sealed", payload_id=str(group["payload_id"][place]), error=type(error).__name__)
                opened.append(None)
                closed.append(place)
        if closed and len(closed) == group.num_rows - group["body"].null_count:
            raise KeysMissing(f"none of {len(closed)} payloads could be opened")
        payloads = group.select(PAYLOADS.names).set_column(
            PAYLOADS.get_field_index("body"), "body", pa.array(opened, pa.binary())
        )
        tables = normalise(payloads.cast(PAYLOADS))
        return tables | {REJECTIONS: pa.concat_tables([tables[REJECTIONS], _sealed(payloads, closed)])}


def _sealed(payloads: pa.Table, closed: list[int]) -> pa.Table:
    count = len(closed)
    taken = payloads.take(pa.array(closed, pa.int64()))
    texts = {"position": "$", "field": "payload", "reason": "no key opens it", "value": None}
    columns = {name: pa.array([text] * count, pa.string()) for name, text in texts.items()}
    columns["normaliser_version"] = pa.array([VERSION] * count, pa.int32())
    found = {name: columns[name] if name in columns else taken[name] for name in REJECTIONS_SCHEMA.names}
    return pa.table(found).cast(REJECTIONS_SCHEMA)
