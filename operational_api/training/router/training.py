"""Clients, what hurts them and their workouts over HTTP, under /api/training."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.core.routing import ContextRouter
from operational_api.training import access, public
from operational_api.training.models import Workout
from operational_api.training.schemas import (
    ClientDetail,
    ClientRead,
    InjuryCreate,
    InjuryRead,
    ProgressRead,
    RecordRead,
    RevisionRead,
    WorkoutChange,
    WorkoutCreate,
    WorkoutRead,
    WorkoutSummaryRead,
)
from operational_api.training.service import clients, corrections, injuries, programmes, progress, records, workouts
from operational_api.web.language import language_for, speaking

router = ContextRouter(prefix="/api/training", tags=["training"], route_class=IdempotentRoute)

Search = Annotated[str, Query(max_length=80)]


def _now() -> datetime:
    return datetime.now(UTC)


def _read(request: Request, session: Session, principal: Principal, workout: Workout) -> WorkoutRead:
    detail, bests = workouts.detail_of(session, workout), progress.bests_of(session, workout)
    with speaking(language_for(request, principal)):  # refusals stay English: programs read those
        return WorkoutRead.from_detail(detail, bests)


@router.get("/clients", dependencies=[Allowed("training.list_clients")])
def list_clients(
    principal: CurrentPrincipal, session: DbSession, q: Search = "", limit: Limit = 50, cursor: Cursor = None
) -> Page[ClientRead]:
    """A coach's own clients, or everybody's for an admin, by name. Who withholds their training has no last workout."""
    rows, next_cursor = clients.list_clients(
        session, coach_id=access.whose_clients(principal), search=q, limit=limit, cursor=cursor
    )
    shown = access.who_shows(session, principal, [row.client for row in rows], "training.read_workouts")
    return Page(items=[ClientRead.of(row, row.client.id in shown) for row in rows], next_cursor=next_cursor)


@router.get("/clients/{customer_id}", dependencies=[Allowed("training.read_client")])
def read_client(customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> ClientDetail:
    """One client and their active programme."""
    client = access.reach_client(session, principal, customer_id, "training.read_client", now=_now())
    active = (one for one in programmes.programmes_of(session, client.id) if one.programme.status == "active")
    return ClientDetail.from_client(client, next(active, None), is_on_hold=access.is_held_back(principal, client))


@router.get("/clients/{customer_id}/progress", dependencies=[Allowed("training.read_progress")])
def read_progress(
    customer_id: UUID, principal: CurrentPrincipal, session: DbSession, weeks: Annotated[int, Query(ge=1, le=104)] = 12
) -> ProgressRead:
    """Strength, volume and adherence of one client, as of now."""
    now = _now()
    client = access.reach_client(session, principal, customer_id, "training.read_progress", now=now)
    series = progress.strength_series(session, client, since=now.date() - timedelta(weeks=weeks))
    return ProgressRead.of(series, progress.weeks_of(session, client, now=now, weeks=weeks))


@router.get("/clients/{customer_id}/injuries", dependencies=[Allowed("training.read_injuries")])
def list_injuries(customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> list[InjuryRead]:
    """What hurts and what did. Not for admins."""
    client = access.reach_client(session, principal, customer_id, "training.read_injuries", now=_now(), kind="health")
    return InjuryRead.all_of(list(injuries.injuries_of(session, client.id)))


@router.post("/clients/{customer_id}/injuries", status_code=201, dependencies=[Allowed("training.report_injury")])
def report_injury(customer_id: UUID, body: InjuryCreate, principal: CurrentPrincipal, session: DbSession) -> InjuryRead:
    """Note an injury of one's own, or of one's client."""
    now = _now()
    client = access.reach_client(session, principal, customer_id, "training.report_injury", now=now, kind="health")
    return InjuryRead.model_validate(injuries.report_injury(session, client=client, now=now, **body.model_dump()))


@router.post("/injuries/{injury_id}/resolution", dependencies=[Allowed("training.resolve_injury")])
def resolve_injury(injury_id: UUID, principal: CurrentPrincipal, session: DbSession) -> InjuryRead:
    """It does not hurt any more."""
    injury, client = access.reach_injury(session, principal, injury_id, "training.resolve_injury")
    return InjuryRead.model_validate(injuries.resolve_injury(session, injury=injury, client=client, now=_now()))


@router.get("/workouts", dependencies=[Allowed("training.read_workouts")])
def list_workouts(
    request: Request,
    principal: CurrentPrincipal,
    session: DbSession,
    customer_id: UUID | None = None,
    status: Literal["planned", "completed", "skipped"] | None = None,
    from_: Annotated[date | None, Query(alias="from")] = None,
    to: date | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WorkoutSummaryRead]:
    """A client's workouts, the latest day first. A customer's own without `customer_id`."""
    client = access.reach_client(session, principal, customer_id, "training.read_workouts", now=_now())
    rows, next_cursor = workouts.list_workouts(
        session, customer_id=client.id, status=status, scheduled_from=from_, scheduled_to=to, limit=limit, cursor=cursor
    )
    with speaking(language_for(request, principal)):
        return Page(items=[WorkoutSummaryRead.of(row) for row in rows], next_cursor=next_cursor)


@router.post("/workouts", status_code=201, dependencies=[Allowed("training.log_workout")])
def log_workout(request: Request, body: WorkoutCreate, principal: CurrentPrincipal, session: DbSession) -> WorkoutRead:
    """Log a workout that was done. The caller makes the id, so sending it again stores nothing twice."""
    return public.log_workout(session, principal, body, now=_now(), language=language_for(request, principal))


@router.get("/workouts/{workout_id}", dependencies=[Allowed("training.read_workouts")])
def read_workout(request: Request, workout_id: UUID, principal: CurrentPrincipal, session: DbSession) -> WorkoutRead:
    """One workout with its sets and best estimates."""
    workout, _ = access.reach_workout(session, principal, workout_id, "training.read_workouts")
    return _read(request, session, principal, workout)


@router.put("/workouts/{workout_id}", dependencies=[Allowed("training.log_workout")])
def correct_workout(
    request: Request, workout_id: UUID, body: WorkoutChange, principal: CurrentPrincipal, session: DbSession
) -> WorkoutRead:
    """Replace what was logged, until midnight of the day it was logged on. With its `revision` what somebody else made
    of it meanwhile is not lost: 409 says what it says now."""
    _, client = access.reach_workout(session, principal, workout_id, "training.log_workout")
    workout = corrections.correct_workout(
        session,
        workout_id=workout_id,
        client=client,
        log=body.log(),
        logged_by=account_id_of(principal),
        now=_now(),
        revision=body.revision,
    )
    return _read(request, session, principal, workout)


@router.delete("/workouts/{workout_id}", status_code=204, dependencies=[Allowed("training.log_workout")])
def delete_workout(
    workout_id: UUID,
    principal: CurrentPrincipal,
    session: DbSession,
    revision: Annotated[int | None, Query(ge=0)] = None,
) -> None:
    """Take back what was logged, until midnight of the day it was logged on: it was not done. Again changes nothing."""
    _, client = access.reach_workout(session, principal, workout_id, "training.log_workout")
    corrections.delete_workout(
        session,
        workout_id=workout_id,
        client=client,
        deleted_by=account_id_of(principal),
        now=_now(),
        revision=revision,
    )


@router.post("/workouts/{workout_id}/skip", dependencies=[Allowed("training.log_workout")])
def skip_workout(workout_id: UUID, principal: CurrentPrincipal, session: DbSession) -> WorkoutSummaryRead:
    """Mark a planned workout as not done."""
    access.reach_workout(session, principal, workout_id, "training.log_workout")
    return WorkoutSummaryRead.model_validate(workouts.skip_workout(session, workout_id=workout_id, now=_now()))


@router.get("/workouts/{workout_id}/revisions", dependencies=[Allowed("training.read_workouts")])
def list_revisions(workout_id: UUID, principal: CurrentPrincipal, session: DbSession) -> list[RevisionRead]:
    """What a workout said before it was corrected, the newest first."""
    workout, _ = access.reach_workout(session, principal, workout_id, "training.read_workouts")
    return [RevisionRead.model_validate(one) for one in workouts.revisions_of(session, workout)]


@router.get("/records", dependencies=[Allowed("training.read_workouts")])
def list_records(
    principal: CurrentPrincipal, session: DbSession, customer_id: UUID | None = None, limit: Limit = 50
) -> list[RecordRead]:
    """A client's personal records, the newest first. A customer's own without `customer_id`."""
    client = access.reach_client(session, principal, customer_id, "training.read_workouts", now=_now())
    latest = records.latest_records(session, client.id, limit=limit)
    return [RecordRead.of(record, exercise.name) for record, exercise in latest]
