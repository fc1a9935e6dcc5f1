"""What crosses HTTP. Amounts are integer minor units beside a currency."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from operational_api.commerce.models import Invoice
from operational_api.commerce.service.catalogue import DaysLeft, Kept, PlanKind, Terms
from operational_api.commerce.service.plans import Offer
from operational_api.commerce.service.subscriptions import Membership
from operational_api.core.approvals import RequestRead

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL's text cannot hold a NUL character."""
CurrencyCode = Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]
PlanCode = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_NUL)]


class PlanRead(BaseModel):
    """A plan that is for sale, tax included."""

    code: str
    name: str
    description: str
    kind: str
    interval_months: int | None
    sessions_included: int | None
    trial_days: int
    validity_days: int | None
    amount_minor: int
    currency: str
    tax_rate_bp: int

    @classmethod
    def of(cls, sold: Offer) -> "PlanRead":
        """An offer as the API shows it."""
        plan, price = sold.plan, sold.price
        return cls(
            code=plan.code,
            name=plan.name,
            description=plan.description,
            kind=plan.kind,
            interval_months=plan.interval_months,
            sessions_included=plan.sessions_included,
            trial_days=plan.trial_days,
            validity_days=plan.validity_days,
            amount_minor=price.amount_minor,
            currency=price.currency,
            tax_rate_bp=price.tax_rate_bp,
        )


class PlanList(BaseModel):
    """Every plan sold in a currency; there are few, so no pages."""

    items: list[PlanRead]


class PlanTerms(BaseModel):
    """What a plan says, but for its prices. A membership has `interval_months`; what is paid once has
    `sessions_included` and `validity_days`. Of a membership `sessions_included` is a month, null: as many as they like.
    `days_left`: what becomes of paid days when their owner ends it before them."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=NO_NUL)]
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300, pattern=NO_NUL)] = ""
    kind: PlanKind
    interval_months: int | None = Field(None, ge=1, le=24)
    sessions_included: int | None = Field(None, ge=1, le=1000)
    trial_days: int = Field(0, ge=0, le=90)
    validity_days: int | None = Field(None, ge=1, le=1825)
    days_left: DaysLeft = "refund"
    sort_order: int = Field(0, ge=0, le=1000)

    def terms(self) -> Terms:
        """The same for the service."""
        return Terms(**{name: getattr(self, name) for name in Terms.__slots__})


class PlanCreate(PlanTerms):
    """A plan to make. `code` is its short name in addresses; without one it is made of the name."""

    code: Annotated[str, StringConstraints(max_length=60, pattern="^([a-z0-9]+(-[a-z0-9]+)*)?$")] = ""


class PriceOfToday(BaseModel):
    """What a plan costs today in a currency, tax included."""

    model_config = ConfigDict(from_attributes=True)
    currency: str
    amount_minor: int
    tax_rate_bp: int


class PlanKept(PlanTerms):
    """A plan as the business keeps it. `members`: running or paused; `packs`: with sessions left; `was_bought`: what
    belongs to buyers (kind, interval, sessions, days_left) stays as it is."""

    code: str
    is_active: bool
    prices: list[PriceOfToday]
    members: int
    packs: int
    was_bought: bool

    @classmethod
    def of(cls, kept: Kept) -> "PlanKept":
        """A plan as the API shows it."""
        return cls.model_construct(
            **{name: getattr(kept.plan, name) for name in (*Terms.__slots__, "code", "is_active")},
            prices=[PriceOfToday.model_validate(price) for price in kept.prices],
            members=kept.members, packs=kept.packs, was_bought=kept.was_bought,
        )  # fmt: skip


class Catalogue(BaseModel):
    """Every plan, also those sold no more; there are few, so no pages."""

    items: list[PlanKept]


class CheckoutCreate(BaseModel):
    """What to buy. Without a currency: the customer's own. MoMo takes session packs in dong."""

    plan_code: PlanCode
    currency: CurrencyCode | None = None
    provider: Literal["stripe", "momo"] = "stripe"


class CheckoutRead(BaseModel):
    """Where to pay."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    url: str


class CardPage(BaseModel):
    """Where to give another card."""

    url: str


class SubscriptionRead(BaseModel):
    """A customer's membership. `changes_to` is the code of the plan that holds once its payment is through."""

    id: UUID
    plan_code: str
    plan_name: str
    status: str
    amount_minor: int
    currency: str
    interval_months: int
    sessions_included: int | None
    started_at: datetime | None
    trial_ends_at: datetime | None
    current_period_end: datetime | None
    cancel_at: datetime | None
    cancel_reason: str | None
    billed_by: str
    resumes_on: date | None
    changes_to: str | None

    @classmethod
    def of(cls, found: Membership) -> "SubscriptionRead":
        """A membership as the API shows it."""
        row = found.subscription
        return cls(
            id=row.id,
            plan_code=found.plan.code,
            plan_name=found.plan.name,
            status=row.status,
            amount_minor=row.amount_minor,
            currency=row.currency,
            interval_months=row.interval_months,
            sessions_included=found.plan.sessions_included,
            started_at=row.started_at,
            trial_ends_at=row.trial_ends_at,
            current_period_end=row.current_period_end,
            cancel_at=row.cancel_at,
            cancel_reason=row.cancel_reason,
            billed_by=row.billed_by,
            resumes_on=row.resumes_on,
            changes_to=found.waits_for.code if found.waits_for else None,
        )


class CancellationCreate(BaseModel):
    """Why a membership should end. `at_once`: today, though it is paid for longer; what is left of the paid days goes
    back to the card, waits for whoever comes back or is lost, as the plan says."""

    reason: Reason
    at_once: bool = False


class InvoiceRead(BaseModel):
    """An invoice of the customer."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    number: str
    status: str
    currency: str
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    period_start: datetime | None
    period_end: datetime | None
    issued_at: datetime
    paid_at: datetime | None

    @classmethod
    def of(cls, row: Invoice) -> "InvoiceRead":
        """A row as the API shows it."""
        return cls.model_validate(row)


class RefundCreate(BaseModel):
    """How much of which payment to give back; all that is left unless an amount is named."""

    payment_id: UUID
    amount_minor: int | None = Field(None, gt=0)
    reason: Reason


class RefundRequestCreate(RefundCreate):
    """The same, or a line of the payment's invoice, counted from 1: as much as it charges, and an amount then is
    what somebody saw who looked. A late cancellation is waived with its line."""

    line_position: int | None = Field(None, ge=1, le=1000)


class RefundRead(BaseModel):
    """Money given back."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    status: str
    reason: str
    refunded_at: datetime


class RefundRequestRead(RequestRead):
    """A refund asked for, and what was decided. `fee_booking_id`: whose late cancellation is waived with it."""

    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    currency: str
    refund_id: UUID | None
    line_position: int | None
    fee_booking_id: UUID | None


class DisputeRead(BaseModel):
    """A payment contested at the bank. `status`: needs_response, won, lost. `returned_minor` is what came back of a won
    one, without the fee; null while nothing has, and of one that was won before that was noted. `has_evidence`: ours
    was handed in at the provider, which takes it until `evidence_due_at` (null where it does not say)."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    payment_id: UUID
    customer_id: UUID
    amount_minor: int
    returned_minor: int | None
    currency: str
    reason: str
    status: str
    provider_dispute_id: str | None
    evidence_due_at: datetime | None
    has_evidence: bool
    opened_at: datetime
    closed_at: datetime | None


class WebhookRead(BaseModel):
    """What became of a webhook. `is_new` is false for one that came before."""

    is_new: bool
