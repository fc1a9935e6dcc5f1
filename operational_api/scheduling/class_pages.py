"""/classes: a coach's classes and series, and the requests that wait for an answer. Part of `pages`."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, is_allowed
from operational_api.core.principal import CurrentAccount, CurrentPrincipal, Principal
from operational_api.core.wall_time import Day
from operational_api.scheduling import access, rosters
from operational_api.scheduling.errors import BookingClosed, HoldExpired
from operational_api.scheduling.recurrence import Recurrence
from operational_api.scheduling.service import agenda, classes, holds, notices, studio, waitlist
from operational_api.scheduling.service.classes import ClassPlan
from operational_api.scheduling.service.moves import Mover
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render

router = APIRouter(route_class=IdempotentRoute)
NAV = [NavItem("Classes", "/classes", "scheduling.manage_classes", order=35, icon="users")]

MAY = ("manage_classes", "assign_assistants", "write_notice")
Title = Annotated[str, Form(max_length=100)]
Whole = Annotated[int, Form()]
Rooms = Annotated[list[UUID], Form()]
ScopeField = Annotated[Literal["one", "following"], Form()]


@router.get("/classes", response_class=HTMLResponse, dependencies=[Allowed("scheduling.manage_classes")])
def page(request: Request, account_id: CurrentAccount, session: DbSession) -> Response:
    """Coming classes, requests to answer, and the form that opens more."""
    return _page(request, session, account_id)


@router.post("/classes", dependencies=[Allowed("scheduling.manage_classes")])
def create(
    request: Request,
    account_id: CurrentAccount,
    principal: CurrentPrincipal,
    session: DbSession,
    title: Title,
    first_on: Annotated[Day, Form()],
    wall_start: Annotated[time, Form()],
    minutes: Whole,
    capacity: Whole,
    resource_ids: Rooms = [],  # noqa: B006 - FastAPI copies it
    repeats: Annotated[Literal["no", "weekly", "biweekly"], Form()] = "no",
    times: Annotated[int | None, Form(le=1000)] = None,
    until: Annotated[Day | Literal[""] | None, Form()] = None,
) -> Response:
    """Open a class or a series; what does not fit is said above the form, with nothing lost."""
    whose = access.reach_calendar(session, principal, None, "scheduling.manage_classes")
    sent = {
        "title": title, "first_on": first_on, "wall_start": f"{wall_start:%H:%M}", "minutes": minutes,
        "capacity": capacity, "resource_ids": [str(one) for one in resource_ids], "repeats": repeats, "times": times,
        "until": until,
    }  # fmt: skip
    try:
        with session.begin_nested():
            plan = ClassPlan(title, wall_start.replace(tzinfo=None), minutes, capacity, sorted(set(resource_ids)))
            every = None
            if repeats != "no":
                every = Recurrence(1 if repeats == "weekly" else 2, count=times, until=until or None)
            made = classes.create_classes(
                session, coach_id=whose, plan=plan, first_on=first_on, repeats=every, now=datetime.now(UTC)
            )
    except DomainError as refusal:
        return _page(request, session, account_id, sent=sent, refusal=refusal.detail)
    count = f"{len(made)} classes are" if len(made) > 1 else "The class is"
    return redirect(request, "/classes", flash=f"{count} open for booking.")


@router.get("/classes/{slot_id}", response_class=HTMLResponse, dependencies=[Allowed("scheduling.read_class")])
def edit(request: Request, slot_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """One class: who comes and who assists; to change or call off, alone or with those that follow, for who may."""
    access.reach_slot(session, principal, slot_id, "scheduling.read_class")
    return _edit(request, session, principal, slot_id)


@router.post("/classes/{slot_id}", dependencies=[Allowed("scheduling.manage_classes")])
def change(
    request: Request,
    slot_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    title: Title,
    wall_start: Annotated[time, Form()],
    minutes: Whole,
    capacity: Whole,
    resource_ids: Rooms = [],  # noqa: B006 - FastAPI copies it
    scope: ScopeField = "one",
) -> Response:
    """Change a class; who is booked moves along."""
    slot = access.reach_slot(session, principal, slot_id, "scheduling.manage_classes")
    sent = {
        "title": title, "wall_start": f"{wall_start:%H:%M}", "minutes": minutes, "capacity": capacity,
        "resource_ids": [str(one) for one in resource_ids], "scope": scope,
    }  # fmt: skip
    try:
        with session.begin_nested():
            plan = ClassPlan(title, wall_start.replace(tzinfo=None), minutes, capacity, sorted(set(resource_ids)))
            changed = classes.change_classes(
                session, slot_id=slot.id, plan=plan, scope=scope, now=datetime.now(UTC), by=Mover.of(principal)
            )
    except DomainError as refusal:
        return _edit(request, session, principal, slot_id, sent=sent, refusal=refusal.detail)
    told = f"{len(changed)} classes are changed." if len(changed) > 1 else "The class is changed."
    return redirect(request, "/classes", flash=told)


@router.post("/classes/{slot_id}/assistants", dependencies=[Allowed("scheduling.assign_assistants")])
def assign(
    request: Request,
    slot_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    coach_ids: Annotated[list[UUID], Form()] = [],  # noqa: B006 - FastAPI copies it
    scope: ScopeField = "one",
) -> Response:
    """Say who assists; who is not free is named, with nothing lost."""
    slot = access.reach_slot(session, principal, slot_id, "scheduling.assign_assistants")
    try:
        with session.begin_nested():
            changed = classes.assign_assistants(
                session, slot_id=slot.id, coach_ids=coach_ids, scope=scope, now=datetime.now(UTC)
            )
    except DomainError as refusal:
        helping: dict[str, object] = {"coach_ids": set(coach_ids), "scope": scope}
        return _edit(request, session, principal, slot_id, helping=helping, not_assigned=refusal.detail)
    count = len(set(coach_ids))
    told = f"{count} coaches assist" if count > 1 else "One coach assists" if count else "Nobody assists"
    many = f"{len(changed)} classes" if len(changed) > 1 else "the class"
    return redirect(request, f"/classes/{slot_id}", flash=f"{told} {many} now. Who is new or no longer needed is told.")


@router.post("/classes/{slot_id}/notices", dependencies=[Allowed("scheduling.write_notice")])
def write_notice(
    request: Request, slot_id: UUID, principal: CurrentPrincipal, account_id: CurrentAccount, session: DbSession,
    body: Annotated[str, Form()] = "", scope: ScopeField = "one",
) -> Response:  # fmt: skip
    """Write to everybody who comes, to this class or all that follow; what was typed is not lost where it cannot be."""
    slot = access.reach_slot(session, principal, slot_id, "scheduling.write_notice")
    now = datetime.now(UTC)
    try:
        with session.begin_nested():
            access.reach_following(session, principal, slot.id, scope, "scheduling.write_notice", now=now)
            row = notices.write_notice(session, slot_id=slot.id, author_id=account_id, body=body, scope=scope, now=now)
    except DomainError as refusal:
        writing: dict[str, object] = {"body": body, "scope": scope}
        return _edit(request, session, principal, slot_id, writing=writing, not_written=refusal.detail)
    told = f"On its way to {row.recipients} people." if row.recipients > 1 else "On its way to one person."
    kept = "Kept. Whoever books reads it with the confirmation."
    return redirect(request, f"/classes/{slot_id}", flash=told if row.recipients else kept)


@router.post("/classes/{slot_id}/cancel", dependencies=[Allowed("scheduling.manage_classes")])
def cancel(
    request: Request, slot_id: UUID, principal: CurrentPrincipal, session: DbSession, scope: ScopeField = "one"
) -> Response:
    """Call off a class, alone or with those that follow."""
    slot = access.reach_slot(session, principal, slot_id, "scheduling.manage_classes")
    gone = classes.cancel_classes(session, slot_id=slot.id, scope=scope, now=datetime.now(UTC))
    told = f"{len(gone)} classes are called off." if len(gone) > 1 else "The class is called off."
    return redirect(request, "/classes", flash=f"{told} Everybody who was booked is told and gets their credit back.")


@router.post("/classes/requests/{booking_id}", dependencies=[Allowed("scheduling.answer_request")])
def answer(
    request: Request,
    booking_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    answer: Annotated[Literal["yes", "no"], Form()],
) -> Response:
    """Say yes or no to a request."""
    booking = access.reach_booking(session, principal, booking_id, "scheduling.answer_request", kind="business")
    now = datetime.now(UTC)
    try:
        holds.answer_request(session, booking_id=booking.id, is_accepted=answer == "yes", now=now)
    except (BookingClosed, HoldExpired) as refusal:
        return redirect(request, "/classes", flash=refusal.detail, tone="bad")
    return redirect(request, "/classes", flash="Booked." if answer == "yes" else "Declined. Their credit is back.")


def _page(
    request: Request, session: Session, coach_id: UUID, *, sent: dict[str, object] | None = None,
    refusal: str | None = None,
) -> Response:  # fmt: skip
    now = datetime.now(UTC)
    here = studio.coach_location(session, coach_id)
    tz = here.time_zone if here else "UTC"
    soon = now.astimezone(ZoneInfo(tz)).date() + timedelta(days=1)
    form = {
        "title": "", "first_on": soon, "wall_start": "18:00", "minutes": 60, "capacity": 8, "resource_ids": [],
        "repeats": "no", "times": None, "until": None,
    } | (sent or {})  # fmt: skip
    return render(
        request,
        "scheduling/classes.html",
        status_code=409 if refusal else 200,
        tz=tz,
        here=here,
        found=studio.list_classes(session, coach_id=coach_id, now=now),
        coach_id=coach_id,
        requests=agenda.list_kept(session, coach_id=coach_id, now=now),
        rooms=studio.resources(session, here.id) if here else [],
        sent=form,
        refusal=refusal,
    )


def _edit(
    request: Request, session: Session, principal: Principal, slot_id: UUID, *, sent: dict[str, object] | None = None,
    refusal: str | None = None, helping: dict[str, object] | None = None, not_assigned: str | None = None,
    writing: dict[str, object] | None = None, not_written: str | None = None,
) -> Response:  # fmt: skip
    now = datetime.now(UTC)
    view = studio.get_class(session, slot_id, now=now)
    slot, tz = view.slot, view.location.time_zone
    who, about = access.posted(session, principal), access.resource_of_slot(session, principal, view.slot)
    may = {one: is_allowed(who, f"scheduling.{one}", about) for one in MAY}
    form = {
        "title": slot.title, "wall_start": f"{slot.starts_at.astimezone(ZoneInfo(tz)):%H:%M}",
        "minutes": int((slot.ends_at - slot.starts_at).total_seconds()) // 60, "capacity": slot.capacity,
        "resource_ids": [str(one.id) for one in view.resources], "scope": "one",
    } | (sent or {})  # fmt: skip
    return render(
        request,
        "scheduling/class.html",
        status_code=409 if refusal or not_assigned or not_written else 200,
        tz=tz,
        view=view,
        is_open=slot.status == "open" and slot.starts_at > now,
        rooms=studio.resources(session, view.location.id) if may["manage_classes"] else [],
        sent=form,
        refusal=refusal,
        may=may,
        colleagues=studio.colleagues(session, slot) if may["assign_assistants"] else [],
        helping=helping or {"coach_ids": {one.coach_id for one in view.assistants}, "scope": "one"},
        not_assigned=not_assigned,
        writing=writing or {"body": "", "scope": "one"},
        not_written=not_written,
        longest=notices.LONGEST,
        seats=rosters.seats_of_class(session, principal, slot.id, now=now),
        waiting=waitlist.names_of(session, slot.id),
    )
