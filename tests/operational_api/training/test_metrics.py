"""Numbers a coach steers by: golden values of the metric dictionary, and the warehouse's SQL beside them."""

import random
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from operational_api.training import metrics
from operational_api.training.metrics import Acwr, acwr

DBT = Path(__file__).resolve().parents[3] / "dbt_project"
FEW = settings(max_examples=25)
SPIKE = [30.0] * 21 + [50.0] * 7


def expression(model: str, column: str) -> str:
    """What a model of dbt makes a column of, as DuckDB reads it."""
    [line] = [one for one in (DBT / model).read_text().splitlines() if one.rstrip(",").endswith(f" as {column}")]
    said = Environment(autoescape=False).from_string(line).render(double=lambda: "double")  # noqa: S701 - SQL
    return said.rstrip(",").removesuffix(f" as {column}")


class TestGolden:
    @pytest.mark.parametrize(
        ("kg", "reps", "epley", "brzycki"),
        [(100, 5, 116.67, 112.50), (140, 3, 154.00, 148.24), (60, 10, 80.00, 80.00), (120, 1, 120.00, 120.00)],
    )
    def test_one_repetition_maximum(self, kg: float, reps: int, epley: float, brzycki: float) -> None:
        assert round(metrics.epley_1rm_kg(kg, reps) or 0, 2) == epley
        assert round(metrics.brzycki_1rm_kg(kg, reps) or 0, 2) == brzycki

    @pytest.mark.parametrize(("kg", "reps"), [(None, 5), (0, 5), (60, 0), (60, 11)])
    def test_none_where_no_formula_is_worth_it(self, kg: float | None, reps: int) -> None:
        assert metrics.epley_1rm_kg(kg, reps) is None
        assert metrics.brzycki_1rm_kg(kg, reps) is None

    def test_acute_against_chronic_load(self) -> None:
        found = acwr(SPIKE)
        assert found is not None
        assert (round(found.coupled or 0, 4), round(found.uncoupled or 0, 4)) == (1.4286, 1.6667)
        assert round(found.ewma or 0, 5) == 1.24975
        assert acwr(SPIKE[1:]) is None
        assert acwr([0.0] * 28) == Acwr(None, None, None)
        assert acwr([0.0] * 21 + [50.0] * 7) == Acwr(pytest.approx(4.0), None, pytest.approx(2.2015, abs=1e-4))

    def test_monotony_and_strain(self) -> None:
        week = [400.0, 0, 300, 0, 500, 0, 0]
        assert round(metrics.monotony(week) or 0, 4) == 0.7741
        assert round(metrics.strain(week) or 0, 1) == 928.9
        assert metrics.monotony([100.0] * 7) is None
        assert metrics.strain([0.0] * 7) is None
        with pytest.raises(ValueError, match="seven"):
            metrics.monotony([1.0])

    def test_the_plain_ones(self) -> None:
        assert metrics.volume_load_kg([(100, 5), (None, 12), (60, 10)]) == 1100
        assert (metrics.session_load(7, 50), metrics.session_load(None, 50), metrics.session_load(0, 50)) == (
            350, None, 0,
        )  # fmt: skip
        assert (metrics.adherence_percent(3, 4), metrics.adherence_percent(0, 0)) == (75, None)


