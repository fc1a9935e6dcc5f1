"""Invoices that would be absurd and customers whose books do not add up: parked, seen, decided once; others go on."""

from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.errors import NeedsLook, OwnMoney, ParkedInvoiceChanged, ParkedInvoiceDecided
from operational_api.commerce.billing.models import BillingItem, CouponRedemption, ParkedInvoice
from operational_api.commerce.billing.periods import first_moment
from operational_api.commerce.billing.proration import Item, Mode
from operational_api.commerce.billing.service import (
    collection,
    coupons,
    decisions,
    fees,
    invoicing,
    memberships,
    plan_changes,
    sales,
)
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.ledger import Line
from operational_api.commerce.models import Customer, Subscription
from operational_api.commerce.service import journals
from operational_api.core.principal import Principal
from tests.factories import make_account
from tests.operational_api.commerce.billing.conftest import Studio

APRIL = (date(2026, 4, 1), date(2026, 5, 1))


def admin(session: Session) -> Principal:
    return Principal("admin", "tests", make_account(session, role="admin").id)


def other(studio: Studio) -> Studio:
    """Another customer of the same studio."""
    account = make_account(studio.session)
    studio.session.add(Customer(id=account.id, currency="EUR", stripe_customer_id=f"cus_{account.id.hex}"))
    studio.session.flush()
    return Studio(studio.session, account.id, bank=studio.bank, plans=studio.plans)


def parked(session: Session) -> list[decisions.Parked]:
    session.expire_all()
    return decisions.parked_invoices(session)


