"""Wallets: money that was paid or given beforehand, and is used before a card."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from operational_api.commerce.models.memberships import Customer
from operational_api.commerce.models.payments import Invoice, Payment, Refund
from operational_api.commerce.models.plans import SCHEMA
from operational_api.core.database import AmountMinor, Base, Currency, Id, RequiredTime


class Wallet(Base):
    """What we owe a customer in one currency, never below 0. Its row is the lock under which it changes; it is what is
    left of its credits, and the ledger's account `wallets` of this customer with the sign turned."""

    __tablename__ = "wallets"
    __table_args__ = (
        CheckConstraint("balance_minor >= 0", name="not_overdrawn"),
        UniqueConstraint("customer_id", "currency"),
        SCHEMA,
    )
    id: Mapped[Id]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id))
    currency: Mapped[Currency]
    balance_minor: Mapped[AmountMinor] = mapped_column(server_default="0")
    opened_at: Mapped[RequiredTime]


class WalletCredit(Base):
    """Money that came into a wallet at once: a top-up that was paid (`kind` paid, of one `invoice_id`), or a gift of
    the studio's (`kind` gift: who gave it and why, and until when it can be used; `end_told_at`: when its owner was
    told that this is soon). `left_minor` is not used yet."""

    __tablename__ = "wallet_credits"
    __table_args__ = (
        CheckConstraint("kind in ('paid', 'gift')", name="kind"),
        CheckConstraint("amount_minor > 0 and left_minor between 0 and amount_minor", name="left_within"),
        CheckConstraint(
            "(kind = 'paid') = (invoice_id is not null) and (kind = 'gift') = (reason is not null) "
            "and (kind = 'gift' or (expires_at is null and given_by is null))",
            name="of_its_kind",
        ),
        Index("ix_wallet_credits_wallet_id", "wallet_id", postgresql_where=text("left_minor > 0")),
        Index(
            "ix_wallet_credits_expires_at",
            "expires_at",
            postgresql_where=text("left_minor > 0 and expires_at is not null"),
        ),
        SCHEMA,
    )
    id: Mapped[Id]
    wallet_id: Mapped[UUID] = mapped_column(ForeignKey(Wallet.id))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey(Customer.id), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[AmountMinor]
    left_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey(Invoice.id), unique=True)
    reason: Mapped[str | None]
    given_by: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    end_told_at: Mapped[datetime | None]
    made_at: Mapped[RequiredTime]


class WalletMovement(Base):
    """One change of a wallet, never changed itself: `amount_minor` into it, or out of it where negative. `kind`:
    topped_up, given, spent and returned (of the `payment_id` that an invoice got from it), refunded (to where it came
    from, by `refund_id`), disputed (and reinstated, by a bank that thinks better of it), expired; by hand (`made_by`)
    paid_outside and written_off, for a `reason`, and restored, which takes the latter back. What is left of a credit is
    the sum of its movements."""

    __tablename__ = "wallet_movements"
    __table_args__ = (
        CheckConstraint(
            "kind in ('topped_up', 'given', 'spent', 'returned', 'refunded', 'disputed', 'expired', 'paid_outside', "
            "'written_off', 'restored', 'reinstated')",
            name="kind",
        ),
        CheckConstraint(
            "(kind in ('topped_up', 'given', 'returned', 'restored', 'reinstated')) = (amount_minor > 0)",
            name="direction",
        ),
        CheckConstraint(
            "(kind in ('paid_outside', 'written_off')) = (reason is not null) "
            "and (kind in ('paid_outside', 'written_off', 'restored')) = (made_by is not null)",
            name="by_hand",
        ),
        CheckConstraint("(kind in ('spent', 'returned')) = (payment_id is not null)", name="of_payment"),
        Index("ix_wallet_movements_customer_id", "customer_id", "moved_at"),
        Index("ix_wallet_movements_payment_id", "payment_id", postgresql_where=text("payment_id is not null")),
        Index("ix_wallet_movements_moved_at", "moved_at", postgresql_where=text("made_by is not null")),
        SCHEMA,
    )
    id: Mapped[Id]
    credit_id: Mapped[UUID] = mapped_column(ForeignKey(WalletCredit.id), index=True)
    customer_id: Mapped[UUID]  # no foreign key: it would wait for the customer's row, while who has that waits for us
    kind: Mapped[str] = mapped_column(String(20))
    amount_minor: Mapped[AmountMinor]
    currency: Mapped[Currency]
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey(Payment.id))
    refund_id: Mapped[UUID | None] = mapped_column(ForeignKey(Refund.id))
    moved_at: Mapped[RequiredTime]
    reason: Mapped[str | None]
    made_by: Mapped[UUID | None]
