"""The only door to training for other contexts: ids and plain values in and out.

Commands take the principal and decide by the policy; the HTTP API and the graph both act through them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from operational_api.compliance import public as compliance
from operational_api.core.principal import Principal, account_id_of
from operational_api.training import access
from operational_api.training.models import Client, Injury
from operational_api.training.schemas import WorkoutCreate as WorkoutCreate
from operational_api.training.schemas import WorkoutRead as WorkoutRead
from operational_api.training.service import clients, missed, onboarding, workouts
from operational_api.training.service.progress import strength_series, weeks_of
from operational_api.web.language import speaking


def coach_of(session: Session, customer_id: UUID) -> UUID | None:
    """Today's coach of a customer; None without one, or when the account is no client yet."""
    return clients.coach_of(session, customer_id)


def coaches_of(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Today's coaches of many customers in one query. Who has none is not in the answer."""
    return clients.coaches_of(session, customer_ids)


def clients_of(session: Session, coach_id: UUID) -> list[UUID]:
    """Customers whose coach this is today."""
    return clients.clients_of(session, coach_id)


def client_name(session: Session, customer_id: UUID) -> str | None:
    """Display name of a customer, or None when the account is no client."""
    client = session.get(Client, customer_id)
    return client.display_name if client else None


def client_names(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Display names of many customers in one query. Who is no client is not in the answer."""
    return clients.client_names(session, customer_ids)


def client_time_zone(session: Session, customer_id: UUID) -> str | None:
    """IANA zone a customer lives in, or None when the account is no client."""
    client = session.get(Client, customer_id)
    return client.time_zone if client else None


def ensure_client(
    session: Session,
    account_id: UUID,
    *,
    display_name: str,
    now: datetime,
    time_zone: str = "UTC",
    location_id: UUID | None = None,
) -> "ClientFacts":
    """The client of an account, made unless there is one; what is known of an existing client stays."""
    client = clients.ensure_client(
        session, account_id, display_name=display_name, now=now, time_zone=time_zone, location_id=location_id
    )
    return _facts(client)


def assign_coach(
    session: Session, *, customer_id: UUID, coach_id: UUID, now: datetime, reason: str | None = None
) -> None:
    """Make a coach responsible for a client from now on, and announce it. Today's coach again changes nothing.

    Raises:
        ClientNotFound: the account is no client.
    """
    clients.assign_coach(session, customer_id=customer_id, coach_id=coach_id, now=now, reason=reason)


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """A client in plain values."""

    display_name: str
    coach_id: UUID | None
    location_id: UUID | None
    time_zone: str


def client_facts(session: Session, customer_id: UUID) -> ClientFacts | None:
    """What other contexts may know about a client, or None when the account is none."""
    client = session.get(Client, customer_id)
    return _facts(client) if client is not None else None


def _facts(client: Client) -> ClientFacts:
    return ClientFacts(client.display_name, client.coach_id, client.location_id, client.time_zone)


@dataclass(frozen=True, slots=True)
class PlannedWorkout:
    """A workout that the programme has for a client, not done yet."""

    workout_id: UUID
    title: str
    scheduled_on: date


def next_workout(session: Session, customer_id: UUID, now: datetime) -> PlannedWorkout | None:
    """Today's planned workout where the client lives, else the next one; None without a programme or while training
    is on hold."""
    client = session.get(Client, customer_id)
    if client is None or client.on_hold_since is not None:
        return None
    found, _ = workouts.list_workouts(
        session, customer_id=customer_id, status="planned", scheduled_from=clients.local_today(client, now), limit=1,
        oldest_first=True,
    )  # fmt: skip
    return PlannedWorkout(found[0].workout.id, found[0].workout.title, found[0].workout.scheduled_on) if found else None


def is_week_missed(session: Session, customer_id: UUID, week_of: date, now: datetime) -> bool:
    """Whether a week that was announced as missed still is the last word: no training since, no hold, nothing hurts."""
    return missed.is_missed(session, customer_id, week_of, now=now)


def is_on_hold(session: Session, customer_id: UUID) -> bool:
    """Whether an answer of a client's health questionnaire waits for the coach: no plan is followed until then."""
    client = session.get(Client, customer_id)
    return client is not None and client.on_hold_since is not None


def setting_up(session: Session, customer_id: UUID, now: datetime) -> str | None:
    """The step of setting up (`onboarding.STEPS`) that the app asks a customer to go on with, if any."""
    client = session.get(Client, customer_id)
    if client is None:
        return onboarding.STEPS[0]  # signed up this moment
    progress = onboarding.progress_of(session, customer_id)
    return progress.current if onboarding.is_asked(client, progress, now) else None


@dataclass(frozen=True, slots=True)
class Progress:
    """How training goes: the movement trained most and its best estimated 1RM per day (kg, oldest first); workouts of
    this week, done and planned so far."""

    exercise_name: str | None
    best_kg: list[float]
    completed_this_week: int
    planned_this_week: int


def progress(session: Session, customer_id: UUID, now: datetime) -> Progress:
    """A client's last twelve weeks in a few numbers."""
    client = session.get(Client, customer_id)
    if client is None:
        return Progress(exercise_name=None, best_kg=[], completed_this_week=0, planned_this_week=0)
    since = clients.local_today(client, now) - timedelta(weeks=12)
    series = strength_series(session, client, since=since, exercises=1)
    week = weeks_of(session, client, now=now, weeks=1)[-1]
    return Progress(
        exercise_name=series[0].exercise_name if series else None,
        best_kg=[value for _, value in series[0].points] if series else [],
        completed_this_week=week.completed,
        planned_this_week=week.planned,
    )


@dataclass(frozen=True, slots=True)
class ClientCard:
    """A client in a list of many."""

    customer_id: UUID
    display_name: str
    coach_id: UUID | None
    time_zone: str


def _card(client: Client) -> ClientCard:
    return ClientCard(client.id, client.display_name, client.coach_id, client.time_zone)


def client_cards(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, ClientCard]:
    """Many clients in one query. Who is no client is not in the answer."""
    rows = session.scalars(select(Client).where(Client.id.in_(list(customer_ids))))
    return {row.id: _card(row) for row in rows}


def client_page(
    session: Session, *, coach_id: UUID | None, search: str, limit: int, cursor: str | None
) -> tuple[list[ClientCard], str | None]:
    """Clients by name, a page at a time: one coach's, or everybody's. The caller decides who may ask."""
    rows, following = clients.list_clients(session, coach_id=coach_id, search=search, limit=limit, cursor=cursor)
    return [_card(row.client) for row in rows], following


@dataclass(frozen=True, slots=True)
class InjuryFacts:
    """Something that hurts today: health data, to be shown only where the policy lets somebody see it."""

    injury_id: UUID
    body_part: str
    severity: int
    occurred_on: date


def open_injuries(session: Session, customer_ids: Iterable[UUID]) -> dict[UUID, list[InjuryFacts]]:
    """What hurts many clients today, in one query, the newest first. Whom nothing hurts is not in the answer."""
    rows = session.scalars(
        select(Injury)
        .where(Injury.customer_id.in_(list(customer_ids)), Injury.resolved_on.is_(None))
        .order_by(Injury.occurred_on.desc(), Injury.id)
    )
    found: dict[UUID, list[InjuryFacts]] = {}
    for row in rows:
        facts = InjuryFacts(row.id, row.body_part, row.severity, row.occurred_on)
        found.setdefault(row.customer_id, []).append(facts)
    return found


def log_workout(
    session: Session, principal: Principal, body: WorkoutCreate, *, now: datetime, language: str
) -> WorkoutRead:
    """Log a workout that was done, for oneself or for one's client. One without a title is called in that language."""
    client = access.reach_client(session, principal, body.customer_id, "training.log_workout", now=now)
    logged = workouts.log_workout(
        session, workout_id=body.id, client=client, log=body.log(), logged_by=account_id_of(principal), now=now
    )
    with speaking(language):
        return WorkoutRead.from_detail(logged.detail, logged.bests)


def who_withholds_nothing(session: Session, customer_ids: Iterable[UUID]) -> set[UUID]:
    """Customers who show their coach all that is entered here, in one query."""
    entered = set(access.DATA_KIND_OF.values())
    return {one for one, kinds in compliance.shown_kinds(session, customer_ids).items() if entered <= kinds}
