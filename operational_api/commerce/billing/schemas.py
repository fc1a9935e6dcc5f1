"""What crosses HTTP about our own billing. Amounts are integer minor units beside a currency, tax included."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from operational_api.commerce.billing.drafts import Draft
from operational_api.commerce.billing.models import Coupon, CouponRedemption, CreditNote
from operational_api.commerce.billing.proration import Item, Mode
from operational_api.commerce.billing.service.collection import Schedule
from operational_api.commerce.billing.service.coupons import Worth
from operational_api.commerce.billing.service.plan_changes import Preview
from operational_api.commerce.models import Invoice, Payment
from operational_api.commerce.schemas import NO_NUL, CurrencyCode, InvoiceRead, PlanCode, Reason
from operational_api.core.wall_time import Day

AMOUNT_MAX = 1_000_000_000_000
Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC))]
CollectionStatus = Literal["due", "retrying", "stopped", "paid", "credited", "given_up"]
CouponCode = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=2, max_length=40, pattern="^[A-Za-z0-9_-]+$")
]


class MembershipCreate(BaseModel):
    """A membership to begin, billed by us from a saved card. Without a currency: the customer's own."""

    plan_code: PlanCode
    currency: CurrencyCode | None = None
    coupon: Annotated[str, StringConstraints(max_length=40, pattern=NO_NUL)] | None = None


class PauseCreate(BaseModel):
    """Until when to pause: the first day on which it runs again, in the customer's calendar."""

    resumes_on: Day


class PlanChangeCreate(BaseModel):
    """A plan to change to. Without a mode: up now, down when the paid period ends."""

    plan_code: PlanCode
    mode: Mode | None = None


class LineRead(BaseModel):
    """One line of an invoice. `ends_on` is the day after the last."""

    model_config = ConfigDict(from_attributes=True)
    kind: str
    description: str
    amount_minor: int
    tax_minor: int
    tax_rate_bp: int
    starts_on: date | None
    ends_on: date | None


class DraftRead(BaseModel):
    """An invoice as it would be."""

    total_minor: int
    tax_minor: int
    lines: list[LineRead]

    @classmethod
    def of(cls, draft: Draft) -> "DraftRead":
        """A draft as the API shows it."""
        return cls(total_minor=draft.total_minor, tax_minor=draft.tax_minor, lines=_lines(draft.lines))


class PlanChangeRead(BaseModel):
    """What a change would come to. `next_invoice_minor` is what more (or less) the next invoice then has."""

    mode: Mode
    plan_code: str
    amount_minor: int
    currency: str
    from_on: date
    invoice_now: DraftRead | None
    next_invoice_minor: int

    @classmethod
    def of(cls, found: Preview) -> "PlanChangeRead":
        """A preview as the API shows it."""
        return cls(
            mode=found.mode, plan_code=found.plan.code, amount_minor=found.price.amount_minor,
            currency=found.price.currency, from_on=found.from_on,
            invoice_now=DraftRead.of(found.invoice) if found.invoice else None,
            next_invoice_minor=found.next_invoice_minor,
        )  # fmt: skip


def _lines(items: tuple[Item, ...] | list[Item]) -> list[LineRead]:
    return [LineRead.model_validate(item) for item in items]


