"""A rule, a coach, and scores as the warehouse posts them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.automation.models import Rule
from operational_api.scheduling.models import Coach
from operational_api.training.models import Client
from tests.factories import make_coach
from tests.operational_api.conftest import ISSUER, service_token

REASONS = [
    {"feature": "days_since_last_session", "label": "No session in 19 days", "value": 19, "contribution": 0.9},
    {"feature": "home_distance_km", "label": "Lives 12 km away", "value": 12.0, "contribution": 0.2},
]


def make_rule(session: Session, **given: Any) -> Rule:
    """An active rule at 0.4 that holds nobody out."""
    values = {
        "code": f"rule-{new_id().hex[-8:]}", "name": "Check in", "trigger": "churn_score", "action": "suggest_nudge",
        "condition": {"probability_at_least": 0.4}, "message_template": "Hi {first_name}, {reason}. Train this week?",
        "holdout_percent": 0, "cooldown_days": 30, "outcome_days": 14,
    }  # fmt: skip
    rule = Rule(**values | given)
    session.add(rule)
    session.flush()
    return rule


@pytest.fixture
def rule(session: Session) -> Rule:
    return make_rule(session)


@pytest.fixture
def coach(session: Session) -> Coach:
    return make_coach(session)


def score(client: Client, probability: float = 0.61, **given: Any) -> dict[str, Any]:
    """One customer's score."""
    return {
        "customer_id": str(client.id), "coach_id": str(client.coach_id) if client.coach_id else None,
        "probability": probability, "reasons": REASONS,
    } | given  # fmt: skip


Post = Callable[..., Response]


@pytest.fixture
def post_scores(app: FastAPI) -> Post:
    """The activation job's request: `post_scores([score(mia)], scored_at=…)`."""
    client = TestClient(app, base_url=ISSUER, raise_server_exceptions=False)
    client.headers["Authorization"] = f"Bearer {service_token(app, 'plyo-activation')}"

    def post(scores: list[dict[str, Any]], *, scored_at: datetime | None = None, model_id: str = "m1") -> Response:
        body = {
            "model_id": model_id, "scored_at": (scored_at or datetime.now(UTC)).isoformat(), "scores": scores,
        }  # fmt: skip
        return client.post("/api/automation/churn-scores", json=body)

    return post
