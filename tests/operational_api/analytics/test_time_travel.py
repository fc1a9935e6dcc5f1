"""As known on a date, restated since, and how fresh: on lakes that change under the test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts import warehouse
from contracts.former import Former
from contracts.metrics import METRICS
from operational_api.analytics import freshness
from tests.operational_api.analytics.conftest import build, fill, make_marts, new_lake, person, serve, stream


@pytest.fixture(autouse=True)
def always_look(monkeypatch):
    monkeypatch.setattr(freshness, "BELIEVED_SECONDS", 0)


@pytest.fixture(scope="module")
def changing(postgres, template_database, tmp_path_factory):
    """A lake of this page's own; each test changes it and compares with what it read itself before."""
    settings = new_lake(postgres, tmp_path_factory.mktemp("changing"), template_database)
    with warehouse.writing(settings) as writer:
        make_marts(writer)
        fill(writer)
        app = serve(settings)
        yield writer, app
        app.state.lake.close()


@pytest.fixture
def writer(changing):
    return changing[0]


@pytest.fixture
def admin(changing):
    return person(changing[1], "admin")


class TestAsOf:
    def test_a_metric_is_told_as_it_was_known(self, admin, writer):
        published = admin.get("/api/analytics/metrics/mrr?grain=month").json()
        then = datetime.now(UTC).isoformat()
        writer.execute("update marts.finance.fct_mrr_daily set mrr_minor = mrr_minor * 2 where currency = 'EUR'")
        now = admin.get("/api/analytics/metrics/mrr?grain=month").json()
        known = admin.get("/api/analytics/metrics/mrr", params={"grain": "month", "as_of": then}).json()
        assert now["points"] != published["points"]
        assert known["points"] == published["points"]
        assert writer.execute(known["sql"]).fetchall() == writer.execute(published["sql"]).fetchall()
        rows = admin.get("/api/analytics/datasets/mrr_daily", params={"as_of": then, "currency": "EUR"}).json()["items"]
        assert rows[0]["mrr_minor"] == 100000

    def test_before_the_first_build_there_is_nothing_to_know(self, admin):
        answer = admin.get("/api/analytics/metrics/mrr", params={"as_of": "2020-01-01"})
        assert (answer.status_code, answer.json()["code"]) == (422, "analytics.not_that_long_ago")
        assert answer.json()["oldest"]


class TestRestatements:
    def test_lists_points_that_changed_and_the_rows_that_caused_it(self, admin, writer):
        then = datetime.now(UTC).isoformat()
        writer.execute(
            """update marts.finance.fct_payments set refunded_minor = refunded_minor + 100
            where currency = 'USD' and status = 'captured' and captured_on between '2026-08-01' and '2026-08-10'"""
        )
        writer.execute(
            """insert into marts.finance.fct_payments by name
            select uuid() as payment_id, 'captured' as status, 7 as amount_minor, 0 as refunded_minor,
                0 as disputed_minor, 'EUR' as currency, date '2026-09-02' as captured_on"""
        )
        told = admin.get(
            "/api/analytics/metrics/net_revenue/restatements", params={"grain": "month", "since": then}
        ).json()
        assert [
            (
                one["at"],
                one["currency"],
                one["now"] - one["then"],
                one["rows_added"],
                one["rows_removed"],
                one["rows_changed"],
            )
            for one in told["items"]
        ] == [("2026-08-01", "USD", -300, 0, 0, 3), ("2026-09-01", "EUR", 7, 1, 0, 0)]

    def test_nothing_changed_is_nothing_restated(self, admin):
        since = datetime.now(UTC).isoformat()
        assert admin.get("/api/analytics/metrics/mrr/restatements", params={"since": since}).json()["items"] == []


class TestFreshness:
    def state(self, admin, name: str) -> str:
        return admin.get(f"/api/analytics/metrics/{name}").json()["freshness"]["state"]

    def test_marts_with_a_quiet_stream_are_fresh(self, admin, writer):
        ago = datetime.now(UTC) - timedelta(hours=5)
        build(writer, 100, ago)
        writer.execute("delete from raw.main._cdc_watermarks")
        stream(writer, 100, ago, changes=10)
        stream(writer, 120, datetime.now(UTC), changes=0)
        assert self.state(admin, "mrr") == "fresh"

    def test_a_change_that_waits_makes_them_late_then_stale(self, admin, writer):
        for minutes, expected in ((5, "fresh"), (20, "late"), (120, "stale")):
            writer.execute("delete from raw.main._cdc_watermarks")
            build(writer, 100, datetime.now(UTC) - timedelta(hours=5))
            stream(writer, 110, datetime.now(UTC) - timedelta(minutes=minutes), changes=1)
            stream(writer, 120, datetime.now(UTC), changes=5)
            assert self.state(admin, "mrr") == expected

    def test_a_dead_stream_makes_them_late(self, admin, writer):
        writer.execute("delete from raw.main._cdc_watermarks")
        ago = datetime.now(UTC) - timedelta(minutes=30)
        stream(writer, 100, ago, changes=1)
        build(writer, 100, ago)
        assert self.state(admin, "mrr") == "late"

    @pytest.fixture
    def all_well(self, writer):
        writer.execute("delete from raw.main._cdc_watermarks")
        stream(writer, 100, datetime.now(UTC), changes=1)
        build(writer, 100, datetime.now(UTC))

    def test_scores_that_stop_touch_what_shows_scores_and_only_that(self, admin, writer, all_well):
        writer.execute("update marts.ml.churn_scores set as_of = current_date - 5")
        told = {
            name: admin.get(f"/api/analytics/datasets/{name}").json()["freshness"]["state"]
            for name in ("watchlist", "coach_clients", "mrr_daily", "coach_utilisation", "churn_model_card")
        }
        assert told == {
            "watchlist": "stale", "coach_clients": "stale", "mrr_daily": "fresh", "coach_utilisation": "fresh",
            "churn_model_card": "fresh",
        }  # fmt: skip

    def test_the_overview_names_every_relation(self, admin, writer, all_well):
        writer.execute("update marts.ml.churn_scores set as_of = current_date")
        told = admin.get("/api/analytics/freshness").json()
        states = {one["relation"]: one["state"] for one in told["relations"]}
        assert states["finance.fct_mrr_daily"] == states["ml.churn_scores"] == told["state"] == "fresh"
        assert told["build"]["lsn"] == told["stream"]["lsn"] == 100


