"""Scores from the warehouse: stored once, announced where changed, met by rules."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.automation.handlers import meet_newest
from operational_api.automation.models import ChurnScore, Rule, Run
from operational_api.core.models import OutboxEvent
from operational_api.engagement.models import ContactPreference
from operational_api.scheduling.models import Coach
from tests.factories import account_of, make_client
from tests.operational_api.automation.conftest import Post, make_rule, score
from tests.operational_api.conftest import SignIn

EARLIER = datetime.now(UTC) - timedelta(days=1)


def events(session: Session, event_type: str) -> int:
    return session.scalar(select(func.count()).where(OutboxEvent.type == event_type)) or 0


class TestReceiveScores:
    def test_starts_a_run_with_a_message_for_whom_the_rule_meets(
        self, session: Session, post_scores: Post, rule: Rule, coach: Coach
    ) -> None:
        mia, calm = make_client(session, coach=coach), make_client(session, coach=coach)
        answer = post_scores([score(mia), score(calm, 0.1)])
        assert answer.status_code == 202, answer.text
        assert answer.json() == {"received": 2, "changed": 2, "treatment": 1, "holdout": 0}
        run = session.scalars(select(Run)).one()
        assert (run.customer_id, run.coach_id, run.arm, run.status) == (mia.id, coach.id, "treatment", "open")
        assert run.suggested_message == "Hi Mia, it's been 3 weeks since we trained. Train this week?"
        assert (events(session, "automation.churn_scored"), events(session, "automation.run_started")) == (2, 1)

    def test_a_coach_assigned_after_the_marts_were_built_gets_the_run(
        self, session: Session, post_scores: Post, rule: Rule, coach: Coach
    ) -> None:
        mia = make_client(session, coach=coach)
        assert post_scores([score(mia, coach_id=None)]).json()["treatment"] == 1
        assert session.scalars(select(Run)).one().coach_id == coach.id

    def test_a_repeat_changes_nothing(self, session: Session, post_scores: Post, rule: Rule, coach: Coach) -> None:
        batch = [score(make_client(session, coach=coach))]
        post_scores(batch, scored_at=EARLIER)
        assert post_scores(batch, scored_at=EARLIER).json() == {
            "received": 1, "changed": 0, "treatment": 0, "holdout": 0,
        }  # fmt: skip
        assert session.scalar(select(func.count()).select_from(ChurnScore)) == 1

    def test_announces_only_changes(self, session: Session, post_scores: Post, coach: Coach) -> None:
        same, moved = make_client(session, coach=coach), make_client(session, coach=coach)
        post_scores([score(same, 0.2), score(moved, 0.2)], scored_at=EARLIER)
        assert post_scores([score(same, 0.2004), score(moved, 0.3)]).json()["changed"] == 1
        assert session.scalar(select(func.count()).select_from(ChurnScore)) == 4

    def test_a_late_old_batch_is_kept_but_moves_nothing(
        self, session: Session, post_scores: Post, rule: Rule, coach: Coach
    ) -> None:
        mia = make_client(session, coach=coach)
        post_scores([score(mia, 0.1)])
        late = post_scores([score(mia, 0.9)], scored_at=EARLIER).json()
        assert (late["changed"], late["treatment"]) == (0, 0)

    def test_meets_nobody_twice_within_the_cooldown(
        self, session: Session, post_scores: Post, rule: Rule, coach: Coach
    ) -> None:
        mia = make_client(session, coach=coach)
        start = datetime.now(UTC) - timedelta(hours=5)
        assert post_scores([score(mia)], scored_at=start).json()["treatment"] == 1
        assert post_scores([score(mia, 0.7)], scored_at=start + timedelta(hours=1)).json()["treatment"] == 0
        session.execute(update(Run).values(status="acted", started_at=start - timedelta(days=29)))
        assert post_scores([score(mia, 0.8)], scored_at=start + timedelta(hours=2)).json()["treatment"] == 0
        session.execute(update(Run).values(started_at=start - timedelta(days=31)))
        assert post_scores([score(mia, 0.9)], scored_at=start + timedelta(hours=3)).json()["treatment"] == 1

    def test_leaves_out_who_has_no_coach_or_wants_no_nudge(
        self, session: Session, post_scores: Post, rule: Rule, coach: Coach
    ) -> None:
        alone, unwilling = make_client(session), make_client(session, coach=coach)
        session.add(ContactPreference(customer_id=unwilling.id, allows_nudges=False))
        session.flush()
        answer = post_scores([score(alone), score(unwilling)]).json()
        assert (answer["treatment"], answer["holdout"]) == (0, 0)

    def test_ignores_rules_that_are_off(self, session: Session, post_scores: Post, coach: Coach) -> None:
        make_rule(session, is_active=False)
        assert post_scores([score(make_client(session, coach=coach))]).json()["treatment"] == 0

    def test_holds_out_a_share_without_a_message(self, session: Session, post_scores: Post, coach: Coach) -> None:
        make_rule(session, holdout_percent=30)
        batch = [
            {"customer_id": str(new_id()), "coach_id": str(coach.id), "probability": 0.5, "reasons": []}
            for _ in range(1000)
        ]
        answer = post_scores(batch).json()
        assert answer["treatment"] + answer["holdout"] == 1000
        assert 240 < answer["holdout"] < 360
        held = session.scalars(select(Run).where(Run.arm == "holdout")).all()
        assert {(run.status, run.suggested_message) for run in held} == {("held_out", None)}

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"probability": 1.2}, "core.invalid_request"),
            ({"probability": "NaN"}, "core.invalid_request"),
            ({"customer_id": "mia"}, "core.invalid_request"),
            ({"reasons": [{"feature": "f\0", "label": "l", "contribution": 1}]}, "core.invalid_request"),
        ],
    )
    def test_refuses_scores_that_cannot_be(
        self, session: Session, post_scores: Post, coach: Coach, change: dict[str, object], code: str
    ) -> None:
        answer = post_scores([score(make_client(session, coach=coach)) | change])
        assert (answer.status_code, answer.json()["code"]) == (422, code)

    def test_refuses_a_customer_twice_and_times_to_come(
        self, session: Session, post_scores: Post, coach: Coach
    ) -> None:
        mia = make_client(session, coach=coach)
        assert post_scores([score(mia), score(mia, 0.2)]).json()["code"] == "automation.invalid_scores"
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        assert post_scores([score(mia)], scored_at=tomorrow).json()["code"] == "automation.invalid_scores"
        assert session.scalars(select(ChurnScore)).all() == []

    def test_is_for_services_only(self, session: Session, sign_in: SignIn, api: TestClient, coach: Coach) -> None:
        body = {"model_id": "m", "scored_at": EARLIER.isoformat(), "scores": []}
        assert api.post("/api/automation/churn-scores", json=body).status_code == 401
        assert (
            sign_in(account_of(session, coach)).post("/api/automation/churn-scores", json=body).status_code == 403
        )  # fmt: skip


class TestMeetNewest:
    def test_meets_whom_a_new_or_changed_rule_reaches_by_the_newest_score_of_the_week(
        self, session: Session, post_scores: Post, coach: Coach
    ) -> None:
        risky, calmed, gone = (make_client(session, coach=coach) for _ in range(3))
        post_scores([score(risky), score(calmed)], scored_at=EARLIER)
        post_scores([score(calmed, 0.1)])
        post_scores([score(gone)], scored_at=EARLIER - timedelta(days=7))
        assert session.scalars(select(Run)).all() == []
        make_rule(session)
        for _ in range(2):
            meet_newest(session, datetime.now(UTC))
        assert session.scalars(select(Run.customer_id)).all() == [risky.id]
