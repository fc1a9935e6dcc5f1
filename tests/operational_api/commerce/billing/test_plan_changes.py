"""A change of plan that costs something holds once it is paid, and not before: every mode, every answer of a bank."""

from datetime import date, timedelta
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from operational_api.commerce.billing.errors import (
    AlreadyOnPlan,
    ChangePending,
    IntervalDiffers,
    InvoiceNotCreditable,
    NotChangeable,
)
from operational_api.commerce.billing.models import BillingItem, PlanChange
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.service import coupons, crediting, invoicing, memberships, plan_changes, pricing
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.models import LedgerLine
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import catalogue, refunds, subscriptions
from tests.operational_api.commerce.billing.conftest import NOON, Desk, Studio


@pytest.fixture
def member(studio: Studio) -> Studio:
    """On Small since 1 April, paid; ten days later."""
    studio.start(studio.plan("Small", 5000))
    studio.plan("Large", 10_000)
    studio.plan("Yearly", 99_000, interval_months=12)
    studio.collect()
    studio.wait(days=10)
    return studio


def change(studio: Studio, plan: str = "Large", mode: Mode | None = None) -> subscriptions.Membership:
    code = studio.plans[plan].code
    return plan_changes.change_plan(
        studio.session, customer_id=studio.customer_id, plan_code=code, mode=mode, now=studio.now
    )


def on(studio: Studio) -> tuple[str, int, str]:
    row = studio.member
    return studio.session.get_one(type(studio.plans["Small"]), row.plan_id).name, row.amount_minor, row.status


def waiting(studio: Studio) -> int:
    query = select(func.coalesce(func.sum(BillingItem.amount_minor), 0)).where(BillingItem.invoice_id.is_(None))
    return int(studio.session.scalar(query) or 0)


class TestTakenBack:
    @pytest.mark.parametrize(("reaches", "later"), [(True, 6000), (False, 5000)])
    def test_a_plan_that_was_to_follow_leaves_the_own_one_at_its_price(
        self, member: Studio, reaches: bool, later: int
    ) -> None:
        """Small costs more since, for who buys it now; members pay that from their next period, or never."""
        member.plan("Tiny", 2000)
        change(member, "Tiny")
        pricing.set_price(
            member.session, plan_code=member.plans["Small"].code, currency="EUR", amount_minor=6000, tax_rate_bp=1900,
            valid_from=member.now, for_members=reaches, actor_id=None, now=member.now,
        )  # fmt: skip
        member.wait(days=1)
        told = plan_changes.preview(
            member.session, customer_id=member.customer_id, plan_code=member.plans["Small"].code, now=member.now
        )
        assert (told.invoice, told.price.amount_minor) == (None, 5000)
        assert change(member, "Small").waits_for is None
        member.wait(days=40)
        assert [one.total_minor for one in member.invoices] == [5000, later]

    def test_a_plan_that_was_to_follow_leaves_the_own_one_also_where_it_is_sold_no_more(self, member: Studio) -> None:
        member.plan("Tiny", 2000)
        change(member, "Tiny")
        catalogue.set_sold(
            member.session, code=member.plans["Small"].code, is_sold=False, actor_id=None, now=member.now
        )
        assert change(member, "Small").subscription.next_price_id is None


class TestPaid:
    @pytest.mark.parametrize(("mode", "total"), [(Mode.INVOICE, 3334), (Mode.RESET, 6667)])
    def test_holds_from_the_day_it_was_asked_for(self, member: Studio, mode: Mode, total: int) -> None:
        assert change(member, mode=mode).waits_for is member.plans["Large"]
        assert on(member) == ("Small", 5000, "active")
        member.collect()
        assert on(member) == ("Large", 10_000, "active")
        assert (member.invoices[-1].status, member.invoices[-1].total_minor) == ("paid", total)
        assert member.member.covered_from == date(2026, 4, 11)
        assert member.history()[-1] == ("plan_changed", 4202, 8403)
        told = member.announced()
        assert (told["commerce.plan_change_requested"], told["commerce.plan_change_decided"]) == (1, 1)

    def test_a_coupon_is_used_up_when_it_holds_and_not_when_it_is_asked_for(self, member: Studio) -> None:
        row = member.member
        coupons.create(
            member.session, code="half", worth=Worth(percent_bp=5000), duration="once", actor_id=None, now=NOON
        )
        used = coupons.redeem(member.session, code="half", subscription=row, now=member.now)
        change(member, mode=Mode.RESET)
        assert (used.months_left, member.invoices[-1].total_minor) == (1, 1667)
        member.collect("card_declined")
        assert used.months_left == 1
        change(member, mode=Mode.RESET)
        member.collect()
        assert used.months_left == 0
        assert member.member.covered_minor == 5000


