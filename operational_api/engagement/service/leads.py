"""Guests who leave their address: kept once each, told to nobody but the business."""

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from contracts.events.engagement import LeadCaptured
from operational_api.core.outbox import publish
from operational_api.engagement.errors import InvalidEmail
from operational_api.engagement.models import Lead

_EMAIL = re.compile(r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")


def capture_lead(
    session: Session, *, name: str, email: str, source: str, location_id: UUID | None, now: datetime
) -> Lead:
    """Keep a guest's contact. Asking again with an address that waits already keeps the first.

    Raises:
        InvalidEmail: no address could look like this.
    """
    email = email.strip()
    if len(email) > 254 or not _EMAIL.match(email):
        raise InvalidEmail
    session.execute(text("select pg_advisory_xact_lock(hashtext('lead:' || lower(:email)))"), {"email": email})
    known = session.scalar(
        select(Lead).where(func.lower(Lead.email) == email.lower(), Lead.converted_at.is_(None), Lead.lost_at.is_(None))
    )
    if known is not None:
        return known
    lead = Lead(name=name.strip(), email=email, source=source, location_id=location_id, created_at=now)
    session.add(lead)
    session.flush()
    publish(session, LeadCaptured(occurred_at=now, lead_id=lead.id, source=source))
    return lead


def convert_leads(session: Session, *, email: str, customer_id: UUID, now: datetime) -> None:
    """Mark the waiting leads of this address as converted to a customer."""
    session.execute(
        update(Lead)
        .where(func.lower(Lead.email) == email.lower(), Lead.converted_at.is_(None), Lead.lost_at.is_(None))
        .values(customer_id=customer_id, converted_at=now)
    )
