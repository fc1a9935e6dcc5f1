"""The only door to scheduling for other contexts: ids and plain values in and out.

Commands take the principal and decide by the policy; the HTTP API and the graph both act through them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session, aliased

from operational_api.core.policy import Resource, is_allowed
from operational_api.core.principal import Principal, account_id_of
from operational_api.scheduling import access, any_coach
from operational_api.scheduling.access import reach_customer as reach_customer
from operational_api.scheduling.at_desk import Means as Means
from operational_api.scheduling.at_desk import Undoable as Undoable
from operational_api.scheduling.at_desk import book_for as book_for
from operational_api.scheduling.at_desk import book_weeks_for as book_weeks_for
from operational_api.scheduling.at_desk import means_of as means_of
from operational_api.scheduling.at_desk import opening_for as opening_for
from operational_api.scheduling.at_desk import openings_for as openings_for
from operational_api.scheduling.at_desk import slot_for as slot_for
from operational_api.scheduling.at_desk import slots_for as slots_for
from operational_api.scheduling.at_desk import undo_for as undo_for
from operational_api.scheduling.at_desk import undoable as undoable
from operational_api.scheduling.errors import BookingNotFound, SlotNotFound
from operational_api.scheduling.lifecycle import BookingLife, Outcome
from operational_api.scheduling.models import Booking, ClassNotice, Coach, Location, Slot
from operational_api.scheduling.rosters import Seat as Seat
from operational_api.scheduling.rosters import seats_of_day as seats_of_day
from operational_api.scheduling.schemas import BookingRead as BookingRead
from operational_api.scheduling.service import agenda, assistants, bookings, desks, fees, holds, notices, places, seats
from operational_api.scheduling.service.desk_bookings import Order as Order
from operational_api.scheduling.service.notices import NoticeView as NoticeView
from operational_api.scheduling.service.recurring import Booked as Booked
from operational_api.scheduling.service.round_robin import Opening as Opening
from operational_api.scheduling.service.slots import SlotView as SlotView
from operational_api.training import public as training


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A booked session in words, for messages and reminders. `time_zone` is the studio's. `outcome_at`: when it was
    said whether they came; of a session that is to come, when they were checked in. `free_until`: cancelling by then
    costs nothing. `booked_by`: who booked it for them. `assistant_names`: of a class, who helps its coach."""

    booking_id: UUID
    customer_id: UUID
    coach_id: UUID
    coach_name: str
    title: str
    location_name: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    status: str
    outcome_at: datetime | None
    free_until: datetime | None
    booked_by: UUID | None
    assistant_names: list[str]


_Facts = Select[
    tuple[
        UUID, UUID, UUID, str, str, str, str, datetime, datetime, str, datetime | None, datetime | None, UUID | None,
        list[str],
    ]
]  # fmt: skip


def _facts() -> _Facts:
    return (
        select(
            Booking.id, Booking.customer_id, Booking.coach_id, Coach.display_name, Slot.title, Location.name,
            Location.time_zone, Booking.starts_at, Booking.ends_at, Booking.status,
            Booking.outcome_at, Booking.free_until, Booking.booked_by, assistants.names(),
        )
        .join(Slot, Slot.id == Booking.slot_id)
        .join(Coach, Coach.id == Booking.coach_id)
        .join(Location, Location.id == Slot.location_id)
    )  # fmt: skip


def session_facts(session: Session, booking_id: UUID) -> SessionFacts | None:
    """One booking in words, or None."""
    row = session.execute(_facts().where(Booking.id == booking_id)).one_or_none()
    return SessionFacts(*row) if row else None


def next_session(
    session: Session, customer_id: UUID, now: datetime, *, seen_by: Principal | None = None
) -> SessionFacts | None:
    """The customer's next booked session, or None.

    Args:
        seen_by: Who asks. A front desk that is kept to studios is told of sessions there only.
    """
    return next_sessions(session, [customer_id], now, seen_by=seen_by).get(customer_id)


def _seen(session: Session, principal: Principal | None) -> list[ColumnElement[bool]]:
    """Which sessions somebody may be told of, inside a query over slots."""
    locations = access.posted(session, principal).locations if principal else None
    return [] if locations is None else [Slot.location_id.in_(locations)]


