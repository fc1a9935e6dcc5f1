"""The card that a payer is charged by: given on the provider's page, never here."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce.billing.service import collection
from operational_api.commerce.errors import NothingBought
from operational_api.commerce.models import Customer, Subscription
from operational_api.commerce.providers.port import BillingProvider
from operational_api.commerce.service import customers


def open_page(
    session: Session, provider: BillingProvider, *, account_id: UUID, display_name: str, public_url: str
) -> str:
    """Address of the provider's page for another card; it leads back to the membership.

    Raises:
        NothingBought: they pay for nothing yet, so there is nobody to keep a card for.
    """
    payer = customers.locked_customer(session, account_id)
    if payer is None:
        raise NothingBought
    customer_id = customers.ensure_at_provider(provider, payer, name=display_name)
    back = f"{public_url}/membership"
    return provider.open_card_page(customer_id, done_url=f"{back}?card=given", back_url=back)


def changed(
    session: Session, provider: BillingProvider, *, provider_customer_id: str, given_at: datetime, now: datetime
) -> None:
    """A payer is charged by another card: what is open is tried with it, what the provider bills goes to it."""
    billed = (
        select(Subscription.stripe_subscription_id)
        .join(Customer, Customer.id == Subscription.customer_id)
        .where(Customer.stripe_customer_id == provider_customer_id)
        .where(Subscription.stripe_subscription_id.is_not(None), Subscription.billed_by == "provider")
        .where(Subscription.status.not_in(("cancelled", "incomplete")))
    )
    for subscription_id in session.scalars(billed).all():
        provider.charge_customers_card(str(subscription_id))
    collection.card_changed_at(session, provider_customer_id=provider_customer_id, given_at=given_at, now=now)
