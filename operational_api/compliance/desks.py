"""Exports as the page of requests shows and decides them."""

from datetime import datetime
from uuid import UUID

from fastapi import Request
from sqlalchemy.orm import Session

from operational_api.compliance.models import Export
from operational_api.compliance.service import exports
from operational_api.core.desks import Desk, Words
from operational_api.core.principal import Principal

DATASETS = {"customers": "Customers", "payments": "Payments", "events": "Events with their seals"}
_HOLDS = {
    "customers": "Name, e-mail, time zone, language, since when",
    "payments": "Who paid what, when, and how it ended",
    "events": "What happened, each event with its seal, to be checked without us; of health the seals alone",
}
PURPOSES = {
    "accounting": "Accounting and tax",
    "legal": "A legal matter",
    "research": "Research into the business",
    "migration": "Moving to another system",
}


def days(row: Export) -> str:
    """The days an export is narrowed to, in words."""
    if row.from_on is None and row.to_on is None:
        return "All days"
    if row.from_on is None:
        return f"Until {row.to_on}"
    return f"From {row.from_on}" + (f" to {row.to_on}" if row.to_on else "")


def _words(row: Export) -> Words:
    what = {"customers": "every customer", "payments": "every payment", "events": "every event"}[row.dataset]
    facts = [("Holds", _HOLDS[row.dataset]), ("Purpose", PURPOSES[row.purpose]), ("Days", days(row))]
    return Words(f"Export a file of {what}", None, facts)


def _approve(_: Request, session: Session, id_: UUID, principal: Principal, reason: str, now: datetime) -> object:
    return exports.approve(session, export_id=id_, principal=principal, reason=reason, now=now)


EXPORT_DESK = Desk("exports", "Export", "compliance.read_exports", exports.EXPORTS, _words, _approve)
