"""What may be done by the graph: each mutation takes a key of the caller's, and tells what it did or the problem."""

import uuid
from datetime import date, datetime, time
from typing import Annotated, Any

import strawberry
from strawberry import Info

from operational_api.compliance import public as compliance
from operational_api.engagement import public as engagement
from operational_api.gateway.graphql.commands import Done, Problem, act
from operational_api.gateway.graphql.loaders import Context
from operational_api.identity import public as identity
from operational_api.scheduling import public as scheduling
from operational_api.training import public as training
from operational_api.web.language import language_for

Asked = Info[Context, None]
Key = Annotated[
    str, strawberry.argument(description="Made by you, 1 to 255 characters: sent again with it, it is done once.")
]


@strawberry.type(description="A seat held, or once held. Times are UTC; timeZone is the reader's.")
class Booking:
    id: uuid.UUID
    slot_id: uuid.UUID
    customer_id: uuid.UUID
    title: str
    coach_name: str
    assistant_names: list[str]
    location_name: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    status: str
    free_until: datetime
    is_free_to_cancel: bool


@strawberry.type(description="A workout that was done. Weights in kg.")
class Workout:
    id: uuid.UUID
    customer_id: uuid.UUID
    title: str
    scheduled_on: date
    status: str
    set_count: int
    volume_kg: float


@strawberry.type
class Message:
    id: uuid.UUID
    customer_id: uuid.UUID
    sender_id: uuid.UUID
    body: str
    sent_at: datetime


@strawberry.type(description="Of whoever asks.")
class Profile:
    id: uuid.UUID
    display_name: str
    time_zone: str


@strawberry.type(description="When messages of a purpose come: at_once, or as one list, daily or weekly, at an hour.")
class Digest:
    purpose: str
    pace: str
    hour: int


@strawberry.type(description="What a customer allows. Quiet hours and those of lists are in their local time.")
class Preferences:
    allows_nudges: bool
    allows_marketing: bool
    quiet_from: time | None
    quiet_until: time | None
    digests: list[Digest]


@strawberry.type(description="How one choice about health data stands.")
class Consent:
    data_kind: str
    purpose: str
    is_given: bool
    decided_at: datetime | None


@strawberry.type
class BookingPayload:
    booking: Booking | None
    problem: Problem | None
    is_replay: bool


@strawberry.type
class WorkoutPayload:
    workout: Workout | None
    problem: Problem | None
    is_replay: bool


@strawberry.type
class MessagePayload:
    message: Message | None
    problem: Problem | None
    is_replay: bool


@strawberry.type(description="`read`: how many messages were unread until now.")
class ReadPayload:
    read: int | None
    problem: Problem | None
    is_replay: bool


@strawberry.type
class ProfilePayload:
    profile: Profile | None
    problem: Problem | None
    is_replay: bool


@strawberry.type
class PreferencesPayload:
    preferences: Preferences | None
    problem: Problem | None
    is_replay: bool


@strawberry.type(description="`consents`: every choice there is, as it stands now.")
class ConsentsPayload:
    consents: list[Consent] | None
    problem: Problem | None
    is_replay: bool


@strawberry.input(description="One set, in the order done. rpe 10 means no repetition left.")
class SetInput:
    exercise_id: int
    reps: int | None = None
    weight_kg: float | None = None
    rpe: float | None = None
    rir: int | None = None
    superset: str | None = None
    note: str | None = None
    assistance_kg: float | None = None
    distance_m: float | None = None
    duration_seconds: int | None = None


@strawberry.input(description="id: of the planned workout, or a new UUID. customerId: a client's, for their coach.")
class WorkoutInput:
    id: uuid.UUID
    sets: list[SetInput]
    customer_id: uuid.UUID | None = None
    title: str | None = None
    completed_at: datetime | None = None
    duration_minutes: int | None = None
    session_rpe: float | None = None
    note: str | None = None
    booking_id: uuid.UUID | None = None


@strawberry.input(description="Of coaching or marketing.")
class DigestInput:
    purpose: str
    pace: str = "at_once"
    hour: int = 8


@strawberry.input(description="Without quiet hours: always reachable. Of lists that are not named nothing is said.")
class PreferencesInput:
    allows_nudges: bool = True
    allows_marketing: bool = False
    quiet_from: time | None = None
    quiet_until: time | None = None
    digests: list[DigestInput] | None = None


@strawberry.input
class ConsentInput:
    data_kind: str
    purpose: str
    is_given: bool


def _plain(given: object) -> Any:
    """Arguments as the HTTP API gets them: JSON-ready, so that its own shapes check them."""
    if isinstance(given, list):
        return [_plain(one) for one in given]
    if isinstance(given, uuid.UUID | datetime | time):
        return str(given) if isinstance(given, uuid.UUID) else given.isoformat()
    return given if not hasattr(given, "__strawberry_definition__") else _plain_input(given)


def _plain_input(given: object) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(given).items()}


def _shown(kind: type[Any], read: object | None) -> Any:
    """The graph's own type out of what the context tells, field by field."""
    names = kind.__annotations__
    return kind(**{name: getattr(read, name) for name in names}) if read is not None else None


def _ends(done: Done[Any]) -> dict[str, Any]:
    return {"problem": done.problem, "is_replay": done.is_replay}


