"""Every type: what the snapshot copies and what the stream brings are the same, and are what the source says.

The judge is PostgreSQL's own text of a value: equal to a column that landed as VARCHAR, read by DuckDB for any other.
"""

import json
from collections.abc import Iterator
from itertools import count

import duckdb
import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts import warehouse
from ingestion.postgres_cdc import capture
from ingestion.postgres_cdc.source import TEXT_OPTIONS
from tests.ingestion.conftest import Captured

WORDS = [
    "",
    " ",
    "plain",
    "NULL",
    "ü ñ 漢字 🏋️‍♀️",
    'it\'s "quoted"',
    "tab\tnew\nline\r",
    "back\\slash",
    "{a,b}",
    "(1,2)",
    "é",
]
ARRAY_OF_WORDS = ["{}", "{NULL}", '{"",NULL,"NULL"," a","it\'s","\\"q\\"","back\\\\slash","{x}","漢🏋️"}']
TIMES = ["0044-03-15 12:00:00 BC", "1999-12-31 23:59:59.999999", "2000-01-01", "infinity", "-infinity", "294246-12-31"]

NATURAL: dict[str, tuple[str, list[str]]] = {
    "boolean": ("BOOLEAN", ["true", "false"]),
    "bytea": ("BLOB", ["", "\\x00ff27", "\\x5c78", "abc"]),
    "bigint": ("BIGINT", ["0", "-1", "9223372036854775807", "-9223372036854775808"]),
    "smallint": ("SMALLINT", ["0", "-1", "32767", "-32768"]),
    "integer": ("INTEGER", ["0", "-1", "2147483647", "-2147483648"]),
    "text": ("VARCHAR", WORDS),
    "varchar(40)": ("VARCHAR", WORDS),
    "char(5)": ("VARCHAR", ["", "ab", " a", "漢"]),
    "json": ("JSON", ["null", '{"a" : 1, "a":2}', '"\\u0000"', "1e400", '["ü", {"b": [] }]']),
    "jsonb": ("JSON", ["null", '{"a": 1, "b": [null, "漢"]}', "1e100", '"it\'s"']),
    "real": ("FLOAT", ["0", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e38", "0.1"]),
    "double precision": ("DOUBLE", ["0", "-0", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308"]),
    "date": ("DATE", ["0044-03-15 BC", "4713-01-01 BC", "2000-01-01", "infinity", "-infinity", "5874897-12-31"]),
    "time": ("TIME", ["00:00", "24:00", "12:34:56.789012"]),
    "timestamp": ("TIMESTAMP", TIMES),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE", [*TIMES, "2026-11-23 10:00:00.123456+07"]),
    "uuid": ("UUID", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"]),
    "numeric(12,3)": ("DECIMAL(12,3)", ["0", "-0.001", "999999999.999", "-999999999.999"]),
    "numeric(38)": ("DECIMAL(38,0)", ["0", "9" * 38, "-" + "9" * 38]),
    "numeric(5,-2)": ("VARCHAR", ["0", "1234500", "NaN"]),
    "numeric": ("VARCHAR", ["NaN", "Infinity", "-Infinity", "0.000", "1e-30", "-1" + "0" * 60 + ".5", "10000"]),
    "training.mood": ("VARCHAR", ["fresh", "it's, \"so\""]),
    "training.share": ("DECIMAL(5,2)", ["0", "100", "-999.99"]),
    "training.octets": ("BLOB", ["", "\\x00ff", "abc"]),
    "training.moment": ("TIMESTAMP WITH TIME ZONE", TIMES),
    "training.code": ("VARCHAR", ["", "ab", " a"]),
    "boolean[]": ("BOOLEAN[]", ["{}", "{t,f,NULL}"]),
    "bytea[]": ("BLOB[]", ["{}", '{"\\\\x00ff",NULL,""}']),
    "int[]": ("INTEGER[]", ["{}", "{NULL,-1,2147483647}"]),
    "text[]": ("VARCHAR[]", ARRAY_OF_WORDS),
    "char(3)[]": ("VARCHAR[]", ["{}", "{a,NULL,' b'}"]),
    "real[]": ("FLOAT[]", ["{NaN,Infinity,0.1}"]),
    "date[]": ("DATE[]", ["{infinity,1969-12-31,NULL}"]),
    "timestamptz[]": ("TIMESTAMP WITH TIME ZONE[]", ["{infinity,-infinity,2026-11-23 10:00+07,NULL}"]),
    "uuid[]": ("UUID[]", ["{}", "{ffffffff-ffff-4fff-bfff-ffffffffffff,NULL}"]),
    "jsonb[]": ("VARCHAR[]", ['{"{\\"a\\": [1, \\"ü\\"]}",NULL}']),
    "json[]": ("VARCHAR[]", ['{"{\\"a\\" : 1}",NULL}']),
    "numeric[]": ("VARCHAR[]", ["{NaN,Infinity,1.50,NULL}"]),
    "numeric(8,2)[]": ("DECIMAL(8,2)[]", ["{}", "{1.50,-999999.99,NULL}"]),
    "training.mood[]": ("VARCHAR[]", ['{fresh,NULL,"it\'s, \\"so\\""}']),
}  # fmt: skip

AS_TEXT: dict[str, list[str]] = {
    "int4range": ["empty", "[1,3)", "(,)", "[,5]"],
    "tstzrange": ["empty", '["2026-01-01 00:00+07",infinity)', "(,)"],
    "nummultirange": ["{}", "{[1,2],(5.5,)}"],
    "inet": ["10.0.0.1", "10.0.0.1/8", "::1", "::ffff:1.2.3.4/96"],
    "cidr": ["10.0.0.0/8", "::/0"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "interval": ["0", "1 mon -2 days 03:04:05.000006", "-178000000 years", "infinity", "-infinity", "-00:00:00.1"],
    "timetz": ["00:00+00", "24:00-07:30", "12:34:56.789012+15:59:59"],
    "money": ["0", "-92233720368547758.08", "92233720368547758.07"],
    "bit(3)": ["101", "000"],
    "varbit": ["", "1", "10" * 40],
    "bit": ["1"],
    "oid": ["0", "4294967295"],
    "xid8": ["18446744073709551615"],
    "pg_lsn": ["16/B374D848", "0/0"],
    '"char"': ["", "x", "\\377", '"'],
    "name": ["", "it's", "漢字"],
    "point": ["(1.5,-0)", "(NaN,Infinity)", "(1e-300,0.1)"],
    "line": ["{1,-1,0}"],
    "box": ["(3,4),(1,2)"],
    "path": ["[(0,0),(1,1)]", "((0,0),(1,1))"],
    "polygon": ["((0,0),(1,1),(2,0))"],
    "circle": ["<(1,2),3.5>"],
    "tsvector": ["", "'it''s':1A,2 'ü':3 'back\\\\slash'"],
    "tsquery": ["'fat' & ( 'rat':AB* | !'cat' ) <-> 'é'"],
    "jsonpath": ["$.a[*] ? (@.b > 1)"],
    "regclass": ["pg_class"],
    "int2vector": ["1 2 3"],
    "aclitem": ["postgres=r/postgres"],
    "training.pair": ["(,)", "(1,)", '(-1,"it\'s, \\"so\\" (\\\\)")', '(,"")'],
    "training.deep": ['("(1,x)","{NULL,""a b""}","[1,3)")', "(,,)"],
    "training.address": ["10.0.0.1", "::1/64"],
    "training.positive": ["[1,3)", "empty"],
    "training.spans": ["[fresh,fresh]", "empty"],
    "training.pairs": ["{}", '{"(1,x)",NULL}'],
    "public.hstore": ["", '"a"=>"it\'s", "b"=>NULL, "ü"=>""'],
    "public.citext": ["", "MiXed", "ÜÑ"],
    "public.seg": ["1 .. 2", "~1.5"],
    "public.vector": ["[1,-2.5,3]"],
    "public.ltree": ["", "a.b_c.d"],
    "inet[]": ["{}", "{10.0.0.1,NULL,::1/64}", "{{10.0.0.1,::1},{::2,NULL}}", "[0:1]={10.0.0.1,::1}"],
    "interval[]": ["{1 mon,-1 day,NULL,infinity}"],
    "bit(3)[]": ["{101,NULL}"],
    "money[]": ["{1.5,-2}"],
    '"char"[]': ["{x,NULL,\\377}"],
    "box[]": ["{(3,4),(1,2);(1,1),(0,0)}"],
    "int4range[]": ['{empty,"[1,3)",NULL}'],
    "training.pair[]": ["{}", '{"(1,\\"a b\\")",NULL,"(,)"}', '[2:2]={"(1,)"}'],
    "training.share[]": ["{1.50,NULL}", "{{1,2},{3,4}}"],
    "public.hstore[]": ['{"\\"a\\"=>NULL",NULL}'],
    "public.citext[]": ["{MiXed,NULL}"],
}
TYPES = [*NATURAL, *AS_TEXT]
LITERALS = [*(literals for _, literals in NATURAL.values()), *AS_TEXT.values()]

DEFINITIONS = """
    create extension hstore schema public; create extension citext schema public; create extension seg schema public;
    create extension vector schema public; create extension ltree schema public;
    create type training.mood as enum ('fresh', 'it''s, "so"');
    create domain training.share as numeric(5, 2); create domain training.octets as bytea;
    create domain training.moment as timestamptz; create domain training.code as char(5);
    create type training.pair as (number int, body text);
    create type training.deep as (pair training.pair, words text[], span int4range);
    create domain training.address as inet; create domain training.positive as int4range check (lower(value) > 0);
    create type training.spans as range (subtype = training.mood);
    create domain training.pairs as training.pair[];
"""
STREAMED = 1000  # ids from here on came through the stream


def column(kind: str) -> str:
    return f"c{TYPES.index(kind)}"


def insert(
    source: psycopg.Connection, table: str, first_id: int, rows: list[list[str | None]], kinds: list[str]
) -> None:
    names = ", ".join(column(kind) for kind in kinds)
    marks = ", ".join(f"%s::text::{kind}" for kind in kinds)
    with source.transaction(), source.cursor() as cursor:
        cursor.executemany(
            f"insert into {table} (id, {names}) values (%s, {marks})",
            [[first_id + number, *row] for number, row in enumerate(rows)],
        )


def said_by_source(source: psycopg.Connection, table: str, kind: str, where: str) -> list:
    """The values of a column as PostgreSQL writes them, lists item by item."""
    text = f"case when num_nulls({column(kind)}) = 0 then format('%s', {column(kind)}) end"
    if kind in NATURAL:
        text = f"{column(kind)}::text"
        if kind.endswith("[]"):
            text = f"case when {column(kind)} is not null then array(select i::text from unnest({column(kind)}) i) end"
    return [row[0] for row in source.execute(f"select {text} from {table} where {where} order by id")]


def held_by_lake(lake: duckdb.DuckDBPyConnection, table: str, kind: str, where: str) -> list:
    """The values of a column as the lake has them, as DuckDB's text."""
    name = table.replace(".", "__")
    rows = lake.execute(f"select {column(kind)}::varchar from raw.{name} where {where} order by id").fetchall()
    return [row[0] for row in rows]


def understood(lake: duckdb.DuckDBPyConnection, kind: str, said: list) -> list:
    """What the source said, read by DuckDB as the type it should have landed as, and written again."""
    if kind in AS_TEXT:
        return said
    lake_type, is_list = NATURAL[kind][0], kind.endswith("[]")
    value = r"regexp_replace(x, '^(\S+)(.*) BC$', '\1 (BC)\2')" if lake_type.startswith(("DATE", "TIME")) else "x"
    if lake_type.startswith("BLOB"):
        value = "unhex(substr(x, 3))"
    if is_list:
        value = f"list_transform(x, lambda x: {value})"
    values = f"select unnest(?::{'varchar[][]' if is_list else 'varchar[]'}) as x"
    return [
        row[0] for row in lake.execute(f"select ({value})::{lake_type}::varchar from ({values})", [said]).fetchall()
    ]


@pytest.fixture(scope="module")
def landed(captured_once) -> Captured:
    """One column of each type, all literals in it twice: copied by the snapshot, and brought by the stream."""
    source = captured_once.source
    source.execute(DEFINITIONS)
    for name, value in (option.split("=") for option in TEXT_OPTIONS.replace("-c ", "").split()):
        source.execute(f"set {name} = '{value}'")
    columns = ", ".join(f"{column(kind)} {kind}" for kind in TYPES)
    for table in ("kinds", "drawn"):
        source.execute(f"create table training.{table} (id int primary key, {columns})")
    rows = [
        [literals[number] if number < len(literals) else None for literals in LITERALS]
        for number in range(max(map(len, LITERALS)) + 1)
    ]
    insert(source, "training.kinds", 0, rows, TYPES)
    first = capture.ensure_ready(captured_once.settings)
    insert(source, "training.kinds", STREAMED, rows, TYPES)
    first.add(capture.run_once(captured_once.settings))
    assert first.blocked == {}
    return captured_once


@pytest.fixture(scope="module")
def lake(landed) -> Iterator[duckdb.DuckDBPyConnection]:
    """One reader of that lake."""
    with warehouse.reading(landed.settings) as lake:
        yield lake


@pytest.mark.parametrize("kind", TYPES)
def test_both_paths_bring_what_the_source_says(landed, lake, kind):
    said = said_by_source(landed.source, "training.kinds", kind, f"id < {STREAMED}")
    expected = understood(lake, kind, said)
    assert held_by_lake(lake, "training.kinds", kind, f"id < {STREAMED}") == expected
    assert held_by_lake(lake, "training.kinds", kind, f"id >= {STREAMED}") == expected
    assert None in expected


def test_columns_have_the_types_that_are_promised(lake):
    shape = {name: kind for name, kind, *_ in lake.execute("describe raw.training__kinds").fetchall()}
    assert [shape[column(kind)] for kind in NATURAL] == [lake_type for lake_type, _ in NATURAL.values()]
    assert {shape[column(kind)] for kind in AS_TEXT} == {"VARCHAR"}


def texts(characters: str | None = None) -> st.SearchStrategy[str]:
    alphabet = st.characters(codec="utf-8", exclude_characters="\0") if characters is None else characters
    return st.text(alphabet, max_size=12)


def item(text: str | None) -> str:
    """A value inside PostgreSQL's array or composite."""
    return "" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def arrays(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.none() | items, max_size=4).map(
        lambda values: "{" + ",".join(item(value) or "NULL" for value in values) + "}"
    )


WHOLE = st.integers(-(2**31), 2**31 - 1).map(str)
MOMENTS = st.datetimes().map(str)
PAIRS = st.tuples(st.none() | WHOLE, st.none() | texts()).map(lambda pair: f"({item(pair[0])},{item(pair[1])})")
ADDRESSES = (st.ip_addresses() | st.ip_addresses().map(lambda ip: f"{ip}/{ip.max_prefixlen - 7}")).map(str)
SPANS = (
    st.tuples(WHOLE, WHOLE)
    .map(lambda ends: "[{},{}]".format(*sorted(ends, key=int)))
    .filter(lambda span: "2147483647" not in span)
)
DRAWN: dict[str, st.SearchStrategy[str]] = {
    "text": texts(),
    "bytea": st.binary(max_size=12).map(lambda value: "\\x" + value.hex()),
    "double precision": st.floats().map(str),
    "real": st.floats(width=32).map(str),
    "numeric": st.decimals(allow_infinity=True).map(str).filter(lambda text: "sNaN" not in text and text[:2] != "-N"),
    "numeric(12,3)": st.decimals(-(10**8), 10**8, places=3).map(str),
    "jsonb": st.recursive(
        st.none() | st.booleans() | st.integers() | texts(), lambda inner: st.dictionaries(texts(), st.lists(inner))
    ).map(json.dumps),
    "date": st.dates().map(str),
    "timestamptz": MOMENTS,
    "text[]": arrays(texts()),
    "int[]": arrays(WHOLE),
    "training.mood[]": arrays(st.sampled_from(["fresh", 'it\'s, "so"'])),
    "int4range": SPANS,
    "inet": ADDRESSES,
    "interval": st.timedeltas().map(lambda value: f"{value.days} days {value.seconds}.{value.microseconds:06} seconds"),
    "varbit": texts("01"),
    "training.pair": PAIRS,
    "inet[]": arrays(ADDRESSES),
    "int4range[]": arrays(SPANS),
    "training.pair[]": arrays(PAIRS),
    "public.citext": texts(),
}
ids = count(1)


@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate], database=None)
@given(st.lists(st.tuples(*(st.none() | values for values in DRAWN.values())), min_size=10, max_size=30))
def test_any_value_arrives(landed, lake, rows):
    first = next(ids) * 1000
    insert(landed.source, "training.drawn", first, rows, list(DRAWN))
    assert capture.run_once(landed.settings).blocked == {}
    for kind in DRAWN:
        where = f"id between {first} and {first + 999}"
        said = said_by_source(landed.source, "training.drawn", kind, where)
        assert held_by_lake(lake, "training.drawn", kind, where) == understood(lake, kind, said)
