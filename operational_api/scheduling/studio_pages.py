"""/studio: the days on which a studio is closed, looked at before they are saved, its rooms and kit, the terms of all
sessions, and whose turn it is where customers book with whoever is free.

Part of `pages`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal
from operational_api.core.wall_time import Day
from operational_api.scheduling import any_coach, terms_form
from operational_api.scheduling.class_schemas import ResourceKind
from operational_api.scheduling.errors import CoachNotFound, LocationNotFound
from operational_api.scheduling.models import Location
from operational_api.scheduling.schemas import Kind
from operational_api.scheduling.service import days_off, slots, studio, terms, turns
from operational_api.scheduling.terms_form import TermsSent
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render

router = APIRouter(route_class=IdempotentRoute)
MANAGE = "scheduling.manage_studio"
RESOURCES: dict[ResourceKind, str] = {"room": "Room", "rack": "Rack", "machine": "Machine"}
NAV = [NavItem("Studio", "/studio", MANAGE, order=37, icon="pin")]


@router.get("/studio", response_class=HTMLResponse, dependencies=[Allowed(MANAGE)])
def page(request: Request, session: DbSession, place: UUID | None = None, kind: Kind = "one_to_one") -> Response:
    """A studio's closed days, what its classes may use, and everybody's terms."""
    return _page(request, session, place, kind=kind)


@router.post("/studio/holidays", dependencies=[Allowed(MANAGE)])
def add_holiday(
    request: Request,
    session: DbSession,
    place: Annotated[UUID, Form()],
    on: Annotated[Day, Form()],
    name: Annotated[str, Form(max_length=100)],
    step: Annotated[Literal["look", "save"], Form()] = "look",
) -> Response:
    """Look at what a closed day would do to the calendars of a studio's coaches; or have it."""
    now = datetime.now(UTC)

    def change(inside: Session) -> None:
        days_off.add_holiday(inside, location_id=place, on=on, name=name, now=now)

    sent = {"on": on, "name": name}
    try:
        if step == "look":
            effect = days_off.preview(session, change, coach_ids=days_off.coaches_of(session, place), now=now)
            return _page(request, session, place, sent=sent, effect=effect)
        with session.begin_nested():
            change(session)
    except DomainError as refusal:
        return _page(request, session, place, sent=sent, refusal=refusal.detail)
    return redirect(request, f"/studio?place={place}", flash="Saved. Free sessions of that day are gone.")


@router.post("/studio/holidays/remove", dependencies=[Allowed(MANAGE)])
def remove_holiday(
    request: Request, session: DbSession, place: Annotated[UUID, Form()], on: Annotated[Day, Form()]
) -> Response:
    """Open after all."""
    days_off.remove_holiday(session, location_id=place, on=on, now=datetime.now(UTC))
    return redirect(request, f"/studio?place={place}", flash="Open that day. What the week promises is there again.")


@router.post("/studio/resources", dependencies=[Allowed(MANAGE)])
def put_resource(
    request: Request,
    session: DbSession,
    place: Annotated[UUID, Form()],
    resource: Annotated[str, Form(max_length=60, pattern=r"^[^\x00]*\S[^\x00]*$")],
    kind: Annotated[ResourceKind, Form()],
    is_active: Annotated[bool, Form()] = True,
) -> Response:
    """A room, rack or machine by its name, for classes to use; or one that is used no more."""
    made = studio.put_resource(session, location_id=place, name=resource.strip(), kind=kind, is_active=is_active)
    told = f"{made.name} can be chosen for classes." if made.is_active else f"{made.name} is used no more."
    return redirect(request, f"/studio?place={place}", flash=told)


@router.post("/studio/terms", dependencies=[Allowed(MANAGE)])
def put_terms(
    request: Request, session: DbSession, form: Annotated[TermsSent, Form()], place: Annotated[UUID, Form()]
) -> Response:
    """Say on what terms all sessions of a kind are booked where their coach says nothing else."""
    kind, here = form.kind or None, _place(session, place)
    try:
        said = terms.said_of(session, coach_id=None, kind=kind) | terms_form.read(form, here.currency)
        studio.put_terms(session, kind=kind, said=said, now=datetime.now(UTC))
    except DomainError as refusal:
        return _page(
            request, session, place, kind=kind or "one_to_one", terms_sent=form.model_dump(),
            terms_refusal=refusal.detail,
        )  # fmt: skip
    return redirect(request, f"/studio?place={place}&kind={kind or 'one_to_one'}", flash="Saved for everybody.")


@router.get("/studio/turns", response_class=HTMLResponse, dependencies=[Allowed(MANAGE)])
def turns_page(request: Request, session: DbSession, place: UUID | None = None) -> Response:
    """Each coach's weight in the turns of a studio, and what they were given."""
    places = slots.list_locations(session)
    here = _place(session, place) if place else places[0] if places else None
    found = turns.of_studio(session, here.id, now=datetime.now(UTC)) if here else []
    return render(request, "scheduling/studio_turns.html", here=here, places=places, found=found)


@router.post("/studio/turns", dependencies=[Allowed(MANAGE)])
def put_turns(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    place: Annotated[UUID, Form()],
    coach: Annotated[list[UUID], Form(max_length=500)],
    weight: Annotated[list[Annotated[int, Field(ge=0, le=1000)]], Form(max_length=500)],
) -> Response:
    """Set the weights of these coaches, in the order in which they are named; all or none."""
    if len(coach) != len(weight):
        raise CoachNotFound
    given = dict(zip(coach, weight, strict=True))
    changed = any_coach.weigh(session, principal, given, now=datetime.now(UTC))
    told = "Saved. It counts from the next booking on." if changed else "Nothing was changed."
    return redirect(request, f"/studio/turns?place={place}", flash=told, tone="good" if changed else "info")


def _place(session: Session, place: UUID) -> Location:
    found = session.get(Location, place)
    if found is None:
        raise LocationNotFound
    return found


def _page(
    request: Request, session: Session, place: UUID | None, *, kind: Kind = "one_to_one",
    sent: dict[str, Any] | None = None, effect: days_off.Effect | None = None, refusal: str = "",
    terms_sent: dict[str, Any] | None = None, terms_refusal: str = "",
) -> Response:  # fmt: skip
    places = slots.list_locations(session)
    if not places:
        return render(request, "scheduling/studio.html", here=None)
    here = _place(session, place) if place else places[0]
    today = datetime.now(UTC).astimezone(ZoneInfo(here.time_zone)).date()
    return render(
        request,
        "scheduling/studio.html",
        status_code=409 if refusal or terms_refusal else 200,
        tz=here.time_zone,
        here=here,
        places=places,
        today=today,
        rooms=studio.resources(session, here.id),
        kinds=RESOURCES,
        holidays=days_off.coming_holidays(session, here.id, today),
        sent={"on": today, "name": ""} | (sent or {}),
        effect=effect,
        refusal=refusal,
        kind=kind,
        terms_sent=terms_sent or terms_form.shown(terms.said_of(session, coach_id=None, kind=kind)),
        terms_now={},
        terms_refusal=terms_refusal,
        currency=here.currency,
    )
