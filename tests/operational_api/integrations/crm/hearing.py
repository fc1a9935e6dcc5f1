"""A worker of the CRM, the people it brings together, and the events that it hears."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.envelope import Event
from contracts.events.registry import parse
from operational_api.core.database import session_factory
from operational_api.core.models import OutboxEvent
from operational_api.core.rate_limit import Limiter
from operational_api.engagement.models import Lead
from operational_api.engagement.service.leads import capture_lead
from operational_api.integrations.crm import contacts
from operational_api.integrations.crm.models import CrmContact
from operational_api.integrations.crm.sync import CrmWorker
from operational_api.integrations.handlers import CRM
from operational_api.integrations.settings import IntegrationSettings
from tests.fakes.hubspot.testing import TOKEN, LocalHubSpot

NOW = datetime.now(UTC)


def make_worker(session: Session, crm: LocalHubSpot, **given: Any) -> CrmWorker:
    sessions = session_factory(session.connection(), join_transaction_mode="create_savepoint")
    settings = IntegrationSettings(
        hubspot_api_base=crm.url, hubspot_access_token=SecretStr(TOKEN), hubspot_requests_in_ten_seconds=10_000,
        hubspot_requests_a_day=given.pop("a_day", 100_000),
    )  # fmt: skip
    return CrmWorker(sessions, settings, Limiter(factor=given.pop("factor", 1.0)), **given)


def hear(session: Session, *events: Event) -> None:
    for event in events:
        CRM[event.type](session, event)
    session.flush()


def hear_all(session: Session) -> None:
    """Hand every event that is written to whoever listens to it here, as the relay does."""

    rows = session.scalars(select(OutboxEvent).order_by(OutboxEvent.position)).all()
    for row in rows:
        if row.type in CRM and row.relayed_at is None:
            row.relayed_at = NOW
            hear(session, parse(event_type=row.type, version=row.version, event_id=row.event_id,
                                occurred_at=row.occurred_at, payload=row.payload))  # fmt: skip


def drain(worker: CrmWorker) -> None:
    while worker.run_due():
        pass


def make_lead(session: Session, name: str = "Lea Lind", email: str = "lea@example.test") -> Lead:
    lead = capture_lead(session, name=name, email=email, source="instagram", location_id=None, now=NOW)
    hear_all(session)
    return lead


def contact_of(session: Session, crm: LocalHubSpot) -> dict[str, str]:
    [row] = session.scalars(select(CrmContact)).all()
    session.refresh(row)
    found: dict[str, str] = crm.store.objects["contacts"][str(row.contact_id)]["properties"]
    return found


def remark(session: Session) -> None:
    for row in session.scalars(select(CrmContact)):
        row.due_at, row.marks = NOW - timedelta(days=1), row.marks + 1
    session.flush()


def remark_all(session: Session) -> None:
    """Whatever may make somebody be looked at."""
    contacts.mark(session, session.scalars(select(CrmContact.person_id)).all(), NOW)
    contacts.mark_all(session, NOW)
