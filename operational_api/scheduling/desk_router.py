"""HTTP to what the front desk, or a coach, books for a customer. Part of `router`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.scheduling import at_desk
from operational_api.scheduling.schemas import (
    BookingRead,
    DeskBookingCreate,
    DeskSeriesCreate,
    MeansQuery,
    MeansRead,
    OpeningRead,
    SeriesRead,
    SlotRead,
    SoldRead,
)
from operational_api.scheduling.seat_router import all_told, series_told, told
from operational_api.scheduling.service.desk_bookings import Order

router = APIRouter(route_class=IdempotentRoute)
LONGEST = timedelta(days=7)
"""Of which sessions are listed at once."""


@router.get("/clients/{customer_id}/slots", dependencies=[Allowed("scheduling.book_for")])
def list_slots_for(
    customer_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="With an offset; by default now.")] = None,
    to: AwareDatetime | None = None,
    coach_id: UUID | None = None,
    location_id: UUID | None = None,
) -> Page[SlotRead]:
    """Sessions that can be booked for a customer, full ones too, of a coach their own: without notice, until a quarter
    of an hour after the start; of a week at most, in the studio's zone. `booking_id` is the customer's own."""
    now = datetime.now(UTC)
    since = max(from_ or now, now - LONGEST)
    until = min(to or since + LONGEST, since + LONGEST)
    found = at_desk.slots_for(
        session, principal, customer_id=customer_id, since=since, until=until, coach_id=coach_id,
        location_id=location_id, now=now,
    )  # fmt: skip
    return Page(items=[SlotRead.of(one, None) for one in found])


@router.get("/clients/{customer_id}/openings", dependencies=[Allowed("scheduling.book_for")])
def list_openings_for(
    customer_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="With an offset; by default now.")] = None,
    to: AwareDatetime | None = None,
    location_id: UUID | None = None,
) -> Page[OpeningRead]:
    """Times at which some coach is free for a one-to-one session of a customer, whoever it is; of a week at most, in
    the studio's zone. A coach, who books in their own calendar, has none."""
    now = datetime.now(UTC)
    since = max(from_ or now, now - LONGEST)
    until = min(to or since + LONGEST, since + LONGEST)
    found = at_desk.openings_for(
        session, principal, customer_id=customer_id, since=since, until=until, location_id=location_id, now=now
    )
    return Page(items=[OpeningRead.of(one, None) for one in found])


@router.get("/clients/{customer_id}/means", dependencies=[Allowed("scheduling.book_for")])
def read_means(
    customer_id: UUID, wanted: Annotated[MeansQuery, Query()], principal: CurrentPrincipal, session: DbSession
) -> MeansRead:
    """What can pay for a session of a customer, or for a time with whoever is free. Nothing is sold to who has
    something that pays."""
    found = at_desk.means_of(session, principal, customer_id=customer_id, wanted=wanted.seat, now=datetime.now(UTC))
    sold = [
        SoldRead(code=one.code, name=one.name, amount_minor=one.amount_minor, currency=one.currency)
        for one in found.sold
    ]
    return MeansRead(plan_name=found.plan_name, credits=found.credits, sold=sold)


@router.post("/clients/{customer_id}/bookings", status_code=201, dependencies=[Allowed("scheduling.book_for")])
def book_for(
    customer_id: UUID, body: DeskBookingCreate, principal: CurrentPrincipal, session: DbSession
) -> BookingRead:  # fmt: skip
    """Book a seat for a customer, of a session or at a time with whoever is free (their own coach if they are, else
    whose turn it is), sell them the pack that pays for it, or keep it until they have paid; they are told.
    Of two who race for the last one, one wins."""
    now = datetime.now(UTC)
    order = Order(customer_id, body.seat, body.paid, body.plan_code, body.comes_in)
    return told(session, principal, at_desk.book_for(session, principal, order, now=now), now)


@router.post("/clients/{customer_id}/booking-series", status_code=201, dependencies=[Allowed("scheduling.book_for")])
def book_weeks_for(
    customer_id: UUID, body: DeskSeriesCreate, principal: CurrentPrincipal, session: DbSession
) -> SeriesRead:  # fmt: skip
    """Book a session and the same hour in the weeks that follow for a customer, paid by what they have, or by a pack
    that is sold to them on an invoice."""
    now = datetime.now(UTC)
    found = at_desk.book_weeks_for(
        session, principal, customer_id=customer_id, slot_id=body.slot_id, times=body.times, until=body.until,
        interval=body.interval, plan_code=body.plan_code, now=now,
    )  # fmt: skip
    return series_told(session, principal, found, now)


@router.post("/bookings/{booking_id}/undo", dependencies=[Allowed("scheduling.book_for")])
def undo(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Page[BookingRead]:
    """Take back what was booked for a customer by mistake, within a quarter of an hour, with the weeks booked with it:
    nothing is used, nothing is owed."""
    now = datetime.now(UTC)
    gone = at_desk.undo_for(session, principal, booking_id=booking_id, now=now)
    return Page(items=all_told(session, principal, gone, now))
