"""MoMo's settlement against our books: the fees it tells, what it does not have, and what it has otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.ids import new_id
from operational_api.commerce import ledger
from operational_api.commerce.models import Customer, Invoice, Payment
from operational_api.commerce.providers.kept_books import KeptBooks
from operational_api.commerce.providers.port import ProviderPayout
from operational_api.commerce.service import findings, journals, reconciliation, settlements
from operational_api.commerce.service.settlements import SettledLine
from tests.factories import make_account
from tests.operational_api.conftest import SignIn

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=4)


def paid(session: Session, order: str, amount: int, *, at: datetime = NOON) -> Payment:
    """A pack paid by wallet, as our own following of MoMo leaves it: without a fee."""
    customer = Customer(id=new_id(), currency="VND")
    session.add(customer)
    session.flush()
    invoice = Invoice(
        number=order, customer_id=customer.id, status="paid", currency="VND", subtotal_minor=amount, tax_minor=0,
        total_minor=amount, issued_at=at, due_at=at, paid_at=at,
    )  # fmt: skip
    session.add(invoice)
    session.flush()
    row = Payment(
        invoice_id=invoice.id, customer_id=customer.id, provider="momo", provider_payment_id=order, status="captured",
        amount_minor=amount, currency="VND", attempted_at=at, captured_at=at,
    )  # fmt: skip
    session.add(row)
    session.flush()
    journals.post(
        session, kind="payment_captured", source_type="payment", source_id=row.id, customer_id=customer.id,
        currency="VND", lines=ledger.payment_captured(amount_minor=amount, fee_minor=0, balance="momo_balance"),
        posted_at=at,
    )  # fmt: skip
    return row


def line(order: str, amount: int, fee: int = 0, *, at: datetime = NOON) -> SettledLine:
    return SettledLine("payment", f"t-{order}", order, None, amount, fee, "VND", at)


def found(session: Session, *, newest: datetime = LATER) -> list[tuple[str, str]]:
    """What a comparison finds once the settlement has come as far as `newest`."""
    settlements.take(session, provider="momo", lines=[line("newest", 1, at=newest)], now=LATER)
    reconciliation.run(session, KeptBooks("momo"), now=LATER)
    lines, _ = findings.page(session, is_resolved=False, limit=50)
    return sorted((one.finding.kind, one.finding.subject) for one in lines)


class TestTake:
    def test_books_each_fee_once_and_then_the_books_agree(self, session: Session) -> None:
        first, second = paid(session, "a", 500_000), paid(session, "b", 300_000)
        lines = [line("a", 500_000, 7_500), line("b", 300_000, 4_500)]
        assert settlements.take(session, provider="momo", lines=lines, now=LATER) == 2
        assert settlements.take(session, provider="momo", lines=lines, now=LATER) == 0
        assert (first.fee_minor, second.fee_minor) == (7_500, 4_500)
        assert journals.balances(session)["momo_balance", "VND"] == 800_000 - 12_000
        assert found(session) == []

    def test_a_fee_that_is_told_otherwise_later_is_a_difference(self, session: Session) -> None:
        paid(session, "a", 500_000)
        settlements.take(session, provider="momo", lines=[line("a", 500_000, 7_500)], now=LATER)
        settlements.take(session, provider="momo", lines=[line("a", 500_000, 8_000)], now=LATER)
        assert found(session) == [("wrong_fee", "a")]

    def test_what_differs_is_found_and_nothing_else(self, session: Session) -> None:
        for order in ("a", "b", "c", "d"):
            paid(session, order, 500_000)
        lines = [line("a", 500_000), line("b", 490_000), line("nobodys", 70_000), line("d", 500_000)]
        settlements.take(session, provider="momo", lines=lines, now=LATER)
        told = found(session)
        assert told == [("missing_at_provider", "c"), ("missing_at_us", "nobodys"), ("wrong_amount", "b")]

    def test_what_is_younger_than_the_settlement_waits_for_the_next(self, session: Session) -> None:
        paid(session, "a", 500_000)
        paid(session, "b", 300_000, at=NOON + timedelta(days=1))
        settlements.take(session, provider="momo", lines=[line("a", 500_000)], now=LATER)
        assert found(session, newest=NOON + timedelta(hours=1)) == []
        assert found(session) == [("missing_at_provider", "b")]

    def test_a_refund_finds_the_payment_that_came_in_an_earlier_file(self, session: Session) -> None:
        paid(session, "a", 500_000)
        settlements.take(session, provider="momo", lines=[line("a", 500_000)], now=LATER)
        back = SettledLine("refund", "t-r", "r-1", "t-a", -200_000, 0, "VND", NOON + timedelta(hours=3))
        settlements.take(session, provider="momo", lines=[back], now=LATER)
        assert found(session) == [("partial_refund_not_booked", "r-1")]

    def test_a_payout_is_the_sum_of_its_lines(self, session: Session) -> None:
        paid(session, "a", 500_000)
        lines = [replace(line("a", 500_000, 7_500), payout_id="po-1")]
        payout = ProviderPayout("po-1", 490_000, "VND", "paid", NOON, NOON)
        settlements.take(session, provider="momo", lines=lines, payouts=[payout], now=LATER)
        assert ("payout_short", "po-1") in found(session)


class TestRoute:
    BODY = {
        "provider": "momo",
        "lines": [
            {"kind": "payment", "transaction_id": "t-a", "order_id": "a", "amount_minor": 500_000, "fee_minor": 7_500,
             "currency": "VND", "paid_at": "2026-03-10T12:00:00Z"},
        ],
    }  # fmt: skip

    def test_people_hand_no_settlement_in(self, session: Session, api: TestClient, sign_in: SignIn) -> None:
        assert api.post("/api/commerce/settlements", json=self.BODY).status_code == 401
        client = sign_in(make_account(session, role="finance"))
        assert client.post("/api/commerce/settlements", json=self.BODY).status_code == 403
        assert session.scalars(select(Payment)).all() == []


@pytest.mark.parametrize("provider", ["stripe", "momo"])
def test_books_of_nobody_have_no_difference(session: Session, provider: str) -> None:
    assert reconciliation.run(session, KeptBooks(provider), now=LATER).found == 0
