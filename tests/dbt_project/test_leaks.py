"""Features of a past date are what was known then: by random histories that tell things late, and by planted leaks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from contracts import warehouse
from contracts.metrics import METRICS
from contracts.warehouse import WarehouseSettings
from plyo.postgres import PostgresServer
from tests.dbt_project import lake as lakes
from tests.dbt_project.known import Known
from tests.dbt_project.test_marts import who
from tests.dbt_project.words import over_all_time

TIMES = ("2026-06-24 12:00:00+00", "2026-07-08 22:30:00+00", "2026-07-25 18:30:00+00")
"""When the log is read. The last two fall on another day where some customers live."""
TOLD = "2026-06-24 08:00:00+00"
"""When what is handed over later is told: before the first reading of the log, on its day."""
HANDED_OVER = 5
FACTS = 40
FEATURES = "marts.retention.fct_churn_features"
ACTIVITY = '"marts"."intermediate"."int_customer_activity"'
SEED = 21
LOGS_SAY = ("at_risk_clients", "attendance_per_member")
"""Metrics whose words are worked out here: of what was known on a date."""


@dataclass(frozen=True)
class Told:
    """A lake that was told things in three pieces, built after each; snapshots of its marts before and after them."""

    lake: duckdb.DuckDBPyConnection
    snapshots: list[int]
    target: Path


def tell(lake: duckdb.DuckDBPyConnection, rng: np.random.Generator, *, lsn: int, since: str, until: str) -> int:
    """Land facts about days up to two months before they are told, each committed between two times, by a bad clock."""
    for _ in range(FACTS):
        lsn += 1
        passed = datetime.fromisoformat(until) - datetime.fromisoformat(since)
        at = datetime.fromisoformat(since) + timedelta(seconds=int(rng.integers(passed.total_seconds())))
        about = at - timedelta(hours=int(rng.integers(24 * 60))) * int(rng.random() < 0.8)
        _TELLINGS[str(rng.choice(list(_TELLINGS)))](lake, rng, lsn, f"timestamptz '{at}'", f"timestamptz '{about}'")
    return lsn


def leave(lake: duckdb.DuckDBPyConnection, lsn: int, *, at: str) -> int:
    """End a membership: the labels of dates before it become known."""
    lakes.change(
        lake, "commerce__subscription_changes", "i", lsn=lsn + 1, where=f"subscription_id = '{who('cem-2')}'",
        _committed_at=at, id="uuid()", kind="'ended'", mrr_before_minor="4538", mrr_after_minor="0", changed_at=at,
    )  # fmt: skip
    return lsn + 1


def book_tonight(lake: duckdb.DuckDBPyConnection, lsn: int) -> int:
    """Sessions that begin an hour after the last reading of the log: one is kept, one was called off."""
    at = datetime.fromisoformat(TIMES[-1])
    for name, cancelled in (("ana", "null"), ("dao", f"timestamptz '{at - timedelta(hours=3)}'")):
        lsn += 1
        status = "booked" if cancelled == "null" else "cancelled"
        lakes.change(
            lake, "scheduling__bookings", "i", lsn=lsn, where=f"id = '{who('ana@0622')}' and _lsn = 1000", id="uuid()",
            customer_id=f"'{who(name)}'::uuid", status=f"'{status}'", cancelled_at=cancelled, outcome_at="null",
            booked_at=f"timestamptz '{at - timedelta(days=2)}'", starts_at=f"timestamptz '{at + timedelta(hours=1)}'",
            _committed_at=f"timestamptz '{at - timedelta(hours=2)}'",
        )  # fmt: skip
    return lsn


def hand_over(lake: duckdb.DuckDBPyConnection, lsn: int, *, piece: int) -> int:
    """Tell late of two workouts of some people each, then give one to the next and delete one; returns the last place.

    They are told on the day the log is first read, so features of dates before never knew them.
    """
    people = lake.execute(
        "select id from raw.training__clients where _op = 'r' order by rowid limit ?", [HANDED_OVER]
    ).fetchall()
    for number, (person,) in enumerate(people):
        lsn += 1
        given, deleted = (f"00000000-0000-7000-8000-0000000000{kind}{number}" for kind in ("a", "b"))
        if piece == 0:
            for place, name in enumerate((given, deleted)):
                lakes.change(
                    lake, "training__workouts", "i", lsn=lsn, _seq=str(place), _committed_at=f"timestamptz '{TOLD}'",
                    where="rowid = (select min(rowid) from raw.training__workouts where programme_id is not null)",
                    id=f"'{name}'::uuid", customer_id=f"'{person}'::uuid", status="'completed'",
                    scheduled_on="date '2026-06-10'", completed_at="timestamptz '2026-06-10 12:00:00+00'",
                )  # fmt: skip
        elif piece == 1:
            following = people[(number + 1) % len(people)][0]
            lakes.change(
                lake, "training__workouts", "u", lsn=lsn, where=f"id = '{given}'", customer_id=f"'{following}'::uuid",
                _committed_at=f"timestamptz '{TIMES[1]}'",
            )  # fmt: skip
            # Of a row that was deleted PostgreSQL tells the key and nothing else.
            lakes.change(
                lake, "training__workouts", "d", lsn=lsn, where=f"id = '{deleted}'", customer_id="null",
                _committed_at=f"timestamptz '{TIMES[1]}'",
            )  # fmt: skip
    return lsn


def _any(lake: duckdb.DuckDBPyConnection, rng: np.random.Generator, table: str, condition: str = "true") -> str:
    rows = lake.execute(
        f"select rowid from raw.{table} where _op not in ('t', 'd') and {condition} order by rowid"
    ).fetchall()
    return f"rowid = {rows[rng.integers(len(rows))][0]}"


def _workout(lake, rng, lsn, at, about) -> None:
    done = rng.random() < 0.7
    lakes.change(
        lake, "training__workouts", "i", lsn=lsn, where=_any(lake, rng, "training__workouts"), _committed_at=at,
        id="uuid()", scheduled_on=f"({about})::date", status="'completed'" if done else "'scheduled'",
        completed_at=about if done else "null",
    )  # fmt: skip


def _injury(lake, rng, lsn, at, about) -> None:
    lakes.change(
        lake, "training__injuries", "i", lsn=lsn, where=_any(lake, rng, "training__injuries"), _committed_at=at,
        id="uuid()", occurred_on=f"({about})::date", resolved_on="null",
    )  # fmt: skip


def _recovery(lake, rng, lsn, at, about) -> None:
    newest = "_lsn = (select max(o._lsn) from raw.training__injuries as o where o.id = training__injuries.id)"
    lakes.change(
        lake, "training__injuries", "u", lsn=lsn, where=_any(lake, rng, "training__injuries", newest),
        _committed_at=at, resolved_on=f"coalesce(resolved_on, greatest(occurred_on, ({about})::date))",
    )  # fmt: skip


def _reading(lake, rng, lsn, at, about) -> None:
    lakes.change(
        lake, "training__wearable_days", "i", lsn=lsn, where=_any(lake, rng, "training__wearable_days"),
        _committed_at=at, day=f"({about})::date", device="'late'", sleep_minutes=str(rng.integers(200, 600)),
        hrv_rmssd_ms=str(rng.integers(20, 90)),
    )  # fmt: skip


def _home(lake, rng, lsn, at, about) -> None:
    newest = "_lsn = (select max(o._lsn) from raw.training__clients as o where o.id = training__clients.id)"
    lakes.change(
        lake, "training__clients", "u", lsn=lsn, where=_any(lake, rng, "training__clients", newest),
        _committed_at=at, home_distance_km=str(rng.integers(1, 50)),
    )  # fmt: skip


def _walk_in(lake, rng, lsn, at, about) -> None:
    """A booking that was entered when the session was over."""
    past = "starts_at < timestamptz '2026-06-17 12:00:00+00' and _lsn = 1000"
    lakes.change(
        lake, "scheduling__bookings", "i", lsn=lsn, where=_any(lake, rng, "scheduling__bookings", past),
        _committed_at=at, id="uuid()", status="'attended'", booked_at=at, cancelled_at="null", outcome_at=at,
    )  # fmt: skip


_TELLINGS: dict[str, Callable[[duckdb.DuckDBPyConnection, np.random.Generator, int, str, str], None]] = {
    "workout": _workout, "injury": _injury, "recovery": _recovery, "reading": _reading, "home": _home,
    "walk-in": _walk_in,
}  # fmt: skip


@pytest.fixture(scope="module")
def told(built_lake: WarehouseSettings, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory):
    settings, target = lakes.copied(built_lake, postgres), tmp_path_factory.mktemp("told")
    rng, lsn, since = np.random.default_rng(SEED), lakes.SNAPSHOT_LSN, lakes.NOW
    snapshots = []
    for now in (*TIMES, TIMES[-1]):
        with warehouse.writing(settings) as lake, warehouse.transaction(lake):
            if now != since:
                lsn = tell(lake, rng, lsn=lsn, since=since, until=now)
                lsn = hand_over(lake, lsn, piece=TIMES.index(now))
                if now == TIMES[-1]:
                    lsn = book_tonight(lake, lsn)
                if now == TIMES[1]:
                    lsn = leave(lake, lsn, at="timestamptz '2026-07-01 08:00:00+00'")
            lakes.watermark(lake, lsn, at=now)
        full = ["--full-refresh"] if now == since else []
        done = lakes.dbt("run", "--select", "+fct_churn_features", *full, settings=settings, target=target, now=now)
        assert done.returncode == 0, done.stdout[-3000:]
        with warehouse.reading(settings) as lake:
            snapshots.append(warehouse.snapshot_id(lake, "marts"))
        since = now
    with warehouse.reading(settings) as lake:
        yield Told(lake, snapshots, target)


def moved(told: Told, before: int, now: str, *, until: str) -> set[str]:
    """Features of dates before `until` of which `now`, a query, says something else than a snapshot of the mart did."""
    then = told.lake.execute(f"from {FEATURES} at (version => {before}) where as_of < '{until[:10]}'").pl()
    found = told.lake.execute(f"from ({now}) where as_of < '{until[:10]}'").pl()
    key = ["customer_id", "as_of"]
    both = then.join(found, on=key, how="full", suffix="_now", coalesce=True)
    assert then.height == found.height == both.height > 20
    features = [name for name in then.columns if name not in key]
    return {name for name in features if not both[name].eq_missing(both[f"{name}_now"]).all()}


class TestWhatWasKnown:
    @pytest.mark.parametrize("place", range(len(TIMES)))
    def test_features_are_those_of_the_log_cut_at_their_date(self, told, place):
        assert moved(told, told.snapshots[place], f"from {FEATURES}", until=TIMES[place]) == set()

    def test_what_was_told_late_counts_once_it_is_told(self, told):
        newest = told.lake.execute(f"from {FEATURES} order by as_of desc").pl()
        assert newest["has_open_injury"].any()
        assert newest["home_distance_km"].n_unique() > 2
        assert told.lake.execute(
            "select count(distinct fact) from marts.intermediate.int_facts_told_late"
        ).fetchone() == (4,)
        assert told.lake.execute("select count(*) > 0 from marts.intermediate.int_readings_told_late").fetchone()[0]

    @pytest.mark.parametrize("name", ["int_facts_told_late", "int_readings_told_late"])
    def test_what_was_told_late_is_the_same_built_in_parts_and_whole(self, told, name):
        """Of a workout that became another's the log still says when it was first told; one deleted is gone."""
        path = f"marts.intermediate.{name}"
        in_parts = told.lake.execute(f"from {path} at (version => {told.snapshots[-2]}) order by all").fetchall()
        assert in_parts == told.lake.execute(f"from {path} order by all").fetchall()
        assert in_parts

    def test_a_workout_handed_over_keeps_the_day_it_was_told(self, told):
        late = told.lake.execute(
            """select count(*), count(distinct customer_id), min(told_on), max(told_on)
            from marts.intermediate.int_facts_told_late
            where about_id::varchar like '00000000-0000-7000-8000-0000000000a%' and fact = 'done'"""
        ).fetchone()
        assert late == (HANDED_OVER, HANDED_OVER, date(2026, 6, 24), date(2026, 6, 24))
        assert told.lake.execute(
            """select count(*) from marts.intermediate.int_facts_told_late
            where about_id::varchar like '00000000-0000-7000-8000-0000000000b%'"""
        ).fetchone() == (0,)


