"""Pages of training: today and the programme, and progress. For customers.

Not here: logging and what was logged (`workouts`), what hurts (`injuries`).
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.paging import Cursor
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal
from operational_api.training import access, charts, forms
from operational_api.training.models import Client
from operational_api.training.pages.injuries import BODY_PARTS, BODY_WORDS
from operational_api.training.service import injuries, onboarding, plans, programmes, progress, records, workouts
from operational_api.training.service.clients import local_today
from operational_api.web.rendering import render

router = APIRouter(dependencies=[Allowed("training.train")])
HISTORY, BESTS = 15, 40


def _client(session: Session, principal: Principal, now: datetime) -> Client:
    return access.reach_client(session, principal, None, "training.read_client", now=now)


@router.get("/training", response_class=HTMLResponse)
def training(request: Request, principal: CurrentPrincipal, session: DbSession, cursor: Cursor = None) -> Response:
    """What is planned now, the programme, what was done, what hurts; with a cursor what was done before."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    today = local_today(client, now)
    week_ago = today - timedelta(days=6)
    planned, _next = workouts.list_workouts(
        session, customer_id=client.id, status="planned", scheduled_from=week_ago, limit=20, oldest_first=True
    )
    newest, older = workouts.list_workouts(session, customer_id=client.id, status="completed", limit=HISTORY)
    history = newest
    if cursor is not None:
        history, older = workouts.list_workouts(
            session, customer_id=client.id, status="completed", limit=HISTORY, cursor=cursor
        )
    due = [row.workout for row in planned if row.workout.scheduled_on <= today]
    active = next((p for p in programmes.programmes_of(session, client.id) if p.programme.status == "active"), None)
    weeks = progress.weeks_of(session, client, now=now)
    current = due[-1] if due else None
    return render(
        request,
        "training/training.html",
        is_offline_ready=cursor is None,
        is_first=cursor is None,
        older=older,
        tz=client.time_zone,
        today=today,
        current=current,
        told=forms.planned,
        plan=forms.planned_blocks(session, current) if current and not client.on_hold_since else [],
        is_on_hold=client.on_hold_since is not None,
        is_set_up=not onboarding.is_asked(client, onboarding.progress_of(session, client.id), now),
        missed=due[:-1],
        coming=[row.workout for row in planned if row.workout.scheduled_on > today][:4],
        done_today=next((row for row in newest if row.workout.scheduled_on == today), None),
        programme=active,
        programme_week=min((today - active.programme.starts_on).days // 7 + 1, active.programme.weeks) if active else 0,
        phase=plans.phase_in(active.phases, plans.week_of(active.programme, today)) if active else None,
        history=history,
        weeks=weeks,
        volume=[week.volume_kg for week in weeks],
        injuries=injuries.injuries_of(session, client.id),
        body_parts=list(zip(BODY_PARTS, BODY_WORDS, strict=True)),
    )


@router.get("/progress", response_class=HTMLResponse)
def progress_page(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    weeks: Annotated[int, Query(ge=4, le=52)] = 12,
) -> Response:
    """Strength per movement, volume and adherence per week, and the bests that stand."""
    now = datetime.now(UTC)
    client = _client(session, principal, now)
    since = local_today(client, now) - timedelta(weeks=weeks)
    series = progress.strength_series(session, client, since=since)
    rows = progress.weeks_of(session, client, now=now, weeks=weeks)
    planned, completed = sum(row.planned for row in rows), sum(row.completed for row in rows)
    return render(
        request,
        "training/progress.html",
        is_offline_ready=True,
        tz=client.time_zone,
        span=weeks,
        strength=[(one, charts.line(one.points, unit="kg")) for one in series],
        bests=records.standing_records(session, client.id, limit=BESTS),
        told=forms.record_told,
        volume=charts.bars([(row.starts_on, row.volume_kg) for row in rows], told="{:,.0f} kg"),
        adherence=charts.bars(
            [(row.starts_on, 100 * row.completed / row.planned if row.planned else None) for row in rows],
            top=100,
            told="{:.0f} %",
        ),
        has_any=any(row.workouts for row in rows),
        workouts=sum(row.workouts for row in rows),
        volume_kg=sum(row.volume_kg for row in rows),
        planned=planned,
        completed=completed,
    )
