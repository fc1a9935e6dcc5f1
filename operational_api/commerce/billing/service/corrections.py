"""What held sessions count for their coaches once money of their pack was given back, or came back from a bank.

Money given back pays for the sessions that were not held yet; beyond those, for the last that were. What a coach is
owed for such a session is corrected by a row of its own, never in the session's, so that a closed statement stays as it
is and the next one has the difference.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from contracts.events.billing import CommissionCorrected
from operational_api.commerce import prices
from operational_api.commerce.billing.models import CommissionCorrection, DeliveredSession
from operational_api.commerce.billing.service import studios
from operational_api.commerce.models import LOST_MINOR, Dispute, Invoice, Payment, Refund, SessionPack
from operational_api.core.outbox import publish

Source = tuple[Literal["refund", "dispute"], UUID]
"""What took money of a pack, or brought it back."""


def correct(session: Session, invoice: Invoice, *, at: datetime, source: Source | None = None) -> int:
    """Bring what the held sessions of an invoice's pack count to what is left of its money.

    Args:
        source: What is told; None where a session was held after it: then it is the newest there is.

    Returns:
        How many sessions count for more or less now. An invoice of no pack, or of one brought over, has none.
    """
    if invoice.session_pack_id is None or invoice.total_minor == 0:
        return 0
    pack = session.get_one(SessionPack, invoice.session_pack_id, with_for_update=True, populate_existing=True)
    found = _given_back(session, invoice)
    if pack.net_minor is None or found is None:
        return 0
    back_minor, newest = found
    source_type, source_id = source or newest
    tax_minor = prices.tax_part(
        back_minor, before_minor=0, total_minor=invoice.total_minor, tax_minor=invoice.tax_minor
    )
    left, day, made = pack.net_minor - (back_minor - tax_minor), studios.days(session, at)[0], 0
    for held, counts in _held(session, pack.id):
        keeps = min(held.revenue_minor, max(left, 0))
        left -= keeps
        if keeps == counts:
            continue
        row = CommissionCorrection(
            booking_id=held.booking_id, coach_id=held.coach_id, currency=held.currency, source_type=source_type,
            source_id=source_id, before_minor=counts, revenue_minor=keeps - counts, noted_on=day, noted_at=at,
        )  # fmt: skip
        session.add(row)
        publish(session, CommissionCorrected(
            occurred_at=at, booking_id=row.booking_id, coach_id=row.coach_id, source_type=source_type,
            source_id=source_id, revenue_minor=row.revenue_minor, currency=row.currency,
        ))  # fmt: skip
        made += 1
    session.flush()
    return made


def correct_pack(session: Session, pack: SessionPack, *, at: datetime) -> int:
    """The same, after another session of a pack was held."""
    invoice = session.scalar(select(Invoice).where(Invoice.session_pack_id == pack.id))
    return correct(session, invoice, at=at) if invoice is not None else 0


def _held(session: Session, pack_id: UUID) -> list[tuple[DeliveredSession, int]]:
    """The held sessions of a pack in the order in which they were, each with what it counts now."""
    changed = (
        select(CommissionCorrection.booking_id, func.sum(CommissionCorrection.revenue_minor).label("by"))
        .join(DeliveredSession, DeliveredSession.booking_id == CommissionCorrection.booking_id)
        .where(DeliveredSession.session_pack_id == pack_id)
        .group_by(CommissionCorrection.booking_id)
        .subquery()
    )
    query = (
        select(DeliveredSession, func.coalesce(changed.c.by, 0))
        .outerjoin(changed, changed.c.booking_id == DeliveredSession.booking_id)
        .where(DeliveredSession.session_pack_id == pack_id)
        .order_by(DeliveredSession.delivered_at, DeliveredSession.booking_id)
        .execution_options(populate_existing=True)
    )
    return [(held, held.revenue_minor + int(by)) for held, by in session.execute(query)]


def _given_back(session: Session, invoice: Invoice) -> tuple[int, Source] | None:
    """How much of an invoice's money is not ours any more, and what was told of it last; None where nothing was."""
    refunds = session.execute(
        select(Refund.refunded_at, Refund.id, Refund.amount_minor)
        .join(Payment, Payment.id == Refund.payment_id)
        .where(Payment.invoice_id == invoice.id, Refund.status == "succeeded")
    ).all()
    disputes = session.execute(
        select(Dispute.closed_at, Dispute.id, LOST_MINOR)
        .join(Payment, Payment.id == Dispute.payment_id)
        .where(Payment.invoice_id == invoice.id, Dispute.closed_at.is_not(None))
    ).all()
    told: list[tuple[datetime, Source]] = [(row.refunded_at, ("refund", row.id)) for row in refunds]
    told += [(row.closed_at, ("dispute", row.id)) for row in disputes]
    if not told:
        return None
    back = sum(row.amount_minor for row in refunds)
    back += sum(lost_minor for *_, lost_minor in disputes)
    return min(back, invoice.total_minor), max(told)[1]
