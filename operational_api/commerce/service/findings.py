"""Differences between a provider's books and ours: written down once, listed, resolved by somebody with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.commerce import DifferenceFound, DifferenceResolved
from contracts.ids import new_id
from operational_api.commerce.errors import FindingNotFound, FindingResolved, ReasonNeeded
from operational_api.commerce.models import FindingResolution, ReconciliationFinding
from operational_api.core import audit, paging
from operational_api.core.outbox import publish

ENDS_IT = ("accepted", "no_fault")
"""Outcomes after which the same difference, amounts and all, is not raised again."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What two books say differently. Amounts in minor units of `currency`, None on the side that has nothing; theirs
    in `theirs_currency` where that is another."""

    provider: str
    kind: str
    subject: str
    currency: str | None = None
    ours_minor: int | None = None
    theirs_minor: int | None = None
    theirs_currency: str | None = None
    customer_id: UUID | None = None
    payment_id: UUID | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A finding with what was done about it."""

    finding: ReconciliationFinding
    resolution: FindingResolution | None


def record(session: Session, differences: Sequence[Difference], *, now: datetime) -> list[UUID]:
    """Write down and announce what is new; asking twice a day, or every day while one waits, adds nothing.

    Returns:
        Ids of the new findings.
    """
    if not differences:
        return []
    known = _known(session, differences)
    fresh = [one for one in differences if not _is_settled(known.get((one.provider, one.kind, one.subject), []), one)]
    if not fresh:
        return []
    rows = [
        {
            "id": new_id(), "provider": one.provider, "kind": one.kind, "subject": one.subject, "found_on": now.date(),
            "found_at": now, "currency": one.currency, "ours_minor": one.ours_minor,
            "theirs_minor": one.theirs_minor, "theirs_currency": one.theirs_currency,
            "customer_id": one.customer_id, "payment_id": one.payment_id,
            "note": one.note,
        }
        for one in fresh
    ]  # fmt: skip
    made = session.scalars(
        insert(ReconciliationFinding).values(rows).on_conflict_do_nothing().returning(ReconciliationFinding)
    ).all()
    for row in made:
        publish(
            session,
            DifferenceFound(
                occurred_at=now, finding_id=row.id, provider=row.provider, kind=row.kind, subject=row.subject,
                currency=row.currency, ours_minor=row.ours_minor, theirs_minor=row.theirs_minor,
                theirs_currency=row.theirs_currency,
            ),
        )  # fmt: skip
    return [row.id for row in made]


def _known(session: Session, differences: Sequence[Difference]) -> dict[tuple[str, str, str], list[Line]]:
    subjects = {one.subject for one in differences}
    query = (
        select(ReconciliationFinding, FindingResolution)
        .outerjoin(FindingResolution, FindingResolution.finding_id == ReconciliationFinding.id)
        .where(ReconciliationFinding.subject.in_(subjects))
    )
    found: dict[tuple[str, str, str], list[Line]] = {}
    for finding, resolution in session.execute(query):
        found.setdefault((finding.provider, finding.kind, finding.subject), []).append(Line(finding, resolution))
    return found


def _is_settled(lines: Sequence[Line], new: Difference) -> bool:
    """Whether a difference waits already, or was said to be none with these amounts."""
    return any(
        line.resolution is None
        or (
            line.resolution.outcome in ENDS_IT
            and (line.finding.ours_minor, line.finding.theirs_minor) == (new.ours_minor, new.theirs_minor)
        )
        for line in lines
    )


def resolve(
    session: Session, *, finding_id: UUID, outcome: str, reason: str, actor_id: UUID, now: datetime
) -> FindingResolution:
    """Say what was done about a finding, once and for good.

    Raises:
        FindingNotFound: no such finding.
        ReasonNeeded: without a reason.
        FindingResolved: somebody was quicker.
    """
    finding = session.get(ReconciliationFinding, finding_id)
    if finding is None:
        raise FindingNotFound
    if not reason.strip():
        raise ReasonNeeded
    values = {"finding_id": finding_id, "outcome": outcome, "reason": reason.strip(), "resolved_by": actor_id}
    row = session.scalar(
        insert(FindingResolution)
        .values(**values, resolved_at=now)
        .on_conflict_do_nothing()
        .returning(FindingResolution)
    )
    if row is None:
        raise FindingResolved
    audit.record(
        session, "commerce.resolve_difference", "ReconciliationFinding", finding_id, actor_id=actor_id,
        subject_id=finding.customer_id, purpose="operations", now=now,
        details={"kind": finding.kind, "outcome": outcome, "reason": reason.strip()},
    )  # fmt: skip
    publish(session, DifferenceResolved(occurred_at=now, finding_id=finding_id, outcome=outcome, resolved_by=actor_id))
    return row


def page(
    session: Session, *, is_resolved: bool, limit: int, cursor: str | None = None
) -> tuple[list[Line], str | None]:
    """Findings, the newest first, and the cursor of the next page."""
    query = select(ReconciliationFinding, FindingResolution).outerjoin(
        FindingResolution, FindingResolution.finding_id == ReconciliationFinding.id
    )
    is_done = FindingResolution.finding_id.is_not(None)
    query = query.where(is_done if is_resolved else ~is_done)
    if cursor:
        [last] = paging.after(cursor, UUID)
        query = query.where(ReconciliationFinding.id < last)
    rows = session.execute(query.order_by(ReconciliationFinding.id.desc()).limit(limit + 1)).all()
    return paging.cut([Line(*row) for row in rows], limit, lambda line: (line.finding.id,))
