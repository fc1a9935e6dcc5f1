"""Facts about plans, memberships, packs, payments and the providers' books. What billing of our own makes of them is
`billing`, what is kept for customers `wallets`. Amounts are minor units beside an ISO 4217 currency.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event

KEPT = ("wallet", "gift")
"""What stands in place of a provider where an invoice is paid out of a wallet: paid in beforehand, or given."""


class PlanUpdated(Event):
    """A plan has another price in a currency from `valid_from` on, which may be later than it was decided.

    Version 1 had no such moment: it spoke of prices that held when it occurred.
    """

    type: ClassVar[str] = "commerce.plan_updated"
    version: ClassVar[int] = 2
    aggregate: ClassVar[str] = "plan_id"
    plan_id: UUID
    code: str
    amount_minor: int
    currency: str
    valid_from: datetime


class PlanCreated(Event):
    """There is a plan that was not there before. `kind` is the word of `commerce.plans`; its prices are told apart."""

    type: ClassVar[str] = "commerce.plan_created"
    aggregate: ClassVar[str] = "plan_id"
    plan_id: UUID
    code: str
    name: str
    kind: str


class PlanTermsChanged(Event):
    """A plan says something else of itself from now on. `changed` names the columns of `commerce.plans`."""

    type: ClassVar[str] = "commerce.plan_terms_changed"
    aggregate: ClassVar[str] = "plan_id"
    plan_id: UUID
    code: str
    changed: list[str]


class PlanRetired(Event):
    """A plan is sold no more. Whoever has it keeps it."""

    type: ClassVar[str] = "commerce.plan_retired"
    aggregate: ClassVar[str] = "plan_id"
    plan_id: UUID
    code: str


class PlanRestored(Event):
    """A plan that was sold no more is sold again."""

    type: ClassVar[str] = "commerce.plan_restored"
    aggregate: ClassVar[str] = "plan_id"
    plan_id: UUID
    code: str


class PlanPriceWithdrawn(Event):
    """A price that would have begun at `valid_from` does not: the one before goes on."""

    type: ClassVar[str] = "commerce.plan_price_withdrawn"
    aggregate: ClassVar[str] = "plan_id"
    plan_id: UUID
    code: str
    currency: str
    valid_from: datetime


class SubscriptionStarted(Event):
    """A membership or its trial began. `amount_minor` is a period's price with tax, `mrr_minor` what it earns a month;
    events of before that was told have none."""

    type: ClassVar[str] = "commerce.subscription_started"
    aggregate: ClassVar[str] = "subscription_id"
    subscription_id: UUID
    customer_id: UUID
    plan_id: UUID
    amount_minor: int
    currency: str
    is_trial: bool = False
    mrr_minor: int | None = None


class SubscriptionChanged(Event):
    """Price, plan or state of a running subscription changed. `kind` is the word of `commerce.subscription_changes`,
    `plan_id` the plan from then on; events of before it was told have none."""

    type: ClassVar[str] = "commerce.subscription_changed"
    aggregate: ClassVar[str] = "subscription_id"
    subscription_id: UUID
    customer_id: UUID
    kind: str
    mrr_minor: int
    currency: str
    plan_id: UUID | None = None


class SubscriptionCancelled(Event):
    """The subscription will end, or has ended where `ends_now`. `reason` is the customer's, `payment_failed` or
    `payment_disputed`; whoever had cancelled before nobody paid left voluntarily. `owed_minor` is what is open of its
    invoices at that moment, tax included, in `currency`; events of before it was told have neither. `left_minor` is
    what was paid for days that are left where it ends before them, `days_left` what becomes of it: refund, to the card
    that paid, or credit, for whoever comes back."""

    type: ClassVar[str] = "commerce.subscription_cancelled"
    aggregate: ClassVar[str] = "subscription_id"
    subscription_id: UUID
    customer_id: UUID
    reason: str | None = None
    is_voluntary: bool = True
    ends_now: bool = False
    owed_minor: int | None = None
    currency: str | None = None
    left_minor: int = 0
    days_left: str | None = None


class PaymentCaptured(Event):
    """Money arrived at a provider, or (`KEPT`) a wallet paid, and none did. `provider_payment_id` and `fee_minor` are
    the provider's; events of before they were told have none. `payer_id` is whose it was where that is not the
    customer's."""

    type: ClassVar[str] = "commerce.payment_captured"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    invoice_id: UUID | None = None
    provider: str | None = None
    provider_payment_id: str | None = None
    fee_minor: int | None = None
    payer_id: UUID | None = None


class PaymentFailed(Event):
    """A card was not charged: that of `payer_id`, where another account pays for the customer."""

    type: ClassVar[str] = "commerce.payment_failed"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    failure_code: str | None = None
    payer_id: UUID | None = None


class PaymentRefunded(Event):
    """Money went back: to `payer_id`, where another account had paid for the customer. `provider`: as of the payment;
    events of before it was told have none."""

    type: ClassVar[str] = "commerce.payment_refunded"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    refund_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    payer_id: UUID | None = None
    provider: str | None = None


class DisputeOpened(Event):
    type: ClassVar[str] = "commerce.dispute_opened"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    dispute_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str


class DisputeClosed(Event):
    """The bank decided: `outcome` is won or lost. `reinstated_minor` came back, with the fee where that does too: less
    than `amount_minor` where it is won in part, 0 of a lost one. A lost dispute may be told as won later, when the bank
    thinks better of it, and a won one again when another part came back: with all that did."""

    type: ClassVar[str] = "commerce.dispute_closed"
    aggregate: ClassVar[str] = "payment_id"
    payment_id: UUID
    dispute_id: UUID
    customer_id: UUID
    outcome: str
    amount_minor: int
    reinstated_minor: int
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
    told by `PaymentRefunded`. `fee_booking_id`: whose late cancellation was paid by the line of an invoice that it is
    about."""

    type: ClassVar[str] = "commerce.refund_decided"
    aggregate: ClassVar[str] = "payment_id"
    request_id: UUID
    payment_id: UUID
    decision: str
    decided_by: UUID | None
    requested_by: UUID
    fee_booking_id: UUID | None = None


class DifferenceFound(Event):
    """A provider's books and ours differ about `subject`, an id of the provider's or of ours. Their amount is in
    `theirs_currency` where that is another than `currency`."""

    type: ClassVar[str] = "commerce.difference_found"
    aggregate: ClassVar[str] = "finding_id"
    finding_id: UUID
    provider: str
    kind: str
    subject: str
    currency: str | None = None
    ours_minor: int | None = None
    theirs_minor: int | None = None
    theirs_currency: str | None = None


class DifferenceResolved(Event):
    """`outcome` is booked, provider_corrected, accepted or no_fault."""

    type: ClassVar[str] = "commerce.difference_resolved"
    aggregate: ClassVar[str] = "finding_id"
    finding_id: UUID
    outcome: str
    resolved_by: UUID


class PackBought(Event):
    """Sessions were paid for once: a pack, or a single one. `amount_minor` is what was paid, with tax."""

    type: ClassVar[str] = "commerce.pack_bought"
    aggregate: ClassVar[str] = "pack_id"
    pack_id: UUID
    customer_id: UUID
    plan_id: UUID
    sessions: int
    amount_minor: int
    currency: str


class PackReduced(Event):
    """Money of a pack was given back: so many of its sessions in all cannot be used any more."""

    type: ClassVar[str] = "commerce.pack_reduced"
    aggregate: ClassVar[str] = "pack_id"
    pack_id: UUID
    customer_id: UUID
    sessions_refunded: int
