"""Goals, habits with a daily check, and weekly check-ins that the coach answers. Health data."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from contracts.events.training import (
    CheckInAnswered,
    CheckInSubmitted,
    GoalClosed,
    GoalSet,
    HabitArchived,
    HabitBegun,
    HabitChecked,
)
from contracts.ids import new_id
from operational_api.core.outbox import publish
from operational_api.training.errors import AnsweredAlready, CheckInNotFound, GoalNotFound, HabitNotFound, InvalidDates
from operational_api.training.models import CheckIn, Client, Goal, Habit, HabitCheck
from operational_api.training.service.clients import local_today, lock

CHECKABLE = timedelta(days=7)
"""A habit can be checked for today and the week before: who forgets it in the evening does not lose it."""


@dataclass(frozen=True, slots=True)
class HabitWeek:
    """A habit with the days of the running week (Monday to Sunday) on which it was kept."""

    habit: Habit
    kept_on: frozenset[date]
    today: date

    @property
    def is_kept_today(self) -> bool:
        """Whether today is checked."""
        return self.today in self.kept_on

    @property
    def this_week(self) -> int:
        """Days of this week kept. A day of next week may be among the kept ones: where the client was, it had begun."""
        monday = self.today - timedelta(days=self.today.weekday())
        return sum(monday <= day < monday + timedelta(days=7) for day in self.kept_on)


@dataclass(frozen=True, slots=True)
class Wellbeing:
    """What a client works on, as of today. `due_on` is the Sunday of the running week."""

    goals: Sequence[Goal]
    habits: Sequence[HabitWeek]
    check_ins: Sequence[CheckIn]
    due_on: date

    @property
    def is_check_in_due(self) -> bool:
        """Whether this week's check-in has still to be sent."""
        return all(one.due_on != self.due_on for one in self.check_ins)


def set_goal(session: Session, *, client: Client, text: str, target_on: date | None, now: datetime) -> Goal:
    """Note what a client wants to reach, and announce that they did. The same open goal again changes nothing.

    Raises:
        InvalidDates: the day is past.
    """
    if target_on is not None and target_on < local_today(client, now):
        raise InvalidDates("A goal is for today or later.")
    lock(session, client)
    known = session.scalar(
        select(Goal).where(Goal.customer_id == client.id, Goal.text == text, Goal.status == "open").limit(1)
    )
    if known is not None:
        return known
    goal = Goal(id=new_id(), customer_id=client.id, text=text, target_on=target_on, set_at=now, status="open")
    session.add(goal)
    session.flush()
    publish(session, GoalSet(occurred_at=now, customer_id=client.id, goal_id=goal.id))
    return goal


def close_goal(session: Session, *, client: Client, goal_id: UUID, outcome: str, now: datetime) -> Goal:
    """Note that a goal was reached or dropped. Closed once, it stays so.

    Raises:
        GoalNotFound: it is not this client's.
    """
    goal = session.scalar(select(Goal).where(Goal.id == goal_id, Goal.customer_id == client.id).with_for_update())
    if goal is None:
        raise GoalNotFound
    if goal.status == "open":
        goal.status, goal.closed_at = outcome, now
        session.flush()
        publish(session, GoalClosed(occurred_at=now, customer_id=client.id, goal_id=goal.id, outcome=outcome))
    return goal


def begin_habit(session: Session, *, client: Client, name: str, times_per_week: int, now: datetime) -> Habit:
    """Begin something to do regularly. The same one again changes how often, if anything."""
    lock(session, client)
    known = session.scalar(
        select(Habit).where(Habit.customer_id == client.id, Habit.name == name, Habit.archived_at.is_(None)).limit(1)
    )
    if known is not None:
        known.times_per_week = times_per_week
        session.flush()
        return known
    habit = Habit(id=new_id(), customer_id=client.id, name=name, times_per_week=times_per_week, begun_at=now)
    session.add(habit)
    session.flush()
    publish(session, HabitBegun(occurred_at=now, customer_id=client.id, habit_id=habit.id))
    return habit


def archive_habit(session: Session, *, client: Client, habit_id: UUID, now: datetime) -> Habit:
    """Ask for a habit no more; what was kept stays. Again changes nothing.

    Raises:
        HabitNotFound: it is not this client's.
    """
    habit = _habit(session, client, habit_id)
    if habit.archived_at is None:
        habit.archived_at = now
        session.flush()
        publish(session, HabitArchived(occurred_at=now, customer_id=client.id, habit_id=habit.id))
    return habit


