"""/staff/today: who comes to a studio on a day, and whether they came."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, NotFound
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, may_principal
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.scheduling import public as scheduling
from operational_api.web.filters import zone
from operational_api.web.rendering import redirect, render, safe_return_path

router = APIRouter(prefix="/staff", route_class=IdempotentRoute)
DAY = timedelta(days=1)
FEES = 20
"""Late fees on the page, the newest."""
FIRST, LAST = date(2000, 1, 1), date(2100, 1, 1)


@router.get("/today", dependencies=[Allowed("scheduling.see_day")])
def page(
    request: Request,
    principal: CurrentPrincipal,
    account_id: CurrentAccount,
    session: DbSession,
    studio: UUID | None = None,
    day: date | None = None,
) -> Response:
    """A day of one studio, in its own time; of a coach's, their own sessions."""
    now = datetime.now(UTC)
    studios = studios_of(session, principal, account_id)
    wanted = studio or scheduling.studio_of(session, account_id)
    here = next((one for one in studios if one.location_id == wanted), studios[0] if studios else None)
    if here is None:
        return render(request, "staff/today.html", here=None, studios=[], seats=[], day=None)
    tz = zone(here.time_zone)
    today = now.astimezone(tz).date()
    on = min(max(day or today, FIRST), LAST)
    since, until = (datetime.combine(one, time(), tz).astimezone(UTC) for one in (on, on + DAY))
    seats = scheduling.seats_of_day(session, principal, location_id=here.location_id, since=since, until=until, now=now)
    return render(
        request, "staff/today.html", here=here, studios=studios, seats=seats, day=on, today=today, before=on - DAY,
        after=on + DAY, looks_up=may_principal(principal, "identity.look_up_person"),
        marks=may_principal(principal, "scheduling.mark_outcome"),
        books=may_principal(principal, "scheduling.book_for"),
        asked=scheduling.requests_at(session, principal, here.location_id, now),
        fees=scheduling.fees_at(session, principal, here.location_id, limit=FEES),
    )  # fmt: skip


def studios_of(session: Session, principal: Principal, account_id: UUID) -> list[scheduling.Studio]:
    """The studios whose days somebody sees: a front desk's own, else all."""
    kept_to = scheduling.studios_of_desk(session, account_id) if principal.role == "front_desk" else None
    return [one for one in scheduling.studios(session) if kept_to is None or one.location_id in kept_to]


@router.post("/bookings/{booking_id}/outcome", dependencies=[Allowed("scheduling.mark_outcome")])
def mark(
    request: Request,
    booking_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    outcome: Annotated[Literal["attended", "no_show"], Form()],
    return_to: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Whether somebody came, from shortly before the session; a slip may be corrected."""
    scheduling.mark_outcome(session, principal, booking_id=booking_id, outcome=outcome, now=datetime.now(UTC))
    told = "Checked in." if outcome == "attended" else "Noted: did not come."
    return redirect(request, safe_return_path(return_to, "/staff/today"), flash=told)


@router.post("/bookings/{booking_id}/reassignment", dependencies=[Allowed("scheduling.reassign_booking")])
def reassign(
    request: Request,
    booking_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    return_to: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Give a session to another coach who is free then: its own is ill."""
    home = safe_return_path(return_to, "/staff/today")
    try:
        with session.begin_nested():
            given = scheduling.reassign_booking(session, principal, booking_id=booking_id, now=datetime.now(UTC))
    except NotFound:
        raise
    except DomainError as refusal:  # given away or over meanwhile, or nobody is free
        return redirect(request, home, flash=refusal.detail, tone="warn")
    return redirect(request, home, flash=f"{given.coach_name} holds it now. The customer is told.")


@router.post("/bookings/{booking_id}/answer", dependencies=[Allowed("scheduling.answer_request")])
def answer(
    request: Request,
    booking_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    answer: Annotated[Literal["yes", "no"], Form()],
    return_to: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Yes or no to somebody who asked for a seat."""
    home = safe_return_path(return_to, "/staff/today")
    try:
        with session.begin_nested():
            scheduling.answer_request(
                session, principal, booking_id=booking_id, is_accepted=answer == "yes", now=datetime.now(UTC)
            )
    except NotFound:
        raise
    except DomainError as refusal:  # answered or lapsed meanwhile
        return redirect(request, home, flash=refusal.detail, tone="warn")
    told = "Accepted. They are booked and told." if answer == "yes" else "Declined. They are told, nothing was used."
    return redirect(request, home, flash=told)


@router.post("/bookings/{booking_id}/fee-waiver", dependencies=[Allowed("scheduling.waive_fee")])
def waive(
    request: Request,
    booking_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    customer_id: Annotated[UUID, Form()],
    reason: Annotated[str, Form(min_length=1, max_length=500)],
    return_to: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Let somebody off the fee of a late cancellation."""
    home = safe_return_path(return_to, "/staff/today")
    try:
        with session.begin_nested():
            scheduling.waive_late_fee(
                session, principal, booking_id=booking_id, customer_id=customer_id, reason=reason, now=datetime.now(UTC)
            )
    except NotFound:
        raise
    except DomainError as refusal:
        return redirect(request, home, flash=refusal.detail, tone="warn")
    return redirect(request, home, flash="Waived. They see it under their bookings.")
