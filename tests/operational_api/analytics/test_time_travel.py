"""As known on a date, restated since, and how fresh: on lakes that change under the test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from contracts import notebook, warehouse
from contracts.former import Former
from contracts.metrics import METRICS
from operational_api.analytics import freshness, restatements
from tests.operational_api.analytics.conftest import (
    ANNA,
    MIA,
    NOAH,
    OLGA,
    build,
    fill,
    insert,
    make_marts,
    new_lake,
    person,
    serve,
    stream,
)


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

    def test_a_plan_renamed_since_has_todays_name_beside_its_past_and_the_former_one_as_it_was_known(
        self, admin, writer
    ):  # decision 42
        def steps(**asked):
            rows = admin.get("/api/analytics/datasets/mrr_movements", params=asked).json()["items"]
            return [(row["kind"], row["plan_id"], row["plan_name"]) for row in rows]

        published, then = steps(), datetime.now(UTC).isoformat()
        assert [(kind, name) for kind, _, name in published] == [("expansion", "Premium"), ("new", "Basic")]
        writer.execute("update marts.core.dim_plans set plan_name = 'Starter' where plan_name = 'Basic'")
        renamed = [(kind, id_, "Starter" if name == "Basic" else name) for kind, id_, name in published]
        assert steps() == renamed
        assert steps(as_of=then) == published
        writer.execute("update marts.core.dim_plans set plan_name = 'Basic' where plan_name = 'Starter'")

    @pytest.mark.parametrize("zone", ["UTC", "Asia/Ho_Chi_Minh", "America/New_York"])
    def test_a_date_is_today_of_its_periods(self, own, zone):
        day = datetime.now(UTC).date() - timedelta(days=3)
        with psycopg.connect(own.lake_catalog_url.get_secret_value(), autocommit=True) as catalog:
            catalog.execute("update marts.ducklake_snapshot set snapshot_time = snapshot_time - interval '9 days'")
        app = serve(own)
        for period, since in (("today", day), ("this_month", day.replace(day=1))):
            asked = {"as_of": str(day), "period": period, "zone": zone}
            told = person(app, "admin").get("/api/analytics/metrics/mrr", params=asked).json()["total"]
            assert (told["from"], told["to"]) == (str(since), str(day))
        app.state.lake.close()

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
            select uuid() as payment_id, 'stripe' as provider, 'membership' as kind, 'captured' as status,
                7 as amount_minor, 0 as refunded_minor,
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

    def test_what_a_period_brought_after_it_was_told_is_not_late(self, admin, writer):
        def attended(day):
            writer.execute(
                """insert into marts.scheduling.fct_bookings by name
                select uuid() as booking_id, ?::date as local_day, 'attended' as status""", [day],
            )  # fmt: skip

        def members(lost):
            writer.execute("delete from marts.finance.fct_membership_months where currency = 'VND'")
            for month in (today.replace(day=1), "2026-09-01"):
                insert(writer, "finance.fct_membership_months", {
                    "month": month, "currency": "VND", "members_at_start": 10, "members_lost": lost,
                })  # fmt: skip

        today = datetime.now(UTC).date()
        attended(today)
        members(1)
        then = datetime.now(UTC).isoformat()
        attended(today)
        attended("2026-09-03")
        members(2)
        for name, late in (("attendances", "late rows"), ("attrition", "rows that")):
            told = admin.get(f"/api/analytics/metrics/{name}", params={"grain": "month", "as_of": then}).json()
            assert [(one["at"], one["rows_since"], [why[:9] for why in one["why"]]) for one in told["restated"]] == [
                ("2026-09-01", 0, [late]), (str(today.replace(day=1)), 1, ["the perio"]),
            ]  # fmt: skip

    def test_nothing_changed_is_nothing_restated(self, admin):
        since = datetime.now(UTC).isoformat()
        assert admin.get("/api/analytics/metrics/mrr/restatements", params={"since": since}).json()["items"] == []


def told_since(admin, then: str) -> dict:
    told = admin.get("/api/analytics/metrics/attendances/restatements", params={"grain": "month", "since": then})
    assert told.status_code == 200, told.text
    return told.json()


class TestErasures:
    """Of who closed the account or took back consent less is told afterwards, and that is said."""

    @pytest.fixture(autouse=True)
    def raw(self, writer):
        writer.execute(
            """create or replace table raw.main.platform__outbox_events
            (type varchar, aggregate_id uuid, occurred_at timestamptz, _op varchar)"""
        )
        writer.execute(
            """create or replace table raw.main.compliance__consents
            (customer_id uuid, purpose varchar, is_given boolean, decided_at timestamptz, _op varchar)"""
        )
        yield
        writer.execute("drop table raw.main.platform__outbox_events")
        writer.execute("drop table raw.main.compliance__consents")

    def attend(self, writer, who, day: str) -> None:
        writer.execute(
            """insert into marts.scheduling.fct_bookings by name select uuid() as booking_id, ? as customer_id,
            ?::date as local_day, 'attended' as status""", [who, day],
        )  # fmt: skip

    def test_the_erasure_is_named_as_the_cause_and_no_other(self, admin, writer):
        for who, day in ((MIA, "2026-03-02"), (NOAH, "2026-04-02"), (OLGA, "2026-05-02"), (OLGA, "2026-05-03")):
            self.attend(writer, who, day)
        then = datetime.now(UTC).isoformat()
        published = admin.get("/api/analytics/metrics/attendances?grain=month").json()["points"]
        now = datetime.now(UTC)
        writer.execute(
            "insert into raw.main.platform__outbox_events values ('identity.account_closed', ?, ?, 'i')", [MIA, now]
        )
        writer.execute("insert into raw.main.compliance__consents values (?, 'coaching', false, ?, 'i')", [NOAH, now])
        writer.execute("delete from marts.scheduling.fct_bookings where local_day = '2026-05-03'")
        writer.execute("delete from marts.scheduling.fct_bookings where local_day in ('2026-03-02', '2026-04-02')")
        told = {one["at"][:7]: one for one in told_since(admin, then)["items"]}
        assert told.keys() == {"2026-03", "2026-04", "2026-05"}
        assert [told[month]["rows_erased"] for month in sorted(told)] == [1, 1, 0]
        assert [told[month]["why"] for month in sorted(told)] == [
            [restatements.WHY["rows_erased"]], [restatements.WHY["rows_erased"]], [restatements.WHY["rows_removed"]],
        ]  # fmt: skip
        known = admin.get("/api/analytics/metrics/attendances", params={"grain": "month", "as_of": then}).json()
        assert known["points"] == published
        assert [one["rows_erased"] for one in known["restated"]] == [1, 1, 0]

    def test_who_was_forgotten_before_is_no_cause(self, admin, writer):
        long_ago = datetime.now(UTC) - timedelta(days=1)
        writer.execute(
            "insert into raw.main.platform__outbox_events values ('identity.account_closed', ?, ?, 'i')",
            [MIA, long_ago],
        )
        self.attend(writer, MIA, "2026-02-02")
        then = datetime.now(UTC).isoformat()
        writer.execute("delete from marts.scheduling.fct_bookings where local_day = '2026-02-02'")
        [one] = told_since(admin, then)["items"]
        assert (one["rows_removed"], one["rows_erased"], one["why"]) == (1, 0, [restatements.WHY["rows_removed"]])


class TestPastThatEndedWithAnErasure:
    @pytest.fixture
    def ended(self, postgres, template_database, tmp_path):
        """The lake of a night after somebody was forgotten; the moment before, when two months were told otherwise."""
        settings = new_lake(postgres, tmp_path, template_database)
        with warehouse.writing(settings) as writer:
            make_marts(writer)
            fill(writer)
            app = serve(settings)
            then = datetime.now(UTC)
            writer.execute("delete from marts.scheduling.fct_bookings where customer_id = ?", [MIA])
            writer.execute(
                """create table raw.main._told_otherwise as select 'attendances' as metric, month::date as month,
                now() as noted_at from unnest(['2026-09-01', '2026-10-01']) as months(month)"""
            )
            writer.execute("call ducklake_expire_snapshots('marts', older_than => now())")
            writer.execute("create table raw.main._erasures as select now() as erased_at")
            yield app, then.isoformat()
            app.state.lake.close()

    def test_what_was_told_is_refused_with_the_erasure_as_the_cause(self, ended):
        app, then = ended
        told = person(app, "admin").get("/api/analytics/metrics/attendances", params={"as_of": then})
        assert (told.status_code, told.json()["code"]) == (422, "analytics.not_that_long_ago")
        assert told.json()["because"] == "erasure"
        assert told.json()["erased_at"] > then
        assert "was erased on" in told.json()["detail"]

    def test_what_is_remembered_of_it_is_told_no_more(self, own):
        app = serve(own)
        admin, path = person(app, "admin"), "/api/analytics/datasets/coach_clients"
        with warehouse.writing(own) as writer:
            first = admin.get(path, params={"limit": 1}).json()
            asked = [
                {"as_of": str(first["snapshot_id"])}, {"as_of": datetime.now(UTC).isoformat()},
                {"limit": 1, "cursor": first["next"]},
            ]  # fmt: skip
            writer.execute("delete from marts.core.dim_customers where customer_id = ?", [MIA])
            for one in asked:  # the past has not ended yet
                assert admin.get(path, params=one).status_code == 200
            writer.execute("call ducklake_expire_snapshots('marts', older_than => now())")
            told = [admin.get(path, params=one) for one in asked]
        assert [(one.status_code, one.json().get("code")) for one in told] == [(422, "analytics.not_that_long_ago")] * 3
        app.state.lake.close()

    def test_a_number_that_another_snapshot_had_before_is_no_sign_of_it(self, own):
        """As of a lake that was put back from a backup, or made anew: its numbers are given again."""
        path, told = "/api/analytics/metrics/mrr", []
        for _ in range(2):
            app = serve(own)
            told.append(person(app, "admin").get(path))
            app.state.lake.close()
            with psycopg.connect(own.lake_catalog_url.get_secret_value()) as catalog:
                catalog.execute("update marts.ducklake_snapshot set snapshot_time = snapshot_time + interval '1 hour'")
        assert told[0].json()["snapshot_id"] == told[1].json()["snapshot_id"]
        assert told[0].headers["ETag"] != told[1].headers["ETag"]

    def test_months_that_it_changed_are_told_without_their_numbers(self, ended):
        app, then = ended
        told = told_since(person(app, "admin"), then)
        assert told["items"] == []
        assert [one["at"] for one in told["erased"]] == ["2026-09-01", "2026-10-01"]
        assert all(one["why"] == [restatements.WHY["rows_erased"]] for one in told["erased"])
        assert not {"then", "now"} & told["erased"][0].keys()
        assert told_since(person(app, "admin"), datetime.now(UTC).isoformat())["erased"] == []

    def test_a_coach_hears_of_no_others_client(self, ended):
        app, then = ended
        assert told_since(person(app, "coach", ANNA), then)["erased"] == []

    def test_another_past_that_is_not_kept_is_refused_as_ever(self, ended):
        app, _ = ended
        with warehouse.writing(app.state.lake._settings) as writer:
            writer.execute("update raw.main._erasures set erased_at = '2019-01-01'")
        for path in ("", "/restatements"):
            name = "since" if path else "as_of"
            told = person(app, "admin").get(f"/api/analytics/metrics/attendances{path}", params={name: "2020-01-01"})
            assert (told.status_code, told.json().get("because")) == (422, None)


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

    def test_names_the_definition_that_changed(self, admin, writer, changing, monkeypatch):
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
        for as_of in (then, {"marts": published["snapshot_id"]}, None):
            with notebook.open_lake(changing[1].state.settings, as_of=as_of) as lake:
                points = lake.sql("from metrics.new_mrr(grain := 'month') where currency = 'EUR'").fetchall()
            assert [value for *_, value in points] == [one["value"] for one in (told if as_of else now)["points"]]

    def test_is_told_by_the_words_after_those_that_were_withdrawn(self, admin, writer, monkeypatch):
        then = datetime.now(UTC)
        writer.execute("insert into marts.core.fct_stages_daily by name select current_date as day, 'y' as stage")
        metric, until = METRICS["new_mrr"], datetime.now(UTC).isoformat()
        withdrawn = Former(until, metric.expression, "", "told of one person", is_withdrawn=True)
        told_by = replace(metric, expression="sum(new_minor) * 2", former=(withdrawn,))
        monkeypatch.setitem(METRICS, "new_mrr", told_by)
        now = admin.get("/api/analytics/metrics/new_mrr?grain=month").json()
        known = admin.get("/api/analytics/metrics/new_mrr", params={"grain": "month", "as_of": then.isoformat()}).json()
        assert known["points"] == now["points"]
        assert known["expression"] == "sum(new_minor) * 2"

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
