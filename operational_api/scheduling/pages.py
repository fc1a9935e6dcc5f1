"""Pages of scheduling: the timetable, one session, a customer's bookings. They act through the same services as HTTP.

Sending a form twice is harmless: a seat held is held, a booking cancelled is cancelled, and both say so.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from contracts.money import Money
from operational_api.core.database import DbSession
from operational_api.core.paging import Cursor, cut
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, MaybePrincipal
from operational_api.core.signed_urls import signer
from operational_api.scheduling import access, class_pages, hours_pages, opening_pages, seat_pages, studio_pages
from operational_api.scheduling.calendars import pages as calendar_pages
from operational_api.scheduling.errors import AlreadyBooked, BookingClosed, InvalidRecurrence, PlanRequired
from operational_api.scheduling.lifecycle import CANCELLATION_WINDOW
from operational_api.scheduling.models import Location
from operational_api.scheduling.service import (
    agenda,
    bookings,
    moves,
    notices,
    payment,
    recurring,
    slots,
    timetable,
    waitlist,
)
from operational_api.scheduling.service.holds import life_of
from operational_api.scheduling.service.terms import terms_of
from operational_api.training import public as training
from operational_api.web.language import word
from operational_api.web.rendering import WayBack, redirect, render, time_zone
from operational_api.web.shell import NavItem

router = APIRouter()
NAV = [
    NavItem("Book", "/book", "scheduling.book", for_guests=True, order=20, icon="calendar-plus"),
    NavItem("Bookings", "/bookings", "scheduling.see_bookings", order=30, icon="calendar"),
    *class_pages.NAV,
    *hours_pages.NAV,
    *studio_pages.NAV,
    *calendar_pages.NAV,
]
router.include_router(calendar_pages.router)
router.include_router(opening_pages.router)  # before the sessions that are named in the same place
FARTHEST = timedelta(days=366)
PAST = 12
"""Past bookings shown at once."""

Choice = Annotated[str, Query(max_length=40)]


@router.get("/book", response_class=HTMLResponse, dependencies=[Allowed("scheduling.read_timetable")])
def book(
    request: Request,
    principal: MaybePrincipal,
    session: DbSession,
    day: date | None = None,
    coach: Choice = "",
    place: Choice = "",
    kind: Literal["", "one_to_one", "group"] = "",
    move: UUID | None = None,
) -> Response:
    """The timetable of one day, by coach. A customer starts at their own studio."""
    now = datetime.now(UTC)
    customer_id = principal.account_id if principal and principal.role == "customer" else None
    client = training.client_facts(session, customer_id) if customer_id else None
    places = slots.list_locations(session)
    if not place:
        place = _own_place(request, client, places)
    chosen = next((one for one in places if str(one.id) == place), None)
    zone = _zone(request, client, chosen.time_zone if chosen else None)
    coaches = slots.list_coaches(session)
    wanted = slots.SlotFilter(
        coach_id=next((id_ for id_, _, _ in coaches if str(id_) == coach), None),
        location_id=chosen.id if chosen else None,
        kind=kind or None,
    )
    days = timetable.free_days(session, wanted, zone=zone, now=now)
    on = next((one.on for one in days if one.free), days[0].on)
    if day is not None and days[0].on <= day <= days[0].on + FARTHEST:
        on = day
    moving = access.reach_booking(session, principal, move, "scheduling.read_booking") if move and principal else None
    kept = {"coach": coach, "place": place, "kind": kind, "move": str(move) if move else ""}
    return render(
        request,
        "scheduling/book.html",
        tz=zone,
        is_own_zone=zone == _own_zone(request, client),
        days=days,
        on=on,
        coach_days=timetable.slots_on(session, wanted, on=on, zone=zone, viewer_id=customer_id, now=now),
        anybody=timetable.anybody_on(
            session, wanted, on=on, zone=zone, own_coach_id=client.coach_id if client else None, now=now
        ),
        own_coach_id=client.coach_id if client else None,
        coach_options=[("", "Any coach"), *((id_, f"{name}, {city}") for id_, name, city in coaches)],
        place_options=[("any", "All studios"), *((one.id, f"{one.name}, {one.city}") for one in places)],
        chosen=kept,
        link=lambda **changes: "/book?" + urlencode({k: v for k, v in (kept | changes).items() if v}),
        means=payment.means_of(session, customer_id=customer_id, now=now) if customer_id else None,
        moving=agenda.view_of(session, moving) if moving else None,
    )


@router.get("/book/{slot_id}", response_class=HTMLResponse, dependencies=[Allowed("scheduling.read_timetable")])
def confirm(
    request: Request, slot_id: UUID, principal: MaybePrincipal, session: DbSession, move: UUID | None = None
) -> Response:
    """One session: what it is, what pays for it, until when it can be cancelled; and the button."""
    now = datetime.now(UTC)
    customer_id = principal.account_id if principal and principal.role == "customer" else None
    view = slots.get_slot(session, slot_id, viewer_id=customer_id, now=now)
    client = training.client_facts(session, customer_id) if customer_id else None
    moving = access.reach_booking(session, principal, move, "scheduling.read_booking") if move and principal else None
    return render(
        request,
        "scheduling/slot.html",
        tz=_zone(request, client, view.location.time_zone),
        view=view,
        terms=(terms := terms_of(session, coach_id=view.slot.coach_id, kind=view.slot.kind)),
        free_until=terms.free_until(view.slot.starts_at),
        is_open=view.slot.status == "open"
        and now + terms.notice <= view.slot.starts_at
        and terms.is_in_window(view.slot.starts_at, now),
        means=payment.means_for(session, payment.Seat.of(view.slot, moving), customer_id=customer_id, now=now)
        if customer_id
        else None,
        moving=agenda.view_of(session, moving) if moving else None,
    )


@router.post("/book/{slot_id}", dependencies=[Allowed("scheduling.book")])
def book_slot(
    request: Request,
    slot_id: UUID,
    customer_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    move: Annotated[UUID | None, Form()] = None,
    times: Annotated[int, Form(ge=0, le=recurring.MOST)] = 1,
    until: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Book a seat, for some weeks where it is wanted (0: until it is ended, or up to a day), or move a booking here."""
    now = datetime.now(UTC)
    access.know_customer(session, principal, now, time_zone=time_zone(request))
    own = slots.get_slot(session, slot_id, viewer_id=customer_id, now=now).booking_status
    if own is not None and (move or own != "held"):
        return redirect(request, "/bookings", flash="You have this session.")
    try:
        with session.begin_nested():
            if move:
                old = access.reach_booking(session, principal, move, "scheduling.reschedule_booking")
                by = moves.Mover.of(principal)
                moves.reschedule_booking(session, booking_id=old.id, slot_id=slot_id, now=now, by=by)
                return redirect(request, "/bookings", flash="Moved. Your coach sees the new time at once.")
            if times != 1 and own is None:
                found = recurring.book_series(
                    session, customer_id=customer_id, slot_id=slot_id, times=times or None,
                    until=_day(until) if times == 0 else None, now=now,
                )  # fmt: skip
                tone = "warn" if found.missed else "good"
                return redirect(request, "/bookings", flash=_told(request, found), tone=tone)
            booking = bookings.book_session(session, customer_id=customer_id, slot_id=slot_id, now=now)
    except PlanRequired as refusal:
        return redirect(request, "/plans", flash=refusal.detail, tone="info")
    return redirect(request, "/bookings", flash=seat_pages.told(booking))


