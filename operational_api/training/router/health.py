"""The health questionnaire, goals, habits, check-ins, metrics and setting up over HTTP, under /api/training."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy.orm import Session

from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentPrincipal, Principal, account_id_of
from operational_api.core.routing import ContextRouter
from operational_api.training import access
from operational_api.training.models import Client
from operational_api.training.schemas.health import (
    CheckInAnswer,
    CheckInIn,
    CheckInRead,
    GoalClose,
    GoalIn,
    GoalRead,
    HabitCheckIn,
    HabitIn,
    HabitRead,
    MetricsRead,
    OnboardingRead,
    ScreeningAnswer,
    ScreeningClear,
    ScreeningRead,
    ScreeningsRead,
    StepRead,
    WellbeingRead,
)
from operational_api.training.service import coaching, onboarding, screening, wellbeing

router = ContextRouter(prefix="/api/training", tags=["training"], route_class=IdempotentRoute)


def _now() -> datetime:
    return datetime.now(UTC)


def _own(session: Session, principal: Principal, now: datetime) -> Client:
    """The customer who asks, to keep what is theirs."""
    return access.reach_client(session, principal, None, "training.keep_wellbeing", now=now, kind="health")


@router.get("/clients/{customer_id}/metrics", dependencies=[Allowed("training.read_progress")])
def read_metrics(customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> MetricsRead:
    """Adherence, loads and their ratios of one client, as of today."""
    now = _now()
    client = access.reach_client(session, principal, customer_id, "training.read_progress", now=now)
    return MetricsRead.of(coaching.metrics_of(session, client, now=now))


@router.get("/clients/{customer_id}/screenings", dependencies=[Allowed("training.read_screening")])
def list_screenings(customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> ScreeningsRead:
    """The questions, and what a client answered. Not for admins."""
    now = _now()
    client = access.reach_client(session, principal, customer_id, "training.read_screening", now=now, kind="health")
    rows = list(screening.screenings_of(session, client.id))
    is_due = screening.is_due(rows[0] if rows else None, now)
    return ScreeningsRead.of(rows, is_due=is_due, on_hold_since=client.on_hold_since)


@router.post("/clients/{customer_id}/screenings", status_code=201, dependencies=[Allowed("training.answer_screening")])
def answer_screening(
    customer_id: UUID, body: ScreeningAnswer, principal: CurrentPrincipal, session: DbSession
) -> ScreeningRead:
    """Answer the questionnaire about oneself; a red answer holds training until the coach clears it."""
    now = _now()
    client = access.reach_client(session, principal, customer_id, "training.answer_screening", now=now, kind="health")
    row = screening.answer_screening(session, client=client, answers=body.answers, version=body.version, now=now)
    return ScreeningRead.model_validate(row)


@router.post("/screenings/{screening_id}/clearance", dependencies=[Allowed("training.clear_screening")])
def clear_screening(
    screening_id: UUID, body: ScreeningClear, principal: CurrentPrincipal, session: DbSession
) -> ScreeningRead:
    """Let a client train again, with a note why."""
    row, client = access.reach_screening(session, principal, screening_id, "training.clear_screening")
    row = screening.clear_screening(
        session, screening=row, client=client, coach_id=account_id_of(principal), note=body.note, now=_now()
    )
    return ScreeningRead.model_validate(row)


@router.get("/clients/{customer_id}/wellbeing", dependencies=[Allowed("training.read_wellbeing")])
def read_wellbeing(customer_id: UUID, principal: CurrentPrincipal, session: DbSession) -> WellbeingRead:
    """A client's goals, habits and check-ins. Not for admins."""
    now = _now()
    client = access.reach_client(session, principal, customer_id, "training.read_wellbeing", now=now, kind="health")
    return WellbeingRead.of(wellbeing.wellbeing_of(session, client, now=now))


