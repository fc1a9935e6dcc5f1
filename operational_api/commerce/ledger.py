"""The double-entry ledger: which accounts each business fact moves. Pure; `service.journals` writes them down.

Debit is positive, credit negative; a journal sums to 0 per currency, here by construction and in the database by
trigger.
"""

from dataclasses import dataclass

RECEIVABLE, STRIPE_BALANCE, TAX_PAYABLE = "receivable", "stripe_balance", "tax_payable"
MEMBERSHIP_REVENUE, PACK_REVENUE = "membership_revenue", "pack_revenue"
MOMO_BALANCE, BANK_BALANCE = "momo_balance", "bank_balance"
PAYMENT_FEES, REFUNDS, DISPUTES, BAD_DEBT = "payment_fees", "refunds", "disputes", "bad_debt"
DEFERRED_PACKS, COMMISSION_EXPENSE, COMMISSION_PAYABLE = "deferred_packs", "commission_expense", "commission_payable"


def balance_at(provider: str) -> str:
    """The account of the money that a provider holds for us; each provider has its own.

    Raises:
        KeyError: none is known by that name.
    """
    return {"stripe": STRIPE_BALANCE, "momo": MOMO_BALANCE}[provider]


@dataclass(frozen=True, slots=True)
class Line:
    """One side of a journal."""

    account: str
    amount_minor: int


def invoice_issued(*, subtotal_minor: int, tax_minor: int, revenue: str) -> list[Line]:
    """A customer owes us: receivable against revenue and tax."""
    return _balanced(
        Line(RECEIVABLE, subtotal_minor + tax_minor), Line(revenue, -subtotal_minor), Line(TAX_PAYABLE, -tax_minor)
    )


def invoice_voided(*, subtotal_minor: int, tax_minor: int, revenue: str) -> list[Line]:
    """The demand was a mistake: everything `invoice_issued` did is taken back."""
    issued = invoice_issued(subtotal_minor=subtotal_minor, tax_minor=tax_minor, revenue=revenue)
    return [Line(line.account, -line.amount_minor) for line in issued]


def written_off(*, subtotal_minor: int, tax_minor: int) -> list[Line]:
    """Nobody will pay: the loss is ours, the tax is not due."""
    return _balanced(
        Line(BAD_DEBT, subtotal_minor), Line(TAX_PAYABLE, tax_minor), Line(RECEIVABLE, -subtotal_minor - tax_minor)
    )


def payment_captured(*, amount_minor: int, fee_minor: int, balance: str = STRIPE_BALANCE) -> list[Line]:
    """Money arrived at the provider, less its fee."""
    return _balanced(
        Line(balance, amount_minor - fee_minor), Line(PAYMENT_FEES, fee_minor), Line(RECEIVABLE, -amount_minor)
    )


def refund_paid(*, amount_minor: int, tax_minor: int, balance: str = STRIPE_BALANCE) -> list[Line]:
    """Money given back, with the tax in it."""
    return _balanced(
        Line(REFUNDS, amount_minor - tax_minor), Line(TAX_PAYABLE, tax_minor), Line(balance, -amount_minor)
    )


def dispute_opened(*, amount_minor: int, fee_minor: int) -> list[Line]:
    """The bank took the money back, and a fee."""
    return _balanced(
        Line(DISPUTES, amount_minor), Line(PAYMENT_FEES, fee_minor), Line(STRIPE_BALANCE, -amount_minor - fee_minor)
    )


def dispute_won(*, amount_minor: int, fee_minor: int = 0) -> list[Line]:
    """The bank gave so much of the money back, and so much of the fee."""
    return _balanced(
        Line(STRIPE_BALANCE, amount_minor + fee_minor), Line(DISPUTES, -amount_minor), Line(PAYMENT_FEES, -fee_minor)
    )


def pack_earned(*, amount_minor: int) -> list[Line]:
    """A session of a pack was held, or a pack ran out: that part of its price is revenue now."""
    return _balanced(Line(DEFERRED_PACKS, amount_minor), Line(PACK_REVENUE, -amount_minor))


def commission_earned(*, amount_minor: int) -> list[Line]:
    """A coach's pay period was closed: we owe them."""
    return _balanced(Line(COMMISSION_EXPENSE, amount_minor), Line(COMMISSION_PAYABLE, -amount_minor))


def settlement_fee(*, amount_minor: int, balance: str) -> list[Line]:
    """A provider tells only with its settlement what it kept of a payment."""
    return _balanced(Line(PAYMENT_FEES, amount_minor), Line(balance, -amount_minor))


def _balanced(*lines: Line) -> list[Line]:
    if sum(line.amount_minor for line in lines) != 0:
        raise ValueError(f"journal does not sum to zero: {lines}")
    return [line for line in lines if line.amount_minor]
