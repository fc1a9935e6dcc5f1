"""What a snapshot says is computed once and not sent twice: ETags, one flight, one store for all processes."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from contracts import warehouse
from operational_api.analytics import freshness, remembered
from operational_api.analytics.lake import Lake
from operational_api.analytics.query import Query
from operational_api.analytics.remembered import Shared
from operational_api.analytics.settings import AnalyticsSettings
from plyo import valkey
from tests.operational_api.analytics.conftest import ANNA, BORIS, MIA, decide, person
from tests.operational_api.core.test_rate_limit import Store, free_port

PATHS = ("metrics/mrr", "metrics/attendances?by=coach", "datasets/mrr_daily", "datasets/mrr_daily?format=parquet",
         "datasets/client_progress?customer_id=" + str(MIA), "datasets/coach_clients")  # fmt: skip


class TestEtag:
    @pytest.mark.parametrize("path", PATHS)
    def test_an_answer_that_is_known_is_not_sent_again_and_the_lake_not_asked(
        self, app: FastAPI, anna: TestClient, admin: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        who = anna if "client" in path else admin
        first = who.get(f"/api/analytics/{path}")
        monkeypatch.setattr(freshness, "PULSE_SECONDS", 60)
        monkeypatch.setattr(freshness, "BELIEVED_SECONDS", 60)
        who.get(f"/api/analytics/{path}")
        lake: Lake = app.state.lake
        monkeypatch.setattr(lake, "_open", lambda: pytest.fail("the lake was asked"))
        monkeypatch.setattr(lake, "_cursor", lambda *_: pytest.fail("the lake was asked"))
        again = who.get(f"/api/analytics/{path}", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["X-Plyo-Freshness"]

    def test_two_people_share_no_tag_but_where_they_see_the_same(self, app: FastAPI, anna: TestClient) -> None:
        boris = person(app, "coach", BORIS)
        path = "/api/analytics/metrics/attendances"
        tags = [one.get(path).headers["ETag"] for one in (anna, boris, person(app, "admin"), person(app, "admin"))]
        assert tags[2] == tags[3]
        assert len(set(tags)) == 3
        told = boris.get(path, headers={"If-None-Match": tags[0]})
        assert told.status_code == 200

    def test_what_a_client_withholds_changes_the_tag(self, settings: AnalyticsSettings, anna: TestClient) -> None:
        path = f"/api/analytics/datasets/client_wearables?customer_id={MIA}"
        tag = anna.get(path).headers["ETag"]
        decide(settings, MIA, {"sleep": False})
        try:
            told = anna.get(path, headers={"If-None-Match": tag})
            assert (told.status_code, told.json()["items"][0]["sleep_minutes"]) == (200, None)
        finally:
            decide(settings, MIA, {"sleep": True})

    def test_what_one_of_a_list_withholds_changes_its_tag(self, settings: AnalyticsSettings, anna: TestClient) -> None:
        path = "/api/analytics/datasets/coach_clients"
        tag = anna.get(path).headers["ETag"]
        assert {anna.get(path, headers={"If-None-Match": tag}).status_code for _ in range(2)} == {304}
        decide(settings, MIA, {"training": False})
        try:
            told = anna.get(path, headers={"If-None-Match": tag})
            assert told.status_code == 200
            assert [one["adherence_30d"] for one in told.json()["items"] if one["customer_id"] == str(MIA)] == [None]
        finally:
            decide(settings, MIA, {"training": True})

    def test_numbers_may_be_kept_by_their_reader_and_people_by_nobody(
        self, admin: TestClient, anna: TestClient
    ) -> None:
        assert admin.get("/api/analytics/metrics/mrr").headers["Cache-Control"] == "private, no-cache"
        for path in ("metrics/adherence?customer_id=" + str(MIA), "datasets/coach_clients"):
            assert anna.get(f"/api/analytics/{path}").headers["Cache-Control"] == "no-store"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    port = free_port()
    folder: Path = tmp_path_factory.mktemp("valkey")
    store = Store(valkey.configure(folder, port, "a-password"), valkey.url(port, "a-password"))
    store.start()
    yield store
    store.stop()


class TestShared:
    def test_processes_that_ask_at_once_make_an_answer_once(self, store: Store) -> None:
        made: list[int] = []

        def make() -> pa.Table:
            made.append(1)
            return pa.table({"n": [7]})

        processes = [Shared(store.url) for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(lambda one: one.get("mrr at 7", make).to_pylist(), processes))
        assert told == [[{"n": 7}]] * 6
        assert made == [1]

    def test_a_large_answer_stays_where_it_was_made(self, store: Store) -> None:
        made: list[int] = []

        def make() -> pa.Table:
            made.append(1)
            return pa.table({"n": [7]})

        for _ in range(2):
            Shared(store.url, largest_bytes=10).get("large", make)
        assert made == [1, 1]

    def test_one_that_fails_is_made_by_the_next_at_once(self, store: Store) -> None:
        shared = Shared(store.url, making_seconds=60)
        with pytest.raises(ValueError, match="no"):
            shared.get("fails", lambda: (_ for _ in ()).throw(ValueError("no")))
        assert shared.get("fails", lambda: pa.table({"n": [1]})).num_rows == 1

    def test_one_that_takes_longer_than_a_claim_lasts_is_still_made_once(self, store: Store) -> None:
        processes, made = [Shared(store.url) for _ in range(2)], list[int]()

        def make() -> pa.Table:
            made.append(1)
            time.sleep(1.25 * remembered._CLAIM_SECONDS)
            return pa.table({"n": [7]})

        with ThreadPoolExecutor(2) as pool:
            told = list(pool.map(lambda one: one.get("slow", make).num_rows, processes))
        assert (told, made) == ([1, 1], [1])
        for one in processes:
            one.close()

    def test_one_whose_maker_was_killed_is_made_by_another(self, store: Store) -> None:
        """As soon as its claim has run out, and not when the time is over that a question may take."""
        maker = """
