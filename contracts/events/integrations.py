"""Facts about connections to the world outside."""

from datetime import datetime
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


class _WebhookEndpointEvent(Event):
    aggregate: ClassVar[str] = "endpoint_id"
    endpoint_id: UUID


class WebhookEndpointChanged(_WebhookEndpointEvent):
    """`change` is created, edited, paused, resumed, secret_rotated or removed."""

    type: ClassVar[str] = "integrations.webhook_endpoint_changed"
    change: str
    changed_by: UUID


class WebhookEndpointDisabled(_WebhookEndpointEvent):
    """Nothing is sent there any more until an admin resumes it. `reason` is failing (for days) or gone (it said so)."""

    type: ClassVar[str] = "integrations.webhook_endpoint_disabled"
    reason: str
    failing_since: datetime


class WebhookGivenUp(Event):
    """Something was not delivered although it was tried for days; those behind it go on."""

    type: ClassVar[str] = "integrations.webhook_given_up"
    aggregate: ClassVar[str] = "endpoint_id"
    endpoint_id: UUID
    delivery_id: UUID
    kind: str


class WebhookReplayAsked(Event):
    """An admin has what happened in a span sent once more."""

    type: ClassVar[str] = "integrations.webhook_replay_asked"
    aggregate: ClassVar[str] = "endpoint_id"
    endpoint_id: UUID
    replay_id: UUID
    from_at: datetime
    until_at: datetime
    asked_by: UUID


class CrmContactLinked(Event):
    """A person of ours is a contact there. `person_id` is a lead's id, or a customer's once they have an account."""

    type: ClassVar[str] = "integrations.crm_contact_linked"
    aggregate: ClassVar[str] = "person_id"
    person_id: UUID
    provider: str
    contact_id: str


class CrmContactForgotten(Event):
    """A person's contact was archived there, because they left us."""

    type: ClassVar[str] = "integrations.crm_contact_forgotten"
    aggregate: ClassVar[str] = "person_id"
    person_id: UUID
    provider: str
