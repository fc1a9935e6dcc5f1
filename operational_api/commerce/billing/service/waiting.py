"""Charges and credits that wait for a person, and what people say of each. What is parked is `decisions`; what is said
of a top-up is `stuck_top_ups`.

| waits | because | what a person may say |
|---|---|---|
| a credit | refused, contested, used_up: no payment of theirs can give it back | again, paid_outside, written_off |
| a top-up of a closed wallet | refused, contested | again, paid_outside, written_off |
| a charge | too_small for a card, or not_invoiced: something is wrong with it | waived |

A charge that is too small is collected with the next one of the same payer's. Where that payer has none coming, what is
too small is written off after `FORGOTTEN`, by rule. What moved no money can be taken back. Credits of days whose
payment is gone are void by themselves (`ended_items`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, exists, func, select, tuple_
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce import ledger, prices
from operational_api.commerce.billing.drafts import draft
from operational_api.commerce.billing.errors import NotSettledSo, NotWaiting
from operational_api.commerce.billing.models import BillingItem, ParkedInvoice
from operational_api.commerce.billing.service import ended_items, fees, giving_back, invoicing, stuck_top_ups
from operational_api.commerce.billing.service.deciders import SETTLE, decider
from operational_api.commerce.models import Customer, Dispute, Invoice, Payment, Refund, WalletCredit
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import customers, journals
from operational_api.core import audit
from operational_api.core.principal import Principal

log = get_logger(__name__)
FORGOTTEN = timedelta(days=90)
"""How long a charge that is too small waits for another one of the same payer's."""
SETTLED_SHOWN = timedelta(days=30)
PROVIDERS = ("stripe", "momo", *ledger.KEPT)
How = Literal["paid_outside", "written_off", "waived"]
_OF_CREDITS: tuple[How, ...] = ("paid_outside", "written_off")
Kind = Literal["credit", "charge", "top_up"]
After = tuple[object, ...] | None
"""When the last one seen began to wait, or was settled, and its id; None for the first page."""
UNDONE = ("written_off", "waived")
"""Settlements that moved no money, and can be taken back. What is void was decided for good."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A charge, or a credit or a top-up (below 0), that waits for a person. `reason`: see the module. `account_id`:
    whose it is."""

    item_id: UUID
    customer_id: UUID
    account_id: UUID
    description: str
    amount_minor: int
    currency: str
    since: datetime
    reason: str
    kind: Kind

    @property
    def ways(self) -> tuple[str, ...]:
        """What a person may say of it."""
        if self.kind == "charge":
            return ("waived",)
        return ("again", *_OF_CREDITS) if self.reason == "refused" else _OF_CREDITS


def items(session: Session, now: datetime, *, limit: int = 200) -> list[Waiting]:
    """Charges, credits and top-ups that wait for a person, the oldest first."""
    found = [*credits_(session, limit=limit), *charges(session, now, limit=limit), *top_ups(session, limit=limit)]
    return sorted(found, key=lambda one: (one.since, one.item_id))[:limit]


def _stuck_credits() -> Select[tuple[UUID]]:
    return giving_back.due().where(~exists().where(*giving_back.can_pay(PROVIDERS)))


def _stuck_charges(now: datetime) -> Select[tuple[UUID]]:
    """An hour later than they are invoiced: the worker comes by more often."""
    query = select(BillingItem.id).join(Customer, Customer.id == BillingItem.customer_id)
    return query.where(*fees.nobody_invoices(now - timedelta(hours=1)))


def credits_(session: Session, *, limit: int, after: After = None) -> list[Waiting]:
    """Credits that wait, the oldest first."""
    own = (
        Payment.invoice_id == Invoice.id, Payment.customer_id == BillingItem.customer_id,
        Payment.currency == BillingItem.currency, Payment.status == "captured",
        Invoice.payer_id.is_not_distinct_from(BillingItem.payer_id), Invoice.session_pack_id.is_(None),
        ~exists().where(WalletCredit.invoice_id == Invoice.id),
    )  # fmt: skip
    refused = exists().where(*own, Refund.payment_id == Payment.id, Refund.status == "failed")
    contested = exists().where(*own, Dispute.payment_id == Payment.id, Dispute.status != "won")
    why = case((refused, "refused"), (contested, "contested"), else_="used_up")
    query = select(BillingItem, why).where(BillingItem.id.in_(_stuck_credits()), *_later_than(after))
    rows = session.execute(query.order_by(BillingItem.made_at, BillingItem.id).limit(limit)).tuples()
    return [_waiting(item, reason, "credit") for item, reason in rows]