def coach_names(session: Session, coach_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Display names of many coaches in one query."""
    rows = session.execute(select(Coach.id, Coach.display_name).where(Coach.id.in_(list(coach_ids))))
    return {row.id: row.display_name for row in rows}


def all_coaches(session: Session) -> dict[UUID, str]:
    """Every coach's display name, by name."""
    return {row.id: row.display_name for row in session.execute(select(Coach.id, Coach.display_name).order_by(
        Coach.display_name, Coach.id))}  # fmt: skip


def next_sessions(
    session: Session, customer_ids: Iterable[UUID], now: datetime, *, seen_by: Principal | None = None
) -> dict[UUID, SessionFacts]:
    """The next booked session of many customers in one query. Who has none is not in the answer; `seen_by` as in
    `next_session`."""
    query = (
        _facts()
        .where(Booking.customer_id.in_(list(customer_ids)), Booking.status == "booked", Booking.starts_at > now)
        .where(*_seen(session, seen_by))
        .distinct(Booking.customer_id)
        .order_by(Booking.customer_id, Booking.starts_at)
    )
    return {row.customer_id: SessionFacts(*row) for row in session.execute(query)}


def has_attended(session: Session, customer_id: UUID, *, since: datetime, until: datetime) -> bool:
    """Whether a customer came to a session that began in this span of time."""
    came = select(Booking.id).where(
        Booking.customer_id == customer_id, Booking.status == "attended", Booking.starts_at >= since,
        Booking.starts_at < until,
    )  # fmt: skip
    return session.scalar(select(came.exists())) or False


def sessions_of_coach(session: Session, coach_id: UUID, *, since: datetime, until: datetime) -> list[SessionFacts]:
    """A coach's sessions that start in a span of time, the earliest first, those of classes that they help with among
    them; those that were cancelled are not told."""
    helped = assistants.helped_by(session, coach_id, since=since, until=until)
    theirs = or_(Booking.coach_id == coach_id, Booking.slot_id.in_(helped)) if helped else Booking.coach_id == coach_id
    query = _facts().where(
        theirs, Booking.status.in_(("booked", "attended", "no_show")),
        Booking.starts_at >= since, Booking.starts_at < until,
    )  # fmt: skip
    return [SessionFacts(*row) for row in session.execute(query.order_by(Booking.starts_at))]


def book(session: Session, principal: Principal, *, slot_id: UUID, now: datetime) -> BookingRead:
    """Book a seat for the customer who asks."""
    customer_id = account_id_of(principal)
    client = access.know_customer(session, principal, now)
    place = places.lock_place(session, slot_id)
    booking = bookings.book_place(session, place, customer_id=customer_id, now=now)
    if client is None:
        return _read(session, principal, booking, now)
    view = agenda.BookingView(
        booking, place.slot, place.coach_name, place.location, client.display_name, place.assistants
    )
    return BookingRead.of(view, client.time_zone, now)


def book_either(
    session: Session, principal: Principal, *, slot_id: UUID | None, opening: Opening | None, now: datetime
) -> BookingRead:
    """Book a session, or a time with whoever is free, for the customer who asks."""
    if opening is not None:
        return _read(session, principal, any_coach.book(session, principal, opening, now=now), now)
    if slot_id is None:
        raise SlotNotFound
    return book(session, principal, slot_id=slot_id, now=now)


def reassign_booking(session: Session, principal: Principal, *, booking_id: UUID, now: datetime) -> BookingRead:
    """Give a booked session to another coach who is free, in its own coach's place."""
    return _read(session, principal, any_coach.reassign(session, principal, booking_id=booking_id, now=now), now)


def cancel_booking(session: Session, principal: Principal, *, booking_id: UUID, now: datetime) -> BookingRead:
    """Cancel a booking that the principal may cancel; anybody else's is like a missing one."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.cancel_booking")
    bookings.cancel_booking(session, booking_id=booking.id, now=now, by_coach=principal.role != "customer")
    return _read(session, principal, booking, now)


def _read(session: Session, principal: Principal, booking: Booking, now: datetime) -> BookingRead:
    return BookingRead.of(agenda.view_of(session, booking), access.reader_zone(session, principal, None), now)


@dataclass(frozen=True, slots=True)
class Assistance:
    """A class that a second coach helps with, in words. `time_zone` is the studio's."""

    title: str
    coach_name: str
    assistant_name: str
    location_name: str
    time_zone: str
    series_id: UUID | None


def assistance(session: Session, assist_id: UUID) -> Assistance | None:
    """An assistant's place in a class in words, also one that is over, or None."""
    led, lead = aliased(Slot), aliased(Coach)
    row = session.execute(
        select(led.title, lead.display_name, Coach.display_name, Location.name, Location.time_zone, led.series_id)
        .select_from(Slot)
        .join(led, led.id == Slot.assists_id)
        .join(lead, lead.id == led.coach_id)
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == led.location_id)
        .where(Slot.id == assist_id)
    ).one_or_none()
    return Assistance(*row) if row else None


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """A notice in words, and who is booked on a class to come that it is for, with the start of their first one.
    `author_name` as in `NoticeView`; `time_zone` is the studio's."""

    body: str
    scope: str
    author_name: str | None
    title: str
    coach_name: str
    location_name: str
    time_zone: str
    first_of: Mapping[UUID, datetime]