class TestNotPaid:
    @pytest.mark.parametrize("mode", [Mode.INVOICE, Mode.RESET])
    @pytest.mark.parametrize("failure", ["insufficient_funds", "stolen_card", "authentication_required"])
    def test_leaves_the_old_plan_and_says_so(self, member: Studio, mode: Mode, failure: str) -> None:
        before = (on(member), member.member.current_period_end, member.member.covered_minor)
        change(member, mode=mode)
        member.collect(failure)
        assert (on(member), member.member.current_period_end, member.member.covered_minor) == before
        found = plan_changes.newest(member.session, member.customer_id)
        assert found is not None
        assert (found[0].status, found[0].failure_code, found[1].name) == ("failed", failure, "Large")
        assert (member.invoices[-1].status, member.collections[-1].status) == ("void", "credited")
        assert member.balances() == {
            "stripe_balance": 4950, "payment_fees": 50, "membership_revenue": -4202, "tax_payable": -798,
        }  # fmt: skip
        member.wait(days=25)
        assert member.lines(member.invoices[-1]) == [("membership", 5000, 798)]
        assert len(member.bank.charged) == 2

    def test_a_credit_that_it_had_used_is_worth_no_more_than_what_is_left_of_its_payment(self, member: Studio) -> None:
        """What had paid for those days was given back while nobody knew."""
        member.plan("Tiny", 2000)
        change(member, "Tiny", Mode.PRORATE)
        change(member, "Large", Mode.RESET)
        refunds.refund_payment(
            member.session, cast("PaymentProvider", Desk()), payment_id=member.payments[0].id, amount_minor=None,
            reason="We were closed", now=member.now,
        )  # fmt: skip
        member.collect("card_declined")
        query = select(BillingItem.amount_minor).where(*invoicing.WAITS)
        assert list(member.session.scalars(query)) == [1333], "of Tiny's days"
        assert sum(member.balances().values()) == 0

    def test_what_waited_for_an_invoice_waits_again(self, member: Studio) -> None:
        memberships.pause(member.session, customer_id=member.customer_id, resumes_on=date(2026, 4, 20), now=member.now)
        member.wait(days=9)
        member.collect()  # 50.00 less 33.33 for days that were not used
        change(member, mode=Mode.PRORATE)
        assert waiting(member) == 5000
        member.plan("Larger", 20_000)
        change(member, "Larger")
        assert member.invoices[-1].total_minor == 15_000
        member.collect("insufficient_funds")
        assert waiting(member) == 5000
        assert on(member) == ("Large", 10_000, "active")


class TestUnknown:
    def test_nothing_changes_until_it_is_known(self, member: Studio) -> None:
        change(member)
        member.bank.is_silent = True
        member.collect()
        assert on(member)[0] == "Small"
        for command in (
            lambda: change(member, "Yearly"),
            lambda: memberships.pause(
                member.session, customer_id=member.customer_id, resumes_on=date(2026, 6, 1), now=member.now
            ),
        ):
            with pytest.raises(ChangePending):
                command()
        with pytest.raises(InvoiceNotCreditable, match="under way"):
            crediting.credit_open(
                member.session, invoice_id=member.invoices[-1].id, amount_minor=None, reason="x", actor_id=None,
                now=member.now,
            )  # fmt: skip
        member.now += timedelta(minutes=11)
        member.bank.is_silent = False
        member.collect()
        assert on(member)[0] == "Large"
        assert member.bank.captured == 2

    def test_a_period_that_ended_meanwhile_is_charged_at_the_new_plan(self, member: Studio) -> None:
        change(member)
        member.bank.is_silent = True
        member.collect()
        member.wait(until=date(2026, 5, 2))
        assert len(member.invoices) == 2
        member.bank.is_silent = False
        member.collect()
        member.wait(days=0)
        assert (on(member)[0], member.invoices[-1].total_minor) == ("Large", 10_000)
        assert member.member.current_period_start is not None
        assert member.member.current_period_start.date() == date(2026, 4, 30)

    def test_is_never_written_off_while_the_money_may_have_come(self, member: Studio) -> None:
        member.wait(until=date(2026, 5, 20))
        member.collect("stolen_card")
        member.wait(until=date(2026, 6, 1))
        member.bank.is_silent = True
        member.collect()
        member.wait(days=9)
        member.collect()
        assert [one.status for one in member.invoices] == ["paid", "open", "open"]
        assert member.member.status == "past_due"
        member.bank.is_silent = False
        member.now += timedelta(minutes=11)
        member.collect()
        member.now += timedelta(minutes=11)
        member.collect()
        assert [one.status for one in member.invoices] == ["paid", "uncollectible", "paid"]


