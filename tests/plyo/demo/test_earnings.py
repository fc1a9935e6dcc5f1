"""What coaches are owed in the demo is what commerce works out of the sessions they held."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from operational_api.commerce.billing.models import CommissionStatement, DeliveredSession
from operational_api.commerce.billing.service import earnings, pay_lines, payouts
from operational_api.commerce.models import LedgerLine, SessionPack
from tests.conftest import sqlalchemy_url
from tests.plyo.demo.conftest import Business


@pytest.fixture
def session(business: Business) -> Iterator[Session]:
    engine = create_engine(sqlalchemy_url(business.url))
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def test_closed_months_are_their_sessions(session: Session) -> None:
    found = session.scalars(select(CommissionStatement)).all()
    assert {(row.first_on, row.last_on) for row in found} == {
        (date(2025, 12, 1), date(2025, 12, 31)), (date(2026, 1, 1), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 28)),
    }  # fmt: skip
    assert {row.currency for row in found} == {"EUR", "USD", "VND"}
    assert sum(row.pack_pay_minor for row in found) > 0
    with_classes = {row.first_on for row in found if row.classes and row.class_pay_minor}
    assert len(with_classes) == 3
    for row in found:
        lines = pay_lines.closed_lines(session, row)
        told = (len(lines), sum(one.revenue_minor for one in lines), sum(one.session_pay_minor for one in lines),
                sum(one.pack_pay_minor for one in lines),
                sum(one.total_minor for one in lines) + row.class_pay_minor)  # fmt: skip
        assert told == (
            row.sessions, row.pack_revenue_minor, row.session_pay_minor, row.pack_pay_minor, row.total_minor,
        )  # fmt: skip
        classes = pay_lines.closed_classes(session, row)
        assert (len(classes), sum(one.total_minor for one in classes)) == (row.classes, row.class_pay_minor)
        assert {row.first_on <= one.assisted.held_on <= row.last_on for one in classes} <= {True}
        assert {row.first_on <= one.held_on <= row.last_on for one in lines} == {True}
    posted = select(func.sum(LedgerLine.amount_minor)).where(LedgerLine.account == "commission_payable")
    unpaid = [row for row in found if row.first_on == date(2026, 2, 1)]
    assert session.scalar(posted) == -sum(row.total_minor for row in unpaid)
    owed = {(one.coach_id, one.currency): (one.left_minor, one.statement_id) for one in payouts.balances(session)}
    assert owed == {(row.coach_id, row.currency): (row.total_minor, row.id) for row in unpaid}


def test_this_month_waits_to_be_closed(session: Session) -> None:
    waits = select(func.min(DeliveredSession.held_on)).where(DeliveredSession.statement_id.is_(None))
    assert session.scalar(waits) == date(2026, 3, 2)  # a Monday
    owed = earnings.earned(session, last_on=date(2026, 3, 30))
    assert len(owed) > 3
    assert all(one.sessions_without_rate == 0 and one.total_minor > 0 for one in owed)


def test_a_pack_is_worth_no_more_than_was_paid(session: Session) -> None:
    over = (
        select(DeliveredSession.session_pack_id, func.sum(DeliveredSession.revenue_minor))
        .where(DeliveredSession.session_pack_id.is_not(None))
        .group_by(DeliveredSession.session_pack_id)
    ).subquery()
    rows = session.execute(
        select(over.c.sum, SessionPack.net_minor).join(SessionPack, SessionPack.id == over.c.session_pack_id)
    ).all()
    assert len(rows) > 3
    assert all(0 < earned <= paid for earned, paid in rows)
