"""Word of a year that will soon be followed by another: a month and a week before, once each, to who should know."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.events.billing import MembershipRenewsSoon
from operational_api.commerce.billing.service import renewals
from operational_api.commerce.models import Plan, PlanPrice, Subscription
from operational_api.engagement.models import OutgoingEmail
from operational_api.engagement.telling import money
from tests.operational_api.commerce.billing.conftest import Family, Studio

TOLD = "commerce.membership_renews_soon"


def told_on(studio: Studio, *days: date) -> list[tuple[int, int]]:
    """The worker looks three times on each of these days."""
    for day in days:
        studio.wait(until=day)
        for _ in range(3):
            renewals.remind_due(studio.session, studio.now)
            studio.now += timedelta(hours=1)
    return [(told["days"], told["amount_minor"]) for told in studio.told(TOLD)]


class TestRemindDue:
    def test_tells_of_a_year_a_month_and_a_week_before_once_each(self, studio: Studio) -> None:
        studio.start(studio.plan("Year", 48_000, interval_months=12))
        studio.collect()
        assert told_on(studio, date(2026, 5, 1), date(2027, 3, 1)) == []
        assert told_on(studio, date(2027, 3, 3), date(2027, 3, 20)) == [(30, 48_000)]
        assert told_on(studio, date(2027, 3, 26), date(2027, 3, 30)) == [(30, 48_000), (7, 48_000)]
        studio.wait(until=date(2027, 4, 2))
        studio.collect()
        assert len(told_on(studio, date(2027, 4, 3), date(2028, 3, 5))) == 3, "and of the year after it again"

    def test_tells_once_where_the_worker_slept(self, studio: Studio) -> None:
        studio.start(studio.plan("Year", 48_000, interval_months=12))
        assert told_on(studio, date(2027, 3, 29)) == [(7, 48_000)]

    def test_tells_nothing_of_months_and_of_what_ends(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Month", 5000))
        assert told_on(studio, date(2026, 4, 26)) == []
        session.execute(update(Subscription).values(interval_months=12, cancel_at=datetime(2027, 4, 1, tzinfo=UTC)))
        assert told_on(studio, date(2026, 4, 27)) == []

    def test_tells_the_price_that_will_be_charged(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Year", 48_000, interval_months=12))
        dearer = studio.plan("Longer", 60_000, interval_months=12)
        follows = select(PlanPrice.id).join(Plan, Plan.id == PlanPrice.plan_id).where(Plan.code == dearer)
        session.execute(update(Subscription).values(next_price_id=session.scalar(follows)))
        assert told_on(studio, date(2027, 3, 3)) == [(30, 60_000)]


@pytest.mark.parametrize("is_paid_for", [True, False])
def test_is_written_once_to_the_member_and_to_who_pays(family: Family, session: Session, is_paid_for: bool) -> None:
    payer, now = family.parent if is_paid_for else None, datetime.now(UTC)
    event = MembershipRenewsSoon(
        occurred_at=now, subscription_id=family.studio.member.id, customer_id=family.member.id, days=7,
        renews_at=now + timedelta(days=7), amount_minor=48_000, currency="EUR", payer_id=payer.id if payer else None,
    )  # fmt: skip
    for _ in range(2):
        money.tell_of_renewal(session, event)
    letters = session.scalars(select(OutgoingEmail).where(OutgoingEmail.template == "membership_renews")).all()
    found = {one.recipient: one.context["pays"] for one in letters}
    both = {family.member.email: False, family.parent.email: True}
    assert found == (both if is_paid_for else {family.member.email: True})
    assert len(letters) == len(found)
