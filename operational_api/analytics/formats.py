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
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
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


def arrow_begun(schema: pa.Schema, about: Mapping[str, str]) -> bytes:
    """The beginning of an Arrow IPC stream; `about` becomes metadata of the schema, with what it has already."""
    told = {name.encode(): value.encode() for name, value in about.items()}
    return bytes(schema.with_metadata((schema.metadata or {}) | told).serialize())


def arrow_rest(table: pa.Table) -> bytes:
    """An Arrow IPC stream of a table from behind its schema."""
    return b"".join([*(batch.serialize() for batch in table.to_batches()), _END_OF_STREAM])


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


def media_type(schema: pa.Schema | None) -> str:
    """Of an answer that is told again: an Arrow stream, which begins with a schema, or JSON."""
    return FORMATS["arrow"].media_type if schema is not None else "application/json"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as JSON has them: objects with a comma between."""

    written: memoryview


def rows(table: pa.Table) -> Rows:
    """Rows written by the column: Arrow puts them together, and no other thread waits for a Python value a cell.

    Dates and times are ISO 8601 text, what JSON has no word for is text, and no number (NaN) is null.
    """
    count = table.num_rows
    if not count:
        return Rows(memoryview(b""))
    written = _Pieces(count)
    between = "{"
    for name, column in zip(table.column_names, table.columns, strict=True):
        between += orjson.dumps(name).decode() + ":"
        if column.null_count == count:
            between += "null,"
            continue
        told, begins, ends = _told(column.combine_chunks())
        if told.null_count:
            is_there = told.is_valid().to_numpy(zero_copy_only=False)
            written.say(between + begins, between + "null", is_there)
            written.tell(told)
            written.say(ends, "", is_there)
            between = ","
        else:
            written.say(between + begins)
            written.tell(told)
            between = ends + ","
    written.say(between.removesuffix(",") + "},")
    return Rows(written.together()[:-1])


class _Pieces:
    """Rows of pieces, each of which is a place among texts: what columns tell, and after that what stands between."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._told: list[pa.Array] = []
        self._between: list[str] = []
        self._pieces: list[tuple[bool, int]] = []
        self._is_said: dict[int, np.ndarray] = {}

    def tell(self, texts: pa.Array) -> None:
        """Add to each row its text; to one that has none nothing."""
        self._pieces.append((True, len(self._told) * self._count))
        self._told.append(texts)

    def say(self, text: str, other: str | None = None, is_said: np.ndarray | None = None) -> None:
        """Add the same text to all rows; the other one to those of which the first is not said."""
        if other is not None and is_said is not None:
            self._is_said[len(self._pieces)] = is_said
            self._between.append(other)
        self._pieces.append((False, len(self._between)))
        self._between.append(text)

    def together(self) -> memoryview:
        """All of it: behind an array of texts lie all of them in a row."""
        count, told = self._count, len(self._told) * self._count
        first = np.array([place if is_told else told + place for is_told, place in self._pieces], np.int32)
        step = np.array([is_told for is_told, _ in self._pieces], np.int32)
        places = np.arange(count, dtype=np.int32)[:, None] * step + first
        for number, is_said in self._is_said.items():
            places[:, number] -= ~is_said
        found = pa.concat_arrays([*self._told, pa.array(self._between, pa.string())]).take(pa.array(places.ravel()))
        _, ends, texts = found.buffers()
        return memoryview(texts)[: np.frombuffer(ends, np.int32)[places.size]]


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


def _told(values: pa.Array) -> tuple[pa.Array, str, str]:
    """Each value as text, or none where it is null, and what stands in JSON before and after it."""
    kind = values.type
    if pa.types.is_string(kind):
        there = np.frombuffer(values.buffers()[2] or b"", np.uint8)  # what is escaped is one byte, and part of no other
        if not ((there < _SPACE) | (there == _QUOTE) | (there == _BACKSLASH)).any():
            return values, '"', '"'
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return values.cast(pa.string()), "", ""
    elif pa.types.is_floating(kind):
        numbers = values.cast(pa.float64()).to_numpy(zero_copy_only=False)  # null is NaN there, and NaN is null
        text = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].decode()
        return pc.split_pattern(pa.array([text]), ",").flatten(), "", ""
    elif pa.types.is_date(kind):
        return values.cast(pa.string()), '"', '"'
    elif pa.types.is_timestamp(kind) and kind.tz in _UTC and kind.unit == "us":
        return _times(values), '"', '+00:00"'
    return pa.array([orjson.dumps(one, default=str).decode() for one in values.to_pylist()], pa.string()), "", ""


def _times(values: pa.Array) -> pa.Array:
    """Times without their zone, whole seconds without a fraction, by places in a text that is always as long: Arrow's
    `strftime` takes ten times as long."""
    told = values.view(pa.timestamp("us"))
    microseconds = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values)]
    is_whole = microseconds % 1_000_000 == 0
    if is_whole.all():
        return pc.binary_replace_slice(told.cast(pa.timestamp("s")).cast(pa.string()), 10, 11, "T")
    told = pc.binary_replace_slice(told.cast(pa.string()), 10, 11, "T")
    return pc.if_else(pa.array(is_whole), pc.binary_replace_slice(told, 19, 26, ""), told) if is_whole.any() else told


def asked_for(name: str | None, accept: str) -> str:
    """`json` or a name of `FORMATS`: the one named, or else the first that `Accept` names."""
    if name is not None:
        return name
    kinds = {one.media_type.partition(";")[0]: name for name, one in FORMATS.items()}
    for part in accept.split(","):
        if (kind := part.partition(";")[0].strip().lower()) in kinds:
            return kinds[kind]
    return "json"
