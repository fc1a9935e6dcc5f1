"""The double-entry ledger: journals, and lines that sum to 0 in each."""

from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.commerce.models.plans import SCHEMA
from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime


class LedgerJournal(Base):
    """One business fact in the double-entry ledger. `(source_type, source_id, kind)` is posted once."""

    __tablename__ = "ledger_journals"
    __table_args__ = (UniqueConstraint("source_type", "source_id", "kind"), SCHEMA)
    id: Mapped[Id]
    kind: Mapped[str]  # invoice_issued, payment_captured, refund_paid, dispute_opened, dispute_won, written_off, ...
    source_type: Mapped[str]
    source_id: Mapped[UUID]
    posted_at: Mapped[RequiredTime]


class LedgerLine(Base):
    """One side of a journal: debit positive, credit negative. All lines of a journal are inserted by one statement,
    and a trigger refuses a statement after which any journal it touched does not sum to 0 per currency.

    `account`: receivable, stripe_balance, momo_balance, bank_balance, membership_revenue, pack_revenue, tax_payable,
    payment_fees, refunds, disputes, bad_debt, deferred_packs, commission_expense, commission_payable, wallets,
    wallet_top_ups, wallet_gifts. A line of `wallets` is of whose wallet it is.
    """

    __tablename__ = "ledger_lines"
    __table_args__ = (SCHEMA,)
    id: Mapped[Id]
    journal_id: Mapped[UUID] = mapped_column(ForeignKey(LedgerJournal.id), index=True)
    account: Mapped[str] = mapped_column(String(30))
    customer_id: Mapped[UUID | None]
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
