"""HTTP to the services of scheduling and back, under /api/scheduling."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AwareDatetime

from operational_api.core import signed_urls
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, MaybePrincipal
from operational_api.core.routing import ContextRouter
from operational_api.scheduling import access, any_coach, class_router, desk_router, opening_router, public, seat_router
from operational_api.scheduling.availability_schemas import AvailabilityRead, AvailabilityReplace
from operational_api.scheduling.calendars import router as calendars
from operational_api.scheduling.calendars.feed import MEDIA_TYPE
from operational_api.scheduling.errors import BookingNotFound
from operational_api.scheduling.lifecycle import Status
from operational_api.scheduling.schemas import (
    BookingCreate,
    BookingRead,
    CalendarLink,
    CoachRead,
    DeskRead,
    DeskReplace,
    Kind,
    OutcomeCreate,
    RescheduleCreate,
    SlotRead,
    WaitlistRead,
    Zone,
)
from operational_api.scheduling.service import (
    agenda,
    availability,
    bookings,
    calendar_file,
    desks,
    slots,
    waitlist,
)

router = ContextRouter(prefix="/api/scheduling", tags=["scheduling"], route_class=IdempotentRoute)

From = Annotated[AwareDatetime | None, Query(alias="from", description="With an offset, e.g. 2026-03-02T00:00:00Z.")]
TimeZone = Annotated[Zone | None, Query(description="IANA zone of the times told; by default the reader's.")]


def _now() -> datetime:
    return datetime.now(UTC)


@router.get("/coaches", dependencies=[Allowed("scheduling.read_timetable")])
def list_coaches(session: DbSession) -> Page[CoachRead]:
    """Coaches who work here today."""
    rows = slots.list_coaches(session)
    return Page(items=[CoachRead(id=id_, display_name=name, city=city) for id_, name, city in rows])


@router.get("/slots", dependencies=[Allowed("scheduling.read_timetable")])
def list_slots(
    principal: MaybePrincipal,
    session: DbSession,
    from_: From = None,
    to: AwareDatetime | None = None,
    coach_id: UUID | None = None,
    location_id: UUID | None = None,
    kind: Kind | None = None,
    only_free: bool = False,
    time_zone: TimeZone = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SlotRead]:
    """Sessions that can still be booked, full ones too unless `only_free`; open to guests."""
    wanted = slots.SlotFilter(
        starts_from=from_, starts_before=to, coach_id=coach_id, location_id=location_id, kind=kind, only_free=only_free
    )
    viewer = principal.account_id if principal else None
    rows, next_cursor = slots.list_slots(session, wanted, viewer_id=viewer, now=_now(), limit=limit, cursor=cursor)
    zone = access.reader_zone(session, principal, time_zone)
    return Page(items=[SlotRead.of(row, zone) for row in rows], next_cursor=next_cursor)


@router.get("/slots/{slot_id}", dependencies=[Allowed("scheduling.read_timetable")])
def read_slot(slot_id: UUID, principal: MaybePrincipal, session: DbSession, time_zone: TimeZone = None) -> SlotRead:
    """One session."""
    view = slots.get_slot(session, slot_id, viewer_id=principal.account_id if principal else None, now=_now())
    return SlotRead.of(view, access.reader_zone(session, principal, time_zone))


@router.post("/slots/{slot_id}/cancellation", dependencies=[Allowed("scheduling.cancel_slot")])
def cancel_slot(slot_id: UUID, principal: CurrentPrincipal, session: DbSession) -> SlotRead:
    """The coach calls a session off; every booking gets its credit back."""
    access.reach_slot(session, principal, slot_id, "scheduling.cancel_slot")
    bookings.cancel_slot(session, slot_id=slot_id, now=_now())
    return SlotRead.of(slots.get_slot(session, slot_id, viewer_id=None, now=_now()), None)


@router.post("/slots/{slot_id}/waitlist", status_code=201, dependencies=[Allowed("scheduling.book")])
def join_waitlist(slot_id: UUID, customer_id: CurrentAccount, session: DbSession) -> WaitlistRead:
    """Wait for a seat of a full session. Whoever is next is offered it for a while."""
    entry = waitlist.join_waitlist(session, customer_id=customer_id, slot_id=slot_id, now=_now())
    return WaitlistRead.of(entry, waitlist.place_in_line(session, entry))


@router.delete("/slots/{slot_id}/waitlist", status_code=204, dependencies=[Allowed("scheduling.book")])
def leave_waitlist(slot_id: UUID, customer_id: CurrentAccount, session: DbSession) -> None:
    """Wait no longer."""
    waitlist.leave_waitlist(session, customer_id=customer_id, slot_id=slot_id, now=_now())


@router.get("/bookings", dependencies=[Allowed("scheduling.list_bookings")])
def list_bookings(
    principal: CurrentPrincipal,
    session: DbSession,
    from_: From = None,
    to: AwareDatetime | None = None,
    customer_id: UUID | None = None,
    coach_id: UUID | None = None,
    status: Status | None = None,
    order: Literal["asc", "desc"] = "asc",
    time_zone: TimeZone = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[BookingRead]:
    """A customer's own bookings, a coach's own calendar, everybody's for an admin, by start."""
    whose_customer, whose_coach = access.whose_bookings(principal, customer_id, coach_id)
    rows, next_cursor = agenda.list_bookings(
        session, customer_id=whose_customer, coach_id=whose_coach, starts_from=from_, starts_before=to, status=status,
        location_ids=access.posted(session, principal).locations, order=order, limit=limit, cursor=cursor,
    )  # fmt: skip
    zone, now = access.reader_zone(session, principal, time_zone), _now()
    return Page(items=[BookingRead.of(row, zone, now) for row in rows], next_cursor=next_cursor)


