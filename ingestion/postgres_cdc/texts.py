"""Values of types that the lake has no type for, as the source itself writes them: ranges, addresses, composites, ...

The values of a column travel to the source as ONE array in its binary form and come back as one array of texts. So the
source's own functions do all reading and writing, no type is left out, and nothing is kept there.
"""

from dataclasses import dataclass
from typing import Any, LiteralString, cast

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from ingestion.postgres_cdc.columns import Unsupported, text_array
from ingestion.postgres_cdc.kernels import Bytes, Lengths, Positions, values
from ingestion.postgres_cdc.source import TEXT_OPTIONS

_BYTES = 16 << 20  # sent at once: text can be many times longer, and an array holds less than 1 GiB

# The output function's text, as psql and COPY have it; a cast to text may say something else (inet).
_TEXT_OF: LiteralString = "case when num_nulls({value}) = 0 then format('%s', {value}) end"

_QUERY = "select array(select " + _TEXT_OF.format(value="sent.value") + " from (select {values} as value) sent)"
_TOO_LARGE = psycopg.errors.ProgramLimitExceeded


def text_of(value: str) -> str:
    """SQL for the source's text of an SQL expression, which is null only where that is."""
    return _TEXT_OF.format(value=value)


@dataclass(frozen=True)
class _Way:
    """How values of one type are sent."""

    array_oid: int
    item_oid: int
    boxed_oid: int
    query: str


class SourceTexts:
    """Asks the source; connects when it is first needed."""

    def __init__(self, url: str) -> None:
        """Keep a libpq URL of the source."""
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None
        self._ways: dict[int, _Way] = {}

    def close(self) -> None:
        """End the session with the source."""
        if self._connection:
            self._connection.close()

    def column(self, oid: int, data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
        """Values in PostgreSQL's binary form as text, in their order; negative lengths are null.

        Args:
            oid: Their type.

        Raises:
            Unsupported: the source does not know the type any more, or cannot read its old values.
        """
        if not (lengths >= 0).any():
            return pa.nulls(len(lengths), pa.large_string())
        try:
            way = self._ways.get(oid) or self._learn(oid)
            piece = np.cumsum(np.maximum(lengths, 0), dtype=np.int64) // _BYTES
            cuts = np.flatnonzero(np.diff(piece)) + 1
            texts = [
                self._ask(way, data, at, length)
                for at, length in zip(np.split(positions, cuts), np.split(lengths, cuts), strict=True)
            ]
        except psycopg.DatabaseError as error:
            if isinstance(error, psycopg.OperationalError) and not isinstance(error, _TOO_LARGE):
                raise
            reason = str(error).splitlines()[0]
            raise Unsupported(
                f"the source cannot write it as text ({reason}): resume to copy the table anew"
            ) from error
        return pa.concat_arrays(texts)

    def _ask(self, way: _Way, data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
        array = values.array_bytes(data, positions, lengths, way.item_oid, way.boxed_oid)
        sent = self._connected().pgconn.exec_params(
            way.query.encode(), [memoryview(array)], [way.array_oid], [pq.Format.BINARY], pq.Format.BINARY
        )
        if sent.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(sent)
        answer = np.frombuffer(sent.get_value(0, 0) or b"", np.uint8)
        at, length = np.zeros(1, np.int64), np.array([len(answer)], np.int32)
        return text_array(answer, at, length).flatten()

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            options = {"options": TEXT_OPTIONS, "client_encoding": "utf8", "application_name": "plyo-cdc-texts"}
            self._connection = psycopg.connect(make_conninfo(self._url, **options), autocommit=True)
        return self._connection

    def _learn(self, oid: int) -> _Way:
        found = self._one("select typarray::bigint, format_type(oid, -1) from pg_type where oid = %s", oid)
        if found is None:
            raise Unsupported("its type is gone from the source: resume to copy the table anew")
        array_oid, name = found
        if array_oid:
            way = _Way(array_oid, oid, 0, _QUERY.format(values="unnest($1)"))
        else:
            # There are no arrays of arrays: a composite goes between. It ends with the session.
            box = sql.Identifier("pg_temp", f"plyo_box_{oid}")
            kind = sql.SQL(cast(LiteralString, name))  # written by PostgreSQL as SQL
            self._connected().execute(sql.SQL("create type {} as (value {})").format(box, kind))
            item = self._one(
                "select oid::bigint, typarray::bigint from pg_type where oid = %s::regtype", box.as_string()
            )
            if item is None:
                raise AssertionError("unreachable")
            way = _Way(item[1], item[0], oid, _QUERY.format(values="(unnest($1)).value"))
        self._ways[oid] = way
        return way

    def _one(self, query: LiteralString, value: object) -> tuple[Any, ...] | None:
        return self._connected().execute(query, [value]).fetchone()