@pytest.fixture(scope="module")
def known(told: Told) -> Known:
    return Known(told.lake, datetime.fromisoformat(TIMES[-1]))


class TestWords:
    """Of active members: who came and who was at risk on each date, as the log has it, those told late among them."""

    def test_each_date_has_a_row_of_who_was_an_active_member(self, told, known):
        rows = told.lake.execute(f"select customer_id::varchar, as_of from {FEATURES}").fetchall()
        assert sorted(rows) == sorted(known.standings)

    def test_sessions_of_the_seven_days_before_are_those_marked_in_them(self, told, known):
        rows = told.lake.execute(f"select customer_id::varchar, as_of, sessions_attended_7d from {FEATURES}").fetchall()
        assert {row[:2]: row[2] for row in rows} == {key: one.attended_7d for key, one in known.standings.items()}
        assert len({row[2] for row in rows}) > 2

    def test_a_session_still_to_come_is_booked_today_as_well(self, told, known):
        rows = told.lake.execute(f"select customer_id::varchar, as_of, has_next_booking from {FEATURES}").fetchall()
        assert {row[:2]: row[2] for row in rows} == {key: one.is_booked for key, one in known.standings.items()}
        today = datetime.fromisoformat(TIMES[-1]).date()
        assert known.standings[str(who("ana")), today].is_booked
        assert not known.standings[str(who("dao")), today].is_booked

    def test_at_risk_is_who_the_words_say(self, told, known):
        where = METRICS["at_risk_clients"].counts
        rows = told.lake.execute(f"select customer_id::varchar, as_of from {FEATURES} where {where}").fetchall()
        assert set(rows) == {key for key, one in known.standings.items() if one.risks}

    def test_each_reason_and_none_is_among_them(self, known):
        alone = [reason for one in known.standings.values() if len(one.risks) == 1 for reason in one.risks]
        assert {"away", "never came", "fell", "neither came nor will"} == {
            reason for one in known.standings.values() for reason in one.risks
        }
        assert {"fell", "neither came nor will"} <= set(alone)
        assert [one for one in known.standings.values() if not one.risks]

    def test_both_metrics_say_so(self, told, known):
        newest = max(as_of for _, as_of in known.standings)
        mondays = [one.attended_7d for (_, as_of), one in known.standings.items() if as_of.weekday() == 0]
        expected = {
            "at_risk_clients": sum(bool(one.risks) for (_, as_of), one in known.standings.items() if as_of == newest),
            "attendance_per_member": sum(mondays) / len(mondays),
        }
        assert tuple(expected) == LOGS_SAY
        for name, value in expected.items():
            assert told.lake.execute(over_all_time(METRICS[name])).fetchone() == (pytest.approx(value),), name


