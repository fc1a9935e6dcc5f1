"""The client: tables over Arrow, refusals in words, an act once even when its answer is lost."""

from datetime import date

import polars as pl
import pytest

from consoles.client import Freshness, Plyo, Refused, SignedOut, Unreachable
from tests.consoles.conftest import PlyoServer

METRIC = "api/analytics/metrics/mrr"


class TestDataset:
    def test_is_a_frame_with_the_servers_types(self, plyo_server: PlyoServer) -> None:
        frame = plyo_server.client().dataset("coach_clients")
        assert frame["display_name"].to_list() == ["Mia Berg", "Tom Fox"]
        assert frame.schema["probability"] == pl.Float64


class TestMetric:
    def test_carries_its_definition_and_freshness(self, plyo_server: PlyoServer) -> None:
        plyo_server.answers[METRIC] = {
            "name": "mrr", "label": "MRR", "definition": "What memberships pay.", "unit": "money",
            "relation": "finance.fct_mrr_daily", "sql": "select 1",
            "freshness": {"state": "fresh", "age_seconds": 12.0, "data_as_of": None, "snapshot_id": 3},
            "points": [{"at": "2026-03-01", "value": 4900, "currency": "EUR"}],
        }  # fmt: skip
        answer = plyo_server.client().metric("mrr", since=date(2026, 1, 1))
        assert answer.points.row(0, named=True) == {"at": date(2026, 3, 1), "value": 4900.0, "currency": "EUR"}
        assert answer.freshness.words == "fresh, 12 s old"

    def test_without_points_is_an_empty_series(self, plyo_server: PlyoServer) -> None:
        plyo_server.answers[METRIC] = {
            "definition": "", "unit": "count", "relation": "", "sql": "", "freshness": {}, "points": [],
        }  # fmt: skip
        assert plyo_server.client().metric("mrr").points.is_empty()


class TestRefusals:
    def test_say_what_the_server_said(self, plyo_server: PlyoServer) -> None:
        plyo_server.refusals["api/automation/runs/r1/send"] = (
            409, {"detail": "Mia asked not to be nudged.", "code": "automation.nudges_off"},
        )  # fmt: skip
        with pytest.raises(Refused, match="Mia asked not to be nudged") as refusal:
            plyo_server.client().post("/api/automation/runs/r1/send", {"body": "x"})
        assert refusal.value.code == "automation.nudges_off"

    def test_a_token_that_is_over_is_signed_out(self, plyo_server: PlyoServer) -> None:
        client = Plyo(api_url=plyo_server.url, analytics_url=plyo_server.url, token="old")
        with pytest.raises(SignedOut):
            client.get("/api/identity/me")

    def test_a_dead_server_is_unreachable(self) -> None:
        client = Plyo(api_url="http://127.0.0.1:9", analytics_url="http://127.0.0.1:9", token="t")
        with pytest.raises(Unreachable, match="try again"):
            client.get("/api/identity/me")


class TestPost:
    def test_repeats_a_lost_answer_with_the_same_key(self, plyo_server: PlyoServer) -> None:
        path = "api/scheduling/bookings/b1/outcome"
        plyo_server.refusals[path] = (503, {"detail": "down"})
        with pytest.raises(Unreachable):
            plyo_server.client().post(f"/{path}", {"outcome": "attended"})
        del plyo_server.refusals[path]
        plyo_server.client().post(f"/{path}", {"outcome": "attended"})
        method, _, body, key = plyo_server.acted[-1]
        assert (method, body) == ("POST", {"outcome": "attended"})
        assert key


class TestFreshness:
    @pytest.mark.parametrize(
        ("seconds", "words"), [(None, "late"), (5, "late, 5 s old"), (600, "late, 10 min old"), (7300, "late, 2 h old")]
    )
    def test_is_written_in_words(self, seconds: float | None, words: str) -> None:
        assert Freshness(state="late", age_seconds=seconds).words == words
