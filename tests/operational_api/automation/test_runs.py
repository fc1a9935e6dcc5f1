"""The coach's queue and what a coach does with a suggestion."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.training import CoachAssigned
from contracts.ids import new_id
from operational_api.automation.handlers import expire_runs, hand_over_runs
from operational_api.automation.models import Rule, Run
from operational_api.compliance.service import consents
from operational_api.core.models import OutboxEvent
from operational_api.engagement.models import ContactPreference, Message
from operational_api.scheduling.models import Coach
from operational_api.training.models import Client
from tests.factories import account_of, make_client, make_coach
from tests.operational_api.automation.conftest import Post, score
from tests.operational_api.conftest import SignIn


@pytest.fixture
def mia(session: Session, coach: Coach, rule: Rule, post_scores: Post) -> Client:
    """A client with an open run."""
    mia = make_client(session, coach=coach)
    post_scores([score(mia)])
    return mia


@pytest.fixture
def cara(session: Session, sign_in: SignIn, coach: Coach) -> TestClient:
    return sign_in(account_of(session, coach))


def queue(client: TestClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get("/api/automation/queue").json()["items"]
    return items


def event_types(session: Session) -> list[str]:
    return list(session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)))


class TestQueue:
    def test_tells_whom_why_and_with_which_words(self, cara: TestClient, mia: Client) -> None:
        [item] = queue(cara)
        assert (item["customer_name"], item["probability"], item["refusal"]) == ("Mia Maier", 0.61, None)
        assert item["suggested_message"].startswith("Hi Mia, it's been 3 weeks")
        assert item["reasons"][0]["label"] == "No session in 19 days"
        assert item["why_now"].startswith("61% risk of leaving within 30 days, 40% or more since")

    def test_gives_no_reasons_of_who_withholds_training_or_injuries(
        self, session: Session, cara: TestClient, coach: Coach, mia: Client, post_scores: Post
    ) -> None:
        zoe = make_client(session, coach=coach, display_name="Zoe Fox")
        for one in (mia, zoe):  # Mia after her run began, Zoe before hers
            consents.decide(
                session, customer_id=one.id, decisions={("injuries", "coaching"): False}, decided_by=one.id,
                now=datetime.now(UTC),
            )  # fmt: skip
        post_scores([score(zoe)])
        found = {item["customer_name"]: item for item in queue(cara)}
        assert [item["reasons"] for item in found.values()] == [[], []]
        assert not any("No session" in item["why_now"] for item in found.values())
        assert "3 weeks" not in found["Zoe Fox"]["suggested_message"]

    def test_is_riskiest_first_by_the_newest_score_and_pages(
        self, session: Session, cara: TestClient, coach: Coach, mia: Client, post_scores: Post
    ) -> None:
        risky, calmer = make_client(session, coach=coach), make_client(session, coach=coach)
        post_scores([score(risky, 0.9), score(calmer, 0.8)])
        post_scores([score(calmer, 0.45)], scored_at=datetime.now(UTC) + timedelta(minutes=1))
        seen, cursor = [], None
        while True:
            page = cara.get(
                "/api/automation/queue", params={"limit": 1} | ({"cursor": cursor} if cursor else {})
            ).json()
            seen += [one["probability"] for one in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert seen == [0.9, 0.61, 0.45]

    def test_shows_a_coach_only_their_own(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        assert queue(sign_in(account_of(session, make_coach(session)))) == []
        assert sign_in(account_of(session, mia)).get("/api/automation/queue").status_code == 403

    def test_says_when_somebody_is_not_to_be_written_to(self, session: Session, cara: TestClient, mia: Client) -> None:
        session.add(ContactPreference(customer_id=mia.id, allows_nudges=False))
        session.flush()
        assert "switched check-ins off" in queue(cara)[0]["refusal"]


class TestSend:
    def test_sends_the_edited_message_once(self, session: Session, cara: TestClient, mia: Client) -> None:
        run_id = queue(cara)[0]["run_id"]
        answer = cara.post(f"/api/automation/runs/{run_id}/send", json={"body": "Hi Mia, all well?"})
        assert (answer.status_code, answer.json()["status"]) == (200, "acted")
        message = session.scalars(select(Message)).one()
        assert (message.kind, message.body, message.recipient_id) == ("nudge", "Hi Mia, all well?", mia.id)
        assert (str(message.automation_run_id), str(message.id)) == (run_id, answer.json()["message_id"])
        assert queue(cara) == []
        again = cara.post(f"/api/automation/runs/{run_id}/send", json={"body": "Again"})
        assert (again.status_code, again.json()["code"]) == (409, "automation.run_closed")
        assert event_types(session)[-2:] == ["engagement.message_sent", "automation.run_acted"]

    def test_is_refused_clearly_and_stays_open_when_the_customer_wants_quiet(
        self, session: Session, cara: TestClient, mia: Client
    ) -> None:
        session.add(ContactPreference(customer_id=mia.id, allows_nudges=False))
        session.flush()
        [item] = queue(cara)
        answer = cara.post(f"/api/automation/runs/{item['run_id']}/send", json={"body": "Hi"})
        assert (answer.status_code, answer.json()["code"]) == (409, "engagement.nudges_off")
        assert session.scalars(select(Message)).all() == []
        assert len(queue(cara)) == 1

    @pytest.mark.parametrize("body", ["", "   ", "x" * 4001])
    def test_refuses_what_is_no_message(self, cara: TestClient, mia: Client, body: str) -> None:
        run_id = queue(cara)[0]["run_id"]
        assert cara.post(f"/api/automation/runs/{run_id}/send", json={"body": body}).status_code == 422
        assert len(queue(cara)) == 1

    def test_another_coachs_run_is_like_a_missing_one(self, session: Session, sign_in: SignIn, mia: Client) -> None:
        run_id = session.scalars(select(Run.id)).one()
        other = sign_in(account_of(session, make_coach(session)))
        for action, body in (("send", {"body": "Hi"}), ("dismiss", {"reason": "no"}), ("undo", None)):
            theirs = other.post(f"/api/automation/runs/{run_id}/{action}", json=body)
            missing = other.post(f"/api/automation/runs/{new_id()}/{action}", json=body)
            assert theirs.status_code == 404
            assert theirs.json() | {"trace_id": None} == missing.json() | {"trace_id": None}

    def test_nobody_acts_on_a_held_out_run(self, session: Session, cara: TestClient, mia: Client) -> None:
        session.execute(update(Run).values(arm="holdout", status="held_out"))
        run_id = session.scalars(select(Run.id)).one()
        assert cara.post(f"/api/automation/runs/{run_id}/send", json={"body": "Hi"}).status_code == 404


class TestDismiss:
    def test_takes_it_off_the_queue_and_back_within_a_minute(
        self, session: Session, cara: TestClient, mia: Client
    ) -> None:
        run_id = queue(cara)[0]["run_id"]
        assert (
            cara.post(f"/api/automation/runs/{run_id}/dismiss", json={"reason": "Ill"}).json()["status"] == "dismissed"
        )
        assert queue(cara) == []
        assert cara.post(f"/api/automation/runs/{run_id}/undo").json()["status"] == "open"
        assert len(queue(cara)) == 1
        assert event_types(session)[-2:] == ["automation.run_dismissed", "automation.run_reopened"]
        cara.post(f"/api/automation/runs/{run_id}/dismiss", json={"reason": "Ill"})
        session.execute(update(Run).values(decided_at=datetime.now(UTC) - timedelta(seconds=61)))
        assert cara.post(f"/api/automation/runs/{run_id}/undo").json()["code"] == "automation.too_late_to_undo"

    def test_is_not_taken_back_once_the_rule_has_met_the_customer_again(
        self, session: Session, cara: TestClient, mia: Client, rule: Rule, post_scores: Post
    ) -> None:
        rule.cooldown_days = 0
        session.flush()
        run_id = queue(cara)[0]["run_id"]
        cara.post(f"/api/automation/runs/{run_id}/dismiss", json={"reason": "Ill"})
        post_scores([score(mia, probability=0.83)])
        answer = cara.post(f"/api/automation/runs/{run_id}/undo")
        assert (answer.status_code, answer.json()["code"]) == (409, "automation.too_late_to_undo")
        [item] = queue(cara)
        assert item["run_id"] != run_id


class TestByTheClockAndEvents:
    def test_open_runs_expire_after_a_week(self, session: Session, cara: TestClient, mia: Client) -> None:
        expire_runs(session, datetime.now(UTC) + timedelta(days=6))
        assert len(queue(cara)) == 1
        expire_runs(session, datetime.now(UTC) + timedelta(days=7, seconds=5))
        assert queue(cara) == []
        assert event_types(session)[-1] == "automation.run_expired"

    def test_open_runs_follow_the_client_to_a_new_coach(
        self, session: Session, sign_in: SignIn, cara: TestClient, mia: Client
    ) -> None:
        other = make_coach(session)
        hand_over_runs(session, CoachAssigned(occurred_at=datetime.now(UTC), customer_id=mia.id, coach_id=other.id))
        assert queue(cara) == []
        assert len(queue(sign_in(account_of(session, other)))) == 1

    def test_a_first_coach_meets_whom_a_rule_could_not_meet_without_one(
        self, session: Session, cara: TestClient, coach: Coach, rule: Rule, post_scores: Post
    ) -> None:
        noah = make_client(session)
        assert post_scores([score(noah, coach_id=None)]).json()["treatment"] == 0
        told = CoachAssigned(occurred_at=datetime.now(UTC), customer_id=noah.id, coach_id=coach.id)
        hand_over_runs(session, told)
        hand_over_runs(session, told)
        assert [item["customer_id"] for item in queue(cara)] == [str(noah.id)]
