"""Invoices and the attempts to collect them: following the provider's state, posting the ledger, listing."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce import ledger, prices
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import invoicing
from operational_api.commerce.models import CheckoutSession, Invoice, Payment, Plan, PlanPrice, Subscription
from operational_api.commerce.providers.port import PaymentProvider, ProviderAttempt, ProviderInvoice
from operational_api.commerce.service import captures, packs, refunds, subscriptions, wallets
from operational_api.commerce.service.customers import billed_to, locked_customer
from operational_api.commerce.service.plans import TOP_UP
from operational_api.core import paging

log = get_logger(__name__)
CLOSED = {"paid", "void", "uncollectible"}


def sync_invoice(session: Session, provider: PaymentProvider, *, provider_id: str, now: datetime) -> Invoice | None:
    """Bring an invoice, its payments, what they buy and the ledger up to the provider's state of this moment.

    Returns:
        The row; None for a draft, for an invoice of nothing (a trial's), and for one that was not made by us.
    """
    seen = provider.invoice(provider_id)
    subscription: Subscription | None = None
    checkout: CheckoutSession | None = None
    if seen.subscription_id is not None and provider.billing is not None:
        subscription = subscriptions.sync_subscription(
            session, provider.billing, provider_id=seen.subscription_id, now=now
        )
    elif seen.checkout_reference is not None:
        checkout = session.get(CheckoutSession, UUID(seen.checkout_reference))
        if checkout is not None:
            locked_customer(session, checkout.customer_id)
    source = subscription or checkout
    if source is None:
        log.warning("foreign_invoice_ignored", provider_id=provider_id)
        return None
    seen = provider.invoice(provider_id)  # again: only what is read under the lock is surely not older
    if seen.status == "draft" or seen.total_minor == 0:
        return None
    row = session.scalar(
        select(Invoice).where(Invoice.stripe_invoice_id == provider_id).execution_options(populate_existing=True)
    )
    plan = session.get_one(Plan, source.plan_id)
    if row is None:
        tax_rate_bp = session.get_one(PlanPrice, source.price_id).tax_rate_bp
        row = _issue(session, seen, source, plan, tax_rate_bp=tax_rate_bp)
    captured = [_collect(session, provider, row, attempt) for attempt in seen.attempts]
    if row.status == "open" and seen.status in CLOSED:
        _close(session, row, seen, plan, now=now)
    if checkout is not None and row.status == "paid" and plan.kind == TOP_UP:
        wallets.top_up(session, customer_id=checkout.customer_id, invoice=row, now=row.paid_at or now)
    elif checkout is not None and row.status == "paid" and row.session_pack_id is None:
        row.session_pack_id = packs.grant(
            session,
            customer_id=checkout.customer_id,
            plan_id=checkout.plan_id,
            currency=row.currency,
            purchased_at=row.paid_at or now,
            net_minor=row.subtotal_minor,
            total_minor=row.total_minor,
        ).id
    session.flush()
    for payment, attempt in zip(captured, seen.attempts, strict=True):
        if attempt.is_refunded:
            refunds.sync_refunds(session, provider, payment=payment, invoice=row)
    return row


def _issue(
    session: Session, seen: ProviderInvoice, source: Subscription | CheckoutSession, plan: Plan, *, tax_rate_bp: int
) -> Invoice:
    tax = prices.included_tax(seen.total_minor, tax_rate_bp)
    is_membership = isinstance(source, Subscription)
    row = Invoice(
        number=seen.number or seen.id,
        customer_id=source.customer_id,
        subscription_id=source.id if is_membership else None,
        status="open",
        currency=seen.currency,
        subtotal_minor=seen.total_minor - tax,
        tax_minor=tax,
        total_minor=seen.total_minor,
        period_start=seen.period_start if is_membership else None,
        period_end=seen.period_end if is_membership else None,
        issued_at=seen.issued_at,
        due_at=seen.due_at,
        stripe_invoice_id=seen.id,
        billed_to=billed_to(session, source.customer_id),
    )
    session.add(row)
    session.flush()
    days = (row.period_start.date(), row.period_end.date()) if row.period_start and row.period_end else (None, None)
    invoicing.write_lines(session, row, [Item(plan.kind, plan.name, row.total_minor, tax, tax_rate_bp, *days)])
    lines = ledger.invoice_issued(subtotal_minor=row.subtotal_minor, tax_minor=tax, revenue=_revenue(plan))
    invoicing.post(session, row, "invoice_issued", lines, row.issued_at)
    return row


def _revenue(plan: Plan) -> str:
    return {"membership": ledger.MEMBERSHIP_REVENUE, TOP_UP: ledger.WALLET_TOP_UPS}.get(
        plan.kind, ledger.DEFERRED_PACKS
    )


def _close(session: Session, row: Invoice, seen: ProviderInvoice, plan: Plan, *, now: datetime) -> None:
    closed_at = seen.closed_at or now
    row.status = seen.status
    if seen.status == "paid":
        row.paid_at = closed_at
    elif seen.status == "void" or plan.kind == TOP_UP:  # of a top-up nothing is lost: nothing was sold
        revenue = _revenue(plan)
        lines = ledger.invoice_voided(subtotal_minor=row.subtotal_minor, tax_minor=row.tax_minor, revenue=revenue)
        invoicing.post(session, row, "invoice_voided", lines, closed_at)
    else:
        lines = ledger.written_off(subtotal_minor=row.subtotal_minor, tax_minor=row.tax_minor)
        invoicing.post(session, row, "written_off", lines, closed_at)


def _collect(session: Session, provider: PaymentProvider, invoice: Invoice, seen: ProviderAttempt) -> Payment:
    row = session.scalar(
        select(Payment).where(
            Payment.provider == provider.name,
            Payment.provider_payment_id == seen.payment_id,
            Payment.attempt == seen.attempt,
        )
    )
    if row is None:
        row = Payment(
            invoice_id=invoice.id,
            customer_id=invoice.customer_id,
            provider=provider.name,
            provider_payment_id=seen.payment_id,
            attempt=seen.attempt,
            status="pending",
            amount_minor=seen.amount_minor,
            currency=seen.currency,
            attempted_at=seen.attempted_at,
        )
        session.add(row)
    if row.status in ("captured", "failed") or seen.status == "pending":
        session.flush()
        return row
    row.status, row.fee_minor, row.failure_code = seen.status, seen.fee_minor, seen.failure_code
    row.captured_at = seen.attempted_at if seen.status == "captured" else None
    session.flush()
    captures.announce(session, row, at=seen.attempted_at)
    return row


def captured_payment(
    session: Session, provider: PaymentProvider, *, provider_payment_id: str, now: datetime
) -> tuple[Payment, Invoice] | None:
    """The captured payment with a provider's id and its invoice, fetched first where its message has not come yet."""
    query = (
        select(Payment, Invoice)
        .join(Invoice, Invoice.id == Payment.invoice_id)
        .where(
            Payment.provider == provider.name,
            Payment.provider_payment_id == provider_payment_id,
            Payment.status == "captured",
        )
    )
    found = session.execute(query).one_or_none()
    if found is None:
        invoice_id = provider.invoice_of_payment(provider_payment_id)
        if invoice_id is None or sync_invoice(session, provider, provider_id=invoice_id, now=now) is None:
            return None
        found = session.execute(query).one_or_none()
    return (found[0], found[1]) if found else None


def of_payments(session: Session, payment_ids: Iterable[UUID]) -> dict[UUID, Invoice]:
    """What these payments were for, by their ids."""
    wanted = list(payment_ids)
    if not wanted:
        return {}
    query = select(Payment.id, Invoice).join(Invoice, Invoice.id == Payment.invoice_id).where(Payment.id.in_(wanted))
    return dict(session.execute(query).tuples().all())


def invoices_of(
    session: Session, *, customer_id: UUID, limit: int, cursor: str | None = None
) -> tuple[list[Invoice], str | None]:
    """Invoices about a customer, and those that they pay for others, newest first, and the cursor of the next page."""
    query = select(Invoice).where((Invoice.customer_id == customer_id) | (Invoice.payer_id == customer_id))
    if cursor:
        query = query.where(tuple_(Invoice.issued_at, Invoice.id) < paging.after(cursor, datetime, UUID))
    rows = session.scalars(query.order_by(Invoice.issued_at.desc(), Invoice.id.desc()).limit(limit + 1)).all()
    return paging.cut(rows, limit, lambda row: (row.issued_at, row.id))
