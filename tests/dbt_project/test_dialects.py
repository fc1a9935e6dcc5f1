"""What dbt compiled, written in the dialects of warehouses that nobody here can run: every model, without one error.

DuckDB's SQL is read by sqlglot and written as Snowflake's and BigQuery's; what cannot be said there is an error, and
what was said is parsed again as that dialect.
"""

from pathlib import Path

import pytest
import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.transforms import eliminate_window_clause


def compiled(target: Path) -> dict[str, str]:
    """Name to compiled SQL of every model of the build."""
    return {file.stem: file.read_text() for file in sorted((target / "compiled" / "plyo" / "models").rglob("*.sql"))}


def plain(sql: str) -> exp.Expr:
    """Parsed, without what only a spelling asks for.

    Named windows are written out. Frames of aggregates are ordered by days, which are never null, so where nulls would
    stand says nothing; BigQuery has no words for it there.
    """
    tree = sqlglot.parse_one(sql, read="duckdb")
    for scope in traverse_scope(tree):
        eliminate_window_clause(scope.expression)
    for window in tree.find_all(exp.Window):
        if window.args.get("spec") or isinstance(window.this, exp.AggFunc):
            for ordered in window.find_all(exp.Ordered):
                ordered.set("nulls_first", not ordered.args.get("desc"))
    return tree


def asked_of_null(tree: exp.Expr) -> list[str]:
    """Arguments of `least` and `greatest` that are null by how they are made, whatever the rows say."""
    asked = [one for call in tree.find_all(exp.Least, exp.Greatest) for one in (call.this, *call.expressions)]
    return [one.sql() for one in asked if one is not None and _may_be_null(one)]


def _may_be_null(tree: exp.Expr) -> bool:
    if isinstance(tree, exp.Coalesce):
        return _may_be_null(tree.expressions[-1])
    if isinstance(tree, exp.Nullif | exp.Null) or (isinstance(tree, exp.Case) and tree.args.get("default") is None):
        return True
    return any(_may_be_null(child) for child in tree.iter_expressions())


@pytest.fixture(scope="module")
def trees(built_lake, target: Path) -> dict[str, exp.Expr]:
    return {name: plain(sql) for name, sql in compiled(target).items()}


class TestDialects:
    @pytest.mark.parametrize("dialect", ["snowflake", "bigquery"])
    def test_every_model_can_be_said_and_is_read_again(self, trees, dialect):
        refused = {}
        for name, tree in trees.items():
            try:
                said = tree.sql(dialect=dialect, unsupported_level=ErrorLevel.RAISE)
                again = sqlglot.parse_one(said, read=dialect)
            except (sqlglot.errors.SqlglotError, AttributeError) as error:
                refused[name] = str(error)[:200]
                continue
            assert len(again.selects) == len(tree.selects), name
        assert len(trees) > 70
        assert refused == {}

    def test_least_and_greatest_are_asked_of_nothing_that_may_be_null(self, trees):
        """Of a null they answer the other value here and null in Snowflake and BigQuery: `at_most` says which."""
        assert {name: asked_of_null(tree) for name, tree in trees.items() if asked_of_null(tree)} == {}

    def test_one_that_may_be_null_is_found(self):
        assert asked_of_null(plain("select least(1.0, a / nullif(b, 0)) as share from t")) == ["a / NULLIF(b, 0)"]
        assert asked_of_null(plain("select greatest(0, case when a > 0 then b end) as share from t"))
        assert asked_of_null(plain("select least(1.0, coalesce(a / nullif(b, 0), 0)) as share from t")) == []

    def test_a_model_that_cannot_be_said_is_refused(self):
        with pytest.raises(sqlglot.errors.UnsupportedError):
            sqlglot.parse_one("select max(x) over (order by y nulls last rows 1 preceding) from t", read="duckdb").sql(
                dialect="bigquery", unsupported_level=ErrorLevel.RAISE
            )
