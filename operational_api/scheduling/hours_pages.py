"""/availability: a coach's hours of the week, days off and special hours, looked at before they are saved, and terms of
their sessions.

Part of `pages`. Admins and lead coaches choose whose.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed, may_see_everybody
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.core.wall_time import Day, WallTime
from operational_api.scheduling import access, terms_form
from operational_api.scheduling.errors import InvalidAvailability
from operational_api.scheduling.schemas import Kind
from operational_api.scheduling.service import availability, days_off, openings, slots, studio, terms
from operational_api.scheduling.service.availability import Hours
from operational_api.scheduling.terms_form import TermsSent
from operational_api.web.navigation import NavItem
from operational_api.web.rendering import redirect, render

router = APIRouter(route_class=IdempotentRoute)
CHANGE = "scheduling.replace_availability"
NAV = [NavItem("Hours", "/availability", CHANGE, order=36, icon="clock")]
What = Literal["holiday", "sick", "closed", "hours"]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WORDS = {"holiday": "Day off", "sick": "Sick", "closed": "Closed that day", "hours": "Special hours"}
Wall = Annotated[time | Literal[""], Form()]
Step = Annotated[Literal["look", "save"], Form()]
Coach = Annotated[UUID | Literal[""] | None, Form()]


@dataclass(frozen=True, slots=True)
class Looked:
    """A form that was sent to be looked at: what it would do, or why it cannot be."""

    sent: dict[str, Any] = field(default_factory=dict)
    effect: days_off.Effect | None = None
    refusal: str = ""


@router.get("/availability", response_class=HTMLResponse, dependencies=[Allowed(CHANGE)])
def page(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    coach: UUID | None = None,
    kind: Kind = "one_to_one",
) -> Response:
    """What is to come, and the forms."""
    return _page(request, session, principal, coach, kind=kind)


@router.post("/availability/hours", dependencies=[Allowed(CHANGE)])
def add_hours(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    starts_at: Annotated[WallTime, Form()],
    ends_at: Annotated[WallTime, Form()],
    valid_from: Annotated[Day, Form()],
    session_minutes: Annotated[int, Form(ge=15, le=240)],
    weekday: Annotated[list[Annotated[int, Field(ge=0, le=6)]] | None, Form(max_length=7)] = None,
    valid_to: Annotated[Day | Literal[""], Form()] = "",
    step: Step = "look",
    coach: Coach = None,
) -> Response:
    """Look at what hours of the week would do; or have them."""
    whose, now = access.reach_calendar(session, principal, coach or None, CHANGE), datetime.now(UTC)
    sent = {
        "weekday": weekday or [], "starts_at": _told(starts_at), "ends_at": _told(ends_at), "valid_from": valid_from,
        "valid_to": valid_to, "session_minutes": session_minutes,
    }  # fmt: skip

    def change(inside: Session) -> None:
        if not weekday:
            raise InvalidAvailability("Choose at least one day of the week.")
        hours = [Hours(one, starts_at, ends_at, valid_from, valid_to or None) for one in dict.fromkeys(weekday)]
        days_off.add_weekly_hours(inside, coach_id=whose, hours=hours, session_minutes=session_minutes, now=now)

    looked = _look_or_save(session, change, whose, step=step, sent=sent, now=now)
    if looked is not None:
        return _page(request, session, principal, whose, week=looked)
    return redirect(request, _home(principal, whose), flash="Saved. Free sessions follow at once.")


@router.post("/availability/days", dependencies=[Allowed(CHANGE)])
def add_day(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    what: Annotated[What, Form()],
    first_on: Annotated[Day, Form()],
    last_on: Annotated[Day | Literal[""], Form()] = "",
    opens: Wall = "",
    closes: Wall = "",
    step: Step = "look",
    coach: Coach = None,
) -> Response:
    """Look at what a day off or special hours would do; or have them."""
    whose, now = access.reach_calendar(session, principal, coach or None, CHANGE), datetime.now(UTC)
    sent = {
        "what": what, "first_on": first_on, "last_on": last_on, "opens": _told(opens), "closes": _told(closes),
    }  # fmt: skip

    def change(inside: Session) -> None:
        if what in ("holiday", "sick"):
            days_off.add_time_off(
                inside, coach_id=whose, starts_on=first_on, ends_on=last_on or first_on, kind=what, now=now
            )
        elif what == "hours" and (opens == "" or closes == ""):
            raise InvalidAvailability("Special hours have a beginning and an end.")
        else:
            hours = (opens, closes) if what == "hours" else ("", "")
            days_off.add_other_hours(
                inside, coach_id=whose, on=first_on, starts_at=hours[0] or None, ends_at=hours[1] or None, now=now
            )

    looked = _look_or_save(session, change, whose, step=step, sent=sent, now=now)
    if looked is not None:
        return _page(request, session, principal, whose, day=looked)
    return redirect(request, _home(principal, whose), flash="Saved. Free sessions follow at once.")


@router.post("/availability/days/{day_id}/remove", dependencies=[Allowed(CHANGE)])
def remove_day(
    request: Request, day_id: UUID, principal: CurrentPrincipal, session: DbSession, coach: Coach = None
) -> Response:
    """A day as any other again, or a weekday without these hours."""
    whose = access.reach_calendar(session, principal, coach or None, CHANGE)
    days_off.remove_day(session, coach_id=whose, day_id=day_id, now=datetime.now(UTC))
    return redirect(request, _home(principal, whose), flash="Removed. Free sessions follow at once.")


@router.post("/availability/terms", dependencies=[Allowed(CHANGE)])
def put_terms(
    request: Request, principal: CurrentPrincipal, session: DbSession, form: Annotated[TermsSent, Form()]
) -> Response:
    """Say on what terms one's sessions of a kind are booked; what is left empty is as the studio has it."""
    whose = access.reach_calendar(session, principal, form.coach or None, CHANGE)
    kind, now = form.kind or None, datetime.now(UTC)
    try:
        said = terms.said_of(session, coach_id=whose, kind=kind) | terms_form.read(form, _currency(session, whose))
        with session.begin_nested():
            terms.put_terms(session, coach_id=whose, kind=kind, said=said, now=now)
            openings.renew_slots(session, now, coach_id=whose)
    except DomainError as refusal:
        return _page(
            request, session, principal, whose, kind=kind or "one_to_one", terms_sent=form.model_dump(),
            terms_refusal=refusal.detail,
        )  # fmt: skip
    return redirect(
        request, _home(principal, whose, kind), flash="Saved. What is booked keeps the terms it was booked on."
    )  # fmt: skip