def notice(session: Session, notice_id: UUID, *, after: datetime) -> NoticeFacts | None:
    """A notice, for classes that start after a moment and were not called off. None: there is none."""
    author = aliased(Coach)
    row = session.execute(
        select(ClassNotice, author.display_name, Slot, Coach.display_name, Location.name, Location.time_zone)
        .join(Slot, Slot.id == ClassNotice.slot_id)
        .join(Coach, Coach.id == Slot.coach_id)
        .join(Location, Location.id == Slot.location_id)
        .outerjoin(author, author.id == ClassNotice.author_id)
        .where(ClassNotice.id == notice_id)
    ).one_or_none()
    if row is None:
        return None
    found, written_by, slot, coach, place, zone = row
    first_of = notices.first_of_each(session, slot, found.scope, after=after)
    return NoticeFacts(found.body, found.scope, written_by, slot.title, coach, place, zone, first_of)


def notices_of(session: Session, slot_id: UUID) -> list[NoticeView]:
    """What was written to everybody who comes to a class, the oldest first."""
    return notices.of_slots(session, [slot_id]).get(slot_id, [])


def notices_without(session: Session, slot_id: UUID, customer_id: UUID, *, after: datetime) -> list[UUID]:
    """The notices of a class that are for none of the classes after a moment on which a customer is booked."""
    return notices.without(session, slot_id, customer_id, after=after)


@dataclass(frozen=True, slots=True)
class Studio:
    """A place where people train. `time_zone` rules its day."""

    location_id: UUID
    name: str
    time_zone: str


def studios(session: Session) -> list[Studio]:
    """Every studio, by name."""
    rows = session.execute(select(Location.id, Location.name, Location.time_zone).order_by(Location.name, Location.id))
    return [Studio(*row) for row in rows]


def studios_of_desk(session: Session, account_id: UUID) -> frozenset[UUID] | None:
    """The studios that somebody at a front desk is kept to; None: to none."""
    return desks.locations_of(session, account_id)


def assign_desk(
    session: Session, principal: Principal, *, account_id: UUID, location_ids: Iterable[UUID], now: datetime
) -> frozenset[UUID]:
    """Say at which studios' front desk somebody works; none means all.

    Raises:
        Forbidden: a service asks.
        LocationNotFound: one of them is no studio.
    """
    return desks.assign(
        session, account_id=account_id, location_ids=frozenset(location_ids), assigned_by=account_id_of(principal),
        now=now,
    )  # fmt: skip


def studio_of(session: Session, coach_id: UUID) -> UUID | None:
    """Where a coach works; None of who is no coach."""
    return session.scalar(select(Coach.location_id).where(Coach.id == coach_id))


