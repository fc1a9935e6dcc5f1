"""What a lake's commits tell of its tables, as the macros of a build read it: whether rows came, or went as well."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import psycopg
import pytest
from dbt.clients.jinja import MacroGenerator
from dbt_common.exceptions import MacroReturn
from pydantic import SecretStr

from contracts import warehouse
from contracts.ids import new_id
from contracts.warehouse import WarehouseSettings
from plyo.postgres import PostgresServer
from tests.dbt_project.lake import PROJECT


@pytest.fixture(scope="module")
def lake(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """With three tables of a thousand rows in raw."""
    name = f"moves_{new_id().hex}"
    with psycopg.connect(postgres.url(), autocommit=True) as server:
        server.execute(f"create database {name}")  # type: ignore[arg-type]
    folder: Path = tmp_path_factory.mktemp("moves")
    settings = WarehouseSettings(lake_catalog_url=SecretStr(postgres.url(name)), lake_path=str(folder))
    warehouse.set_up(settings)
    with warehouse.writing(settings) as connection:
        for table in ("growing", "shrinking", "resting"):
            connection.execute(f"create table raw.main.{table} as select range as id from range(1000)")
        yield connection


@pytest.fixture
def macros(lake: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Those of `lake_changes.sql`, called as dbt calls them, with this lake to ask."""

    def say(value: Any) -> None:
        raise MacroReturn(value)

    def rows(query: str) -> list[tuple[Any, ...]]:
        return lake.execute(query).fetchall()

    text = (PROJECT / "macros" / "lake_changes.sql").read_text()
    context: dict[str, Any] = {}
    for found in re.finditer(r"{% macro (\w+)\(.*?{%-? ?endmacro -?%}", text, re.DOTALL):
        context[found[1]] = MacroGenerator(SimpleNamespace(name=found[1], macro_sql=found[0]), context)  # type: ignore[arg-type]
    context |= {"return": say, "plyo_rows": rows, "flags": SimpleNamespace(FULL_REFRESH=False)}
    return context


class TestRowsThatWent:
    @pytest.fixture
    def told(self, lake: duckdb.DuckDBPyConnection, macros: dict[str, Any]) -> Callable[[str], tuple[bool, set[Any]]]:
        """Of a table, whether rows of it went since the test began, as commits tell, and the changes that are found."""
        since = warehouse.snapshot_id(lake, "raw")

        def tell(table: str) -> tuple[bool, set[Any]]:
            macros["graph"] = {"plyo_run": {"since": {"raw": since}, "moves": {}, "wrote": {}}}
            macros["plyo_read_moves"]("raw")
            place = {"lake": "raw", "schema": "main", "table": table}
            changes = macros["plyo_changes"](place, since, warehouse.snapshot_id(lake, "raw"))
            came = "'insert' as change_type, id" if "insertions" in changes else "change_type, id"
            return macros["plyo_went"](place, since), set(lake.execute(f"select {came} from {changes}").fetchall())

        return tell

    def test_are_told_where_some_did_and_asked_for_there_alone(self, lake, told):
        lake.execute("insert into raw.main.growing values (1000)")
        lake.execute("insert into raw.main.growing select range from range(2000, 2200)")
        lake.execute("delete from raw.main.shrinking where id in (3, 5)")
        assert told("growing") == (False, {("insert", 1000)} | {("insert", id_) for id_ in range(2000, 2200)})
        assert told("shrinking") == (True, {("delete", 3), ("delete", 5)})
        assert told("resting") == (False, set())

    def test_are_told_of_a_few_that_the_catalog_itself_holds(self, lake, told):
        lake.execute("insert into raw.main.resting values (7000), (7001)")
        lake.execute("delete from raw.main.resting where id = 7000")
        went, changes = told("resting")
        assert went
        assert ("insert", 7001) in changes
        assert ("insert", 7000) not in changes or ("delete", 7000) in changes

    def test_are_asked_for_of_a_table_of_which_nothing_is_known(self, macros):
        macros["graph"] = {"plyo_run": {"since": {"raw": 0}, "moves": {}, "wrote": {}}}
        assert macros["plyo_went"]({"lake": "raw", "schema": "main", "table": "unheard_of"}, 0)
