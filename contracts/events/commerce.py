"""Facts about plans, subscriptions and money. Amounts are minor units beside an ISO 4217 currency."""

from datetime import date, datetime
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
    told by `PaymentRefunded`."""

    type: ClassVar[str] = "commerce.refund_decided"
    aggregate: ClassVar[str] = "payment_id"
    request_id: UUID
    payment_id: UUID
    decision: str
    decided_by: UUID | None
    requested_by: UUID


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


class InvoiceIssued(Event):
    """One of our own invoices was made. `payer_id` is who else pays it, `subscription_id` the membership it is of."""

    type: ClassVar[str] = "commerce.invoice_issued"
    aggregate: ClassVar[str] = "invoice_id"
    invoice_id: UUID
    customer_id: UUID
    subscription_id: UUID | None = None
    payer_id: UUID | None = None
    number: str
    total_minor: int
    tax_minor: int
    currency: str


class CreditNoteIssued(Event):
    """`settlement` is refund (money went back) or open (the invoice asks for so much less)."""

    type: ClassVar[str] = "commerce.credit_note_issued"
    aggregate: ClassVar[str] = "invoice_id"
    credit_note_id: UUID
    invoice_id: UUID
    customer_id: UUID
    number: str
    amount_minor: int
    tax_minor: int
    currency: str
    settlement: str


class CollectionScheduled(Event):
    """An attempt to collect failed. `waits_for_card`: no card is tried by itself any more; where its payer does nothing
    by `next_attempt_at`, the membership ends if it still runs."""

    type: ClassVar[str] = "commerce.collection_scheduled"
    aggregate: ClassVar[str] = "invoice_id"
    invoice_id: UUID
    customer_id: UUID
    attempts: int
    next_attempt_at: datetime
    failure_code: str | None = None
    waits_for_card: bool = False


class CollectionEnded(Event):
    """`outcome` is paid, given_up, or credited: nothing of the invoice is owed after all. Before that was told, an
    invoice that was credited in full had no such event, and one of a change of plan that was not paid was given_up."""

    type: ClassVar[str] = "commerce.collection_ended"
    aggregate: ClassVar[str] = "invoice_id"
    invoice_id: UUID
    customer_id: UUID
    attempts: int
    outcome: str


class PlanChangeRequested(Event):
    """A change of plan was invoiced and holds once that is paid. `mode` is invoice or reset."""

    type: ClassVar[str] = "commerce.plan_change_requested"
    aggregate: ClassVar[str] = "subscription_id"
    change_id: UUID
    subscription_id: UUID
    customer_id: UUID
    plan_id: UUID
    mode: str
    invoice_id: UUID
    total_minor: int
    currency: str


class PlanChangeDecided(Event):
    """`outcome` is held (it was paid) or failed (the plan stays what it was, and nothing is owed)."""

    type: ClassVar[str] = "commerce.plan_change_decided"
    aggregate: ClassVar[str] = "subscription_id"
    change_id: UUID
    subscription_id: UUID
    customer_id: UUID
    outcome: str
    failure_code: str | None = None


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


class CouponCreated(Event):
    type: ClassVar[str] = "commerce.coupon_created"
    aggregate: ClassVar[str] = "coupon_id"
    coupon_id: UUID
    code: str


class CouponRetired(Event):
    """A code is taken no more. Whoever used it keeps what it takes off."""

    type: ClassVar[str] = "commerce.coupon_retired"
    aggregate: ClassVar[str] = "coupon_id"
    coupon_id: UUID
    code: str


class CouponRestored(Event):
    """A code that was taken no more is taken again."""

    type: ClassVar[str] = "commerce.coupon_restored"
    aggregate: ClassVar[str] = "coupon_id"
    coupon_id: UUID
    code: str


class CouponRedeemed(Event):
    type: ClassVar[str] = "commerce.coupon_redeemed"
    aggregate: ClassVar[str] = "subscription_id"
    coupon_id: UUID
    subscription_id: UUID
    customer_id: UUID


class PayerChanged(Event):
    """Who pays for a customer from now on; None: they do. `former_payer_id` is who else did until then; events of
    before it was told have none. What was caused until then is theirs, and so is what they had paid and is not used."""

    type: ClassVar[str] = "commerce.payer_changed"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    payer_id: UUID | None
    former_payer_id: UUID | None = None


class PayerLeft(Event):
    """Who paid for a customer closed their account. `open_minor` of their invoices is not paid: the customer may pay it
    until `open_until`. Where the customer pays from now on, `renews_at` is when `renews_minor` is charged next."""

    type: ClassVar[str] = "commerce.payer_left"
    aggregate: ClassVar[str] = "customer_id"
    customer_id: UUID
    payer_id: UUID
    currency: str
    open_minor: int
    open_until: datetime | None = None
    renews_at: datetime | None = None
    renews_minor: int = 0


class MembershipRenewsSoon(Event):
    """A year of a membership that we bill ends in `days` days or less and is followed by another, which `payer_id` pays
    where that is not the customer. `amount_minor` is its price with tax, before what a coupon takes off."""

    type: ClassVar[str] = "commerce.membership_renews_soon"
    aggregate: ClassVar[str] = "subscription_id"
    subscription_id: UUID
    customer_id: UUID
    renews_at: datetime
    days: int
    amount_minor: int
    currency: str
    payer_id: UUID | None = None


class InvoiceParked(Event):
    """What waits of a customer would make an absurd invoice: none is made until somebody says. `reason`: too_large,
    negative, too_many_lines, charged_twice."""

    type: ClassVar[str] = "commerce.invoice_parked"
    aggregate: ClassVar[str] = "parked_id"
    parked_id: UUID
    customer_id: UUID
    reason: str
    total_minor: int
    currency: str
    payer_id: UUID | None = None


class ParkedInvoiceDecided(Event):
    """`outcome` is approved (`invoice_id` was issued) or voided (its charges are not owed)."""

    type: ClassVar[str] = "commerce.parked_invoice_decided"
    aggregate: ClassVar[str] = "parked_id"
    parked_id: UUID
    customer_id: UUID
    outcome: str
    decided_by: UUID
    invoice_id: UUID | None = None


class BillingItemSettled(Event):
    """A charge or a credit (below 0) that waited will be on no invoice. `settled_as`: paid_outside, written_off,
    waived, voided, too_small; None where that was taken back and it waits again."""

    type: ClassVar[str] = "commerce.billing_item_settled"
    aggregate: ClassVar[str] = "item_id"
    item_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    settled_as: str | None
    payer_id: UUID | None = None


class SessionDelivered(Event):
    """A session counts for its coach. `revenue_minor` is its part of a pack's price, without tax."""

    type: ClassVar[str] = "commerce.session_delivered"
    aggregate: ClassVar[str] = "booking_id"
    booking_id: UUID
    coach_id: UUID
    customer_id: UUID
    revenue_minor: int
    currency: str


