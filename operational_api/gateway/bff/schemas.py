"""Shapes of first screens. A part that could not be had is null and named in `missing`."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from operational_api.scheduling.public import SessionFacts

Missing = Mapping[str, Literal["failed", "late"]]


class Screen(BaseModel):
    """What all first screens have. `is_partial`: something is left out, `missing` says which part and why."""

    model_config = ConfigDict(from_attributes=True)

    is_partial: bool
    missing: Missing


class NextSession(BaseModel):
    """A booked session, times in UTC; `time_zone` is the studio's."""

    model_config = ConfigDict(from_attributes=True)

    booking_id: UUID
    title: str
    coach_name: str
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
    next_session: NextSession | None = None
    workout: NextWorkout | None = None
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

    @classmethod
    def of(cls, facts: SessionFacts, customer_name: str) -> "CoachSession":
        """As scheduling tells it, with the name that training knows."""
        return cls(
            booking_id=facts.booking_id, customer_id=facts.customer_id, customer_name=customer_name, title=facts.title,
            location_name=facts.location_name, time_zone=facts.time_zone, starts_at=facts.starts_at,
            ends_at=facts.ends_at,
        )  # fmt: skip


class Suggestion(BaseModel):
    """Whom to write to, why now, and with which words. `refusal`: why it cannot be sent at this moment."""

    model_config = ConfigDict(from_attributes=True)

    run_id: UUID
    customer_id: UUID
    customer_name: str
    probability: float
    why_now: str
    suggested_message: str
    refusal: str | None


class CoachScreen(Screen):
    sessions: list[CoachSession] | None = None
    suggestions: list[Suggestion] | None = None
    unread: int | None = None
    clients: int | None = None


class Latest(BaseModel):
    """The newest point of a figure and the one before it; of money one for each currency, in minor units."""

    at: str
    value: float | None
    previous: float | None
    currency: str | None


class Figure(BaseModel):
    """A metric's newest points, with its label and how fresh it is."""

    label: str
    unit: str
    freshness: str
    latest: list[Latest]

    @classmethod
    def of(cls, found: dict[str, Any]) -> "Figure":
        """Out of the analytics service's answer."""
        return cls(
            label=found["label"], unit=found["unit"], freshness=found["freshness"]["state"],
            latest=list(_latest(found["points"])),
        )  # fmt: skip


def _latest(points: Iterable[dict[str, Any]]) -> Iterable[Latest]:
    series: dict[str | None, list[dict[str, Any]]] = {}
    for point in points:
        series.setdefault(point.get("currency"), []).append(point)
    for currency, rows in sorted(series.items(), key=lambda one: one[0] or ""):
        newest = sorted(rows, key=lambda point: str(point["at"]))[-2:]
        previous = newest[0]["value"] if len(newest) == 2 else None
        yield Latest(at=str(newest[-1]["at"])[:10], value=newest[-1]["value"], previous=previous, currency=currency)


class Connector(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    label: str
    health: str
    problem: str | None


class AdminScreen(Screen):
    mrr: Figure | None = None
    active_members: Figure | None = None
    net_member_movement: Figure | None = None
    payments_captured: Figure | None = None
    freshness: str | None = None
    connectors: list[Connector] | None = None
    requests_waiting: int | None = None
