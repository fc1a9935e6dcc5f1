"""Files of many customers' data: asked for by one, approved by another, made by the worker, gone after three days.

Health data is in none of them. What a cell begins with is defused where a spreadsheet would run it as a formula.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Date, TableClause, cast, column, delete, select, table
from sqlalchemy.dialects.postgresql import insert
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
from operational_api.compliance.models import Export, ExportFile
from operational_api.core import audit
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


def make_file(session: Session, *, export_id: UUID, now: datetime) -> None:
    """Write the file of an approved export, once. For the worker."""
    row = session.get(Export, export_id, with_for_update=True)
    if row is None or row.status != "approved" or row.made_at is not None:
        return
    content, row.row_count = _content(session, row)
    row.made_at, row.file_expires_at = now, now + KEPT_FOR
    session.execute(
        insert(ExportFile).values(export_id=row.id, content=content, expires_at=row.file_expires_at)
    )  # fmt: skip
    audit.record(
        session, "compliance.make_export", "Export", row.id, purpose=row.purpose, now=now,
        details={"dataset": row.dataset, "rows": row.row_count, "requested_by": str(row.requested_by)},
    )  # fmt: skip


def _content(session: Session, row: Export) -> tuple[bytes, int]:
    source = SOURCES[row.dataset]
    columns = source.table.c
    query = select(*columns).order_by(columns[source.moment], columns[source.columns[0]])
    day = cast(columns[source.moment], Date)  # sessions speak UTC
    if row.from_on is not None:
        query = query.where(day >= row.from_on)
    if row.to_on is not None:
        query = query.where(day <= row.to_on)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(source.columns)
    count = 0
    for found in session.execute(query.execution_options(yield_per=1000)):
        writer.writerow(_cells(found))
        count += 1
    return text.getvalue().encode(), count


def _cells(row: Iterable[Any]) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: Any) -> str:
    """A value as text that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


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


def read_file(session: Session, *, export_id: UUID, subject: str, now: datetime) -> tuple[Export, bytes]:
    """An export and its file, for whoever a signed address was made for. Reading it is written down.

    Raises:
        ExportNotFound: none, or the address was made for somebody else than who asked for it.
        ExportGone.
    """
    row = session.get(Export, export_id)
    if row is None or subject != str(row.requested_by):
        raise ExportNotFound
    file = session.get(ExportFile, export_id)
    if file is None or file.expires_at <= now:
        raise ExportGone
    audit.record(
        session, "compliance.open_export", "Export", row.id, actor_id=row.requested_by, purpose=row.purpose, now=now,
        details={"dataset": row.dataset, "rows": row.row_count, "approved_by": str(row.decided_by)},
    )  # fmt: skip
    return row, file.content


def forget_files(session: Session, now: datetime) -> None:
    """Delete the files that have expired. For the worker."""
    session.execute(delete(ExportFile).where(ExportFile.expires_at <= now))