class CreditNoteRead(BaseModel):
    """What of an invoice is not owed after all. `settlement`: refund or open."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    number: str
    invoice_id: UUID
    amount_minor: int
    tax_minor: int
    currency: str
    settlement: str
    reason: str
    issued_at: datetime


class InvoiceDetail(InvoiceRead):
    """An invoice with its lines, what was credited of it, and what of it a wallet has paid."""

    customer_id: UUID
    payer_id: UUID | None
    billed_to: str | None
    lines: list[LineRead]
    credit_notes: list[CreditNoteRead]
    wallet_minor: int

    @classmethod
    def whole(cls, invoice: Invoice, lines: list[Item], notes: list[CreditNote], wallet_minor: int) -> "InvoiceDetail":
        """An invoice and what belongs to it as the API shows it."""
        return cls(
            **InvoiceRead.of(invoice).model_dump(), customer_id=invoice.customer_id, payer_id=invoice.payer_id,
            billed_to=invoice.billed_to,
            lines=_lines(lines), credit_notes=[CreditNoteRead.model_validate(one) for one in notes],
            wallet_minor=wallet_minor,
        )  # fmt: skip


class CreditNoteCreate(BaseModel):
    """How much of an open invoice not to ask for; all that is left unless an amount is named."""

    amount_minor: int | None = Field(None, gt=0, le=AMOUNT_MAX)
    reason: Reason


class AttemptRead(BaseModel):
    """One attempt to collect an invoice."""

    model_config = ConfigDict(from_attributes=True)
    attempt: int
    status: str
    amount_minor: int
    failure_code: str | None
    attempted_at: datetime

    @classmethod
    def of(cls, row: Payment) -> "AttemptRead":
        """A row as the API shows it."""
        return cls.model_validate(row)


class CollectionRead(BaseModel):
    """How far collecting an invoice is: what was tried, and when what comes next if nothing succeeds.

    `status`: due, retrying, stopped (no card is charged by itself; at `next_attempt_at` it is given up), paid, credited
    (nothing of it is owed after all), given_up.
    """

    invoice_id: UUID
    invoice_number: str
    customer_id: UUID
    payer_id: UUID
    status: str
    total_minor: int
    left_minor: int
    currency: str
    next_attempt_at: datetime | None
    last_failure_code: str | None
    tried: list[AttemptRead]
    planned: list[datetime]

    @classmethod
    def of(cls, found: Schedule) -> "CollectionRead":
        """A schedule as the API shows it."""
        row, invoice = found.collection, found.invoice
        return cls(
            invoice_id=row.invoice_id, invoice_number=invoice.number, customer_id=row.customer_id,
            payer_id=row.payer_id, status=row.status, total_minor=invoice.total_minor, left_minor=found.left_minor,
            currency=invoice.currency, next_attempt_at=row.next_attempt_at, last_failure_code=row.last_failure_code,
            tried=[AttemptRead.of(one) for one in found.tried], planned=list(found.planned),
        )  # fmt: skip


class CollectionList(BaseModel):
    """What is being collected from one account; there is little of it, so no pages."""

    items: list[CollectionRead]


class CouponCreate(BaseModel):
    """A code to make: so many percent (basis points) or so much off, once, for months, or for ever."""

    code: CouponCode
    percent_bp: int | None = Field(None, ge=1, le=10_000)
    amount_minor: int | None = Field(None, gt=0, le=AMOUNT_MAX)
    currency: CurrencyCode | None = None
    duration: Literal["once", "months", "forever"] = "once"
    duration_months: int | None = Field(None, ge=1, le=120)
    max_redemptions: int | None = Field(None, ge=1, le=1_000_000)
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def is_one_thing(self) -> "CouponCreate":
        """A share or an amount, and months where months are meant."""
        is_share = self.percent_bp is not None and self.amount_minor is None and self.currency is None
        is_amount = self.percent_bp is None and self.amount_minor is not None and self.currency is not None
        if not is_share and not is_amount:
            raise ValueError("a coupon is a share, or an amount with its currency")
        if (self.duration == "months") != (self.duration_months is not None):
            raise ValueError("duration_months goes with months, and with nothing else")
        return self

    def worth(self) -> Worth:
        """What it takes off."""
        return Worth(self.percent_bp, self.amount_minor, self.currency)


class CouponRead(BaseModel):
    """A code, and how often it was used."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    code: str
    kind: str
    percent_bp: int | None
    amount_minor: int | None
    currency: str | None
    duration: str
    duration_months: int | None
    max_redemptions: int | None
    redeemed_count: int
    expires_at: datetime | None
    is_active: bool


class CouponUse(BaseModel):
    """A code to use for one's own membership."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=NO_NUL)]


class CouponUsedRead(BaseModel):
    """What a code takes off, so many percent (basis points) or so much, and for how many more months; None: always."""

    code: str
    percent_bp: int | None
    amount_minor: int | None
    currency: str | None
    months_left: int | None

    @classmethod
    def of(cls, used: CouponRedemption, coupon: Coupon) -> "CouponUsedRead":
        """A use as the API shows it."""
        return cls(
            code=coupon.code, percent_bp=coupon.percent_bp, amount_minor=coupon.amount_minor,
            currency=coupon.currency, months_left=used.months_left,
        )  # fmt: skip


class CouponList(BaseModel):
    """Every code; there are few, so no pages."""

    items: list[CouponRead]


class PriceCreate(BaseModel):
    """Another price of a plan. `for_members`: those who have it pay it from their next period on."""

    currency: CurrencyCode
    amount_minor: int = Field(ge=0, le=AMOUNT_MAX)
    tax_rate_bp: int = Field(ge=0, le=9999)
    valid_from: Moment | None = None
    for_members: bool = False


class PriceRead(BaseModel):
    """A price and from when to when it holds; `valid_to` None: until it is changed."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    currency: str
    amount_minor: int
    tax_rate_bp: int
    valid_from: datetime
    valid_to: datetime | None


class PriceList(BaseModel):
    """A plan's prices through time."""

    items: list[PriceRead]


class PayerSet(BaseModel):
    """Who pays for a customer; None: they do."""

    payer_id: UUID | None


class PayerRead(BaseModel):
    """Who pays for whom."""

    customer_id: UUID
    payer_id: UUID | None


class PayerChangesCreate(BaseModel):
    """For whom one account pays from now on, at most 200 at once; None: each for themselves again."""

    customer_ids: Annotated[list[UUID], Field(min_length=1, max_length=200)]
    payer_id: UUID | None


class PayerChangeRead(BaseModel):
    """What becomes of one of them: `former_id` paid until now (None: they did). `refusal`: why it cannot be."""

    model_config = ConfigDict(from_attributes=True)
    customer_id: UUID
    former_id: UUID | None
    is_changed: bool
    refusal: str | None


class PayerChangeList(BaseModel):
    """What becomes of each, in the order they were named."""

    items: list[PayerChangeRead]


class BilledTo(BaseModel):
    """What invoices are addressed to instead of a person's name, on a line each: a company, where it sits, its tax
    number. None: the name."""

    billed_to: Annotated[str, StringConstraints(max_length=400, pattern=NO_NUL)] | None
