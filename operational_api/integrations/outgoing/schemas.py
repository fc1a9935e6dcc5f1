"""What crosses HTTP about webhooks that we send."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from operational_api.integrations.outgoing.service.replays import Progress

NO_NUL = r"^[^\x00]*$"
DeliveryState = Literal["waiting", "delivered", "failed"]


class EndpointWrite(BaseModel):
    """Where somebody listens, and to which kinds of events."""

    label: Annotated[str, Field(max_length=80, pattern=NO_NUL)] = ""
    url: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]
    kinds: Annotated[list[Annotated[str, Field(max_length=80, pattern=NO_NUL)]], Field(min_length=1, max_length=100)]


class EndpointRead(BaseModel):
    """An endpoint. `failing_since`: nothing was taken there since; `waiting` and `failed` count deliveries."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    label: str
    url: str
    kinds: list[str]
    state: Literal["active", "paused", "disabled"]
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime
    waiting: int = 0
    failed: int = 0


class KindRead(BaseModel):
    """A kind of event, in words, and what its `data` is today: a JSON schema, and the version that it is of."""

    kind: str
    label: str
    version: int
    data_schema: dict[str, Any]


class SecretRead(BaseModel):
    """What signs, shown this once. `whsec_` and base64, as Standard Webhooks has it."""

    secret: str


class DeliveryRead(BaseModel):
    """One event for one endpoint. `person_id`: whose order it keeps."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    endpoint_id: UUID
    event_id: UUID
    kind: str
    person_id: UUID
    occurred_at: datetime
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    last_problem: str | None
    done_at: datetime | None


class AttemptRead(BaseModel):
    """One try, and the beginning of what was answered."""

    model_config = ConfigDict(from_attributes=True)
    started_at: datetime
    status: int | None
    problem: str | None
    latency_ms: int
    response_head: str | None


class DeliveryDetail(DeliveryRead):
    """With the bytes that are sent, and every try, the newest first."""

    body: str
    tries: list[AttemptRead]


class ReplayCreate(BaseModel):
    """A span, at most 31 days."""

    from_at: AwareDatetime
    until_at: AwareDatetime


class ReplayRead(BaseModel):
    """How far a replay is: events found, delivered and given up; `is_read`: the whole span was looked through."""

    id: UUID
    from_at: datetime
    until_at: datetime
    asked_at: datetime
    is_read: bool
    found: int
    delivered: int
    failed: int

    @classmethod
    def of(cls, progress: Progress) -> "ReplayRead":
        """From how far it is."""
        row = progress.replay
        return cls(
            id=row.id, from_at=row.from_at, until_at=row.until_at, asked_at=row.asked_at,
            is_read=row.finished_at is not None, found=row.found, delivered=progress.delivered, failed=progress.failed,
        )  # fmt: skip
