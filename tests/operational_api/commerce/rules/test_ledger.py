"""Which accounts each business fact moves, and by how much: every line, against amounts worked out by hand."""

from collections.abc import Callable

import pytest

from operational_api.commerce import ledger
from operational_api.commerce.ledger import Line

Told = list[tuple[str, int]]


def told(lines: list[Line]) -> Told:
    return [(line.account, line.amount_minor) for line in lines]


class TestFacts:
    @pytest.mark.parametrize(
        ("fact", "expected"),
        [
            (
                lambda: ledger.invoice_issued(subtotal_minor=4202, tax_minor=798, revenue="membership_revenue"),
                [("receivable", 5000), ("membership_revenue", -4202), ("tax_payable", -798)],
            ),
            (
                lambda: ledger.invoice_voided(subtotal_minor=4202, tax_minor=798, revenue="deferred_packs"),
                [("receivable", -5000), ("deferred_packs", 4202), ("tax_payable", 798)],
            ),
            (
                lambda: ledger.written_off(subtotal_minor=4202, tax_minor=798),
                [("bad_debt", 4202), ("tax_payable", 798), ("receivable", -5000)],
            ),
            (
                lambda: ledger.payment_captured(amount_minor=5000, fee_minor=100),
                [("stripe_balance", 4900), ("payment_fees", 100), ("receivable", -5000)],
            ),
            (
                lambda: ledger.payment_captured(amount_minor=5000, fee_minor=0, balance="momo_balance"),
                [("momo_balance", 5000), ("receivable", -5000)],
            ),
            (
                lambda: ledger.refund_paid(amount_minor=1190, tax_minor=190),
                [("refunds", 1000), ("tax_payable", 190), ("stripe_balance", -1190)],
            ),
            (
                lambda: ledger.refund_paid(amount_minor=1190, tax_minor=190, balance="momo_balance"),
                [("refunds", 1000), ("tax_payable", 190), ("momo_balance", -1190)],
            ),
            (
                lambda: ledger.dispute_opened(amount_minor=5000, fee_minor=1500),
                [("disputes", 5000), ("payment_fees", 1500), ("stripe_balance", -6500)],
            ),
            (lambda: ledger.dispute_won(amount_minor=5000), [("stripe_balance", 5000), ("disputes", -5000)]),
            (
                lambda: ledger.dispute_won(amount_minor=5000, fee_minor=1500),
                [("stripe_balance", 6500), ("disputes", -5000), ("payment_fees", -1500)],
            ),
            (lambda: ledger.pack_earned(amount_minor=3334), [("deferred_packs", 3334), ("pack_revenue", -3334)]),
            (
                lambda: ledger.commission_earned(amount_minor=2222),
                [("commission_expense", 2222), ("commission_payable", -2222)],
            ),
            (
                lambda: ledger.settlement_fee(amount_minor=1500, balance="momo_balance"),
                [("payment_fees", 1500), ("momo_balance", -1500)],
            ),
        ],
    )
    def test_move_these_accounts(self, fact: Callable[[], list[Line]], expected: Told) -> None:
        assert told(fact()) == expected
        assert sum(amount for _, amount in expected) == 0

    def test_nothing_is_no_line(self) -> None:
        assert ledger.invoice_issued(subtotal_minor=0, tax_minor=0, revenue="membership_revenue") == []

    def test_what_does_not_sum_to_zero_is_no_journal(self) -> None:
        with pytest.raises(ValueError, match="sum to zero"):
            ledger._balanced(Line("receivable", 1), Line("refunds", -2))

    def test_each_provider_has_its_own_balance(self) -> None:
        assert (ledger.balance_at("stripe"), ledger.balance_at("momo")) == ("stripe_balance", "momo_balance")
        with pytest.raises(KeyError):
            ledger.balance_at("cash")