class TestScores:
    def test_a_model_taken_back_into_use_is_the_one_that_counts(self, admin, writer):
        def told() -> set[str]:
            rows = admin.get("/api/analytics/datasets/watchlist").json()["items"]
            return {row["model_id"] for row in rows}

        writer.execute(
            """insert into marts.ml.churn_scores by name
            select * replace ('churn-2' as model_id, scored_at + interval '1 hour' as scored_at)
            from marts.ml.churn_scores where model_id = 'churn-1'"""
        )
        writer.execute("insert into marts.ml.churn_models by name select 'churn-2' as model_id, true as is_current")
        writer.execute("update marts.ml.churn_models set is_current = model_id = 'churn-2'")
        assert told() == {"churn-2"}
        writer.execute("update marts.ml.churn_models set is_current = model_id = 'churn-1'")
        assert told() == {"churn-1"}


class TestWhatWasTold:
    """`as_of` tells exactly what was told then, and what has been restated since, with the reason."""

    def test_names_the_definition_that_changed(self, admin, writer, monkeypatch):
        asked = {"grain": "month", "currency": "EUR"}
        published = admin.get("/api/analytics/metrics/new_mrr", params=asked).json()
        then = datetime.now(UTC)
        writer.execute("insert into marts.core.fct_stages_daily by name select current_date as day, 'x' as stage")
        metric = METRICS["new_mrr"]
        changed = replace(
            metric, expression="sum(new_minor) * 2",
            former=(Former(datetime.now(UTC).isoformat(), metric.expression, "", "counted twice, on purpose"),),
        )  # fmt: skip
        monkeypatch.setitem(METRICS, "new_mrr", changed)
        told = admin.get("/api/analytics/metrics/new_mrr", params=asked | {"as_of": then.isoformat()}).json()
        assert told["points"] == published["points"]
        assert [one["now"] for one in told["restated"]] == [2 * one["then"] for one in told["restated"]]
        assert len(told["restated"]) == len(published["points"])
        assert all("counted twice, on purpose" in one["why"][-1] for one in told["restated"])
        now = admin.get("/api/analytics/metrics/new_mrr", params=asked).json()
        assert now["points"][0]["value"] == 2 * published["points"][0]["value"]

    def test_tells_late_and_corrected_rows_apart_by_dimension(self, admin, writer):
        published = admin.get("/api/analytics/metrics/attendances?by=coach&grain=month").json()
        snapshot = published["snapshot_id"]
        writer.execute(
            """insert into marts.scheduling.fct_bookings by name
            select uuid() as booking_id, coach_id, customer_id, location_id, date '2026-09-03' as local_day,
                'attended' as status from marts.scheduling.fct_bookings limit 1"""
        )
        told = admin.get(f"/api/analytics/metrics/attendances?by=coach&grain=month&as_of={snapshot}").json()
        assert told["points"] == published["points"]
        [one] = told["restated"]
        assert (one["now"] - one["then"], one["rows_added"], one["why"][0][:9]) == (1, 1, "late rows")
        assert admin.get(f"/api/analytics/metrics/attendances?as_of={snapshot + 999}").status_code == 422

    def test_now_is_then_where_a_definition_speaks_of_now(self, admin, writer, monkeypatch):
        asks_the_clock = "status = 'open' and starts_at <= current_timestamp"
        monkeypatch.setitem(METRICS, "fill_rate", replace(METRICS["fill_rate"], where=asks_the_clock))
        writer.execute(
            """insert into marts.scheduling.fct_slots by name select uuid() as slot_id, date '2026-09-03' as local_day,
            'open' as status, 4 as capacity, 2 as seats_held, starts_at
            from (values (now() - interval '1 hour'), (now() + interval '1 second')) as slots(starts_at)"""
        )
        told = [admin.get("/api/analytics/metrics/fill_rate").json() for _ in range(2)]
        assert told[0]["points"] == told[1]["points"] == [{"at": "2026-09-03", "value": 0.5}]
        assert "current_timestamp" not in told[0]["sql"]
        assert writer.execute(told[0]["sql"]).fetchall() == [(datetime(2026, 9, 3).date(), 0.5)]  # noqa: DTZ001
