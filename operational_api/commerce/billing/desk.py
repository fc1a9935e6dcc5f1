"""What of billing waits for a person, as the staff's page and the API show and decide it.

The rules are `service.waiting` and `service.decisions`; others come here through `commerce.public`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Request
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from operational_api.commerce.billing.models import BillingItem
from operational_api.commerce.billing.service import decisions, stuck_top_ups, waiting
from operational_api.commerce.billing.service.waiting import After, How
from operational_api.commerce.models import Invoice, WalletCredit, WalletMovement
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers.dependencies import payment_providers
from operational_api.commerce.service import wallets
from operational_api.core import paging
from operational_api.core.principal import Principal

__all__ = [
    "BillingExceptions", "How", "Settled", "billing_exceptions", "count_billing_exceptions", "decide_parked_invoice",
    "release_customer", "settle_item", "try_item_again", "undo_settlement",
]  # fmt: skip


Kind = Literal["credit", "charge", "top_up", "invoice", "customer"]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that waits for a person: an item of billing, a top-up, an invoice that was stopped, or a customer whose
    billing is. `amount_minor`: what it is about, None of an invoice of which nothing is left; `ways`: what may be said
    of it."""

    id: UUID
    kind: Kind
    customer_id: UUID
    account_id: UUID
    reason: str
    amount_minor: int | None
    currency: str
    since: datetime
    descriptions: Sequence[str]
    ways: Sequence[str]


@dataclass(frozen=True, slots=True)
class Settled:
    """A charge, or a credit or a top-up (below 0), that somebody settled, or a rule (`settled_by` None)."""

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
    return BillingExceptions(
        waiting.items(session, now), decisions.parked_invoices(session), decisions.parked_customers(session),
        _settled(session, now, limit=50),
    )  # fmt: skip


def cases(
    session: Session, now: datetime, *, kind: Kind | None, limit: int, cursor: str | None
) -> tuple[list[Case], str | None]:
    """The same a page at a time, the oldest first, and the cursor of the next one. The caller decides who may ask.

    Args:
        kind: None for all.
    """
    after = paging.after(cursor, datetime, UUID) if cursor else None
    sources: dict[Kind, Callable[[], list[Case]]] = {
        "credit": lambda: [_item(one) for one in waiting.credits_(session, limit=limit + 1, after=after)],
        "charge": lambda: [_item(one) for one in waiting.charges(session, now, limit=limit + 1, after=after)],
        "top_up": lambda: [_item(one) for one in waiting.top_ups(session, limit=limit + 1, after=after)],
        "invoice": lambda: [
            Case(
                one.parked_id, "invoice", one.customer_id, one.account_id, one.reason, one.total_minor, one.currency,
                one.since, one.descriptions, one.ways,
            )
            for one in decisions.parked_invoices(session, limit=limit + 1, after=after)
        ],
        "customer": lambda: [
            Case(
                one.customer_id, "customer", one.customer_id, one.customer_id, one.reason, one.off_minor, one.currency,
                one.since, (), ("release",),
            )
            for one in decisions.parked_customers(session, limit=limit + 1, after=after)
        ],
    }  # fmt: skip
    found = [case for name, source in sources.items() if kind in (None, name) for case in source()]
    found.sort(key=lambda one: (one.since, one.id))
    return paging.cut(found, limit, lambda one: (one.since, one.id))


def _item(one: waiting.Waiting) -> Case:
    return Case(
        one.item_id, one.kind, one.customer_id, one.account_id, one.reason, one.amount_minor, one.currency, one.since,
        (one.description,), one.ways,
    )  # fmt: skip


def settled_page(
    session: Session, now: datetime, *, limit: int, cursor: str | None
) -> tuple[list[Settled], str | None]:
    """What was settled in the last month, the newest first, and the cursor of the next page. The caller decides who may
    ask."""
    before = paging.after(cursor, datetime, UUID) if cursor else None
    rows = _settled(session, now, limit=limit + 1, before=before)
    return paging.cut(rows, limit, lambda one: (one.settled_at, one.item_id))


def _settled(session: Session, now: datetime, *, limit: int, before: After = None) -> list[Settled]:
    """As many as asked for of each source, the newest first."""
    since = now - waiting.SETTLED_SHOWN
    found = [_of_item(row) for row in waiting.settled(session, now, limit=limit, before=before)]
    found += [_of_top_up(row) for row in stuck_top_ups.settled(session, since=since, limit=limit, before=before)]
    return sorted(found, key=lambda one: (one.settled_at, one.item_id), reverse=True)[:limit]


