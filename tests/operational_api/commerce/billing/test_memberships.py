"""Memberships that we bill, on a real database: what is stored, told and posted, and when."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from contracts.events.identity import AccountClosed
from contracts.ids import new_id
from operational_api.commerce import handlers, invoice_desk, retelling
from operational_api.commerce.billing.errors import BilledElsewhere, NotPausable
from operational_api.commerce.billing.proration import Item, Mode
from operational_api.commerce.billing.service import (
    coupons,
    crediting,
    fees,
    invoicing,
    memberships,
    payers,
    plan_changes,
)
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.errors import AlreadySubscribed
from operational_api.commerce.models import Customer, Subscription
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.providers.stripe import StripeProvider
from operational_api.commerce.service import approvals, refunds
from operational_api.commerce.settings import StripeSettings
from operational_api.core.principal import Principal
from operational_api.identity.models import Account
from tests.factories import make_account, make_customer, make_subscription
from tests.operational_api.commerce.billing.conftest import NOON, Desk, Family, Studio
from tests.operational_api.conftest import SignIn

NO_PROVIDER = StripeProvider(StripeSettings())
"""Nobody is asked: what is billed here is ended here."""


class TestBegunByTheApi:
    def test_is_for_whom_somebody_pays_by_a_card_that_worked(self, studio: Studio, sign_in: SignIn) -> None:
        """Who never paid would train until collecting it is given up, and so again."""
        session, code = studio.session, studio.plan("Small", 5000)
        account = session.get_one(Account, studio.customer_id)
        boss = make_account(session)
        session.add(Customer(id=boss.id, currency="EUR"))
        session.flush()
        customer = sign_in(account)

        def begin() -> tuple[int, str | None]:
            answer = customer.post("/api/commerce/memberships", json={"plan_code": code})
            return answer.status_code, answer.json().get("code")

        def end() -> None:
            memberships.cancel(
                session, NO_PROVIDER, customer_id=account.id, reason="moving", at_once=True, now=studio.now
            )  # fmt: skip

        assert begin() == (409, "commerce.not_paid_before")
        assert studio.all(Subscription) == []
        studio.start(code)
        studio.collect()
        end()
        payers.set_payer(session, customer_id=account.id, payer_id=boss.id, actor_id=None, now=studio.now)
        assert begin()[0] == 409, "the boss never paid"
        payers.set_payer(session, customer_id=account.id, payer_id=None, actor_id=None, now=studio.now)
        assert begin()[0] == 201
        studio.now = datetime.now(UTC) + timedelta(days=1)
        end()
        studio.start(code)
        studio.collect("card_declined", "card_declined")
        end()
        assert begin()[0] == 409, "the newest attempt failed"


class TestStart:
    def test_invoices_and_collects_the_first_month(self, studio: Studio) -> None:
        row = studio.start(studio.plan("Small", 5000))
        [invoice] = studio.invoices
        assert (invoice.status, invoice.total_minor, invoice.tax_minor) == ("open", 5000, 798)
        assert studio.lines(invoice) == [("membership", 5000, 798)]
        studio.collect()
        assert studio.invoices[0].status == "paid"
        assert row.status == "active"
        assert studio.balances() == {
            "stripe_balance": 4950, "payment_fees": 50, "membership_revenue": -4202, "tax_payable": -798,
        }  # fmt: skip
        assert studio.history() == [("started", 0, 4202)]
        assert studio.announced()["commerce.invoice_issued"] == 1

    def test_days_are_the_customers(self, studio: Studio) -> None:
        studio.now = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)  # already the 29th in Berlin, when clocks change
        row = studio.start(studio.plan("Small", 5000))
        assert row.current_period_start == datetime(2026, 3, 28, 23, tzinfo=UTC)
        assert row.current_period_end == datetime(2026, 4, 28, 22, tzinfo=UTC)

    def test_one_at_a_time(self, studio: Studio) -> None:
        code = studio.plan("Small", 5000)
        studio.start(code)
        with pytest.raises(AlreadySubscribed):
            studio.start(code)

    def test_a_trial_is_free_and_given_once(self, studio: Studio, session: Session) -> None:
        code = studio.plan("Small", 5000, trial_days=14)
        studio.start(code)
        assert studio.invoices == []
        studio.wait(days=14)
        assert studio.member.status == "active"
        assert len(studio.invoices) == 1
        memberships.cancel(
            session,
            NO_PROVIDER,
            customer_id=studio.customer_id,
            reason="x",
            at_once=True,
            now=studio.now,
        )
        assert studio.start(code).status == "active"
        assert [kind for kind, *_ in studio.history()] == ["trial_started", "started", "ended", "started"]


class TestTime:
    def test_one_that_goes_wrong_leaves_the_others_alone(self, studio: Studio, session: Session) -> None:
        broken = Studio(session, make_customer(session, currency="EUR").id)
        broken.start(broken.plan("Any", 4900))
        session.execute(
            text("update commerce.subscriptions set time_zone = 'Nowhere/Else' where id = :id"),
            {"id": broken.member.id},
        )
        studio.start(studio.plan("Small", 5000))
        studio.wait(days=40)
        assert (len(studio.invoices), len(broken.invoices)) == (2, 1)

    def test_the_end_of_january_comes_back_in_march(self, studio: Studio) -> None:
        studio.now = datetime(2026, 1, 31, 10, tzinfo=UTC)
        studio.start(studio.plan("Small", 5000))
        studio.wait(until=date(2026, 4, 2))  # the worker slept for two months
        berlin = [(1, 30, 23), (2, 27, 23), (3, 30, 22)]
        assert [one.period_start for one in studio.invoices] == [datetime(2026, *one, tzinfo=UTC) for one in berlin]

    def test_a_pause_ends_by_itself(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Small", 5000))
        studio.collect()
        studio.wait(days=10)
        memberships.pause(session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 15), now=studio.now)
        assert studio.member.status == "paused"
        studio.wait(until=date(2026, 6, 14))
        assert studio.member.status == "paused"
        studio.wait(days=1)
        assert studio.member.status == "active"
        assert studio.lines(studio.invoices[-1]) == [("membership", 5000, 798), ("unused", -3333, -532)]
        assert [kind for kind, *_ in studio.history()] == ["started", "paused", "resumed"]

    def test_is_not_paused_before_it_is_paid(self, studio: Studio, session: Session) -> None:
        """Who never pays would have a credit of a month that they never had."""
        studio.start(studio.plan("Small", 5000))
        pause = partial(memberships.pause, session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 15))
        with pytest.raises(NotPausable, match="still being paid"):
            pause(now=studio.now)
        studio.bank.is_silent = True
        studio.collect()
        with pytest.raises(NotPausable, match="still being paid"):
            pause(now=studio.now)
        studio.bank.is_silent = False
        studio.now += timedelta(minutes=10)
        studio.collect()
        assert pause(now=studio.now).subscription.status == "paused"

    def test_cancelled_at_the_periods_end(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Small", 5000))
        memberships.cancel(session, NO_PROVIDER, customer_id=studio.customer_id, reason="x", now=studio.now)
        assert studio.member.cancel_at == datetime(2026, 4, 30, 22, tzinfo=UTC)
        studio.wait(until=date(2026, 5, 2))
        assert (studio.member.status, studio.member.cancel_kind) == ("cancelled", "voluntary")
        assert studio.member.ended_at == datetime(2026, 4, 30, 22, tzinfo=UTC)
        assert len(studio.invoices) == 1


class TestLeaving:
    def close(self, session: Session, account_id: UUID) -> None:
        handlers.on_account_closed(session, AccountClosed(occurred_at=NOON, account_id=account_id), NO_PROVIDER)

    def test_whoever_closes_their_account_is_billed_no_more(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Small", 5000))
        studio.collect()
        for _ in range(2):  # told twice
            self.close(session, studio.customer_id)
        assert (studio.member.status, studio.member.cancel_reason) == ("cancelled", "account_closed")
        studio.wait(days=90)
        assert len(studio.invoices) == 1

    def test_one_brought_over_that_nobody_bills_ends_too(self, studio: Studio, session: Session) -> None:
        make_subscription(session, customer_id=studio.customer_id, now=NOON)
        self.close(session, studio.customer_id)
        assert studio.member.status == "cancelled"

    def test_a_payer_who_leaves_pays_for_nobody_else(self, studio: Studio, session: Session) -> None:
        parent = make_customer(session)
        payers.set_payer(session, customer_id=studio.customer_id, payer_id=parent.id, actor_id=None, now=NOON)
        studio.start(studio.plan("Small", 5000))
        self.close(session, parent.id)
        assert session.get_one(Customer, studio.customer_id).payer_id is None
        studio.wait(days=31)
        assert [one.payer_id for one in studio.invoices] == [parent.id, None]
        assert [one.payer_id for one in studio.collections] == [studio.customer_id] * 2, "theirs, if they ask for it"
        assert studio.member.status == "past_due", "nobody has paid the first month"


class TestChangePlan:
    def test_up_now_and_down_later(self, studio: Studio, session: Session) -> None:
        small, large = studio.plan("Small", 5000), studio.plan("Large", 10_000)
        studio.start(small)
        studio.collect()
        studio.wait(days=10)
        seen = plan_changes.preview(session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        assert seen.invoice is not None
        assert (seen.mode, seen.invoice.total_minor) == (Mode.INVOICE, 3334)
        plan_changes.change_plan(session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        assert studio.invoices[-1].total_minor == 3334
        studio.collect()
        plan_changes.change_plan(session, customer_id=studio.customer_id, plan_code=small, now=studio.now)
        assert studio.member.amount_minor == 10_000
        studio.wait(until=date(2026, 5, 1))
        assert (studio.member.amount_minor, studio.invoices[-1].total_minor) == (5000, 5000)
        assert studio.history() == [
            ("started", 0, 4202), ("plan_changed", 4202, 8403), ("plan_changed", 8403, 4202),
        ]  # fmt: skip

    def test_prorate_is_on_the_next_invoice(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Small", 5000))
        large = studio.plan("Large", 10_000)
        studio.wait(days=10)
        plan_changes.change_plan(
            session, customer_id=studio.customer_id, plan_code=large, mode=Mode.PRORATE, now=studio.now
        )
        assert len(studio.invoices) == 1
        studio.wait(until=date(2026, 5, 1))
        assert studio.lines(studio.invoices[-1]) == [
            ("membership", 6667, 1064), ("membership", 10_000, 1597), ("unused", -3333, -532),
        ]  # fmt: skip

    def test_one_brought_over_is_taken_over_with_its_paid_days(self, studio: Studio, session: Session) -> None:
        row = make_subscription(session, customer_id=studio.customer_id, now=studio.now)
        row.current_period_start, row.current_period_end = studio.now - timedelta(days=10), studio.now
        large = studio.plan("Large", 20_000)
        plan_changes.change_plan(session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        studio.collect()
        assert (row.billed_by, row.anchor_on) == ("plyo", date(2026, 3, 22))
        # 21 of 31 days from 22 March: 99.00 -> 67.06 back, 200.00 -> 135.48
        assert [amount for _, amount, _ in studio.lines(studio.invoices[0])] == [13_548, -6706]

    @pytest.mark.parametrize(
        ("begun", "ends", "then"),
        [
            (date(2026, 2, 28), date(2026, 3, 31), [date(2026, 4, 30), date(2026, 5, 31)]),
            (date(2026, 2, 28), date(2026, 3, 28), [date(2026, 4, 28), date(2026, 5, 28)]),
            (date(2026, 1, 31), date(2026, 2, 28), [date(2026, 3, 31), date(2026, 4, 30)]),
        ],
    )
    def test_one_brought_over_has_every_day_that_is_paid_at_the_end_of_months(
        self, studio: Studio, session: Session, begun: date, ends: date, then: list[date]
    ) -> None:
        """Of one that began on 31 January, a month from 28 February is paid to 31 March: so it is elsewhere, too."""
        row = make_subscription(session, customer_id=studio.customer_id, now=studio.now)
        row.current_period_start, row.current_period_end = (
            datetime(day.year, day.month, day.day, 10, tzinfo=UTC) for day in (begun, ends)
        )
        studio.now = row.current_period_start + timedelta(days=3)
        code = studio.plan("Small", 5000)
        plan_changes.change_plan(
            session, customer_id=studio.customer_id, plan_code=code, mode=Mode.NEXT_PERIOD, now=studio.now
        )
        assert (row.covered_from, row.covered_until) == (begun, ends)
        found = []
        for day in (ends, *then[:1]):
            studio.wait(until=day)
            found.append(studio.member.covered_until)
        assert found == then

    def test_one_brought_over_is_billed_on_when_its_dearer_plan_was_not_paid(
        self, studio: Studio, session: Session
    ) -> None:
        row = make_subscription(session, customer_id=studio.customer_id, now=studio.now)
        row.current_period_start, row.current_period_end = studio.now - timedelta(days=10), studio.now
        large = studio.plan("Large", 20_000)
        plan_changes.change_plan(session, customer_id=studio.customer_id, plan_code=large, now=studio.now)
        studio.collect("card_declined")
        studio.wait(until=date(2026, 4, 23))
        assert [one.status for one in studio.invoices] == ["void", "open"]
        assert studio.lines(studio.invoices[1])[0][1] == row.amount_minor

    def test_one_that_stripe_bills_is_left_to_it(self, studio: Studio, session: Session) -> None:
        make_subscription(session, customer_id=studio.customer_id, now=studio.now, stripe_subscription_id="sub_1")
        with pytest.raises(BilledElsewhere):
            memberships.resume(session, customer_id=studio.customer_id, now=studio.now)


class TestTooLittle:
    @pytest.mark.parametrize(("credit", "months"), [(4950, 2), (4951, 1), (4999, 1), (5000, 2)])
    def test_to_charge_a_card_is_on_the_next_invoice(self, studio: Studio, credit: int, months: int) -> None:
        row = studio.start(studio.plan("Small", 5000))
        studio.collect()
        back = Item("unused", "A week off", -credit, -credit * 798 // 5000, 1900)
        invoicing.add_items(
            studio.session, [back], customer_id=studio.customer_id, payer_id=None, subscription_id=row.id,
            currency="EUR", now=studio.now,
        )  # fmt: skip
        studio.wait(until=date(2026, 5, 2))
        studio.collect()
        assert (len(studio.invoices), studio.member.status) == (months, "active")
        studio.wait(until=date(2026, 6, 2))
        studio.collect()
        assert sum(one.total_minor for one in studio.invoices) == 15_000 - credit
        assert {one.status for one in studio.invoices} == {"paid"}
        assert sum(one.amount_minor for one in studio.payments) == 15_000 - credit


class TestIssued:
    @pytest.mark.parametrize(
        "change",
        [
            "update commerce.invoices set total_minor = 1, subtotal_minor = 1, tax_minor = 0",
            "update commerce.invoices set number = 'x'",
            "delete from commerce.invoices",
            "update commerce.invoice_lines set amount_minor = 0",
            "delete from commerce.invoice_lines",
            "insert into commerce.invoice_lines select gen_random_uuid(), id, 2, 'fee', 'x', 1, 0, 0, 'EUR'"
            " from commerce.invoices",
        ],
    )
    def test_stays_as_it_was(self, studio: Studio, session: Session, change: str) -> None:
        studio.start(studio.plan("Small", 5000))
        with pytest.raises(DatabaseError), session.begin_nested():
            session.execute(text(change))

    def test_numbers_have_no_gap(self, studio: Studio, session: Session) -> None:
        code = studio.plan("Small", 5000)
        studio.start(code)
        with session.begin_nested() as crash:
            studio.wait(days=40)
            assert len(studio.invoices) == 2
            crash.rollback()
        studio.wait(days=0)
        assert [one.number for one in studio.invoices] == ["INV-2026-000001", "INV-2026-000002"]


class TestPause:
    def test_not_while_overdue(self, studio: Studio, session: Session) -> None:
        studio.start(studio.plan("Small", 5000))
        studio.collect("insufficient_funds")
        with pytest.raises(NotPausable):
            memberships.pause(session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1), now=studio.now)

    def test_not_where_it_is_about_to_end(self, studio: Studio, session: Session) -> None:
        """It would not go on by itself, and its paid days would be gone."""
        studio.start(studio.plan("Small", 5000))
        studio.collect()
        memberships.cancel(session, NO_PROVIDER, customer_id=studio.customer_id, reason="moving", now=studio.now)
        pause = partial(memberships.pause, session, customer_id=studio.customer_id, resumes_on=date(2026, 6, 1))
        with pytest.raises(NotPausable, match="keep it first"):
            pause(now=studio.now)
        memberships.keep(session, NO_PROVIDER, customer_id=studio.customer_id, now=studio.now)
        pause(now=studio.now)
        assert studio.member.status == "paused"

    def test_gives_nothing_back_of_what_was_never_asked_for(self, studio: Studio, session: Session) -> None:
        """Of 50.00 finance forgives 30.00; half of the other 20.00 is not used."""
        studio.start(studio.plan("Small", 5000))
        forgiven(studio, 3000)
        studio.collect()
        paused(studio)
        assert [amount for _, amount, _ in studio.lines(studio.invoices[-1])] == [5000, -1000]

    def test_gives_nothing_back_of_an_invoice_that_is_void(self, studio: Studio, session: Session) -> None:
        """And the month that its coupon took is there for the next one."""
        coupons.create(
            session, code="ONCE", worth=Worth(percent_bp=2000), duration="once", actor_id=None, now=studio.now
        )
        studio.start(studio.plan("Small", 5000), coupon="ONCE")
        forgiven(studio, None)
        paused(studio)
        assert [amount for _, amount, _ in studio.lines(studio.invoices[-1])] == [5000, -1000]
        assert studio.balances()["receivable"] == 4000

    def test_gives_back_what_was_paid_by_days_before(self, studio: Studio, session: Session) -> None:
        """Half of April at 50.00 paid half of 100.00 for the rest of it, and the other half is forgiven."""
        studio.plan("Large", 10_000)
        studio.start(studio.plan("Small", 5000))
        studio.collect()
        studio.wait(days=15)
        plan_changes.change_plan(
            session, customer_id=studio.customer_id, plan_code=studio.plans["Large"].code, mode=Mode.RESET,
            now=studio.now,
        )  # fmt: skip
        assert [amount for _, amount, _ in studio.lines(studio.invoices[-1])] == [10_000, -2500]
        studio.collect()
        refunded(studio, 7500)
        paused(studio)
        assert [amount for _, amount, _ in studio.lines(studio.invoices[-1])] == [10_000, -1250]

    def test_gives_back_days_whose_change_of_plan_was_not_paid(self, family: Family) -> None:
        family.studio.wait(days=15)
        family.change("Large", Mode.INVOICE)
        family.worker("stolen_card")
        refunded(family.studio, 2000, of=0)
        family.pause()
        assert family.waiting == [(family.parent.id, -1500)]

    def test_gives_back_no_money_twice(self, family: Family) -> None:
        """Of the parent's 50.00 an admin gave 20.00 back; half of the other 30.00 is not used."""
        refunded(family.studio, 2000)
        family.studio.wait(days=15)
        family.pause()
        assert family.waiting == [(family.parent.id, -1500)]

    @pytest.mark.parametrize(("refund", "left"), [(2500, 2500), (3000, 2000), (5000, 0)])
    def test_gives_back_no_money_twice_that_is_refunded_later(self, family: Family, refund: int, left: int) -> None:
        """Half of the parent's 50.00 waits to come off the next invoice; with what an admin gives back of them it is
        never more than they paid."""
        family.studio.wait(days=15)
        family.pause()
        refunded(family.studio, refund)
        waits = [amount for _, amount, settled in family.waiting_all() if settled is None]
        assert waits == ([-left] if left else [])
        family.studio.wait(days=31)
        assert family.paid == {family.parent.id: [5000, 5000 - left]}
        assert sum(family.studio.balances().values()) == 0
        assert retelling.retell(family.session).differences == []

    def test_is_worth_no_less_for_what_is_given_back_of_an_earlier_charge(self, family: Family) -> None:
        """Large since the 16th, for 25.00 more; paused on the 21st, ten of its days wait. 25.00 of the first charge,
        for Small, are given back: the second paid for those days."""
        studio = family.studio
        studio.wait(days=15)
        family.change("Large", Mode.INVOICE)
        family.worker()
        studio.wait(days=5)
        family.pause()
        refunded(studio, 2500, of=0)
        assert [amount for _, amount, settled in family.waiting_all() if settled is None] == [-3333]

    def test_gives_nothing_back_that_a_fee_has_used_already(self, family: Family) -> None:
        """Of half of the parent's 50.00 a fee used 15.00; 40.00 are given back: more than is left."""
        studio = family.studio
        studio.wait(days=15)
        family.pause(days=60)
        family.late()
        studio.wait(days=31)
        family.worker()
        assert [amount for _, amount, settled in family.waiting_all() if settled is None] == [-1000]
        refunded(studio, 4000, of=0)
        assert [amount for _, amount, settled in family.waiting_all() if settled is None] == []

    def test_gives_nothing_back_of_an_invoice_that_was_forgiven_after_a_change(self, family: Family) -> None:
        """May was charged, changed to a dearer plan on the next invoice, and forgiven before it was paid."""
        studio = family.studio
        studio.wait(days=30)
        studio.wait(days=1)
        family.change("Large", Mode.PRORATE)
        forgiven(studio, None)
        studio.wait(days=31)
        assert studio.invoices[-1].total_minor == 9677 + 10_000, "thirty of 31 days, and June"

    def test_gives_back_all_of_days_when_a_credit_or_a_fee_beside_them_was(self, family: Family) -> None:
        fee = family.late()
        family.studio.wait(until=date(2026, 5, 1))
        fees.let_go(family.session, booking_id=fee, reason="ill", actor_id=new_id(), now=family.studio.now)
        family.worker()
        assert family.paid == {family.parent.id: [5000, 6500]}
        refunded(family.studio, 1000, asked_as="credit-of-april")
        family.pause()
        assert family.waiting == [(family.parent.id, -5000)]

    def test_gives_back_all_days_where_the_line_of_a_fee_was_given_back(self, family: Family) -> None:
        family.late()
        family.studio.wait(until=date(2026, 5, 1))
        family.worker()
        assert family.paid == {family.parent.id: [5000, 6500]}
        refunded(family.studio, 1500, asked_as=f"{refunds.OF_NO_DAYS}of the fee")
        family.pause()
        assert family.waiting == [(family.parent.id, -5000)]

    @pytest.mark.parametrize("is_paid", [True, False])
    def test_gives_back_nothing_of_days_whose_line_was_given_back(self, family: Family, is_paid: bool) -> None:
        """Beside it a fee is paid, which is no day's."""
        family.late()
        family.studio.wait(until=date(2026, 5, 1))
        asks, decides = (Principal("finance", "tests", make_account(family.session, role="finance").id) for _ in "12")
        why, now = "We were closed", datetime.now(UTC)  # the policy's clock
        if is_paid:
            family.worker()
            asked = approvals.request_refund(
                family.session, payment_id=family.studio.payments[-1].id, amount_minor=5000, reason=why,
                line_position=days_at(family.studio), principal=asks, now=now,
            )  # fmt: skip
            approvals.approve(
                family.session, cast("PaymentProvider", Desk()), request_id=asked.id, principal=decides, now=now
            )
        else:
            line = invoice_desk.Asked(position=days_at(family.studio), amount_minor=5000)
            invoice_desk.credit_invoice(
                family.session, asks, family.studio.invoices[-1].id, asked=line, reason=why, now=family.studio.now
            )
            family.worker()
        assert family.studio.member.covered_minor == 0
        family.pause()
        assert [amount for _, amount in family.waiting if amount] == []

    def test_gives_back_nothing_where_first_a_fee_and_then_the_rest_was_forgiven(self, family: Family) -> None:
        fee = family.late()
        family.studio.wait(until=date(2026, 5, 1))
        fees.let_go(family.session, booking_id=fee, reason="ill", actor_id=new_id(), now=family.studio.now)
        forgiven(family.studio, None)
        family.pause()
        assert [amount for _, amount in family.waiting if amount] == []


def days_at(studio: Studio) -> int:
    """Which line of the newest invoice charges days."""
    return 1 + [kind for kind, _, _ in studio.lines(studio.invoices[-1])].index("membership")


def forgiven(studio: Studio, amount: int | None) -> None:
    """Finance asks for so much less of the newest invoice; None: for nothing of it."""
    crediting.credit_open(
        studio.session, invoice_id=studio.invoices[-1].id, amount_minor=amount, reason="We were closed", actor_id=None,
        now=studio.now,
    )  # fmt: skip


def refunded(studio: Studio, amount: int, *, of: int = -1, asked_as: str | None = None) -> None:
    """So much of a payment, by default the newest, is given back, as an admin decides."""
    refunds.refund_payment(
        studio.session, cast("PaymentProvider", Desk()), payment_id=studio.payments[of].id, amount_minor=amount,
        reason="We were closed", asked_as=asked_as, now=studio.now,
    )  # fmt: skip


def paused(studio: Studio) -> None:
    """Half a month passes; then a pause to the first of a month later, and what it goes on with."""
    studio.wait(days=15)
    until = date(2026, 7, 1)
    memberships.pause(studio.session, customer_id=studio.customer_id, resumes_on=until, now=studio.now)
    studio.wait(until=until)
