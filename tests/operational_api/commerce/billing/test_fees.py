"""Fees of late cancellations: on the membership's next invoice, or on one of their own; waived once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce.billing.errors import FeePaid, InvoiceNotCreditable
from operational_api.commerce.billing.models import BillingItem, Collection, CreditNote, InvoiceLine
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import fees, invoicing, memberships
from operational_api.commerce.models import Customer
from operational_api.commerce.service import customers
from operational_api.core.models import OutboxEvent
from operational_api.scheduling.service import bookings
from operational_api.scheduling.service import fees as late_fees
from tests.factories import make_account, make_pack
from tests.operational_api.commerce.billing.conftest import Studio
from tests.operational_api.scheduling.test_seats import NOW, START, slot_on

SESSION_AT = datetime(2026, 4, 3, 16, tzinfo=UTC)


def late(studio: Studio, amount: int = 1500) -> UUID:
    """Somebody cancels late; the booking's id."""
    id_ = new_id()
    for _ in range(2):  # told twice
        fees.charge(
            studio.session, booking_id=id_, customer_id=studio.customer_id, amount_minor=amount, currency="EUR",
            starts_at=SESSION_AT, now=studio.now,
        )  # fmt: skip
    return id_


def let_go(studio: Studio, booking_id: UUID) -> None:
    fees.let_go(studio.session, booking_id=booking_id, reason="ill", actor_id=new_id(), now=studio.now)


class TestOfAMember:
    def test_is_on_the_next_invoice_with_its_tax(self, studio: Studio) -> None:
        studio.start(studio.plan("Core", 4900))
        studio.collect()
        late(studio)
        studio.wait(days=2)
        assert fees.invoice_due(studio.session, studio.now) == 0, "the membership's next invoice has it"
        studio.wait(days=40)
        _, second, *_ = studio.invoices
        assert (second.total_minor, second.tax_minor) == (4900 + 1500, 782 + 239)
        lines = select(InvoiceLine.kind, InvoiceLine.description).where(InvoiceLine.invoice_id == second.id)
        assert ("fee", "Late cancellation, session of 3 April 2026") in studio.session.execute(lines).tuples().all()

    def test_does_not_wait_for_the_invoice_of_a_year(self, studio: Studio) -> None:
        studio.start(studio.plan("Yearly", 49_000, interval_months=12))
        studio.collect()
        late(studio)
        studio.wait(days=2)
        assert fees.invoice_due(studio.session, studio.now) == 1
        assert [one.total_minor for one in studio.invoices] == [49_000, 1500]

    def test_does_not_wait_for_the_end_of_a_long_pause(self, studio: Studio) -> None:
        studio.start(studio.plan("Core", 4900))
        studio.collect()
        memberships.pause(
            studio.session, customer_id=studio.customer_id, resumes_on=studio.now.date() + timedelta(days=90),
            now=studio.now,
        )  # fmt: skip
        late(studio, 9000)
        studio.wait(days=2)
        assert fees.invoice_due(studio.session, studio.now) == 1
        assert ("fee", 9000) in [line[:2] for line in studio.lines(studio.invoices[-1])]

    def test_waived_before_it_is_invoiced_is_on_none(self, studio: Studio) -> None:
        studio.start(studio.plan("Core", 4900))
        studio.collect()
        let_go(studio, late(studio))
        studio.wait(days=40)
        assert {one.total_minor for one in studio.invoices} == {4900}


class TestOfWhoHasNone:
    def test_has_an_invoice_after_a_day_and_is_charged(self, studio: Studio) -> None:
        late(studio)
        late(studio, amount=500)
        studio.wait(days=0.99)
        assert fees.invoice_due(studio.session, studio.now) == 0
        studio.wait(days=0.01)
        assert [fees.invoice_due(studio.session, studio.now) for _ in range(2)] == [1, 0]
        [made] = studio.invoices
        assert (made.total_minor, made.subscription_id, made.series is not None) == (2000, None, True)
        studio.collect()
        assert (made.status, studio.bank.captured) == ("paid", 1)

    @pytest.mark.parametrize("is_beside_nothing", [False, True])
    def test_is_not_kept_waiting_by_what_is_too_small_for_a_card(
        self, studio: Studio, session: Session, is_beside_nothing: bool
    ) -> None:
        """Of many others, for months; the worker takes so many at once. Days that cost nothing pay nothing of it."""
        for account in [make_account(session) for _ in range(6)]:
            session.add(Customer(id=account.id, currency="EUR"))
            session.flush()
            fees.charge(
                session, booking_id=new_id(), customer_id=account.id, amount_minor=40, currency="EUR",
                starts_at=studio.now, now=studio.now,
            )  # fmt: skip
            if is_beside_nothing:
                days = Item("unused", "Days that cost nothing", 0, 0, 1900)
                invoicing.add_items(
                    session, [days], customer_id=account.id, payer_id=None, currency="EUR", now=studio.now
                )
        late(replace(studio, customer_id=make_account(session).id))
        studio.wait(days=2)
        assert fees.invoice_due(session, studio.now, limit=3) == 1

    def test_that_nobody_pays_is_written_off_and_ends_no_membership(self, studio: Studio) -> None:
        late(studio)
        studio.wait(days=1)
        fees.invoice_due(studio.session, studio.now)
        for _ in range(30):
            studio.wait(days=1)
            studio.collect("insufficient_funds")
        [made] = studio.invoices
        assert made.status == "uncollectible"
        assert "commerce.subscription_cancelled" not in studio.session.scalars(select(OutboxEvent.type)).all()


