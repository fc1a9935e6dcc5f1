"""Refunds: small ones one person gives alone, larger ones are asked for by one and decided by another."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events.commerce import RefundDecided, RefundRequested
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
from operational_api.commerce.providers import Providers
from operational_api.commerce.providers.port import PaymentProvider
from operational_api.commerce.service import refund_lines, refunds
from operational_api.commerce.service.customers import locked_customer
from operational_api.core.approvals import Approvals
from operational_api.core.principal import Principal


def _requested(row: RefundRequest) -> RefundRequested:
    return RefundRequested(
        occurred_at=row.requested_at, request_id=row.id, payment_id=row.payment_id, customer_id=row.customer_id,
        amount_minor=row.amount_minor, currency=row.currency, requested_by=row.requested_by,
    )  # fmt: skip


def _decided(row: RefundRequest, now: datetime) -> RefundDecided:
    return RefundDecided(
        occurred_at=now, request_id=row.id, payment_id=row.payment_id, decision=row.status, decided_by=row.decided_by,
        requested_by=row.requested_by, fee_booking_id=row.fee_booking_id,
    )  # fmt: skip


REFUNDS = Approvals(
    RefundRequest, ask="commerce.request_refund", decide="commerce.approve_refund",
    about=lambda row: row.customer_id, once=("payment_id",), requested=_requested, decided=_decided,
    missing=RefundRequestNotFound, own=OwnRefundRequest, closed=RefundRequestClosed, asked_already=RefundAskedAlready,
)  # fmt: skip


def require_small(session: Session, *, payment_id: UUID, amount_minor: int | None, limits: Mapping[str, int]) -> None:
    """Let a refund pass that one person may decide alone.

    What was given back of the payment before counts too: many small refunds are one large one, also of two at once. The
    customer's row is locked from then on.

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
    locked_customer(session, payment.customer_id)
    before = refunds.refunded_minor(session, payment_id)
    after_it = payment.amount_minor if amount_minor is None else before + amount_minor
    limit = limits.get(payment.currency, 0)
    if after_it > limit:
        raise RefundNeedsApproval(limit_minor=limit, currency=payment.currency)


def request_refund(
    session: Session, *, payment_id: UUID, amount_minor: int | None, reason: str, principal: Principal, now: datetime,
    customer_id: UUID | None = None, invoice_id: UUID | None = None, line_position: int | None = None,
) -> RefundRequest:  # fmt: skip
    """Ask for a refund and announce it.

    Args:
        amount_minor: None for all that is left.
        customer_id: Whose payment it has to be, and `invoice_id` of which invoice; None for any.
        line_position: The line of its invoice that is given back, from 1: then the amount is what was seen of it.

    Raises:
        PaymentNotFound: no such payment.
        PaymentNotRefundable: not captured, or given back already.
        RefundTooLarge: more than is left.
        LineNotRefundable, RefundChanged: that line is not to be given back, or not so much of it.
        RefundAskedAlready: one of this payment is waiting to be decided.
        OwnRefundRequest: it is the principal's own payment.
    """
    payment = session.get(Payment, payment_id)
    if payment is None or customer_id not in (None, payment.customer_id):
        raise PaymentNotFound
    if invoice_id not in (None, payment.invoice_id):
        raise PaymentNotFound
    left = refunds.left_minor(session, payment)
    if payment.status != "captured" or left == 0:
        raise PaymentNotRefundable
    amount, booking_id = left if amount_minor is None else amount_minor, None
    if line_position is not None:
        line = refund_lines.to_give_back(session, payment, position=line_position, seen_minor=amount_minor)
        amount, booking_id = line.amount_minor, line.booking_id
    if amount > left:
        raise RefundTooLarge(left_minor=left, currency=payment.currency)
    row = RefundRequest(
        payment_id=payment_id, customer_id=payment.customer_id, amount_minor=amount, currency=payment.currency,
        reason=reason, line_position=line_position, fee_booking_id=booking_id,
    )  # fmt: skip
    return REFUNDS.request(session, row, principal=principal, now=now)


def provider_for(session: Session, providers: Providers, *, request_id: UUID) -> PaymentProvider:
    """The provider of the payment that a request is about.

    Raises:
        RefundRequestNotFound: no such request.
        ProviderRefused: that provider is no longer set up here.
    """
    row = session.get(RefundRequest, request_id)
    if row is None:
        raise RefundRequestNotFound
    return providers.of(session.get_one(Payment, row.payment_id).provider)


def approve(
    session: Session, provider: PaymentProvider, *, request_id: UUID, principal: Principal, reason: str = "",
    now: datetime,
) -> RefundRequest:  # fmt: skip
    """Give the money back that somebody else asked for, and announce the decision.

    Raises:
        RefundRequestNotFound, RefundRequestClosed, OwnRefundRequest: as `core.approvals` says.
        PaymentNotRefundable, RefundTooLarge: the payment is not what it was.
    """

    def give_back(row: RefundRequest) -> None:
        of = refunds.NAMED[refund_lines.of_request(session, row)]
        made = refunds.refund_payment(
            session, provider, payment_id=row.payment_id, amount_minor=row.amount_minor, reason=row.reason,
            actor_id=principal.account_id, asked_as=f"{of}refund-request-{row.id}", now=now,
        )  # fmt: skip
        row.refund_id = made.id

    return REFUNDS.approve(session, request_id, principal=principal, effect=give_back, reason=reason, now=now)
