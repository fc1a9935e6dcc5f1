"""What a customer withholds is not told to others, from the moment they say so; the rest is."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pyarrow as pa
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event

from contracts import warehouse
from operational_api.analytics import formats, withheld
from operational_api.analytics.datasets import DATASETS
from operational_api.analytics.settings import AnalyticsSettings
from operational_api.core.principal import Principal
from tests.operational_api.analytics.conftest import ANNA, BORIS, MIA, NOAH, decide, insert, person, serve

EVERY = ("activity", "sleep", "daily", "training", "injuries")


@pytest.fixture
def withhold(settings: AnalyticsSettings) -> Iterator[object]:
    """Mia withholds these kinds until the test is over."""
    yield lambda *kinds: decide(settings, MIA, dict.fromkeys(kinds, False))
    decide(settings, MIA, dict.fromkeys(EVERY, True))


def rows(person: TestClient, name: str) -> tuple[int, list[dict[str, object]]]:
    answer = person.get(f"/api/analytics/datasets/{name}", params={"customer_id": str(MIA)})
    return answer.status_code, answer.json().get("items", [])


class TestOneClient:
    @pytest.mark.parametrize("name", [name for name, one in DATASETS.items() if one.subject == "client" and one.kinds])
    def test_is_missing_where_nothing_is_shown(self, anna: TestClient, mia: TestClient, withhold, name: str) -> None:  # type: ignore[no-untyped-def]
        assert rows(anna, name)[0] == 200
        withhold(*DATASETS[name].kinds)
        assert rows(anna, name) == (404, [])
        assert rows(mia, name)[1] != []

    def test_has_gaps_where_a_part_is_shown(self, anna: TestClient, withhold) -> None:  # type: ignore[no-untyped-def]
        withhold("sleep")
        status, [day] = rows(anna, "client_wearables")
        assert (status, day["sleep_minutes"]) == (200, None)
        assert day["customer_id"] == str(MIA)

    def test_every_kind_of_a_dataset_about_health_is_named(self) -> None:
        named = {name for name, one in DATASETS.items() if one.subject == "client" and one.kinds}
        assert {name for name, one in DATASETS.items() if one.subject == "client"} - named == {"client_overview"}


class TestLists:
    def test_leave_out_what_one_of_them_withholds_with_one_question(
        self, settings: AnalyticsSettings, withhold
    ) -> None:  # type: ignore[no-untyped-def]
        withhold("injuries")
        heard: list[str] = []
        app = serve(settings)
        engine = app.state.asking

        def note(*told: object) -> None:
            heard.append(str(told[2]))

        event.listen(engine, "before_cursor_execute", note)
        try:
            items = person(app, "coach", ANNA).get("/api/analytics/datasets/watchlist").json()["items"]
        finally:
            event.remove(engine, "before_cursor_execute", note)
        app.state.lake.close()
        assert sum("decided_kinds" in one for one in heard) == 1
        by_id = {row["customer_id"]: row for row in items}
        assert by_id[str(MIA)]["reasons"] is None
        assert by_id[str(NOAH)]["reasons"] is not None
        assert by_id[str(MIA)]["probability"] is not None


class TestPages:
    def test_tell_nothing_of_who_withholds_by_length_or_cursor(self, anna: TestClient, withhold) -> None:  # type: ignore[no-untyped-def]
        withhold("training")
        for name in ("training.fct_exercise_bests", "training.fct_training_days", "training.fct_adherence_weeks"):
            cursor, met = None, []
            while True:
                asked: dict[str, str | int] = {"limit": 1} | ({"cursor": cursor} if cursor else {})
                page = anna.get(f"/api/analytics/datasets/{name}", params=asked).json()
                assert [row["customer_id"] for row in page["items"]] == [str(NOAH)], name
                met += page["items"]
                if (cursor := page["next"]) is None:
                    break
                assert str(MIA) not in base64.urlsafe_b64decode(cursor + "===").decode()
            assert met == anna.get(f"/api/analytics/datasets/{name}").json()["items"]


class TestFiles:
    @pytest.mark.parametrize("form", formats.FORMATS)
    @pytest.mark.parametrize("of", [[MIA, NOAH, MIA], [MIA, MIA]])
    def test_hold_no_byte_of_what_is_withheld(self, form: str, of: list[UUID]) -> None:
        """Nor does Arrow's buffer hold it under a cell that says that it is empty, nor Parquet's statistics."""
        about = {
            "adherence_30d": (pa.float64(), 0.731, 0.25), "steps": (pa.int32(), 73_731, 4_000),
            "reasons": (pa.string(), "a knee that hurts", "none"),
            "last_workout_at": (pa.timestamp("us", "UTC"), datetime(2026, 3, 7, 13, 31, 7, 731, UTC), None),
        }  # fmt: skip
        columns = {
            name: pa.array([hidden if one == MIA else told for one in of], kind)
            for name, (kind, hidden, told) in about.items()
        }
        table = pa.table({"customer_id": [str(one) for one in of]} | columns)
        boss = Principal(role="lead_coach", client_id="tests", account_id=BORIS)
        given = {MIA: frozenset[str](), NOAH: frozenset(EVERY)}
        blank = withheld.blank(table, boss, lambda people: {one: given[one] for one in people})
        for name, (_, _, told) in about.items():
            assert blank[name].to_pylist() == [None if one == MIA else told for one in of]
        written = b"".join(formats.FORMATS[form].write(iter([blank]), {}))
        for name, (kind, hidden, _) in about.items():
            assert pa.array([hidden], kind).buffers()[-1].to_pybytes() not in written, name
            assert str(hidden).encode() not in written, name


class TestMetrics:
    def test_of_one_who_withholds_training_are_like_of_nobody(self, app: FastAPI, anna: TestClient, withhold) -> None:  # type: ignore[no-untyped-def]
        asked = {"customer_id": str(MIA)}
        assert anna.get("/api/analytics/metrics/adherence", params=asked).status_code == 200
        withhold("training")
        refused = anna.get("/api/analytics/metrics/adherence", params=asked)
        assert (refused.status_code, refused.json()["code"]) == (404, "core.not_found")
        assert person(app, "customer", MIA).get("/api/analytics/metrics/adherence", params=asked).status_code == 200
        assert anna.get("/api/analytics/metrics/adherence").status_code == 200

    def test_that_count_by_what_is_withheld_tell_nothing_of_it(self, own: AnalyticsSettings) -> None:
        """Who is at risk with a visit yesterday has done less of their plan than before."""
        with warehouse.writing(own) as lake:
            for customer, drop in ((MIA, 0.5), (NOAH, 0.5)):
                insert(lake, "retention.fct_churn_features", {
                    "customer_id": customer, "coach_id": ANNA, "as_of": "2026-09-07", "days_since_last_session": 1,
                    "tenure_days": 100, "adherence_drop": drop, "sessions_attended_7d": 2, "has_next_booking": True,
                })  # fmt: skip
        decide(own, MIA, {"training": False})
        app = serve(own)
        path, of_mia, of_noah = "/api/analytics/metrics/at_risk_clients", f"?customer_id={MIA}", f"?customer_id={NOAH}"
        for role in ("coach", "admin"):
            reader = person(app, role, ANNA)
            assert [reader.get(path + one).status_code for one in (of_mia, of_noah)] == [404, 200]
            assert reader.get(f"{path}/rows{of_mia}").status_code == 404
            told = reader.get(f"{path}/rows").json()
            assert [row["customer_id"] for row in told["items"]] == [str(NOAH)]
            assert told["counted"] == 2
        analyst = person(app, "data")
        assert [analyst.get(path + one).status_code for one in ("", of_noah, "/rows")] == [200, 404, 403]
        app.state.lake.close()
