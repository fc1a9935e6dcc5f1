"""Which PostgreSQL types can be landed, as which DuckDB type, and how a column of their binary values becomes Arrow.

A type that is not here lands as VARCHAR, in the words of the source (`texts`). A value that its DuckDB type cannot hold
is an error; nothing turns into null.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ingestion.postgres_cdc.kernels import Bytes, Lengths, Positions, numeric, values

Build = Callable[[Bytes, Positions, Lengths], pa.Array]

_EPOCH_MICROSECONDS, _EPOCH_DAYS = 946_684_800_000_000, 10_957  # 2000-01-01 after 1970-01-01
_ANY_MODIFIER = -1
_NUMERIC, _NUMERIC_ARRAY, _BYTEA_ARRAY = 1700, 1231, 1001


# What the lake's types cannot say, and what to do then.
NOT_A_NUMBER = "NaN does not fit a decimal"
SHAPELESS = "a list has one dimension and starts at 1"
TOO_LATE = "timestamps end with the year 294246"
REMEDY = "correct them in the source, then resume the table"


class Unsupported(Exception):
    """A value cannot be landed; the message says which, and what to do."""


@dataclass(frozen=True)
class LakeType:
    """How one PostgreSQL type is landed.

    Args:
        name: DuckDB's type, spelled as DESCRIBE does.
        build: Bytes, positions and lengths of the values to an Arrow array; negative lengths are null. None: only the
            source can read the values, see `texts`.
        is_natural: DuckDB's postgres scanner reads it as this very type; else a snapshot casts it to text.
    """

    name: str
    build: Build | None
    is_natural: bool = True


def lake_type(oid: int, modifier: int) -> LakeType:
    """The way to land a type.

    Args:
        oid: Of the type; for an enum that of text, for a domain that of its base.
        modifier: PostgreSQL's atttypmod: precision and scale of a numeric.
    """
    if oid == _NUMERIC:
        return _numeric(modifier)
    if oid in _SCALARS:
        return _SCALARS[oid]
    if oid in _ARRAYS:
        item = lake_type(_ARRAYS[oid], modifier)
        if item.build is None:
            return item
        # The scanner reads NaN in a decimal as 0.00, and arrays of bytea not at all in a query.
        is_natural = item.is_natural and oid not in (_NUMERIC_ARRAY, _BYTEA_ARRAY)
        # A reader of lists of JSON that DuckLake keeps inline crashes (1.5.5).
        name = "VARCHAR" if item.name == "JSON" else item.name
        return LakeType(f"{name}[]", partial(_list, item.build), is_natural)
    return _SOURCE_TEXT


def _array(
    kind: pa.DataType, lengths: Lengths, *buffers: NDArray[Any], children: list[pa.Array] | None = None
) -> pa.Array:
    bitmap, nulls = values.validity(lengths)
    valid = pa.py_buffer(bitmap) if nulls else None
    return pa.Array.from_buffers(
        kind, len(lengths), [valid, *(pa.py_buffer(buffer) for buffer in buffers)], nulls, children=children
    )


def _fixed(kind: pa.DataType, kernel: Callable[..., NDArray[Any]], *options: int) -> Build:
    def build(data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
        return _array(kind, lengths, kernel(data, positions, lengths, *options))

    return build


def _checked(kind: pa.DataType, kernel: Callable[..., tuple[NDArray[Any], int]], option: int, complaint: str) -> Build:
    def build(data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
        built, beyond = kernel(data, positions, lengths, option)
        if beyond:
            raise Unsupported(f"{complaint} ({beyond} values): {REMEDY}")
        return _array(kind, lengths, built)

    return build


def _strings(kind: pa.DataType, skipped: int = 0) -> Build:
    def build(data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
        return _array(kind, lengths, *values.strings(data, positions, lengths, skipped))

    return build


_text = _strings(pa.large_string())


def _padded(data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
    return _text(data, positions, values.without_padding(data, positions, lengths))


def _uuid(data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
    storage = _array(pa.binary(16), lengths, values.blocks(data, positions, lengths, 16))
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def _decimal_text(data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
    return _array(pa.large_string(), lengths, *numeric.decimal_text(data, positions, lengths))


def _list(build_item: Build, data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
    offsets, item_at, item_length, beyond = values.array_items(data, positions, lengths)
    if beyond:
        raise Unsupported(f"{SHAPELESS} ({beyond} arrays): {REMEDY}")
    items = build_item(data, item_at, item_length)
    return _array(pa.list_(items.type), lengths, offsets, children=[items])


def _numeric(modifier: int) -> LakeType:
    precision, scale = ((modifier - 4) >> 16) & 0xFFFF, (modifier - 4) & 0x7FF
    if modifier == _ANY_MODIFIER or precision > 38 or scale > precision:  # also a negative scale, of 11 bits
        return LakeType("VARCHAR", _decimal_text, is_natural=False)
    build = _checked(pa.decimal128(precision, scale), numeric.decimals, scale, NOT_A_NUMBER)
    return LakeType(f"DECIMAL({precision},{scale})", build)


_UTC_TIME = pa.timestamp("us", tz="UTC")
_TEXT = LakeType("VARCHAR", _text)
_SOURCE_TEXT = LakeType("VARCHAR", None, is_natural=False)

# By pg_type.oid of PostgreSQL's built-in types, which never change.
_SCALARS: dict[int, LakeType] = {
    16: LakeType("BOOLEAN", _fixed(pa.bool_(), values.bits)),
    17: LakeType("BLOB", _strings(pa.large_binary())),
    20: LakeType("BIGINT", _fixed(pa.int64(), values.words64)),
    21: LakeType("SMALLINT", _fixed(pa.int16(), values.integers16)),
    23: LakeType("INTEGER", _fixed(pa.int32(), values.words32)),
    25: _TEXT,
    114: LakeType("JSON", _strings(pa.large_string())),
    700: LakeType("FLOAT", _fixed(pa.float32(), values.words32)),
    701: LakeType("DOUBLE", _fixed(pa.float64(), values.words64)),
    1042: LakeType("VARCHAR", _padded),
    1043: _TEXT,
    1082: LakeType("DATE", _fixed(pa.date32(), values.dates, _EPOCH_DAYS)),
    1083: LakeType("TIME", _fixed(pa.time64("us"), values.words64)),
    1114: LakeType("TIMESTAMP", _checked(pa.timestamp("us"), values.timestamps, _EPOCH_MICROSECONDS, TOO_LATE)),
    1184: LakeType("TIMESTAMP WITH TIME ZONE", _checked(_UTC_TIME, values.timestamps, _EPOCH_MICROSECONDS, TOO_LATE)),
    2950: LakeType("UUID", _uuid),
    3802: LakeType("JSON", _strings(pa.large_string(), skipped=1)),
}

# Array type to the type of its items.
_ARRAYS = {
    1000: 16, 1001: 17, 1005: 21, 1007: 23, 1009: 25, 1014: 1042, 1015: 1043, 1016: 20, 1021: 700, 1022: 701,
    1115: 1114, 1182: 1082, 1183: 1083, 1185: 1184, 1231: 1700, 199: 114, 2951: 2950, 3807: 3802,
}  # fmt: skip


def text_array(data: Bytes, positions: Positions, lengths: Lengths) -> pa.Array:
    """Arrays of text in binary form."""
    return _list(_text, data, positions, lengths)


def commit_times(microseconds: NDArray[np.int64]) -> pa.Array:
    """PostgreSQL's microseconds since 2000 as UTC timestamps."""
    return pa.array(microseconds + _EPOCH_MICROSECONDS, pa.int64()).cast(_UTC_TIME)