def _of_item(row: BillingItem) -> Settled:
    assert row.settled_as is not None  # noqa: S101 - what is settled has both
    assert row.settled_at is not None  # noqa: S101
    return Settled(
        row.id, row.customer_id, row.description, row.amount_minor, row.currency, row.settled_as, row.settled_at,
        row.settled_by, row.settled_reason or "", row.settled_as in waiting.UNDONE,
    )  # fmt: skip


def _of_top_up(row: WalletMovement) -> Settled:
    return Settled(
        row.credit_id, row.customer_id, "Paid into a wallet", row.amount_minor, row.currency, row.kind, row.moved_at,
        row.made_by, row.reason or "", row.kind in waiting.UNDONE,
    )  # fmt: skip


def count_billing_exceptions(session: Session, now: datetime) -> int:
    """How much of billing waits for a person."""
    return waiting.count(session, now)


class _Charge:
    """A charge or a credit, by its id."""

    def settle(self, session: Session, id_: UUID, how: How, why: str, principal: Principal, now: datetime) -> Settled:
        row = waiting.settle(session, item_id=id_, how=how, reason=why, principal=principal, now=now)
        return _of_item(row)

    def try_again(self, cards: Providers, session: Session, id_: UUID, principal: Principal, now: datetime) -> bool:
        return waiting.try_again(session, cards.that_give_back, item_id=id_, principal=principal, now=now)

    def undo(self, session: Session, id_: UUID, principal: Principal, now: datetime) -> None:
        waiting.undo(session, item_id=id_, principal=principal, now=now)


class _TopUp:
    """What was paid into a wallet, by its id."""

    def settle(self, session: Session, id_: UUID, how: How, why: str, principal: Principal, now: datetime) -> Settled:
        moved = stuck_top_ups.settle(session, credit_id=id_, how=how, reason=why, principal=principal, now=now)
        return _of_top_up(moved)

    def try_again(self, cards: Providers, session: Session, id_: UUID, principal: Principal, now: datetime) -> bool:
        return stuck_top_ups.try_again(session, cards.by_name, credit_id=id_, principal=principal, now=now)

    def undo(self, session: Session, id_: UUID, principal: Principal, now: datetime) -> None:
        stuck_top_ups.undo(session, credit_id=id_, principal=principal, now=now)


def _what_is(session: Session, id_: UUID) -> _Charge | _TopUp:
    """What kind of thing an id is; of nothing that is known, a charge, which then does not wait."""
    is_top_up = exists().where(WalletCredit.id == id_, WalletCredit.kind == wallets.PAID)
    return _TopUp() if session.scalar(select(is_top_up)) else _Charge()


def settle_item(
    session: Session, item_id: UUID, *, how: How, reason: str, principal: Principal, now: datetime
) -> Settled:
    """Say what became of a charge, a credit or a top-up that waits.

    Raises:
        NotWaiting, NotSettledSo, OwnMoney.
    """
    return _what_is(session, item_id).settle(session, item_id, how, reason, principal, now)


def try_item_again(request: Request, session: Session, item_id: UUID, *, principal: Principal, now: datetime) -> bool:
    """Ask the card that paid once more to take a credit or a top-up back; whether any of it went back.

    Raises:
        NotWaiting, OwnMoney.
    """
    return _what_is(session, item_id).try_again(payment_providers(request), session, item_id, principal, now)


def undo_settlement(session: Session, item_id: UUID, *, principal: Principal, now: datetime) -> None:
    """Let what was settled by hand wait again, where no money has moved.

    Raises:
        NotWaiting, OwnMoney.
    """
    _what_is(session, item_id).undo(session, item_id, principal, now)


def decide_parked_invoice(
    session: Session,
    parked_id: UUID,
    *,
    approves: bool,
    total_minor: int,
    reason: str,
    principal: Principal,
    now: datetime,
) -> UUID | None:
    """Make an invoice that was parked, of as much as was seen, or let its charges go; the invoice that was made.

    Raises:
        ParkedInvoiceDecided, ParkedInvoiceChanged, OwnMoney.
    """
    if approves:
        made: Invoice = decisions.approve(
            session, parked_id=parked_id, total_minor=total_minor, reason=reason, principal=principal, now=now
        )
        return made.id
    decisions.void(session, parked_id=parked_id, reason=reason, principal=principal, now=now)
    return None


def release_customer(session: Session, customer_id: UUID, *, reason: str, principal: Principal, now: datetime) -> None:
    """Let billing of a parked customer go on.

    Raises:
        CustomerNotParked, OwnMoney.
    """
    decisions.release(session, customer_id=customer_id, reason=reason, principal=principal, now=now)
