"""Payers: an account becomes one on first need. Their row is the lock under which their money changes."""

from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from operational_api.commerce.errors import WrongCurrency
from operational_api.commerce.models import Customer, Invoice, Subscription
from operational_api.commerce.providers.port import PaymentProvider


def ensure_customer(session: Session, *, account_id: UUID, currency: str) -> Customer:
    """The payer of an account, made with this currency unless it is there; what is known stays."""
    session.execute(insert(Customer).values(id=account_id, currency=currency).on_conflict_do_nothing())
    return session.get_one(Customer, account_id)


def billed_to(session: Session, payer_id: UUID) -> str | None:
    """What invoices of a payer are addressed to instead of their name; None: their name."""
    payer = session.get(Customer, payer_id)
    return payer.billed_to if payer else None


def locked_customer(session: Session, customer_id: UUID) -> Customer | None:
    """The payer, with its row locked until the transaction ends."""
    return session.scalar(
        select(Customer).where(Customer.id == customer_id).with_for_update().execution_options(populate_existing=True)
    )


def settle_currency(session: Session, customer: Customer, currency: str | None) -> str:
    """The currency of a customer's next purchase: their own, or the one asked for while they have bought nothing.

    Raises:
        WrongCurrency: they have paid, or subscribed, in another one; or somebody pays for them, or they for others.
    """
    if currency is None or currency == customer.currency:
        return customer.currency
    bought = session.scalar(
        select(
            exists().where(Invoice.customer_id == customer.id)
            | exists().where(Subscription.customer_id == customer.id)
            | exists().where(Customer.payer_id == customer.id)
        )
    )
    if bought or customer.payer_id is not None:
        raise WrongCurrency(f"You pay in {customer.currency}, and an account keeps one currency.")
    customer.currency = currency
    return currency


def ensure_at_provider(provider: PaymentProvider, customer: Customer, *, name: str) -> str:
    """The provider's id of a payer, made there on first need; empty where it keeps no customers."""
    if provider.billing is None:
        return ""
    if customer.stripe_customer_id is None:
        customer.stripe_customer_id = provider.billing.create_customer(str(customer.id), name)
    return customer.stripe_customer_id
