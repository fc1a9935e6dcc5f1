"""Roles: one admin asks, another approves, and it holds in every session at once."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.identity.models import Account
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

PATH = "/api/identity/role-grants"


@pytest.fixture
def admins(session: Session, proved: SignIn) -> tuple[TestClient, TestClient]:
    """Two admins who have just proved who they are."""
    one, two = (proved(make_account(session, role="admin")) for _ in range(2))
    return one, two


def body(account: Account, role: str = "finance") -> dict[str, str]:
    return {"account_id": str(account.id), "role": role, "reason": "Joins the office"}


class TestRoleGrants:
    def test_are_asked_by_one_and_approved_by_another(
        self, session: Session, admins: tuple[TestClient, TestClient]
    ) -> None:
        asks, approves = admins
        tom = make_account(session)
        asked = asks.post(PATH, json=body(tom))
        assert (asked.status_code, asked.json()["from_role"]) == (201, "customer")
        assert asks.post(PATH, json=body(tom, "coach")).json()["code"] == "identity.role_asked_already"
        path = f"{PATH}/{asked.json()['id']}/approval"
        own = asks.post(path)
        assert (own.status_code, own.json()["code"]) == (403, "identity.own_role_grant")
        session.refresh(tom)
        assert tom.role == "customer"
        assert approves.post(path).json()["status"] == "approved"
        session.refresh(tom)
        assert tom.role == "finance"
        assert approves.post(path).json()["code"] == "identity.role_grant_closed"
        assert [one["role"] for one in asks.get(PATH).json()["items"]] == ["finance"]
        events = session.scalars(select(OutboxEvent).where(OutboxEvent.aggregate_id == tom.id)).all()
        assert {one.type for one in events} == {
            "identity.role_grant_requested", "identity.role_granted", "identity.role_grant_decided",
        }  # fmt: skip
        kept = session.scalars(select(AuditEntry).where(AuditEntry.action == "identity.change_role")).one()
        assert (kept.subject_id, kept.details["from"], kept.details["to"]) == (tom.id, "customer", "finance")
        assert str(kept.actor_id) != kept.details["requested_by"] == asked.json()["requested_by"]

    def test_nobody_asks_for_or_approves_their_own(self, session: Session, sign_in: SignIn) -> None:
        cara, dan = (make_account(session, role="admin") for _ in range(2))
        own = sign_in(cara).post(PATH, json=body(cara, "data"))
        assert (own.status_code, own.json()["code"]) == (403, "identity.own_role_grant")
        asked = sign_in(dan).post(PATH, json=body(cara, "data")).json()
        assert sign_in(cara).post(f"{PATH}/{asked['id']}/approval").status_code == 403

    @pytest.mark.asvs("8.2.1")
    @pytest.mark.parametrize("role", ["customer", "coach", "lead_coach", "front_desk", "finance", "support", "data"])
    def test_are_for_admins(self, session: Session, sign_in: SignIn, role: str) -> None:
        person = sign_in(make_account(session, role=role))
        assert person.get(PATH).status_code == 403
        assert person.post(PATH, json=body(make_account(session))).status_code == 403
        assert person.post(f"{PATH}/{new_id()}/approval").status_code == 403

    def test_refuse_a_token_that_says_another_role(
        self, app: FastAPI, session: Session, admins: tuple[TestClient, TestClient], sign_in: SignIn
    ) -> None:
        """Also one that names no session we know; those of sessions: identity/test_ended_everywhere.py."""
        gone = make_account(session, role="admin")
        before = sign_in(gone)
        assert before.get(PATH).status_code == 200
        asked = admins[0].post(PATH, json=body(gone, "support")).json()
        admins[1].post(f"{PATH}/{asked['id']}/approval")
        for path in (PATH, "/api/training/clients", "/api/gateway/screens?surface=admin"):
            assert before.get(path).status_code == 401, path
        session.refresh(gone)
        after = sign_in(gone)
        assert (after.get(PATH).status_code, after.get("/api/training/clients").status_code) == (403, 200)

    def test_are_not_approved_over_another_change(
        self, session: Session, admins: tuple[TestClient, TestClient]
    ) -> None:
        tom = make_account(session)
        asked = admins[0].post(PATH, json=body(tom)).json()
        tom.role = "coach"
        session.flush()
        assert admins[1].post(f"{PATH}/{asked['id']}/approval").json()["code"] == "identity.account_changed"

    def test_ask_who_approves_for_a_fresh_proof(
        self, session: Session, admins: tuple[TestClient, TestClient], sign_in: SignIn
    ) -> None:
        tom = make_account(session)
        asked = admins[0].post(PATH, json=body(tom)).json()
        stale = sign_in(make_account(session, role="admin")).post(f"{PATH}/{asked['id']}/approval")
        assert (stale.status_code, stale.json()["code"]) == (401, "identity.step_up_required")
        session.refresh(tom)
        assert tom.role == "customer"

    def test_may_be_declined_and_asked_again(self, session: Session, admins: tuple[TestClient, TestClient]) -> None:
        tom = make_account(session)
        asked = admins[0].post(PATH, json=body(tom)).json()
        assert admins[1].post(f"{PATH}/{asked['id']}/refusal").json()["status"] == "declined"
        assert admins[0].post(PATH, json=body(tom)).status_code == 201

    def test_name_people_and_roles_that_exist(self, session: Session, admins: tuple[TestClient, TestClient]) -> None:
        tom = make_account(session)
        assert admins[0].post(PATH, json=body(tom, "owner")).status_code == 422
        assert admins[0].post(PATH, json=body(tom, "customer")).json()["code"] == "identity.role_unchanged"
        nobody = body(tom) | {"account_id": str(new_id())}
        assert admins[0].post(PATH, json=nobody).json()["code"] == "identity.account_not_found"
        assert admins[0].post(f"{PATH}/{new_id()}/approval").json()["code"] == "identity.role_grant_not_found"


class TestOwnAccount:
    @pytest.mark.asvs("15.3.1", "15.3.3")
    def test_gives_nobody_a_role_by_a_field_and_tells_no_hash(self, session: Session, sign_in: SignIn) -> None:
        mia = make_account(session, password_hash="$argon2id$x")
        body = {"display_name": "Mia", "time_zone": "Europe/Berlin", "role": "admin", "email": "x@plyo.test"}
        changed = sign_in(mia).patch("/api/identity/me", json=body)
        assert changed.status_code == 200
        assert changed.json().keys() == {
            "id", "email", "display_name", "role", "time_zone", "locale", "email_verified_at", "created_at",
        }  # fmt: skip
        session.refresh(mia)
        assert (mia.display_name, mia.role) == ("Mia", "customer")
        assert mia.email != "x@plyo.test"
