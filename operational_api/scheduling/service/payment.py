"""What pays for a seat: the membership as far as it goes, then a session pack. Commerce keeps the credits."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, func, literal, select
from sqlalchemy.orm import Session

from operational_api.commerce import public as commerce
from operational_api.scheduling.errors import AllowanceUsed, PlanRequired
from operational_api.scheduling.lifecycle import USES_ALLOWANCE
from operational_api.scheduling.models import Booking, Location, Slot


def pay_for(session: Session, *, slot: Slot, customer_id: UUID, now: datetime) -> UUID | None:
    """Charge a seat: None when the membership covers it, else the pack that gave a credit.

    Raises:
        PlanRequired: the customer has neither a running membership nor a credit.
        AllowanceUsed: the membership's sessions of that month are booked and no pack has a credit.
    """
    has_plan, is_covered = _membership(session, slot=slot, customer_id=customer_id, is_charged=True)
    if is_covered:
        return None
    pack_id = commerce.use_pack_session(session, customer_id, now)
    if pack_id is None:
        raise AllowanceUsed if has_plan else PlanRequired
    return pack_id


def pay_again(
    session: Session, *, slot: Slot, customer_id: UUID, was_paid_by: UUID | None, now: datetime
) -> UUID | None:
    """`pay_for` of a seat that is moved: the credit that was just given back goes along where nothing else pays, also
    from a pack that has run out since it was booked.

    Raises:
        PlanRequired, AllowanceUsed: as `pay_for`.
    """
    try:
        return pay_for(session, slot=slot, customer_id=customer_id, now=now)
    except (PlanRequired, AllowanceUsed):
        if was_paid_by is None or not commerce.use_session_of_pack(session, was_paid_by):
            raise
        return was_paid_by


def can_pay(session: Session, *, slot: Slot, customer_id: UUID, now: datetime) -> bool:
    """Whether `pay_for` would find something; nothing is charged."""
    _, is_covered = _membership(session, slot=slot, customer_id=customer_id)
    return is_covered or commerce.pack_sessions_left(session, customer_id, now) > 0


def one_at_a_time(session: Session, customer_id: UUID) -> None:
    """What a customer uses up or keeps is counted by one transaction after the other.

    Seats of different slots share no lock. Everybody's order: slots, then this, then packs.
    """
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"seats/{customer_id}", 0))))


def _membership(
    session: Session, *, slot: Slot, customer_id: UUID, is_charged: bool = False
) -> tuple[bool, bool]:  # fmt: skip
    """Whether there is a membership when the session takes place, and whether it covers one more of that month.

    Args:
        is_charged: What is answered is used up: nobody else counts until this transaction ends.
    """
    plan = commerce.current_plan(session, customer_id)
    if plan is None or (plan.ends_at is not None and plan.ends_at <= slot.starts_at):
        return False, False
    included = plan.sessions_included
    if included is None:
        return True, True
    if is_charged:
        one_at_a_time(session, customer_id)
    return True, sessions_used(session, slot=slot, customer_id=customer_id) < included


def sessions_used(session: Session, *, slot: Slot, customer_id: UUID) -> int:
    """Seats the membership pays for in the slot's calendar month, in the location's time zone; late cancels count."""
    zone = select(Location.time_zone).where(Location.id == slot.location_id).scalar_subquery()
    month = func.date_trunc("month", literal(slot.starts_at, DateTime(timezone=True)), zone)
    next_month = func.date_trunc("month", month + func.make_interval(0, 0, 0, 35), zone)
    return (
        session.scalar(
            select(func.count())
            .select_from(Booking)
            .where(
                Booking.customer_id == customer_id,
                Booking.starts_at >= month,
                Booking.starts_at < next_month,
                Booking.session_pack_id.is_(None),
                Booking.status.in_(USES_ALLOWANCE),
            )
        )
        or 0
    )


@dataclass(frozen=True, slots=True)
class Means:
    """What a customer could pay a seat with. `plan_name` None: no membership; `credits`: sessions left in packs."""

    plan_name: str | None
    credits: int

    @property
    def has_any(self) -> bool:
        """Whether booking is worth trying."""
        return self.plan_name is not None or self.credits > 0


def means_of(session: Session, *, customer_id: UUID, now: datetime) -> Means:
    """What could pay for a customer's seat today, for pages to show before anything is booked."""
    plan = commerce.current_plan(session, customer_id)
    return Means(plan.name if plan else None, commerce.pack_sessions_left(session, customer_id, now))
