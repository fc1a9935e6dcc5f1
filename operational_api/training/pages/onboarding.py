"""Setting up as a guided page of five steps under /welcome: any step can be skipped, and gone on with another day."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from operational_api.compliance import public as compliance
from operational_api.core.database import DbSession
from operational_api.core.errors import Invalid
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.training import access
from operational_api.training import screening as questionnaire
from operational_api.training.models import Client
from operational_api.training.pages.wellbeing import TypedForm, read_answers
from operational_api.training.service import onboarding, screening, wellbeing
from operational_api.training.service.clients import local_today
from operational_api.web.rendering import redirect, render

router = APIRouter(dependencies=[Allowed("training.onboard")])
Step = Annotated[Literal["goal", "screening", "consents", "plan", "booking"], Path()]
TITLES = {
    "goal": ("What do you want to reach?", "Your coach plans towards it."),
    "screening": ("A few health questions", "So that training is good for you."),
    "consents": ("What may your coach see?", "You can change it at any time under Privacy."),
    "plan": ("Choose a membership", "Or a pack of sessions, to begin with."),
    "booking": ("Book your first session", "Your coach gets to know you."),
}
SHOWN = (
    ("training", "Workouts that you log"),
    ("injuries", "What hurts, and your health answers"),
    ("activity", "Workouts that your watch records"),
    ("sleep", "Sleep that your watch records"),
    ("daily", "Steps, resting heart rate and its variability"),
    ("body", "Weight of a connected scale"),
)


def _client(session: Session, principal: Principal, now: datetime) -> Client:
    return access.reach_client(session, principal, None, "training.onboard", now=now)


@router.get("/welcome", response_class=HTMLResponse)
def welcome(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """Go on where one stopped; at the end, how each step was left."""
    client = _client(session, principal, datetime.now(UTC))
    progress = onboarding.progress_of(session, client.id)
    if progress.current is not None:
        return redirect(request, f"/welcome/{progress.current}")
    return render(
        request, "training/welcome_done.html", tz=client.time_zone, progress=progress, titles=TITLES,
        is_on_hold=client.on_hold_since is not None,
    )  # fmt: skip


@router.get("/welcome/{step}", response_class=HTMLResponse)
def step_page(request: Request, step: Step, principal: CurrentPrincipal, session: DbSession) -> Response:
    """One step; opening it for the first time is noted."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    onboarding.enter_step(session, client=client, step=step, now=now)
    return _page(request, session, client, step)


@router.post("/welcome/{step}")
def leave_step(
    request: Request, step: Step, principal: CurrentPrincipal, session: DbSession, form: TypedForm
) -> Response:
    """Do a step or skip it; what is wrong is shown with all that was typed."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    if form.get("action") == "skip":
        onboarding.leave_step(session, client=client, step=step, outcome="skipped", now=now)
        return redirect(request, _next(step))
    try:
        _do(session, principal, client, step, form, now)
    except Invalid as refusal:
        return _page(request, session, client, step, typed=form, error=refusal.detail, status_code=422)
    onboarding.leave_step(session, client=client, step=step, outcome="done", now=now)
    return redirect(request, _next(step))


def _do(
    session: Session, principal: Principal, client: Client, step: str, form: Mapping[str, Any], now: datetime
) -> None:
    if step == "goal":
        text, target = str(form.get("text", "")).strip(), str(form.get("target_on", ""))
        if not 1 <= len(text) <= 120:
            raise Invalid("Say it in a few words.")
        try:
            day = date.fromisoformat(target) if target else None
        except ValueError:
            raise Invalid("That is no day.") from None
        wellbeing.set_goal(session, client=client, text=text, target_on=day, now=now)
    elif step == "screening":
        screening.answer_screening(session, client=client, answers=read_answers(form), now=now)
    elif step == "consents":
        decisions = [
            {"data_kind": kind, "purpose": "coaching", "is_given": form.get(kind) == "on"} for kind, _ in SHOWN
        ]
        body = compliance.ConsentsWrite.model_validate({"decisions": decisions})
        compliance.decide_consents(session, principal, body, now=now)
    else:
        raise Invalid("This step is done by itself once you have chosen. Skip it to go on.")


def _next(step: str) -> str:
    """The step after this one, done before or not; after the last one the end."""
    place = onboarding.STEPS.index(step)
    return f"/welcome/{onboarding.STEPS[place + 1]}" if place + 1 < len(onboarding.STEPS) else "/welcome"


def _page(
    request: Request,
    session: Session,
    client: Client,
    step: str,
    *,
    typed: Mapping[str, Any] | None = None,
    error: str | None = None,
    status_code: int = 200,
) -> Response:
    shown = compliance.shown_kinds(session, [client.id])[client.id]
    return render(
        request,
        "training/welcome.html",
        status_code=status_code,
        tz=client.time_zone,
        step=step,
        place=onboarding.STEPS.index(step) + 1,
        steps=onboarding.STEPS,
        title=TITLES[step][0],
        lead=TITLES[step][1],
        titles=TITLES,
        progress=onboarding.progress_of(session, client.id),
        typed=dict(typed or {}),
        error=error,
        today=local_today(client, datetime.now(UTC)),
        questions=questionnaire.QUESTIONS[questionnaire.VERSION],
        given=read_answers(typed or {}),
        kinds=SHOWN,
        shown=shown,
        is_on_hold=client.on_hold_since is not None,
    )
