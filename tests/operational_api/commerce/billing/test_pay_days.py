"""Pay periods are made of the studios' days: what is held at 23:30 there is of that day, whatever UTC says."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.registry import parse
from contracts.events.scheduling import SessionAttended, SessionMissed
from contracts.ids import new_id
from operational_api.commerce.billing.errors import PayPeriodInvalid, PeriodClosed
from operational_api.commerce.billing.models import DeliveredSession
from operational_api.commerce.billing.service import earnings, studios
from operational_api.commerce.handlers import on_session_over
from operational_api.core.models import OutboxEvent
from operational_api.scheduling.lifecycle import Outcome
from operational_api.scheduling.models import Coach, Location
from operational_api.scheduling.service import bookings
from tests.factories import LONG_AGO, make_booking, make_coach, make_location, make_slot

LATE = time(23, 30)
ZONES = ("Europe/Berlin", "America/Los_Angeles", "Asia/Ho_Chi_Minh", "Pacific/Kiritimati", "Pacific/Pago_Pago")
LAST_DAYS = (
    date(2026, 3, 29), date(2026, 3, 31), date(2026, 10, 25), date(2026, 12, 31), date(2028, 2, 29), date(2026, 3, 8)
)  # fmt: skip


@pytest.fixture
def elsewhere(session: Session) -> None:
    """Only the studios that a test makes."""
    session.execute(update(Location).values(time_zone="UTC"))


def coach_in(session: Session, zone: str) -> Coach:
    return make_coach(session, location=make_location(session, time_zone=zone))


def held(session: Session, coach: Coach, on: date, at: time, *, outcome: Outcome = "attended") -> UUID:
    """A session at a studio's clock, marked when it is over and told to commerce by its stored event."""
    location = session.get_one(Location, coach.location_id)
    starts_at = datetime.combine(on, at, ZoneInfo(location.time_zone)).astimezone(UTC)
    booking = make_booking(session, slot=make_slot(session, coach=coach, starts_at=starts_at))
    bookings.mark_outcome(session, booking_id=booking.id, outcome=outcome, now=starts_at + timedelta(hours=1))
    kinds = (SessionAttended.type, SessionMissed.type)
    row = session.scalars(
        select(OutboxEvent).where(OutboxEvent.aggregate_id == booking.id, OutboxEvent.type.in_(kinds))
    ).one()
    on_session_over(
        session,
        parse(
            event_type=row.type, version=row.version, event_id=row.event_id, occurred_at=row.occurred_at,
            payload=row.payload,
        ),
    )  # fmt: skip
    return booking.id


def rate(session: Session, coach: Coach, per_session: int, since: date) -> None:
    earnings.set_rate(
        session, coach_id=coach.id, currency="EUR", per_session_minor=per_session, pack_share_bp=0, valid_from=since,
        actor_id=None, now=LONG_AGO,
    )  # fmt: skip


def owed(session: Session, coach: Coach, last_on: date) -> tuple[int, int]:
    found = [one for one in earnings.earned(session, last_on=last_on) if one.coach_id == coach.id]
    return (found[0].sessions, found[0].session_pay_minor) if found else (0, 0)


@pytest.mark.parametrize("outcome", ["attended", "no_show"])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("last_on", LAST_DAYS)
def test_late_on_the_last_day_is_of_that_day_and_just_after_midnight_is_not(
    session: Session, elsewhere: None, zone: str, last_on: date, outcome: Outcome
) -> None:
    coach, next_on = coach_in(session, zone), last_on + timedelta(days=1)
    rate(session, coach, 2000, date(2020, 1, 1))
    rate(session, coach, 3000, next_on)
    late = held(session, coach, last_on, LATE, outcome=outcome)
    early = held(session, coach, next_on, time(0, 30), outcome=outcome)
    days = {one.booking_id: one.held_on for one in session.scalars(select(DeliveredSession))}
    assert (days[late], days[early]) == (last_on, next_on)
    assert owed(session, coach, last_on) == (1, 2000)
    assert owed(session, coach, next_on) == (2, 5000)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("last_on", LAST_DAYS)