class TestAtOnce:
    @pytest.mark.parametrize("mode", [Mode.PRORATE, Mode.NEXT_PERIOD])
    def test_what_costs_nothing_today_waits_for_no_payment(self, member: Studio, mode: Mode) -> None:
        assert change(member, mode=mode).waits_for is None
        assert on(member)[0] == ("Large" if mode is Mode.PRORATE else "Small")
        assert member.all(PlanChange) == []

    def test_nor_does_what_credits_cover(self, member: Studio) -> None:
        member.plan("Tiny", 300)
        assert change(member, "Tiny", Mode.RESET).waits_for is None
        assert (on(member)[0], member.invoices[-1].status, waiting(member)) == ("Tiny", "paid", -3033)

    @pytest.mark.parametrize(("price", "left"), [(5060, 40), (5073, 49), (5074, 50)])
    def test_nor_does_what_is_too_little_for_a_card(self, member: Studio, price: int, left: int) -> None:
        """It waits for the next invoice; a card refuses it for ever, and a membership is not lost over it."""
        member.plan("Dearer", price)
        told = plan_changes.preview(
            member.session, customer_id=member.customer_id, plan_code=member.plans["Dearer"].code, mode=Mode.INVOICE,
            now=member.now,
        )  # fmt: skip
        changed = change(member, "Dearer", Mode.INVOICE)
        if left >= 50:
            assert (told.invoice is not None, told.next_invoice_minor) == (True, 0)
            assert (changed.waits_for is not None, member.invoices[-1].total_minor) == (True, left)
            return
        assert (told.invoice, told.next_invoice_minor) == (None, left)
        assert (changed.waits_for, on(member)[0], waiting(member), len(member.invoices)) == (None, "Dearer", left, 1)
        member.wait(until=date(2026, 5, 1))
        assert (member.invoices[-1].total_minor, waiting(member)) == (price + left, 0)


ANSWERS = [None, None, "insufficient_funds", "stolen_card", "silence"]


class TestAnyOrder:
    @settings(
        max_examples=8, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["Small", "Large", "Yearly"]), st.sampled_from(Mode), st.sampled_from(ANSWERS),
                st.integers(0, 40),
            ),
            min_size=1, max_size=4,
        )
    )  # fmt: skip
    def test_the_plan_is_the_last_one_that_was_paid_or_cost_nothing(
        self, studio: Studio, session: Session, wishes: list[tuple[str, Mode, str | None, int]]
    ) -> None:
        with session.begin_nested() as savepoint:
            member = Studio(session, studio.customer_id)
            for name, amount, months in (("Small", 5000, 1), ("Large", 10_000, 1), ("Yearly", 99_000, 12)):
                member.plan(name, amount, interval_months=months)
            member.start(member.plans["Small"].code)
            member.collect()
            for plan, mode, answer, days in wishes:
                self.wish(member, plan, mode, answer)
                member.wait(days=days)
                member.collect()
            spent = session.scalar(select(func.sum(LedgerLine.amount_minor)).where(LedgerLine.account == "receivable"))
            assert spent == sum(one.total_minor for one in member.invoices if one.status == "open")
            assert sum(journal for journal in member.balances().values()) == 0
            savepoint.rollback()

    def wish(self, member: Studio, plan: str, mode: Mode, answer: str | None) -> None:
        before = on(member)
        try:
            asked = change(member, plan, mode)
        except (AlreadyOnPlan, IntervalDiffers, NotChangeable):
            return
        if asked.waits_for is None:
            return
        assert on(member) == before
        member.bank.is_silent = answer == "silence"
        member.collect(None if answer == "silence" else answer)
        paid = answer is None
        assert on(member)[0] == (plan if paid else before[0])
        if answer == "silence":
            member.bank.is_silent = False
            member.now += timedelta(minutes=11)
            member.collect()
            assert on(member)[0] == plan
