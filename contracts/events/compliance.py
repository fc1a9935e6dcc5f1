"""Facts about what people allow."""

from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class ConsentChanged(Event):
    """A customer gave or withdrew consent to one kind of health data for one purpose."""

    type: ClassVar[str] = "compliance.consent_changed"
    aggregate: ClassVar[str] = "customer_id"
    consent_id: UUID
    customer_id: UUID
    data_kind: str
    purpose: str
    is_given: bool
    policy_version: str
