"""Which accounts each business fact moves, and by how much: every line, against amounts worked out by hand."""

from collections.abc import Callable

import pytest

from contracts.ids import new_id
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
            (lambda: ledger.commission_paid(amount_minor=750), [("commission_payable", 750), ("bank_balance", -750)]),
            (lambda: ledger.commission_paid(amount_minor=-750), [("commission_payable", -750), ("bank_balance", 750)]),
            (lambda: ledger.pack_earned(amount_minor=3334), [("deferred_packs", 3334), ("pack_revenue", -3334)]),
            (
                lambda: ledger.commission_earned(amount_minor=2222),
                [("commission_expense", 2222), ("commission_payable", -2222)],
            ),
            (
                lambda: ledger.settlement_fee(amount_minor=1500, balance="momo_balance"),
                [("payment_fees", 1500), ("momo_balance", -1500)],
            ),
            (lambda: ledger.wallet_topped_up(amount_minor=2000), [("wallet_top_ups", 2000), ("wallets", -2000)]),
            (lambda: ledger.wallet_given(amount_minor=2000), [("wallet_gifts", 2000), ("wallets", -2000)]),
            (lambda: ledger.wallet_expired(amount_minor=700), [("wallets", 700), ("wallet_gifts", -700)]),
            (
                lambda: ledger.top_up_refunded(amount_minor=2000, from_wallet_minor=1300),
                [("wallets", 1300), ("refunds", 700), ("stripe_balance", -2000)],
            ),
            (
                lambda: ledger.top_up_refunded(amount_minor=2000, from_wallet_minor=2000, balance="momo_balance"),
                [("wallets", 2000), ("momo_balance", -2000)],
            ),
            (lambda: ledger.top_up_disputed(from_wallet_minor=700), [("wallets", 700), ("disputes", -700)]),
            (lambda: ledger.top_up_disputed(from_wallet_minor=-700), [("wallets", -700), ("disputes", 700)]),
            (lambda: ledger.wallet_written_off(amount_minor=700), [("wallets", 700), ("wallet_breakage", -700)]),
        ],
    )
    def test_move_these_accounts(self, fact: Callable[[], list[Line]], expected: Told) -> None:
        assert told(fact()) == expected
        assert sum(amount for _, amount in expected) == 0

    def test_of_a_wallet_that_pays_for_others_are_its_owners(self) -> None:
        """The customer owed, or is given back; what is in the wallet is whose it is."""
        owner = new_id()
        assert ledger.paid_from_wallet(amount_minor=1190, owner_id=owner) == [
            Line("wallets", 1190, owner), Line("receivable", -1190),
        ]  # fmt: skip
        assert ledger.wallet_returned(amount_minor=1190, tax_minor=190, owner_id=owner) == [
            Line("refunds", 1000), Line("tax_payable", 190), Line("wallets", -1190, owner),
        ]  # fmt: skip

    def test_nothing_is_no_line(self) -> None:
        assert ledger.invoice_issued(subtotal_minor=0, tax_minor=0, revenue="membership_revenue") == []

    def test_what_does_not_sum_to_zero_is_no_journal(self) -> None:
        with pytest.raises(ValueError, match="sum to zero"):
            ledger._balanced(Line("receivable", 1), Line("refunds", -2))

    def test_each_provider_has_its_own_balance(self) -> None:
        assert (ledger.balance_at("stripe"), ledger.balance_at("momo")) == ("stripe_balance", "momo_balance")
        assert {ledger.balance_at(kept) for kept in ledger.KEPT} == {"wallets"}
        with pytest.raises(KeyError):
            ledger.balance_at("cash")