class TestWarehouse:
    """The models of dbt say the same about random histories: their own SQL, run on DuckDB."""

    def test_acute_against_chronic_load(self) -> None:
        draw = random.Random(7)
        sql = (DBT / "models/marts/training/fct_training_days.sql").read_text()
        macros = {
            "ref": lambda _: "loads",
            "days_between": lambda since, until: f"date_diff('day', {since}, {until})",
            "config": lambda **_: "",
            "double": lambda: "double",
        }
        sql = Environment(autoescape=False).from_string(sql).render(**macros)  # noqa: S701 - SQL
        lake = duckdb.connect()
        lake.execute(
            "create table loads (customer_id int, day date, load double, workouts int, acute_before double, "
            "chronic_before double)"
        )
        people = {one: [draw.choice((0, 0, draw.uniform(50, 900))) for _ in range(40)] for one in range(8)}
        people[8] = [0.0] * 40
        people[9] = [300.0] * 40
        people[10] = [500.0] + [0.0] * 38 + [400.0]
        rows = [
            [who, f"2026-01-{n + 1:02}" if n < 31 else f"2026-02-{n - 30:02}", load, 1]
            for who, loads in people.items()
            for n, load in enumerate(loads)
        ]
        lake.executemany("insert into loads values (?, ?, ?, ?, null, null)", rows)
        found = lake.execute(
            "select customer_id, acwr, acwr_uncoupled, acwr_smoothed, monotony_7d, strain_7d, acute_load_7d * 7 "
            f"from ({sql}) order by customer_id, day"
        )
        said: dict[int, list[tuple[float | None, ...]]] = {who: [] for who in people}
        for who, *row in found.fetchall():
            said[who].append(tuple(row))
        for who, loads in people.items():
            for n, row in enumerate(said[who]):
                so_far = loads[: n + 1]
                ratios = acwr(so_far) or Acwr(None, None, None)
                week = so_far[-7:]
                evenness = (metrics.monotony(week), metrics.strain(week)) if len(week) == 7 else (None, None)
                for told, expected in zip(
                    row[:-1], (ratios.coupled, ratios.uncoupled, ratios.ewma, *evenness), strict=True
                ):
                    assert told == (pytest.approx(expected) if expected is not None else None), (who, n)
                if len(week) == 7:
                    assert row[-1] == pytest.approx(sum(week))

    @FEW
    @given(st.floats(0, 700, allow_nan=False), st.integers(0, 30))
    def test_one_repetition_maximum(self, kg: float, reps: int) -> None:
        text = (DBT / "macros/training.sql").read_text()
        macros = Environment(autoescape=False).from_string(text, {"double": lambda: "double"}).module  # noqa: S701 - SQL
        sql = macros.epley_e1rm(f"cast({kg!r} as double)", f"{reps}")
        [(found,)] = duckdb.execute(f"select cast({sql} as double)").fetchall()
        expected = metrics.epley_1rm_kg(kg, reps)
        assert found == (pytest.approx(expected) if expected is not None else None)

    @FEW
    @given(st.none() | st.floats(0, 10), st.none() | st.integers(0, 600))
    def test_load_of_a_session(self, effort: float | None, minutes: int | None) -> None:
        sql = expression("models/marts/training/fct_workouts.sql", "session_load")
        rows = "select cast($effort as double) as session_rpe, cast($minutes as integer) as duration_minutes"
        [(found,)] = duckdb.execute(
            f"select {sql} from ({rows}) as workout", {"effort": effort, "minutes": minutes}
        ).fetchall()
        expected = metrics.session_load(effort, minutes)
        assert found == (pytest.approx(expected) if expected is not None else None)

    @FEW
    @given(st.lists(st.tuples(st.none() | st.floats(0, 700), st.integers(0, 100)), min_size=1, max_size=6))
    def test_volume(self, sets: list[tuple[float | None, int]]) -> None:
        sql = expression("models/intermediate/training/int_workout_exercises.sql", "volume_kg")
        rows = ", ".join("(cast(? as double), cast(? as integer))" for _ in sets)
        [(found,)] = duckdb.execute(
            f"select {sql} from (values {rows}) as one(weight_kg, reps)", [value for one in sets for value in one]
        ).fetchall()
        assert found == pytest.approx(metrics.volume_load_kg(sets))

    @FEW
    @given(st.integers(1, 50).flatmap(lambda planned: st.tuples(st.integers(0, planned), st.just(planned))))
    def test_adherence(self, counted: tuple[int, int]) -> None:
        sql = expression("models/marts/training/fct_adherence_weeks.sql", "adherence")
        weeks = "select cast(? as bigint) as completed, cast(? as bigint) as planned"
        [(found,)] = duckdb.execute(f"select {sql} from ({weeks}) as weeks", list(counted)).fetchall()
        assert 100 * found == pytest.approx(metrics.adherence_percent(*counted))
