"""A business made for the load: every customer may book, every session is free, and the ids tell which is which.

Ids end in a number of twelve digits, so that a statement recorded for one request can be said again for another
(`recorded`), also by pgbench, which counts.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import insert
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
BASE = (datetime.now(UTC) + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
PERSON, COACH, SLOT = 0xA0, 0xA1, 0xA2


def named(kind: int, number: int) -> UUID:
    """The id of the so manieth thing of a kind."""
    return UUID(f"{kind:08x}-0000-7000-8000-{FIRST + number:012d}")


def starts_at(number: int) -> datetime:
    """When the session of this number starts: each coach has one an hour."""
    return BASE + timedelta(hours=number // COACHES)


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
