"""Sessions with whoever is free, as the policy lets: used by the API, the graph and the pages."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.policy import Resource, require
from operational_api.core.principal import Principal, account_id_of
from operational_api.scheduling import access
from operational_api.scheduling.errors import CoachNotFound, SlotNotFound
from operational_api.scheduling.models import Booking, Coach
from operational_api.scheduling.service import moves, round_robin, turns
from operational_api.scheduling.service.round_robin import Opening
from operational_api.training import public as training


def own_coach(session: Session, principal: Principal | None) -> UUID | None:
    """The coach of the customer who asks; None of everybody else."""
    if principal is None or principal.role != "customer" or principal.account_id is None:
        return None
    client = training.client_facts(session, principal.account_id)
    return client.coach_id if client else None


def book(
    session: Session, principal: Principal, opening: Opening, *, now: datetime, time_zone: str = "UTC"
) -> Booking:  # fmt: skip
    """Book a session for the customer who asks with whoever is free: their own coach, if they are.

    Raises:
        NobodyFree; what `bookings.book_session` refuses for the customer's sake.
    """
    client = access.know_customer(session, principal, now, time_zone=time_zone)
    return round_robin.book_opening(
        session, opening, customer_id=account_id_of(principal), own_coach_id=client.coach_id if client else None,
        now=now,
    )  # fmt: skip


def move_either(
    session: Session, principal: Principal, *, booking_id: UUID, slot_id: UUID | None, opening: Opening | None,
    with_another: bool = False, now: datetime,
) -> Booking:  # fmt: skip
    """Move a booking to another session; or to another time, with its coach, or with whoever is free where that is
    said.

    Raises:
        BookingNotFound, SlotNotFound, CoachNotFree, NobodyFree; what `moves.reschedule_booking` refuses.
    """
    booking = access.reach_booking(session, principal, booking_id, "scheduling.reschedule_booking")
    if opening is None:
        slot = access.reach_new_slot(session, principal, slot_id, booking) if slot_id else None
        if slot is None:
            raise SlotNotFound
        return moves.reschedule_booking(
            session, booking_id=booking.id, slot_id=slot.id, now=now, by=moves.Mover.of(principal)
        )
    return round_robin.move_to(
        session, booking, opening, with_another=with_another, now=now, by=moves.Mover.of(principal),
        reach=lambda slot_id: access.reach_new_slot(session, principal, slot_id, booking),
    )  # fmt: skip


def reassign(session: Session, principal: Principal, *, booking_id: UUID, now: datetime) -> Booking:
    """Give a booked session to another coach who is free, in its own coach's place.

    Raises:
        BookingNotFound: none, or not for the principal to give away.
        BookingClosed, SessionStarted, NobodyFree.
    """
    booking = access.reach_booking(session, principal, booking_id, "scheduling.reassign_booking", kind="business")
    return round_robin.reassign(
        session, booking_id=booking.id, actor_id=account_id_of(principal), role=principal.role, now=now
    )


def weigh(session: Session, principal: Principal, weights: Mapping[UUID, int], *, now: datetime) -> int:
    """Say how much of the sessions that are given out by turn each of these coaches is to get beside the others.

    Returns:
        How many weights are new.

    Raises:
        CoachNotFound: none, or not for the principal to say.
    """
    for coach_id in weights:
        about = Resource("Coach", coach_id, kind="business")
        require(principal, "scheduling.manage_studio", about, missing=CoachNotFound)
    rows = select(Coach).where(Coach.id.in_(weights)).order_by(Coach.id).with_for_update(key_share=True)
    coaches = session.scalars(rows.execution_options(populate_existing=True)).all()
    if len(coaches) < len(weights):
        raise CoachNotFound
    actor_id = account_id_of(principal)
    return sum(turns.weigh(session, one, weights[one.id], actor_id=actor_id, now=now) for one in coaches)
