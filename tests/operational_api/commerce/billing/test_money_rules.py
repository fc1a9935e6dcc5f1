"""Coupons, prices, payers, packs that are earned session by session, and what coaches are owed."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import partial
from math import ceil, floor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, select, text, update
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import invoice_desk
from operational_api.commerce.billing.errors import (
    CouponNotForThis,
    CouponNotFound,
    CouponUsed,
    IntroUsed,
    PayerLoop,
    PayPeriodInvalid,
    PeriodClosed,
    PriceInThePast,
)
from operational_api.commerce.billing.models import BillingItem, CouponRedemption
from operational_api.commerce.billing.proration import Mode
from operational_api.commerce.billing.service import (
    coupons,
    earnings,
    fees,
    memberships,
    payers,
    plan_changes,
    pricing,
)
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.errors import WrongCurrency
from operational_api.commerce.models import Customer, SessionPack
from operational_api.commerce.service import customers, packs, refund_lines
from operational_api.core.principal import Principal
from tests.conftest import sqlalchemy_url
from tests.factories import make_pack
from tests.operational_api.commerce.billing.conftest import NOON, Studio

APRIL = {"first_on": date(2026, 4, 1), "last_on": date(2026, 4, 30)}
MAY = datetime(2026, 5, 2, 10, tzinfo=UTC)


def code(session: Session, worth: Worth = Worth(percent_bp=2500), **given: object) -> str:  # noqa: B008 - frozen
    values = {"code": "spring", "duration": "once", "actor_id": None, "now": NOON} | given
    return coupons.create(session, worth=worth, **values).code  # type: ignore[arg-type]


class TestCoupon:
    def test_once_is_for_one_period_and_takes_its_tax_along(self, studio: Studio, session: Session) -> None:
        plan = studio.plan("Small", 10_000)
        studio.start(plan, coupon=code(session).lower())
        studio.wait(until=date(2026, 5, 2))
        assert [studio.lines(one) for one in studio.invoices] == [
            [("membership", 10_000, 1597), ("discount", -2500, -400)], [("membership", 10_000, 1597)],
        ]  # fmt: skip
        assert studio.history() == [("started", 0, 8403)]
        [redeemed] = studio.told("commerce.coupon_redeemed")
        assert redeemed["customer_id"] == str(studio.customer_id)

    def test_what_was_discounted_is_given_back_at_what_it_cost(self, studio: Studio, session: Session) -> None:
        plan = studio.plan("Small", 10_000)
        studio.start(plan, coupon=code(session, duration="months", duration_months=3))
        studio.collect()
        studio.wait(days=15)
        memberships.pause(session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1), now=studio.now)
        studio.wait(until=date(2026, 6, 1))
        assert [amount for _, amount, _ in studio.lines(studio.invoices[-1])] == [10_000, -2500, -3750]

    @pytest.mark.parametrize("mode", [Mode.INVOICE, Mode.PRORATE])
    @pytest.mark.parametrize(("duration", "june"), [("once", 9000), ("forever", 6750)])
    def test_used_in_the_middle_of_a_period_it_is_off_the_next_whole_one(
        self, studio: Studio, session: Session, mode: Mode, duration: str, june: int
    ) -> None:
        """And off nothing before, also where the plan is changed then: once is once, and for ever is from then on."""
        small, large = studio.plan("Small", 3000), studio.plan("Large", 9000)
        studio.start(small)
        studio.collect()
        studio.wait(days=10)
        off = code(session, duration=duration)
        memberships.use_coupon(session, customer_id=studio.customer_id, code=off, now=studio.now)
        studio.wait(days=5)
        whose = studio.customer_id
        told = plan_changes.preview(session, customer_id=whose, plan_code=large, mode=mode, now=studio.now)
        assert (told.invoice.total_minor if told.invoice else told.next_invoice_minor) == 3000
        plan_changes.change_plan(session, customer_id=whose, plan_code=large, mode=mode, now=studio.now)
        studio.collect()
        studio.wait(until=date(2026, 5, 2))
        studio.collect()
        studio.wait(until=date(2026, 6, 2))
        assert sum(one.total_minor for one in studio.invoices) == 3000 + 3000 + 6750 + june

    @pytest.mark.parametrize(("begun_by", "charged"), [("this", [4500, -1125, -1125]), ("older", [4500, -1125, -1500])])
    def test_for_ever_it_is_off_days_of_a_period_that_began_with_it(
        self, studio: Studio, session: Session, begun_by: str, charged: list[int]
    ) -> None:
        """Of one that an older version noted it is off all days, as it was."""
        small, large = studio.plan("Small", 3000), studio.plan("Large", 9000)
        off = code(session, duration="forever")
        if begun_by == "this":
            studio.start(small, coupon=off)
            studio.collect()
        else:
            studio.start(small)
            studio.collect()
            memberships.use_coupon(session, customer_id=studio.customer_id, code=off, now=studio.now)
            session.execute(update(CouponRedemption).values(covers_until=None))
        studio.wait(days=15)
        plan_changes.change_plan(session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        assert [amount for _, amount, _ in studio.lines(studio.invoices[-1])] == charged

    def test_the_line_of_days_is_given_back_at_what_it_cost(self, studio: Studio, session: Session) -> None:
        """And not with the fee beside it."""
        plan = studio.plan("Small", 10_000)
        for _ in range(2):
            fees.charge(
                session, booking_id=new_id(), customer_id=studio.customer_id, amount_minor=1500, currency="EUR",
                starts_at=NOON, now=NOON,
            )  # fmt: skip
        studio.start(plan, coupon=code(session))
        finance = Principal("finance", "tests", new_id())
        [invoice] = studio.invoices
        position = 1 + [kind for kind, _, _ in studio.lines(invoice)].index("membership")

        def told(asked: invoice_desk.Asked | None = None) -> tuple[list[int], int]:
            seen = invoice_desk.invoice_seen(session, finance, invoice.id, asked=asked, now=NOON)
            return [one.amount_minor for one in seen.parts], seen.credit.amount_minor if seen.credit else 0

        line = invoice_desk.Asked(position=position)
        assert told(line) == ([7500, 1500, 1500], 7500)
        studio.collect()
        assert told(line) == ([7500, 1500, 1500], 7500)
        [paid] = studio.payments
        found = refund_lines.to_give_back(session, paid, position=position, seen_minor=7500)
        assert found.amount_minor == 7500

    @pytest.mark.parametrize("is_fee", [False, True])
    def test_the_line_of_days_that_was_credited_while_it_was_open_is_not_given_back_out_of_what_a_fee_paid(
        self, studio: Studio, session: Session, is_fee: bool
    ) -> None:
        """A fee that was waived, and cost more than what is left of a line, is not in its way."""
        days, fee, booking = (1000, 1500, new_id()) if is_fee else (5000, 1500, new_id())
        fees.charge(
            session, booking_id=booking, customer_id=studio.customer_id, amount_minor=fee, currency="EUR",
            starts_at=NOON, now=NOON,
        )  # fmt: skip
        studio.start(studio.plan("Small", days))
        finance = Principal("finance", "tests", new_id())
        [invoice] = studio.invoices
        line = invoice_desk.Asked(
            position=1 + [kind for kind, _, _ in studio.lines(invoice)].index("membership"), amount_minor=days
        )
        if is_fee:
            fees.let_go(session, booking_id=booking, reason="ill", actor_id=new_id(), now=studio.now)
        else:
            invoice_desk.credit_invoice(session, finance, invoice.id, asked=line, reason="ill", now=studio.now)
        studio.collect()
        seen = invoice_desk.invoice_seen(session, finance, invoice.id, asked=None, now=studio.now)
        assert [(one.position == line.position, one.amount_minor) for one in seen.parts] == (
            [(True, 1000)] if is_fee else [(False, 1500)]
        )

    def test_an_amount_is_taken_off_days_as_off_a_whole_period(self, studio: Studio, session: Session) -> None:
        small, large = studio.plan("Small", 4000), studio.plan("Large", 7000)
        off = code(session, Worth(amount_minor=1000, currency="EUR"), duration="forever")
        studio.start(small, coupon=off)
        studio.collect()
        studio.wait(days=15)
        plan_changes.change_plan(session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        # Half a month of 70 less 10, for half a month of 40 less 10 given back: nobody gets the 10 twice.
        assert [amount for _, amount, _ in studio.lines(studio.invoices[-1])] == [3500, -500, -1500]

    @pytest.mark.parametrize(("days", "mode", "left"), [
        (0, Mode.INVOICE, 2), (0, Mode.PRORATE, 2), (0, Mode.RESET, 2), (9, Mode.INVOICE, 2), (9, Mode.RESET, 1),
    ])  # fmt: skip
    def test_a_period_counts_once_however_often_it_is_charged(
        self, studio: Studio, session: Session, days: int, mode: Mode, left: int
    ) -> None:
        small, large = studio.plan("Small", 4000), studio.plan("Large", 7000)
        studio.start(small, coupon=code(session, duration="months", duration_months=3))
        studio.collect()
        studio.wait(days=days)
        plan_changes.change_plan(session, customer_id=studio.customer_id, plan_code=large, mode=mode, now=studio.now)
        studio.collect()
        assert session.scalar(select(CouponRedemption.months_left)) == left
        if days == 0 and mode is not Mode.PRORATE:
            assert sum(one.total_minor for one in studio.invoices) == 7000 * 3 // 4

    def test_an_unused_first_day_takes_nothing_of_it(self, studio: Studio, session: Session) -> None:
        """A pause that begins with the period gives all of it back, and what it took of the coupon."""
        studio.start(studio.plan("Small", 10_000), coupon=code(session))
        studio.collect()
        memberships.pause(session, customer_id=studio.customer_id, resumes_on=date(2026, 4, 10), now=studio.now)
        studio.wait(until=date(2026, 5, 11))
        assert [studio.lines(one) for one in studio.invoices][1:] == [
            [("membership", 10_000, 1597), ("discount", -2500, -400), ("unused", -7500, -1197)],
            [("membership", 10_000, 1597)],
        ]  # fmt: skip

    def test_after_a_trial_in_which_the_plan_was_changed_it_is_of_the_new_plan(
        self, studio: Studio, session: Session
    ) -> None:
        studio.plan("Yearly", 90_000, interval_months=12)
        studio.start(studio.plan("Small", 10_000, trial_days=7), coupon=code(session))
        plan_changes.change_plan(
            session, customer_id=studio.customer_id, plan_code=studio.plans["Yearly"].code, now=studio.now
        )
        studio.wait(days=8)
        assert [studio.lines(one)[:2] for one in studio.invoices] == [
            [("membership", 90_000, 14_370), ("discount", -22_500, -3593)]
        ]

    @settings(
        max_examples=12, deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(
        st.sampled_from([1, 2, 3, 14]), st.integers(0, 2), st.sampled_from([0, 0, 1, 9, 29]),
        st.sampled_from([Mode.RESET, Mode.NEXT_PERIOD]),
    )  # fmt: skip
    def test_a_month_that_becomes_a_year_is_as_the_words_say(
        self, studio: Studio, session: Session, months: int, before: int, day: int, mode: Mode
    ) -> None:
        """The words: a coupon holds for so many months, and a period that begins while one is left is cheaper by it, to
        its end; a period of which no day is used took none of them. What is given back is what was paid."""
        with session.begin_nested() as savepoint:
            member = Studio(session, studio.customer_id)
            member.plan("Yearly", 90_000, interval_months=12)
            member.start(member.plan("Small", 10_000), coupon=code(session, duration="months", duration_months=months))
            member.collect()
            for number in range(before):
                member.wait(until=date(2026, 5 + number, 1))
                member.collect()
            member.wait(days=day)
            plan_changes.change_plan(
                session, customer_id=member.customer_id, plan_code=member.plans["Yearly"].code, mode=mode,
                now=member.now,
            )  # fmt: skip
            member.collect()
            if mode is Mode.NEXT_PERIOD:
                member.wait(until=date(2026, 5 + before, 1))
                member.collect()
            begun_before = before + 1 if day or mode is Mode.NEXT_PERIOD else before
            is_cheaper = months > begun_before
            lines = [
                amount for kind, amount, _ in member.lines(member.invoices[-1]) if kind in ("membership", "discount")
            ]
            assert lines == ([90_000, -22_500] if is_cheaper else [90_000])
            left = session.scalar(select(CouponRedemption.months_left))
            assert left == max(0, months - begun_before - (12 if is_cheaper else 0))
            savepoint.rollback()

    def test_an_amount_is_of_one_currency(self, studio: Studio, session: Session) -> None:
        plan = studio.plan("Small", 10_000)
        dollars = code(session, Worth(amount_minor=500, currency="USD"))
        with pytest.raises(CouponNotForThis):
            studio.start(plan, coupon=dollars)

    def test_only_as_often_and_as_long_as_it_says(self, studio: Studio, session: Session) -> None:
        plan = studio.plan("Small", 10_000)
        code(session, max_redemptions=1)
        code(session, code="old", expires_at=NOON)
        studio.start(plan, coupon="SPRING")
        row = studio.member
        with pytest.raises(CouponUsed):
            coupons.redeem(session, code="SPRING", subscription=row, now=studio.now)
        row.customer_id = new_id()
        with session.no_autoflush:
            for given in ("SPRING", "OLD", "NEVER"):
                with pytest.raises(CouponNotFound):
                    coupons.redeem(session, code=given, subscription=row, now=studio.now)


class TestPrice:
    def test_has_a_history_and_reaches_members_at_their_next_period(self, studio: Studio, session: Session) -> None:
        plan = studio.plan("Small", 5000)
        studio.start(plan)
        change = partial(
            pricing.set_price,
            session,
            plan_code=plan,
            currency="EUR",
            tax_rate_bp=1900,
            for_members=True,
            actor_id=None,
        )  # fmt: skip
        change(amount_minor=6000, valid_from=datetime(2026, 5, 15, tzinfo=UTC), now=studio.now)
        with pytest.raises(PriceInThePast):
            change(amount_minor=1, valid_from=studio.now, now=MAY)
        studio.wait(until=date(2026, 6, 2))
        assert [one.total_minor for one in studio.invoices] == [5000, 5000, 6000]
        assert [one.amount_minor for one in pricing.history(session, plan_code=plan)] == [6000, 5000]
        assert studio.history() == [("started", 0, 4202), ("price_changed", 4202, 5042)]

    def test_of_a_pause_that_ends_early_the_price_of_that_day_is_paid(self, studio: Studio, session: Session) -> None:
        """A new one begins in June, before the pause was to end; it ends in May."""
        plan = studio.plan("Small", 10_000)
        studio.start(plan)
        studio.collect()
        memberships.pause(session, customer_id=studio.customer_id, resumes_on=date(2026, 7, 1), now=NOON)
        pricing.set_price(
            session, plan_code=plan, currency="EUR", amount_minor=15_000, tax_rate_bp=1900,
            valid_from=datetime(2026, 6, 1, tzinfo=UTC), for_members=True, actor_id=None, now=NOON,
        )  # fmt: skip
        studio.wait(until=date(2026, 5, 10))
        memberships.resume(session, customer_id=studio.customer_id, now=studio.now)
        studio.wait(until=date(2026, 6, 10))
        assert [studio.lines(one)[0][1] for one in studio.invoices] == [10_000, 10_000, 15_000]

    @pytest.mark.parametrize("starts_late", [False, True])
    def test_of_prices_that_follow_each_other_members_pay_each_in_its_time(
        self, studio: Studio, session: Session, starts_late: bool
    ) -> None:
        plan = studio.plan("Small", 5000)
        change = partial(
            pricing.set_price, session, plan_code=plan, currency="EUR", tax_rate_bp=1900, actor_id=None, now=NOON
        )
        if not starts_late:
            studio.start(plan)
        for amount, month, reaches in ((6000, 5, True), (7000, 7, True), (9900, 9, False)):
            change(amount_minor=amount, valid_from=datetime(2026, month, 15, tzinfo=UTC), for_members=reaches)
        if starts_late:
            studio.start(plan)
        for month in range(5, 12):
            studio.wait(until=date(2026, month, 2))
        totals = [one.total_minor for one in studio.invoices]
        assert totals == [5000, 5000, 6000, 6000, 7000, 7000, 7000, 7000]

    def test_of_prices_that_followed_each_other_within_a_year_the_last_is_paid(
        self, studio: Studio, session: Session
    ) -> None:
        plan = studio.plan("Yearly", 50_000, interval_months=12)
        studio.start(plan)
        for amount, month in ((60_000, 5), (70_000, 7)):
            pricing.set_price(
                session, plan_code=plan, currency="EUR", tax_rate_bp=1900, actor_id=None, now=NOON, amount_minor=amount,
                valid_from=datetime(2026, month, 15, tzinfo=UTC), for_members=True,
            )  # fmt: skip
        studio.wait(until=date(2027, 4, 2))
        assert [one.total_minor for one in studio.invoices] == [50_000, 70_000]


class TestPayer:
    def test_another_account_is_invoiced_and_charged(self, studio: Studio, session: Session) -> None:
        parent = Customer(id=new_id(), currency="EUR", stripe_customer_id="cus_parent")
        session.add(parent)
        session.flush()
        payers.set_payer(session, customer_id=studio.customer_id, payer_id=parent.id, actor_id=None, now=NOON)
        studio.start(studio.plan("Small", 5000))
        assert studio.invoices[0].payer_id == parent.id
        assert studio.collections[0].payer_id == parent.id
        with pytest.raises(PayerLoop):
            payers.set_payer(session, customer_id=parent.id, payer_id=studio.customer_id, actor_id=None, now=NOON)

    def test_pays_in_the_currency_of_whom_they_pay_for(self, studio: Studio, session: Session) -> None:
        """Also where none of both has bought anything yet."""
        parent, child = Customer(id=new_id(), currency="EUR"), session.get_one(Customer, studio.customer_id)
        session.add(parent)
        session.flush()
        payers.set_payer(session, customer_id=child.id, payer_id=parent.id, actor_id=None, now=NOON)
        for one in (child, parent):
            with pytest.raises(WrongCurrency):
                customers.settle_currency(session, one, "USD")
        payers.set_payer(session, customer_id=child.id, payer_id=None, actor_id=None, now=NOON)
        assert [customers.settle_currency(session, one, "USD") for one in (child, parent)] == ["USD", "USD"]


def pack_of(session: Session, studio: Studio, *, sessions: int = 3, net: int = 10_000) -> SessionPack:
    return make_pack(
        session, customer_id=studio.customer_id, sessions_total=sessions, net_minor=net, currency="EUR", now=NOON
    )


def hold(session: Session, studio: Studio, coach: object, *, pack: SessionPack | None = None, day: int = 10) -> None:
    earnings.deliver(
        session, booking_id=new_id(), coach_id=coach, customer_id=studio.customer_id,  # type: ignore[arg-type]
        session_pack_id=pack.id if pack else None, has_attended=True,
        delivered_at=datetime(2026, 4, day, 9, tzinfo=UTC), now=NOON,
    )  # fmt: skip


class TestPackRevenue:
    def test_is_earned_by_the_session_to_the_cent(self, studio: Studio, session: Session) -> None:
        pack = pack_of(session, studio)
        for _ in range(4):
            hold(session, studio, new_id(), pack=pack)
        assert pack.recognised_minor == 10_000
        assert studio.balances() == {"deferred_packs": 10_000, "pack_revenue": -10_000}

    def test_one_session_counts_once(self, studio: Studio, session: Session) -> None:
        pack, booking = pack_of(session, studio), new_id()
        said = [
            earnings.deliver(
                session, booking_id=booking, coach_id=new_id(), customer_id=studio.customer_id,
                session_pack_id=pack.id, has_attended=came, delivered_at=NOON, now=NOON,
            )
            for came in (False, True)
        ]  # fmt: skip
        assert (said, pack.recognised_minor) == ([True, False], 3334)
        [delivered] = studio.told("commerce.session_delivered")
        assert (delivered["booking_id"], delivered["revenue_minor"]) == (str(booking), 3334)

    def test_what_runs_out_is_earned_after_a_while(self, studio: Studio, session: Session) -> None:
        pack = pack_of(session, studio)
        hold(session, studio, new_id(), pack=pack)
        assert earnings.earn_expired(session, pack.expires_at) == 0
        assert earnings.earn_expired(session, pack.expires_at + timedelta(days=60)) == 1
        assert pack.recognised_minor == 10_000

    def test_an_introduction_is_for_who_is_new(self, studio: Studio, session: Session) -> None:
        packs.require_new(session, studio.customer_id)
        pack_of(session, studio)
        with pytest.raises(IntroUsed):
            packs.require_new(session, studio.customer_id)


class TestCommission:
    def test_rates_hold_from_their_day_and_shares_are_rounded_once(self, studio: Studio, session: Session) -> None:
        coach, pack = new_id(), pack_of(session, studio)
        for share, per, since in ((3333, 2000, date(2026, 1, 1)), (5000, 2500, date(2026, 4, 15))):
            earnings.set_rate(
                session, coach_id=coach, currency="EUR", per_session_minor=per, pack_share_bp=share,
                valid_from=since, actor_id=None, now=NOON,
            )  # fmt: skip
        hold(session, studio, coach, pack=pack, day=10)
        hold(session, studio, coach, pack=pack, day=14)
        hold(session, studio, coach, day=20)
        [owed] = earnings.earned(session, last_on=APRIL["last_on"])
        # 33.34 + 33.33 of the pack at 33.33 %: 22.22; sessions 20.00 + 20.00 + 25.00
        assert (owed.sessions, owed.pack_pay_minor, owed.session_pay_minor) == (3, 2222, 6500)

    def test_a_closed_period_is_owed_once_and_what_comes_late_is_in_the_next(
        self, studio: Studio, session: Session
    ) -> None:
        coach = new_id()
        earnings.set_rate(
            session, coach_id=coach, currency="EUR", per_session_minor=2000, pack_share_bp=0,
            valid_from=date(2026, 1, 1), actor_id=None, now=NOON,
        )  # fmt: skip
        hold(session, studio, coach)
        with pytest.raises(PayPeriodInvalid):
            earnings.close(session, **APRIL, actor_id=None, now=NOON)
        [made] = earnings.close(session, **APRIL, actor_id=None, now=MAY)
        assert (made.sessions, made.total_minor) == (1, 2000)
        assert studio.balances() == {"commission_expense": 2000, "commission_payable": -2000}
        with pytest.raises(PeriodClosed):
            earnings.close(session, **APRIL, actor_id=None, now=MAY)
        hold(session, studio, coach, day=30)
        assert [one.sessions for one in earnings.earned(session, last_on=date(2026, 5, 31))] == [1]

    def test_what_was_held_before_any_rate_waits_for_one(self, studio: Studio, session: Session) -> None:
        coach, other = new_id(), new_id()
        rate = partial(
            earnings.set_rate, session, coach_id=coach, currency="EUR", pack_share_bp=0, actor_id=None, now=MAY
        )
        rate(per_session_minor=2000, valid_from=date(2026, 4, 15))
        for day in (10, 20):
            hold(session, studio, coach, day=day)
        hold(session, studio, other)
        [made] = earnings.close(session, **APRIL, actor_id=None, now=MAY)
        assert (made.coach_id, made.sessions, made.total_minor) == (coach, 1, 2000)
        left = {one.coach_id: one.sessions_without_rate for one in earnings.earned(session, last_on=APRIL["last_on"])}
        assert left == {coach: 1, other: 1}
        for closed in (date(2026, 4, 16), date(2026, 4, 20)):
            with pytest.raises(PeriodClosed):
                rate(per_session_minor=9000, valid_from=closed)
        rate(per_session_minor=1500, valid_from=date(2026, 4, 1))
        owed = next(one for one in earnings.earned(session, last_on=date(2026, 5, 31)) if one.coach_id == coach)
        assert (owed.sessions, owed.sessions_without_rate, owed.total_minor) == (1, 0, 1500)


@pytest.mark.parametrize("does", ["closes", "sets a rate"])
def test_of_two_who_close_a_pay_period_at_once_one_does(fresh_database: Callable[[], str], does: str) -> None:
    """Real transactions: the second waits for the first and finds the period closed, be it another or a rate in it."""
    engine = create_engine(sqlalchemy_url(fresh_database()))
    with Session(engine) as session, session.begin():
        coach = new_id()
        earnings.set_rate(
            session, coach_id=coach, currency="EUR", per_session_minor=2000, pack_share_bp=0,
            valid_from=date(2026, 1, 1), actor_id=None, now=NOON,
        )  # fmt: skip
        for day in (10, 20):
            earnings.deliver(
                session, booking_id=new_id(), coach_id=coach, customer_id=new_id(), session_pack_id=None,
                has_attended=True, delivered_at=datetime(2026, 4, day, 9, tzinfo=UTC), now=NOON,
            )  # fmt: skip

    def close(first: int, last: int, session: Session) -> None:
        span = {"first_on": date(2026, 4, first), "last_on": date(2026, 4, last)}
        earnings.close(session, **span, actor_id=None, now=MAY)

    def second() -> str:
        with Session(engine) as session, session.begin():
            try:
                if does == "closes":
                    close(5, 30, session)
                else:
                    earnings.set_rate(
                        session, coach_id=coach, currency="EUR", per_session_minor=9000, pack_share_bp=0,
                        valid_from=date(2026, 4, 8), actor_id=None, now=NOON,
                    )  # fmt: skip
            except PeriodClosed:
                return "refused"
            return "closed"

    with ThreadPoolExecutor(1) as pool, Session(engine) as first:
        close(1, 15, first)
        waits = pool.submit(second)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
            while not looking.scalar(text("select exists (select from pg_locks where not granted)")):
                assert not waits.done(), waits.result()
        first.commit()
        assert waits.result() == "refused"
    engine.dispose()


class TestCouponOfMonths:
    """Against what a coupon of n months says: its part off each day of the first n periods, whatever is changed in
    them, and off none afterwards."""

    @pytest.mark.parametrize("seed", range(16))
    def test_is_off_every_day_of_its_months_and_no_other(self, studio: Studio, session: Session, seed: int) -> None:
        rng = random.Random(seed)
        prices = {studio.plan(name, amount): amount for name, amount in (("A", 5000), ("B", 7900), ("C", 12_345))}
        months = rng.randint(1, 3)
        worth = Worth(percent_bp=rng.choice([1000, 3333, 10_000]))
        if seed % 2:
            worth = Worth(amount_minor=rng.choice([700, 4999, 6000]), currency="EUR")
        off = code(session, worth, duration="months", duration_months=months)
        plan = rng.choice(sorted(prices))
        studio.start(plan, coupon=off)
        expected = Counter[date]()
        for nth in range(4):
            begins, ends = date(2026, 4 + nth, 1), date(2026, 5 + nth, 1)
            days, since, covered = (ends - begins).days, begins, nth < months
            paid = prices[plan] - (taken(worth, prices[plan], Fraction(1)) if covered else 0)
            expected[begins] += paid
            for day in sorted(rng.sample(range(1, days + 1), rng.randint(0, 3))):
                on = begins.replace(day=day)
                studio.wait(until=on)
                if (other := rng.choice(sorted(prices))) == plan:
                    continue
                plan_changes.change_plan(
                    session, customer_id=studio.customer_id, plan_code=other, mode=Mode.PRORATE, now=studio.now
                )
                left, plan = (ends - on).days, other
                price = ceil(Fraction(prices[plan] * left, days) - Fraction(1, 2))
                price -= taken(worth, price, Fraction(left, days)) if covered else 0
                expected[on] += price - ceil(Fraction(paid * left, (ends - since).days) - Fraction(1, 2))
                since, paid = on, price
            studio.wait(until=ends)
        expected[date(2026, 8, 1)] += prices[plan]
        found = Counter[date]()
        for row in studio.all(BillingItem):
            found[row.starts_on] += row.amount_minor
        assert found == expected


def taken(worth: Worth, price: int, part: Fraction) -> int:
    """What comes off a price: a share, half a cent rounded up; or so much of an amount as falls on these days."""
    if worth.percent_bp:
        return floor(Fraction(price * worth.percent_bp, 10_000) + Fraction(1, 2))
    return min(price, ceil((worth.amount_minor or 0) * part - Fraction(1, 2)))
