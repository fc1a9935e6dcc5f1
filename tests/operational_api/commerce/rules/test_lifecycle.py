"""The steps of a membership's history: what each move is called, and what it does to recurring revenue."""

from dataclasses import replace
from uuid import UUID

import pytest

from operational_api.commerce.errors import InvalidTransition
from operational_api.commerce.lifecycle import (
    ACTIVE,
    CANCELLED,
    INCOMPLETE,
    PAST_DUE,
    PAUSED,
    TRIALING,
    Life,
    Step,
    check,
    move,
)

SMALL, LARGE = UUID(int=1), UUID(int=2)


def life(status: str, plan: UUID = SMALL, mrr: int = 100, *, started: bool = True, trialed: bool = False) -> Life:
    return Life(status, plan, mrr, has_started=started, has_trialed=trialed)


UNBORN = life(INCOMPLETE, started=False)
TRIAL = life(TRIALING, started=False, trialed=True)
ON = life(ACTIVE)


class TestMove:
    @pytest.mark.parametrize(
        ("before", "after", "steps"),
        [
            (UNBORN, TRIAL, [Step("trial_started", 0, 0)]),
            (UNBORN, ON, [Step("started", 0, 100)]),
            (UNBORN, life(PAST_DUE), [Step("started", 0, 100)]),
            (UNBORN, life(ACTIVE, trialed=True), [Step("trial_started", 0, 0), Step("started", 0, 100)]),
            (TRIAL, life(PAUSED, trialed=True), [Step("started", 0, 100), Step("paused", 100, 0)]),
            (UNBORN, life(CANCELLED, started=False), []),
            (TRIAL, life(ACTIVE, trialed=True), [Step("started", 0, 100)]),
            (TRIAL, life(CANCELLED, started=False, trialed=True), [Step("ended", 0, 0)]),
            (TRIAL, life(PAUSED, started=False, trialed=True), [Step("paused", 0, 0)]),
            (TRIAL, replace(TRIAL, plan_id=LARGE), [Step("plan_changed", 0, 0)]),
            (ON, ON, []),
            (ON, life(PAST_DUE), []),
            (life(PAST_DUE), ON, []),
            (ON, life(ACTIVE, LARGE, 300), [Step("plan_changed", 100, 300)]),
            (ON, life(ACTIVE, mrr=90), [Step("price_changed", 100, 90)]),
            (ON, life(ACTIVE, LARGE), [Step("plan_changed", 100, 100)]),
            (ON, life(PAST_DUE, LARGE, 50), [Step("plan_changed", 100, 50)]),
            (ON, life(PAUSED), [Step("paused", 100, 0)]),
            (ON, life(PAUSED, LARGE), [Step("plan_changed", 100, 0), Step("paused", 0, 0)]),
            (ON, life(CANCELLED), [Step("ended", 100, 0)]),
            (life(PAUSED), ON, [Step("resumed", 0, 100)]),
            (life(PAUSED), life(PAST_DUE, LARGE, 300), [Step("resumed", 0, 300)]),
            (life(PAUSED), life(PAUSED), []),
            (life(PAUSED), life(PAUSED, LARGE), [Step("plan_changed", 0, 0)]),
            (life(PAUSED), life(CANCELLED), [Step("ended", 0, 0)]),
            (life(CANCELLED), life(CANCELLED, LARGE, 7), []),
        ],
    )
    def test_is_told_by_these_steps(self, before: Life, after: Life, steps: list[Step]) -> None:
        assert move(before, after) == steps

    @pytest.mark.parametrize(
        ("before", "after"),
        [(ON, life(ACTIVE, started=False)), (TRIAL, replace(TRIAL, has_trialed=False)), (life(CANCELLED), ON)],
    )
    def test_nothing_that_was_is_unmade(self, before: Life, after: Life) -> None:
        with pytest.raises(InvalidTransition):
            move(before, after)

    def test_earns_in_these_states_alone(self) -> None:
        earning = [one for one in (INCOMPLETE, TRIALING, ACTIVE, PAUSED, PAST_DUE, CANCELLED) if life(one).earns_minor]
        assert earning == [ACTIVE, PAST_DUE]


class TestCheck:
    def test_says_what_cannot_become_what(self) -> None:
        with pytest.raises(InvalidTransition, match=r"that is cancelled cannot become active\."):
            check(CANCELLED, ACTIVE)

    def test_a_state_may_stay(self) -> None:
        check(CANCELLED, CANCELLED)
