"""The only door to compliance for other contexts: ids and plain values in and out.

Commands take the principal and decide by the policy; the HTTP API and the graph both act through them.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from operational_api.compliance.desks import DATASETS, EXPORT_DESK, PURPOSES, days
from operational_api.compliance.models import PersonalExport
from operational_api.compliance.schemas import ConsentsRead, ConsentsWrite
from operational_api.compliance.service import consents, evidence, exports, personal_exports, trail
from operational_api.compliance.service.consents import DATA_KINDS
from operational_api.compliance.service.trail import Asked
from operational_api.core.lines import Line
from operational_api.core.principal import Principal, account_id_of

__all__ = [
    "DATASETS", "DATA_KINDS", "EXPORT_DESK", "PURPOSES", "Asked", "ConsentsRead", "ConsentsWrite", "Copy",
    "EventCheckSeen", "ExportMade", "Noted", "ask_event_check", "copies", "copy_path", "decide_consents",
    "event_checks", "event_faults", "export_path", "exports_made", "may_store", "read_trail", "request_copy",
    "request_export", "shown_kinds", "shown_kinds_alone", "storable_kinds",
]  # fmt: skip


def may_store(session: Session, customer_id: UUID, data_kind: str) -> bool:
    """Whether data of this kind about this customer may be kept now. Ask before storing, not before reading."""
    return (customer_id, data_kind) in consents.given(session, [customer_id], purpose="coaching")


def storable_kinds(session: Session, customer_ids: Iterable[UUID]) -> set[tuple[UUID, str]]:
    """Customers and the kinds of data about them that may be kept now."""
    return consents.given(session, customer_ids, purpose="coaching")


def shown_kinds(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, frozenset[str]]:
    """The kinds of data that each of these customers lets their coach see now, in one query: for the policy."""
    return consents.shown_kinds(session, customer_ids)


async def shown_kinds_alone(line: Line, customer_ids: Collection[UUID]) -> dict[UUID, frozenset[str]]:
    """The same on a connection of an event loop."""
    return await consents.shown_kinds_alone(line, customer_ids)


def decide_consents(session: Session, principal: Principal, body: ConsentsWrite, *, now: datetime) -> ConsentsRead:
    """Give or withdraw the consent of the customer who asks; how every choice stands now."""
    customer_id = account_id_of(principal)
    consents.decide(session, customer_id=customer_id, decisions=body.by_choice(), decided_by=customer_id, now=now)
    return ConsentsRead.of(consents.current(session, customer_id))


@dataclass(frozen=True, slots=True)
class Noted:
    """One entry of the audit log. Names are None for services, guests and people who are gone.

    Args:
        subject_count: How many people it is about; of one, `subject_id` names them.
    """

    sequence: int
    occurred_at: datetime
    actor_id: UUID | None
    actor_name: str | None
    actor_role: str | None
    action: str
    object_type: str
    object_id: str
    subject_id: UUID | None
    subject_name: str | None
    purpose: str | None
    outcome: str
    address: str | None
    details: dict[str, Any]
    subject_count: int = 0


def read_trail(
    session: Session, asked: Asked, *, principal: Principal, limit: int, cursor: str | None
) -> tuple[list[Noted], str | None]:
    """A page of the audit log, newest first; that it was read is in it from now on. The caller decides who may ask."""
    rows, following = trail.read(session, asked, principal=principal, limit=limit, cursor=cursor)
    return [
        Noted(
            one.entry.sequence, one.entry.occurred_at, one.entry.actor_id, one.actor_name, one.entry.actor_role,
            one.entry.action, one.entry.object_type, one.entry.object_id, one.entry.subject_id, one.subject_name,
            one.entry.purpose, one.entry.outcome, one.entry.address, one.entry.details, one.subject_count,
        )
        for one in rows
    ], following  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportMade:
    """An export that was asked for. `state`: requested, declined, withdrawn, expired, making, ready or gone."""

    export_id: UUID
    dataset: str
    purpose: str
    days: str
    state: str
    requested_by: UUID
    requested_at: datetime
    row_count: int | None
    file_expires_at: datetime | None


def exports_made(
    session: Session, *, now: datetime, limit: int, cursor: str | None
) -> tuple[list[ExportMade], str | None]:
    """A page of exports, the newest first. The caller decides who may ask."""
    rows, following = exports.EXPORTS.page(session, status=None, limit=limit, cursor=cursor)
    return [
        ExportMade(
            row.id, row.dataset, row.purpose, days(row), exports.state(row, now), row.requested_by, row.requested_at,
            row.row_count, row.file_expires_at,
        )
        for row in rows
    ], following  # fmt: skip


def request_export(
    session: Session, *, dataset: str, purpose: str, reason: str, from_on: date | None, to_on: date | None,
    principal: Principal, now: datetime,
) -> None:  # fmt: skip
    """Ask for a file of customers' data; somebody else decides.

    Raises:
        ExportAskedAlready: one of the same kind that they asked for is waiting.
    """
    exports.request_export(
        session, dataset=dataset, purpose=purpose, reason=reason, from_on=from_on, to_on=to_on, principal=principal,
        now=now,
    )  # fmt: skip


def export_path(session: Session, *, export_id: UUID, principal: Principal, now: datetime) -> str:
    """Where the file is served to who asked for it, before it is signed.

    Raises:
        ExportNotFound, ExportNotReady, ExportGone.
    """
    return exports.file_path(exports.require_ready(session, export_id=export_id, principal=principal, now=now).id)


@dataclass(frozen=True, slots=True)
class EventCheckSeen:
    """A look at the record of events; all but when is None until it is done. `faults`: link, event and what."""

    asked_by: UUID | None
    asked_at: datetime
    finished_at: datetime | None
    links: int | None
    events: int | None
    unsealed: int | None
    head: str | None
    fault_count: int | None
    faults: list[tuple[int, str | None, str]]


def event_checks(session: Session, *, limit: int, cursor: str | None) -> tuple[list[EventCheckSeen], str | None]:
    """Looks at whether the record of events is as it was sealed, the newest first. The caller decides who may ask."""
    rows, following = evidence.checks(session, limit=limit, cursor=cursor)
    return [
        EventCheckSeen(
            row.asked_by, row.asked_at, row.finished_at, row.links, row.events, row.unsealed, row.head,
            row.fault_count, [(one[0], one[1], one[2]) for one in row.faults or ()],
        )
        for row in rows
    ], following  # fmt: skip


def ask_event_check(session: Session, *, actor_id: UUID, now: datetime) -> None:
    """Have the worker look within a minute."""
    evidence.ask(session, actor_id=actor_id, now=now)


def event_faults(session: Session) -> int:
    """How many faults the newest look found."""
    return evidence.faults(session)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of all that is known of a person. `state`: making, ready or gone; sizes are null while it is made."""

    export_id: UUID
    state: str
    requested_at: datetime
    made_at: datetime | None
    expires_at: datetime | None
    row_count: int | None
    file_count: int | None
    size_bytes: int | None
    is_asked_by_us: bool


