"""Collecting our invoices: each attempt once, the schedule of the next ones, and the end where nobody pays.

The worker makes every attempt, in a transaction that began before it: its key is known before anything is charged, so
after a crash the same attempt is asked about and not made anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from contracts.events.billing import CollectionScheduled
from contracts.telemetry import get_logger
from operational_api.commerce import ledger, lifecycle, prices
from operational_api.commerce.billing import dunning
from operational_api.commerce.billing.collectors import Charge, Charged, Collector
from operational_api.commerce.billing.dunning import Dunning, Verdict
from operational_api.commerce.billing.errors import InvoiceNotFound, NeedsLook, NothingToPay
from operational_api.commerce.billing.models import Collection
from operational_api.commerce.billing.periods import day_of, same_hour
from operational_api.commerce.billing.service import (
    credit_notes,
    invoicing,
    leaving,
    memberships,
    parking,
    people,
    plan_changes,
)
from operational_api.commerce.models import Customer, Invoice, Payment, Subscription, Wallet
from operational_api.commerce.service import captures, customers, packs, wallets
from operational_api.core import paging
from operational_api.core.outbox import publish
from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal

log = get_logger(__name__)
ASK_AGAIN = timedelta(minutes=10)
"""How long an answer that did not come is waited for before it is asked for again."""
OPEN = ("due", "retrying", "stopped")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How far the collection of an invoice is: what was tried, and when what comes next. `may_ask`: the payer may have
    the card tried now. `ends_membership`: where nobody pays, a membership ends that still runs. `left_minor` is what is
    asked for; what a wallet has paid is no attempt."""

    collection: Collection
    invoice: Invoice
    tried: Sequence[Payment]
    planned: Sequence[datetime]
    may_ask: bool
    ends_membership: bool
    left_minor: int


def collect_due(session: Session, collector: Collector, now: datetime, *, limit: int = 50) -> int:
    """Make every attempt that is due, but for customers that are parked. One that goes wrong leaves the others alone.

    Returns:
        How many were due.
    """
    due = session.execute(
        select(Collection.invoice_id, Collection.customer_id)
        .where(Collection.next_attempt_at <= now, Collection.customer_id.not_in(parking.PARKED))
        .order_by(Collection.next_attempt_at)
        .limit(limit)
    ).all()
    for invoice_id, customer_id in due:
        try:
            with session.begin_nested():
                customer = customers.locked_customer(session, customer_id)
                if customer is not None and customer.parked_at is not None:  # meanwhile
                    continue
                row = collect(session, collector, invoice_id, now=now)
        except Exception:
            log.exception("collection_failed", invoice_id=str(invoice_id))
        else:
            # A provider that does not answer is left in peace: each of its timeouts keeps these customers' rows locked.
            if row is not None and row.next_attempt_at == now + ASK_AGAIN:
                break
    return len(due)


