"""Arms drawn by hash, and words that a client may read."""

import math
from uuid import UUID

import pytest

from contracts.ids import new_id
from operational_api.automation.errors import InvalidRule
from operational_api.automation.service.arms import arm_of, draw
from operational_api.automation.service.wording import NEUTRAL, check_template, clause, fill

RULE = UUID(int=7)


class TestDraw:
    def test_is_the_same_for_ever(self) -> None:
        assert draw(rule_id=RULE, customer_id=UUID(int=1), cycle=0) == pytest.approx(8.4159715)  # by sha256sum

    def test_is_uniform(self) -> None:
        drawn = [draw(rule_id=RULE, customer_id=new_id(), cycle=0) for _ in range(20_000)]
        for tenth in range(10):
            count = sum(tenth * 10 <= one < tenth * 10 + 10 for one in drawn)
            assert abs(count - 2000) < 5 * math.sqrt(2000 * 0.9)

    def test_does_not_follow_a_customer_from_rule_to_rule_or_cycle_to_cycle(self) -> None:
        customers = [new_id() for _ in range(5000)]
        other = UUID(int=8)
        here = [draw(rule_id=RULE, customer_id=one, cycle=0) < 20 for one in customers]
        for there in (
            [draw(rule_id=other, customer_id=one, cycle=0) < 20 for one in customers],
            [draw(rule_id=RULE, customer_id=one, cycle=1) < 20 for one in customers],
        ):
            both = sum(a and b for a, b in zip(here, there, strict=True))
            assert abs(both - 200) < 5 * math.sqrt(200)

    def test_a_larger_holdout_keeps_everybody_of_the_smaller_one(self) -> None:
        for _ in range(500):
            who = {"rule_id": RULE, "customer_id": new_id(), "cycle": 0}
            if arm_of(**who, holdout_percent=10) == "holdout":
                assert arm_of(**who, holdout_percent=30) == "holdout"
            assert arm_of(**who, holdout_percent=0) == "treatment"


def reason(feature: str, value: object = 1, contribution: float = 0.5) -> dict[str, object]:
    return {"feature": feature, "label": "x", "value": value, "contribution": contribution}


class TestFill:
    @pytest.mark.parametrize("feature", ["home_distance_km", "price_increase_90d", "failed_payments_90d", "odd"])
    def test_keeps_from_a_client_what_is_not_theirs_to_hear(self, feature: str) -> None:
        assert clause([reason(feature)]) == NEUTRAL

    def test_takes_the_first_reason_that_raises_the_risk(self) -> None:
        reasons = [reason("no_shows_90d", contribution=-1), reason("price_increase_90d"), reason("volume_trend")]
        assert clause(reasons) == "training has been quieter lately"

    @pytest.mark.parametrize(
        ("days", "expected"),
        [
            (9, "I haven't seen you for a few days"),
            (19, "it's been 3 weeks since we trained"),
            (90, "it's been a while since we trained"),
        ],
    )
    def test_says_how_long_ago(self, days: int, expected: str) -> None:
        assert clause([reason("days_since_last_session", days)]) == expected

    def test_says_nothing_of_what_is_not_known(self) -> None:
        """Who has no plan has not left it undone."""
        assert clause([reason("adherence_28d", None), reason("days_since_last_session", None)]) == NEUTRAL
        assert clause([reason("adherence_28d", None), reason("volume_trend")]) == "training has been quieter lately"

    def test_starts_a_sentence_with_a_capital(self) -> None:
        filled = fill("Hi {first_name}! {reason}. See you?", name="Mia Maier", reasons=[reason("volume_trend")])
        assert filled == "Hi Mia! Training has been quieter lately. See you?"

    def test_survives_a_template_that_nobody_checked(self) -> None:
        assert fill("Hi {first_name}{other}", name="", reasons=[]) == "Hi there"


class TestCheckTemplate:
    @pytest.mark.parametrize("template", ["", "{", "{0}", "{first_name.x}", "{other}", "{first_name!r}", "x" * 1001])
    def test_refuses_what_could_not_be_filled(self, template: str) -> None:
        with pytest.raises(InvalidRule):
            check_template(template)
