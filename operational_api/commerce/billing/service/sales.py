"""Packs that the front desk sells on an invoice: the sessions can be used at once, the money is collected like any."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.commerce import prices
from operational_api.commerce.billing.proration import Item
from operational_api.commerce.billing.service import crediting, invoicing
from operational_api.commerce.errors import NotSoldOnInvoice
from operational_api.commerce.models import Customer, Invoice, SessionPack
from operational_api.commerce.service import customers, packs, plans


def currency_of(session: Session, customer_id: UUID, default: str) -> str:
    """The currency in which a customer pays, or `default` of who has paid nothing yet."""
    return session.scalar(select(Customer.currency).where(Customer.id == customer_id)) or default


def offers(session: Session, *, currency: str, now: datetime) -> list[plans.Offer]:
    """What can be sold on an invoice: everything but memberships."""
    return [one for one in plans.services(session, currency=currency, now=now) if one.plan.kind != "membership"]


def sell_pack(session: Session, *, customer_id: UUID, plan_code: str, currency: str, now: datetime) -> SessionPack:
    """Sell sessions on an invoice, which is made and collected at once; they can be used before it is paid.

    Args:
        currency: Of who has paid nothing yet; everybody else's is their own.

    Raises:
        PlanNotFound, PlanNotSold: it is not for sale.
        NotSoldOnInvoice: it is a membership, or less than can be collected.
        IntroUsed: an introduction, and they have bought before.
    """
    customers.ensure_customer(session, account_id=customer_id, currency=currency)
    customer = customers.locked_customer(session, customer_id)
    if customer is None:
        raise LookupError(customer_id)
    sold = plans.offer(session, code=plan_code, currency=customer.currency, now=now)
    amount, rate = sold.price.amount_minor, sold.price.tax_rate_bp
    if sold.plan.kind in ("membership", plans.TOP_UP) or (
        amount and not prices.is_chargeable(amount, sold.price.currency)
    ):
        raise NotSoldOnInvoice
    if sold.plan.kind == "intro":
        packs.require_new(session, customer_id)
    tax = prices.included_tax(amount, rate)
    pack = packs.grant(
        session, customer_id=customer_id, plan_id=sold.plan.id, currency=sold.price.currency, purchased_at=now,
        net_minor=amount - tax, total_minor=amount,
    )  # fmt: skip
    line = Item(sold.plan.kind, sold.plan.name, amount, tax, rate)
    invoicing.issue_pack(session, customer=customer, pack=pack, line=line, currency=sold.price.currency, now=now)
    return pack


def take_back(
    session: Session, *, pack_id: UUID, sold_at: datetime, sessions: int, reason: str, actor_id: UUID, now: datetime
) -> bool:
    """Credit the invoice by which a pack was sold in full, so that nothing is owed and nothing can be used. Sessions
    that it paid for are given back with it.

    Args:
        sessions: How many it has paid for with the sale; of more that are used it is none that can be taken back.
        sold_at: When the sale was that is taken back; a pack that was there before stays.

    Returns:
        Whether it was. False where it was paid meanwhile, or more of it is used: its sessions stay the customer's.

    Raises:
        InvoiceNotCreditable: an answer about its payment is missing.
    """
    pack = session.get_one(SessionPack, pack_id)
    customers.locked_customer(session, pack.customer_id)
    invoice = session.scalar(
        select(Invoice)
        .where(Invoice.session_pack_id == pack_id, Invoice.series.is_not(None), Invoice.issued_at == sold_at)
        .execution_options(populate_existing=True)
    )
    session.refresh(pack)
    if invoice is None or invoice.status != "open" or pack.sessions_used > sessions:
        return False
    for _ in range(sessions):
        packs.return_session(session, pack_id=pack_id)
    crediting.credit_open(session, invoice_id=invoice.id, amount_minor=None, reason=reason, actor_id=actor_id, now=now)
    return True
