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
from operational_api.engagement.service.leads import amend_lead, capture_lead
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
        convert_lead(session, EmailVerified(occurred_at=datetime.now(UTC), account_id=account.id))
        told = session.scalars(select(OutboxEvent.type).order_by(OutboxEvent.position)).all()
        assert told.count("engagement.lead_converted") == 1


class TestAmendLead:
    def test_takes_over_what_is_other_and_announces_that_alone(self, session: Session) -> None:
        now = datetime.now(UTC)
        lead = capture_lead(session, name="Lea", email="lea@example.test", source="web", location_id=None, now=now)
        values = {"name": "Lea Lind", "source": "web", "phone": " +49 30 1 "}
        assert amend_lead(session, lead.id, values, by="hubspot", now=now)
        assert not amend_lead(session, lead.id, values, by="hubspot", now=now)
        assert (lead.name, lead.phone) == ("Lea Lind", "+49 30 1")
        told = session.scalars(select(OutboxEvent).where(OutboxEvent.type == "engagement.lead_changed")).all()
        assert [(one.payload["changed"], one.payload["by"]) for one in told] == [(["name", "phone"], "hubspot")]

    def test_never_takes_a_name_away(self, session: Session) -> None:
        now = datetime.now(UTC)
        lead = capture_lead(session, name="Lea", email="lea@example.test", source="web", location_id=None, now=now)
        assert not amend_lead(session, lead.id, {"name": " ", "source": None}, by="hubspot", now=now)
        assert (lead.name, lead.source) == ("Lea", "web")
