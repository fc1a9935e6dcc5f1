"""HTTP to seats that are kept, asked for, moved and paid for late. Part of `router`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.scheduling import access
from operational_api.scheduling.models import Booking
from operational_api.scheduling.schemas import (
    AnswerCreate,
    BookingRead,
    MissedRead,
    MoveRead,
    SeriesCreate,
    SeriesGoingOn,
    SeriesRead,
    WaiverCreate,
)
from operational_api.scheduling.service import agenda, fees, holds, moves, recurring

router = APIRouter(route_class=IdempotentRoute)


def told(session: Session, principal: Principal, booking: Booking, now: datetime) -> BookingRead:
    """A booking in the reader's zone."""
    return BookingRead.of(agenda.view_of(session, booking), access.reader_zone(session, principal, None), now)


def all_told(
    session: Session, principal: Principal, bookings: Sequence[Booking], now: datetime
) -> list[BookingRead]:  # fmt: skip
    """Bookings in the reader's zone."""
    zone = access.reader_zone(session, principal, None)
    return [BookingRead.of(view, zone, now) for view in agenda.views_of(session, bookings)]


def series_told(session: Session, principal: Principal, found: recurring.Booked, now: datetime) -> SeriesRead:
    """What came of booking weeks, in the reader's zone."""
    series = found.series
    return SeriesRead(
        id=series.id if series else None, rule=series.rule if series else None,
        goes_on=series is not None and series.goes_on, ends_on=series.ends_on if series else None,
        bookings=all_told(session, principal, found.bookings, now),
        missed=[
            MissedRead(starts_at=one.starts_at, code=one.reason.code(), detail=one.reason.detail)
            for one in found.missed
        ],
    )  # fmt: skip


@router.post("/slots/{slot_id}/hold", status_code=201, dependencies=[Allowed("scheduling.book")])
def hold_seat(
    slot_id: UUID, customer_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession
) -> BookingRead:
    """Keep a seat for some minutes, to pay in peace. It is free again at `held_until` unless it is confirmed."""
    now = datetime.now(UTC)
    access.know_customer(session, principal, now)
    return told(session, principal, holds.hold_seat(session, customer_id=customer_id, slot_id=slot_id, now=now), now)


@router.post("/booking-series", status_code=201, dependencies=[Allowed("scheduling.book")])
def book_series(
    body: SeriesCreate, customer_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession
) -> SeriesRead:
    """Book a session and the same hour in the weeks that follow. What cannot be had of it is left out and told; what
    the calendar is not open for yet is booked as it opens."""
    now = datetime.now(UTC)
    access.know_customer(session, principal, now)
    found = recurring.book_series(
        session, customer_id=customer_id, slot_id=body.slot_id, times=body.times, until=body.until,
        interval=body.interval, now=now,
    )  # fmt: skip
    return series_told(session, principal, found, now)


@router.get("/booking-series", dependencies=[Allowed("scheduling.list_bookings")])
def list_series(
    principal: CurrentPrincipal, session: DbSession, customer_id: UUID | None = None
) -> Page[SeriesGoingOn]:  # fmt: skip
    """Sessions that recur and are booked further as calendars open: one's own, or those with the coach who asks."""
    customer, coach = access.whose_bookings(principal, customer_id, None)
    places = access.posted(session, principal).locations
    found = agenda.list_series(session, customer_id=customer, coach_id=coach, location_ids=places)
    return Page(items=[SeriesGoingOn.of(one) for one in found])


@router.post("/bookings/{booking_id}/series-end", dependencies=[Allowed("scheduling.cancel_booking")])
def end_series(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """Book no more of the series that a booking is of. What is booked stays; the answer is that booking."""
    now = datetime.now(UTC)
    booking = access.reach_booking(session, principal, booking_id, "scheduling.cancel_booking")
    recurring.end_series_of(session, booking_id=booking.id, now=now)
    return told(session, principal, booking, now)


@router.post("/bookings/{booking_id}/series-cancellation", dependencies=[Allowed("scheduling.cancel_booking")])
def cancel_following(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Page[BookingRead]:
    """Cancel a booking and all that follow it in its series, each by its own terms."""
    now = datetime.now(UTC)
    booking = access.reach_booking(session, principal, booking_id, "scheduling.cancel_booking")
    gone = recurring.cancel_following(
        session, booking_id=booking.id, now=now, by_coach=principal.role != "customer"
    )  # fmt: skip
    return Page(items=all_told(session, principal, gone, now))


@router.post("/bookings/{booking_id}/confirmation", dependencies=[Allowed("scheduling.confirm_booking")])
def confirm_booking(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """Book the seat that is kept, or that was offered from the waitlist, and pay for it."""
    now = datetime.now(UTC)
    booking = access.reach_booking(session, principal, booking_id, "scheduling.confirm_booking")
    return told(session, principal, holds.confirm_hold(session, booking_id=booking.id, now=now), now)


@router.post("/bookings/{booking_id}/release", dependencies=[Allowed("scheduling.confirm_booking")])
def release_booking(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """Let go of a seat that is kept or asked for, or decline the one that was offered."""
    now = datetime.now(UTC)
    booking = access.reach_booking(session, principal, booking_id, "scheduling.confirm_booking")
    return told(session, principal, holds.let_go(session, booking_id=booking.id, now=now), now)


@router.post("/bookings/{booking_id}/answer", dependencies=[Allowed("scheduling.answer_request")])
def answer_request(
    booking_id: UUID, body: AnswerCreate, principal: CurrentPrincipal, session: DbSession
) -> BookingRead:
    """The coach's yes or no to a request."""
    now = datetime.now(UTC)
    booking = access.reach_booking(session, principal, booking_id, "scheduling.answer_request", kind="business")
    answered = holds.answer_request(session, booking_id=booking.id, is_accepted=body.is_accepted, now=now)
    return told(session, principal, answered, now)


@router.get("/bookings/{booking_id}/moves", dependencies=[Allowed("scheduling.read_booking")])
def list_moves(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Page[MoveRead]:
    """How a booking came to be where it is, the first move first; the same list from every booking of the chain."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.read_booking")
    zone = access.reader_zone(session, principal, None) or agenda.view_of(session, booking).location.time_zone
    found = moves.history(session, [booking.id]).get(booking.id, [])
    return Page(items=[MoveRead.of(move, zone) for move in found])


@router.post("/bookings/{booking_id}/fee-waiver", dependencies=[Allowed("scheduling.waive_fee")])
def waive_fee(
    booking_id: UUID, body: WaiverCreate, account_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession
) -> BookingRead:
    """Let a customer off the fee of a late cancellation. Who did it and why is in the audit log."""
    now = datetime.now(UTC)
    booking = access.reach_booking(session, principal, booking_id, "scheduling.waive_fee", kind="business")
    waived = fees.waive(session, booking_id=booking.id, actor_id=account_id, reason=body.reason, now=now)
    return told(session, principal, waived, now)
