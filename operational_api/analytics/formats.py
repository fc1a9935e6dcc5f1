"""Rows written down: as JSON, or as a file piece by piece, never held as a whole. Who may see which rows is settled."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

Pieces = Iterator[pa.Table]
_FORMULA = r"^[=+\-@\t\r\n\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
"""What a spreadsheet takes for the beginning of a formula, with the wide forms of the signs."""


_SPACE, _QUOTE, _BACKSLASH = b' "\\'
"""JSON has no character below the first in a text as it is, nor one of the others."""
_UTC = ("UTC", "Etc/UTC")
"""What DuckDB calls the zone that each of its connections here is in; the second of what it holds itself."""


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        piece = bytes(memoryview(data))  # type: ignore[arg-type]
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def arrow(pieces: Pieces, about: dict[str, str]) -> Iterator[bytes]:
    """An Arrow IPC stream; `about` becomes metadata of its schema."""
    yield from _written(pieces, lambda sink, schema: pa.ipc.new_stream(sink, schema), about)


def parquet(pieces: Pieces, about: dict[str, str]) -> Iterator[bytes]:
    """A Parquet file with a row group for each piece."""
    yield from _written(
        pieces, lambda sink, schema: pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd"), about
    )  # fmt: skip


def csv(pieces: Pieces, _about: dict[str, str]) -> Iterator[bytes]:
    """Comma-separated, UTF-8, with a line of names. A text that a spreadsheet would run begins with an apostrophe."""
    options = pyarrow.csv.WriteOptions(quoting_style="needed")
    yield from _written(
        (harmless(one) for one in pieces),
        lambda sink, schema: pyarrow.csv.CSVWriter(sink, schema, write_options=options), {},
    )  # fmt: skip


def harmless(table: pa.Table) -> pa.Table:
    """The table with its texts so that no spreadsheet takes one for a formula; nested values as text."""
    for place, field in enumerate(table.schema):
        column = table[field.name]
        if pa.types.is_nested(field.type):
            told = [None if one is None else str(one) for one in column.to_pylist()]
            column, field = pa.chunked_array([pa.array(told, pa.string())]), pa.field(field.name, pa.string())
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            is_formula = pc.fill_null(pc.match_substring_regex(column, _FORMULA), False)
            quoted = pc.binary_join_element_wise(pa.scalar("'", field.type), column, pa.scalar("", field.type))
            column = pc.if_else(is_formula, quoted, column)
        table = table.set_column(place, field, column)
    return table


def _written(
    pieces: Pieces, open_writer: Callable[[_Sink, pa.Schema], pa.ipc.RecordBatchStreamWriter], about: dict[str, str]
) -> Iterator[bytes]:
    sink = _Sink()
    first = next(pieces)
    schema = first.schema.with_metadata((first.schema.metadata or {}) | about)
    with open_writer(sink, schema) as writer:
        writer.write_table(first.replace_schema_metadata(schema.metadata))
        yield sink.take()
        for piece in pieces:
            writer.write_table(piece.cast(schema))
            yield sink.take()
    yield sink.take()


@dataclass(frozen=True, slots=True)
class Format:
    """How a dataset may be had as a file."""

    media_type: str
    extension: str
    write: Callable[[Pieces, dict[str, str]], Iterator[bytes]]


FORMATS = {
    "arrow": Format("application/vnd.apache.arrow.stream", "arrows", arrow),
    "csv": Format("text/csv; charset=utf-8", "csv", csv),
    "parquet": Format("application/vnd.apache.parquet", "parquet", parquet),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as JSON has them: objects with a comma between."""

    written: memoryview


def rows(table: pa.Table) -> Rows:
    """Rows written by the column: Arrow puts them together, and no other thread waits for a Python value a cell.

    Dates and times are ISO 8601 text, what JSON has no word for is text, and no number (NaN) is null.
    """
    if not table.num_rows:
        return Rows(memoryview(b""))
    parts, between = list[pa.Scalar | pa.Array](), "{"
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.combine_chunks()
        between += orjson.dumps(name).decode() + ":"
        told = _told(values)
        if told is None:
            written, around = _in_json(values), ""
        elif told.null_count:
            written, around = pc.binary_join_element_wise('"', told, '"', "").fill_null("null"), ""
        else:
            written, around = told, '"'
        parts += (pa.scalar(between + around), written)
        between = around + ","
    together = pc.binary_join_element_wise(*parts, pa.scalar(between[:-1] + "},"), "")
    # What stands behind an array of texts is all of them in a row.
    return Rows(memoryview(together.buffers()[2])[:-1])


def json(body: dict[str, Any]) -> bytes:
    """JSON, with what it has no word for as text."""
    return b"{" + members(body)


def members(body: Mapping[str, Any]) -> bytes:
    """A document but for the brace that it begins with. `Rows` are members of it, and of none of its members."""
    pieces: list[bytes | memoryview] = []
    for name, value in body.items():
        pieces += (b",", orjson.dumps(name), b":")
        pieces += (b"[", value.written, b"]") if isinstance(value, Rows) else (orjson.dumps(value, default=str),)
    return b"".join((*pieces[1:], b"}"))


def _told(values: pa.Array) -> pa.Array | None:
    """Values as texts that need no more than quotes around them; None where that is not all."""
    if pa.types.is_string(values.type):
        there = np.frombuffer(values.buffers()[2] or b"", np.uint8)  # what is escaped is one byte, and part of no other
        return None if ((there < _SPACE) | (there == _QUOTE) | (there == _BACKSLASH)).any() else values
    if pa.types.is_date(values.type):
        return values.cast(pa.string())
    if pa.types.is_timestamp(values.type) and values.type.tz in _UTC and values.type.unit == "us":
        # By their places in a text that is always as long: Arrow's `strftime` takes ten times as long.
        told = pc.binary_replace_slice(values.view(pa.timestamp("us")).cast(pa.string()), 10, 11, "T")
        is_whole = pc.ends_with(told, ".000000")
        if pc.all(is_whole).as_py():
            return pc.binary_replace_slice(told, 19, 26, "+00:00")
        in_full = pc.binary_join_element_wise(told, "+00:00", "")
        if not pc.any(is_whole).as_py():
            return in_full
        return pc.if_else(is_whole, pc.binary_replace_slice(told, 19, 26, "+00:00"), in_full)
    return None


def _in_json(values: pa.Array) -> pa.Array:
    """Each value as it stands in JSON."""
    if pa.types.is_boolean(values.type) or pa.types.is_integer(values.type):
        return values.cast(pa.string()).fill_null("null")
    if pa.types.is_floating(values.type):
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)  # null is NaN there, and NaN is null
        text = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode()
        return pc.split_pattern(pa.array([text]), ",").flatten()
    return pa.array([orjson.dumps(one, default=str).decode() for one in values.to_pylist()], pa.string())


def asked_for(name: str | None, accept: str) -> str:
    """`json` or a name of `FORMATS`: the one named, or else the first that `Accept` names."""
    if name is not None:
        return name
    kinds = {one.media_type.partition(";")[0]: name for name, one in FORMATS.items()}
    for part in accept.split(","):
        if (kind := part.partition(";")[0].strip().lower()) in kinds:
            return kinds[kind]
    return "json"
