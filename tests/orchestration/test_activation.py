"""Scores on their way to operations: only news, in posts that a repeat cannot double."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from orchestration.defs.activation import SCORES_A_POST, changed, posts
from orchestration.failures import judged
from orchestration.resources import OperationalApi
from tests.dbt_project.test_marts import who

NOON = datetime(2026, 6, 17, 12, tzinfo=UTC)


def score(name: str, probability: float, **given: Any) -> dict[str, Any]:
    return {
        "customer_id": str(who(name)), "coach_id": None, "probability": probability, "reasons": [], "scored_at": NOON,
    } | given  # fmt: skip


class TestChanged:
    def test_a_score_operations_never_got_is_news(self):
        assert changed([score("ana", 0.2)], "m1", {}) == [score("ana", 0.2)]

    def test_a_score_they_have_is_not(self):
        assert changed([score("ana", 0.204)], "m1", {str(who("ana")): ("m1", 0.2)}) == []

    def test_a_point_more_is_news_and_so_is_another_model(self):
        known = {str(who("ana")): ("m1", 0.2)}
        assert changed([score("ana", 0.211)], "m1", known)
        assert changed([score("ana", 0.2)], "m2", known)


class TestPosts:
    def test_scores_made_at_one_time_go_together_and_posts_stay_small(self):
        later = NOON.replace(hour=13)
        news = [score(str(n), 0.5) for n in range(SCORES_A_POST + 1)] + [score("late", 0.5, scored_at=later)]
        made = posts(news)
        assert [(at, len(batch)) for at, batch in made] == [
            (NOON.isoformat(), SCORES_A_POST),
            (NOON.isoformat(), 1),
            (later.isoformat(), 1),
        ]

    def test_the_same_news_make_the_same_posts(self):
        news = [score("ana", 0.5), score("ben", 0.6)]
        assert posts(news) == posts(reversed(news))


class TestJudged:
    @pytest.mark.parametrize(("status", "is_retried"), [(422, False), (403, False), (429, True), (503, True)])
    def test_a_refusal_is_final_and_an_overload_is_not(self, status, is_retried):
        import dagster as dg

        request = httpx.Request("POST", "http://api/api/automation/churn-scores")
        error = httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))
        with pytest.raises(httpx.HTTPStatusError if is_retried else dg.Failure) as raised, judged():
            raise error
        if not is_retried:
            assert raised.value.allow_retries is False

    def test_missing_settings_are_final(self, monkeypatch):
        import dagster as dg

        monkeypatch.delenv("PLYO_API_URL", raising=False)
        with pytest.raises(dg.Failure), judged():
            OperationalApi().post_churn_scores(model_id="m", scored_at="x", scores=[])
