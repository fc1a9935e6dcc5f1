"""From NumPy columns to Arrow tables shaped exactly like the product's tables. No content, no database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Table, types
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, REAL

from operational_api.core.database import Base
from operational_api.migrations.run import import_models

Ids = NDArray[np.void]
"""UUIDs as 16 big-endian bytes (dtype V16); all bytes zero is null."""
Times = NDArray[np.datetime64]
"""Instants in UTC at microsecond precision; NaT is null."""
Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

NIL = np.zeros(1, "V16")[0]
_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), "S1").reshape(256, 2)
_UUID = pa.binary(16)
_TEXT = pa.large_string()
_JSON = "json"


@dataclass(frozen=True)
class Coded:
    """A text column of few distinct values. `codes` index `words`; -1 is null."""

    codes: Ints
    words: Sequence[str]

    def __getitem__(self, index: Any) -> "Coded":
        return Coded(self.codes[index], self.words)


@dataclass(frozen=True)
class Maybe:
    """Whole numbers that may be null where `known` is False."""

    values: Ints
    known: Bools

    def __getitem__(self, index: Any) -> "Maybe":
        return Maybe(self.values[index], self.known[index])


def no_ids(count: int) -> Ids:
    """`count` null ids."""
    return np.zeros(count, "V16")


def has_id(ids: Ids) -> Bools:
    """Which ids are not null."""
    known: Bools = np.any(np.ascontiguousarray(ids).view(np.uint64).reshape(-1, 2) != 0, axis=1)
    return known


def id_array(ids: Ids) -> pa.Array:
    """UUIDs as sixteen bytes each; null where the id is."""
    ids = np.ascontiguousarray(ids)
    known = has_id(ids)
    validity = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.FixedSizeBinaryArray.from_buffers(_UUID, len(ids), [validity, pa.py_buffer(ids.view(np.uint8))])


def id_text(ids: Ids) -> pa.Array:
    """UUIDs in their usual 36 characters; null where the id is."""
    count = len(ids)
    digits = _HEX[np.ascontiguousarray(ids).view(np.uint8).reshape(count, 16)].reshape(count, 32)
    text = np.full((count, 36), b"-", "S1")
    for start, end, at in ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24)):
        text[:, at : at + end - start] = digits[:, start:end]
    return _fixed_text(text, has_id(ids))


def joined(*parts: str | pa.Array) -> pa.Array:
    """Texts put together row by row; at least one part is an array, a null in it makes the whole null."""
    wide = [pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*wide, pa.scalar("", _TEXT))


def numbered(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """`prefix` followed by each number in `width` decimal digits."""
    count = len(numbers)
    text = np.empty((count, len(prefix) + width), "S1")
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), "S1")
    rest = numbers.astype(np.int64)
    for place in range(width):
        text[:, len(prefix) + width - 1 - place] = (rest % 10 + 48).astype(np.uint8).view("S1")
        rest = rest // 10
    return _fixed_text(text, None)


def _fixed_text(text: NDArray[np.bytes_], known: Bools | None) -> pa.Array:
    count, width = text.shape
    offsets = np.arange(count + 1, dtype=np.int64) * width
    validity = None if known is None or known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.LargeStringArray.from_buffers(
        count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(text)), validity
    )


@cache
def _tables() -> Mapping[str, Table]:
    import_models()
    return {table.fullname: table for table in Base.metadata.sorted_tables}


@cache
def insert_order() -> dict[str, int]:
    """Position of each table in an order that meets every foreign key."""
    return {name: position for position, name in enumerate(_tables())}


@cache
def _kind(table: str, column: str) -> Any:
    return _arrow_type(_tables()[table].columns[column].type)


def _arrow_type(column: types.TypeEngine[Any]) -> Any:
    match column:
        case JSONB():
            return _JSON
        case ARRAY():
            return pa.list_(pa.string())
        case types.Uuid():
            return _UUID
        case types.SmallInteger():
            return pa.int16()
        case types.BigInteger():
            return pa.int64()
        case types.Integer():
            return pa.int32()
        case REAL():
            return pa.float32()
        case DOUBLE_PRECISION():
            return pa.float64()
        case types.Numeric():
            return pa.decimal128(column.precision or 38, column.scale or 0)
        case types.Boolean():
            return pa.bool_()
        case types.DateTime():
            return pa.timestamp("us", tz="UTC")
        case types.Date():
            return pa.date32()
        case types.Time():
            return pa.time64("us")
        case types.String():
            return pa.large_string()
        case types.LargeBinary():
            return pa.large_binary()
    raise TypeError(f"no Arrow type for {column!r}")


def arrow_table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Rows of a product table.

    Args:
        name: `schema.table`.
        columns: NumPy arrays, Arrow arrays, `Coded`, `Maybe`, lists, or one value for all rows. At least one of them
            has a length.

    Raises:
        KeyError: the table or a column does not exist.
    """
    count = next(_length(value) for value in columns.values() if _length(value) is not None)
    return pa.table({column: _array(_kind(name, column), value, count or 0) for column, value in columns.items()})


def _length(value: Any) -> int | None:
    if isinstance(value, Coded):
        return len(value.codes)
    if isinstance(value, Maybe):
        return len(value.values)
    return None if isinstance(value, str | bytes | np.void) or not hasattr(value, "__len__") else len(value)


def _array(kind: Any, value: Any, count: int) -> pa.Array:
    if isinstance(value, np.void):
        value = np.full(count, value, "V16")
    if value is None:
        return pa.nulls(count, pa.large_string() if kind == _JSON else kind)
    if kind == _JSON:
        return value if isinstance(value, pa.Array) else pa.array([f"\x01{text}" for text in value], pa.large_string())
    if _length(value) is None:
        return pa.repeat(pa.scalar(value, kind), count)
    if isinstance(value, Coded):
        codes = pa.array(value.codes, mask=value.codes < 0)
        return pa.array(list(value.words), kind).take(codes)
    if isinstance(value, Maybe):
        return pa.array(value.values, mask=~value.known).cast(kind)
    if isinstance(value, pa.Array):
        return value if value.type == kind else value.cast(kind)
    if kind == _UUID:
        return id_array(value)
    if isinstance(value, np.ndarray):
        if kind in (pa.float32(), pa.float64()):
            return pa.array(value.astype(kind.to_pandas_dtype()), kind, from_pandas=True)
        if pa.types.is_decimal(kind):
            return pa.array(value.astype(float), from_pandas=True).cast(kind, safe=False)
        if pa.types.is_timestamp(kind):
            return pa.array(value.astype("datetime64[us]"), pa.timestamp("us")).cast(kind)
        if pa.types.is_date(kind):
            return pa.array(value.astype("datetime64[D]"), kind)
        return pa.array(value, from_pandas=True).cast(kind)
    return pa.array(value, kind)