def collect(session: Session, collector: Collector, invoice_id: UUID, *, now: datetime) -> Collection | None:
    """Make the attempt that is due, or give up where only its payer was waited for; the customer's row is locked."""
    row = session.scalar(
        select(Collection)
        .where(Collection.invoice_id == invoice_id, Collection.next_attempt_at <= now)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        return None
    invoice = session.get_one(Invoice, invoice_id)
    was_asked_for = row.status != "stopped" or not leaving.is_handed_over(row, invoice)
    if was_asked_for and _take_from_wallet(session, row, invoice, now):
        return row
    if row.status == "stopped":
        _give_up(session, row, invoice, now)
        return row
    if leaving.take_from(session, row, now):
        return row
    payment, seen = _attempt(session, collector, row, invoice, now)
    if payment.status == "unknown":
        row.next_attempt_at = now + ASK_AGAIN
        session.flush()
        return row
    zone = _zones(session, [invoice])[invoice.id]
    today, last_on = day_of(now, zone), leaving.last_day(row, invoice, zone)
    agreed = session.get(Subscription, invoice.subscription_id) if invoice.subscription_id else None
    has_ended = agreed is not None and agreed.status == lifecycle.CANCELLED
    is_over = has_ended or leaving.is_handed_over(row, invoice)
    after, verdict = dunning.judge(
        _dunning(row, zone), failure=payment.failure_code, on=today, ends_on=last_on, is_over=is_over
    )
    if seen.has_other_card:
        after, verdict = Dunning(after.attempts, today), Verdict.RETRY
    row.attempts, row.last_failure_code = after.attempts, payment.failure_code
    if verdict is Verdict.PAID:
        _paid(session, row, invoice, now)
    elif plan_changes.settle(session, invoice, failure=payment.failure_code or "failed", now=now):
        pass  # a change of plan is tried once
    elif verdict is Verdict.GIVEN_UP:
        _give_up(session, row, invoice, now)
    else:
        if after.next_on is None:
            raise ValueError("who waits has a next day")
        row.next_attempt_at = same_hour(now, after.next_on, zone)
        _wait(session, row, invoice, verdict, now)
    session.flush()
    return row


def spend_wallets(session: Session, now: datetime, *, limit: int = 100) -> int:
    """Pay what is open out of its payers' wallets, whatever its next attempt waits for: a new card, or a day. Not what
    another payer has left to its customer, which they pay if they ask for it. One that goes wrong leaves the others
    alone.

    Returns:
        How many were looked at.
    """
    query = (
        select(Collection.invoice_id, Collection.customer_id)
        .join(Invoice, Invoice.id == Collection.invoice_id)
        .join(Wallet, (Wallet.customer_id == Collection.payer_id) & (Wallet.currency == Invoice.currency))
        .where(
            Collection.status.in_(OPEN), Collection.customer_id.not_in(parking.PARKED), Wallet.balance_minor > 0,
            wallets.may_spend(now), ~leaving.HANDED_OVER,
        )
        .order_by(Collection.started_at, Collection.invoice_id)
        .limit(limit)
    )  # fmt: skip
    found = session.execute(query).all()
    for invoice_id, customer_id in found:
        try:
            with session.begin_nested():
                customer = customers.locked_customer(session, customer_id)
                row = session.scalar(
                    select(Collection)
                    .where(Collection.invoice_id == invoice_id, Collection.status.in_(OPEN))
                    .with_for_update(skip_locked=True)
                    .execution_options(populate_existing=True)
                )
                if row is not None and customer is not None and customer.parked_at is None:
                    _take_from_wallet(session, row, session.get_one(Invoice, invoice_id), now)
        except Exception:
            log.exception("wallet_not_spent", invoice_id=str(invoice_id))
    return len(found)


def _take_from_wallet(session: Session, row: Collection, invoice: Invoice, now: datetime) -> bool:
    """Let the payer's wallet pay what it can of an invoice, and a card the rest: not less than a card can be charged.
    Nothing while an attempt has no answer, for it asks for all that was left. Whether that is all; then it is paid."""
    if session.scalar(select(exists().where(Payment.invoice_id == invoice.id, Payment.status == "unknown"))):
        return False
    left = credit_notes.left_to_pay(session, invoice)
    wanted = prices.part_before_card(left, wallets.spendable_minor(session, row.payer_id, invoice.currency, now),
                                     invoice.currency)  # fmt: skip
    made = wallets.spend(
        session, owner_id=row.payer_id, invoice=invoice, wanted_minor=wanted, attempt=row.attempts + 1, now=now
    )
    for payment in made:
        captures.announce(session, payment, at=now)
    if not made or sum(one.amount_minor for one in made) < left:
        return False
    _paid(session, row, invoice, now)
    session.flush()
    return True


def _paid(session: Session, row: Collection, invoice: Invoice, now: datetime) -> None:
    invoicing.end_collection(session, row, "paid", now)
    invoice.status, invoice.paid_at = "paid", now
    session.flush()
    plan_changes.settle(session, invoice, failure=None, now=now)
    if invoice.subscription_id:
        memberships.set_overdue(session, invoice.subscription_id, is_overdue=False, now=now)


def _zones(session: Session, invoices: Iterable[Invoice]) -> dict[UUID, str]:
    """In whose days each is collected: of its membership, and where there is none of its customer, by invoice id."""
    invoices = list(invoices)
    agreed = {one.subscription_id for one in invoices if one.subscription_id}
    query = select(Subscription.id, Subscription.time_zone).where(Subscription.id.in_(agreed))
    zones = dict(session.execute(query).tuples().all()) if agreed else {}
    others = [one.customer_id for one in invoices if one.subscription_id not in zones]
    known = people.addressees(session, others) if others else {}
    return {
        one.id: zones[one.subscription_id] if one.subscription_id in zones else known[one.customer_id].time_zone
        for one in invoices
    }


def _dunning(row: Collection, zone: str) -> Dunning:
    next_on = day_of(row.next_attempt_at, zone) if row.next_attempt_at else None
    return Dunning(row.attempts, next_on, waits_for_card=row.status == "stopped")


def _attempt(
    session: Session, collector: Collector, row: Collection, invoice: Invoice, now: datetime
) -> tuple[Payment, Charged]:
    number = row.attempts + 1
    payment = session.scalar(
        select(Payment).where(Payment.invoice_id == invoice.id, Payment.attempt == number, Payment.status == "unknown")
    )
    if payment is None:
        payment = Payment(
            invoice_id=invoice.id, customer_id=invoice.customer_id, provider=collector.name, status="pending",
            attempt=number, amount_minor=credit_notes.left_to_pay(session, invoice), currency=invoice.currency,
            attempted_at=now,
        )  # fmt: skip
        session.add(payment)
    payer = session.get_one(Customer, row.payer_id)
    order = Charge(
        key=f"invoice-{invoice.id}-{number}", payer_ref=payer.stripe_customer_id, amount_minor=payment.amount_minor,
        currency=invoice.currency, description=f"Invoice {invoice.number}",
    )  # fmt: skip
    seen = collector.charge(order)
    _note(payment, seen, now)
    session.flush()
    captures.announce(session, payment, at=now)
    return payment, seen


def _note(payment: Payment, seen: Charged, now: datetime) -> None:
    payment.status, payment.provider_payment_id = seen.status, seen.payment_id or payment.provider_payment_id
    if seen.amount_minor is not None:
        payment.amount_minor = seen.amount_minor
    payment.fee_minor, payment.failure_code = seen.fee_minor, seen.failure_code if seen.status == "failed" else None
    payment.captured_at = now if seen.status == "captured" else None


def _wait(session: Session, row: Collection, invoice: Invoice, verdict: Verdict, now: datetime) -> None:
    row.status = "stopped" if verdict is Verdict.STOPPED else "retrying"
    if invoice.subscription_id:
        memberships.set_overdue(session, invoice.subscription_id, is_overdue=True, now=now)
    publish(session, CollectionScheduled(
        occurred_at=now, invoice_id=invoice.id, customer_id=invoice.customer_id, attempts=row.attempts,
        next_attempt_at=row.next_attempt_at, failure_code=row.last_failure_code,
        waits_for_card=verdict is Verdict.STOPPED,
    ))  # fmt: skip


def _give_up(session: Session, row: Collection, invoice: Invoice, now: datetime) -> None:
    """Nobody pays: every open invoice of the membership is written off, and it ends; of one that had ended before, this
    invoice. Of a pack that was sold on it nothing can be used any more.

    Not while an attempt has no answer: the money may have come, and nothing that is paid is written off.
    """
    rows = [row]
    agreed = session.get(Subscription, invoice.subscription_id) if invoice.subscription_id else None
    if agreed is not None and agreed.status != lifecycle.CANCELLED:
        others = (
            select(Collection)
            .join(Invoice, Invoice.id == Collection.invoice_id)
            .where(Invoice.subscription_id == agreed.id, Collection.status.in_(OPEN))
        )
        rows += [other for other in session.scalars(others) if other.invoice_id != row.invoice_id]
    ids = [one.invoice_id for one in rows]
    if session.scalar(select(exists().where(Payment.invoice_id.in_(ids), Payment.status == "unknown"))):
        row.next_attempt_at = now + ASK_AGAIN
        return
    for one in rows:
        unpaid = session.get_one(Invoice, one.invoice_id)
        if plan_changes.settle(session, unpaid, failure=plan_changes.ENDED, now=now):
            continue
        invoicing.end_collection(session, one, "given_up", now)
        unpaid.status = "uncollectible"
        net, tax = credit_notes.left_of(session, unpaid)
        invoicing.post(session, unpaid, "written_off", ledger.written_off(subtotal_minor=net, tax_minor=tax), now)
        back = unpaid.total_minor - credit_notes.paid_minor(session, unpaid.id)
        packs.reduce(session, unpaid, back_minor=back, source=unpaid.id, at=now)
    session.flush()
    if agreed is not None:
        memberships.end_unpaid(session, agreed.id, now=now)


def card_changed(session: Session, *, payer_id: UUID, given_at: datetime, now: datetime) -> int:
    """A payer has a new card: all that waits for one, or for another day, is tried at once. What was tried since the
    card was given was tried with it: told once more or late, a card is not tried again. What another payer left open is
    charged only if they ask for it, which they may do again.

    Returns:
        How many invoices that are.
    """
    tried = select(Payment.id).where(
        Payment.invoice_id == Collection.invoice_id, Payment.attempted_at > given_at, Payment.status == "failed"
    )
    found = session.execute(
        select(Collection, Invoice)
        .join(Invoice, Invoice.id == Collection.invoice_id)
        .where(Collection.payer_id == payer_id, Collection.status.in_(OPEN), ~tried.exists())
        .with_for_update(of=Collection)
    ).all()
    rows = [row for row, invoice in found if not leaving.is_handed_over(row, invoice)]
    for row, invoice in found:
        if leaving.is_handed_over(row, invoice):
            row.last_failure_code = None
    for row in rows:
        row.next_attempt_at = now
        if row.status == "stopped":
            row.status = "retrying"
    session.flush()
    return len(rows)


def card_changed_at(session: Session, *, provider_customer_id: str | None, given_at: datetime, now: datetime) -> int:
    """`card_changed`, by the provider's id of the payer; nobody of ours is nothing to do."""
    payer_id = session.scalar(select(Customer.id).where(Customer.stripe_customer_id == provider_customer_id))
    return card_changed(session, payer_id=payer_id, given_at=given_at, now=now) if payer_id else 0


def try_now(session: Session, principal: Principal, *, invoice_id: UUID, now: datetime) -> Schedule:
    """Bring the next attempt forward, as the payer asks.

    Raises:
        InvoiceNotFound: unknown, or not theirs to pay.
        NothingToPay: nothing is collected any more, or it waits for a new card: the bank refused this one for good,
            or it was tried as often as it may be.
        NeedsLook: the customer is parked.
    """
    row = session.get(Collection, invoice_id, with_for_update=True)
    if row is None:
        raise InvoiceNotFound
    about = Resource("Invoice", invoice_id, customer_id=row.payer_id)  # another's card is not the member's to charge
    require(principal, "commerce.pay_invoice", about, missing=InvoiceNotFound)
    if row.status not in OPEN:
        raise NothingToPay
    if session.get_one(Customer, row.customer_id).parked_at is not None:
        raise NeedsLook
    if not _may_ask(row, session.get_one(Invoice, invoice_id)):
        raise NothingToPay("This card is not charged again. Add another card first.")
    row.status, row.next_attempt_at = "due" if row.status == "due" else "retrying", now
    session.flush()
    return _schedules(session, [row])[0]


def open_of(session: Session, account_id: UUID) -> list[Schedule]:
    """What is being collected from an account, or about it, the oldest first."""
    query = (
        select(Collection)
        .where(
            (Collection.payer_id == account_id) | (Collection.customer_id == account_id), Collection.status.in_(OPEN)
        )
        .order_by(Collection.started_at)
    )
    return _schedules(session, session.scalars(query).all())


def page(
    session: Session, *, status: str | None, limit: int, cursor: str | None
) -> tuple[list[Schedule], str | None]:  # fmt: skip
    """Collections of everybody, the newest first: those that are open, unless a status is named."""
    query = select(Collection).where(Collection.status == status if status else Collection.status.in_(OPEN))
    if cursor:
        query = query.where(Collection.invoice_id < paging.after(cursor, UUID)[0])
    rows = session.scalars(query.order_by(Collection.invoice_id.desc()).limit(limit + 1)).all()
    cut, following = paging.cut(rows, limit, lambda row: (row.invoice_id,))
    return _schedules(session, cut), following


def _schedules(session: Session, rows: Sequence[Collection]) -> list[Schedule]:
    ids = [row.invoice_id for row in rows]
    invoices, lives = dict[UUID, Invoice](), set[UUID]()
    known = select(Invoice, Subscription.status).outerjoin(Subscription, Subscription.id == Invoice.subscription_id)
    for invoice, status in session.execute(known.where(Invoice.id.in_(ids))).tuples():
        invoices[invoice.id] = invoice
        lives |= {invoice.id} if status in lifecycle.LIVE else set()
    tried: dict[UUID, list[Payment]] = {id_: [] for id_ in ids}
    taken: dict[UUID, int] = dict.fromkeys(ids, 0)
    for payment in session.scalars(
        select(Payment).where(Payment.invoice_id.in_(ids)).order_by(Payment.attempt, Payment.id)
    ):
        if payment.provider in ledger.KEPT:
            taken[payment.invoice_id] += payment.amount_minor
        else:
            tried[payment.invoice_id].append(payment)
    for id_, notes in credit_notes.of_invoices(session, ids).items():
        taken[id_] += sum(one.amount_minor for one in notes if one.settlement == "open")
    zones = _zones(session, invoices.values())
    return [
        Schedule(
            row, invoices[row.invoice_id], tried[row.invoice_id], _planned(row, zones[row.invoice_id]),
            may_ask=_may_ask(row, invoices[row.invoice_id]), ends_membership=row.invoice_id in lives,
            left_minor=invoices[row.invoice_id].total_minor - taken[row.invoice_id],
        )
        for row in rows
    ]  # fmt: skip


def _may_ask(row: Collection, invoice: Invoice) -> bool:
    if leaving.is_handed_over(row, invoice):  # what was tried before was another's card
        return row.status in OPEN and not dunning.is_hard(row.last_failure_code)
    return row.status in OPEN and (row.status != "stopped" or not dunning.is_spent(row.attempts, row.last_failure_code))


def _planned(row: Collection, zone: str) -> list[datetime]:
    if row.next_attempt_at is None or row.status == "stopped":
        return []
    return [same_hour(row.next_attempt_at, day, zone) for day in dunning.plan(_dunning(row, zone))]
