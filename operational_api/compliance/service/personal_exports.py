"""Copies of all that is known of one person: asked for by them, or by an admin for them; fetched by nobody else.

What is in one is decided by every context (`core.personal`), made by the worker and gone after a week.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, MetaData, String, Table, Uuid, func, select
from sqlalchemy.orm import Session

from contracts.events.compliance import PersonalExportMade, PersonalExportRequested
from contracts.ids import new_id
from operational_api.compliance.errors import CopyAskedAlready, ExportGone, ExportNotFound, ExportNotReady
from operational_api.compliance.models import PersonalExport, StoredFile
from operational_api.compliance.service import files
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.core.personal import Person

KEPT_FOR = timedelta(days=7)
APART = timedelta(days=1)
"""From one copy to the next."""
_people = Table(
    "people", MetaData(), Column("account_id", Uuid, primary_key=True), Column("email", String), schema="compliance"
)
"""A view of identity's accounts."""


def request(
    session: Session, *, account_id: UUID, requested_by: UUID, reason: str | None = None, now: datetime
) -> PersonalExport:
    """Have a copy made, and announce it.

    Args:
        reason: Why one of us asks for somebody; None where people ask for themselves.

    Raises:
        CopyAskedAlready: one is being made, or was asked for within a day.
    """
    # Of two who ask at once the second sees what the first asked for.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"copy/{account_id}", 0))))
    newest = next(iter(listed(session, account_id)), None)
    if newest is not None and (newest.made_at is None or newest.requested_at > now - APART):
        raise CopyAskedAlready
    row = PersonalExport(
        id=new_id(), account_id=account_id, requested_by=requested_by, reason=reason, requested_at=now
    )  # fmt: skip
    session.add(row)
    session.flush()
    files.queue(session, export_id=row.id, kind="personal", now=now)
    audit.record(
        session, "compliance.request_copy", "PersonalExport", row.id, actor_id=requested_by, subject_id=account_id,
        purpose="own" if requested_by == account_id else "data_subject_request", now=now,
        details={"reason": reason} if reason else {},
    )  # fmt: skip
    publish(
        session,
        PersonalExportRequested(occurred_at=now, export_id=row.id, account_id=account_id, requested_by=requested_by),
    )
    return row


def listed(session: Session, account_id: UUID, *, limit: int = 10) -> Sequence[PersonalExport]:
    """The copies of a person that were asked for, the newest first."""
    query = select(PersonalExport).where(PersonalExport.account_id == account_id)
    return session.scalars(query.order_by(PersonalExport.requested_at.desc()).limit(limit)).all()


def state(row: PersonalExport, now: datetime) -> str:
    """How far a copy is: making, ready or gone."""
    if row.expires_at is None:
        return "making"
    return "ready" if row.expires_at > now else "gone"


def require_ready(session: Session, *, export_id: UUID, account_id: UUID, now: datetime) -> PersonalExport:
    """A copy of this person's, which can be fetched.

    Raises:
        ExportNotFound: none, or somebody else's.
        ExportNotReady, ExportGone.
    """
    row = session.get(PersonalExport, export_id)
    if row is None or row.account_id != account_id:
        raise ExportNotFound
    if row.expires_at is None:
        raise ExportNotReady
    if row.expires_at <= now:
        raise ExportGone
    return row


def file_path(export_id: UUID) -> str:
    """Where a copy is served, before it is signed."""
    return f"/api/compliance/copy-files/{export_id}"


def open_file(session: Session, *, export_id: UUID, subject: str, now: datetime) -> tuple[PersonalExport, StoredFile]:
    """A copy and where its file is, for whom a signed address was made. Reading it is written down.

    Raises:
        ExportNotFound: none, or the address was made for somebody else than whom it is about.
        ExportGone.
    """
    row = session.get(PersonalExport, export_id)
    if row is None or subject != str(row.account_id):
        raise ExportNotFound
    file = files.ready(session, export_id, now)
    if file is None:
        raise ExportGone
    audit.record(
        session, "compliance.open_copy", "PersonalExport", row.id, actor_id=row.account_id, subject_id=row.account_id,
        purpose="own", now=now,
    )  # fmt: skip
    return row, file


def person_of(session: Session, export_id: UUID) -> Person | None:
    """Whose copy it is; None when the account is gone."""
    query = (
        select(_people.c.account_id, _people.c.email)
        .join(PersonalExport, PersonalExport.account_id == _people.c.account_id)
        .where(PersonalExport.id == export_id)
    )
    found = session.execute(query).first()
    return Person(*found) if found else None


def note_made(
    session: Session, *, export_id: UUID, row_count: int, file_count: int, size_bytes: int, now: datetime
) -> datetime:
    """Note that the copy is there, and announce it. Returns until when."""
    row = session.get_one(PersonalExport, export_id)
    row.row_count, row.file_count, row.size_bytes = row_count, file_count, size_bytes
    row.made_at, row.expires_at = now, now + KEPT_FOR
    audit.record(
        session, "compliance.make_copy", "PersonalExport", row.id, subject_id=row.account_id, purpose="own", now=now,
        details={"rows": row_count, "files": file_count, "bytes": size_bytes},
    )  # fmt: skip
    publish(
        session,
        PersonalExportMade(
            occurred_at=now, export_id=row.id, account_id=row.account_id, expires_at=row.expires_at,
            row_count=row_count, file_count=file_count, size_bytes=size_bytes,
        ),
    )  # fmt: skip
    return row.expires_at
