"""Forms of seats that are kept: while somebody pays, for who waited, or until a coach answers. Part of `pages`."""

from datetime import UTC, datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from operational_api.core.database import DbSession
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal
from operational_api.scheduling import access
from operational_api.scheduling.errors import (
    AllowanceUsed,
    BookingClosed,
    CoachBusyElsewhere,
    HoldExpired,
    PlanRequired,
)
from operational_api.scheduling.models import Booking
from operational_api.scheduling.service import holds, payment
from operational_api.web.rendering import redirect, time_zone

router = APIRouter()


def told(booking: Booking) -> str:
    """What somebody reads who has just booked."""
    if booking.status == "requested":
        return "Asked for. Your coach answers within a day; until then the seat is yours."
    return "Booked. See you there."


@router.post("/book/{slot_id}/hold", dependencies=[Allowed("scheduling.book")])
def hold(
    request: Request, slot_id: UUID, customer_id: CurrentAccount, principal: CurrentPrincipal, session: DbSession
) -> Response:
    """Keep a seat and go on to pay, where there is something to pay."""
    now = datetime.now(UTC)
    access.know_customer(session, principal, now, time_zone=time_zone(request))
    booking = holds.hold_seat(session, customer_id=customer_id, slot_id=slot_id, now=now)
    left = max(1, round(((booking.held_until or now) - now).total_seconds() / 60))
    flash = f"We keep the seat for {left} minutes. Confirm it under Bookings once you have a plan."
    means = payment.means_of(session, customer_id=customer_id, now=now)
    return redirect(request, "/bookings" if means.has_any else "/plans", flash=flash, tone="info")


@router.post("/bookings/{booking_id}/confirm", dependencies=[Allowed("scheduling.confirm_booking")])
def confirm(request: Request, booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Book the seat that is kept or was offered. Sent twice it says so and changes nothing."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.confirm_booking")
    try:
        with session.begin_nested():
            holds.confirm_hold(session, booking_id=booking.id, now=datetime.now(UTC))
    except (PlanRequired, AllowanceUsed) as refusal:
        return redirect(request, "/plans", flash=f"{refusal.detail} Your seat is still kept.", tone="info")
    except (HoldExpired, BookingClosed, CoachBusyElsewhere) as refusal:
        if booking.status not in ("booked", "requested"):
            return redirect(request, "/bookings", flash=refusal.detail, tone="bad")
    return redirect(request, "/bookings", flash=told(booking))


@router.post("/bookings/{booking_id}/release", dependencies=[Allowed("scheduling.confirm_booking")])
def release(request: Request, booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Let go of a seat, or decline an offer. Whoever waits is asked next."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.confirm_booking")
    try:
        holds.let_go(session, booking_id=booking.id, now=datetime.now(UTC))
    except BookingClosed as refusal:
        if booking.status != "released":
            return redirect(request, "/bookings", flash=refusal.detail, tone="bad")
    return redirect(request, "/bookings", flash="The seat is somebody else's chance now. Nothing was used.")
