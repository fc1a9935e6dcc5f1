"""Whose calendar a request is about, and whether the principal may reach it. Used by the router and the pages."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.core.errors import Forbidden, NotFound
from operational_api.core.policy import Resource, may_principal, may_see_everybody, require
from operational_api.core.principal import Principal
from operational_api.scheduling.errors import (
    BookingNotFound,
    CoachNotFound,
    CustomerNotFound,
    SeriesNotYours,
    SlotNotFound,
)
from operational_api.scheduling.models import Booking, Coach, Slot
from operational_api.scheduling.service import assistants, classes, desks, seats
from operational_api.scheduling.service.round_robin import Opening
from operational_api.training import public as training

COACHES = ("coach", "lead_coach")


def posted(session: Session, principal: Principal) -> Principal:
    """The principal, with the studios that they are kept to."""
    if principal.role != "front_desk" or principal.account_id is None:
        return principal
    return replace(principal, locations=desks.locations_of(session, principal.account_id))


def reach_booking(
    session: Session, principal: Principal, booking_id: UUID, action: str, *, kind: str | None = None
) -> Booking:
    """A booking, where the policy lets the principal; else as if it did not exist."""
    booking = seats.get_booking(session, booking_id)
    about, who = seats.resource_of(booking, kind=kind), posted(session, principal)
    about = helped(session, principal, about, booking.slot_id)
    if who.locations is not None:
        about = replace(about, location_id=session.get_one(Slot, booking.slot_id).location_id)
    require(who, action, about, missing=BookingNotFound)
    return booking


def reach_slot(session: Session, principal: Principal, slot_id: UUID, action: str) -> Slot:
    """A slot of the coach who asks, a class that they help with where that is enough, or any for an admin."""
    slot = _slot(session, slot_id)
    require(posted(session, principal), action, resource_of_slot(session, principal, slot), missing=SlotNotFound)
    return slot


def reach_following(
    session: Session, principal: Principal, slot_id: UUID, scope: classes.Scope, action: str, *, now: datetime
) -> None:
    """Let pass who may do something to a class and, where they are meant, to each that follows it in its series.

    Raises:
        ClassNotFound, SlotClosed: as `classes.affected`.
        SeriesNotYours: the policy says no to one of them.
    """
    found, who = classes.affected(session, slot_id, scope, now), posted(session, principal)
    others = [one.id for one in found if principal.role in COACHES and one.coach_id != principal.account_id]
    helpers = assistants.of_classes(session, others)
    for slot in found:
        about = Resource(
            "Slot", slot.id, coach_id=slot.coach_id, kind="business", location_id=slot.location_id,
            assistants=frozenset(one.coach_id for one in helpers.get(slot.id, ())),
        )  # fmt: skip
        require(who, action, about, missing=SeriesNotYours)


def _slot(session: Session, slot_id: UUID) -> Slot:
    slot = session.get(Slot, slot_id)
    if slot is None or slot.kind == "assist":
        raise SlotNotFound
    return slot


def resource_of_slot(session: Session, principal: Principal, slot: Slot) -> Resource:
    """A slot as the policy sees it when somebody asks for the business."""
    about = Resource("Slot", slot.id, coach_id=slot.coach_id, kind="business", location_id=slot.location_id)
    return helped(session, principal, about, slot.id)


def helped(session: Session, principal: Principal, about: Resource, slot_id: UUID) -> Resource:
    """What is about a session, with who assists it where a coach asks who does not hold it."""
    if principal.role not in COACHES or about.coach_id == principal.account_id:
        return about
    found = assistants.of_classes(session, [slot_id]).get(slot_id, ())
    return replace(about, assistants=frozenset(one.coach_id for one in found))


def reach_customer(
    session: Session, principal: Principal, customer_id: UUID, *, missing: type[NotFound] = CustomerNotFound
) -> training.ClientFacts | None:
    """The customer whom somebody books for, None of who is no client yet: a coach for their own clients alone.

    Raises:
        CustomerNotFound, or `missing`: not for them to book for.
    """
    client = training.client_facts(session, customer_id)
    about = Resource(
        "Client", customer_id, customer_id=customer_id, coach_id=client.coach_id if client else None, kind="business"
    )
    require(principal, "scheduling.book_for", about, missing=missing)
    return client


def books_in(principal: Principal) -> UUID | None:
    """The coach in whose calendar alone somebody books for customers; None: in anybody's."""
    return None if may_see_everybody(principal, "scheduling.book_for") else principal.account_id