import sys, time
from operational_api.analytics.remembered import Shared
Shared(sys.argv[1]).get("killed", lambda: (print("making", flush=True), time.sleep(600)))
"""
        with subprocess.Popen([sys.executable, "-c", maker, store.url], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"making\n"
            time.sleep(1.25 * remembered._CLAIM_SECONDS)  # it holds its claim as long as it lives
            waits = ThreadPoolExecutor(1).submit(
                Shared(store.url, making_seconds=600).get, "killed", lambda: pa.table({"n": [7]})
            )
            with pytest.raises(TimeoutError):
                waits.result(0.5)
            process.kill()
        assert waits.result(60).num_rows == 1

    def test_without_the_store_each_makes_its_own(self) -> None:
        shared = Shared("redis://127.0.0.1:1/0")
        assert shared.get("x", lambda: pa.table({"n": [1]})).num_rows == 1

    def test_lakes_of_two_processes_share_numbers_and_no_persons(
        self, store: Store, settings: AnalyticsSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = settings.model_copy(update={"redis_url": SecretStr(store.url)})
        one, other = Lake(told), Lake(told)
        numbers = Query("select sum(mrr_minor) as n from @finance.fct_mrr_daily", is_shared=True)
        people = Query("select customer_id from @core.dim_customers order by all")
        known = [one.ask(query) for query in (numbers, people)]
        asked: list[str] = []
        connect = warehouse.connect

        def note(*given: Any, **named: Any) -> Any:
            asked.append("lake")
            return connect(*given, **named)

        monkeypatch.setattr(warehouse, "connect", note)
        other._missing = one._missing
        assert other.ask(numbers).table.equals(known[0].table)
        assert asked == []
        assert other.ask(people).table.equals(known[1].table)
        assert asked == ["lake"]
        one.close()
        other.close()


def test_who_asks_is_in_the_key_of_what_they_get(app: FastAPI) -> None:
    lake: Lake = app.state.lake
    mine, others = (
        lake.key_of(Query("select * from @core.dim_customers where coach_id = $principal", {"principal": who}))
        for who in (ANNA, BORIS)
    )
    assert mine != others