@router.post("/goals", status_code=201, dependencies=[Allowed("training.keep_wellbeing")])
def set_goal(body: GoalIn, principal: CurrentPrincipal, session: DbSession) -> GoalRead:
    """Say what one wants to reach."""
    now = _now()
    client = _own(session, principal, now)
    return GoalRead.model_validate(wellbeing.set_goal(session, client=client, now=now, **body.model_dump()))


@router.post("/goals/{goal_id}/closing", dependencies=[Allowed("training.keep_wellbeing")])
def close_goal(goal_id: UUID, body: GoalClose, principal: CurrentPrincipal, session: DbSession) -> GoalRead:
    """A goal was reached, or is none any more."""
    now = _now()
    client = _own(session, principal, now)
    goal = wellbeing.close_goal(session, client=client, goal_id=goal_id, outcome=body.outcome, now=now)
    return GoalRead.model_validate(goal)


@router.post("/habits", status_code=201, dependencies=[Allowed("training.keep_wellbeing")])
def begin_habit(body: HabitIn, principal: CurrentPrincipal, session: DbSession) -> HabitRead:
    """Begin something to do regularly."""
    now = _now()
    client = _own(session, principal, now)
    return HabitRead.model_validate(wellbeing.begin_habit(session, client=client, now=now, **body.model_dump()))


@router.post("/habits/{habit_id}/archive", dependencies=[Allowed("training.keep_wellbeing")])
def archive_habit(habit_id: UUID, principal: CurrentPrincipal, session: DbSession) -> HabitRead:
    """Ask for a habit no more."""
    now = _now()
    client = _own(session, principal, now)
    return HabitRead.model_validate(wellbeing.archive_habit(session, client=client, habit_id=habit_id, now=now))


@router.put("/habits/{habit_id}/checks/{day}", dependencies=[Allowed("training.keep_wellbeing")])
def check_habit(
    habit_id: UUID, day: date, body: HabitCheckIn, principal: CurrentPrincipal, session: DbSession
) -> HabitRead:
    """A habit was kept on a day, or was not after all."""
    now = _now()
    client = _own(session, principal, now)
    habit = wellbeing.check_habit(session, client=client, habit_id=habit_id, day=day, is_kept=body.is_kept, now=now)
    return HabitRead.model_validate(habit)


@router.post("/check-ins", status_code=201, dependencies=[Allowed("training.keep_wellbeing")])
def submit_check_in(body: CheckInIn, principal: CurrentPrincipal, session: DbSession) -> CheckInRead:
    """Send this week's check-in; until it is answered it may be said anew."""
    now = _now()
    client = _own(session, principal, now)
    row = wellbeing.submit_check_in(session, client=client, now=now, **body.model_dump())
    return CheckInRead.model_validate(row)


@router.post("/check-ins/{check_in_id}/answer", dependencies=[Allowed("training.answer_check_in")])
def answer_check_in(
    check_in_id: UUID, body: CheckInAnswer, principal: CurrentPrincipal, session: DbSession
) -> CheckInRead:
    """Answer a client's check-in, once."""
    row, _ = access.reach_check_in(session, principal, check_in_id, "training.answer_check_in")
    row = wellbeing.answer_check_in(
        session, check_in=row, coach_id=account_id_of(principal), answer=body.answer, now=_now()
    )
    return CheckInRead.model_validate(row)


@router.get("/onboarding", dependencies=[Allowed("training.onboard")])
def read_onboarding(principal: CurrentPrincipal, session: DbSession) -> OnboardingRead:
    """How far one is in setting up."""
    client = access.reach_client(session, principal, None, "training.onboard", now=_now())
    found = onboarding.progress_of(session, client.id)
    return OnboardingRead(steps=list(onboarding.STEPS), left=found.left, current=found.current)


@router.get("/onboarding/funnel", dependencies=[Allowed("training.read_funnel")])
def read_funnel(session: DbSession, days: Annotated[int, Query(ge=1, le=730)] = 90) -> list[StepRead]:
    """How people who began to set up in the last days fared, step by step."""
    now = _now()
    return [StepRead.of(one) for one in onboarding.funnel(session, since=now - timedelta(days=days), until=now)]
