"""Notices of a class: what is written to everybody who comes, once, before it begins.

A notice stays with its class, so that who books later reads it as well. How it reaches people, by what they allow and
when, is `engagement`'s, which hears of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.scheduling import ClassNoticeWritten
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import ClassNotFound, InvalidNotice, SlotClosed
from operational_api.scheduling.models import Booking, ClassNotice, Coach
from operational_api.scheduling.service import seats

LONGEST = 1000


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice as people read it. `author_name` is None where the studio wrote it, and no coach."""

    id: UUID
    slot_id: UUID
    author_name: str | None
    body: str
    recipients: int
    created_at: datetime


def write_notice(session: Session, *, slot_id: UUID, author_id: UUID, body: str, now: datetime) -> ClassNotice:
    """Write to everybody who has a place in a class.

    Raises:
        ClassNotFound; SlotClosed: it has begun or was called off.
        InvalidNotice: no words, or too many.
    """
    body = body.strip()
    if not 1 <= len(body) <= LONGEST or "\0" in body:
        raise InvalidNotice
    slot = seats.lock_slot(session, slot_id)
    if slot.kind != "group":
        raise ClassNotFound
    if slot.status != "open" or slot.starts_at <= now:
        raise SlotClosed("The class has begun or was called off: nobody would read it in time.")
    row = ClassNotice(
        slot_id=slot.id, author_id=author_id, body=body, recipients=len(attendees(session, slot.id)), created_at=now
    )
    session.add(row)
    session.flush()
    event = ClassNoticeWritten(
        occurred_at=now, notice_id=row.id, slot_id=slot.id, coach_id=slot.coach_id, author_id=author_id,
        recipients=row.recipients,
    )  # fmt: skip
    publish(session, event)
    return row


def attendees(session: Session, slot_id: UUID) -> list[UUID]:
    """Who is booked on a class that is to come. Whose seat is only kept reads its notices once they book it."""
    query = select(Booking.customer_id).where(Booking.slot_id == slot_id, Booking.status == "booked")
    return list(session.scalars(query.order_by(Booking.customer_id)))


def of_slots(session: Session, slot_ids: Collection[UUID]) -> dict[UUID, list[NoticeView]]:
    """The notices of each of these classes, the oldest first, in one statement. One without is not in the answer."""
    found: dict[UUID, list[NoticeView]] = {}
    if not slot_ids:
        return found
    query = (
        select(
            ClassNotice.id, ClassNotice.slot_id, Coach.display_name, ClassNotice.body, ClassNotice.recipients,
            ClassNotice.created_at,
        )
        .outerjoin(Coach, Coach.id == ClassNotice.author_id)
        .where(ClassNotice.slot_id.in_(slot_ids))
        .order_by(ClassNotice.created_at, ClassNotice.id)
    )  # fmt: skip
    for row in session.execute(query).tuples():
        found.setdefault(row[1], []).append(NoticeView(*row))
    return found
