"""Facts about connections to the world outside."""

from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class WearableConnected(Event):
    type: ClassVar[str] = "integrations.wearable_connected"
    aggregate: ClassVar[str] = "customer_id"
    link_id: UUID
    customer_id: UUID
    provider: str


class WearableDisconnected(Event):
    """`reason`: by_customer, access_revoked, deauthenticated or replaced."""

    type: ClassVar[str] = "integrations.wearable_disconnected"
    aggregate: ClassVar[str] = "customer_id"
    link_id: UUID
    customer_id: UUID
    provider: str
    reason: str
