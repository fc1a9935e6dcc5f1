"""What a snapshot says is not sent twice: ETags."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from operational_api.analytics import freshness
from operational_api.analytics.lake import Lake
from operational_api.analytics.query import Query
from operational_api.analytics.settings import AnalyticsSettings
from tests.operational_api.analytics.conftest import ANNA, BORIS, MIA, decide, person

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


def test_who_asks_is_in_the_key_of_what_they_get(app: FastAPI) -> None:
    lake: Lake = app.state.lake
    mine, others = (
        lake.key_of(Query("select * from @core.dim_customers where coach_id = $principal", {"principal": who}))
        for who in (ANNA, BORIS)
    )
    assert mine != others