def charges(session: Session, now: datetime, *, limit: int, after: After = None) -> list[Waiting]:
    """Charges that wait, the oldest first."""
    query = select(BillingItem).where(BillingItem.id.in_(_stuck_charges(now)), *_later_than(after))
    rows = session.scalars(query.order_by(BillingItem.made_at, BillingItem.id).limit(limit)).all()
    totals: dict[tuple[UUID, UUID | None, str], int] = {}
    beside = select(BillingItem).where(BillingItem.customer_id.in_({row.customer_id for row in rows}))
    for row in session.scalars(beside.where(*invoicing.WAITS)) if rows else ():
        totals[_group(row)] = totals.get(_group(row), 0) + row.amount_minor
    small = {one for one, total in totals.items() if total > 0 and not prices.is_chargeable(total, one[2])}
    return [_waiting(row, "too_small" if _group(row) in small else "not_invoiced", "charge") for row in rows]


def top_ups(session: Session, *, limit: int, after: After = None) -> list[Waiting]:
    """Top-ups of closed wallets that no bank gives back, the oldest first."""
    return [
        Waiting(
            credit.id, credit.customer_id, credit.customer_id, "Paid into a wallet", -credit.left_minor,
            credit.currency, since, why, "top_up",
        )
        for credit, why, since in stuck_top_ups.waiting(session, limit=limit, after=after)
    ]  # fmt: skip


def _later_than(after: After) -> list[ColumnElement[bool]]:
    return [tuple_(BillingItem.made_at, BillingItem.id) > after] if after else []


def _is_waiting(session: Session, row: BillingItem, now: datetime) -> bool:
    wanted = _stuck_credits() if row.kind == "unused" else _stuck_charges(now)
    return session.scalar(wanted.where(BillingItem.id == row.id)) is not None


def _group(row: BillingItem) -> tuple[UUID, UUID | None, str]:
    return row.customer_id, row.payer_id, row.currency


def _waiting(row: BillingItem, why: str, kind: Kind) -> Waiting:
    return Waiting(
        row.id, row.customer_id, row.payer_id or row.customer_id, row.description, row.amount_minor, row.currency,
        row.made_at, why, kind,
    )  # fmt: skip


def settled(session: Session, now: datetime, *, limit: int = 50, before: After = None) -> Sequence[BillingItem]:
    """What of charges and credits was settled in the last month, the newest first."""
    query = select(BillingItem).where(BillingItem.settled_at > now - SETTLED_SHOWN)
    if before is not None:
        query = query.where(tuple_(BillingItem.settled_at, BillingItem.id) < before)
    return session.scalars(query.order_by(BillingItem.settled_at.desc(), BillingItem.id.desc()).limit(limit)).all()


def settle(
    session: Session, *, item_id: UUID, how: How, reason: str, principal: Principal, now: datetime
) -> BillingItem:  # fmt: skip
    """Say what became of a charge or a credit that waits for a person. What was paid by other means is in the ledger.

    Raises:
        NotWaiting: it waits for nobody.
        OwnMoney: it is their own.
        NotSettledSo: a charge is waived; a credit is paid by other means, or written off.
    """
    row, actor_id = _locked(session, item_id, principal)
    if not _is_waiting(session, row, now):
        raise NotWaiting
    if (how in _OF_CREDITS) != (row.kind == "unused"):
        raise NotSettledSo
    if how == "paid_outside":
        lines = ledger.refund_paid(
            amount_minor=-row.amount_minor, tax_minor=-row.tax_minor, balance=ledger.BANK_BALANCE
        )
        journals.post(
            session, kind="credit_paid_outside", source_type="billing_item", source_id=row.id,
            customer_id=row.customer_id, currency=row.currency, lines=lines, posted_at=now,
        )  # fmt: skip
    ended_items.record(session, row, how, reason=reason, actor_id=actor_id, now=now)
    _note(session, row, actor_id, now, how=how, reason=reason)
    session.flush()
    return row


def undo(session: Session, *, item_id: UUID, principal: Principal, now: datetime) -> BillingItem:
    """Let what was settled by hand wait again.

    Raises:
        NotWaiting: it is not settled, or money has moved.
        OwnMoney: it is their own.
    """
    row, actor_id = _locked(session, item_id, principal)
    if row.settled_as not in UNDONE:
        raise NotWaiting
    row.settled_as = row.settled_at = row.settled_by = row.settled_reason = None
    ended_items.tell(session, row, now)
    _note(session, row, actor_id, now, how="taken back")
    session.flush()
    return row


