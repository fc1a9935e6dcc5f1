"""Reading the audit log: for auditors by what they look for, for a person what was read about them.

Written by every context through `core.audit`. Reading it is written down too.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Column, ColumnElement, MetaData, Select, String, Table, Uuid, func, select
from sqlalchemy.orm import Session

from operational_api.core import audit
from operational_api.core.models import AuditEntry, AuditGroup
from operational_api.core.paging import after, cut
from operational_api.core.principal import Principal

READS = ("training.", "analytics.read_client")
"""What actions begin with by which somebody sees a person's health data."""
_people = Table(
    "people", MetaData(), Column("account_id", Uuid, primary_key=True), Column("display_name", String),
    schema="compliance",
)  # fmt: skip
"""A view of identity's accounts: what to call people."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an auditor looks for; what is None does not narrow.

    Args:
        person: Who did it, or whose data it was.
        action: An action, or its context with a dot at the end: `training.`
        since: First moment.
        until: Last moment, exclusive.
        object_type: Class name of what it was done to.
        object_id: Its id.
    """

    person: UUID | None = None
    actor: UUID | None = None
    subject: UUID | None = None
    action: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    object_type: str | None = None
    object_id: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """An entry, and what to call actor and subject; None for services, guests and people who are gone.

    Args:
        subject_count: How many people it is about.
        subject_ids: Who they are, the first `TOLD_OF_A_GROUP`; whoever looks for one of the others finds the entry.
    """

    entry: AuditEntry
    actor_name: str | None
    subject_name: str | None
    subject_count: int = 0
    subject_ids: list[UUID] = field(default_factory=list)


TOLD_OF_A_GROUP = 100


def is_about(person: UUID) -> ColumnElement[bool]:
    """Whether an entry is about a person: alone, or as one of a group."""
    return (AuditEntry.subject_id == person) | AuditEntry.group_id.in_(_groups_with(person))


def _groups_with(person: UUID) -> Select[tuple[UUID]]:
    return select(AuditGroup.id).where(AuditGroup.subjects.contains([person]))


def entries(session: Session, asked: Asked, *, limit: int, cursor: str | None) -> tuple[list[Named], str | None]:
    """A page of entries, newest first."""
    query = select(AuditEntry)
    if asked.person is not None:
        query = query.where((AuditEntry.actor_id == asked.person) | is_about(asked.person))
    if asked.actor is not None:
        query = query.where(AuditEntry.actor_id == asked.actor)
    if asked.subject is not None:
        query = query.where(is_about(asked.subject))
    if asked.object_type is not None:
        query = query.where(AuditEntry.object_type == asked.object_type)
    if asked.object_id is not None:
        query = query.where(_is_of(asked.object_id))
    if asked.action is not None:
        is_context = asked.action.endswith(".")
        query = query.where(
            AuditEntry.action.startswith(asked.action, autoescape=True)
            if is_context
            else AuditEntry.action == asked.action
        )
    if asked.outcome is not None:
        query = query.where(AuditEntry.outcome == asked.outcome)
    if asked.since is not None:
        query = query.where(AuditEntry.occurred_at >= asked.since)
    if asked.until is not None:
        query = query.where(AuditEntry.occurred_at < asked.until)
    return _page(session, query, limit, cursor)


def _is_of(object_id: str) -> ColumnElement[bool]:
    """Whether an entry is of an object; of one who was read about with others, too."""
    found = AuditEntry.object_id == object_id
    try:
        person = UUID(object_id)
    except ValueError:
        return found
    return found | AuditEntry.group_id.in_(_groups_with(person))


def read(
    session: Session, asked: Asked, *, principal: Principal, limit: int, cursor: str | None
) -> tuple[list[Named], str | None]:
    """A page of entries for an auditor. Asking is written down as well."""
    rows, following = entries(session, asked, limit=limit, cursor=cursor)
    told = {name: str(value) for name, value in asdict(asked).items() if value is not None}
    audit.record(
        session, "compliance.read_audit", "AuditLog", "all", actor_id=principal.account_id,
        subject_id=asked.subject or asked.person, purpose="audit", details=told,
    )  # fmt: skip
    return rows, following


def _page(
    session: Session, query: Select[tuple[AuditEntry]], limit: int, cursor: str | None
) -> tuple[list[Named], str | None]:
    if cursor:
        (last,) = after(cursor, int)
        query = query.where(AuditEntry.sequence < last)
    rows = session.scalars(query.order_by(AuditEntry.sequence.desc()).limit(limit + 1)).all()
    page, following = cut(rows, limit, lambda row: (row.sequence,))
    names = _names(session, {one for row in page for one in (row.actor_id, row.subject_id) if one is not None})
    groups = _groups(session, {row.group_id for row in page if row.group_id is not None})
    found = []
    for row in page:
        alone = [row.subject_id] if row.subject_id is not None else []
        count, ids = groups.get(row.group_id, (len(alone), alone))
        found.append(Named(row, names.get(row.actor_id), names.get(row.subject_id), count, ids))
    return found, following


def _groups(session: Session, ids: set[UUID]) -> dict[UUID | None, tuple[int, list[UUID]]]:
    """How many people are in each group, and the first of them."""
    if not ids:
        return {}
    first = AuditGroup.subjects[1:TOLD_OF_A_GROUP]
    rows = session.execute(
        select(AuditGroup.id, func.cardinality(AuditGroup.subjects), first).where(AuditGroup.id.in_(ids))
    )
    return {found: (count, subjects) for found, count, subjects in rows}


def _names(session: Session, ids: set[UUID]) -> dict[UUID | None, str]:
    rows = session.execute(select(_people.c.account_id, _people.c.display_name).where(_people.c.account_id.in_(ids)))
    return {row.account_id: row.display_name for row in rows}


@dataclass(frozen=True, slots=True)
class Reading:
    """One person's looks at somebody's data on one day."""

    reader_name: str | None
    reader_role: str | None
    action: str
    times: int
    last_at: datetime


def readings(session: Session, subject_id: UUID, *, since: datetime, limit: int = 50) -> Sequence[Reading]:
    """Who else looked at a person's health data: one row per reader, day (UTC) and action, the newest first."""
    entry = AuditEntry
    day = func.date_trunc("day", entry.occurred_at, "UTC")
    last_at = func.max(entry.occurred_at)
    is_read = entry.action.startswith(READS[0], autoescape=True) | (entry.action == READS[1])
    rows = session.execute(
        select(entry.actor_id, entry.actor_role, entry.action, func.count(), last_at)
        .where(
            is_about(subject_id), entry.actor_id.is_distinct_from(subject_id), entry.outcome == "done",
            entry.occurred_at >= since, is_read,
        )
        .group_by(entry.actor_id, entry.actor_role, entry.action, day)
        .order_by(last_at.desc())
        .limit(limit)
    ).all()  # fmt: skip
    names = _names(session, {row[0] for row in rows if row[0] is not None})
    return [Reading(names.get(who), *rest) for who, *rest in rows]


SHOWN = timedelta(days=365)
"""How far back people see who read about them; the log itself goes further."""
