"""The way through the provider's payment page: opening it, and finding out on return what came of it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from operational_api.commerce import lifecycle
from operational_api.commerce.errors import (
    AlreadySubscribed,
    CheckoutNotFound,
    CheckoutNotPaid,
    CheckoutUnknown,
)
from operational_api.commerce.models import CheckoutSession, Customer, Plan, Subscription
from operational_api.commerce.providers.port import CheckoutOrder, PaymentProvider
from operational_api.commerce.service import customers, packs, plans, wallets
from operational_api.commerce.service.outcomes import FIRST_LOOK, LIVE, take_over
from operational_api.commerce.service.outcomes import Purchase as Purchase
from operational_api.commerce.service.subscriptions import live_membership
from operational_api.commerce.settings import WalletSettings

HAD_ONCE = ("membership", "intro")
"""Kinds of plans of which nobody has two: a page for another one is closed before theirs opens."""


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
    others: Mapping[str, PaymentProvider] | None = None,
) -> CheckoutSession:
    """Open a payment page for a plan; a page that is open for the same price already is given again.

    The customer's row is locked, and pages open for other memberships are closed first: of all the ways to press
    "subscribe" twice, none leads to two memberships, and as little to two introductions. While the outcome of a page is
    unknown no other one opens.

    Args:
        provider: Whose page it is to be.
        others: Every provider by name, to follow up pages that were opened at another one.

    Raises:
        PlanNotFound, PlanNotSold: it is not for sale.
        AlreadySubscribed: a membership runs, and this is another one.
        CheckoutUnknown: money of an earlier page may be on its way.
        CurrencyNotTaken, AmountNotTaken: this provider does not take such a payment.
        WrongCurrency: the customer pays in another currency.
        IntroUsed: an introduction, and they have bought before.
        WalletFull: their wallet would hold more than it may.
    """
    wanted = currency or plans.DEFAULT_CURRENCY
    customers.ensure_customer(session, account_id=customer_id, currency=wanted)
    customer = customers.locked_customer(session, customer_id)
    if customer is None:
        raise CheckoutNotFound
    wanted = customers.settle_currency(session, customer, currency)
    sold = plans.offer(session, code=plan_code, currency=wanted, now=now)
    _refuse_second(session, customer_id, sold.plan.kind)
    if sold.plan.kind == plans.TOP_UP:
        wallets.require_room(
            session, customer_id=customer_id, currency=wanted, amount_minor=sold.price.amount_minor,
            settings=WalletSettings(),
        )  # fmt: skip
    known = {**(others or {}), provider.name: provider}
    reusable = _look_at_open_pages(
        session, known, customer_id=customer.id, kind=sold.plan.kind, price_id=sold.price.id, now=now
    )
    _refuse_second(session, customer_id, sold.plan.kind)
    if reusable is not None and reusable.provider == provider.name:
        return reusable
    return _open_page(session, provider, customer, sold, display_name=display_name, public_url=public_url, now=now)


def _refuse_second(session: Session, customer_id: UUID, kind: str) -> None:
    if kind == "membership" and live_membership(session, customer_id) is not None:
        raise AlreadySubscribed
    if kind == "intro":
        packs.require_new(session, customer_id)


def close_pages(
    session: Session, providers: Mapping[str, PaymentProvider], *, customer_id: UUID, kind: str, now: datetime
) -> None:
    """Close every page that is open for a kind of plan of which nobody has two, because it is bought another way. The
    customer's row is locked from then on. What was paid on one is taken over with what the caller writes: where the
    caller refuses because of it, by the provider's message.

    Raises:
        CheckoutUnknown: money of one may be on its way.
    """
    customers.locked_customer(session, customer_id)
    _look_at_open_pages(session, providers, customer_id=customer_id, kind=kind, price_id=None, now=now)


def _look_at_open_pages(
    session: Session, providers: Mapping[str, PaymentProvider], *, customer_id: UUID, kind: str,
    price_id: UUID | None, now: datetime,
) -> CheckoutSession | None:  # fmt: skip
    """Follow up every page that is open by our books; the open one for the same price is returned."""
    same_kind = (
        select(CheckoutSession)
        .join(Plan, Plan.id == CheckoutSession.plan_id)
        .where(
            CheckoutSession.customer_id == customer_id,
            CheckoutSession.status.in_(LIVE),
            CheckoutSession.provider.in_(providers),
            Plan.kind == kind,
        )
        .order_by(CheckoutSession.created_at)
    )
    reusable = None
    for row in session.scalars(same_kind).all():
        provider = providers[row.provider]
        seen = provider.checkout(row.provider_session_id) if row.provider_session_id else None
        if seen and seen.status == "open" and row.price_id != price_id and kind in HAD_ONCE:
            seen = provider.expire_checkout(seen.id)
        if seen is not None and seen.status == "processing":
            raise CheckoutUnknown
        take_over(session, provider, row, seen, now=now)
        if row.status == "open" and row.price_id == price_id:
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
    now: datetime,
) -> CheckoutSession:
    row = CheckoutSession(
        customer_id=customer.id,
        plan_id=sold.plan.id,
        price_id=sold.price.id,
        status="open",
        provider=provider.name,
        next_look_at=now + FIRST_LOOK,
    )
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
            cancel_url=f"{public_url}/wallet" if sold.plan.kind == plans.TOP_UP else f"{public_url}/plans",
            amount_minor=sold.price.amount_minor,
            currency=sold.price.currency,
            description=sold.plan.name,
        )
    )
    row.provider_session_id, row.url, row.amount_minor = opened.id, opened.url, opened.amount_minor
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
        CheckoutUnknown: the provider is still at it.
        PaymentDiffers: it was paid otherwise than we asked; nothing is granted for it.
    """
    row = session.scalar(select(CheckoutSession).where(CheckoutSession.provider_session_id == provider_session_id))
    if row is None or (customer_id is not None and row.customer_id != customer_id):
        raise CheckoutNotFound
    customers.locked_customer(session, row.customer_id)
    if row.provider != provider.name:
        raise CheckoutNotFound
    seen = provider.checkout(provider_session_id)
    if seen is None:
        raise CheckoutNotFound
    bought = take_over(session, provider, row, seen, now=now)
    if bought is None:
        raise CheckoutUnknown if row.status == "unknown" else CheckoutNotPaid
    return bought


def provider_of(session: Session, provider_session_id: str) -> str | None:
    """The name of the provider whose page this is, None when there is no such page."""
    return session.scalar(
        select(CheckoutSession.provider).where(CheckoutSession.provider_session_id == provider_session_id)
    )


def expire(session: Session, *, provider_session_id: str) -> None:
    """Note that a page was closed without payment; one that was completed stays so."""
    row = session.scalar(
        select(CheckoutSession).where(
            CheckoutSession.provider_session_id == provider_session_id, CheckoutSession.status.in_(LIVE)
        )
    )
    if row is not None:
        row.status, row.next_look_at = "expired", None
