"""What dbt's own adapters make of every model for Snowflake and BigQuery: SQL of theirs, as far as reading it tells.

Compiled without a connection, by the environment of `make install-warehouses`; the connectors' models too. What is read
is more than sqlglot's grammar, which lets other dialects' words pass: functions and types are held against those that
the warehouses' references have, names against their reserved words, and what each refuses is looked for.
"""

import json
import re
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from tests.dbt_project import elsewhere
from tests.dbt_project import lake as lakes

FUNCTIONS = {
    "snowflake": """
        abs avg cast coalesce concat convert_timezone count date_trunc dateadd datediff dayofweekiso exp extract floor
        first_value flatten generator get_path greatest lag lead least ln lower max md5 min nullif parse_json power
        round row_number seq4 split sqrt stddev_samp substr sum trim upper
    """,
    "bigquery": """
        abs avg cast coalesce concat count date date_add date_diff date_trunc datetime_add datetime_diff exp extract
        first_value floor generate_date_array greatest json_query_array json_value lag lead least ln lower max md5 min
        nullif power round row_number split sqrt stddev_samp substr sum time_diff timestamp timestamp_add
        timestamp_diff timestamp_seconds timestamp_trunc to_hex trim unnest upper
    """,
}
"""By dialect, those of docs.snowflake.com/en/sql-reference/functions-all and of GoogleSQL's list that are called."""
TYPES = {
    "snowflake": "bigint boolean date decimal double_precision integer timestamp_with_time_zone varchar",
    "bigquery": "bigint boolean date datetime decimal float64 int64 integer string timestamp",
}
"""By dialect, types with an underscore for each space; bigint, integer and decimal are aliases that both know."""
SYNTAX = "and array as exists from in join lateral not on or over select table then week when where"
"""Words that a bracket follows and that are no functions; `week(monday)` is a part of a date."""
RESERVED = {
    "snowflake": """
        all alter and any as between by case cast check column connect constraint create cross current current_date
        current_time current_timestamp current_user delete distinct drop else exists false following for from full grant
        group having ilike in increment inner insert intersect into is join lateral left like localtime localtimestamp
        minus natural not null of on or order qualify regexp revoke right rlike row rows sample select set some start
        table tablesample then to trigger true try_cast union unique update using values when whenever where with
    """,
    "bigquery": """
        all and any array as asc assert_rows_modified at between by case cast collate contains create cross cube current
        default define desc distinct else end enum escape except exclude exists extract false fetch following for from
        full group grouping groups hash having if ignore in inner intersect interval into is join lateral left like
        limit lookup merge natural new no not null nulls of on or order outer over partition preceding proto qualify
        range recursive respect right rollup rows select set some struct tablesample then to treat true unbounded union
        unnest using when where window with within
    """,
}
DIALECTS = ["snowflake", "bigquery"]


