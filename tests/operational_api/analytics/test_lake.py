"""The reader: before the first build, across snapshots, under many threads, when the catalog is gone."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore, Thread

import pytest

from contracts import warehouse
from operational_api.analytics.errors import NotBuilt, TooManyRows, TooSlow
from operational_api.analytics.lake import Lake, Remembered
from operational_api.analytics.query import Query
from tests.operational_api.analytics.conftest import fill, make_marts, person, serve

MRR = Query("select sum(mrr_minor) from @finance.fct_mrr_daily")


def _reserved_mib() -> int:
    """Memory that this process has reserved for data, used or not."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


class TestBeforeTheFirstBuild:
    @pytest.mark.parametrize("path", ["metrics/mrr", "datasets/coach_clients", "lineage/mrr"])
    def test_it_says_not_built_yet(self, empty_settings, path):
        answer = person(serve(empty_settings), "admin").get(f"/api/analytics/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "analytics.not_built")

    def test_a_catalog_without_a_lake_says_the_same(self, empty_settings, postgres):
        other = empty_settings.lake_catalog_url.get_secret_value().rsplit("/", 1)[0] + "/postgres"
        settings = empty_settings.model_copy(update={"lake_catalog_url": type(empty_settings.lake_catalog_url)(other)})
        assert (
            person(serve(settings), "admin").get("/api/analytics/metrics/mrr").json()["code"] == "analytics.not_built"
        )

    def test_freshness_and_health_answer(self, empty_settings):
        client = person(serve(empty_settings), "admin")
        assert client.get("/api/analytics/freshness").json()["state"] == "stale"
        ready = client.get("/api/analytics/ready")
        assert (ready.status_code, ready.json()["parts"]) == (200, {"lake": "up", "marts": "not built yet"})
        assert client.get("/live").json() == {"state": "live"}

    def test_marts_are_answered_before_the_first_scores(self, empty_settings):
        with warehouse.writing(empty_settings) as lake:
            make_marts(lake, with_ml=False)
            lake.execute("insert into marts.core.dim_customers (customer_id, coach_id) values (uuid(), uuid())")
        client = person(serve(empty_settings), "admin")
        assert client.get("/api/analytics/datasets/coach_clients").json()["items"][0]["probability"] is None
        assert client.get("/api/analytics/datasets/watchlist").json()["items"] == []


class TestAsk:
    def test_an_answer_is_kept_until_the_snapshot_changes(self, empty_settings):
        with warehouse.writing(empty_settings) as writer:
            make_marts(writer)
            fill(writer)
            lake = Lake(empty_settings)
            first, second = lake.ask(MRR), lake.ask(MRR)
            assert first.table is second.table
            writer.execute("update marts.finance.fct_mrr_daily set mrr_minor = mrr_minor + 1")
            third = lake.ask(MRR)
            assert third.snapshot_id > first.snapshot_id
            assert third.table[0][0].as_py() == first.table[0][0].as_py() + 180
            assert lake.ask(MRR, snapshot_id=first.snapshot_id).table is first.table
            lake.close()

    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says what a process has reserved")
    def test_answers_of_few_rows_take_little_memory(self, settings):
        lake, few = Lake(settings), "select *, {:d} as turn from @core.dim_customers limit 3"
        lake.ask(Query(few.format(0)))
        before = _reserved_mib()
        kept = [lake.ask(Query(few.format(turn))).table for turn in range(1, 101)]
        assert _reserved_mib() - before < 64, "100 answers, of some hundred bytes each"
        assert sum(table.num_rows for table in kept) == 300
        lake.close()

    def test_now_is_when_the_snapshot_was_made(self, settings):
        lake = Lake(settings)
        query = Query("select current_timestamp as at, current_date as day from @core.fct_builds")
        answer = lake.ask(query)
        told = answer.table.to_pylist()[0]
        assert told["at"] == lake.made_at(answer.snapshot_id)
        assert told["day"] == lake.made_at(answer.snapshot_id).date()
        assert "current_" not in answer.sql
        lake.close()

    def test_a_snapshot_never_changes_under_a_reader_while_a_build_replaces_tables(self, empty_settings):
        with warehouse.writing(empty_settings) as writer:
            make_marts(writer)
            fill(writer)
            done = Event()

            def rebuild() -> None:
                for _ in range(15):
                    writer.execute(
                        "create or replace table marts.finance.fct_mrr_daily as from marts.finance.fct_mrr_daily"
                    )
                done.set()

            lake = Lake(empty_settings)
            expected = lake.ask(MRR).table.to_pylist()
            builder = Thread(target=rebuild)
            builder.start()
            with ThreadPoolExecutor(8) as pool:
                while not done.is_set():
                    answers = list(pool.map(lambda _: lake.ask(MRR).table.to_pylist(), range(16)))
                    assert answers == [expected] * 16
            builder.join()
            lake.close()

    @pytest.mark.asvs("15.2.2")
    def test_too_many_rows_and_too_much_time_are_refused(self, settings):
        small = Lake(settings.model_copy(update={"analytics_max_rows": 10}))
        with pytest.raises(TooManyRows):
            small.ask(Query("select * from @finance.fct_mrr_daily"))
        small.close()
        quick = Lake(settings.model_copy(update={"analytics_query_seconds": 0.3}))
        with pytest.raises(TooSlow):
            quick.ask(
                Query(
                    "select count(*) from range(1000000) a, range(1000000) b, @core.fct_builds where a.range <> b.range"
                )
            )
        assert quick.ask(MRR).table.num_rows == 1
        quick.close()

    @pytest.mark.asvs("16.5.2")
    def test_the_catalog_going_away_and_coming_back(self, settings, tmp_path):
        from plyo.postgres import PostgresServer, free_port

        server = PostgresServer(tmp_path / "own", free_port(), "secret", durable=False, dies_with_parent=True)
        server.create()
        server.start()
        own = settings.model_copy(
            update={
                "lake_catalog_url": type(settings.lake_catalog_url)(server.url()),
                "lake_path": str(tmp_path / "lake"),
            }
        )
        warehouse.set_up(own)
        with warehouse.writing(own) as writer:
            make_marts(writer)
        client = person(serve(own), "admin")
        assert client.get("/api/analytics/datasets/stages_daily").status_code == 200
        server.stop()
        down = client.get("/api/analytics/datasets/stages_daily")
        assert (down.status_code, down.json()["code"]) == (503, "analytics.lake_down")
        assert client.get("/api/analytics/ready").status_code == 503
        server.start()
        assert client.get("/api/analytics/datasets/stages_daily").status_code == 200
        assert client.get("/api/analytics/ready").status_code == 200
        server.stop()


class TestRemembered:
    def test_equal_questions_at_once_are_made_once(self):
        kept: Remembered[int] = Remembered(100)
        made, here = [], Semaphore(0)

        def make() -> int:
            for _ in range(8):  # the others have come by then
                here.acquire()
            made.append(1)
            return 7

        def ask(_: int) -> int:
            here.release()
            return kept.get("q", make)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == [7] * 8
        assert made == [1]

    def test_what_fails_is_asked_again(self):
        kept: Remembered[int] = Remembered(100)
        with pytest.raises(NotBuilt):
            kept.get("q", lambda: (_ for _ in ()).throw(NotBuilt()))
        assert kept.get("q", lambda: 1) == 1

    def test_never_weighs_more_than_its_limit(self):
        kept: Remembered[int] = Remembered(100)
        for number in range(50):
            kept.get(number, lambda number=number: number, lambda _: 10)
        assert kept._weight <= 100
        again = []
        kept.get(49, lambda: again.append(1) or 0)
        kept.get(0, lambda: again.append(1) or 0)
        assert again == [1]
