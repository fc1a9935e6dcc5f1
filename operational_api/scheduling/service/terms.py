"""Terms of booking as they are kept: read for one session or inside a query, changed by coaches and the studio."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from contracts.events.scheduling import TermsChanged
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.scheduling import terms
from operational_api.scheduling.errors import CoachNotFound, InvalidAvailability
from operational_api.scheduling.models import BookingTerms, Coach, Slot
from operational_api.scheduling.terms import Terms


def terms_of(session: Session, *, coach_id: UUID, kind: str) -> Terms:
    """What holds for a coach's sessions of a kind, in one statement."""
    about = or_(BookingTerms.coach_id.is_(None), BookingTerms.coach_id == coach_id)
    query = select(Coach.buffer_minutes, BookingTerms).outerjoin(BookingTerms, about).where(Coach.id == coach_id)
    rows = session.execute(query).tuples().all()
    base = Terms(buffer_after_minutes=rows[0][0] if rows else 0)
    said = [row for _, row in rows if row is not None]
    return terms.effective(said, coach_id=coach_id, kind=kind, base=base)


def layers(session: Session, coach_ids: Sequence[UUID] | None = None) -> Sequence[BookingTerms]:
    """The rows that may speak of these coaches, or of all."""
    query = select(BookingTerms)
    if coach_ids is not None:
        query = query.where(or_(BookingTerms.coach_id.is_(None), BookingTerms.coach_id.in_(coach_ids)))
    return session.scalars(query).all()


def of_slot(column: InstrumentedAttribute[int | None], default: int | None) -> ColumnElement[int]:
    """One number of `Slot`'s effective terms, inside a query over slots; the order is that of `terms.effective`."""
    said = (
        select(column)
        .where(
            or_(BookingTerms.coach_id.is_(None), BookingTerms.coach_id == Slot.coach_id),
            or_(BookingTerms.kind.is_(None), BookingTerms.kind == Slot.kind),
            column.is_not(None),
        )
        .order_by(BookingTerms.coach_id.is_(None), BookingTerms.kind.is_(None))
        .limit(1)
        .correlate(Slot)
        .scalar_subquery()
    )
    return said if default is None else func.coalesce(said, literal(default))


def said_of(session: Session, *, coach_id: UUID | None, kind: str | None) -> dict[str, object]:
    """What was said of just this coach and kind; what was left open is None."""
    row = session.scalar(
        select(BookingTerms).where(
            BookingTerms.coach_id.is_not_distinct_from(coach_id), BookingTerms.kind.is_not_distinct_from(kind)
        )
    )
    return {field.name: getattr(row, field.name, None) for field in fields(Terms)}


def put_terms(
    session: Session, *, coach_id: UUID | None, kind: str | None, said: Mapping[str, object], now: datetime
) -> Terms | None:
    """Say what holds for a coach's sessions (None: everybody's) of a kind (None: any). What is None is left open.

    Returns:
        What holds now; None where no one coach and kind is meant.

    Raises:
        CoachNotFound: no such coach.
        InvalidAvailability: a fee without a currency, or the other way round.
    """
    if coach_id is not None and session.get(Coach, coach_id) is None:
        raise CoachNotFound
    if (said.get("late_fee_minor") is None) != (said.get("late_fee_currency") is None):
        raise InvalidAvailability("A fee is an amount and a currency.")
    values = {field.name: said.get(field.name) for field in fields(Terms)}
    id_ = session.scalar(
        insert(BookingTerms)
        .values(id=new_id(), coach_id=coach_id, kind=kind, **values)
        .on_conflict_do_update(constraint="uq_booking_terms_coach_id_kind", set_=values)
        .returning(BookingTerms.id)
    )
    session.expire_all()  # the statement went past what the session knows
    publish(session, TermsChanged(occurred_at=now, terms_id=id_, coach_id=coach_id, kind=kind))
    return terms_of(session, coach_id=coach_id, kind=kind) if coach_id and kind else None


def as_values(found: Terms) -> dict[str, object]:
    """All of the terms by name."""
    return asdict(found)
