"""What came of a payment page: the provider's word taken over into our rows, asked for again until it is final."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from operational_api.commerce.errors import PaymentDiffers, ProviderUnavailable
from operational_api.commerce.models import CheckoutSession, Invoice, Plan, PlanPrice
from operational_api.commerce.providers.port import PaymentProvider, ProviderCheckout
from operational_api.commerce.service.invoices import sync_invoice
from operational_api.commerce.service.subscriptions import sync_subscription

LIVE = ("open", "unknown")
"""Pages whose outcome is not known for good."""
FIRST_LOOK, LONGEST_WAIT = timedelta(minutes=10), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a completed checkout bought. `invoice` is None for a trial, which costs nothing yet."""

    checkout: CheckoutSession
    plan: Plan
    invoice: Invoice | None


def look_again(session: Session, provider: PaymentProvider, row: CheckoutSession, *, now: datetime) -> bool:
    """Ask the provider what came of a page, and when it does not answer note that nobody knows.

    The customer's row is locked. Each look that settles nothing doubles the time to the next, up to an hour.

    Returns:
        Whether it answered.

    Raises:
        PaymentDiffers: it was paid otherwise than we asked.
    """
    row.retries += 1
    row.next_look_at = now + min(LONGEST_WAIT, timedelta(minutes=1) * 2 ** min(row.retries, 6))
    try:
        seen = provider.checkout(row.provider_session_id) if row.provider_session_id else None
        take_over(session, provider, row, seen, now=now)
    except ProviderUnavailable:
        row.status = "unknown"
        session.flush()
        return False
    session.flush()
    return True


def take_over(
    session: Session, provider: PaymentProvider, row: CheckoutSession, seen: ProviderCheckout | None, *, now: datetime
) -> Purchase | None:
    """Bring our row of a page up to the provider's word on it; what was bought, None where nothing was yet."""
    if seen is not None and seen.status == "complete":
        return _complete(session, provider, row, seen, now=now)
    if row.status in LIVE:
        status = seen.status if seen is not None else "expired"
        row.status = "unknown" if status == "processing" else status
        if row.status == "expired":
            row.next_look_at = None
    session.flush()
    return None


def _complete(
    session: Session, provider: PaymentProvider, row: CheckoutSession, seen: ProviderCheckout, *, now: datetime
) -> Purchase:
    asked, paid = row.amount_minor, seen.amount_minor
    if asked is not None and (paid != asked or seen.currency != session.get_one(PlanPrice, row.price_id).currency):
        raise PaymentDiffers(asked_minor=asked, paid_minor=paid)
    if seen.subscription_id and provider.billing is not None:
        sync_subscription(session, provider.billing, provider_id=seen.subscription_id, now=now)
    invoice = sync_invoice(session, provider, provider_id=seen.invoice_id, now=now) if seen.invoice_id else None
    if row.status != "complete":
        row.status, row.completed_at, row.next_look_at = "complete", now, None
    session.flush()
    return Purchase(row, session.get_one(Plan, row.plan_id), invoice)