@router.post("/book/{slot_id}/waitlist", dependencies=[Allowed("scheduling.book")])
def wait(
    request: Request,
    slot_id: UUID,
    customer_id: CurrentAccount,
    session: DbSession,
    action: Annotated[Literal["join", "leave"], Form()] = "join",
) -> Response:
    """Join or leave the waitlist of a full session."""
    now = datetime.now(UTC)
    if action == "leave":
        waitlist.leave_waitlist(session, customer_id=customer_id, slot_id=slot_id, now=now)
        return redirect(request, "/bookings", flash="You are off the waitlist.")
    try:
        entry = waitlist.join_waitlist(session, customer_id=customer_id, slot_id=slot_id, now=now)
    except AlreadyBooked as refusal:
        return redirect(request, "/bookings", flash=refusal.detail, tone="info")
    place = waitlist.place_in_line(session, entry)
    told = "You are next in line." if place == 1 else f"You are number {place} in line."
    return redirect(request, "/bookings", flash=f"{told} We keep a seat for you and write to you when one is free.")


@router.get("/bookings", response_class=HTMLResponse, dependencies=[Allowed("scheduling.see_bookings")])
def my_bookings(request: Request, customer_id: CurrentAccount, session: DbSession, cursor: Cursor = None) -> Response:
    """What is coming, what the customer waits for, what was; with a cursor what was before."""
    now = datetime.now(UTC)
    coming, _ = agenda.list_bookings(session, customer_id=customer_id, starts_from=now, status="booked", limit=100)
    shown = {view.booking.id for view in coming}
    found, _ = agenda.list_bookings(
        session, customer_id=customer_id, order="desc", limit=PAST + 1 + len(coming), cursor=cursor
    )
    past, older = cut(
        [view for view in found if view.booking.id not in shown][: PAST + 1], PAST,
        lambda view: (view.booking.starts_at, view.booking.id),
    )  # fmt: skip
    client = training.client_facts(session, customer_id)
    moved = moves.history(session, [view.booking.id for view in (*coming, *past)])
    told = notices.of_slots(session, [view.slot.id for view in coming if view.slot.kind == "group"])
    return render(
        request,
        "scheduling/bookings.html",
        is_offline_ready=cursor is None,
        is_first=cursor is None,
        older=older,
        tz=_zone(request, client, coming[0].location.time_zone if coming else None),
        coming=[(view, life_of(view.booking)) for view in coming],
        last_of={view.booking.series_id: view.booking.id for view in coming},
        window=CANCELLATION_WINDOW,
        kept=agenda.list_kept(session, customer_id=customer_id, now=now),
        moved=moved,
        told=told,
        has_coach=client is not None and client.coach_id is not None,
        replaced={
            step.from_booking_id
            for chain in moved.values()
            for step in chain
            if step.from_booking_id != step.to_booking_id
        },
        going_on=agenda.list_series(session, customer_id=customer_id),
        waits=agenda.list_waits(session, customer_id=customer_id, now=now),
        past=past,
    )


