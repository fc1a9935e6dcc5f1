"""Facts about plans, subscriptions and money. Amounts are minor units beside an ISO 4217 currency."""

from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


class PlanUpdated(Event):
    """A plan was created or its price, name or availability changed."""

    type: ClassVar[str] = "commerce.plan_updated"
    aggregate: ClassVar[str] = "plan_id"
    plan_id: UUID
    code: str
    amount_minor: int
    currency: str


class SubscriptionStarted(Event):
    type: ClassVar[str] = "commerce.subscription_started"
    aggregate: ClassVar[str] = "subscription_id"
    subscription_id: UUID
    customer_id: UUID
    plan_id: UUID
    amount_minor: int
    currency: str
    is_trial: bool = False


class SubscriptionChanged(Event):
    """Price, plan or state of a running subscription changed. `kind` is the word of `commerce.subscription_changes`."""

    type: ClassVar[str] = "commerce.subscription_changed"
    aggregate: ClassVar[str] = "subscription_id"
    subscription_id: UUID
    customer_id: UUID
    kind: str
    mrr_minor: int
    currency: str


class SubscriptionCancelled(Event):
    """The subscription will end, or has ended where `ends_now`. `reason` is the customer's or `payment_failed`."""

    type: ClassVar[str] = "commerce.subscription_cancelled"
    aggregate: ClassVar[str] = "subscription_id"
    subscription_id: UUID
    customer_id: UUID
    reason: str | None = None
    is_voluntary: bool = True
    ends_now: bool = False


class PaymentCaptured(Event):
    type: ClassVar[str] = "commerce.payment_captured"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str


class PaymentFailed(Event):
    type: ClassVar[str] = "commerce.payment_failed"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    failure_code: str | None = None


class PaymentRefunded(Event):
    type: ClassVar[str] = "commerce.payment_refunded"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    refund_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str


class DisputeOpened(Event):
    type: ClassVar[str] = "commerce.dispute_opened"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    dispute_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str


class RefundRequested(Event):
    type: ClassVar[str] = "commerce.refund_requested"
    aggregate: ClassVar[str] = "payment_id"
    request_id: UUID
    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    requested_by: UUID


class RefundDecided(Event):
    """`decision` is approved, declined, withdrawn or expired (then by nobody); the money that an approval gave back is
    told by `PaymentRefunded`."""

    type: ClassVar[str] = "commerce.refund_decided"
    aggregate: ClassVar[str] = "payment_id"
    request_id: UUID
    payment_id: UUID
    decision: str
    decided_by: UUID | None
    requested_by: UUID


class DifferenceFound(Event):
    """A provider's books and ours differ about `subject`, an id of the provider's or of ours."""

    type: ClassVar[str] = "commerce.difference_found"
    aggregate: ClassVar[str] = "finding_id"
    finding_id: UUID
    provider: str
    kind: str
    subject: str
    currency: str | None = None
    ours_minor: int | None = None
    theirs_minor: int | None = None


class DifferenceResolved(Event):
    """`outcome` is booked, provider_corrected, accepted or no_fault."""

    type: ClassVar[str] = "commerce.difference_resolved"
    aggregate: ClassVar[str] = "finding_id"
    finding_id: UUID
    outcome: str
    resolved_by: UUID
