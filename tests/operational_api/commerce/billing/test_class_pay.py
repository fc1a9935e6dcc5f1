"""Who assists a class is paid by class: once however many came, by the rate of its day, and in the books."""

import csv
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import StringIO

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.events.scheduling import SessionAttended, SessionMissed
from operational_api.commerce.billing import slips
from operational_api.commerce.billing.errors import PeriodClosed
from operational_api.commerce.billing.models import AssistedClass, CommissionStatement
from operational_api.commerce.billing.service import earnings, pay_slips
from operational_api.commerce.handlers import on_session_over
from operational_api.commerce.service import journals
from operational_api.commerce.settings import SellerSettings
from operational_api.core.models import OutboxEvent
from operational_api.scheduling.models import Coach, Slot
from operational_api.scheduling.recurrence import parse
from operational_api.scheduling.service import bookings, classes
from operational_api.scheduling.service.classes import ClassPlan
from tests.factories import make_booking, make_coach, make_location
from tests.operational_api.commerce.billing.test_corrected_pay import FINANCE

NOW, MONDAY = datetime(2026, 3, 16, 12, tzinfo=UTC), date(2026, 3, 23)
EVENING = datetime(2026, 3, 30, 20, tzinfo=UTC)
"""After the first two of three classes."""


@pytest.fixture
def team(session: Session) -> tuple[Coach, Coach]:
    """Who leads, and who assists, at one studio."""
    studio = make_location(session)
    lead, helper = (make_coach(session, location=studio, display_name=name) for name in ("Ana", "Ben"))
    return lead, helper


@pytest.fixture
def held(session: Session, team: tuple[Coach, Coach]) -> list[Slot]:
    """Three classes of three weeks, assisted; two came to the first, of whom one missed it, and one to the second."""
    lead, helper = team
    made = classes.create_classes(
        session, coach_id=lead.id, plan=ClassPlan("Mobility", time(18), 60, 8), first_on=MONDAY,
        repeats=parse("FREQ=WEEKLY;COUNT=3"), now=NOW,
    )  # fmt: skip
    classes.assign_assistants(session, slot_id=made[0].id, coach_ids=[helper.id], scope="following", now=NOW)
    for slot, seat, outcome in ((made[0], 1, "attended"), (made[0], 2, "no_show"), (made[1], 1, "attended")):
        booking = make_booking(session, slot=slot, seat=seat)
        bookings.mark_outcome(session, booking_id=booking.id, outcome=outcome, now=EVENING)
    hear_of_outcomes(session)
    return made


def hear_of_outcomes(session: Session) -> None:
    """What the worker brings commerce, each twice."""
    for kind in (SessionAttended, SessionMissed):
        for row in session.scalars(select(OutboxEvent).where(OutboxEvent.type == kind.type)).all():
            for _ in range(2):
                on_session_over(session, kind(event_id=row.event_id, occurred_at=row.occurred_at, **row.payload))


def rate(session: Session, coach: Coach, per_class: int, on: date = MONDAY, *, per: int = 0) -> None:
    earnings.set_rate(
        session, coach_id=coach.id, currency="EUR", per_session_minor=per, pack_share_bp=0, per_class_minor=per_class,
        valid_from=on, actor_id=None, now=EVENING,
    )  # fmt: skip


def owed(session: Session, coach: Coach) -> list[tuple[int, int, int]]:
    found = earnings.earned(session, last_on=date(2026, 4, 30), coach_id=coach.id)
    return [(one.classes, one.class_pay_minor, one.total_minor) for one in found if one.classes or one.total_minor]


def close(session: Session, last_on: date, coach: Coach) -> CommissionStatement:
    made = earnings.close(
        session, first_on=last_on.replace(day=1), last_on=last_on, actor_id=None, now=datetime(2026, 5, 2, tzinfo=UTC)
    )
    return next(one for one in made if one.coach_id == coach.id)


@pytest.mark.usefixtures("held")
class TestClassPay:
    def test_is_once_a_class_that_was_held_by_the_rate_of_its_day(
        self, session: Session, team: tuple[Coach, Coach]
    ) -> None:
        lead, helper = team
        assert owed(session, helper) == []  # no rate pays by class: it waits
        rate(session, helper, 1500)
        rate(session, helper, 2000, date(2026, 3, 30))
        rate(session, lead, 900, per=3000)
        assert owed(session, helper) == [(2, 3500, 3500)]  # nobody was marked in the third
        assert owed(session, lead) == [(0, 0, 9000)]  # who leads is paid by session, and assists nothing

    def test_is_in_one_statement_that_the_books_and_the_slip_agree_with(
        self, session: Session, team: tuple[Coach, Coach], held: list[Slot]
    ) -> None:
        _, helper = team
        rate(session, helper, 1500)
        row = close(session, date(2026, 3, 31), helper)
        assert (row.sessions, row.classes, row.class_pay_minor, row.total_minor) == (0, 2, 3000, 3000)
        assert journals.balances(session)["commission_payable", "EUR"] == -3000
        assert owed(session, helper) == []
        slip = pay_slips.closed(session, FINANCE, statement_id=row.id)
        assert [(line.class_id, line.held_on, line.total_minor) for line in slip.classes] == [
            (held[0].id, date(2026, 3, 23), 1500), (held[1].id, date(2026, 3, 30), 1500),
        ]  # fmt: skip
        assert ("For classes assisted", 3000) in slip.sums
        lines = list(csv.DictReader(StringIO(slips.sheet(slip, SellerSettings()).decode("utf-8-sig"))))
        assert [(one["what"], one["class_id"]) for one in lines] == [
            ("Class assisted", str(one.id)) for one in held[:2]
        ]
        assert sum(Decimal(one["total"]) for one in lines) == Decimal("30.00")
        assert slips.pdf(slip, SellerSettings()).startswith(b"%PDF-")

    def test_of_days_in_a_statement_the_rate_cannot_be_set_any_more(
        self, session: Session, team: tuple[Coach, Coach], held: list[Slot]
    ) -> None:
        _, helper = team
        rate(session, helper, 1500)
        close(session, date(2026, 3, 31), helper)
        with pytest.raises(PeriodClosed):
            rate(session, helper, 9900, date(2026, 3, 25))
        booking = make_booking(session, slot=held[2])
        bookings.mark_outcome(session, booking_id=booking.id, outcome="attended", now=datetime(2026, 4, 7, tzinfo=UTC))
        hear_of_outcomes(session)
        rate(session, helper, 2500, date(2026, 4, 1))
        assert owed(session, helper) == [(1, 2500, 2500)]
        row = close(session, date(2026, 4, 30), helper)
        assert (row.classes, row.total_minor) == (1, 2500)
        paid_in = session.scalars(select(AssistedClass.statement_id).where(AssistedClass.coach_id == helper.id)).all()
        assert (None in paid_in, paid_in.count(row.id), len(paid_in)) == (False, 1, 3)
