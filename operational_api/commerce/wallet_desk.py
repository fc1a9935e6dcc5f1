"""A wallet as its owner and the front desk see it, and what the desk puts into it. Who may is decided here.

What a wallet does with money is `service.wallets`, what is given `service.gifts`; others come by `commerce.public`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from operational_api.commerce import ledger, lots
from operational_api.commerce.billing.periods import first_moment
from operational_api.commerce.billing.service import people, sales, studios
from operational_api.commerce.errors import WalletNotFound
from operational_api.commerce.models import Invoice, Payment, WalletCredit
from operational_api.commerce.service import gifts, plans, wallets
from operational_api.commerce.service.wallets import Standing
from operational_api.commerce.settings import WalletSettings
from operational_api.core import audit
from operational_api.core.policy import Resource, is_allowed, require
from operational_api.core.principal import Principal

READ, GIVE = "commerce.read_wallet", "commerce.give_credit"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of a wallet. `kind`: see `WalletMovement`. `reason` is of a gift, `invoice_number` of what it paid or
    had paid."""

    entry_id: UUID
    kind: str
    amount_minor: int
    currency: str
    moved_at: datetime
    invoice_id: UUID | None
    invoice_number: str | None
    reason: str | None
    expires_at: datetime | None

    @property
    def last_moment(self) -> datetime | None:
        """The end of the last day of a gift."""
        return lots.last_moment(self.expires_at) if self.expires_at else None


@dataclass(frozen=True, slots=True)
class WalletPart:
    """What a wallet paid of an invoice; `is_all`: nothing else did, and it is paid."""

    amount_minor: int
    is_all: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A person's wallets and what moved in them, the newest first."""

    currency: str
    standings: Sequence[Standing]
    entries: Sequence[Entry]
    following: str | None
    can_give: bool

    @property
    def own(self) -> Standing:
        """The one in the currency that they pay in, also where it was never used."""
        found = (one for one in self.standings if one.currency == self.currency)
        return next(found, Standing(self.currency, 0, 0, 0, None))


@cache
def configured() -> WalletSettings:
    """The environment's bounds."""
    return WalletSettings()


def _resource(customer_id: UUID) -> Resource:
    return Resource("Wallet", customer_id, customer_id=customer_id)


def wallet_of(
    session: Session, principal: Principal, customer_id: UUID, *, limit: int, cursor: str | None = None, now: datetime
) -> Shown:
    """Somebody's wallet, for whom may see it.

    Raises:
        WalletNotFound: not the principal's to read.
    """
    require(principal, READ, _resource(customer_id), missing=WalletNotFound)
    rows, following = wallets.movements(session, customer_id, limit=limit, cursor=cursor)
    audit.record_read(session, principal, READ, "Wallet", [customer_id])
    entries = [
        Entry(
            moved.id, moved.kind, moved.amount_minor, moved.currency, moved.moved_at,
            invoice.id if invoice else None, invoice.number if invoice else None, credit.reason, credit.expires_at,
        )
        for moved, credit, invoice in rows
    ]  # fmt: skip
    return Shown(
        sales.currency_of(session, customer_id, plans.DEFAULT_CURRENCY), wallets.standing(session, customer_id, now),
        entries, following, can_give=is_allowed(principal, GIVE, _resource(customer_id)),
    )  # fmt: skip


def reason_of_gift(session: Session, credit_id: UUID) -> str:
    """Why something was given, in words for whom it was given to."""
    return session.scalar(select(WalletCredit.reason).where(WalletCredit.id == credit_id)) or ""


def wallet_part(session: Session, invoice_id: UUID) -> WalletPart:
    """What of an invoice was paid out of a wallet."""
    minor = wallets.paid_out_of(session, [invoice_id]).get(invoice_id, 0)
    other = exists().where(
        Payment.invoice_id == invoice_id, Payment.status == "captured", Payment.provider.not_in(ledger.KEPT)
    )
    is_all = select(Invoice.id).where(Invoice.id == invoice_id, Invoice.status == "paid", ~other)
    return WalletPart(minor, minor > 0 and session.scalar(is_all) is not None)


def may_read_wallet(principal: Principal, customer_id: UUID) -> bool:
    """Whether they may see somebody's wallet."""
    return is_allowed(principal, READ, _resource(customer_id))


def give_credit(
    session: Session, principal: Principal, *, customer_id: UUID, amount_minor: int, currency: str | None,
    reason: str, last_on: date | None, now: datetime,
) -> WalletCredit:  # fmt: skip
    """Give somebody something to spend, at the studio's cost.

    Args:
        currency: None for the one that they pay in.
        last_on: The last day on which it can be used, at the studio: as long as it is that day at any of ours.

    Raises:
        WalletNotFound: there is no such customer, or nobody signs in to that account any more.
        Forbidden: it is their own.
        GiftNotAllowed, WalletFull: as `gifts.give` says.
    """
    require(principal, GIVE, _resource(customer_id))
    if not people.is_open(session, customer_id):
        raise WalletNotFound
    own = sales.currency_of(session, customer_id, currency or plans.DEFAULT_CURRENCY)
    zones = studios.zones(session) if last_on else []
    ends = [first_moment(last_on + timedelta(days=1), zone) for zone in zones if last_on]
    return gifts.give(
        session, customer_id=customer_id, currency=currency or own, amount_minor=amount_minor, reason=reason,
        expires_at=max(ends, default=None), actor_id=principal.account_id, settings=configured(), now=now,
    )  # fmt: skip
