"""Rules and runs as admins see and change them."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.automation.models import Rule
from operational_api.core.models import AuditEntry
from operational_api.scheduling.models import Coach
from tests.factories import account_of, make_account, make_client
from tests.operational_api.automation.conftest import Post, make_rule, score
from tests.operational_api.conftest import SignIn

NEW = {
    "code": "win-back", "name": "Win back", "probability_at_least": 0.6,
    "message_template": "{reason}, {first_name}?",
}  # fmt: skip


@pytest.fixture
def admin(session: Session, sign_in: SignIn) -> TestClient:
    return sign_in(make_account(session, role="admin"))


class TestRules:
    def test_are_listed_with_their_runs(
        self, session: Session, admin: TestClient, rule: Rule, coach: Coach, post_scores: Post
    ) -> None:
        post_scores([score(make_client(session, coach=coach)) for _ in range(3)])
        [found] = admin.get("/api/automation/rules").json()["items"]
        assert (found["code"], found["probability_at_least"]) == (rule.code, 0.4)
        assert found["counts"] == {"treatment": 3, "holdout": 0, "open": 3}

    def test_are_created_once(self, session: Session, admin: TestClient) -> None:
        created = admin.post("/api/automation/rules", json=NEW)
        assert (created.status_code, created.json()["holdout_percent"]) == (201, 20)
        assert admin.post("/api/automation/rules", json=NEW).json()["code"] == "automation.rule_exists"
        assert session.scalars(select(AuditEntry.action)).all() == ["automation.create_rule"]

    def test_change_with_a_trail_of_what_was(self, session: Session, admin: TestClient, rule: Rule) -> None:
        path = f"/api/automation/rules/{rule.id}"
        answer = admin.patch(path, json={"holdout_percent": 35, "probability_at_least": 0.5, "is_active": True})
        assert (answer.json()["holdout_percent"], answer.json()["probability_at_least"]) == (35, 0.5)
        entry = session.scalars(select(AuditEntry)).one()
        assert entry.details == {"holdout_percent": [0, 35], "probability_at_least": [0.4, 0.5]}
        assert entry.object_id == str(rule.id)
        admin.patch(path, json={"holdout_percent": 35})
        assert len(session.scalars(select(AuditEntry)).all()) == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"holdout_percent": 91}, {"holdout_percent": -1}, {"probability_at_least": 1.5}, {"cooldown_days": 0},
            {"message_template": "Hi {customer.password}"}, {"message_template": "Hi {first_name"}, {"code": "other"},
            {"message_template": "Hi {first_name!r:>99999999}"}, {},
        ],
    )  # fmt: skip
    def test_refuse_what_could_not_work(self, admin: TestClient, rule: Rule, change: dict[str, object]) -> None:
        assert admin.patch(f"/api/automation/rules/{rule.id}", json=change).status_code == 422

    def test_are_for_admins(self, session: Session, sign_in: SignIn, admin: TestClient, coach: Coach) -> None:
        cara = sign_in(account_of(session, coach))
        for path in ("rules", "runs"):
            assert cara.get(f"/api/automation/{path}").status_code == 403
        assert cara.patch(f"/api/automation/rules/{new_id()}", json={"is_active": False}).status_code == 403
        assert admin.patch(f"/api/automation/rules/{new_id()}", json={"is_active": False}).status_code == 404


class TestRuns:
    def test_are_filtered_and_paged(self, session: Session, admin: TestClient, coach: Coach, post_scores: Post) -> None:
        wanted, _ = make_rule(session), make_rule(session, holdout_percent=90)
        post_scores([score(make_client(session, coach=coach)) for _ in range(5)])
        params = {"rule_id": str(wanted.id), "limit": 3}
        first = admin.get("/api/automation/runs", params=params).json()
        rest = admin.get("/api/automation/runs", params=params | {"cursor": first["next_cursor"]}).json()
        items = first["items"] + rest["items"]
        assert len({item["id"] for item in items}) == 5
        assert {(item["rule_id"], item["customer_name"]) for item in items} == {(str(wanted.id), "Mia Maier")}
        held = admin.get("/api/automation/runs", params={"arm": "holdout"}).json()["items"]
        assert {item["status"] for item in held} <= {"held_out"}
        assert admin.get("/api/automation/runs", params={"status": "odd"}).status_code == 422