@strawberry.type
class Mutation:
    @strawberry.field(description="Book a seat for yourself.")
    def book_session(self, info: Asked, slot_id: uuid.UUID, idempotency_key: Key) -> BookingPayload | None:
        now = info.context.now
        done = act(
            info.context, "bookSession", key=idempotency_key, asked={"slot_id": str(slot_id)},
            told=scheduling.BookingRead,
            do=lambda session, principal: scheduling.book(session, principal, slot_id=slot_id, now=now),
        )  # fmt: skip
        return BookingPayload(booking=_shown(Booking, done.read), **_ends(done))

    @strawberry.field(description="Cancel a booking; the credit comes back as the terms say.")
    def cancel_booking(self, info: Asked, booking_id: uuid.UUID, idempotency_key: Key) -> BookingPayload | None:
        now = info.context.now
        done = act(
            info.context, "cancelBooking", key=idempotency_key, asked={"booking_id": str(booking_id)},
            told=scheduling.BookingRead,
            do=lambda session, principal: scheduling.cancel_booking(session, principal, booking_id=booking_id, now=now),
        )  # fmt: skip
        return BookingPayload(booking=_shown(Booking, done.read), **_ends(done))

    @strawberry.field(description="Log a workout that was done.")
    def log_workout(self, info: Asked, workout: WorkoutInput, idempotency_key: Key) -> WorkoutPayload | None:
        now, asked = info.context.now, _plain(workout)
        done = act(
            info.context, "logWorkout", key=idempotency_key, asked=asked, told=training.WorkoutRead,
            do=lambda session, principal: training.log_workout(
                session, principal, training.WorkoutCreate.model_validate(asked), now=now,
                language=language_for(info.context.request, principal),
            ),
        )  # fmt: skip
        return WorkoutPayload(workout=_shown(Workout, done.read), **_ends(done))

    @strawberry.field(description="Write to the other side of a conversation: the customer's whose it is.")
    def send_message(
        self, info: Asked, customer_id: uuid.UUID, body: str, idempotency_key: Key
    ) -> MessagePayload | None:
        now = info.context.now
        done = act(
            info.context, "sendMessage", key=idempotency_key, asked={"customer_id": str(customer_id), "body": body},
            told=engagement.MessageRead,
            do=lambda session, principal: engagement.write_message(
                session, principal, customer_id=customer_id,
                body=engagement.MessageCreate.model_validate({"body": body}).body, now=now,
            ),
        )  # fmt: skip
        return MessagePayload(message=_shown(Message, done.read), **_ends(done))

    @strawberry.field(description="Everything in a conversation that was sent to you is read.")
    def mark_thread_read(self, info: Asked, customer_id: uuid.UUID, idempotency_key: Key) -> ReadPayload | None:
        now = info.context.now
        done = act(
            info.context, "markThreadRead", key=idempotency_key, asked={"customer_id": str(customer_id)},
            told=engagement.ReadReceipt,
            do=lambda session, principal: engagement.mark_thread_read(
                session, principal, customer_id=customer_id, now=now
            ),
        )  # fmt: skip
        return ReadPayload(read=done.read.read if done.read else None, **_ends(done))

    @strawberry.field(description="Change your name and the zone in which times are shown.")
    def update_profile(
        self, info: Asked, display_name: str, time_zone: str, idempotency_key: Key
    ) -> ProfilePayload | None:
        asked = {"display_name": display_name, "time_zone": time_zone}
        done = act(
            info.context, "updateProfile", key=idempotency_key, asked=asked, told=identity.AccountRead,
            do=lambda session, principal: identity.update_profile(
                session, principal, identity.ProfileUpdate.model_validate(asked)
            ),
        )  # fmt: skip
        return ProfilePayload(profile=_shown(Profile, done.read), **_ends(done))

    @strawberry.field(description="Change whether and when messages may come.")
    def set_preferences(
        self, info: Asked, preferences: PreferencesInput, idempotency_key: Key
    ) -> PreferencesPayload | None:
        now, asked = info.context.now, _plain(preferences)
        done = act(
            info.context, "setPreferences", key=idempotency_key, asked=asked, told=engagement.PreferencesRead,
            do=lambda session, principal: engagement.set_preferences(
                session, principal, engagement.PreferencesWrite.model_validate(asked), now=now
            ),
        )  # fmt: skip
        return PreferencesPayload(preferences=_shown(Preferences, done.read), **_ends(done))

    @strawberry.field(description="Give or withdraw consent. Choices that are not named stay as they are.")
    def decide_consents(
        self, info: Asked, decisions: list[ConsentInput], idempotency_key: Key
    ) -> ConsentsPayload | None:
        now, asked = info.context.now, {"decisions": _plain(decisions)}
        done = act(
            info.context, "decideConsents", key=idempotency_key, asked=asked, told=compliance.ConsentsRead,
            do=lambda session, principal: compliance.decide_consents(
                session, principal, compliance.ConsentsWrite.model_validate(asked), now=now
            ),
        )  # fmt: skip
        rows = [_shown(Consent, one) for one in done.read.consents] if done.read else None
        return ConsentsPayload(consents=rows, **_ends(done))