def reach_seat_for(session: Session, principal: Principal, customer_id: UUID, slot_id: UUID) -> Slot:
    """The slot of which somebody books a seat for a customer; a front desk at its studios, a coach in their calendar.

    Raises:
        SlotNotFound: there is none, or not for them.
    """
    slot = _slot(session, slot_id)
    about = Resource(
        "Slot", slot.id, customer_id=customer_id, coach_id=slot.coach_id, kind="business", location_id=slot.location_id
    )
    require(posted(session, principal), "scheduling.book_for", about, missing=SlotNotFound)
    return slot


def reach_opening_for(session: Session, principal: Principal, customer_id: UUID, opening: Opening) -> None:
    """Let pass who may book a customer a time with whoever is free there: nobody who books in one calendar alone.

    Raises:
        SlotNotFound: not for them.
    """
    about = Resource(
        "Slot", opening.location_id, customer_id=customer_id, kind="business", location_id=opening.location_id
    )
    require(posted(session, principal), "scheduling.book_for", about, missing=SlotNotFound)


def reach_new_slot(session: Session, principal: Principal, slot_id: UUID, booking: Booking) -> Slot:
    """The slot that a booking is to be moved to: a customer's choice is free, a coach's is among their own, and a front
    desk's at its studios."""
    slot = _slot(session, slot_id)
    about = Resource(
        "Slot", slot.id, customer_id=booking.customer_id, coach_id=slot.coach_id, location_id=slot.location_id
    )
    require(posted(session, principal), "scheduling.reschedule_booking", about, missing=SlotNotFound)
    return slot


def reach_calendar(session: Session, principal: Principal, coach_id: UUID | None, action: str) -> UUID:
    """The coach whose working hours are meant: the one named, or the coach who asks."""
    wanted, who = coach_id or principal.account_id, posted(session, principal)
    if wanted is None:
        raise Forbidden
    studio = session.scalar(select(Coach.location_id).where(Coach.id == wanted)) if who.locations else None
    about = Resource("Calendar", wanted, coach_id=wanted, kind="business", location_id=studio)
    require(who, action, about, missing=CoachNotFound)
    return wanted


def whose_bookings(
    principal: Principal, customer_id: UUID | None, coach_id: UUID | None
) -> tuple[UUID | None, UUID | None]:
    """The (customer, coach) a list of bookings is kept to: customers see their own, coaches their calendar.

    Raises:
        Forbidden: somebody asks who sees no bookings.
    """
    if may_see_everybody(principal, "scheduling.list_bookings"):
        return customer_id, coach_id
    if not may_principal(principal, "scheduling.list_bookings"):
        raise Forbidden
    return (principal.account_id, coach_id) if principal.role == "customer" else (customer_id, principal.account_id)


def reader_zone(session: Session, principal: Principal | None, asked: str | None) -> str | None:
    """The zone times are told in: the one asked for, a customer's own, or None for the studio's."""
    if asked or principal is None or principal.account_id is None or principal.role != "customer":
        return asked
    return training.client_time_zone(session, principal.account_id)


def know_customer(
    session: Session, principal: Principal, now: datetime, *, time_zone: str = "UTC"
) -> training.ClientFacts | None:
    """The customer who asks; None when it is no customer. Who just signed up is made a client, so that their coach
    sees a name before the event is handled.

    Args:
        time_zone: Where they live, as far as the request tells.
    """
    if principal.role != "customer" or principal.account_id is None:
        return None
    return training.ensure_client(
        session, principal.account_id, display_name=principal.display_name, now=now, time_zone=time_zone
    )
