"""Rows as JSON are the bytes that a plain encoder of one dict a row would write, whatever is in them."""

from datetime import date, datetime
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operational_api.analytics import formats

EVERY_KIND = """
    select i as whole, i::hugeint as huge, i * 1.37 / 7 as part, (i * 1.5)::real as small_part,
        case when i % 5 > 0 then i / 3.0 end as part_or_none, 'nan'::double as no_number, 'inf'::double as endless,
        (i / 7)::decimal(18, 4) as exact, uuid() as id, case when i % 3 > 0 then 'Name ' || i end as name,
        'a "quote", a \\ and a line' || chr(10) || 'of ü and ' || chr(1) as escaped, '' as nothing, null as none,
        date '2026-01-01' + i::integer as day, case when i % 2 = 0 then date '2026-01-01' end as day_or_none,
        timestamptz '2026-01-01 10:00:00+00' + to_microseconds(i * 500000) as moment,
        timestamptz '2026-01-01 10:00:00+00' + to_microseconds(1 + i) as fine_moment,
        case when i > 3 then timestamptz '2026-01-01 10:00:00+00' end as whole_moment,
        timestamp '2026-01-01 10:00:00' as moment_nowhere, time '10:00' as hour, i % 2 = 0 as is_even,
        [i, null] as several, {'x': i, 'y': 'z"'} as nested, '{"a": 1}'::json as told
    from range(40) as r(i)
"""


def by_the_row(table: pa.Table) -> bytes:
    """What the same rows are as dicts, one value after the other."""

    def told(kind: pa.DataType, value: Any) -> Any:
        if isinstance(value, datetime) and getattr(kind, "tz", None) in ("UTC", "Etc/UTC"):
            return value.isoformat()
        return value.isoformat() if type(value) is date else value

    items = [
        {field.name: told(field.type, value) for field, value in zip(table.schema, row.values(), strict=True)}
        for row in table.to_pylist()
    ]
    return orjson.dumps({"name": "x", "items": items, "next": None}, default=str)


def by_the_column(table: pa.Table) -> bytes:
    return formats.json({"name": "x", "items": formats.rows(table), "next": None})


@pytest.fixture(scope="module")
def every_kind() -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(EVERY_KIND).to_arrow_table()


class TestRows:
    @pytest.mark.parametrize(("first", "count"), [(0, 40), (0, 1), (7, 3), (5, 0)])
    def test_of_every_kind(self, every_kind: pa.Table, first: int, count: int) -> None:
        table = every_kind.slice(first, count)
        assert by_the_column(table) == by_the_row(table)

    def test_in_several_pieces(self, every_kind: pa.Table) -> None:
        table = pa.concat_tables([every_kind.slice(0, 3), every_kind.slice(30, 9)])
        assert by_the_column(table) == by_the_row(table)

    @given(st.lists(st.one_of(st.none(), st.floats()), min_size=1))
    def test_of_any_number(self, numbers: list[float | None]) -> None:
        table = pa.table({"n": pa.array(numbers, pa.float64())})
        assert by_the_column(table) == by_the_row(table)

    @given(st.lists(st.one_of(st.none(), st.text()), min_size=1), st.text())
    def test_of_any_text_under_any_name(self, texts: list[str | None], name: str) -> None:
        table = pa.table({name: pa.array(texts, pa.string())})
        assert by_the_column(table) == by_the_row(table)
