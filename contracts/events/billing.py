"""Facts about what we bill ourselves: invoices and their collection, changes of plan, coupons, who pays for whom, what
waits for a person, and what coaches earn. Their types are commerce's; payments are `commerce`.
"""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from contracts.events.envelope import Event


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
    """`outcome` is held (it was paid) or failed (the plan stays what it was, and nothing is owed): not paid, or
    paid once its membership had ended, and then given back (`failure_code` is membership_ended)."""

    type: ClassVar[str] = "commerce.plan_change_decided"
    aggregate: ClassVar[str] = "subscription_id"
    change_id: UUID
    subscription_id: UUID
    customer_id: UUID
    outcome: str
    failure_code: str | None = None


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
    per_class_minor: int = 0


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


class CommissionPaid(Event):
    """A coach was paid so much of a statement on a day."""

    type: ClassVar[str] = "commerce.commission_paid"
    aggregate: ClassVar[str] = "payout_id"
    payout_id: UUID
    statement_id: UUID
    coach_id: UUID
    amount_minor: int
    currency: str
    paid_on: date


class CommissionPayoutReversed(Event):
    """That a coach was paid so much was a mistake: it was not, and is owed again."""

    type: ClassVar[str] = "commerce.commission_payout_reversed"
    aggregate: ClassVar[str] = "payout_id"
    payout_id: UUID
    statement_id: UUID
    coach_id: UUID
    amount_minor: int
    currency: str
