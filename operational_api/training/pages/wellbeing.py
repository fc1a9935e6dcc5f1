"""A customer's goals, habits, weekly check-in and health questionnaire as pages. Every button is a form."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.training import access
from operational_api.training import screening as questionnaire
from operational_api.training.errors import InvalidAnswers, InvalidDates
from operational_api.training.models import Client
from operational_api.training.schemas.health import CheckInIn
from operational_api.training.service import screening, wellbeing
from operational_api.training.service.clients import local_today
from operational_api.web.language import word
from operational_api.web.rendering import WayBack, redirect, render

router = APIRouter(dependencies=[Allowed("training.keep_wellbeing")])
checks = APIRouter(dependencies=[Allowed("training.answer_screening")])
MOODS = ((1, "Bad"), (2, "So-so"), (3, "Fine"), (4, "Good"), (5, "Great"))
LIMITS = {
    "mood": "Choose how you felt.",
    "weight_kg": "Weight: 20 to 400 kg.",
    "sleep_hours": "Sleep: 0 to 16 hours a night.",
    "note": "Up to 2000 characters.",
}
Typed = Annotated[str, Form(max_length=20)]
Said = Annotated[str, Form(min_length=1, max_length=120, pattern=r"\S")]


def _client(session: Session, principal: Principal, now: datetime) -> Client:
    return access.reach_client(session, principal, None, "training.keep_wellbeing", now=now, kind="health")


@router.get("/wellbeing", response_class=HTMLResponse)
def overview(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Today's habits, this week's check-in, goals."""
    now = datetime.now(UTC)
    return _page(request, session, _client(session, principal, now), now)


@router.post("/wellbeing/check-in")
def check_in(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    mood: Typed = "",
    weight_kg: Typed = "",
    sleep_hours: Typed = "",
    note: Annotated[str, Form(max_length=2100)] = "",
) -> Response:
    """Send this week's check-in, or show again what was typed with what is wrong."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    typed = {"mood": mood, "weight_kg": weight_kg, "sleep_hours": sleep_hours, "note": note}
    given = {
        name: value.strip().replace(",", ".") if name != "note" else value.strip() for name, value in typed.items()
    }
    try:
        said = CheckInIn.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as refusal:
        wrong = {str(problem["loc"][0]): LIMITS[str(problem["loc"][0])] for problem in refusal.errors()}
        return _page(request, session, client, now, typed=typed, wrong=wrong, status_code=422)
    try:
        wellbeing.submit_check_in(session, client=client, now=now, **said.model_dump())
    except DomainError as refusal:
        return redirect(request, "/wellbeing", flash=refusal.detail, tone="bad")
    return redirect(request, "/wellbeing", flash="Sent. Your coach sees it.")


@router.post("/wellbeing/goals")
def set_goal(
    request: Request, principal: CurrentPrincipal, session: DbSession, text: Said, target_on: Typed = ""
) -> Response:
    """Note a goal."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    try:
        day = date.fromisoformat(target_on) if target_on else None
        wellbeing.set_goal(session, client=client, text=text.strip(), target_on=day, now=now)
    except ValueError:
        return redirect(request, "/wellbeing#goals", flash="That is no day.", tone="bad")
    except DomainError as refusal:
        return redirect(request, "/wellbeing#goals", flash=refusal.detail, tone="bad")
    return redirect(request, "/wellbeing#goals", flash="Noted. Your coach sees it.")


@router.post("/wellbeing/goals/{goal_id}/close")
def close_goal(
    request: Request,
    goal_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    outcome: Annotated[Literal["reached", "dropped"], Form()],
) -> Response:
    """A goal was reached, or is none any more."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    goal = wellbeing.close_goal(session, client=client, goal_id=goal_id, outcome=outcome, now=now)
    flash = "Reached. Well done!" if outcome == "reached" else "Dropped. Choose one that suits you better."
    by = goal.target_on.isoformat() if goal.target_on and goal.target_on >= local_today(client, now) else ""
    again = WayBack(word("Set it again"), "/wellbeing/goals", {"text": goal.text, "target_on": by})
    return redirect(request, "/wellbeing#goals", flash=flash, way_back=again)


@router.post("/wellbeing/habits")
def begin_habit(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    name: Said,
    times_per_week: Annotated[int, Form(ge=1, le=7)] = 7,
) -> Response:
    """Begin a habit."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    wellbeing.begin_habit(session, client=client, name=name.strip(), times_per_week=times_per_week, now=now)
    return redirect(request, "/wellbeing#habits", flash="Begun. Check it here each day.")


