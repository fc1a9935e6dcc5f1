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
    plan = _membership(session, starts_at=slot.starts_at, customer_id=customer_id)
    if plan is not None:
        if plan.sessions_included is None:
            return None
        one_at_a_time(session, customer_id)
        if sessions_used(session, Seat.of(slot), customer_id=customer_id) < plan.sessions_included:
            return None
    pack_id = commerce.use_pack_session(session, customer_id, now)
    if pack_id is None:
        raise PlanRequired if plan is None else AllowanceUsed
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
    return means_for(session, Seat.of(slot), customer_id=customer_id, now=now).has_any


def one_at_a_time(session: Session, customer_id: UUID) -> None:
    """What a customer uses up or keeps is counted by one transaction after the other.

    Seats of different slots share no lock. Everybody's order: slots, then this, then packs.
    """
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"seats/{customer_id}", 0))))


def _membership(session: Session, *, starts_at: datetime, customer_id: UUID) -> commerce.CurrentPlan | None:
    """The membership that there still is when a session takes place."""
    plan = commerce.current_plan(session, customer_id)
    return plan if plan is not None and (plan.ends_at is None or plan.ends_at > starts_at) else None


@dataclass(frozen=True, slots=True)
class Seat:
    """When and where somebody wants to be; `but_for`: in place of this booking of theirs."""

    starts_at: datetime
    location_id: UUID
    but_for: Booking | None = None

    @classmethod
    def of(cls, slot: Slot, but_for: Booking | None = None) -> "Seat":
        """A seat of a session."""
        return cls(slot.starts_at, slot.location_id, but_for)


def sessions_used(session: Session, seat: Seat, *, customer_id: UUID) -> int:
    """Seats the membership pays for in a seat's calendar month, in the location's time zone; late cancels count."""
    zone = select(Location.time_zone).where(Location.id == seat.location_id).scalar_subquery()
    month = func.date_trunc("month", literal(seat.starts_at, DateTime(timezone=True)), zone)
    next_month = func.date_trunc("month", month + func.make_interval(0, 0, 0, 35), zone)
    query = select(func.count()).where(
        Booking.customer_id == customer_id,
        Booking.starts_at >= month,
        Booking.starts_at < next_month,
        Booking.session_pack_id.is_(None),
        Booking.status.in_(USES_ALLOWANCE),
    )
    if seat.but_for is not None:
        query = query.where(Booking.id != seat.but_for.id)
    return session.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class Means:
    """What a customer could pay a seat with.

    Attributes:
        plan_name: Of the membership that there still is then; None: none.
        credits: Sessions left in packs; with the one that comes back of a booking that is moved.
        included: How many sessions of a month the membership has; None: as many as they like.
        used: How many of them in the seat's month.
    """

    plan_name: str | None
    credits: int
    included: int | None = None
    used: int = 0

    @property
    def is_covered(self) -> bool:
        """Whether the membership pays for the seat."""
        return self.plan_name is not None and (self.included is None or self.used < self.included)

    @property
    def has_any(self) -> bool:
        """Whether booking is worth trying."""
        return self.is_covered or self.credits > 0


def means_of(session: Session, *, customer_id: UUID, now: datetime) -> Means:
    """What could pay for a customer's seats, for pages to show before one is chosen."""
    plan = commerce.current_plan(session, customer_id)
    return Means(plan.name if plan else None, commerce.pack_sessions_left(session, customer_id, now))


def means_for(session: Session, seat: Seat, *, customer_id: UUID, now: datetime) -> Means:
    """What could pay for one seat of a customer; nothing is charged."""
    back = int(seat.but_for is not None and seat.but_for.session_pack_id is not None)
    credits_ = commerce.pack_sessions_left(session, customer_id, now) + back
    plan = _membership(session, starts_at=seat.starts_at, customer_id=customer_id)
    if plan is None:
        return Means(None, credits_)
    if plan.sessions_included is None:
        return Means(plan.name, credits_)
    return Means(plan.name, credits_, plan.sessions_included, sessions_used(session, seat, customer_id=customer_id))
