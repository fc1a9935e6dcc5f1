"""A lost second step: asked for by who knows the person, approved by another, and the person is told both times."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.core.models import AuditEntry, OutboxEvent
from operational_api.engagement.models import OutgoingEmail
from operational_api.identity.models import Account, LoginSession, Passkey, RecoveryCode
from tests.factories import make_account, make_login_session
from tests.operational_api.conftest import SignIn

PATH = "/api/identity/factor-resets"


def with_passkey(session: Session, *, role: str = "customer") -> Account:
    """Somebody with a passkey, a recovery code and a session."""
    account = make_account(session, role=role)
    now = datetime.now(UTC)
    session.add_all(
        [
            Passkey(
                id=new_id(), account_id=account.id, credential_id=new_id().bytes, public_key=b"", sign_count=0,
                transports=[], name="Phone", is_synced=False, created_at=now,
            ),
            RecoveryCode(code_hash=new_id().hex, account_id=account.id, created_at=now),
        ]
    )  # fmt: skip
    make_login_session(session, account)
    return account


def body(account: Account) -> dict[str, str]:
    return {"account_id": str(account.id), "identity_check": "photo_id", "reason": "Phone in the canal"}


def mails(session: Session, account: Account) -> list[str]:
    rows = session.scalars(select(OutgoingEmail).where(OutgoingEmail.recipient == account.email))
    return [one.context["what"] for one in rows]


class TestFactorResets:
    @pytest.mark.asvs("6.4.4", "6.4.3")
    def test_take_two_and_end_every_session(self, session: Session, sign_in: SignIn, proved: SignIn) -> None:
        mia = with_passkey(session)
        asks, approves = (make_account(session, role=role) for role in ("front_desk", "support"))
        asked = sign_in(asks).post(PATH, json=body(mia))
        assert (asked.status_code, asked.json()["identity_check"]) == (201, "photo_id")
        assert mails(session, mia) == ["We were asked to remove your second step"]
        assert session.scalar(select(Passkey).where(Passkey.account_id == mia.id)) is not None, "nothing happened yet"
        path = f"{PATH}/{asked.json()['id']}"
        assert sign_in(asks).post(f"{path}/approval").status_code == 403
        stale = sign_in(approves).post(f"{path}/approval")
        assert (stale.status_code, stale.json()["code"]) == (401, "identity.step_up_required")
        assert proved(approves).post(f"{path}/approval").json()["status"] == "approved"
        session.expire_all()
        for model in (Passkey, RecoveryCode):
            assert session.scalars(select(model).where(model.account_id == mia.id)).all() == []
        ended = session.scalars(select(LoginSession).where(LoginSession.account_id == mia.id)).one()
        assert ended.revoked_at is not None
        assert sorted(mails(session, mia))[-1] == "Your second step was removed"
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "identity.reset_factors")).one()
        assert (noted.actor_id, noted.subject_id, noted.details["identity_check"]) == (approves.id, mia.id, "photo_id")
        assert noted.details["requested_by"] == str(asks.id)
        told = session.scalars(select(OutboxEvent.type).where(OutboxEvent.aggregate_id == mia.id)).all()
        assert {"identity.factor_reset_requested", "identity.factor_removed", "identity.factor_reset_decided"} == {
            *told
        }

    def test_nobody_asks_for_or_approves_their_own(self, session: Session, sign_in: SignIn, proved: SignIn) -> None:
        ada, bo, cy = (with_passkey(session, role="admin") for _ in range(3))
        assert sign_in(ada).post(PATH, json=body(ada)).json()["code"] == "identity.own_reset"
        asked = sign_in(bo).post(PATH, json=body(ada)).json()
        for person in (ada, bo):
            assert sign_in(person).post(f"{PATH}/{asked['id']}/approval").status_code == 403
        assert proved(cy).post(f"{PATH}/{asked['id']}/approval").status_code == 200

    def test_of_colleagues_are_for_admins(self, session: Session, sign_in: SignIn) -> None:
        coach = with_passkey(session, role="coach")
        desk, sam = (sign_in(make_account(session, role=role)) for role in ("front_desk", "support"))
        assert desk.post(PATH, json=body(coach)).status_code == 404, "the front desk does not look colleagues up"
        assert sam.post(PATH, json=body(coach)).status_code == 403
        asked = sign_in(make_account(session, role="admin")).post(PATH, json=body(coach)).json()
        assert sam.post(f"{PATH}/{asked['id']}/approval").status_code == 403

    def test_are_asked_once_and_only_for_who_has_a_second_step(self, session: Session, sign_in: SignIn) -> None:
        mia, tom = with_passkey(session), make_account(session)
        sam = sign_in(make_account(session, role="support"))
        assert sam.post(PATH, json=body(tom)).json()["code"] == "identity.nothing_to_reset"
        assert sam.post(PATH, json=body(mia)).status_code == 201
        assert sam.post(PATH, json=body(mia)).json()["code"] == "identity.reset_asked_already"
        assert sam.post(PATH, json=body(mia) | {"identity_check": "trust_me"}).status_code == 422

    def test_a_repeat_of_the_request_asks_once(self, session: Session, sign_in: SignIn) -> None:
        mia, sam = with_passkey(session), sign_in(make_account(session, role="support"))
        key = {"Idempotency-Key": new_id().hex}
        first, again = (sam.post(PATH, json=body(mia), headers=key) for _ in range(2))
        assert (again.status_code, again.json()) == (201, first.json())
        assert mails(session, mia) == ["We were asked to remove your second step"]
