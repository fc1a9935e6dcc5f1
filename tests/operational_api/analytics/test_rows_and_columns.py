"""Whose rows and which columns a role gets: the same in every format, for every dataset."""

import base64
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from contracts import warehouse
from contracts.classification import is_masked, masked
from contracts.relations import RELATIONS
from operational_api.analytics import formats
from operational_api.analytics.catalogue import DATASETS, SCREENS
from operational_api.analytics.settings import AnalyticsSettings
from tests.operational_api.analytics.conftest import ANNA, MIA, NOAH, insert, person, serve

pytestmark = pytest.mark.usefixtures("one_loop")

FORMATS = ("json", *formats.FORMATS)
OWN = {str(MIA), str(NOAH)}


def rows(client: TestClient, name: str, form: str, **asked: str) -> tuple[int, list[dict[str, Any]]]:
    """Status, and rows with their values as text where the format has no types."""
    if DATASETS[name].subject == "client":
        asked |= {"customer_id": str(MIA)}
    answer = client.get(f"/api/analytics/datasets/{name}", params={"format": form, **asked})
    if answer.status_code != 200:
        return answer.status_code, []
    if form == "json":
        return 200, answer.json()["items"]
    if form == "arrow":
        return 200, pa.ipc.open_stream(answer.content).read_all().to_pylist()
    if form == "parquet":
        return 200, pyarrow.parquet.read_table(io.BytesIO(answer.content)).to_pylist()
    return 200, pyarrow.csv.read_csv(
        io.BytesIO(answer.content), convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    ).to_pylist()


class TestCoach:
    @pytest.mark.asvs("8.2.2")
    @pytest.mark.parametrize("name", DATASETS)
    def test_gets_own_clients_in_every_format_and_nobody_else(self, anna: TestClient, name: str) -> None:
        by_format = {form: rows(anna, name, form) for form in FORMATS}
        assert len({(status, len(found)) for status, found in by_format.values()}) == 1, name
        for _, found in by_format.values():
            assert {one["customer_id"] for one in found if one.get("customer_id")} <= OWN
            if found and "customer_id" not in found[0] and "coach_id" in found[0]:
                assert {one["coach_id"] for one in found} <= {str(ANNA)}
        if DATASETS[name].is_money or DATASETS[name].subject == "business":
            assert by_format["json"][0] == 403

    def test_has_something_to_get(self, anna: TestClient) -> None:
        told = [name for name in DATASETS if rows(anna, name, "arrow")[1]]
        assert {"core.dim_customers", "scheduling.fct_bookings", "training.fct_wearable_days"} <= set(told)


class TestAnalyst:
    """The role `data`: every row, nobody's name."""

    @pytest.mark.parametrize("name", [name for name, one in DATASETS.items() if one.subject != "client"])
    def test_meets_no_person_in_any_format(self, app: FastAPI, name: str) -> None:
        analyst = person(app, "data", ANNA)
        for form in FORMATS:
            status, found = rows(analyst, name, form)
            assert status == (403 if DATASETS[name].is_health else 200)
            hidden = masked(RELATIONS[name]) if name in RELATIONS else ("display_name", "customer_name", "reasons")
            assert {one.get(column) for one in found for column in hidden} <= {None}, (name, form)

    def test_opens_no_clients_page(self, app: FastAPI) -> None:
        analyst = person(app, "data", ANNA)
        for name in (one for one in SCREENS if DATASETS[one].subject == "client"):
            assert rows(analyst, name, "json")[0] == 404

    def test_pages_tell_nothing_masked(self, app: FastAPI) -> None:
        import base64

        answer = person(app, "data", ANNA).get("/api/analytics/datasets/coach_clients?limit=1").json()
        told = json.loads(base64.urlsafe_b64decode(answer["next"] + "==="))
        assert "Mia" not in json.dumps(told)
        assert told["after"]

    def test_a_new_column_is_masked_until_somebody_says_what_it_tells(self) -> None:
        assert is_masked("what_somebody_wrote")
        assert not is_masked("currency")
        assert not is_masked("amount_minor")


