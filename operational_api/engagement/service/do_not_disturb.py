"""Do not disturb: for some days nothing but proofs reaches a person. It ends by itself; what waited comes then.

What it does to a message is `sending.decide`. Quiet hours, which come every day, are in `preferences`.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.engagement.errors import DisturbEnd
from operational_api.engagement.models import DoNotDisturb, OutgoingMessage
from operational_api.engagement.sending import zone_of
from operational_api.engagement.service.contacts import contact

LONGEST = timedelta(days=31)
MORNING = time(8)


def end_of(session: Session, account_id: UUID) -> datetime | None:
    """Until when the person is not to be disturbed, which may have passed."""
    return session.scalar(select(DoNotDisturb.until).where(DoNotDisturb.account_id == account_id))


def ends_of(session: Session, account_ids: Iterable[UUID], now: datetime) -> dict[UUID, datetime]:
    """Who of these is not to be disturbed at `now`, and until when."""
    rows = select(DoNotDisturb).where(DoNotDisturb.account_id.in_(set(account_ids)), DoNotDisturb.until > now)
    return {one.account_id: one.until for one in session.scalars(rows)}


def morning_after(session: Session, account_id: UUID, *, days: int, now: datetime) -> datetime:
    """Eight in the morning, so many days from now, where the person lives; clocks may change on the way."""
    person = contact(session, account_id)
    zone = zone_of(person.time_zone if person else "UTC")
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=days), MORNING, zone)


def set_until(session: Session, account_id: UUID, *, until: datetime | None, now: datetime) -> datetime | None:
    """Disturb the person by nothing but proofs until then; None ends it, and what waited for its end is due at once.

    Raises:
        DisturbEnd: it lies behind, or more than a month ahead.
    """
    if until is not None and not now < until <= now + LONGEST:
        raise DisturbEnd
    before = end_of(session, account_id)
    if until is None:
        session.execute(delete(DoNotDisturb).where(DoNotDisturb.account_id == account_id))
    else:
        values = {"until": until, "set_at": now}
        statement = insert(DoNotDisturb).values(account_id=account_id, **values)
        session.execute(statement.on_conflict_do_update(index_elements=[DoNotDisturb.account_id], set_=values))
    if before is not None and before > now:
        session.execute(
            update(OutgoingMessage)
            .where(
                OutgoingMessage.customer_id == account_id, OutgoingMessage.status == "queued",
                OutgoingMessage.next_attempt_at == before, OutgoingMessage.purpose != "transactional",
            )
            .values(next_attempt_at=now)
            .execution_options(synchronize_session=False)
        )  # fmt: skip
    return until