class TestWaived:
    @pytest.fixture
    def open_fee(self, studio: Studio) -> UUID:
        studio.plan("Core", 4900)
        id_ = late(studio)
        late(studio, amount=500)
        studio.wait(days=1)
        fees.invoice_due(studio.session, studio.now)
        return id_

    def test_on_an_open_invoice_is_credited(self, studio: Studio, open_fee: UUID) -> None:
        let_go(studio, open_fee)
        note = studio.session.scalars(select(CreditNote)).one()
        assert (note.amount_minor, note.tax_minor, note.settlement) == (1500, 239, "open")
        studio.collect()
        assert [one.amount_minor for one in studio.payments] == [500]

    def test_once_paid_is_a_refund(self, studio: Studio, open_fee: UUID) -> None:
        studio.collect()
        with pytest.raises(FeePaid):
            let_go(studio, open_fee)
        assert studio.session.scalars(select(CreditNote)).all() == []

    def test_not_while_nobody_knows_whether_it_was_paid(self, studio: Studio, open_fee: UUID) -> None:
        studio.bank.is_silent = True
        studio.collect()
        with pytest.raises(InvoiceNotCreditable, match="under way"):
            let_go(studio, open_fee)

    def test_what_a_credit_had_paid_of_it_is_a_credit_again(self, studio: Studio) -> None:
        session = studio.session
        studio.plan("Core", 4900)
        session.add(
            BillingItem(
                id=(credit := new_id()), origin_id=credit, customer_id=studio.customer_id, kind="unused",
                description="Core", amount_minor=-2000, tax_minor=-319, tax_rate_bp=1900, currency="EUR",
                made_at=studio.now,
            )
        )  # fmt: skip
        id_ = late(studio)
        studio.wait(days=1)
        fees.invoice_due(session, studio.now)
        [made] = studio.invoices
        assert (made.total_minor, made.status) == (0, "paid")
        let_go(studio, id_)
        left = session.scalars(select(BillingItem.amount_minor).where(BillingItem.invoice_id.is_(None))).all()
        assert sorted(left) == [-1500, -500]


class TestFromTheBooking:
    def test_a_late_cancellation_is_billed_and_waiving_it_takes_it_back(self, session: Session) -> None:
        slot = slot_on(session, free_cancellation_minutes=60, late_fee_minor=1500, late_fee_currency="EUR")
        customer_id = make_account(session).id
        make_pack(session, customer_id=customer_id, now=NOW)
        booking = bookings.book_session(session, customer_id=customer_id, slot_id=slot.id, now=NOW)
        bookings.cancel_booking(session, booking_id=booking.id, now=START - timedelta(minutes=30))
        [item] = fees.waiting(session, customer_id)
        assert (item.id, item.amount_minor, item.currency) == (booking.id, 1500, "EUR")
        late_fees.waive(session, booking_id=booking.id, actor_id=new_id(), reason="ill", now=START)
        assert fees.waiting(session, customer_id) == []
        assert session.scalars(select(Collection)).all() == []


def test_one_that_cannot_be_invoiced_leaves_the_others_alone(studio: Studio, session: Session) -> None:
    late(studio)
    broken = make_account(session).id
    customers.ensure_customer(session, account_id=broken, currency="EUR")
    item = Item("fee", "more tax than it costs", 100, 200, 1900)
    invoicing.add_items(
        session, [item], customer_id=broken, payer_id=None, currency="EUR", now=studio.now - timedelta(days=9)
    )
    studio.wait(days=2)
    assert fees.invoice_due(session, studio.now) == 1
    assert [one.total_minor for one in studio.invoices] == [1500]
