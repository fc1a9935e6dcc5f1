"""A business made for the load: every customer may book, every session to come is free, the ids tell which is which.

It has been at work: each customer has trained and been to sessions before. PostgreSQL plans by what it knows of tables,
and what it knows of empty ones, which fill while requests are counted, is of no business that anybody runs.

Ids end in a number of twelve digits, so that a statement recorded for one request can be said again for another
(`recorded`), also by pgbench, which counts.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from operational_api.commerce.models import Customer, Plan, PlanPrice, Subscription
from operational_api.identity.models import Account
from operational_api.scheduling.models import Coach, Location, Slot
from operational_api.training.models import Client, CoachAssignment, Exercise

FIRST = 100_000_000_000
"""The smallest number with twelve digits."""
COACHES, CUSTOMERS, HOURS = 100, 3000, 480
SLOTS = COACHES * HOURS
EXERCISES = 20
PAST = 8
"""Sessions that each customer has been to, and workouts of fifteen sets that they have logged."""
BASE = (datetime.now(UTC) + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
PERSON, COACH, SLOT = 0xA0, 0xA1, 0xA2


def named(kind: int, number: int) -> UUID:
    """The id of the so manieth thing of a kind."""
    return UUID(f"{kind:08x}-0000-7000-8000-{FIRST + number:012d}")


def starts_at(number: int) -> datetime:
    """When the session of this number starts: each coach has one an hour."""
    return BASE + timedelta(hours=number // COACHES)


_SESSIONS_BEFORE = """
    with sessions as (
        insert into scheduling.slots (id, coach_id, location_id, kind, title, starts_at, ends_at)
        select uuidv7(), client.coach_id, :place, 'one_to_one', 'Session', began, began + interval '55 minutes'
        from (
            select coach_id, row_number() over (partition by coach_id order by id) as at from training.clients
        ) client,
        generate_series(0, :past - 1) as week,
        lateral (select cast(:base as timestamptz) - make_interval(days => 7 * week + 7, hours => at::int) as began) _
        returning id, coach_id, starts_at, ends_at
    ), numbered as (
        select *, (row_number() over (partition by coach_id order by starts_at) - 1) / :past as client from sessions
    ), clients as (
        select id, coach_id, row_number() over (partition by coach_id order by id) - 1 as client from training.clients
    )
    insert into scheduling.bookings
        (id, slot_id, customer_id, coach_id, seat, starts_at, ends_at, status, booked_at, outcome_at)
    select
        uuidv7(), numbered.id, clients.id, coach_id, 1, starts_at, ends_at, 'attended',
        starts_at - interval '5 days', ends_at
    from numbered join clients using (coach_id, client)
"""
_WORKOUTS_BEFORE = """
    with done as (
        insert into training.workouts (id, customer_id, title, scheduled_on, status, completed_at, duration_minutes)
        select uuidv7(), id, 'Strength', at::date, 'completed', at, 50
        from training.clients, generate_series(1, :past) as week,
        lateral (select cast(:base as timestamptz) - make_interval(days => 7 * week) as at) _
        returning id
    )
    insert into training.workout_sets (workout_id, position, exercise_id, reps, weight_kg, rpe)
    select done.id, position, exercise.id, 5, 60 + position % 5, 8
    from done, generate_series(0, 14) as position
    join (
        select id, row_number() over (order by id) - 1 as at from training.exercises
    ) exercise on exercise.at = position / 5
"""


def make(session: Session) -> None:
    """Fill an empty database."""
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    place = Location(name="Plyo", city="Berlin", country_code="DE", time_zone="Europe/Berlin", currency="EUR")
    plan = Plan(code="all", name="All in", description="", kind="membership", interval_months=1)
    session.add_all([place, plan])
    session.flush()
    price = PlanPrice(plan_id=plan.id, currency="EUR", amount_minor=9_900, valid_from=long_ago)
    session.add(price)
    session.add_all(
        Exercise(
            slug=f"lift-{n}", name=f"Lift {n}", pattern="push", primary_muscle="chest", equipment="barbell",
            is_loaded=True,
        )
        for n in range(EXERCISES)
    )  # fmt: skip
    session.flush()
    people = [(PERSON, "customer", n) for n in range(CUSTOMERS)] + [(COACH, "coach", n) for n in range(COACHES)]
    session.execute(
        insert(Account),
        [
            {"id": named(kind, n), "email": f"{role}{n}@plyo.test", "display_name": f"{role.title()} {n}",
             "role": role, "time_zone": "Europe/Berlin", "email_verified_at": long_ago, "created_at": long_ago}
            for kind, role, n in people
        ],
    )  # fmt: skip
    session.execute(
        insert(Coach),
        [
            {"id": named(COACH, n), "display_name": f"Coach {n}", "specialities": ["strength"], "client_capacity": 60,
             "hired_on": long_ago.date(), "location_id": place.id}
            for n in range(COACHES)
        ],
    )  # fmt: skip
    customers = [named(PERSON, n) for n in range(CUSTOMERS)]
    session.execute(
        insert(Client),
        [
            {"id": one, "display_name": "Customer", "coach_id": named(COACH, n % COACHES),
             "time_zone": "Europe/Berlin", "joined_at": long_ago}
            for n, one in enumerate(customers)
        ],
    )  # fmt: skip
    session.execute(
        insert(CoachAssignment),
        [
            {"customer_id": one, "coach_id": named(COACH, n % COACHES), "assigned_at": long_ago}
            for n, one in enumerate(customers)
        ],
    )
    session.execute(insert(Customer), [{"id": one, "currency": "EUR"} for one in customers])
    session.execute(
        insert(Subscription),
        [
            {"customer_id": one, "plan_id": plan.id, "price_id": price.id, "status": "active", "amount_minor": 9_900,
             "currency": "EUR", "interval_months": 1, "started_at": long_ago,
             "current_period_start": BASE - timedelta(days=10), "current_period_end": BASE + timedelta(days=60)}
            for one in customers
        ],
    )  # fmt: skip
    session.execute(
        insert(Slot),
        [
            {"id": named(SLOT, n), "coach_id": named(COACH, n % COACHES), "location_id": place.id,
             "kind": "one_to_one", "title": "Session", "starts_at": starts_at(n),
             "ends_at": starts_at(n) + timedelta(minutes=55)}
            for n in range(SLOTS)
        ],
    )  # fmt: skip
    session.flush()
    before = {"place": place.id, "past": PAST, "base": BASE}
    session.execute(text(_SESSIONS_BEFORE), before)
    session.execute(text(_WORKOUTS_BEFORE), before)
