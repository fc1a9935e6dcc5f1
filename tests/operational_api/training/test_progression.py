"""Progression rules and records: golden cases, and what holds for whatever was done."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from operational_api.training.progression import (
    RULE,
    Double,
    Effort,
    Linear,
    Percent,
    Performance,
    Phase,
    Prescription,
    prescribe,
    rounded,
)
from operational_api.training.records import Bests, Record, bests_of_sets, records

PLAN = Prescription(sets=3, reps=5, weight_kg=60, target_rpe=8)
LINEAR = Linear(kind="linear", step_kg=2.5)
DOUBLE = Double(kind="double", max_reps=8, step_kg=2.5)
EFFORT = Effort(kind="effort")


def done(
    weight: float, *reps: int, rpe: float | None = None, load_percent: int = 100, extra_sets: int = 0
) -> Performance:  # fmt: skip
    return Performance([(weight, each, rpe) for each in reps], load_percent, extra_sets)


GOOD, SHORT = done(60, 5, 5, 5), done(60, 5, 5, 4)


class TestPrescribe:
    @pytest.mark.parametrize(
        ("rule", "history", "expected"),
        [
            (None, [GOOD], (3, 5, 60)),
            (LINEAR, [], (3, 5, 60)),
            (LINEAR, [GOOD], (3, 5, 62.5)),
            (LINEAR, [done(60, 5, 5)], (3, 5, 60)),  # a set is missing
            (LINEAR, [SHORT, SHORT], (3, 5, 60)),
            (LINEAR, [SHORT, SHORT, SHORT], (3, 5, 55)),  # 54, and half way is lighter: 55 is nearer
            (LINEAR, [done(65, 5, 4, 4), SHORT, SHORT], (3, 5, 60)),  # not three at one weight
            (LINEAR, [SHORT, SHORT, SHORT, done(55, 5, 5, 5)], (3, 5, 57.5)),
            (LINEAR, [done(54, 5, 5, 5, load_percent=90)], (3, 5, 62.5)),  # a deload is not a step back
            (LINEAR, [done(54, 5, 5, load_percent=90, extra_sets=-1)], (3, 5, 62.5)),  # nor are its fewer sets
            (LINEAR, [SHORT, SHORT, done(54, 5, 5, load_percent=90, extra_sets=-1)], (3, 5, 62.5)),  # nor a third miss
            (LINEAR, [done(60, 5, 5, 5, extra_sets=1)], (3, 5, 60)),  # a fourth was asked for
            (DOUBLE, [done(54, 6, 6, load_percent=90, extra_sets=-1)], (3, 7, 60)),
            (DOUBLE, [GOOD], (3, 6, 60)),
            (DOUBLE, [done(60, 8, 7, 7)], (3, 8, 60)),
            (DOUBLE, [done(60, 8, 8, 8)], (3, 5, 62.5)),
            (DOUBLE, [done(60, 3, 3, 3)], (3, 5, 60)),
            (DOUBLE, [done(60, 8, 8)], (3, 5, 60)),
            (EFFORT, [done(60, 5, 5, 5)], (3, 5, 60)),  # no effort was told
            (EFFORT, [done(100, 5, 5, 5, rpe=8)], (3, 5, 100)),
            (EFFORT, [done(100, 5, 5, 5, rpe=7)], (3, 5, 105)),  # 104
            (EFFORT, [done(100, 5, 5, 5, rpe=9.5)], (3, 5, 95)),  # 94
            (EFFORT, [done(100, 5, 5, 5, rpe=3)], (3, 5, 110)),  # never more than a tenth
        ],
    )
    def test_golden(self, rule: Linear, history: list[Performance], expected: tuple[int, int, float]) -> None:
        found = prescribe(rule, PLAN, week=2, history=history)
        assert (found.sets, found.reps, found.weight_kg) == expected

    @pytest.mark.parametrize(("week", "e1rm", "expected"), [(1, 100, 75), (3, 100, 80), (1, None, 60), (2, 143, 110)])
    def test_a_share_of_the_maximum_grows_by_the_week(self, week: int, e1rm: float | None, expected: float) -> None:
        rule = Percent(kind="percent", percent=75, step_percent=2.5)
        assert prescribe(rule, PLAN, week=week, e1rm_kg=e1rm).weight_kg == expected

    def test_a_phase_scales_what_the_rule_says(self) -> None:
        deload = Phase(load_percent=90, extra_sets=-1)
        found = prescribe(LINEAR, PLAN, week=4, history=[GOOD], phase=deload)
        assert (found.sets, found.weight_kg) == (2, 55)  # 62.5 x 0.9 = 56.25, half way: the lighter
        assert prescribe(None, PLAN, week=1, phase=Phase(extra_sets=-9)).sets == 1

    @given(
        st.sampled_from([LINEAR, DOUBLE, EFFORT, Percent(kind="percent", percent=80)]),
        st.lists(
            st.lists(st.tuples(st.floats(1, 300), st.integers(0, 20), st.none() | st.floats(1, 10)), max_size=5),
            max_size=6,
        ),
        st.integers(1, 26),
    )
    def test_always_asks_for_something_that_can_be_loaded(
        self, rule: Linear, sets: list[list[tuple[float, int, float | None]]], week: int
    ) -> None:
        history = [Performance(one) for one in sets]
        found = prescribe(rule, PLAN, week=week, history=history, e1rm_kg=100)
        assert found.weight_kg is not None
        assert found.weight_kg >= 2.5
        assert found.weight_kg % 2.5 == pytest.approx(0, abs=1e-6)
        assert 1 <= found.reps <= 8
        last = [one.weight_kg for one in history if one.weight_kg is not None][-1:]
        if last and not isinstance(rule, Percent):
            assert found.weight_kg <= max(last[0] * 1.1, last[0] + 2.5) + 1.25

    def test_half_way_is_the_lighter_one(self) -> None:
        assert [rounded(one, 2.5) for one in (61.25, 61.26, 0.1, 60)] == [60, 62.5, 2.5, 60]

    @pytest.mark.parametrize(
        "given",
        [{"kind": "magic"}, {"kind": "linear"}, {"kind": "linear", "step_kg": -1}, {"kind": "percent", "percent": 500},
         {"kind": "effort", "more": 1}],
    )  # fmt: skip
    def test_an_unknown_rule_is_none(self, given: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            RULE.validate_python(given)


class TestRecords:
    def test_bests_of_sets(self) -> None:
        found = bests_of_sets([(100, 5), (140, 3), (150, 0), (None, 12), (60, 15)])
        assert found == Bests(e1rm=pytest.approx(154), weight=140, volume=1820, reps=12)
        assert bests_of_sets([]) == Bests()

    def test_the_first_time_is_no_record(self) -> None:
        assert records(Bests(e1rm=100, weight=90), Bests()) == []

    def test_is_what_beats_everything_before(self) -> None:
        before = Bests(e1rm=100, weight=90, volume=1000, reps=10)
        found = records(Bests(e1rm=100.04, weight=92.5, volume=1000, reps=11), before)
        assert found == [Record("weight", 92.5, 90), Record("reps", 11, 10)]
