"""How the two ways to a CRM fare, as one more stream of its connector."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.integrations.crm import contacts
from operational_api.integrations.crm.models import CrmContact, CrmState

STREAM = "both ways: people and deals"


def stream(session: Session, now: datetime) -> dict[str, Any] | None:
    """What the connector's list of streams says of it; None before it was ever tried."""
    state = session.get(CrmState, contacts.PROVIDER)
    if state is None:
        return None
    known = select(func.count(CrmContact.contact_id)).where(CrmContact.provider == contacts.PROVIDER)
    newest = session.scalar(select(func.max(CrmContact.synced_at)))
    wrong = contacts.failing(session)
    waiting = contacts.waiting(session, now)
    return {
        "stream": STREAM,
        "rows": session.scalar(known) or 0,
        "cursor": f"{waiting} waiting" if waiting else "all as it should be",
        "problem": state.problem or (f"{wrong[0].person_id}: {wrong[0].problem}"[:500] if wrong else None),
        "at": newest or state.next_poll_at,
    }