class TestParkedInvoice:
    def test_is_not_charged_until_an_admin_says_and_then_once(self, studio: Studio, session: Session) -> None:
        beside = other(studio)
        studio.start(studio.plan("Absurd", 500_001))
        beside.start(studio.plan("Small", 5000))
        studio.collect()
        assert (studio.invoices, len(beside.invoices), studio.bank.captured) == ([], 1, 1)
        [one] = parked(session)
        assert (one.reason, one.total_minor, one.descriptions) == ("too_large", 500_001, ["Absurd"])
        assert studio.told("commerce.invoice_parked")[0]["reason"] == "too_large"
        boss = admin(session)
        with pytest.raises(ParkedInvoiceChanged):
            decisions.approve(
                session, parked_id=one.parked_id, total_minor=500_000, reason="Seen", principal=boss, now=studio.now
            )
        decisions.approve(
            session, parked_id=one.parked_id, total_minor=500_001, reason="Seen", principal=boss, now=studio.now
        )
        with pytest.raises(ParkedInvoiceDecided):
            decisions.void(session, parked_id=one.parked_id, reason="No", principal=boss, now=studio.now)
        for _ in range(2):
            studio.collect()
        assert [(row.total_minor, row.status) for row in studio.invoices] == [(500_001, "paid")]
        assert (studio.bank.captured, parked(session), sum(studio.balances().values())) == (2, [], 0)
        assert studio.told("commerce.parked_invoice_decided")[0]["outcome"] == "approved"

    def test_holds_up_no_later_period(self, studio: Studio, session: Session) -> None:
        code = studio.plan("Absurd", 500_001)
        member = studio.start(code)
        session.execute(update(Subscription).where(Subscription.id == member.id).values(amount_minor=5000))
        studio.wait(days=31)
        assert [row.total_minor for row in studio.invoices] == [5000]
        assert len(parked(session)) == 1

    def test_that_is_voided_is_owed_by_nobody_and_given_back_to_nobody(self, studio: Studio, session: Session) -> None:
        once = coupons.create(
            session, code="ONCE", worth=Worth(percent_bp=1), duration="once", actor_id=None, now=studio.now
        )
        studio.start(studio.plan("Absurd", 500_101), coupon=once.code)
        assert session.scalar(select(CouponRedemption.months_left)) == 0
        [one] = parked(session)
        with pytest.raises(NeedsLook):
            memberships.pause(
                session, customer_id=studio.customer_id, resumes_on=date(2026, 4, 20), now=studio.now
            )  # fmt: skip
        decisions.void(session, parked_id=one.parked_id, reason="A typo", principal=admin(session), now=studio.now)
        assert session.scalar(select(CouponRedemption.months_left)) == 1, "of the coupon nothing was used"
        studio.collect()
        memberships.pause(session, customer_id=studio.customer_id, resumes_on=date(2026, 4, 20), now=studio.now)
        owed = session.scalars(select(BillingItem.amount_minor).where(*invoicing.WAITS)).all()
        assert (studio.invoices, studio.balances(), sum(owed)) == ([], {}, 0)

    def test_of_days_that_a_fault_charges_again(self, studio: Studio, session: Session) -> None:
        """Somebody's clock, or a hand in the database, puts a membership back to a period that is paid."""
        member = studio.start(studio.plan("Small", 5000))
        studio.collect()
        studio.wait(days=31)
        studio.collect()
        zone = member.time_zone
        begins, ends = (first_moment(day, zone) for day in APRIL)
        session.execute(
            update(Subscription)
            .where(Subscription.id == member.id)
            .values(current_period_start=begins, current_period_end=ends, next_step_at=ends)
        )
        studio.wait(days=0)
        studio.collect()
        assert ([row.total_minor for row in studio.invoices], studio.bank.captured) == ([5000, 5000], 2)
        assert [row.reason for row in parked(session)] == ["charged_twice"]

    def test_that_is_negative_waits_no_more_unseen(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Small", 5000))
        rows = [Item("discount", "A slip", -6000, -958, 1900)]
        invoicing.add_items(
            session, rows, customer_id=studio.customer_id, payer_id=None, currency="EUR", now=studio.now
        )
        studio.wait(days=31)
        [one] = parked(session)
        assert (one.reason, one.total_minor) == ("negative", -1000)
        with pytest.raises(ParkedInvoiceChanged):
            decisions.approve(
                session, parked_id=one.parked_id, total_minor=-1000, reason="x", principal=admin(session),
                now=studio.now,
            )  # fmt: skip

    def test_loses_a_fee_that_is_waived_meanwhile(self, studio: Studio, session: Session) -> None:
        fee = new_id()
        fees.charge(
            session, booking_id=fee, customer_id=studio.customer_id, amount_minor=1500, currency="EUR",
            starts_at=studio.now, now=studio.now,
        )  # fmt: skip
        studio.start(studio.plan("Absurd", 500_001))
        assert [row.total_minor for row in parked(session)] == [501_501]
        fees.let_go(session, booking_id=fee, reason="ill", actor_id=new_id(), now=studio.now)
        assert [row.total_minor for row in parked(session)] == [500_001]

    def test_is_decided_by_nobody_about_themselves(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Absurd", 500_001))
        [one] = parked(session)
        own = Principal("admin", "tests", studio.customer_id)
        with pytest.raises(OwnMoney):
            decisions.void(session, parked_id=one.parked_id, reason="Mine", principal=own, now=studio.now)


class TestCommand:
    def test_that_would_charge_absurdly_changes_nothing(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Small", 5000))
        studio.collect()
        dear, pack = studio.plan("Absurd", 900_000), studio.plan("Gold", 500_001, kind="pack", sessions_included=10)
        with pytest.raises(NeedsLook), session.begin_nested():
            plan_changes.change_plan(
                session, customer_id=studio.customer_id, plan_code=dear, mode=Mode.RESET, now=studio.now
            )
        with pytest.raises(NeedsLook), session.begin_nested():
            sales.sell_pack(
                session, customer_id=studio.customer_id, plan_code=pack, currency="EUR", now=studio.now
            )  # fmt: skip
        assert (len(studio.invoices), session.scalars(select(ParkedInvoice.id)).all()) == (1, [])
        assert studio.member.plan_id == studio.plans["Small"].id


class TestParkedCustomer:
    def post(self, session: Session, customer_id: UUID, source: UUID, minor: int, studio: Studio) -> None:
        """A hand in the ledger: somebody owes what no invoice asks for."""
        journals.post(
            session, kind=f"slip_{minor}", source_type="invoice", source_id=source, customer_id=customer_id,
            currency="EUR", lines=[Line("receivable", minor), Line("bad_debt", -minor)], posted_at=studio.now,
        )  # fmt: skip

    def test_is_charged_no_more_until_released_and_others_are(self, studio: Studio, session: Session) -> None:
        beside = other(studio)
        code = studio.plan("Small", 5000)
        studio.start(code)
        beside.start(code)
        studio.collect()
        self.post(session, studio.customer_id, studio.invoices[0].id, 700, studio)
        studio.wait(days=31)
        studio.collect()
        assert (len(studio.invoices), len(beside.invoices), studio.bank.captured) == (1, 2, 3)
        [one] = decisions.parked_customers(session)
        assert (one.customer_id, one.reason, one.off_minor) == (studio.customer_id, "books", 700)
        assert studio.member.status == "active", "who trains is not who has a fault in their books"
        decisions.release(
            session, customer_id=studio.customer_id, reason="A slip", principal=admin(session), now=studio.now
        )
        studio.wait(days=31)
        studio.collect()
        assert [row.total_minor for row in studio.invoices] == [5000, 10_000], "May with June, on one invoice"
        assert decisions.parked_customers(session) == []
        self.post(session, studio.customer_id, studio.invoices[0].id, -200, studio)
        studio.wait(days=31)
        assert [row.off_minor for row in decisions.parked_customers(session)] == [500]

    def test_is_not_tried_again_meanwhile_and_is_in_nobodys_way(self, studio: Studio, session: Session) -> None:
        beside, code = other(studio), studio.plan("Small", 5000)
        studio.start(code)
        studio.collect("insufficient_funds")
        session.execute(
            update(Customer)
            .where(Customer.id == studio.customer_id)
            .values(parked_at=studio.now, parked_reason="books")
        )
        studio.wait(days=3)
        beside.now = studio.now
        beside.start(code)
        collection.collect_due(session, studio.bank, studio.now, limit=1)
        assert (len(studio.payments), [row.status for row in beside.payments]) == (1, ["captured"])
        payer = Principal("customer", "tests", studio.customer_id)
        with pytest.raises(NeedsLook):
            collection.try_now(session, payer, invoice_id=studio.invoices[0].id, now=studio.now)
        session.execute(update(Customer).values(parked_at=None, parked_reason=None))
        studio.collect()
        assert [row.status for row in studio.payments] == ["failed", "captured"]