def try_again(
    session: Session, providers: Mapping[str, PaymentProvider], *, item_id: UUID, principal: Principal, now: datetime
) -> bool:
    """Ask the card that paid once more to take a credit back, though it was refused; whether any of it went back.

    Raises:
        NotWaiting: it waits for nobody, or no payment could give it back.
        OwnMoney: it is their own.
    """
    row, actor_id = _locked(session, item_id, principal)
    can = select(BillingItem.id).where(
        BillingItem.id == item_id, BillingItem.id.in_(giving_back.due()),
        exists().where(*giving_back.can_pay(list(providers), tries_again=True)),
    )  # fmt: skip
    if session.scalar(can) is None:
        raise NotWaiting
    _note(session, row, actor_id, now, how="card tried again")
    return giving_back.give_back_again(session, providers, item_id, now=now)


def count(session: Session, now: datetime) -> int:
    """How much waits for a person, in one question."""
    counted = (
        select(func.count()).select_from(ParkedInvoice).where(ParkedInvoice.status == "waiting"),
        select(func.count()).select_from(Customer).where(Customer.parked_at.is_not(None)),
        select(func.count()).select_from(_stuck_credits().subquery()),
        select(func.count()).select_from(_stuck_charges(now).subquery()),
        select(func.count()).select_from(stuck_top_ups.stuck().subquery()),
    )
    found = session.execute(select(*(one.scalar_subquery() for one in counted))).one()
    return sum(found)


def write_off_small(session: Session, now: datetime, *, limit: int = 100) -> int:
    """Write off what has waited for so long that no other charge of the same payer's will come. One that goes wrong
    leaves the others alone.

    Where a credit of theirs pays all but so little, only so little is written off, and the rest is invoiced.

    Returns:
        For how many payers something was.
    """
    due = session.execute(
        select(BillingItem.customer_id, BillingItem.payer_id, BillingItem.currency)
        .join(Customer, Customer.id == BillingItem.customer_id)
        .where(*fees.nobody_invoices(now))
        .group_by(BillingItem.customer_id, BillingItem.payer_id, BillingItem.currency)
        .having(func.max(BillingItem.made_at) <= now - FORGOTTEN)
        .order_by(BillingItem.customer_id, BillingItem.payer_id, BillingItem.currency)
        .limit(limit)
    ).all()
    done = 0
    for customer_id, payer_id, currency in due:
        try:
            with session.begin_nested():
                done += _write_off(session, customer_id, payer_id, currency, now)
        except Exception:
            log.exception("small_charge_not_written_off", customer_id=str(customer_id), currency=currency)
    return done


def _write_off(session: Session, customer_id: UUID, payer_id: UUID | None, currency: str, now: datetime) -> bool:
    customers.locked_customer(session, customer_id)
    rows = invoicing.waiting(session, customer_id=customer_id, payer_id=payer_id, currency=currency)
    made = draft([invoicing.item_of(row) for row in rows])
    if made is None or made.total_minor <= 0 or prices.is_chargeable(made.total_minor, currency):
        return False
    reason = "Too small for a card, and no other charge followed"
    if not any(row.kind == "unused" for row in rows):
        for row in rows:
            ended_items.record(session, row, "too_small", reason=reason, actor_id=None, now=now)
        return True
    largest = max(rows, key=lambda row: row.amount_minor)
    gone = ended_items.split_off(session, largest, min(made.total_minor, largest.amount_minor))
    ended_items.record(session, gone, "too_small", reason=reason, actor_id=None, now=now)
    return True


def _locked(session: Session, item_id: UUID, principal: Principal) -> tuple[BillingItem, UUID]:
    """An item with its customer's row locked, and who decides about it."""
    customer_id = session.scalar(select(BillingItem.customer_id).where(BillingItem.id == item_id))
    if customer_id is None or customers.locked_customer(session, customer_id) is None:
        raise NotWaiting
    row: BillingItem | None = session.get(BillingItem, item_id, populate_existing=True)
    if row is None:
        raise NotWaiting
    return row, decider(principal, SETTLE, "BillingItem", row.id, (row.customer_id, row.payer_id))


def _note(session: Session, row: BillingItem, actor_id: UUID, now: datetime, **details: object) -> None:
    audit.record(
        session, SETTLE, "BillingItem", row.id, actor_id=actor_id, subject_id=row.customer_id, purpose="operations",
        now=now, details={"amount_minor": row.amount_minor, "currency": row.currency} | details,
    )  # fmt: skip
