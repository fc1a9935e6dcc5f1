"""/book/any: a time with whoever is free, to look at and to book, or to move a booking to."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import AwareDatetime
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import NotFound
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, MaybePrincipal
from operational_api.scheduling import access, any_coach
from operational_api.scheduling.errors import AlreadyBooked, CoachNotFree, NobodyFree, PlanRequired
from operational_api.scheduling.models import Booking
from operational_api.scheduling.service import agenda, payment, round_robin
from operational_api.scheduling.service.round_robin import Opening
from operational_api.training import public as training
from operational_api.web.rendering import redirect, render, time_zone

router = APIRouter()
Minutes = Annotated[int, Query(ge=1, le=1440)]


@router.get("/book/any", response_class=HTMLResponse, dependencies=[Allowed("scheduling.read_timetable")])
def look(
    request: Request,
    principal: MaybePrincipal,
    session: DbSession,
    place: UUID,
    at: AwareDatetime,
    minutes: Minutes,
    move: UUID | None = None,
) -> Response:
    """One time: how many are free then, whether one's own coach is; and the button."""
    now = datetime.now(UTC)
    customer_id = principal.account_id if principal and principal.role == "customer" else None
    client = training.client_facts(session, customer_id) if customer_id else None
    moving = access.reach_booking(session, principal, move, "scheduling.read_booking") if move and principal else None
    first = moving.coach_id if moving else client.coach_id if client else None
    view = round_robin.find_opening(session, Opening(place, at, minutes), own_coach_id=first, now=now)
    return render(
        request,
        "scheduling/opening.html",
        tz=_zone(request, client, view),
        view=view,
        at=at,
        address="/book/any?" + urlencode({"place": str(place), "at": at.isoformat(), "minutes": minutes}),
        means=payment.means_for(session, payment.Seat(at, place, moving), customer_id=customer_id, now=now)
        if customer_id
        else None,
        moving=agenda.view_of(session, moving) if moving else None,
    )


@router.post("/book/any", dependencies=[Allowed("scheduling.book")])
def book(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    place: Annotated[UUID, Form()],
    at: Annotated[AwareDatetime, Form()],
    minutes: Annotated[int, Form(ge=1, le=1440)],
    move: Annotated[UUID | None, Form()] = None,
    with_another: Annotated[bool, Form()] = False,
) -> Response:
    """Book it, or move a booking here: the page that follows names the coach."""
    now, opening = datetime.now(UTC), Opening(place, at, minutes)
    try:
        with session.begin_nested():
            if move:
                moved = any_coach.move_either(
                    session, principal, booking_id=move, slot_id=None, opening=opening, with_another=with_another,
                    now=now,
                )  # fmt: skip
                return redirect(request, "/bookings", flash=f"Moved. You train with {_coach(session, moved)}.")
            booking = any_coach.book(session, principal, opening, now=now, time_zone=time_zone(request))
    except NotFound:
        raise
    except PlanRequired as refusal:
        return redirect(request, "/plans", flash=refusal.detail, tone="info")
    except AlreadyBooked as refusal:
        return redirect(request, "/bookings", flash=refusal.detail, tone="info")
    except (NobodyFree, CoachNotFree) as refusal:
        return redirect(request, f"/book?move={move}" if move else "/book", flash=refusal.detail, tone="warn")
    name = _coach(session, booking)
    if booking.status == "requested":
        told = f"Asked for. {name} answers within a day; until then the seat is yours."
    else:
        told = f"Booked. You train with {name}."
    return redirect(request, "/bookings", flash=told)


def _coach(session: Session, booking: Booking) -> str:
    return agenda.view_of(session, booking).coach_name


def _zone(request: Request, client: training.ClientFacts | None, view: round_robin.OpeningView | None) -> str:
    own = client.time_zone if client else time_zone(request)
    return view.location.time_zone if view and own == "UTC" else own
