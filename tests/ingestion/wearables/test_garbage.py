"""Whatever JSON or bytes a source sends, a group is normalised: values of the right type and range, or a reason."""

import json
import math
import os
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.wearables.fields import Mapping
from ingestion.wearables.normalise import SOURCES, normalise
from ingestion.wearables.tables import REJECTIONS, REJECTIONS_SCHEMA, TABLES
from tests.ingestion.wearables.conftest import payload, payload_id, payloads

MAPPINGS = [
    pytest.param(source, mapping, id=f"{source}-{mapping.kind}-{mapping.items}")
    for source, mappings in SOURCES.items()
    if source != "file"  # its documents are our own
    for mapping in mappings
]
EXAMPLES = int(os.environ.get("PLYO_FUZZ_EXAMPLES", "1"))
GOOD = payload({"data": [{"metadata": {"start_time": "2026-07-01T00:00:00Z"}}]}, "daily", name="good")

ODD_TEXTS = [
    "2026-07-01", "2026-07-01T07:00:00+01:00", "2026-13-41T25:61:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2026-07-01T07:00:00.123456789-14:00", "2026-07-01T07:00:00+99:99", "NaN", "Infinity", "1e999", "-0", "\x00",
]  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(0, 300)
    | st.floats()
    | st.floats(-10, 1_000)
    | st.text(st.characters(codec=None), max_size=20)
    | st.text(max_size=400)
    | st.sampled_from(ODD_TEXTS)
)
GARBAGE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


GOOD_TIMES = {"iso": "2026-07-01T07:00:00+01:00", "epoch s": 1_782_885_600, "": "2026-07-01"}


def values(mapping: Mapping) -> st.SearchStrategy[list[Any]]:
    """For each member that the fields name: garbage, but mostly a good time, or there would hardly be a row."""
    drawn: list[st.SearchStrategy[Any]] = []
    for field in mapping.fields:
        if mapping.table.column(field.column).kind in ("instant", "day") and "+" not in field.path:
            good = st.just(GOOD_TIMES[field.unit])
            drawn.append(st.one_of(good, good, good, GARBAGE))
        else:
            drawn += [GARBAGE] * len(field.path.split("+"))
    return st.tuples(*drawn).map(list)


def placed(document: dict[str, Any], path: str, value: Any) -> None:
    """Set a member of a document at a path of fields."""
    *parents, last = re.findall(r"[^.\[\]]+", path)
    for parent in parents:
        inner = document.get(parent)
        document[parent] = inner if isinstance(inner, dict) else {}
        document = document[parent]
    document[last] = value


def document(mapping: Mapping, told: list[Any]) -> dict[str, Any]:
    """A document with one item, whose fields have these values."""
    item: dict[str, Any] = {}
    around: dict[str, Any] = {}
    paths = [part for field in mapping.fields for part in field.path.split("+")]
    for path, value in zip(paths, told, strict=True):
        placed(around if path.startswith("^") else item, path.removeprefix("^"), value)
    if not mapping.items:
        return item
    outer, _, inner = mapping.items.rpartition("[*].")
    placed(around, inner, [item])
    return {outer: [around]} if outer else around


def check(tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        assert table.schema == (REJECTIONS_SCHEMA if name == REJECTIONS else TABLES[name].schema)
    for table in TABLES.values():
        for column in table.columns:
            if column.kind in ("number", "count"):
                for value in tables[table.name][column.name].drop_null().to_pylist():
                    assert math.isfinite(value)
                    assert column.low <= value <= column.high
    assert all(one["reason"] for one in tables[REJECTIONS].to_pylist())
    good = [one for one in tables["wearables__days"].to_pylist() if one["payload_id"] == payload_id("good")]
    assert len(good) == 1


@pytest.mark.parametrize(("source", "mapping"), MAPPINGS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_any_json_in_any_field(source: str, mapping: Mapping, data: st.DataObject) -> None:
    drawn = data.draw(st.lists(values(mapping), min_size=6, max_size=12))
    stored = [
        payload(json.dumps(document(mapping, told)).encode(), mapping.kind, source=source, name=f"bad-{n}")
        for n, told in enumerate(drawn)
    ]
    tables = normalise(payloads(*stored, GOOD))
    check(tables)
    found = {str(one["payload_id"]) for table in tables.values() for one in table.to_pylist()}
    if mapping.table.required and not mapping.needs_value:
        assert len(found) == len(drawn) + 1  # a row, or the reason why there is none


def bodies() -> Iterator[Any]:
    yield st.binary(max_size=200)
    yield GARBAGE.map(lambda value: json.dumps(value).encode())
    yield GARBAGE.map(lambda value: json.dumps({"data": value, "sleeps": value, "sleep": [value]}).encode())
    yield st.text(max_size=50).map(lambda text: f"<gpx>{text}</gpx>".encode("utf-8", "surrogatepass"))


@settings(max_examples=4 * EXAMPLES, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["terra", "fitbit", "garmin", "file", "else"]),
            st.sampled_from(["sleep", "daily", "body", "sleeps", "fit", "gpx", "tcx", ""]),
            st.one_of(*bodies()),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_bytes(drawn: list[tuple[str, str, bytes]]) -> None:
    stored = [payload(body, kind, source=source, name=f"bad-{n}") for n, (source, kind, body) in enumerate(drawn)]
    check(normalise(payloads(*stored, GOOD)))


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(st.integers(1, 4_000))
def test_documents_as_deep_as_may_be(depth: int) -> None:
    deep = b'{"data": [' + b'{"a":[' * depth + b"1" + b"]}" * depth + b"]}"
    check(normalise(payloads(payload(deep, "daily", name="deep"), GOOD)))