class TestPages:
    @pytest.mark.parametrize(
        ("role", "name"),
        [
            ("admin", "mrr_daily"), ("admin", "finance.fct_payments"), ("admin", "watchlist"),
            ("admin", "scheduling.fct_bookings"), ("data", "watchlist"),
        ],
    )  # fmt: skip
    def test_one_after_the_other_are_the_whole(self, app: FastAPI, role: str, name: str) -> None:
        admin = person(app, role)
        whole = admin.get(f"/api/analytics/datasets/{name}").json()["items"]
        read: list[dict[str, Any]] = []
        cursor, limit = None, max(1, len(whole) // 3)
        while True:
            asked = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            page = admin.get(f"/api/analytics/datasets/{name}", params=asked).json()
            assert len(page["items"]) <= limit
            read += page["items"]
            if (cursor := page["next"]) is None:
                break
        assert read == whole

    def test_of_one_persons_steps_leave_none_out_where_people_are_masked(self, own: AnalyticsSettings) -> None:
        with warehouse.writing(own) as lake:
            for step in ("goals", "health", "plan"):
                insert(lake, "engagement.fct_onboarding_steps", {"customer_id": MIA, "step": step})
        app = serve(own)
        path, asked, told = "/api/analytics/datasets/engagement.fct_onboarding_steps", {"limit": "1"}, []
        while True:
            page = person(app, "data").get(path, params=asked).json()
            told += [row["step"] for row in page["items"]]
            if page["next"] is None:
                break
            asked["cursor"] = page["next"]
        app.state.lake.close()
        assert told == ["goals", "health", "plan"]

    @pytest.mark.parametrize("name", RELATIONS)
    def test_go_on_after_any_row_where_people_are_masked(self, name: str) -> None:
        """A cursor holds no masked column: without one that is in the key it would stand for several rows."""
        assert not [column for column in RELATIONS[name].key if is_masked(column)]

    def test_of_another_dataset_or_made_up_are_refused(self, admin: TestClient) -> None:
        cursor = admin.get("/api/analytics/datasets/mrr_daily?limit=1").json()["next"]
        for name, told in (("stages_daily", cursor), ("mrr_daily", "nonsense"), ("mrr_daily", cursor[:-3])):
            answer = admin.get(f"/api/analytics/datasets/{name}", params={"cursor": told})
            assert (answer.status_code, answer.json()["code"]) == (422, "analytics.not_allowed")

    @pytest.mark.parametrize("value", ["abc", "'; drop", "\u0000", "\ud800", "9" * 40, "infinity", None, {"a": 1}])
    def test_that_stand_for_no_row_of_any_dataset_break_nothing(self, admin: TestClient, value: object) -> None:
        snapshot = admin.get("/api/analytics/datasets/mrr_daily?limit=1").json()["snapshot_id"]
        refused = 0
        for name, dataset in DATASETS.items():
            told = {"of": name, "snapshot": snapshot, "after": [value] * len(dataset.ordered())}
            asked = {"cursor": base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")}
            if dataset.subject == "client":
                asked["customer_id"] = str(MIA)
            answer = admin.get(f"/api/analytics/datasets/{name}", params=asked)
            assert answer.status_code < 500, (name, answer.text)
            refused += answer.status_code == 422
        assert value is None or refused


class TestCsv:
    def test_holds_no_formula(self, admin: TestClient) -> None:
        table = pa.table({"a": ["=1+1", "+1", "-1", "@x", "\tx", "＝1", "plain", None], "n": [-1, 2, 3, 4, 5, 6, 7, 8]})
        told = formats.harmless(table)
        assert told["a"].to_pylist() == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "'＝1", "plain", None]
        assert told["n"].to_pylist() == table["n"].to_pylist()
        text = admin.get("/api/analytics/datasets/scheduling.fct_slots?format=csv").text
        assert "'@sum" in text
        assert '"@sum' not in text

    def test_is_written_piece_by_piece(self) -> None:
        taken = []

        def pieces() -> Any:
            for number in range(3):
                taken.append(number)
                yield pa.table({"n": [number]})

        written = formats.csv(pieces(), {})
        assert next(written) == b'"n"\n0\n'
        assert taken == [0], "the next piece is asked for when the first has been taken"
        assert b"".join(written) == b"1\n2\n"
