"""Files of many customers' data: asked for by one, approved by another, made by the worker, gone after three days.

Health data is in none of them.
"""

import csv
from codecs import StreamWriter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Select, TableClause, cast, column, delete, select, table
from sqlalchemy.orm import Session

from contracts.events.compliance import ExportDecided, ExportRequested
from operational_api.compliance.errors import (
    ExportAskedAlready,
    ExportClosed,
    ExportGone,
    ExportNotFound,
    ExportNotReady,
    OwnExport,
)
from operational_api.compliance.models import Export, ExportFile, StoredFile
from operational_api.compliance.service import files
from operational_api.core import audit, spreadsheet
from operational_api.core.approvals import Approvals
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal

KEPT_FOR = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class _Source:
    """A view with its owner's rights, its columns in the file's order, and the one by which days narrow it."""

    view: str
    moment: str
    columns: tuple[str, ...]

    @property
    def table(self) -> TableClause:
        return table(self.view, *(column(name) for name in self.columns), schema="compliance")


SOURCES = {
    "customers": _Source(
        "exported_customers", "joined_at", ("customer_id", "display_name", "email", "time_zone", "locale", "joined_at")
    ),
    "payments": _Source(
        "exported_payments", "attempted_at",
        ("payment_id", "customer_id", "display_name", "email", "amount_minor", "currency", "status", "provider",
         "attempted_at", "captured_at"),
    ),
    "events": _Source(
        "exported_events", "occurred_at",
        ("link", "place", "previous", "hash", "event_id", "digest", "position", "type", "version", "aggregate_id",
         "occurred_at", "occurred_us", "payload", "traceparent"),
    ),
}  # fmt: skip


def _requested(row: Export) -> ExportRequested:
    return ExportRequested(
        occurred_at=row.requested_at, export_id=row.id, dataset=row.dataset, purpose=row.purpose,
        requested_by=row.requested_by,
    )  # fmt: skip


def _decided(row: Export, now: datetime) -> ExportDecided:
    return ExportDecided(
        occurred_at=now, export_id=row.id, decision=row.status, decided_by=row.decided_by,
        requested_by=row.requested_by,
    )  # fmt: skip


EXPORTS = Approvals(
    Export, ask="compliance.request_customer_export", decide="compliance.approve_export", about=lambda _: None,
    once=("requested_by", "dataset"), requested=_requested, decided=_decided, missing=ExportNotFound, own=OwnExport,
    closed=ExportClosed, asked_already=ExportAskedAlready,
)  # fmt: skip


def request_export(
    session: Session, *, dataset: str, purpose: str, reason: str, from_on: date | None, to_on: date | None,
    principal: Principal, now: datetime,
) -> Export:  # fmt: skip
    """Ask for a file, and announce it.

    Args:
        from_on, to_on: Days in UTC, both included; None does not narrow.

    Raises:
        ExportAskedAlready: one of the same kind that they asked for is waiting.
    """
    row = Export(dataset=dataset, purpose=purpose, reason=reason, from_on=from_on, to_on=to_on)
    return EXPORTS.request(session, row, principal=principal, now=now)


def approve(session: Session, *, export_id: UUID, principal: Principal, reason: str = "", now: datetime) -> Export:
    """Say yes: the worker hears of it and makes the file.

    Raises:
        ExportNotFound, ExportClosed, OwnExport: as `core.approvals` says.
    """
    return EXPORTS.approve(session, export_id, principal=principal, effect=lambda _: None, reason=reason, now=now)


def queue_file(session: Session, *, export_id: UUID, now: datetime) -> None:
    """Have the file of an approved export made, once. For the worker."""
    row = session.get(Export, export_id)
    if row is not None and row.status == "approved" and row.made_at is None:
        files.queue(session, export_id=export_id, kind="business", now=now)


def write_file(session: Session, *, export_id: UUID, to: StreamWriter) -> int:
    """Write the file of an export. Returns how many rows it has."""
    row = session.get_one(Export, export_id)
    writer = csv.writer(to)
    writer.writerow(SOURCES[row.dataset].columns)
    count = 0
    for found in session.execute(_query(row), execution_options={"yield_per": 1000}):
        writer.writerow(map(spreadsheet.cell, found))
        count += 1
    return count


def _query(row: Export) -> Select[Any]:
    source = SOURCES[row.dataset]
    columns = source.table.c
    query = select(*columns).order_by(columns[source.moment], columns[source.columns[0]])
    day = cast(columns[source.moment], Date)  # sessions speak UTC
    if row.from_on is not None:
        query = query.where(day >= row.from_on)
    if row.to_on is not None:
        query = query.where(day <= row.to_on)
    return query


def note_made(session: Session, *, export_id: UUID, row_count: int, now: datetime) -> datetime:
    """Note that the file is there. Returns until when."""
    row = session.get_one(Export, export_id)
    row.row_count, row.made_at, row.file_expires_at = row_count, now, now + KEPT_FOR
    audit.record(
        session, "compliance.make_export", "Export", row.id, purpose=row.purpose, now=now,
        details={"dataset": row.dataset, "rows": row.row_count, "requested_by": str(row.requested_by)},
    )  # fmt: skip
    return row.file_expires_at


def state(row: Export, now: datetime) -> str:
    """Where an export stands: its status, and once approved making, ready or gone."""
    if row.status != "approved":
        return row.status
    if row.file_expires_at is None:
        return "making"
    return "ready" if row.file_expires_at > now else "gone"


def require_ready(session: Session, *, export_id: UUID, principal: Principal, now: datetime) -> Export:
    """The export of the person who asked for it, whose file can be fetched.

    Raises:
        ExportNotFound: none, or somebody else asked for it.
        ExportNotReady, ExportGone.
    """
    row = session.get(Export, export_id)
    if row is None:
        raise ExportNotFound
    asked = Resource("Export", row.id, kind="business", requested_by=row.requested_by)
    require(principal, "compliance.open_export", asked, missing=ExportNotFound)
    if row.file_expires_at is None:
        raise ExportNotReady
    if row.file_expires_at <= now:
        raise ExportGone
    return row


def file_path(export_id: UUID) -> str:
    """Where a file is served, before it is signed."""
    return f"/api/compliance/export-files/{export_id}"


def open_file(session: Session, *, export_id: UUID, subject: str, now: datetime) -> tuple[Export, StoredFile | bytes]:
    """An export and its file, for whoever a signed address was made for. Reading it is written down.

    Returns:
        Also where the file is; its content, if it is from before there was a store.

    Raises:
        ExportNotFound: none, or the address was made for somebody else than who asked for it.
        ExportGone.
    """
    row = session.get(Export, export_id)
    if row is None or subject != str(row.requested_by):
        raise ExportNotFound
    file: StoredFile | bytes | None = files.ready(session, export_id, now)
    if file is None:
        file = session.scalar(
            select(ExportFile.content).where(ExportFile.export_id == export_id, ExportFile.expires_at > now)
        )
    if file is None:
        raise ExportGone
    audit.record(
        session, "compliance.open_export", "Export", row.id, actor_id=row.requested_by, purpose=row.purpose, now=now,
        details={"dataset": row.dataset, "rows": row.row_count, "approved_by": str(row.decided_by)},
    )  # fmt: skip
    return row, file


def forget_files(session: Session, now: datetime) -> None:
    """Delete the files from before there was a store that have expired. For the worker."""
    session.execute(delete(ExportFile).where(ExportFile.expires_at <= now))
