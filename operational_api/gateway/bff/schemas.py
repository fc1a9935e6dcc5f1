"""Shapes of first screens. A part that could not be had is null and named in `missing`."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from operational_api.scheduling.public import SessionFacts

Missing = Mapping[str, Literal["failed", "late"]]


class Screen(BaseModel):
    """What all first screens have. `is_partial`: something is left out, `missing` says which part and why."""

    model_config = ConfigDict(from_attributes=True)

    is_partial: bool
    missing: Missing


class PersonRead(BaseModel):
    """Who looks. `time_zone` is an IANA name."""

    model_config = ConfigDict(from_attributes=True)

    display_name: str
    time_zone: str


class ConsoleScreen(Screen):
    """What a console draws itself with: who looks, which of its pages open for them, and which of the app's pages for
    staff, words by path in the menu's order."""

    account_id: UUID
    screens: list[str]
    staff_pages: dict[str, str]
    person: PersonRead | None = None


class NextSession(BaseModel):
    """A booked session, times in UTC; `time_zone` is the studio's."""

    model_config = ConfigDict(from_attributes=True)

    booking_id: UUID
    title: str
    coach_name: str
    assistant_names: list[str]
    location_name: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime


class NextWorkout(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    workout_id: UUID
    title: str
    scheduled_on: date


class CurrentPlan(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    status: str
    sessions_included: int | None
    ends_at: datetime | None


class Membership(BaseModel):
    """What a customer trains on: a plan, prepaid sessions, both or neither."""

    model_config = ConfigDict(from_attributes=True)

    plan: CurrentPlan | None
    pack_sessions: int


class Progress(BaseModel):
    """The movement trained most, its best estimated 1RM per day (kg, oldest first), and this week's workouts."""

    model_config = ConfigDict(from_attributes=True)

    exercise_name: str | None
    best_kg: list[float]
    completed_this_week: int
    planned_this_week: int


class CustomerScreen(Screen):
    setting_up: str | None = Field(None, description="The step of setting up to go on with, at /welcome; null: none.")
    next_session: NextSession | None = None
    workout: NextWorkout | None = None
    is_on_hold: bool | None = Field(None, description="A health answer waits for the coach: no workout is shown.")
    membership: Membership | None = None
    unread: int | None = None
    coach: str | None = None
    progress: Progress | None = None


class CoachSession(BaseModel):
    """A session of the coach's next day, with whom."""

    booking_id: UUID
    customer_id: UUID
    customer_name: str
    title: str
    location_name: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    status: str
    outcome_at: datetime | None

    @classmethod
    def of(cls, facts: SessionFacts, customer_name: str) -> "CoachSession":
        """As scheduling tells it, with the name that training knows."""
        return cls(
            booking_id=facts.booking_id, customer_id=facts.customer_id, customer_name=customer_name, title=facts.title,
            location_name=facts.location_name, time_zone=facts.time_zone, starts_at=facts.starts_at,
            ends_at=facts.ends_at, status=facts.status, outcome_at=facts.outcome_at,
        )  # fmt: skip


class Suggestion(BaseModel):
    """Whom to write to, why now, and with which words. `refusal`: why it cannot be sent at this moment."""

    model_config = ConfigDict(from_attributes=True)

    run_id: UUID
    customer_id: UUID
    customer_name: str
    probability: float
    reasons: list[dict[str, Any]]
    why_now: str
    suggested_message: str
    refusal: str | None


class CoachScreen(ConsoleScreen):
    sessions: list[CoachSession] | None = None
    suggestions: list[Suggestion] | None = None
    unread: int | None = None
    clients: int | None = None


class Age(BaseModel):
    """How old the data behind a figure is. `state`: fresh, late or stale; `because`: the source that is the oldest."""

    state: str = "unknown"
    age_seconds: float | None = None
    data_as_of: str | None = None
    snapshot_id: int | None = None
    because: str = ""


class Point(BaseModel):
    """A figure of one period; of money one for each currency, in minor units."""

    at: str
    value: float | None
    currency: str | None = None


class Figure(BaseModel):
    """A metric by month with what is needed to trust it, as the analytics service tells it."""

    label: str
    definition: str
    unit: str
    relation: str
    sql: str
    exclusions: str = ""
    owner: str = ""
    better: str = "neither"
    freshness: Age
    points: list[Point]


class Connector(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    label: str
    health: str
    problem: str | None


class AdminScreen(ConsoleScreen):
    """`figures`: by metric; one that could not be had is named in `missing`. `currencies`: the ones we earn in, the one
    with most members first."""

    figures: dict[str, Figure] = {}
    currencies: list[str] | None = None
    freshness: str | None = None
    connectors: list[Connector] | None = None
    requests_waiting: int | None = None
