"""Who pays for whom: a parent, an employer. Invoices made from then on go to the payer, whose card is charged; and to
whom they are addressed. One at a time, or many at once: then all of them or nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from contracts.events.billing import PayerChanged
from operational_api.commerce.billing.errors import PayerLoop, PayersRefused, PersonNotFound
from operational_api.commerce.billing.service.people import is_closed, is_known
from operational_api.commerce.errors import WrongCurrency
from operational_api.commerce.models import Customer
from operational_api.commerce.service import customers, plans
from operational_api.core import audit
from operational_api.core.errors import DomainError
from operational_api.core.outbox import publish


@dataclass(frozen=True, slots=True)
class PayerSet:
    """What becomes of one of many: `former_id` paid until now (None: they did), and where that is refused, why."""

    customer_id: UUID
    former_id: UUID | None
    is_changed: bool
    refusal: str | None = None


def set_payer(
    session: Session, *, customer_id: UUID, payer_id: UUID | None, actor_id: UUID | None, now: datetime
) -> Customer:
    """Let another account pay for a customer, or themselves again (None).

    What is issued stays with who it was for. So does what waits for an invoice: what was caused until now is invoiced
    to who paid until now (`fees.invoice_due`), and what they had paid and is not used goes back to them
    (`giving_back`).

    Raises:
        PersonNotFound: there is no such account, or the payer's is closed.
        PayerLoop: the payer is paid for, the customer pays for others, or both are one.
        WrongCurrency: the payer pays in another currency.
    """
    for id_ in [customer_id, payer_id] if payer_id else [customer_id]:
        if session.get(Customer, id_) is None and not is_known(session, id_):
            raise PersonNotFound
    if payer_id is not None and is_closed(session, payer_id):
        raise PersonNotFound
    known = session.get(Customer, payer_id) if payer_id else None
    customers.ensure_customer(session, account_id=customer_id, currency=known.currency if known else "EUR")
    for id_ in sorted([customer_id, payer_id] if payer_id else [customer_id]):
        customers.locked_customer(session, id_)  # in one order: no deadlock
    customer = session.get_one(Customer, customer_id)
    if payer_id is not None:
        payer = customers.ensure_customer(session, account_id=payer_id, currency=customer.currency)
        pays_for_others = session.scalar(select(exists().where(Customer.payer_id == customer_id)))
        if payer.id == customer_id or payer.payer_id is not None or pays_for_others:
            raise PayerLoop
        if payer.currency != customer.currency:
            raise WrongCurrency(f"The payer pays in {payer.currency}, and the customer in {customer.currency}.")
    former_id, customer.payer_id = customer.payer_id, payer_id
    session.flush()
    publish(session, PayerChanged(
        occurred_at=now, customer_id=customer_id, payer_id=payer_id, former_payer_id=former_id
    ))  # fmt: skip
    audit.record(
        session, "commerce.set_payer", "Customer", customer_id, actor_id=actor_id, subject_id=customer_id,
        purpose="operations", now=now, details={"payer_id": str(payer_id) if payer_id else None},
    )  # fmt: skip
    return customer


def set_payer_of_many(
    session: Session, *, customer_ids: Iterable[UUID], payer_id: UUID | None, actor_id: UUID | None, now: datetime,
    is_a_look: bool = False,
) -> list[PayerSet]:  # fmt: skip
    """Let another account pay for many, or each for themselves again (None): for all, or nobody where one is refused.

    Args:
        is_a_look: Only say what would become of each; nothing changes.

    Returns:
        One for each, in the order they were named. Of whom that payer paid already, nothing changes.
    """
    wanted = list(dict.fromkeys(customer_ids))
    with session.begin_nested() as all_of_them:
        locked = [*wanted, payer_id] if payer_id else wanted
        rows = session.scalars(select(Customer).where(Customer.id.in_(locked)).order_by(Customer.id).with_for_update())
        paid_by = {row.id: row.payer_id for row in rows}
        made = [_set_one(session, one, paid_by.get(one), payer_id, actor_id, now) for one in wanted]
        if is_a_look or any(one.refusal for one in made):
            all_of_them.rollback()
    return made


def set_payer_of_all(
    session: Session, *, customer_ids: Iterable[UUID], payer_id: UUID | None, actor_id: UUID | None, now: datetime
) -> list[PayerSet]:
    """The same for who reads an answer by whether it was refused.

    Raises:
        PayersRefused: nobody's was set; it names for whom it cannot be, and why.
    """
    made = set_payer_of_many(session, customer_ids=customer_ids, payer_id=payer_id, actor_id=actor_id, now=now)
    refused = [{"customer_id": str(one.customer_id), "detail": one.refusal} for one in made if one.refusal]
    if refused:
        raise PayersRefused(refused=refused)
    return made


def _set_one(
    session: Session, customer_id: UUID, former_id: UUID | None, payer_id: UUID | None, actor_id: UUID | None,
    now: datetime,
) -> PayerSet:  # fmt: skip
    if former_id == payer_id:
        return PayerSet(customer_id, former_id, is_changed=False)
    try:
        with session.begin_nested():
            set_payer(session, customer_id=customer_id, payer_id=payer_id, actor_id=actor_id, now=now)
    except DomainError as refusal:
        return PayerSet(customer_id, former_id, is_changed=False, refusal=refusal.detail)
    return PayerSet(customer_id, former_id, is_changed=True)


def set_billed_to(session: Session, *, customer_id: UUID, words: str, actor_id: UUID | None, now: datetime) -> Customer:
    """Address the invoices that somebody pays from now on to a company, say, with its address and tax number; what is
    issued stays as it is.

    Args:
        words: Lines, the first of them the name; nothing: the account's own name.

    Raises:
        PersonNotFound: there is no such account.
    """
    if session.get(Customer, customer_id) is None and not is_known(session, customer_id):
        raise PersonNotFound
    row = customers.ensure_customer(session, account_id=customer_id, currency=plans.DEFAULT_CURRENCY)
    lines = [" ".join(line.split()) for line in words.splitlines()]
    row.billed_to = "\n".join(line for line in lines if line) or None
    audit.record(
        session, "commerce.set_billed_to", "Customer", customer_id, actor_id=actor_id, subject_id=customer_id,
        purpose="operations", now=now, details={"is_set": row.billed_to is not None},
    )  # fmt: skip
    session.flush()
    return row


def paid_for_by(session: Session, payer_id: UUID) -> list[UUID]:
    """Whom an account pays for."""
    return list(session.scalars(select(Customer.id).where(Customer.payer_id == payer_id).order_by(Customer.id)))


def payer_of(session: Session, customer_id: UUID) -> UUID | None:
    """Who pays for a customer; None: they do."""
    return session.scalar(select(Customer.payer_id).where(Customer.id == customer_id))
