"""What of billing waits for a person, as the staff's page shows and decides it.

The rules are `service.waiting` and `service.decisions`; others come here through `commerce.public`.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import Request
from sqlalchemy.orm import Session

from operational_api.commerce.billing.service import decisions, waiting
from operational_api.commerce.billing.service.waiting import How
from operational_api.commerce.router import payment_providers
from operational_api.core.principal import Principal

__all__ = [
    "BillingExceptions", "How", "Settled", "billing_exceptions", "count_billing_exceptions", "decide_parked_invoice",
    "release_customer", "settle_item", "try_item_again", "undo_settlement",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settled:
    """A charge, or a credit (below 0), that somebody settled, or a rule (`settled_by` None)."""

    item_id: UUID
    customer_id: UUID
    description: str
    amount_minor: int
    currency: str
    settled_as: str
    settled_at: datetime
    settled_by: UUID | None
    reason: str
    can_undo: bool


@dataclass(frozen=True, slots=True)
class BillingExceptions:
    """All of billing that waits for a person, and what was settled in the last month."""

    items: list[waiting.Waiting]
    invoices: list[decisions.Parked]
    customers: list[decisions.ParkedCustomer]
    settled: list[Settled]

    @property
    def people(self) -> set[UUID]:
        """Everybody who is named in it."""
        customers = [one.customer_id for one in self.customers]
        items = [id_ for one in self.items for id_ in (one.customer_id, one.account_id)]
        invoices = [id_ for one in self.invoices for id_ in (one.customer_id, one.account_id)]
        done = [id_ for one in self.settled for id_ in (one.customer_id, one.settled_by) if id_]
        return {*customers, *items, *invoices, *done}


def billing_exceptions(session: Session, now: datetime) -> BillingExceptions:
    """What waits for a person, the oldest first. The caller decides who may ask."""
    done = [
        Settled(
            row.id, row.customer_id, row.description, row.amount_minor, row.currency, row.settled_as, row.settled_at,
            row.settled_by, row.settled_reason or "", row.settled_as in waiting.UNDONE,
        )
        for row in waiting.settled(session, now)
        if row.settled_as is not None and row.settled_at is not None
    ]  # fmt: skip
    return BillingExceptions(
        waiting.items(session, now), decisions.parked_invoices(session), decisions.parked_customers(session), done
    )


def count_billing_exceptions(session: Session, now: datetime) -> int:
    """How much of billing waits for a person."""
    return waiting.count(session, now)


def settle_item(session: Session, item_id: UUID, *, how: How, reason: str, principal: Principal, now: datetime) -> None:
    """Say what became of a charge or a credit that waits.

    Raises:
        NotWaiting, NotSettledSo, OwnMoney.
    """
    waiting.settle(session, item_id=item_id, how=how, reason=reason, principal=principal, now=now)


def try_item_again(request: Request, session: Session, item_id: UUID, *, principal: Principal, now: datetime) -> bool:
    """Ask the card that paid once more to take a credit back; whether any of it went back.

    Raises:
        NotWaiting, OwnMoney.
    """
    providers = payment_providers(request).that_give_back
    return waiting.try_again(session, providers, item_id=item_id, principal=principal, now=now)


def undo_settlement(session: Session, item_id: UUID, *, principal: Principal, now: datetime) -> None:
    """Let what was settled by hand wait again, where no money has moved.

    Raises:
        NotWaiting, OwnMoney.
    """
    waiting.undo(session, item_id=item_id, principal=principal, now=now)


def decide_parked_invoice(
    session: Session,
    parked_id: UUID,
    *,
    approves: bool,
    total_minor: int,
    reason: str,
    principal: Principal,
    now: datetime,
) -> None:
    """Make an invoice that was parked, of as much as was seen, or let its charges go.

    Raises:
        ParkedInvoiceDecided, ParkedInvoiceChanged, OwnMoney.
    """
    if approves:
        decisions.approve(
            session, parked_id=parked_id, total_minor=total_minor, reason=reason, principal=principal, now=now
        )
    else:
        decisions.void(session, parked_id=parked_id, reason=reason, principal=principal, now=now)


def release_customer(session: Session, customer_id: UUID, *, reason: str, principal: Principal, now: datetime) -> None:
    """Let billing of a parked customer go on.

    Raises:
        CustomerNotParked, OwnMoney.
    """
    decisions.release(session, customer_id=customer_id, reason=reason, principal=principal, now=now)
