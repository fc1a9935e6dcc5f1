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

    def test_a_model_that_cannot_be_said_is_refused(self):
        with pytest.raises(sqlglot.errors.UnsupportedError):
            sqlglot.parse_one("select max(x) over (order by y nulls last rows 1 preceding) from t", read="duckdb").sql(
                dialect="bigquery", unsupported_level=ErrorLevel.RAISE
            )