@router.post("/wellbeing/habits/{habit_id}/check")
def check_habit(
    request: Request,
    habit_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    day: Annotated[date, Form()],
    is_kept: Annotated[bool, Form()] = False,
) -> Response:
    """Check a habit for a day, or take the check back."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    try:
        wellbeing.check_habit(session, client=client, habit_id=habit_id, day=day, is_kept=is_kept, now=now)
    except InvalidDates as refusal:
        return redirect(request, "/wellbeing#habits", flash=refusal.detail, tone="bad")
    return redirect(request, "/wellbeing#habits")


@router.post("/wellbeing/habits/{habit_id}/archive")
def archive_habit(request: Request, habit_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Ask for a habit no more."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    habit = wellbeing.archive_habit(session, client=client, habit_id=habit_id, now=now)
    told = f"{habit.name} is gone from the list; what you kept of it stays with your coach."
    again = WayBack(
        word("Ask again"), "/wellbeing/habits", {"name": habit.name, "times_per_week": str(habit.times_per_week)}
    )
    return redirect(request, "/wellbeing#habits", flash=told, tone="info", way_back=again)


@checks.get("/wellbeing/health", response_class=HTMLResponse)
def health_form(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """The health questionnaire, and how the last answers stand."""
    now = datetime.now(UTC)
    client = access.reach_client(session, principal, None, "training.answer_screening", now=now, kind="health")
    return _health(request, session, client, now)


async def typed_form(request: Request) -> dict[str, Any]:
    """A form whose fields are not known beforehand."""
    return dict(await request.form())


TypedForm = Annotated[dict[str, Any], Depends(typed_form)]


@checks.post("/wellbeing/health")
def answer_health(request: Request, principal: CurrentPrincipal, session: DbSession, form: TypedForm) -> Response:
    """Take the answers; a question left out shows the form again with all that was answered."""
    now = datetime.now(UTC)
    client = access.reach_client(session, principal, None, "training.answer_screening", now=now, kind="health")
    given = read_answers(form)
    try:
        row = screening.answer_screening(session, client=client, answers=given, now=now)
    except InvalidAnswers as refusal:
        return _health(request, session, client, now, given=given, error=refusal.detail, status_code=422)
    told = "Thank you. Your coach looks at it before you train on." if row.is_red else "Thank you. You are good to go."
    return redirect(request, "/wellbeing/health", flash=told, tone="warn" if row.is_red else "good")


def read_answers(form: Mapping[str, Any]) -> dict[str, bool]:
    """Yes and no as a form sends them; anything else is no answer."""
    keys = [one.key for one in questionnaire.QUESTIONS[questionnaire.VERSION]]
    return {key: form[key] == "yes" for key in keys if form.get(key) in ("yes", "no")}


def _page(
    request: Request,
    session: Session,
    client: Client,
    now: datetime,
    *,
    typed: dict[str, str] | None = None,
    wrong: dict[str, str] | None = None,
    status_code: int = 200,
) -> Response:
    found = wellbeing.wellbeing_of(session, client, now=now)
    today = local_today(client, now)
    this_week = next((one for one in found.check_ins if one.due_on == found.due_on), None)
    if typed is None:
        said = (this_week.mood, this_week.weight_kg, this_week.sleep_hours) if this_week else ("", None, None)
        typed = dict(zip(("mood", "weight_kg", "sleep_hours"), map(_text, said), strict=True))
        typed["note"] = (this_week.note or "") if this_week else ""
    return render(
        request,
        "training/wellbeing.html",
        status_code=status_code,
        tz=client.time_zone,
        today=today,
        days=[today - timedelta(days=n) for n in range(6, -1, -1)],
        found=found,
        this_week=this_week,
        earlier=[one for one in found.check_ins if one is not this_week],
        typed=typed,
        wrong=wrong or {},
        moods=MOODS,
    )


def _text(value: object) -> str:
    return "" if value is None or value == "" else f"{float(str(value)):g}"


def _health(
    request: Request,
    session: Session,
    client: Client,
    now: datetime,
    *,
    given: dict[str, bool] | None = None,
    error: str | None = None,
    status_code: int = 200,
) -> Response:
    last = screening.latest(session, client.id)
    return render(
        request,
        "training/health.html",
        status_code=status_code,
        tz=client.time_zone,
        questions=questionnaire.QUESTIONS[questionnaire.VERSION],
        last=last,
        is_due=screening.is_due(last, now),
        is_on_hold=client.on_hold_since is not None,
        given=given or {},
        error=error,
    )