@router.post("/bookings", status_code=201, dependencies=[Allowed("scheduling.book")])
def create_booking(body: BookingCreate, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """Book a seat, or a time with whoever is free: one's own coach, if they are, else whose turn it is. Of two who race
    for the last one, one wins."""
    return public.book_either(session, principal, slot_id=body.slot_id, opening=body.wanted, now=_now())


@router.get("/bookings/{booking_id}", dependencies=[Allowed("scheduling.read_booking")])
def read_booking(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """One booking."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.read_booking")
    return BookingRead.of(agenda.view_of(session, booking), access.reader_zone(session, principal, None), _now())


@router.post("/bookings/{booking_id}/calendar-link", status_code=201, dependencies=[Allowed("scheduling.read_booking")])
def create_calendar_link(
    request: Request, booking_id: UUID, principal: CurrentPrincipal, session: DbSession
) -> CalendarLink:
    """An address at which a calendar app fetches this booking within five minutes, without signing in."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.read_booking")
    path, now = f"{router.prefix}/calendar-files/{booking.id}", _now()
    return CalendarLink(
        url=signed_urls.signer(request).sign(path, subject=principal.key, now=now), expires_at=now + signed_urls.LONGEST
    )


@router.get(
    "/calendar-files/{booking_id}",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}}}},
    dependencies=[Allowed("scheduling.open_calendar_file")],
)
def read_calendar_file(booking_id: UUID, subject: signed_urls.SignedSubject, session: DbSession) -> Response:
    """A booking as an iCalendar file, for whoever holds its signed address."""
    facts = public.session_facts(session, booking_id)
    if facts is None or subject not in (str(facts.customer_id), str(facts.coach_id)):
        raise BookingNotFound
    headers = {"Content-Disposition": 'attachment; filename="session.ics"', "Referrer-Policy": "no-referrer"}
    return Response(calendar_file.render(session, booking_id, UUID(subject)), media_type=MEDIA_TYPE, headers=headers)


@router.post("/bookings/{booking_id}/cancellation", dependencies=[Allowed("scheduling.cancel_booking")])
def cancel_booking(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """Cancel: the credit comes back until `free_until`, and always when the coach cancels. What is held is let go."""
    return public.cancel_booking(session, principal, booking_id=booking_id, now=_now())


@router.post(
    "/bookings/{booking_id}/rescheduling", status_code=201, dependencies=[Allowed("scheduling.reschedule_booking")]
)
def reschedule_booking(
    booking_id: UUID, body: RescheduleCreate, principal: CurrentPrincipal, session: DbSession
) -> BookingRead:
    """Move a booking to another session, or to another time with its coach, in one step. The answer is the new
    booking."""
    now = _now()
    moved = any_coach.move_either(
        session, principal, booking_id=booking_id, slot_id=body.slot_id, opening=body.wanted,
        with_another=body.with_another, now=now,
    )  # fmt: skip
    return BookingRead.of(agenda.view_of(session, moved), access.reader_zone(session, principal, None), now)


@router.post("/bookings/{booking_id}/outcome", dependencies=[Allowed("scheduling.mark_outcome")])
def mark_outcome(booking_id: UUID, body: OutcomeCreate, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """Whether the customer came: marked by the coach of the session once it has started."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.mark_outcome", kind="business")
    now = _now()
    bookings.mark_outcome(session, booking_id=booking.id, outcome=body.outcome, now=now)
    return BookingRead.of(agenda.view_of(session, booking), None, now)


@router.get("/availability", dependencies=[Allowed("scheduling.read_availability")])
def read_availability(
    principal: CurrentPrincipal, session: DbSession, coach_id: UUID | None = None
) -> AvailabilityRead:
    """A coach's working hours and days away; one's own without `coach_id`."""
    whose = access.reach_calendar(session, principal, coach_id, "scheduling.read_availability")
    return AvailabilityRead.of(availability.get_availability(session, coach_id=whose, now=_now()))


@router.put("/availability", dependencies=[Allowed("scheduling.replace_availability")])
def replace_availability(
    body: AvailabilityReplace, principal: CurrentPrincipal, session: DbSession, coach_id: UUID | None = None
) -> AvailabilityRead:
    """Replace working hours and days away. Free slots follow at once; booked sessions stay and are named."""
    whose = access.reach_calendar(session, principal, coach_id, "scheduling.replace_availability")
    changed = availability.replace_availability(
        session,
        coach_id=whose,
        hours=[one.hours() for one in body.rules],
        away=[one.away() for one in body.time_off],
        session_minutes=body.session_minutes,
        buffer_minutes=body.buffer_minutes,
        exceptions=None if body.exceptions is None else [one.hours() for one in body.exceptions],
        now=_now(),
    )
    return AvailabilityRead.of(changed)


@router.get("/desk-locations/{account_id}", dependencies=[Allowed("scheduling.assign_desk")])
def read_desk(account_id: UUID, session: DbSession) -> DeskRead:
    """The studios whose front desk somebody works at; none means all."""
    return DeskRead(location_ids=sorted(desks.locations_of(session, account_id) or ()))


@router.put("/desk-locations/{account_id}", dependencies=[Allowed("scheduling.assign_desk")])
def assign_desk(account_id: UUID, body: DeskReplace, principal: CurrentPrincipal, session: DbSession) -> DeskRead:
    """Say at which studios' front desk somebody works; it holds with their next request."""
    found = public.assign_desk(session, principal, account_id=account_id, location_ids=body.location_ids, now=_now())
    return DeskRead(location_ids=sorted(found))


router.include_router(calendars.router)
router.include_router(seat_router.router)
router.include_router(class_router.router)
router.include_router(desk_router.router)
router.include_router(opening_router.router)
