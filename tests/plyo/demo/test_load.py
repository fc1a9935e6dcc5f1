"""Loading: the same seed gives the same business, nothing is half a business, nothing is overwritten."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from pwdlib import PasswordHash

from plyo.demo import presence
from plyo.demo.journey import CAUSES
from plyo.demo.loading import load
from plyo.logins import LOGINS, PASSWORD
from tests.plyo.demo.conftest import SIZE, UNTIL, Business

SMALL = {"customers": 30, "months": 3, "seed": 5, "until": UNTIL}


def fingerprint(url: str) -> dict[str, str]:
    """A hash of all rows of each table, whatever their order.

    Left out: marks of consents, which count under the number of the connection that wrote.
    """
    with psycopg.connect(url, options="-c timezone=UTC") as connection:
        names = connection.execute(
            """
            select table_schema || '.' || table_name from information_schema.tables
            where table_schema in ('platform','identity','commerce','training','scheduling','engagement','automation')
              and table_name not in ('bulk_loads', 'consent_marks') and table_type = 'BASE TABLE'
            """
        ).fetchall()
        return {
            name: connection.execute(
                f"select coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '') from {name} as t"
            ).fetchone()[0]
            for (name,) in names
        }


class TestLoad:
    def test_same_seed_and_now_give_the_same_rows(self, fresh_database: Callable[[], str], tmp_path: Path) -> None:
        one, two = fresh_database(), fresh_database()
        load(one, state_folder=tmp_path / "one", **SMALL)
        load(two, state_folder=tmp_path / "two", **SMALL)
        assert fingerprint(one) == fingerprint(two)
        for name in ("truth.parquet", "truth_customers.parquet"):
            first, second = tmp_path / "one/demo" / name, tmp_path / "two/demo" / name
            assert first.read_bytes() == second.read_bytes()

    def test_another_seed_gives_another_business(self, fresh_database: Callable[[], str], tmp_path: Path) -> None:
        one, two = fresh_database(), fresh_database()
        load(one, state_folder=tmp_path, **SMALL)
        load(two, state_folder=tmp_path, **(SMALL | {"seed": 6}))
        assert fingerprint(one)["training.workout_sets"] != fingerprint(two)["training.workout_sets"]

    def test_refuses_a_business_that_is_there(self, business: Business, tmp_path: Path) -> None:
        before = self.accounts(business.url)
        with pytest.raises(presence.BusinessExists, match="plyo reset"):
            load(business.url, state_folder=tmp_path, **SMALL)
        assert self.accounts(business.url) == before
        assert presence.state(business.url) == "loaded"

    def accounts(self, url: str) -> list[tuple[str, ...]]:
        with psycopg.connect(url) as connection:
            return connection.execute("select * from identity.accounts order by id").fetchall()

    def test_refuses_a_real_account(self, fresh_database: Callable[[], str], tmp_path: Path) -> None:
        url = fresh_database()
        with psycopg.connect(url) as connection:
            connection.execute(
                """
                insert into identity.accounts (id, email, display_name, role)
                values (gen_random_uuid(), 'real@example.test', 'Real', 'customer')
                """
            )
        assert presence.state(url) == "in use"
        with pytest.raises(presence.BusinessExists, match="data of a business"):
            load(url, state_folder=tmp_path, **SMALL)

    @pytest.mark.parametrize("wrong", [{"customers": 3}, {"months": 0}, {"seed": -1}])
    def test_refuses_sizes_out_of_range(self, wrong: dict[str, int], tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="must"):
            load("postgresql://nowhere/", state_folder=tmp_path, **(SMALL | wrong))

    def test_refuses_while_another_load_runs(self, fresh_database: Callable[[], str], tmp_path: Path) -> None:
        url = fresh_database()
        with psycopg.connect(url) as other:
            other.execute("select pg_advisory_lock(%s)", [0x504C594F])
            with pytest.raises(presence.LoadRunning):
                load(url, state_folder=tmp_path, **SMALL)

    @pytest.mark.drill
    def test_killed_half_way_loads_anew(self, fresh_database: Callable[[], str], tmp_path: Path) -> None:
        url, whole = fresh_database(), fresh_database()
        sizes = ["--customers", "900", "--months", "2", "--seed", "5", "--until", UNTIL.isoformat()]
        process = subprocess.Popen(
            [sys.executable, "-m", "plyo.demo", "--url", url, "--state-folder", str(tmp_path / "state"), *sizes],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": "."},
        )  # fmt: skip
        deadline = time.monotonic() + 120
        with psycopg.connect(url, autocommit=True) as connection:
            while time.monotonic() < deadline and process.poll() is None:
                (some,) = connection.execute("select exists (select from training.workouts)").fetchone()
                if some:
                    break
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL
        assert presence.state(url) == "unfinished"
        assert not (tmp_path / "state/demo/truth.parquet").exists()
        self.wait_until_unlocked(url)
        load(url, state_folder=tmp_path / "state", **SMALL)
        load(whole, state_folder=tmp_path / "whole", **SMALL)
        assert presence.state(url) == "loaded"
        assert fingerprint(url) == fingerprint(whole)

    def wait_until_unlocked(self, url: str) -> None:
        """The server notices a killed client when it next writes to it."""
        with psycopg.connect(url, autocommit=True) as connection:
            for _ in range(200):
                (held,) = connection.execute(
                    "select exists (select from pg_locks where locktype = 'advisory' and database = "
                    "(select oid from pg_database where datname = current_database()))"
                ).fetchone()
                if not held:
                    return
                time.sleep(0.05)

    def test_many_blocks_keep_every_rule(self, fresh_database: Callable[[], str], tmp_path: Path) -> None:
        url = fresh_database()
        report = load(url, state_folder=tmp_path, **(SMALL | {"customers": 900, "months": 2}))
        assert report.rows["commerce.customers"] == 900
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "select count(*), count(distinct position) from platform.outbox_events"
            ).fetchone()
        assert rows == (report.rows["platform.outbox_events"],) * 2

    @pytest.mark.parametrize(
        "until",
        [datetime(2024, 2, 29, 23, 59, tzinfo=UTC), datetime(2025, 12, 31, 0, 1, tzinfo=UTC),
         datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 6, 1, 0, 0, tzinfo=UTC)],
    )  # fmt: skip
    def test_any_moment_can_be_now(self, fresh_database: Callable[[], str], tmp_path: Path, until: datetime) -> None:
        report = load(fresh_database(), state_folder=tmp_path, **(SMALL | {"until": until}))
        assert report.rows["scheduling.bookings"] > 100


class TestContent:
    """What visitors expect to find."""

    def test_demo_logins_work(self, database: psycopg.Connection) -> None:
        rows = database.execute(
            "select email, role, password_hash from identity.accounts where email = any(%s)", [[*LOGINS.values()]]
        ).fetchall()
        assert {(row[0], row[1]) for row in rows} == {
            (LOGINS["admin"], "admin"), (LOGINS["coach"], "coach"), (LOGINS["customer"], "customer"),
            (LOGINS["analyst"], "data"),
        }  # fmt: skip
        assert PasswordHash.recommended().verify(PASSWORD, rows[0][2])

    def test_mia_trains_with_the_demo_coach_and_comes_back_soon(self, database: psycopg.Connection) -> None:
        row = database.execute(
            """
            select
                (select status from commerce.subscriptions where customer_id = mia.id),
                (select email from identity.accounts where accounts.id = clients.coach_id),
                (select count(*) > 60 from training.workouts where customer_id = mia.id and status = 'completed'),
                (select count(*) > 0 from scheduling.bookings where customer_id = mia.id and starts_at > %(until)s),
                (select count(*) > 90 from training.wearable_days where customer_id = mia.id),
                (select count(*) > 8 from engagement.messages where customer_id = mia.id)
            from identity.accounts as mia join training.clients on clients.id = mia.id where mia.email = %(email)s
            """,
            {"until": UNTIL, "email": LOGINS["customer"]},
        ).fetchone()
        assert row == ("active", LOGINS["coach"], True, True, True, True)

    def test_the_demo_coach_has_clients_who_fade(self, database: psycopg.Connection) -> None:
        row = database.execute(
            """
            with recent as (
                select clients.id, avg((workouts.status = 'completed')::int) as adherence
                from training.clients join training.workouts on customer_id = clients.id
                where coach_id = (select id from identity.accounts where email = %s)
                  and scheduled_on between %s and %s
                group by clients.id)
            select count(*) >= 8, count(*) filter (where adherence < 0.45) >= 2 from recent
            """,
            [LOGINS["coach"], UNTIL - timedelta(days=28), UNTIL],
        ).fetchone()
        assert row == (True, True)

    @pytest.mark.parametrize(
        ("column", "expected"),
        [
            ("status from commerce.subscriptions", {"active", "cancelled"}),
            ("cancel_kind from commerce.subscriptions where cancel_kind is not null", {"voluntary", "involuntary"}),
            ("kind from commerce.subscription_changes", {"trial_started", "started", "paused", "resumed",
                                                         "price_changed", "plan_changed", "ended"}),
            ("currency from commerce.invoices", {"EUR", "USD", "VND"}),
            ("status from scheduling.bookings", {"booked", "attended", "no_show", "cancelled", "late_cancelled"}),
            ("kind from scheduling.slots", {"one_to_one", "group", "assist"}),
            ("status from training.workouts", {"planned", "completed", "skipped"}),
            ("status from training.programmes", {"active", "completed", "abandoned"}),
            ("status from automation.runs", {"acted", "dismissed", "expired", "held_out"}),
            ("kind from engagement.messages", {"chat", "nudge", "system"}),
            ("status from commerce.payments", {"captured", "failed"}),
            ("provider from commerce.payments", {"stripe", "wallet", "gift"}),
            ("kind from commerce.wallet_movements", {"topped_up", "given", "spent"}),
        ],
    )  # fmt: skip
    def test_every_state_occurs(self, database: psycopg.Connection, column: str, expected: set[str]) -> None:
        assert {row[0] for row in database.execute(f"select distinct {column}").fetchall()} >= expected

    def test_slots_are_open_ahead_and_bookings_reach_two_weeks(self, database: psycopg.Connection) -> None:
        row = database.execute(
            """
            select
                count(*) filter (where bookings.id is null) > 300, count(bookings.id) > 20,
                max(bookings.starts_at) between %(until)s + interval '9 days' and %(until)s + interval '14 days'
            from scheduling.slots left join scheduling.bookings on slot_id = slots.id and bookings.status = 'booked'
            where slots.starts_at > %(until)s
            """,
            {"until": UNTIL},
        ).fetchone()
        assert row == (True, True, True)

    def test_local_hours_stay_when_clocks_change(self, database: psycopg.Connection) -> None:
        rows = database.execute(
            """
            select distinct extract(minute from starts_at at time zone time_zone)::int,
                extract(hour from starts_at at time zone time_zone)::int between 6 and 20
            from scheduling.slots join scheduling.locations on locations.id = location_id
            """
        ).fetchall()
        assert rows == [(0, True)]

    def test_clients_get_stronger(self, database: psycopg.Connection) -> None:
        row = database.execute(
            """
            with best as (
                select customer_id, exercise_id, scheduled_on, max(weight_kg * (1 + reps / 30.0)) as e1rm
                from training.workout_sets join training.workouts on workouts.id = workout_id
                where position <= 8 and weight_kg is not null group by 1, 2, 3),
            ranked as (
                select *, row_number() over (partition by customer_id, exercise_id order by scheduled_on) as first,
                    row_number() over (partition by customer_id, exercise_id order by scheduled_on desc) as last
                from best)
            select avg(b.e1rm / a.e1rm) from ranked as a join ranked as b using (customer_id, exercise_id)
            where a.first = 2 and b.last = 2 and b.scheduled_on > a.scheduled_on + 120
            """
        ).fetchone()
        assert 1.05 < row[0] < 1.6


class TestTruth:
    def test_tells_each_active_week_and_its_parts(self, business: Business) -> None:
        weeks = pq.read_table(business.state_folder / "demo/truth.parquet").to_pydict()
        assert len(set(weeks["customer_id"])) > 100
        for week in range(len(weeks["hazard"])):
            parts = sum(weeks[f"hazard_{cause}"][week] for cause in CAUSES)
            assert parts == pytest.approx(weeks["hazard"][week], abs=1e-6)

    def test_main_causes_belong_to_those_who_decided(self, business: Business, database: psycopg.Connection) -> None:
        people = pq.read_table(business.state_folder / "demo/truth_customers.parquet").to_pylist()
        assert len(people) == SIZE["customers"]
        left = [each for each in people if each["main_cause"]]
        assert {each["main_cause"] for each in left} <= set(CAUSES)
        assert all(each["decided_at"] is not None for each in left)
        voluntary = database.execute(
            "select distinct customer_id::text from commerce.subscriptions where cancel_kind = 'voluntary'"
        ).fetchall()
        assert {row[0] for row in voluntary} >= {
            each["customer_id"] for each in left if each["ended_at"] < UNTIL
        } - self.pack_owners(database)

    def pack_owners(self, database: psycopg.Connection) -> set[str]:
        rows = database.execute("select distinct customer_id::text from commerce.session_packs").fetchall()
        return {row[0] for row in rows}

    def test_adherence_falls_before_people_leave(self, database: psycopg.Connection) -> None:
        row = database.execute(
            """
                with weeks as (
                    select members.customer_id, cancel_requested_at,
                        avg((workouts.status = 'completed')::int) filter (
                            where scheduled_on between cancel_requested_at::date - 28 and cancel_requested_at::date
                        ) as before,
                        avg((workouts.status = 'completed')::int) filter (
                            where scheduled_on < cancel_requested_at::date - 70) as earlier
                    from commerce.subscriptions as members join training.workouts using (customer_id)
                    where cancel_kind = 'voluntary' and cancel_reason <> 'Trial not continued'
                    group by members.customer_id, cancel_requested_at)
                select avg(earlier) - avg(before) from weeks where before is not null and earlier is not null
                """
        ).fetchone()
        assert row[0] > 0.07
