"""Asking providers again: pages and refunds of which nobody knows yet what came of them. Run by the worker."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from contracts.telemetry import get_logger
from operational_api.commerce.errors import PaymentDiffers
from operational_api.commerce.models import CheckoutSession, Payment, Refund
from operational_api.commerce.providers import Providers
from operational_api.commerce.service import findings, outcomes, refunds
from operational_api.commerce.service.customers import locked_customer
from operational_api.core.errors import DomainError

log = get_logger(__name__)


def settle_due(session: Session, providers: Providers, *, now: datetime, limit: int = 50) -> int:
    """Look at every page and refund whose time has come, the longest waiting first; one that fails stops no other.

    A provider that does not answer is left in peace until the next run: waiting for each of its timeouts would keep
    the others' payments waiting too.

    Returns:
        How many were looked at.
    """
    pages = session.execute(
        select(CheckoutSession.id, CheckoutSession.customer_id, CheckoutSession.provider)
        .where(CheckoutSession.next_look_at <= now, CheckoutSession.status.in_(outcomes.LIVE))
        .order_by(CheckoutSession.next_look_at)
        .limit(limit)
    ).all()
    given = session.execute(
        select(Refund.id, Refund.customer_id, Payment.provider)
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Refund.next_look_at <= now, Refund.status.in_(("pending", "unknown")))
        .order_by(Refund.next_look_at)
        .limit(limit)
    ).all()
    silent: set[str] = set()
    looks = [(_page, *one) for one in pages] + [(_refund, *one) for one in given]
    for look, id_, customer_id, name in looks:
        if name in silent:
            continue
        try:
            with session.begin_nested():
                locked_customer(session, customer_id)
                if not look(session, providers, id_, now):
                    silent.add(name)
        except DomainError as error:
            log.warning("not_settled", customer_id=str(customer_id), reason=error.code())
        except Exception:
            log.exception("settling_failed", customer_id=str(customer_id))
    return len(looks)


def _page(session: Session, providers: Providers, id_: UUID, now: datetime) -> bool:
    row = session.get_one(CheckoutSession, id_, populate_existing=True)
    return row.status not in outcomes.LIVE or follow(session, providers, row, now=now)


def _refund(session: Session, providers: Providers, id_: UUID, now: datetime) -> bool:
    row = session.get_one(Refund, id_, populate_existing=True)
    if row.status not in ("pending", "unknown"):
        return True
    name = session.get_one(Payment, row.payment_id).provider
    return refunds.settle(session, providers.of(name), row, now=now)


def follow(session: Session, providers: Providers, row: CheckoutSession, *, now: datetime) -> bool:
    """Look at one page; a payment that is not the one we asked for is refused and written down:
    nothing is granted for it until somebody decides.

    Returns:
        Whether the provider answered.
    """
    try:
        return outcomes.look_again(session, providers.of(row.provider), row, now=now)
    except PaymentDiffers as error:
        row.status, row.next_look_at = "refused", None
        session.flush()
        findings.record(session, [differs(row, paid_minor=error.paid_minor, note="The provider's answer.")], now=now)
        return True


def differs(row: CheckoutSession, *, paid_minor: int | None, note: str) -> findings.Difference:
    """A page that was paid otherwise than we asked."""
    return findings.Difference(
        row.provider, "wrong_amount", row.provider_session_id or str(row.id), currency="VND",
        ours_minor=row.amount_minor, theirs_minor=paid_minor, customer_id=row.customer_id, note=note,
    )  # fmt: skip
