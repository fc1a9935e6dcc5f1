"""A guest's contact form."""

from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.identity import EmailVerified
from operational_api.core.models import OutboxEvent
from operational_api.engagement.handlers import convert_lead
from operational_api.engagement.models import Lead
from tests.factories import make_account

FORM = {"name": "Lea Lind", "email": "Lea@example.test", "source": "instagram"}


class TestCaptureLead:
    def test_keeps_an_address_once_and_never_tells(self, session: Session, api: TestClient) -> None:
        first = api.post("/api/engagement/leads", json=FORM)
        again = api.post("/api/engagement/leads", json=FORM | {"email": "lea@EXAMPLE.test"})
        assert (first.status_code, first.json()) == (again.status_code, again.json()) == (202, {"state": "received"})
        assert [lead.email for lead in session.scalars(select(Lead))] == ["Lea@example.test"]
        assert session.scalars(select(OutboxEvent.type)).all() == ["engagement.lead_captured"]

    @pytest.mark.parametrize("email", ["nobody", "a@b", "a b@example.test", "@example.test", "a@example..test"])
    def test_refuses_what_is_no_address(self, session: Session, api: TestClient, email: str) -> None:
        assert api.post("/api/engagement/leads", json=FORM | {"email": email}).status_code == 422
        assert session.scalars(select(Lead)).all() == []

    def test_is_converted_when_the_address_is_verified(self, session: Session, api: TestClient) -> None:
        api.post("/api/engagement/leads", json=FORM)
        account = make_account(session, email="lea@example.test")
        convert_lead(session, EmailVerified(occurred_at=datetime.now(UTC), account_id=account.id))
        assert session.scalars(select(Lead.customer_id)).all() == [account.id]
