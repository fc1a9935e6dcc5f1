"""The way through the provider's payment page: opening it, and finding out on return what came of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from operational_api.commerce import lifecycle
from operational_api.commerce.errors import AlreadySubscribed, CheckoutNotFound, CheckoutNotPaid
from operational_api.commerce.models import CheckoutSession, Customer, Invoice, Plan, Subscription
from operational_api.commerce.providers.port import CheckoutOrder, PaymentProvider, ProviderCheckout
from operational_api.commerce.service import customers, packs, plans
from operational_api.commerce.service.invoices import sync_invoice
from operational_api.commerce.service.subscriptions import live_membership, sync_subscription


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a completed checkout bought. `invoice` is None for a trial, which costs nothing yet."""

    checkout: CheckoutSession
    plan: Plan
    invoice: Invoice | None


def begin_checkout(
    session: Session,
    provider: PaymentProvider,
    *,
    customer_id: UUID,
    display_name: str,
    plan_code: str,
    currency: str | None,
    public_url: str,
    now: datetime,
) -> CheckoutSession:
    """Open a payment page for a plan; a page that is open for the same price already is given again.

    The customer's row is locked, and pages open for other memberships are closed first: of all the ways to press
    "subscribe" twice, none leads to two memberships.

    Raises:
        PlanNotFound, PlanNotSold: it is not for sale.
        AlreadySubscribed: a membership runs, and this is another one.
        WrongCurrency: the customer pays in another currency.
        IntroUsed: an introduction, and they have bought before.
    """
    wanted = currency or plans.DEFAULT_CURRENCY
    customers.ensure_customer(session, account_id=customer_id, currency=wanted)
    customer = customers.locked_customer(session, customer_id)
    if customer is None:
        raise CheckoutNotFound
    wanted = customers.settle_currency(session, customer, currency)
    sold = plans.offer(session, code=plan_code, currency=wanted, now=now)
    is_membership = sold.plan.kind == "membership"
    _refuse_second(session, customer_id, is_membership)
    if sold.plan.kind == "intro":
        packs.require_new(session, customer_id)
    reusable = _look_at_open_pages(session, provider, customer, sold, now=now)
    _refuse_second(session, customer_id, is_membership)
    return reusable or _open_page(session, provider, customer, sold, display_name=display_name, public_url=public_url)


def _refuse_second(session: Session, customer_id: UUID, is_membership: bool) -> None:
    if is_membership and live_membership(session, customer_id) is not None:
        raise AlreadySubscribed


def _look_at_open_pages(
    session: Session, provider: PaymentProvider, customer: Customer, sold: plans.Offer, *, now: datetime
) -> CheckoutSession | None:
    """Follow up every page that is open by our books; the open one for the same price is returned."""
    same_kind = (
        select(CheckoutSession)
        .join(Plan, Plan.id == CheckoutSession.plan_id)
        .where(
            CheckoutSession.customer_id == customer.id, CheckoutSession.status == "open", Plan.kind == sold.plan.kind
        )
        .order_by(CheckoutSession.created_at)
    )
    reusable = None
    for row in session.scalars(same_kind).all():
        seen = provider.checkout(row.provider_session_id) if row.provider_session_id else None
        if seen and seen.status == "open" and row.price_id != sold.price.id and sold.plan.kind == "membership":
            seen = provider.expire_checkout(seen.id)
        if seen is None or seen.status == "expired":
            row.status = "expired"
        elif seen.status == "complete":
            _complete(session, provider, row, seen, now=now)
        elif row.price_id == sold.price.id:
            reusable = row
    session.flush()
    return reusable


def _open_page(
    session: Session,
    provider: PaymentProvider,
    customer: Customer,
    sold: plans.Offer,
    *,
    display_name: str,
    public_url: str,
) -> CheckoutSession:
    row = CheckoutSession(customer_id=customer.id, plan_id=sold.plan.id, price_id=sold.price.id, status="open")
    session.add(row)
    session.flush()
    opened = provider.open_checkout(
        CheckoutOrder(
            reference=str(row.id),
            customer_id=customers.ensure_at_provider(provider, customer, name=display_name),
            price_id=plans.sync_price(provider, sold),
            our_customer_id=str(customer.id),
            our_price_id=str(sold.price.id),
            is_recurring=sold.plan.kind == "membership",
            trial_days=sold.plan.trial_days if _is_first(session, customer.id) else 0,
            success_url=f"{public_url}/checkout/return?session_id={{CHECKOUT_SESSION_ID}}",
            cancel_url=f"{public_url}/plans",
        )
    )
    row.provider_session_id, row.url = opened.id, opened.url
    session.flush()
    return row


def _is_first(session: Session, customer_id: UUID) -> bool:
    """Whether the customer never had a membership: a trial is given once."""
    had = exists().where(Subscription.customer_id == customer_id, Subscription.status != lifecycle.INCOMPLETE)
    return not session.scalar(select(had))


def confirm_checkout(
    session: Session,
    provider: PaymentProvider,
    *,
    provider_session_id: str,
    now: datetime,
    customer_id: UUID | None = None,
) -> Purchase:
    """Take over what a payment page led to. Called by the customer's return and by the webhook, in any order.

    Args:
        customer_id: Who asks; somebody else's page is answered like an unknown one. None for the webhook.

    Raises:
        CheckoutNotFound: no such page, or not this customer's.
        CheckoutNotPaid: it was left without paying, or has expired.
    """
    row = session.scalar(select(CheckoutSession).where(CheckoutSession.provider_session_id == provider_session_id))
    if row is None or (customer_id is not None and row.customer_id != customer_id):
        raise CheckoutNotFound
    customers.locked_customer(session, row.customer_id)
    seen = provider.checkout(provider_session_id)
    if seen is None:
        raise CheckoutNotFound
    if seen.status != "complete":
        row.status = seen.status
        session.flush()
        raise CheckoutNotPaid
    return _complete(session, provider, row, seen, now=now)


def expire(session: Session, *, provider_session_id: str) -> None:
    """Note that a page was closed without payment; one that was completed stays so."""
    row = session.scalar(
        select(CheckoutSession).where(
            CheckoutSession.provider_session_id == provider_session_id, CheckoutSession.status == "open"
        )
    )
    if row is not None:
        row.status = "expired"


def _complete(
    session: Session, provider: PaymentProvider, row: CheckoutSession, seen: ProviderCheckout, *, now: datetime
) -> Purchase:
    if seen.subscription_id:
        sync_subscription(session, provider, provider_id=seen.subscription_id, now=now)
    invoice = sync_invoice(session, provider, provider_id=seen.invoice_id, now=now) if seen.invoice_id else None
    if row.status != "complete":
        row.status, row.completed_at = "complete", now
    session.flush()
    return Purchase(row, session.get_one(Plan, row.plan_id), invoice)
