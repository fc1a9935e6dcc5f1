"""HTTP to times at which somebody is free, and to whose turn it is. Part of `router`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, MaybePrincipal
from operational_api.scheduling import access, any_coach, public
from operational_api.scheduling.schemas import BookingRead, OpeningRead, TurnsRead, WeightPut, Zone
from operational_api.scheduling.service import round_robin, turns
from operational_api.scheduling.service.slots import SlotFilter

router = APIRouter(route_class=IdempotentRoute)


@router.get("/openings", dependencies=[Allowed("scheduling.read_timetable")])
def list_openings(
    principal: MaybePrincipal,
    session: DbSession,
    from_: Annotated[AwareDatetime | None, Query(alias="from", description="With an offset.")] = None,
    to: AwareDatetime | None = None,
    location_id: UUID | None = None,
    time_zone: Annotated[Zone | None, Query(description="By default the reader's.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[OpeningRead]:
    """Times at which some coach is free for a one-to-one session, whoever it is; open to guests."""
    wanted = SlotFilter(starts_from=from_, starts_before=to, location_id=location_id)
    found, next_cursor = round_robin.list_openings(
        session, wanted, own_coach_id=any_coach.own_coach(session, principal), now=datetime.now(UTC), limit=limit,
        cursor=cursor,
    )  # fmt: skip
    zone = access.reader_zone(session, principal, time_zone)
    return Page(items=[OpeningRead.of(one, zone) for one in found], next_cursor=next_cursor)


@router.post(
    "/bookings/{booking_id}/reassignment", status_code=201, dependencies=[Allowed("scheduling.reassign_booking")]
)
def reassign_booking(booking_id: UUID, principal: CurrentPrincipal, session: DbSession) -> BookingRead:
    """Give a booked session to another coach who is free then, in its own coach's place. The customer is told, and may
    cancel it for nothing until it starts. The answer is the new booking."""
    return public.reassign_booking(session, principal, booking_id=booking_id, now=datetime.now(UTC))


@router.put("/coaches/{coach_id}/turn-weight", dependencies=[Allowed("scheduling.manage_studio")])
def put_weight(coach_id: UUID, body: WeightPut, principal: CurrentPrincipal, session: DbSession) -> WeightPut:
    """Say how much of the sessions that customers book with whoever is free a coach is to get, beside the others."""
    any_coach.weigh(session, principal, {coach_id: body.turn_weight}, now=datetime.now(UTC))
    return body


@router.get("/turns", dependencies=[Allowed("scheduling.manage_studio")])
def list_turns(location_id: UUID, session: DbSession) -> Page[TurnsRead]:
    """The coaches of a studio by whose turn it is, with what they were given by turn in the last four weeks. Who takes
    no turns comes last."""
    found = turns.of_studio(session, location_id, now=datetime.now(UTC))
    return Page(items=[TurnsRead.of(one) for one in found])
