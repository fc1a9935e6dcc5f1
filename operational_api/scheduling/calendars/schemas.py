"""What crosses HTTP of calendars outside. Nothing that opens one is ever told."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class ConnectionRead(BaseModel):
    """A connected calendar. `state` refused: connect it again; leaving: our events are taken out of it, until
    `leaves_by` at the latest. `problem` says what is wrong, in words."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    provider: str
    label: str
    state: str
    is_read: bool = Field(description="Its busy times cannot be booked.")
    is_written: bool = Field(description="Bookings appear in it.")
    connected_at: datetime
    last_synced_at: datetime | None
    problem: str | None
    leaves_by: datetime | None


class FeedRead(BaseModel):
    """Whoever has the address can read the bookings behind it."""

    url: str