@router.get("/bookings/{booking_id}/calendar", dependencies=[Allowed("scheduling.read_booking")])
def to_calendar(request: Request, booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """On to the booking's calendar file by a signed address: phones open it outside of the browser that signed in."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.read_booking")
    path = f"/api/scheduling/calendar-files/{booking.id}"
    return redirect(request, signer(request).sign(path, subject=principal.key, now=datetime.now(UTC)))


@router.post("/bookings/{booking_id}/cancel", dependencies=[Allowed("scheduling.cancel_booking")])
def cancel(
    request: Request,
    booking_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    scope: Annotated[Literal["one", "following", "further"], Form()] = "one",
) -> Response:
    """Cancel a booking, of those that recur with all that follow too, and say what it cost; or book no further ones."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.cancel_booking")
    now, by_coach = datetime.now(UTC), principal.role != "customer"
    if scope == "further":
        recurring.end_series_of(session, booking_id=booking.id, now=now)
        return redirect(request, "/bookings", flash="No further weeks are booked. What is booked stays.")
    try:
        if scope == "following" and booking.series_id is not None:
            gone = recurring.cancel_following(session, booking_id=booking.id, now=now, by_coach=by_coach)
            used = sum(one.status == "late_cancelled" for one in gone)
            told = f"{len(gone)} sessions are cancelled." if len(gone) > 1 else "Cancelled."
            cost = f" {used} of them late: counted as used." if used else " Nothing was used."
            return redirect(request, "/bookings", flash=told + cost, tone="warn" if used else "good")
        bookings.cancel_booking(session, booking_id=booking.id, now=now, by_coach=by_coach)
    except BookingClosed as refusal:
        if booking.status not in ("cancelled", "late_cancelled"):
            return redirect(request, "/bookings", flash=refusal.detail, tone="bad")
    if booking.status == "late_cancelled":
        fee = (
            f" The fee is {Money(booking.late_fee_minor, booking.late_fee_currency or '')}."
            if booking.late_fee_minor
            else ""
        )
        told = f"Cancelled late: the session counts as used.{fee}"
        return redirect(request, "/bookings", flash=told, tone="warn")
    again = WayBack(word("Book it again"), f"/book/{booking.slot_id}") if booking.starts_at > now else None
    return redirect(request, "/bookings", flash="Cancelled. Nothing was used.", way_back=again)


def _day(typed: str) -> date | None:
    """The day that was typed; None of nothing.

    Raises:
        InvalidRecurrence: it is none.
    """
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError as error:
        raise InvalidRecurrence("Choose the last day in the calendar, or leave it empty.") from error


def _told(request: Request, found: recurring.Booked) -> str:
    """What somebody reads who has just booked for weeks."""
    zone = ZoneInfo(time_zone(request))
    count = len(found.bookings)
    told = f"{count} sessions are booked." if count > 1 else "One session is booked."
    if found.bookings[0].status == "requested":
        told = f"Asked for {count} sessions. Your coach answers within a day; until then the seats are yours."
    if found.series is not None and found.series.goes_on:
        told += " Further weeks are booked as the calendar opens."
    missed = ", ".join(f"{one.starts_at.astimezone(zone):%-d %B}" for one in found.missed[:5])
    more = f" and {len(found.missed) - 5} more" if len(found.missed) > 5 else ""
    return f"{told} Not to be had: {missed}{more}." if missed else told


def _zone(request: Request, client: training.ClientFacts | None, place: str | None) -> str:
    """The zone times are told in: the customer's own, the sign-in's, or the studio's for who has none."""
    own = _own_zone(request, client)
    return place if place and own == "UTC" else own


def _own_zone(request: Request, client: training.ClientFacts | None) -> str:
    return client.time_zone if client else time_zone(request)


def _own_place(request: Request, client: training.ClientFacts | None, places: Sequence[Location]) -> str:
    """Where a reader most likely wants to train: their studio, else one in their time zone, else the first."""
    if client is not None and client.location_id is not None:
        return str(client.location_id)
    near = [one for one in places if one.time_zone == _own_zone(request, client)]
    return str((near or list(places))[0].id) if places else ""


router.include_router(seat_pages.router)
router.include_router(class_pages.router)
router.include_router(hours_pages.router)
router.include_router(studio_pages.router)
