"""A planted shift is found, and what only chance moved is not."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import duckdb
import numpy as np
import polars as pl
import pytest

from contracts import warehouse
from contracts.relations import RELATIONS
from ingestion.quality import drift
from ingestion.quality.drift import LEAST_ROWS, allowed, distance, newest, watch
from ingestion.quality.watched import WATCHED, Watched
from tests.ingestion.conftest import Captured

DAY = date(2026, 6, 15)
END = datetime(2026, 6, 15, tzinfo=UTC)
SLEEP = Watched("marts.main.nights", "minutes", "slept_at", "number")
DEVICE = Watched("marts.main.nights", "device", "slept_at", "word")
DEVICES = np.array(["ring", "watch", "band", None])
SEEDS = 100


@pytest.fixture
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as marts")
        yield connection


def nights(
    lake: duckdb.DuckDBPyConnection, seed: int, *, rows: int = 4_500, shift: float = 0, dead: float = 0, ring: float = 0
) -> None:
    """Nine weeks of nights at random; in the last one they are longer by `shift`, a share of them is missing, and a
    share more is told by rings."""
    draw = np.random.default_rng(seed)
    days = draw.uniform(0, 63, rows)
    is_now = days < 7
    minutes = draw.normal(430, 50, rows) + shift * is_now
    minutes[is_now & (draw.random(rows) < dead)] = np.nan
    device = DEVICES[draw.choice(4, rows, p=[0.2, 0.5, 0.2, 0.1])]
    device[is_now & (draw.random(rows) < ring)] = "ring"
    told = pl.DataFrame(  # noqa: F841 - read by name
        {
            "slept_at": [END - timedelta(days=one) for one in days],
            "minutes": pl.Series(minutes).fill_nan(None),
            "device": pl.Series(device.tolist(), dtype=pl.String),
        }
    )
    lake.execute("create or replace table marts.main.nights as from told")


class TestDistance:
    def test_a_longer_night_is_found(self, lake):
        nights(lake, 1, shift=40)
        found = distance(lake, SLEEP, day=DAY)
        assert found.is_drift
        assert found.distance > 0.3
        assert "above" in found.moved

    def test_a_number_that_is_told_no_more_is_found(self, lake):
        nights(lake, 2, dead=0.3)
        found = distance(lake, SLEEP, day=DAY)
        assert found.is_drift
        assert found.moved.startswith("nothing: 0% before, ")

    def test_a_word_that_is_said_more_often_is_found(self, lake):
        nights(lake, 3, ring=0.3)
        found = distance(lake, DEVICE, day=DAY)
        assert found.is_drift
        assert found.moved.startswith("ring: 2")

    def test_a_new_word_is_found(self, lake):
        nights(lake, 4)
        lake.execute(
            "update marts.main.nights set device = 'Ring 2' where device = 'ring' and slept_at > $1", [END - drift.NOW]
        )
        assert distance(lake, DEVICE, day=DAY).moved.startswith(("another: 0% before, 2", "ring: 2"))
        assert distance(lake, DEVICE, day=DAY).is_drift

    def test_the_distance_is_the_stability_index(self, lake):
        """By hand: 100 of a and 100 of b became 150 of a and 50 of b; half a row is added to each."""
        rows = [("a", 20)] * 100 + [("b", 20)] * 100 + [("a", 1)] * 150 + [("b", 1)] * 50
        lake.execute("create table marts.main.nights (slept_at timestamptz, device varchar)")
        lake.executemany("insert into marts.main.nights values (?, ?)", [(END - timedelta(days=n), w) for w, n in rows])
        found = distance(lake, DEVICE, day=DAY)
        p, q = np.array([100.5, 100.5]) / 201, np.array([150.5, 50.5]) / 201
        assert found.distance == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
        assert (found.before_rows, found.now_rows) == (200, 200)

    @pytest.mark.parametrize("rows", [1_200, 6_000])
    def test_random_draws_from_one_source_raise_no_more_alarms_than_promised(self, lake, rows):
        """1 in 10,000 by chance alone: of 200 comparisons not one is expected, and two would be one too many."""
        alarms = 0
        for seed in range(SEEDS):
            nights(lake, seed, rows=rows)
            alarms += sum(distance(lake, one, day=DAY).is_drift for one in (SLEEP, DEVICE))
        assert alarms <= 1

    def test_too_few_rows_say_nothing(self, lake):
        nights(lake, 5, rows=LEAST_ROWS * 2, shift=200)
        found = distance(lake, SLEEP, day=DAY)
        assert found.now_rows < LEAST_ROWS
        assert not found.is_drift

    def test_the_future_and_what_is_older_than_nine_weeks_are_not_looked_at(self, lake):
        nights(lake, 6)
        before = distance(lake, SLEEP, day=DAY)
        lake.execute("insert into marts.main.nights select $1, 1000, 'x' from range(5000)", [END + timedelta(hours=1)])
        lake.execute("insert into marts.main.nights select $1, 0, 'x' from range(5000)", [END - timedelta(days=64)])
        assert distance(lake, SLEEP, day=DAY) == before

    def test_a_table_that_is_not_there_yet_is_left_out(self, lake):
        assert distance(lake, SLEEP, day=DAY) is None


class TestAllowed:
    @pytest.mark.parametrize("bins", [2, 5, 11, 21])
    def test_is_the_quantile_of_chi_squared_or_what_matters(self, bins):
        from scipy.stats import chi2

        expected = chi2.ppf(0.9999, bins - 1) * (1 / 1000 + 1 / 120)
        # The approximation errs to the side of silence, most where there are but two bins.
        assert expected <= allowed(bins, 1000, 120) <= 1.09 * expected
        assert allowed(bins, 10**7, 10**7) == drift.MATTERS


class TestWatched:
    def test_columns_of_marts_are_promised(self):
        for one in WATCHED:
            if one.relation.startswith("marts."):
                columns = RELATIONS[one.relation.removeprefix("marts.")].columns
                assert {one.field, one.at} <= set(columns), one


class TestWatch:
    def test_history_is_kept_and_a_day_told_again_is_told_once(self, captured: Captured) -> None:
        with warehouse.writing(captured.settings) as lake:
            lake.execute("create table marts.main.nights (slept_at timestamptz, minutes double, device varchar)")
            lake.execute(
                "insert into marts.main.nights select $1::timestamptz - interval 1 hour * (n % 1500), n % 97, 'ring' "
                "from range(20000) as series (n)", [END],
            )  # fmt: skip
        watched = (SLEEP, DEVICE, Watched("marts.main.no_such_table", "x", "at", "word"))
        for day in (DAY, DAY, DAY + timedelta(days=1)):
            assert len(watch(captured.settings, day=day, watched=watched)) == 2
        with warehouse.reading(captured.settings) as lake:
            assert lake.execute(f"select day, count(*) from {drift.TABLE} group by all order by all").fetchall() == [
                (DAY, 2), (DAY + timedelta(days=1), 2),
            ]  # fmt: skip
            found = newest(lake)
        assert {(one.day, one.field) for one in found} == {
            (DAY + timedelta(days=1), name) for name in ("minutes", "device")
        }
        assert not any(one.is_drift for one in found)

    def test_nothing_was_measured_yet(self, lake):
        lake.execute("attach ':memory:' as raw")
        assert newest(lake) == []
