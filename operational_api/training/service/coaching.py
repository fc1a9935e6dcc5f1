"""What a coach steers one client by, from today's rows: loads, adherence, strength. The arithmetic is `metrics`."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Date, case, cast, func, literal, select
from sqlalchemy.orm import Session

from operational_api.training import metrics
from operational_api.training.metrics import Acwr
from operational_api.training.models import Client, Workout, WorkoutSet
from operational_api.training.service.clients import local_today
from operational_api.training.strength import volume_column

REMEMBERED = timedelta(days=180)
"""Loads are looked at that far back: an exponential mean of 28 days has forgotten what is older."""
WINDOWS = (7, 30, 90)


@dataclass(frozen=True, slots=True)
class ClientMetrics:
    """One client as of a day of their calendar. None where it cannot be told.

    Attributes:
        adherence_percent: By window of 7, 30 and 90 days.
        load_7d: Session RPE x minutes.
        loads: The last 28 days, oldest first; shorter for who began later.
    """

    as_of: date
    adherence_percent: dict[int, float | None]
    load_7d: float
    volume_7d_kg: float
    acwr: Acwr | None
    monotony: float | None
    strain: float | None
    loads: list[float]


def metrics_of(session: Session, client: Client, *, now: datetime) -> ClientMetrics:
    """The metrics of a client today: three queries."""
    today = local_today(client, now)
    loads = daily_loads(session, client, today)
    week = loads[-metrics.ACUTE_DAYS :]
    is_whole = len(week) == metrics.ACUTE_DAYS
    return ClientMetrics(
        as_of=today,
        adherence_percent=_adherence(session, client, today),
        load_7d=sum(week),
        volume_7d_kg=_volume(session, client, today),
        acwr=metrics.acwr(loads),
        monotony=metrics.monotony(week) if is_whole else None,
        strain=metrics.strain(week) if is_whole else None,
        loads=loads[-metrics.CHRONIC_DAYS :],
    )


def daily_loads(session: Session, client: Client, today: date) -> list[float]:
    """Load of each day from the first workout, at most half a year back, to today; a day of rest is 0.

    Who began before that and paused since has days of rest there, and is not new.
    """
    edge = today - REMEMBERED + timedelta(days=1)
    done_on = cast(func.timezone(client.time_zone, Workout.completed_at), Date)
    day = func.greatest(done_on, literal(edge)).label("day")
    load = func.coalesce(Workout.session_rpe * Workout.duration_minutes, 0.0)
    rows = session.execute(
        select(day, func.sum(case((done_on >= edge, load), else_=0.0)))
        .where(Workout.customer_id == client.id, Workout.status == "completed", done_on <= today)
        .group_by(day)
    ).tuples()
    known = {on: float(told or 0) for on, told in rows}
    if not known:
        return []
    first = min(known)
    return [known.get(first + timedelta(days=n), 0.0) for n in range((today - first).days + 1)]


def _adherence(session: Session, client: Client, today: date) -> dict[int, float | None]:
    is_done = Workout.status == "completed"
    columns = []
    for days in WINDOWS:
        is_in = Workout.scheduled_on > today - timedelta(days=days)
        columns += [func.count().filter(is_in, is_done), func.count().filter(is_in)]
    row = session.execute(
        select(*columns).where(
            Workout.customer_id == client.id,
            Workout.programme_id.is_not(None),
            Workout.scheduled_on <= today,
            Workout.scheduled_on > today - timedelta(days=max(WINDOWS)),
        )
    ).one()
    return {days: metrics.adherence_percent(row[2 * n], row[2 * n + 1]) for n, days in enumerate(WINDOWS)}


def _volume(session: Session, client: Client, today: date) -> float:
    """Of the days on which it was lifted, as the dictionary has it, whichever day it was planned for."""
    day = cast(func.timezone(client.time_zone, Workout.completed_at), Date)
    return (
        session.scalar(
            select(volume_column())
            .select_from(Workout)
            .join(WorkoutSet, WorkoutSet.workout_id == Workout.id)
            .where(
                Workout.customer_id == client.id,
                Workout.status == "completed",
                day > today - timedelta(days=metrics.ACUTE_DAYS),
                day <= today,
            )
        )
        or 0.0
    )