@dataclass(frozen=True, slots=True)
class LateFee:
    """What a late cancellation costs; nobody waived it."""

    booking_id: UUID
    starts_at: datetime
    due_at: datetime
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A seat that somebody asked for and that waits for a yes or no."""

    booking_id: UUID
    customer_id: UUID
    customer_name: str
    coach_name: str
    title: str
    starts_at: datetime
    answer_by: datetime


def requests_at(session: Session, principal: Principal, location_id: UUID, now: datetime) -> list[Asked]:
    """Requests at a studio that the reader may answer, the most urgent first."""
    who = access.posted(session, principal)
    if who.locations is not None and location_id not in who.locations:
        return []
    return [
        Asked(
            row.booking.id, row.booking.customer_id, row.customer_name, row.coach_name, row.slot.title,
            row.booking.starts_at, row.booking.held_until or row.booking.starts_at,
        )
        for row in agenda.list_requests(session, location_id=location_id, now=now)
        if is_allowed(principal, "scheduling.answer_request", seats.resource_of(row.booking, kind="business"))
    ]  # fmt: skip


def answer_request(
    session: Session, principal: Principal, *, booking_id: UUID, is_accepted: bool, now: datetime
) -> None:
    """Say yes or no to a request.

    Raises:
        BookingNotFound: none, or not for the principal to say.
        BookingClosed, HoldExpired.
    """
    booking = access.reach_booking(session, principal, booking_id, "scheduling.answer_request", kind="business")
    holds.answer_request(session, booking_id=booking.id, is_accepted=is_accepted, now=now)


def fees_at(
    session: Session, principal: Principal, location_id: UUID, *, limit: int
) -> list[tuple[LateFee, UUID, str]]:
    """The newest fees at a studio that nobody waived and the reader may: each with its customer and their name."""
    who = access.posted(session, principal)
    may_waive = is_allowed(who, "scheduling.waive_fee", Resource("Location", location_id, location_id=location_id))
    if not may_waive:
        return []
    found = session.execute(
        _late_fees().add_columns(Booking.customer_id).where(Slot.location_id == location_id).limit(limit)
    ).tuples().all()  # fmt: skip
    names = training.client_names(session, {row[-1] for row in found})
    return [(LateFee(*row[:-1]), row[-1], names.get(row[-1], "New client")) for row in found]


def opens_check_in(starts_at: datetime, now: datetime) -> bool:
    """Whether people may be checked in for a session that starts then."""
    return BookingLife("booked", starts_at).opens_check_in(now)


def mark_outcome(session: Session, principal: Principal, *, booking_id: UUID, outcome: Outcome, now: datetime) -> None:
    """Say whether somebody came: that they did from shortly before the start.

    Raises:
        BookingNotFound: none, or the principal may not say so of it.
        BookingClosed, SessionNotStarted.
    """
    booking = access.reach_booking(session, principal, booking_id, "scheduling.mark_outcome", kind="business")
    bookings.mark_outcome(session, booking_id=booking.id, outcome=outcome, now=now)


def late_fees(session: Session, principal: Principal, customer_id: UUID, *, limit: int) -> list[LateFee]:
    """A customer's newest fees that were not waived, at the studios that who asks works at. The caller decides who may
    ask at all."""
    query = _late_fees().where(Booking.customer_id == customer_id, *_seen(session, principal))
    return [LateFee(*row) for row in session.execute(query.limit(limit)).tuples()]


def _late_fees() -> Select[Any]:
    columns = (
        Booking.id, Booking.starts_at, Booking.late_fee_due_at, Booking.late_fee_minor, Booking.late_fee_currency,
    )  # fmt: skip
    return (
        select(*columns)
        .join(Slot, Slot.id == Booking.slot_id)
        .where(Booking.status == "late_cancelled", Booking.late_fee_waived_at.is_(None))
        .where(Booking.late_fee_due_at.is_not(None), Booking.late_fee_minor.is_not(None))
        .order_by(Booking.starts_at.desc())
    )


def waived_fees(session: Session, booking_ids: Collection[UUID]) -> set[UUID]:
    """Those of these bookings whose fee was waived."""
    query = select(Booking.id).where(Booking.id.in_(booking_ids), Booking.late_fee_waived_at.is_not(None))
    return set(session.scalars(query)) if booking_ids else set()


def titles_of(session: Session, slot_ids: Collection[UUID]) -> dict[UUID, str]:
    """What these hours and classes are called."""
    query = select(Slot.id, Slot.title).where(Slot.id.in_(slot_ids))
    return {row.id: row.title for row in session.execute(query)} if slot_ids else {}


def waive_invoiced_fee(session: Session, *, booking_id: UUID, actor_id: UUID, reason: str, now: datetime) -> None:
    """Let a customer off the fee of a booking, on whose invoice it is credited. Who may credit that may do so, and the
    caller decides who that is.

    Raises:
        BookingNotFound: there is no such booking.
        NoFee: none is due, or it was waived.
        FeePaid, InvoiceNotCreditable: it was paid, or nobody knows yet whether it was.
    """
    fees.waive(session, booking_id=booking_id, actor_id=actor_id, reason=reason, now=now)


def waive_late_fee(
    session: Session, principal: Principal, *, booking_id: UUID, customer_id: UUID, reason: str, now: datetime
) -> None:
    """Let a customer off the fee of one of their bookings.

    Raises:
        BookingNotFound: none of theirs, or the principal may not say so.
        NoFee: none is due, or it was waived.
    """
    booking = access.reach_booking(session, principal, booking_id, "scheduling.waive_fee", kind="business")
    if booking.customer_id != customer_id:
        raise BookingNotFound
    fees.waive(session, booking_id=booking.id, actor_id=account_id_of(principal), reason=reason, now=now)
