"""Notices of a class: what is written to everybody who comes to it, or to it or one that follows in its series, once,
before it begins.

A notice stays with its classes, so that who books later reads it as well. How it reaches people, by what they allow and
when, is `engagement`'s, which hears of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from contracts.events.scheduling import ClassNoticeWritten
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import InvalidNotice
from operational_api.scheduling.models import Booking, ClassNotice, Coach, Slot
from operational_api.scheduling.service import classes, seats
from operational_api.scheduling.service.classes import Scope

LONGEST = 1000
_Written = aliased(Slot)
_MAY_BE_FOR = or_(_Written.id == Slot.id, _Written.series_id == Slot.series_id)
"""Of notices written on such a class some are for `Slot`; in words that two indexes answer."""


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice as people read it. `author_name` is None where the studio wrote it, and no coach."""

    id: UUID
    slot_id: UUID
    author_name: str | None
    body: str
    scope: str
    recipients: int
    created_at: datetime


def write_notice(
    session: Session, *, slot_id: UUID, author_id: UUID, body: str, scope: Scope = "one", now: datetime
) -> ClassNotice:
    """Write to everybody who has a place in a class, or in it or one that follows; who has several is one of them.

    Raises:
        ClassNotFound; SlotClosed: it has begun or was called off.
        InvalidNotice: no words, or too many.
    """
    body = body.strip()
    if not 1 <= len(body) <= LONGEST or "\0" in body:
        raise InvalidNotice
    seats.lock_slots(session, [one.id for one in classes.affected(session, slot_id, scope, now)])
    slot, *_ = classes.affected(session, slot_id, scope, now)  # one may have been called off while we waited
    recipients = len(first_of_each(session, slot, scope, after=now))
    row = ClassNotice(
        slot_id=slot.id, author_id=author_id, body=body, scope=scope, recipients=recipients, created_at=now
    )
    session.add(row)
    session.flush()
    event = ClassNoticeWritten(
        occurred_at=now, notice_id=row.id, slot_id=slot.id, coach_id=slot.coach_id, author_id=author_id,
        recipients=row.recipients, scope=scope,
    )  # fmt: skip
    publish(session, event)
    return row


def first_of_each(session: Session, written: Slot, scope: str, *, after: datetime) -> dict[UUID, datetime]:
    """Who is booked on a class that a notice on one of them is for and that starts after a moment, and when their first
    one does. Whose seat is only kept reads its notices once they book it."""
    those = Slot.id == written.id
    if scope == "following" and written.series_id is not None:
        those = and_(Slot.series_id == written.series_id, Slot.starts_at >= written.starts_at)
    query = (
        select(Booking.customer_id, func.min(Slot.starts_at))
        .join(Slot, Slot.id == Booking.slot_id)
        .where(those, Booking.status == "booked", Slot.status == "open", Slot.starts_at > after)
        .group_by(Booking.customer_id)
    )
    return dict(session.execute(query.order_by(Booking.customer_id)).tuples().all())


def without(session: Session, slot_id: UUID, customer_id: UUID, *, after: datetime) -> list[UUID]:
    """The notices of a class that are for none of the classes after a moment on which a customer is booked."""
    coming = aliased(Slot)
    booked = (
        select(Booking.id)
        .join(coming, coming.id == Booking.slot_id)
        .where(Booking.customer_id == customer_id, Booking.status == "booked")
        .where(coming.status == "open", coming.starts_at > after, _is_for(coming))
    )
    query = select(ClassNotice.id).select_from(Slot).join(_Written, _MAY_BE_FOR)
    query = query.join(ClassNotice, ClassNotice.slot_id == _Written.id).where(_is_for(Slot), ~booked.exists())
    return list(session.scalars(query.where(Slot.id == slot_id)))


def of_slots(session: Session, slot_ids: Collection[UUID]) -> dict[UUID, list[NoticeView]]:
    """The notices of each of these classes, the oldest first, in one statement. One without is not in the answer."""
    found: dict[UUID, list[NoticeView]] = {}
    if not slot_ids:
        return found
    query = (
        select(
            Slot.id, ClassNotice.id, ClassNotice.slot_id, Coach.display_name, ClassNotice.body, ClassNotice.scope,
            ClassNotice.recipients, ClassNotice.created_at,
        )
        .join(_Written, _MAY_BE_FOR)
        .join(ClassNotice, ClassNotice.slot_id == _Written.id)
        .outerjoin(Coach, Coach.id == ClassNotice.author_id)
        .where(Slot.id.in_(slot_ids), _is_for(Slot))
        .order_by(ClassNotice.created_at, ClassNotice.id)
    )  # fmt: skip
    for row in session.execute(query).tuples():
        found.setdefault(row[0], []).append(NoticeView(*row[1:]))
    return found


def _is_for(read: type[Slot]) -> ColumnElement[bool]:
    """Whether `ClassNotice`, on `_Written`, is for a class: the same, or one that follows in its series."""
    follows = and_(
        ClassNotice.scope == "following", read.series_id == _Written.series_id, read.starts_at >= _Written.starts_at
    )
    return or_(read.id == _Written.id, follows)