def _look_or_save(
    session: Session, change: Callable[[Session], None], coach_id: UUID, *, step: Step, sent: dict[str, Any],
    now: datetime,
) -> Looked | None:  # fmt: skip
    """What a change would do, or why it cannot be made; None: it is made."""
    try:
        if step == "look":
            return Looked(sent, days_off.preview(session, change, coach_ids=[coach_id], now=now))
        with session.begin_nested():
            change(session)
    except DomainError as refusal:
        return Looked(sent, refusal=refusal.detail)
    return None


def _currency(session: Session, coach_id: UUID) -> str:
    here = studio.coach_location(session, coach_id)
    return here.currency if here else "EUR"


def _home(principal: Principal, coach_id: UUID, kind: Kind | None = None) -> str:
    asked = {} if coach_id == principal.account_id else {"coach": str(coach_id)}
    asked |= {"kind": kind} if kind else {}
    return "/availability" + (f"?{urlencode(asked)}" if asked else "")


def _told(at: time | Literal[""]) -> str:
    return "" if at == "" else f"{at:%H:%M}"


def _page(
    request: Request, session: Session, principal: Principal, coach_id: UUID | None, *, kind: Kind = "one_to_one",
    week: Looked = Looked(), day: Looked = Looked(), terms_sent: dict[str, Any] | None = None,
    terms_refusal: str = "",
) -> Response:  # fmt: skip
    now = datetime.now(UTC)
    choices = slots.list_coaches(session) if may_see_everybody(principal, CHANGE) else []
    own = studio.coach_location(session, principal.account_id) if principal.account_id else None
    wanted = coach_id or (principal.account_id if own else next((id_ for id_, *_ in choices), None))
    if wanted is None or (coach_id is None and own is None and not choices):
        return render(request, "scheduling/availability.html", found=None, choices=[])
    whose = access.reach_calendar(session, principal, wanted, CHANGE)
    found = availability.get_availability(session, coach_id=whose, now=now)
    today: date = now.astimezone(ZoneInfo(found.time_zone)).date()
    form = {"what": "holiday", "first_on": today, "last_on": "", "opens": "", "closes": ""} | day.sent
    hours = {
        "weekday": [], "starts_at": "", "ends_at": "", "valid_from": today, "valid_to": "",
        "session_minutes": found.coach.session_minutes,
    } | week.sent  # fmt: skip
    said = terms.said_of(session, coach_id=whose, kind=kind)
    return render(
        request,
        "scheduling/availability.html",
        status_code=409 if week.refusal or day.refusal or terms_refusal else 200,
        tz=found.time_zone,
        found=found,
        choices=[(id_, f"{name}, {city}") for id_, name, city in choices],
        coach_id=whose,
        is_own=whose == principal.account_id,
        today=today,
        words=WORDS,
        weekdays=WEEKDAYS,
        week=week,
        hours=hours,
        day=day,
        sent=form,
        kind=kind,
        terms_sent=terms_sent or terms_form.shown(said),
        terms_now=terms_form.shown(terms.as_values(terms.terms_of(session, coach_id=whose, kind=kind))),
        terms_refusal=terms_refusal,
        currency=_currency(session, whose),
    )