def test_a_period_is_over_at_midnight_of_its_studio_and_not_before(
    session: Session, elsewhere: None, zone: str, last_on: date
) -> None:
    session.execute(update(Location).values(time_zone=zone))
    coach = coach_in(session, zone)
    rate(session, coach, 2000, date(2020, 1, 1))
    held(session, coach, last_on, LATE)
    midnight = datetime.combine(last_on + timedelta(days=1), time(), ZoneInfo(zone)).astimezone(UTC)
    period = {"first_on": last_on.replace(day=1), "last_on": last_on, "actor_id": None}
    with pytest.raises(PayPeriodInvalid):
        earnings.close(session, **period, now=midnight - timedelta(microseconds=1))  # type: ignore[arg-type]
    [made] = earnings.close(session, **period, now=midnight)  # type: ignore[arg-type]
    assert (made.sessions, made.first_on, made.last_on) == (1, last_on.replace(day=1), last_on)
    with pytest.raises(PeriodClosed):
        rate(session, coach, 9000, last_on)
    rate(session, coach, 9000, last_on + timedelta(days=1))


def test_with_studios_east_and_west_it_is_over_once_it_is_in_all_of_them(session: Session, elsewhere: None) -> None:
    for zone in ("Asia/Ho_Chi_Minh", "America/Los_Angeles"):
        make_location(session, time_zone=zone)
    new_year_in_hanoi = datetime(2026, 12, 31, 17, tzinfo=UTC)
    assert studios.days(session, new_year_in_hanoi) == (date(2026, 12, 31), date(2027, 1, 1))
    with pytest.raises(PayPeriodInvalid):
        earnings.close(
            session, first_on=date(2026, 12, 1), last_on=date(2026, 12, 31), actor_id=None,
            now=datetime(2027, 1, 1, 7, 59, tzinfo=UTC),
        )  # fmt: skip
    assert earnings.close(
        session, first_on=date(2026, 12, 1), last_on=date(2026, 12, 31), actor_id=None,
        now=datetime(2027, 1, 1, 8, tzinfo=UTC),
    ) == []  # fmt: skip


def test_what_was_counted_without_a_day_is_of_its_utc_day(session: Session, elsewhere: None) -> None:
    coach = coach_in(session, "UTC")
    rate(session, coach, 2000, date(2020, 1, 1))
    moment = datetime(2026, 4, 30, 23, 30, tzinfo=UTC)
    session.add(
        DeliveredSession(
            booking_id=new_id(), coach_id=coach.id, customer_id=new_id(), has_attended=True, currency="EUR",
            delivered_at=moment,
        )
    )  # fmt: skip
    session.flush()
    assert (owed(session, coach, date(2026, 4, 29)), owed(session, coach, date(2026, 4, 30))) == ((0, 0), (1, 2000))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(zone=st.sampled_from(ZONES), hours=st.lists(st.integers(0, 365 * 24 - 1), min_size=1, max_size=8))
def test_every_session_is_in_one_period_and_paid_once(session: Session, zone: str, hours: list[int]) -> None:
    """Months closed one after another hold what the studio's calendar holds, wherever it is."""
    with session.begin_nested() as life:
        session.execute(update(Location).values(time_zone=zone))
        coach = coach_in(session, zone)
        rate(session, coach, 100, date(2020, 1, 1))
        starts = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in hours]
        local = [one.astimezone(ZoneInfo(zone)).date() for one in starts]
        for moment, on in zip(starts, local, strict=True):
            earnings.deliver(
                session, booking_id=new_id(), coach_id=coach.id, customer_id=new_id(), session_pack_id=None,
                has_attended=True, delivered_at=moment, held_on=on, now=LONG_AGO,
            )  # fmt: skip
        found: dict[date, int] = {}
        for first in (date(2025 + number // 12, number % 12 + 1, 1) for number in range(11, 26)):
            last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            later = datetime(2028, 1, 1, tzinfo=UTC)
            made = earnings.close(session, first_on=first, last_on=last, actor_id=None, now=later)
            if own := [one.sessions for one in made if one.coach_id == coach.id]:
                found[first] = sum(own)
        months = [on.replace(day=1) for on in local]
        assert found == {month: months.count(month) for month in set(months)}
        life.rollback()