def check_habit(session: Session, *, client: Client, habit_id: UUID, day: date, is_kept: bool, now: datetime) -> Habit:
    """Note that a habit was kept on a day, or was not after all. Said again it changes nothing.

    Raises:
        HabitNotFound: it is not this client's, or was archived.
        InvalidDates: the day is to come, or longer ago than a week.
    """
    habit = _habit(session, client, habit_id)
    if habit.archived_at is not None:
        raise HabitNotFound
    today = local_today(client, now)
    if not today - CHECKABLE <= day <= today:
        raise InvalidDates("A habit can be checked for today and the week before.")
    if is_kept:
        kept = insert(HabitCheck).values(habit_id=habit.id, day=day, customer_id=client.id)
        changed = session.scalars(kept.on_conflict_do_nothing().returning(HabitCheck.day)).all()
    else:
        mine = (HabitCheck.habit_id == habit.id, HabitCheck.day == day)
        changed = session.scalars(delete(HabitCheck).where(*mine).returning(HabitCheck.day)).all()
    if changed:
        said = {"customer_id": client.id, "habit_id": habit.id, "day": day, "is_kept": is_kept}
        publish(session, HabitChecked(occurred_at=now, **said))
    return habit


def due_on(client: Client, now: datetime) -> date:
    """The Sunday of the running week on the client's calendar: a check-in is for the week that it ends."""
    today = local_today(client, now)
    return today + timedelta(days=6 - today.weekday())


def submit_check_in(
    session: Session,
    *,
    client: Client,
    mood: int,
    weight_kg: float | None,
    sleep_hours: float | None,
    note: str | None,
    now: datetime,
) -> CheckIn:
    """Send this week's check-in. Until the coach has answered it may be said anew.

    Raises:
        AnsweredAlready: the coach has answered it.
    """
    sunday = due_on(client, now)
    said = {"mood": mood, "weight_kg": weight_kg, "sleep_hours": sleep_hours, "note": note}
    made = session.scalar(
        insert(CheckIn)
        .values(id=new_id(), customer_id=client.id, due_on=sunday, submitted_at=now, **said)
        .on_conflict_do_nothing()
        .returning(CheckIn.id)
    )
    row = session.scalars(
        select(CheckIn)
        .where(CheckIn.customer_id == client.id, CheckIn.due_on == sunday)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if made is not None:
        publish(
            session, CheckInSubmitted(occurred_at=now, customer_id=client.id, check_in_id=row.id, due_on=row.due_on)
        )
        return row
    if all(getattr(row, name) == value for name, value in said.items()):
        return row
    if row.answered_at is not None:
        raise AnsweredAlready
    for name, value in said.items():
        setattr(row, name, value)
    row.submitted_at = now
    session.flush()
    return row


def answer_check_in(session: Session, *, check_in: CheckIn, coach_id: UUID, answer: str, now: datetime) -> CheckIn:
    """Answer a check-in, once: the same again changes nothing.

    Raises:
        AnsweredAlready: it has another answer.
    """
    session.refresh(check_in, with_for_update=True)
    if check_in.answered_at is not None:
        if check_in.answer == answer:
            return check_in
        raise AnsweredAlready
    check_in.answer, check_in.answered_by, check_in.answered_at = answer, coach_id, now
    session.flush()
    publish(
        session,
        CheckInAnswered(occurred_at=now, customer_id=check_in.customer_id, check_in_id=check_in.id, coach_id=coach_id),
    )
    return check_in


def get_check_in(session: Session, check_in_id: UUID) -> CheckIn:
    """The check-in.

    Raises:
        CheckInNotFound: there is none.
    """
    row = session.get(CheckIn, check_in_id)
    if row is None:
        raise CheckInNotFound
    return row


def wellbeing_of(session: Session, client: Client, *, now: datetime, check_ins: int = 12) -> Wellbeing:
    """Goals (open ones first), running habits with their week, the latest check-ins: four queries."""
    today = local_today(client, now)
    goals = session.scalars(
        select(Goal).where(Goal.customer_id == client.id).order_by(Goal.status != "open", Goal.set_at.desc(), Goal.id)
    ).all()
    habits = session.scalars(
        select(Habit)
        .where(Habit.customer_id == client.id, Habit.archived_at.is_(None))
        .order_by(Habit.begun_at, Habit.id)
    ).all()
    kept: dict[UUID, set[date]] = {}
    if habits:
        checks = select(HabitCheck.habit_id, HabitCheck.day).where(
            HabitCheck.habit_id.in_([habit.id for habit in habits]), HabitCheck.day >= today - CHECKABLE
        )
        for habit_id, day in session.execute(checks).tuples():
            kept.setdefault(habit_id, set()).add(day)
    rows = session.scalars(
        select(CheckIn).where(CheckIn.customer_id == client.id).order_by(CheckIn.due_on.desc()).limit(check_ins)
    ).all()
    weeks = [HabitWeek(habit, frozenset(kept.get(habit.id, ())), today) for habit in habits]
    return Wellbeing(goals, weeks, rows, due_on(client, now))


def _habit(session: Session, client: Client, habit_id: UUID) -> Habit:
    habit = session.scalar(select(Habit).where(Habit.id == habit_id, Habit.customer_id == client.id).with_for_update())
    if habit is None:
        raise HabitNotFound
    return habit
