"""Guests who leave their address: kept once each, told to nobody but the business."""

import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from contracts.events.engagement import LeadCaptured, LeadChanged, LeadConverted
from operational_api.core.outbox import publish
from operational_api.engagement.errors import InvalidEmail
from operational_api.engagement.models import Lead

AMENDABLE = {"name": 200, "phone": 40, "source": 30, "owner": 200}
"""What another system may say of a lead, and how long it may be."""
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
    """Mark the waiting leads of this address as converted to a customer, and announce each."""
    converted = session.scalars(
        update(Lead)
        .where(func.lower(Lead.email) == email.lower(), Lead.converted_at.is_(None), Lead.lost_at.is_(None))
        .values(customer_id=customer_id, converted_at=now)
        .returning(Lead.id)
    )
    for lead_id in converted.all():
        publish(session, LeadConverted(occurred_at=now, lead_id=lead_id, customer_id=customer_id))


def amend_lead(session: Session, lead_id: UUID, values: Mapping[str, str | None], *, by: str, now: datetime) -> bool:
    """Take over what another system says of a lead, and announce what is another now.

    Args:
        values: Of `AMENDABLE`; what is not in it stays, and neither name nor source is ever taken away.
        by: The system that says so.

    Returns:
        False: nothing was other than it is, or there is no such lead.
    """
    lead = session.get(Lead, lead_id, with_for_update=True, populate_existing=True)
    if lead is None:
        return False
    wanted = {name: (value or "").strip()[: AMENDABLE[name]] or None for name, value in values.items()}
    changed = tuple(
        name for name, value in sorted(wanted.items())
        if value != getattr(lead, name) and (value is not None or name not in ("name", "source"))
    )  # fmt: skip
    for name in changed:
        setattr(lead, name, wanted[name])
    if changed:
        session.flush()
        publish(session, LeadChanged(occurred_at=now, lead_id=lead.id, changed=changed, by=by))
    return bool(changed)
