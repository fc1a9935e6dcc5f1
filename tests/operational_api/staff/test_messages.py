"""Messages in doubt on a page of the staff: seen by admins alone, sent again or left by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.engagement.models import OutgoingMessage
from tests.factories import make_account
from tests.operational_api.staff.conftest import As, words


@pytest.fixture
def message(session: Session) -> OutgoingMessage:
    mia, now = make_account(session, display_name="Mia Maier"), datetime.now(UTC)
    row = OutgoingMessage(
        dedupe_key=new_id().hex, recipient=mia.email, template="session_reminder", context={"name": "Mia"},
        next_attempt_at=now, status="undecided", in_doubt_since=now - timedelta(minutes=5), purpose="reminders",
        customer_id=mia.id, attempts=1,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


@pytest.mark.parametrize(("decision", "status", "told"), [
    ("again", "queued", "It is sent again"), ("leave", "failed", "Left as it is"),
])  # fmt: skip
def test_is_decided_by_an_admin_once(
    session: Session, message: OutgoingMessage, signed_in: As, decision: str, status: str, told: str
) -> None:
    admin = signed_in(make_account(session, role="admin"))
    asked = words(admin.get("/staff/messages").text)
    assert "Session reminder to Mia Maier" in asked
    assert "5 minutes ago" in asked
    assert told in words(admin.submit(f"/staff/messages/{message.id}", {"decision": decision}).text)
    session.refresh(message)
    assert (message.status, message.attempts) == (status, 0 if decision == "again" else 1)
    assert "Nothing in doubt" in words(admin.get("/staff/messages").text)
    late = words(admin.submit(f"/staff/messages/{message.id}", {"decision": decision}).text)
    assert "It is known by now" in late


def test_what_is_worth_nothing_any_more_is_not_sent(
    session: Session, message: OutgoingMessage, signed_in: As
) -> None:  # fmt: skip
    message.expires_at = datetime.now(UTC)
    page = words(signed_in(make_account(session, role="admin")).get("/staff/messages").text)
    assert "too late to be sent" in page
    assert "Send again" not in page


def test_is_nobody_elses(session: Session, message: OutgoingMessage, signed_in: As) -> None:
    desk = signed_in(make_account(session, role="support"))
    assert desk.get("/staff/messages").status_code == 403
    assert "/staff/messages" not in desk.get("/staff").text
