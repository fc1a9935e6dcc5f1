"""Coaches' pages under /coaching: who waits for an answer, one client's numbers and words, giving a programme."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.errors import DomainError, NotFound
from operational_api.core.policy import Allowed, is_allowed
from operational_api.core.principal import CurrentPrincipal, account_id_of
from operational_api.training import access, forms
from operational_api.training import screening as questionnaire
from operational_api.training.models import Client
from operational_api.training.service import (
    coaching,
    exercises,
    injuries,
    media_library,
    programmes,
    progress,
    records,
    screening,
    templates,
    waiting,
    wellbeing,
    workouts,
)
from operational_api.training.service.clients import local_today
from operational_api.web.rendering import redirect, render

router = APIRouter(dependencies=[Allowed("training.coach")])
LATEST = 5
"""Workouts of a client that are shown set by set."""
HURTS = 5
"""Injuries that are shown: those that still hurt come first."""
Note = Annotated[str, Form(min_length=3, max_length=1000, pattern=r"\S")]


@router.get("/coaching", response_class=HTMLResponse)
def overview(request: Request, principal: CurrentPrincipal, session: DbSession) -> Response:
    """A coach's own clients: first those whose health answer or check-in waits."""
    coach_id = account_id_of(principal)
    rows = waiting.roster(session, coach_id=coach_id)
    shows = access.who_shows(session, principal, [row.client for row in rows], "training.read_wellbeing")
    return render(request, "training/coaching.html", rows=rows, shows=shows)


@router.get("/coaching/clients/{customer_id}", response_class=HTMLResponse)
def client_page(request: Request, customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """One client: what waits, numbers, programme, goals and habits; what they withhold is left out and named."""
    now = datetime.now(UTC)
    client = access.reach_client(session, principal, customer_id, "training.coach", now=now)
    part = {
        action: is_allowed(principal, action, access.resource_for(session, principal, client, action, kind="health"))
        for action in (
            "training.read_wellbeing",
            "training.read_screening",
            "training.read_progress",
            "training.read_workouts",
            "training.read_injuries",
        )
    }
    found, last, numbers, bests, strength, hurts = None, None, None, [], [], None
    if part["training.read_wellbeing"]:
        access.reach_client(session, principal, client.id, "training.read_wellbeing", now=now, kind="health")
        found = wellbeing.wellbeing_of(session, client, now=now)
    if part["training.read_screening"]:
        access.reach_client(session, principal, client.id, "training.read_screening", now=now, kind="health")
        last = screening.latest_red(session, client.id) or screening.latest(session, client.id)
    if part["training.read_progress"]:
        access.reach_client(session, principal, client.id, "training.read_progress", now=now)
        numbers = coaching.metrics_of(session, client, now=now)
        bests = records.latest_records(session, client.id, limit=5)
        strength = progress.strength_series(session, client, since=local_today(client, now) - coaching.REMEMBERED)
    if part["training.read_injuries"]:
        access.reach_client(session, principal, client.id, "training.read_injuries", now=now, kind="health")
        hurts = injuries.injuries_of(session, client.id)[:HURTS]
    done: list[tuple[workouts.WorkoutSummary, list[forms.Block]]] = []
    if part["training.read_workouts"]:
        access.reach_client(session, principal, client.id, "training.read_workouts", now=now)
        done = _latest_workouts(session, client)
    active = [one for one in programmes.programmes_of(session, client.id) if one.programme.status == "active"]
    return render(
        request,
        "training/coaching_client.html",
        client=client,
        today=local_today(client, now),
        found=found,
        screening=last,
        shows_screening=part["training.read_screening"],
        questions=questionnaire.QUESTIONS.get(last.version, ()) if last else (),
        numbers=numbers,
        bests=[forms.record_told(record, exercise.name) for record, exercise in bests],
        strength=strength,
        done=done,
        hurts=hurts,
        videos=media_library.form_videos(session, client.id) if part["training.read_progress"] else [],
        programme=active[0] if active else None,
        templates=templates.templates_of(session, account_id_of(principal)),
    )


def _latest_workouts(session: Session, client: Client) -> list[tuple[workouts.WorkoutSummary, list[forms.Block]]]:
    """What a client did last, each workout with its sets by movement."""
    rows, _ = workouts.list_workouts(session, customer_id=client.id, status="completed", limit=LATEST)
    sets = workouts.sets_of(session, [row.workout.id for row in rows])
    known = exercises.known_exercises(session, {one.exercise_id for each in sets.values() for one in each})
    return [(row, forms.logged_blocks(sets.get(row.workout.id, ()), known)) for row in rows]


@router.post("/coaching/screenings/{screening_id}/clear")
def clear(
    request: Request, screening_id: UUID, principal: CurrentPrincipal, session: DbSession, note: Note
) -> Response:
    """Let a client train again, with a note."""
    row, client = access.reach_screening(session, principal, screening_id, "training.clear_screening")
    to = f"/coaching/clients/{client.id}"
    try:
        screening.clear_screening(
            session, screening=row, client=client, coach_id=account_id_of(principal), note=note.strip(),
            now=datetime.now(UTC),
        )  # fmt: skip
    except DomainError as refusal:
        return redirect(request, to, flash=refusal.detail, tone="bad")
    return redirect(request, to, flash="Cleared. They can train again.")


@router.post("/coaching/check-ins/{check_in_id}/answer")
def answer(
    request: Request, check_in_id: UUID, principal: CurrentPrincipal, session: DbSession, answer: Note
) -> Response:
    """Answer a check-in."""
    row, client = access.reach_check_in(session, principal, check_in_id, "training.answer_check_in")
    to = f"/coaching/clients/{client.id}"
    try:
        wellbeing.answer_check_in(
            session, check_in=row, coach_id=account_id_of(principal), answer=answer.strip(), now=datetime.now(UTC)
        )
    except DomainError as refusal:
        return redirect(request, to, flash=refusal.detail, tone="bad")
    return redirect(request, to, flash="Answered.")


@router.post("/coaching/clients/{customer_id}/programmes")
def give_programme(
    request: Request,
    customer_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    template_id: Annotated[UUID, Form()],
    starts_on: Annotated[date, Form()],
) -> Response:
    """Give a client a programme made of one of the coach's templates."""
    now = datetime.now(UTC)
    client = access.reach_client(session, principal, customer_id, "training.assign_programme", now=now, kind="business")
    template = access.reach_template(session, principal, template_id)
    to = f"/coaching/clients/{client.id}"
    try:
        templates.assign_template(
            session, template=template, client=client, coach_id=account_id_of(principal), starts_on=starts_on, now=now
        )
    except NotFound:
        raise
    except DomainError as refusal:
        return redirect(request, to, flash=refusal.detail, tone="bad")
    return redirect(request, to, flash=f"{template.name} is theirs from {starts_on:%-d %B}.")


@router.post("/coaching/programmes/{programme_id}/archive")
def archive(request: Request, programme_id: UUID, principal: CurrentPrincipal, session: DbSession) -> Response:
    """End a client's programme."""
    _, client = access.reach_programme(session, principal, programme_id, "training.assign_programme")
    programmes.archive_programme(session, programme_id=programme_id, client=client, now=datetime.now(UTC))
    return redirect(request, f"/coaching/clients/{client.id}", flash="Archived. What was logged stays.", tone="info")
