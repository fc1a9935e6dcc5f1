"""The double-entry ledger: which accounts each business fact moves. Pure; `service.journals` writes them down.

Debit is positive, credit negative; a journal sums to 0 per currency, here by construction and in the database by
trigger.
"""

from dataclasses import dataclass
from uuid import UUID

RECEIVABLE, STRIPE_BALANCE, TAX_PAYABLE = "receivable", "stripe_balance", "tax_payable"
MEMBERSHIP_REVENUE, PACK_REVENUE = "membership_revenue", "pack_revenue"
MOMO_BALANCE, BANK_BALANCE = "momo_balance", "bank_balance"
PAYMENT_FEES, REFUNDS, DISPUTES, BAD_DEBT = "payment_fees", "refunds", "disputes", "bad_debt"
DEFERRED_PACKS, COMMISSION_EXPENSE, COMMISSION_PAYABLE = "deferred_packs", "commission_expense", "commission_payable"
WALLETS, WALLET_TOP_UPS, WALLET_GIFTS = "wallets", "wallet_top_ups", "wallet_gifts"
WALLET_BREAKAGE = "wallet_breakage"
"""What we keep for customers (a debt of ours), what was invoiced for it and is not there yet, what gifts cost us, and
what was paid in and nobody could be given back."""
WALLET, GIFT = "wallet", "gift"
KEPT = (WALLET, GIFT)
"""What stands in place of a provider where an invoice is paid out of a wallet: paid beforehand, or given by the studio.
No cash moves."""


def balance_at(provider: str) -> str:
    """The account of the money that a provider holds for us; each provider has its own.

    Raises:
        KeyError: none is known by that name.
    """
    return {"stripe": STRIPE_BALANCE, "momo": MOMO_BALANCE, WALLET: WALLETS, GIFT: WALLETS}[provider]


@dataclass(frozen=True, slots=True)
class Line:
    """One side of a journal. `whose`: of whom it is, where that is not the journal's customer: whoever pays for them
    has the wallet."""

    account: str
    amount_minor: int
    whose: UUID | None = None


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


def paid_from_wallet(*, amount_minor: int, owner_id: UUID) -> list[Line]:
    """A customer's wallet, or that of who pays for them, paid what they owed."""
    return _balanced(Line(WALLETS, amount_minor, owner_id), Line(RECEIVABLE, -amount_minor))


def wallet_topped_up(*, amount_minor: int) -> list[Line]:
    """What was invoiced for a wallet was paid, and is in it."""
    return _balanced(Line(WALLET_TOP_UPS, amount_minor), Line(WALLETS, -amount_minor))


def wallet_given(*, amount_minor: int) -> list[Line]:
    """The studio gave something: it costs us now, and is the customer's to spend."""
    return _balanced(Line(WALLET_GIFTS, amount_minor), Line(WALLETS, -amount_minor))


def wallet_expired(*, amount_minor: int) -> list[Line]:
    """What of a gift was not used in time costs us nothing after all."""
    return _balanced(Line(WALLETS, amount_minor), Line(WALLET_GIFTS, -amount_minor))


def wallet_returned(*, amount_minor: int, tax_minor: int, owner_id: UUID) -> list[Line]:
    """What a wallet had paid is in it again, with the tax in it."""
    return _balanced(
        Line(REFUNDS, amount_minor - tax_minor), Line(TAX_PAYABLE, tax_minor), Line(WALLETS, -amount_minor, owner_id)
    )


def top_up_refunded(*, amount_minor: int, from_wallet_minor: int, balance: str = STRIPE_BALANCE) -> list[Line]:
    """Money paid into a wallet was given back: what was left in it, and what was spent before is our loss."""
    return _balanced(
        Line(WALLETS, from_wallet_minor), Line(REFUNDS, amount_minor - from_wallet_minor), Line(balance, -amount_minor)
    )


def top_up_disputed(*, from_wallet_minor: int) -> list[Line]:
    """A bank took money back for good that was paid into a wallet: what is left of it is nobody's any more; below 0
    where it gave that back after all."""
    return _balanced(Line(WALLETS, from_wallet_minor), Line(DISPUTES, -from_wallet_minor))


def wallet_written_off(*, amount_minor: int) -> list[Line]:
    """What was paid into a wallet is owed to nobody any more; below 0 where it is owed again."""
    return _balanced(Line(WALLETS, amount_minor), Line(WALLET_BREAKAGE, -amount_minor))


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


def commission_paid(*, amount_minor: int) -> list[Line]:
    """A coach was paid from our bank what we owed them; below 0 where that was a mistake, and is owed again."""
    return _balanced(Line(COMMISSION_PAYABLE, amount_minor), Line(BANK_BALANCE, -amount_minor))


def settlement_fee(*, amount_minor: int, balance: str) -> list[Line]:
    """A provider tells only with its settlement what it kept of a payment."""
    return _balanced(Line(PAYMENT_FEES, amount_minor), Line(balance, -amount_minor))


def _balanced(*lines: Line) -> list[Line]:
    if sum(line.amount_minor for line in lines) != 0:
        raise ValueError(f"journal does not sum to zero: {lines}")
    return [line for line in lines if line.amount_minor]
