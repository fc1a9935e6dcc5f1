"""Refunds that two people decide: one asks, another approves or declines. Small ones need one person only."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from contracts.events.commerce import RefundDecided, RefundRequested
from contracts.ids import new_id
from operational_api.commerce.errors import (
    OwnRefundRequest,
    PaymentNotFound,
    PaymentNotRefundable,
    RefundAskedAlready,
    RefundNeedsApproval,
    RefundRequestClosed,
    RefundRequestNotFound,
    RefundTooLarge,
)
from operational_api.commerce.models import Payment, RefundRequest
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import refunds
from operational_api.core.outbox import publish
from operational_api.core.paging import after, cut
from operational_api.core.policy import Resource, is_allowed
from operational_api.core.principal import Principal

OPEN_FOR = timedelta(days=7)


def require_small(session: Session, *, payment_id: UUID, amount_minor: int | None, limits: Mapping[str, int]) -> None:
    """Let a refund pass that one person may decide alone.

    What was given back of the payment before counts too: many small refunds are one large one.

    Args:
        amount_minor: None for all that is left.
        limits: Minor units by currency; of a currency without a limit nothing is small.

    Raises:
        PaymentNotFound: no such payment.
        RefundNeedsApproval: somebody else has to approve it.
    """
    payment = session.get(Payment, payment_id)
    if payment is None:
        raise PaymentNotFound
    before = refunds.refunded_minor(session, payment_id)
    after_it = payment.amount_minor if amount_minor is None else before + amount_minor
    limit = limits.get(payment.currency, 0)
    if after_it > limit:
        raise RefundNeedsApproval(limit_minor=limit, currency=payment.currency)


def request_refund(
    session: Session, *, payment_id: UUID, amount_minor: int | None, reason: str, asked_by: UUID, now: datetime
) -> RefundRequest:
    """Ask for a refund and announce it.

    Args:
        amount_minor: None for all that is left.

    Raises:
        PaymentNotFound: no such payment.
        PaymentNotRefundable: not captured, or given back already.
        RefundTooLarge: more than is left.
        RefundAskedAlready: one of this payment is waiting to be decided.
    """
    payment = session.get(Payment, payment_id)
    if payment is None:
        raise PaymentNotFound
    left = payment.amount_minor - refunds.refunded_minor(session, payment_id)
    if payment.status != "captured" or left == 0:
        raise PaymentNotRefundable
    amount = left if amount_minor is None else amount_minor
    if amount > left:
        raise RefundTooLarge(left_minor=left, currency=payment.currency)
    row = RefundRequest(
        id=new_id(), payment_id=payment_id, customer_id=payment.customer_id, amount_minor=amount,
        currency=payment.currency, reason=reason, status="requested", requested_by=asked_by, requested_at=now,
        expires_at=now + OPEN_FOR,
    )  # fmt: skip
    try:
        with session.begin_nested():
            _close_stale(session, payment_id, asked_by, now)
            session.add(row)
            session.flush()
    except IntegrityError as error:
        raise RefundAskedAlready from error
    publish(
        session,
        RefundRequested(
            occurred_at=now, request_id=row.id, payment_id=payment_id, customer_id=row.customer_id,
            amount_minor=amount, currency=row.currency, requested_by=asked_by,
        ),
    )  # fmt: skip
    return row


def _close_stale(session: Session, payment_id: UUID, by: UUID, now: datetime) -> None:
    # Nobody can approve it any more, and it must not block a new one.
    for stale in session.scalars(
        select(RefundRequest).where(
            RefundRequest.payment_id == payment_id,
            RefundRequest.status == "requested",
            RefundRequest.expires_at <= now,
        )
    ):
        stale.status, stale.decided_by, stale.decided_at = "declined", by, now
    session.flush()


def approve(
    session: Session, provider: PaymentProvider, *, request_id: UUID, principal: Principal, now: datetime
) -> RefundRequest:
    """Give the money back that somebody else asked for, and announce the decision.

    Raises:
        RefundRequestNotFound: there is none.
        OwnRefundRequest: the principal asked for it, or it is about them.
        RefundRequestClosed: decided already, or asked too long ago.
        PaymentNotRefundable, RefundTooLarge: the payment is not what it was.
    """
    row = _open(session, request_id)
    asked = Resource(
        "RefundRequest", row.id, customer_id=row.customer_id, kind="business", requested_by=row.requested_by,
        expires_at=row.expires_at,
    )  # fmt: skip
    if not is_allowed(principal, "commerce.approve_refund", asked) or principal.account_id is None:
        if row.expires_at <= now:
            raise RefundRequestClosed("This was asked too long ago. Ask for it again.")
        raise OwnRefundRequest
    made = refunds.refund_payment(
        session, provider, payment_id=row.payment_id, amount_minor=row.amount_minor, reason=row.reason,
        actor_id=principal.account_id, now=now,
    )  # fmt: skip
    row.refund_id = made.id
    return _decide(session, row, "approved", principal.account_id, now)


def decline(session: Session, *, request_id: UUID, by: UUID, now: datetime) -> RefundRequest:
    """Say no, or take back what one asked for oneself.

    Raises:
        RefundRequestNotFound: there is none.
        RefundRequestClosed: decided already.
    """
    return _decide(session, _open(session, request_id), "declined", by, now)


def requests(
    session: Session, *, status: str | None, limit: int, cursor: str | None
) -> tuple[list[RefundRequest], str | None]:
    """A page of what was asked for, the newest first."""
    query = select(RefundRequest).order_by(RefundRequest.id.desc()).limit(limit + 1)
    if status is not None:
        query = query.where(RefundRequest.status == status)
    if cursor is not None:
        (last,) = after(cursor, UUID)
        query = query.where(RefundRequest.id < last)
    return cut(session.scalars(query).all(), limit, lambda one: (one.id,))


def _open(session: Session, request_id: UUID) -> RefundRequest:
    row = session.get(RefundRequest, request_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise RefundRequestNotFound
    if row.status != "requested":
        raise RefundRequestClosed
    return row


def _decide(session: Session, row: RefundRequest, status: str, by: UUID, now: datetime) -> RefundRequest:
    row.status, row.decided_by, row.decided_at = status, by, now
    session.flush()
    publish(
        session,
        RefundDecided(
            occurred_at=now, request_id=row.id, payment_id=row.payment_id, decision=status, decided_by=by,
            requested_by=row.requested_by,
        ),
    )  # fmt: skip
    return row
