"""What crosses HTTP."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from operational_api.integrations.models import Connector
from operational_api.integrations.service.connectors import Kind
from operational_api.integrations.service.runs import Condition, Health

NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
State = Literal["off", "connected", "paused", "revoked"]


class StreamReport(BaseModel):
    """How one stream of a pull went. `cursor`: where it goes on; `problem`: why it ended early.

    `quarantined`: rows that the data platform refused and put aside.
    """

    stream: Annotated[str, Field(max_length=60, pattern=NO_NUL)]
    rows: Annotated[int, Field(ge=0, le=2**53)]
    cursor: Text | None = None
    problem: Text | None = None
    quarantined: Annotated[int, Field(ge=0, le=2**53)] = 0


class StreamRead(StreamReport):
    at: datetime


class RunCreate(BaseModel):
    """A pull that ended, reported by the data platform under an id of its own."""

    id: UUID
    kind: Literal["pull", "resync", "backfill"] = "pull"
    started_at: AwareDatetime
    finished_at: AwareDatetime
    streams: Annotated[list[StreamReport], Field(max_length=100)]


class RunRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    connector: str
    kind: str
    started_at: datetime
    finished_at: datetime
    has_succeeded: bool
    streams: list[StreamReport]


class RunReceipt(BaseModel):
    """False: this run was reported before."""

    is_new: bool


class OrdersRead(BaseModel):
    """What to do about a connector now. `reason`: why it is not to be pulled."""

    model_config = ConfigDict(from_attributes=True)
    pull: bool
    resync_asked_at: datetime | None
    reason: str | None


class ProbeRead(BaseModel):
    """What a test found; null: the source lets us in."""

    problem: str | None


class ConnectorRead(BaseModel):
    """A connector: what it is, what was decided about it, how it fares."""

    name: str
    label: str
    what: str
    every_minutes: int
    missing_settings: list[str]
    state: State
    health: Health
    problem: str | None
    is_resync_due: bool
    connected_at: datetime | None
    tested_at: datetime | None
    test_problem: str | None
    last_run_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    streams: list[StreamRead]

    @classmethod
    def of(
        cls,
        kind: Kind,
        row: Connector | None,
        condition: Condition | None,
        missing: Sequence[str],
        others: Sequence[Mapping[str, Any]] = (),
    ) -> "ConnectorRead":
        """From what there is; a connector that nobody ever connected has neither row nor condition.

        Args:
            others: Streams that are not pulled by the data platform.
        """
        return cls.model_validate(
            {
                "name": kind.name,
                "label": kind.label,
                "what": kind.what,
                "every_minutes": int(kind.every.total_seconds() // 60),
                "missing_settings": list(missing),
                "state": row.state if row else "off",
                "health": condition.health if condition else "off",
                "problem": condition and condition.problem,
                "is_resync_due": row is not None and row.resync_asked_at is not None,
                "connected_at": row and row.connected_at,
                "tested_at": row and row.tested_at,
                "test_problem": row and row.test_problem,
                "last_run_at": condition and condition.last_run_at,
                "last_success_at": condition and condition.last_success_at,
                "failing_since": condition and condition.failing_since,
                "streams": [*(condition.streams if condition else []), *others],
            }
        )


class LinkRead(BaseModel):
    """A device of the customer's. `state`: active, degraded (sign in at the maker again) or ended."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    source: str
    provider: str
    state: str
    ended_reason: str | None
    connected_at: datetime
    last_payload_at: datetime | None


class WidgetRead(BaseModel):
    """Where to send the customer to pick a device and sign in at its maker."""

    url: str


class AliveLink(BaseModel):
    """A link that is alive, for the data platform: whose it is and which kinds of data may be kept."""

    link_id: UUID
    customer_id: UUID
    external_user_id: str
    provider: str
    data_kinds: list[str]


class LinkCreate(BaseModel):
    """An account at a maker that sends to us directly, and whose it is."""

    source: Literal["fitbit", "garmin"]
    external_user_id: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    customer_id: UUID
    scopes: Text = ""


class PayloadCreate(BaseModel):
    """What a maker sent, as it came. `ordering_at`: of two that speak of the same, the later one counts."""

    source: Literal["fitbit", "garmin"]
    kind: Annotated[str, Field(min_length=1, max_length=40, pattern=NO_NUL)]
    external_user_id: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    document: dict[str, Any]
    ordering_at: AwareDatetime | None = None


class PayloadReceipt(BaseModel):
    """What became of a payload. `refusal`: why its body was not kept."""

    model_config = ConfigDict(from_attributes=True)
    is_new: bool
    refusal: str | None


class FileRead(BaseModel):
    """What became of an uploaded file. `is_new` is false where the same file was there already."""

    is_new: bool
    kind: str


class WebhookRead(BaseModel):
    """False: this delivery came before."""

    is_new: bool


class ChangesRead(BaseModel):
    """How many people of ours are to be looked at again because of a webhook."""

    marked: int
