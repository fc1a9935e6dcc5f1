"""Small marts are held in memory, and a customer's rows of large ones: all exactly as read from the lake."""

import pytest

from contracts import warehouse
from contracts.ids import new_id
from contracts.relations import RELATIONS
from operational_api.analytics.held import Held
from operational_api.analytics.lake import Lake
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings
from tests.operational_api.analytics.conftest import MIA, NOAH

_NOT_SMALL = 60_000
"""Cells that may be held where the mart of MRR, of 3,600 of them, is neither small nor too large."""


class TestHeld:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("select count(*) from {}", ["day"]),
            ("select sum(mrr_minor) from {} where currency = $currency", ["currency", "mrr_minor"]),
            ("select * from {}", None),
            ("select own.* from {} as own", None),
            ("select day, * from {}", None),
            ("select * exclude (day) from {}", None),
            ("select count(*) from (from {})", None),
            ("from {} select day", None),
            ("select columns('m.*') from {}", None),
            ("select mrr_minor * 2 from {}", None),  # more than is needed, and never less
        ],
    )
    def test_what_a_query_reads_is_never_less_than_it_says(self, text: str, read: list[str] | None) -> None:
        mart = "finance.fct_mrr_daily"
        found = Query(text.format(f"@{mart}")).columns_of(mart)
        assert list(found) == (list(RELATIONS[mart].columns) if read is None else read)

    def test_a_small_mart_is_held_whole_from_the_first_question_on(self, own: AnalyticsSettings) -> None:
        mart = "finance.fct_mrr_daily"
        lake, other = Lake(own), Lake(own.model_copy(update={"analytics_held_cells": _NOT_SMALL}))
        for one in (lake, other):
            one.ask(Query(f"select sum(mrr_minor) as total from @{mart}"))
        held = lake._held._tables[mart]
        assert held is not None
        assert held.columns == RELATIONS[mart].columns.keys()
        assert mart not in other._held._tables
        lake.close()
        other.close()

    def test_a_mart_asked_about_twice_is_read_from_memory_and_exact(self, own: AnalyticsSettings) -> None:
        lake = Lake(own.model_copy(update={"analytics_held_cells": _NOT_SMALL}))
        query = "select {} as n, sum(mrr_minor) as total from @finance.fct_mrr_daily as d where d.day > '2026-01-01'"
        with warehouse.writing(own) as writer:
            for _ in range(3):
                told = [lake.ask(Query(query.format(n))).table.to_pylist()[0]["total"] for n in range(4)]
                held = lake._held._tables["finance.fct_mrr_daily"]
                assert held is not None
                assert held.columns == {"day", "mrr_minor"}
                at = lake.snapshot_id()
                assert str(at) in held.table
                assert [(told[0],)] * 4 == [
                    writer.execute(
                        f"select sum(mrr_minor) from marts.finance.fct_mrr_daily at (version => {at})"
                    ).fetchone()
                ] * 4
                writer.execute(
                    "update marts.finance.fct_mrr_daily set mrr_minor = mrr_minor + 1 where day < '2026-09-01'"
                )
                assert lake.ask(Query(query.format(9)), snapshot_id=at).table.to_pylist()[0]["total"] == told[0]
        schemas = lake._open().cursor().execute("select schema_name from duckdb_schemas() where schema_name like '%@%'")
        assert len(schemas.fetchall()) == 1
        lake.close()

    def test_of_a_mart_that_is_too_large_a_customers_rows_are(self, own: AnalyticsSettings) -> None:
        mart = "training.fct_training_days"
        with warehouse.writing(own) as writer:
            for who in (MIA, NOAH, *(new_id() for _ in range(8))):
                writer.execute(
                    f"""insert into marts.{mart} by name select ?::uuid as customer_id, unnest(generate_series(
                    date '2026-01-01', date '2026-01-20', interval '1 day'))::date as day, 1.5 as load""", [who],
                )  # fmt: skip
        rows = Lake(own)._sizes()[mart]
        cells = rows * len(RELATIONS[mart].columns) * 4 - 1  # one too few for all of it
        lake = Lake(own.model_copy(update={"analytics_held_cells": cells}))
        with warehouse.writing(own) as writer:
            for _ in range(2):
                for who in (MIA, NOAH):
                    by_hand = writer.execute(f"from marts.{mart} where customer_id = ? order by day", [who])
                    expected = by_hand.to_arrow_table().to_pylist()
                    for n in range(3):
                        query = Query(
                            f"select * from @{mart} where customer_id = $customer_id order by day limit {1000 + n}",
                            {"customer_id": who}, parts={mart: ("customer_id", who)},
                        )  # fmt: skip
                        assert lake.ask(query).table.to_pylist() == expected
                        assert lake.ask(Query(f"select count(*) as n, {n} as m from @{mart}")).table.to_pylist() == [
                            {"n": sum(writer.execute(f"select count(*) from marts.{mart}").fetchone()), "m": n}
                        ]
                    held: Held = lake._held
                    assert held._tables[mart] is None
                    copy = held._parts[(mart, ("customer_id", who))]
                    assert copy.cells == len(expected) * len(RELATIONS[mart].columns)
                writer.execute(f"update marts.{mart} set load = load + 1")
        lake.close()

    def test_columns_that_are_asked_about_later_are_held_too(self, own: AnalyticsSettings) -> None:
        lake = Lake(own.model_copy(update={"analytics_held_cells": _NOT_SMALL}))
        texts = ("count(*)", "sum(mrr_minor)", "max(day)", "count(distinct currency)", "sum(mrr_minor)")
        with warehouse.reading(own) as bare:
            for chosen in texts:
                for n in range(2):
                    told = lake.ask(Query(f"select {n} as n, {chosen} as told from @finance.fct_mrr_daily")).table
                    by_hand = bare.execute(f"select {chosen} from marts.finance.fct_mrr_daily").fetchone()
                    assert by_hand == (told.to_pylist()[0]["told"],)
        held = lake._held._tables["finance.fct_mrr_daily"]
        assert held is not None
        assert held.columns >= {"mrr_minor", "day", "currency"}
        assert lake._held._free == lake._held._cells - held.cells
        tables = "select count(*) from duckdb_tables() where schema_name like 'finance@%'"
        assert lake._open().cursor().execute(tables).fetchone() == (1,)
        every = lake.ask(Query("select * from @finance.fct_mrr_daily")).table
        assert every.column_names == list(RELATIONS["finance.fct_mrr_daily"].columns)
        lake.close()

    def test_what_is_too_large_is_not(self, own: AnalyticsSettings) -> None:
        lake = Lake(own.model_copy(update={"analytics_held_cells": 400}))
        for n in range(3):
            lake.ask(Query(f"select {n} as n, count(*) as rows from @finance.fct_mrr_daily"))
        assert lake._held._tables == {"finance.fct_mrr_daily": None}
        lake.close()

    def test_what_another_thread_dropped_is_read_from_the_lake(self, own: AnalyticsSettings) -> None:
        lake = Lake(own)
        for n in range(2):
            lake.ask(Query(f"select {n} as n, count(*) as rows from @finance.fct_mrr_daily"))
        held: Held = lake._held
        copy = held._tables["finance.fct_mrr_daily"]
        assert copy is not None
        lake._open().cursor().execute(f"drop schema {copy.table.rpartition('.')[0]} cascade")
        told = lake.ask(Query("select 7 as n, count(*) as rows from @finance.fct_mrr_daily")).table.to_pylist()
        assert told == [{"n": 7, "rows": 180}]
        lake.close()
