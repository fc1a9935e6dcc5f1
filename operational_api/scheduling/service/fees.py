"""What a late cancellation costs: handed to commerce, which bills it, or waived, by staff or with its refund."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from contracts.events.scheduling import LateFeeIncurred, LateFeeWaived
from operational_api.commerce import public as commerce
from operational_api.core import audit
from operational_api.core.outbox import publish
from operational_api.scheduling.errors import NoFee
from operational_api.scheduling.models import Booking
from operational_api.scheduling.service import announcing, seats


def incur(session: Session, booking: Booking, *, now: datetime) -> None:
    """The fee of a booking that was just cancelled late, where one was agreed."""
    if booking.status != "late_cancelled" or booking.late_fee_minor is None or booking.late_fee_currency is None:
        return
    booking.late_fee_due_at = now
    session.flush()
    commerce.charge_late_fee(
        session, booking_id=booking.id, customer_id=booking.customer_id, amount_minor=booking.late_fee_minor,
        currency=booking.late_fee_currency, starts_at=booking.starts_at, now=now,
    )  # fmt: skip
    event = LateFeeIncurred(
        occurred_at=now, amount_minor=booking.late_fee_minor, currency=booking.late_fee_currency,
        **announcing.of(booking),
    )  # fmt: skip
    publish(session, event)


def waive(session: Session, *, booking_id: UUID, actor_id: UUID, reason: str, now: datetime) -> Booking:
    """Let a customer off the fee of a late cancellation.

    Args:
        reason: Kept in the audit log.

    Raises:
        BookingNotFound.
        NoFee: none is due, or it was waived.
        FeePaid, InvoiceNotCreditable: it was paid, or nobody knows yet whether it was.
    """
    booking = seats.get_booking(session, booking_id, lock=True)
    if not _is_due(booking):
        raise NoFee
    commerce.waive_late_fee(session, booking_id=booking.id, reason=reason, actor_id=actor_id, now=now)
    return _mark(session, booking, actor_id=actor_id, reason=reason, now=now)


def waive_refunded(session: Session, *, booking_id: UUID, actor_id: UUID, reason: str, now: datetime) -> None:
    """Mark the fee of a booking as waived that was paid and is given back; commerce has decided that. A booking that is
    gone, or whose fee is waived, stays as it is."""
    booking = session.get(Booking, booking_id, with_for_update=True, populate_existing=True)
    if booking is not None and _is_due(booking):
        _mark(session, booking, actor_id=actor_id, reason=reason, now=now)


def _is_due(booking: Booking) -> bool:
    has_fee = booking.late_fee_minor and booking.late_fee_currency
    return bool(has_fee) and booking.late_fee_due_at is not None and booking.late_fee_waived_at is None


def _mark(session: Session, booking: Booking, *, actor_id: UUID, reason: str, now: datetime) -> Booking:
    amount, currency = booking.late_fee_minor, booking.late_fee_currency
    assert amount is not None  # noqa: S101 - of a fee that is due
    assert currency is not None  # noqa: S101
    booking.late_fee_waived_at, booking.late_fee_waived_by = now, actor_id
    session.flush()
    event = LateFeeWaived(
        occurred_at=now, amount_minor=amount, currency=currency, waived_by=actor_id, **announcing.of(booking)
    )
    publish(session, event)
    audit.record(
        session, "scheduling.waive_fee", "Booking", booking.id, actor_id=actor_id, subject_id=booking.customer_id,
        purpose="operations", details={"amount_minor": amount, "currency": currency, "reason": reason}, now=now,
    )  # fmt: skip
    return booking
