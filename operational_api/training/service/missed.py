"""Weeks of a programme in which a client did nothing, noticed once when they are over.

Who skips a workout has said that they will not come, because they are away or ill: that week is not missed. Nor is one
of somebody whose training waits for the coach, or who has an injury. Whether somebody is written to about it, and how,
is engagement's to decide.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from contracts.events.training import TrainingWeekMissed
from operational_api.core.outbox import publish
from operational_api.training.models import Client, Injury, Programme, Screening, Workout
from operational_api.training.service.clients import local_today

LOOK_AT = time(10)
"""On Monday, where the client lives: by then phones without a network on Sunday have told what was done."""
LOOK_FOR = timedelta(days=2)
"""A worker that was down for longer leaves the week alone: nobody is asked about it on a Friday."""
WEEK = timedelta(days=7)
MOST = 500
"""Clients a turn; the next one goes on."""


def notice(session: Session, now: datetime) -> int:
    """Announce the week that is over for each client who missed it; how many. Asked again, it announces none twice."""
    zones = session.scalars(select(Client.time_zone).distinct().order_by(Client.time_zone)).all()
    return sum(_notice_in(session, zone, monday, now) for zone, monday in _over(zones, now))


def is_missed(session: Session, customer_id: UUID, week_of: date, *, now: datetime) -> bool:
    """Whether nothing has changed since a week was announced as missed: no training then or since, no hold, no word."""
    client = session.get(Client, customer_id, populate_existing=True)
    if client is None:
        return False
    since = _midnight(week_of, client.time_zone)
    until = week_of + timedelta(days=max(6, (local_today(client, now) - week_of).days))
    found = select(Client.id).where(Client.id == customer_id, *_nothing_said(week_of, until, since))
    return session.scalar(found) is not None


def _over(zones: Iterable[str], now: datetime) -> Iterable[tuple[str, date]]:
    """The zones in which it is time to look, each with the Monday of the week that is over there."""
    for zone in zones:
        local = now.astimezone(ZoneInfo(zone))
        monday = local.date() - timedelta(days=local.weekday())
        begins = datetime.combine(monday, LOOK_AT, local.tzinfo)
        if begins <= local < begins + LOOK_FOR:
            yield zone, monday - WEEK


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _notice_in(session: Session, zone: str, week_of: date, now: datetime) -> int:
    last = week_of + timedelta(days=6)
    planned = (
        select(func.count().label("count"))
        .select_from(Workout)
        .join(Programme, Programme.id == Workout.programme_id)
        .where(
            Workout.customer_id == Client.id, Workout.scheduled_on.between(week_of, last),
            Workout.status == "planned", Programme.status == "active", Programme.starts_on <= week_of,
        )
        .correlate(Client)
        .lateral()
    )  # fmt: skip
    is_new = or_(Client.missed_week_of.is_(None), Client.missed_week_of < week_of)
    of_whom = (
        select(Client.id, planned.c.count)
        .join(planned, onclause=planned.c.count > 0)
        .where(Client.time_zone == zone, is_new, *_nothing_said(week_of, last, _midnight(week_of, zone)))
        .order_by(Client.id)
        .limit(MOST)
    )
    counts = dict(session.execute(of_whom).tuples().all())
    noted = update(Client).where(Client.id.in_(counts), is_new).values(missed_week_of=week_of).returning(Client.id)
    missed = sorted(session.scalars(noted, execution_options={"synchronize_session": False})) if counts else []
    for customer_id in missed:
        told = TrainingWeekMissed(
            occurred_at=now, customer_id=customer_id, week_of=week_of, planned=counts[customer_id]
        )  # fmt: skip
        publish(session, told)
    return len(missed)


def _nothing_said(first: date, last: date, since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of a client: nothing done from `first` to `last` and nothing left out by will; nothing hurt and no hold either.

    Args:
        since: When `first` began where they live.
    """
    heard = select(Workout.id).where(
        Workout.customer_id == Client.id, Workout.scheduled_on >= first - WEEK,
        or_(
            and_(Workout.status.in_(("completed", "skipped")), Workout.scheduled_on.between(first, last)),
            Workout.completed_at >= since,
        ),
    )  # fmt: skip
    hurt = select(Injury.id).where(
        Injury.customer_id == Client.id, or_(Injury.resolved_on.is_(None), Injury.resolved_on >= first)
    )
    held = select(Screening.id).where(Screening.customer_id == Client.id, Screening.cleared_at >= since)
    return Client.on_hold_since.is_(None), ~heard.exists(), ~hurt.exists(), ~held.exists()
