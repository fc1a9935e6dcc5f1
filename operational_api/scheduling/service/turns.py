"""Whose turn it is: how sessions with whoever is free are shared among coaches, and what that has led to.

It is the turn of who is furthest behind their share: of the sessions given out by turn in the last four weeks, by
weight and by the days at work, as seats are given to parties by Sainte-Laguë's rule; of equals of who was longest not
chosen.

Does not belong here: who is free, and the customer's own coach, who goes before everybody (`round_robin`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, Numeric, SQLColumnExpression, cast, func, literal, select
from sqlalchemy.orm import Session

from contracts.events.scheduling import CoachWeighed
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.scheduling.models import Booking, Coach, Location, TimeOff

PERIOD_DAYS = 28
"""As long as a turn counts; fairness is over this much of the past."""


def order(now: datetime) -> tuple[SQLColumnExpression[Any], ...]:
    """How far a coach is ahead of their share, then when they were chosen last; inside a query over `Coach` and the
    `Location` whose days count."""
    share = func.greatest(Coach.turn_weight, 1) * func.greatest(_days_at_work(now), 1)
    return (cast(2 * _given(now) + 1, Numeric) / share, _last().asc().nulls_first())


def _given(now: datetime) -> SQLColumnExpression[int]:
    return (
        select(func.count())
        .select_from(Booking)
        .where(
            Booking.coach_id == Coach.id, Booking.assignment == "turn",
            Booking.booked_at > now - timedelta(days=PERIOD_DAYS),
            Booking.status.not_in(("cancelled", "released")),
        )
        .correlate(Coach)
        .scalar_subquery()
    )  # fmt: skip


def _last() -> SQLColumnExpression[datetime | None]:
    theirs = (Booking.coach_id == Coach.id, Booking.assignment == "turn")
    return select(func.max(Booking.booked_at)).where(*theirs).correlate(Coach).scalar_subquery()


def _days_at_work(now: datetime) -> SQLColumnExpression[int]:
    today = cast(func.timezone(Location.time_zone, literal(now)), Date)
    first = today - (PERIOD_DAYS - 1)
    away = (
        select(func.sum(func.least(TimeOff.ends_on, today) - func.greatest(TimeOff.starts_on, first) + 1))
        .where(TimeOff.coach_id == Coach.id, TimeOff.starts_on <= today, TimeOff.ends_on >= first)
        .correlate(Coach, Location)
        .scalar_subquery()
    )
    return PERIOD_DAYS - func.greatest(Coach.hired_on - first, 0) - func.coalesce(cast(away, BigInteger), 0)


@dataclass(frozen=True, slots=True)
class Turns:
    """A coach's turns in the last four weeks.

    Attributes:
        given: Sessions that were theirs by turn and were not called off.
        parts: Of all that are given out at their studio, beside the others' `parts`.
        share: The same, 0 to 1; what `given` comes to in the long run.
    """

    coach_id: UUID
    coach_name: str
    weight: int
    given: int
    days_at_work: int
    parts: int
    share: float


def of_studio(session: Session, location_id: UUID, *, now: datetime) -> list[Turns]:
    """The coaches of a studio, whose turn it is first; those who take no turns at the end. One statement."""
    query = (
        select(Coach.id, Coach.display_name, Coach.turn_weight, _given(now), _days_at_work(now))
        .join(Location, Location.id == Coach.location_id)
        .where(Coach.location_id == location_id, Coach.left_on.is_(None))
        .order_by(Coach.turn_weight == 0, *order(now), Coach.id)
    )
    rows = [(*row, row[2] * max(row[4], 1)) for row in session.execute(query).tuples()]
    whole = sum(row[-1] for row in rows)
    return [Turns(*row[:4], max(row[4], 0), row[-1], row[-1] / whole if whole else 0.0) for row in rows]


def weigh(session: Session, coach: Coach, weight: int, *, actor_id: UUID, now: datetime) -> bool:
    """Say how much of the sessions given out by turn a coach is to get beside the others; 0 is none.

    Returns:
        Whether that is news.
    """
    if coach.turn_weight == weight:
        return False
    details: dict[str, object] = {"from": coach.turn_weight, "to": weight}
    coach.turn_weight = weight
    session.flush()
    publish(session, CoachWeighed(occurred_at=now, coach_id=coach.id, turn_weight=weight))
    audit.record(
        session, "scheduling.weigh_coach", "Coach", coach.id, actor_id=actor_id, subject_id=coach.id,
        purpose="operations", details=details, now=now,
    )  # fmt: skip
    return True