def request_copy(
    session: Session, *, account_id: UUID, requested_by: UUID, reason: str | None = None, now: datetime
) -> Copy:
    """Have a copy of all that is known of a person made, for that person. The caller decides who may ask.

    Args:
        reason: Why one of us asks for them; None where they ask themselves.

    Raises:
        CopyAskedAlready.
    """
    row = personal_exports.request(
        session, account_id=account_id, requested_by=requested_by, reason=reason, now=now
    )  # fmt: skip
    return _copy(row, now)


def copies(session: Session, account_id: UUID, *, now: datetime) -> list[Copy]:
    """A person's newest copies, the newest first."""
    return [_copy(row, now) for row in personal_exports.listed(session, account_id)]


def copy_path(session: Session, *, export_id: UUID, account_id: UUID, now: datetime) -> str:
    """Where this person fetches their copy, before it is signed.

    Raises:
        ExportNotFound, ExportNotReady, ExportGone.
    """
    row = personal_exports.require_ready(session, export_id=export_id, account_id=account_id, now=now)
    return personal_exports.file_path(row.id)


def _copy(row: PersonalExport, now: datetime) -> Copy:
    return Copy(
        row.id, personal_exports.state(row, now), row.requested_at, row.made_at, row.expires_at, row.row_count,
        row.file_count, row.size_bytes, row.requested_by != row.account_id,
    )  # fmt: skip