class CommissionRateSet(Event):
    type: ClassVar[str] = "commerce.commission_rate_set"
    aggregate: ClassVar[str] = "coach_id"
    coach_id: UUID
    currency: str
    per_session_minor: int
    pack_share_bp: int
    valid_from: date


class CommissionCorrected(Event):
    """What a held session counts for its coach changed by `revenue_minor`, because of a refund or a dispute."""

    type: ClassVar[str] = "commerce.commission_corrected"
    aggregate: ClassVar[str] = "booking_id"
    booking_id: UUID
    coach_id: UUID
    source_type: str
    source_id: UUID
    revenue_minor: int
    currency: str


class PayPeriodClosed(Event):
    """A statement was made. `corrected_minor` is what earlier sessions' corrections changed; `total_minor` has it in
    it."""

    type: ClassVar[str] = "commerce.pay_period_closed"
    aggregate: ClassVar[str] = "statement_id"
    statement_id: UUID
    coach_id: UUID
    first_on: date
    last_on: date
    sessions: int
    total_minor: int
    currency: str
    corrected_minor: int = 0


class WalletToppedUp(Event):
    """A customer paid money into their wallet; `credit_id` is the part of it that this is."""

    type: ClassVar[str] = "commerce.wallet_topped_up"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    invoice_id: UUID
    amount_minor: int
    currency: str


class WalletCreditGiven(Event):
    """The studio gave a customer something to spend, until `expires_at` where that is said."""

    type: ClassVar[str] = "commerce.wallet_credit_given"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    given_by: UUID | None
    amount_minor: int
    currency: str
    expires_at: datetime | None = None


class WalletSpent(Event):
    """A wallet paid so much of an invoice, `gift_minor` of it out of gifts. The invoice may be of somebody else, for
    whom its owner pays; `payment_captured` tells it once more as payments of that invoice."""

    type: ClassVar[str] = "commerce.wallet_spent"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    customer_id: UUID
    invoice_id: UUID
    amount_minor: int
    gift_minor: int
    currency: str


class WalletCreditExpired(Event):
    """What was left of a gift can be used no more."""

    type: ClassVar[str] = "commerce.wallet_credit_expired"
    aggregate: ClassVar[str] = "wallet_id"
    wallet_id: UUID
    credit_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
