"""What every event carries, whatever it says. The facts themselves live in modules by context."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.ids import new_id


class Event(BaseModel):
    """A fact that happened. Subclasses set `type`, `version` and `aggregate`, and add their own fields.

    Attributes:
        type: `context.noun_past_verb`, stable for ever.
        version: Raised when a field changes its meaning.
        aggregate: Name of the field that holds the id of the aggregate; events of one aggregate keep their order.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: ClassVar[str]
    version: ClassVar[int] = 1
    aggregate: ClassVar[str]

    event_id: UUID = Field(default_factory=new_id)
    occurred_at: datetime

    @property
    def aggregate_id(self) -> UUID:
        """Id of the aggregate that this fact is about."""
        value: UUID = getattr(self, self.aggregate)
        return value

    def facts(self) -> dict[str, Any]:
        """The event's own fields as JSON-ready values, without the envelope."""
        return self.model_dump(mode="json", exclude={"event_id", "occurred_at"})