def compiled(dialect: str, folder: Path) -> dict[str, str]:
    """Name to compiled SQL of every model; nobody is asked."""
    nobody = elsewhere.snowflake_profile(9) if dialect == "snowflake" else elsewhere.bigquery_profile(folder)
    done = lakes.dbt(
        "compile", "--select", "*,resource_type:model", "--target", dialect, "--no-introspect", "--no-populate-cache",
        target=folder, more=nobody, python=elsewhere.python(),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    nodes = json.loads((folder / "manifest.json").read_text())["nodes"].values()
    return {node["name"]: node["compiled_code"] for node in nodes if node["resource_type"] == "model"}


def bare(sql: str) -> str:
    """Without comments, and without what is in quotation marks."""
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'", "''", sql)


def functions(sql: str) -> set[str]:
    return set(re.findall(r"(?<!as )\b([a-z_][a-z_0-9]*)\s*\(", bare(sql))) - set(SYNTAX.split())


def types(tree: exp.Expr, sql: str) -> set[str]:
    """Types of casts as they are written: what stands between `as` and a closing bracket and is no name."""
    written = re.findall(
        r"\bas\s+(double precision|timestamp with time zone|[a-z0-9_]+)(?:\([0-9, ]+\))?\s*\)", bare(sql)
    )
    names = {name.name.lower() for name in tree.find_all(exp.Identifier)}
    return {kind.replace(" ", "_") for kind in written if kind not in names}


def refused(dialect: str, sql: str) -> list[str]:
    """What is wrong with a query in a dialect; nothing, if it can be told by reading."""
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
    except sqlglot.errors.SqlglotError as error:
        return [str(error)[:200]]
    found = [f"function {name}" for name in functions(sql) - set(FUNCTIONS[dialect].split()) - {"decimal"}]
    found += [f"type {name}" for name in types(tree, sql) - set(TYPES[dialect].split())]
    reserved = set(RESERVED[dialect].split())
    found += [
        f"reserved {name.name}"
        for name in tree.find_all(exp.Identifier)
        if not name.args.get("quoted") and name.name.lower() in reserved
    ]
    found += asked_of_null(tree)
    found += ["a command"] * bool(list(tree.find_all(exp.Command)))
    for compared in tree.find_all(exp.GT, exp.GTE, exp.LT, exp.LTE):
        found += ["rows compared"] * isinstance(compared.this, exp.Tuple)
    return found + (_snowflake(tree) if dialect == "snowflake" else _bigquery(tree))


def asked_of_null(tree: exp.Expr) -> list[str]:
    """Arguments of `least` and `greatest` that are null by how they are made, whatever the rows say.

    Of a null they answer the other value in DuckDB and PostgreSQL, and null in Snowflake and BigQuery: `at_most` says
    which is meant.
    """
    asked = [one for call in tree.find_all(exp.Least, exp.Greatest) for one in (call.this, *call.expressions)]
    return [f"{one.sql()} may be null" for one in asked if one is not None and _may_be_null(one)]


def _may_be_null(tree: exp.Expr) -> bool:
    if isinstance(tree, exp.Coalesce):
        return _may_be_null(tree.expressions[-1])
    if isinstance(tree, exp.Nullif | exp.Null) or (isinstance(tree, exp.Case) and tree.args.get("default") is None):
        return True
    return any(_may_be_null(child) for child in tree.iter_expressions())


def _snowflake(tree: exp.Expr) -> list[str]:
    found = ["at time zone"] * bool(list(tree.find_all(exp.AtTimeZone)))
    for exists in tree.find_all(exp.Exists):
        found += ["exists outside of a condition"] * (exists.find_ancestor(exp.Where, exp.Select).key != "where")
    return found


def _bigquery(tree: exp.Expr) -> list[str]:
    found = ["values as rows"] * bool(list(tree.find_all(exp.Values)))
    for zone in tree.find_all(exp.AtTimeZone):
        found += ["at time zone"] * (zone.find_ancestor(exp.Extract) is None)
    for join in tree.find_all(exp.Join):
        on = join.args.get("on")
        parts = on.flatten() if isinstance(on, exp.And) else [on]
        found += ["an outer join without an equality"] * (
            bool(join.side) and not any(isinstance(part, exp.EQ) for part in parts)
        )
    for window in tree.find_all(exp.WindowSpec):
        found += ["a frame of intervals"] * bool(list(window.find_all(exp.Interval)))
    return found


@pytest.fixture(scope="module", params=DIALECTS)
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """A dialect, and every model in it."""
    return request.param, compiled(request.param, tmp_path_factory.mktemp(request.param))


class TestDialects:
    def test_every_model_is_sql_of_the_warehouse(self, said):
        dialect, models = said
        assert len(models) > 100
        wrong = {name: found for name, sql in models.items() if (found := refused(dialect, sql))}
        assert wrong == {}

    @pytest.mark.parametrize(
        ("dialect", "sql"),
        [
            ("snowflake", "select sum(x) over w as y from t window w as (order by x)"),
            ("snowflake", "select cast(x at time zone 'UTC' as date) as y from t"),
            ("snowflake", "select exists (select 1 from u where u.x = t.x) as y from t"),
            ("snowflake", "select trigger from t"),
            ("snowflake", "select x from t where (a, b) > (1, 2)"),
            ("snowflake", "select bool_or(x) as y from t"),
            ("snowflake", "select cast(x as uuid) as y from t"),
            ("bigquery", "select cast(x as double precision) as y from t"),
            ("bigquery", "select cast(x as varchar) as y from t"),
            ("bigquery", "select bool_or(x) as y from t"),
            ("bigquery", "select x from t union select x from u"),
            ("bigquery", "select x from (values (1), (2)) as v (x)"),
            ("bigquery", "select date(x at time zone 'UTC') as y from t"),
            ("bigquery", "select t.x from t left join u on t.x > u.x"),
            (
                "bigquery",
                "select sum(x) over (order by d range between interval 3 day preceding and current row)",
            ),
            ("bigquery", "select window from t"),
            ("bigquery", "select least(1.0, a / nullif(b, 0)) as share from t"),
            ("snowflake", "select greatest(0, case when a > 0 then b end) as share from t"),
        ],
    )
    def test_what_a_warehouse_has_no_word_for_is_refused(self, dialect, sql):
        assert refused(dialect, sql) != []