def compiled(told: Told, name: str) -> str:
    return next((told.target / "compiled").rglob(f"{name}.sql")).read_text()


def leaking(told: Told, model: str, honest: str, leaky: str) -> str:
    """The features' SQL with some text of theirs, or of what they are made of, replaced."""
    features, text = compiled(told, "fct_churn_features"), compiled(told, model)
    assert honest in text
    planted = text.replace(honest, leaky)
    return planted if model == "fct_churn_features" else features.replace(ACTIVITY, f"({planted})")


class TestPlantedLeaks:
    @pytest.mark.parametrize(
        ("model", "honest", "leaky", "seen_in"),
        [
            ("fct_churn_features", "and 1 preceding)", "and 14 following)", "sessions_attended_28d"),
            ("fct_churn_features", "and dated.cutoff_on <= home.until_on",
             "and home.until_on = date '9999-12-31' or dated.customer_id = home.customer_id "
             "and home.until_on = date '9999-12-31'", "home_distance_km"),
            ("int_customer_activity", "coalesce(done.told_on, workout.completed_on)", "workout.completed_on",
             "workouts_28d"),
            ("int_customer_activity", "coalesce(planned.told_on, workout.scheduled_on)", "workout.scheduled_on",
             "adherence_28d"),
            ("int_customer_activity", "coalesce(told.told_on, injury.occurred_on)", "injury.occurred_on",
             "has_open_injury"),
            ("int_customer_activity", "coalesce(late.told_on, reading.day)", "reading.day", "sleep_trend"),
            ("int_customer_activity", "greatest(local_day, booked_on)", "local_day", "sessions_booked_28d"),
            ("fct_churn_features", "extract(month from dated.as_of)", "member.ended_on is not null", "month_of_year"),
        ],
        ids=["the future", "a value of today", "done late", "planned late", "an injury", "a night", "a walk-in",
             "a label"],
    )  # fmt: skip
    def test_each_is_caught(self, told, model, honest, leaky, seen_in):
        assert seen_in in moved(told, told.snapshots[0], leaking(told, model, honest, leaky), until=TIMES[0])
