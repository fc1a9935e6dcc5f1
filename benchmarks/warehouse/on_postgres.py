"""The same questions on PostgreSQL: their SQL in its words, on the same rows.

The marts they read are copied out of the lake and analysed. That a mart built by the target `postgres` has the very
rows of the lake's is tested (`tests/dbt_project/test_rebuilds.py`); building all of them there takes minutes at four
hundred customers, and would measure the build.
"""

import json
import math
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from statistics import median, quantiles
from typing import Any

import psycopg
import sqlglot
from sqlglot import exp

from benchmarks.warehouse.business import Business
from contracts import warehouse

_BOUND = re.compile(r"(\(from )?marts\.(\w+)\.(\w+) at \(version => (\d+)\)")


def measure(
    business: Business, statements: Sequence[str], rows: Sequence[Sequence[tuple[Any, ...]]], *, clients: int,
    rounds: int,
) -> dict[str, Any]:  # fmt: skip
    """Milliseconds of the questions asked by so many connections at once: median and 95th percentile.

    Each question is asked once by each connection before it is measured.

    Args:
        rows: What each statement gives on the lake.

    Raises:
        RuntimeError: PostgreSQL gives other rows than the lake.
    """
    marts = sorted({(found[1], found[2]) for text in statements for found in _BOUND.findall(text)})
    _copy(business, marts)
    texts = [translated(text) for text in statements]
    times: list[float] = []
    with ThreadPoolExecutor(clients) as pool, ExitStack() as ends:
        address = business.server.url("warehouse")
        connections = [ends.enter_context(psycopg.connect(address, autocommit=True)) for _ in range(clients)]
        for text, expected in zip(texts, rows, strict=True):
            if not same(connections[0].execute(text).fetchall(), expected):
                raise RuntimeError(f"PostgreSQL gives other rows than the lake: {text[:500]}")
            list(pool.map(partial(_ask, text=text), connections))
            for _ in range(rounds):
                times.extend(pool.map(partial(_ask, text=text), connections))
    return {"postgres_ms_median": round(median(times), 1), "postgres_ms_p95": round(quantiles(times, n=20)[-1], 1)}


def same(found: Sequence[tuple[Any, ...]], expected: Sequence[tuple[Any, ...]]) -> bool:
    """Whether these are the same rows in the same order; floating numbers but for their last digits."""
    return len(found) == len(expected) and all(
        len(mine) == len(theirs) and all(map(_is_same, mine, theirs))
        for mine, theirs in zip(found, expected, strict=True)
    )


def _is_same(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, float) and isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(mine, (dict, list)) and isinstance(theirs, str):  # JSON, which the lake tells as text
        return bool(mine == json.loads(theirs))
    return bool(mine == theirs)


def translated(sql: str) -> str:
    """The SQL that an answer names, for PostgreSQL and without its snapshot."""
    plain = _BOUND.sub(lambda found: f"{'(select * from ' if found[1] else ''}{found[2]}.{found[3]}", sql)
    tree = sqlglot.parse_one(plain, read="duckdb")
    for select in list(tree.find_all(exp.Select)):
        _name_all(select)
    for rounded in tree.find_all(exp.Round):  # a half is rounded away from zero, as the lake does; PostgreSQL's doubles
        rounded.set("this", exp.cast(rounded.this, "decimal"))  # go to the even number
    return tree.sql("postgres")


def _name_all(select: exp.Select) -> None:
    """`group by all` and `order by all` by the places of the columns, which is what PostgreSQL knows of it."""
    columns = select.expressions
    group, order = select.args.get("group"), select.args.get("order")
    if group is not None and group.args.get("all"):
        places = [place for place, one in enumerate(columns, 1) if not one.find(exp.AggFunc)]
        select.set("group", exp.Group(expressions=[exp.Literal.number(place) for place in places]) if places else None)
    if order is not None and [one.name.lower() for one in order.expressions] == ["all"]:
        every = [exp.Ordered(this=exp.Literal.number(n), nulls_first=False) for n in range(1, len(columns) + 1)]
        select.set("order", exp.Order(expressions=every))


def _copy(business: Business, marts: Sequence[tuple[str, str]]) -> None:
    with psycopg.connect(business.server.url(), autocommit=True) as server:
        server.execute("drop database if exists warehouse")
        # Texts in the order of their bytes, as the lake sorts them.
        server.execute("create database warehouse template template0 locale 'C'")
    address = business.server.url("warehouse")
    with psycopg.connect(address, autocommit=True) as target:
        for schema in sorted({schema for schema, _ in marts}):
            target.execute(f"create schema {schema}")  # type: ignore[arg-type]  # names of our own
        with warehouse.reading(business.cdc) as lake:
            lake.execute(f"attach '{address}' as target (type postgres)")
            for schema, table in marts:
                lake.execute(f"create table target.{schema}.{table} as from marts.{schema}.{table}")
            lake.execute("detach target")
        target.execute("analyze")


def _ask(connection: "psycopg.Connection[Any]", text: str) -> float:
    began = time.perf_counter()
    connection.execute(text).fetchall()  # type: ignore[call-overload]  # compiled, not written by a person
    return (time.perf_counter() - began) * 1000
