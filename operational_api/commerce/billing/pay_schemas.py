"""What crosses HTTP about what coaches earn and are paid: rates, pay periods and their slips, payouts.

What customers pay is `schemas`.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from operational_api.commerce.billing.models import CommissionPayout
from operational_api.commerce.billing.schemas import AMOUNT_MAX
from operational_api.commerce.billing.service.payout_batches import UnpaidUntil
from operational_api.commerce.schemas import NO_NUL, CurrencyCode, Reason
from operational_api.core.wall_time import Day

Reference = Annotated[str, StringConstraints(strip_whitespace=True, max_length=140, pattern=NO_NUL)]


class CommissionRateCreate(BaseModel):
    """What a coach earns from a day on (UTC); `per_class_minor` for each class that they assist."""

    coach_id: UUID
    currency: CurrencyCode
    per_session_minor: int = Field(ge=0, le=AMOUNT_MAX)
    pack_share_bp: int = Field(0, ge=0, le=10_000)
    per_class_minor: int = Field(0, ge=0, le=AMOUNT_MAX)
    valid_from: Day


class CommissionRateRead(BaseModel):
    """What a coach earns from a day on, until the next rate."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    coach_id: UUID
    currency: str
    per_session_minor: int
    pack_share_bp: int
    per_class_minor: int
    valid_from: date


class CommissionRateList(BaseModel):
    """Rates of every coach, the newest of each first."""

    items: list[CommissionRateRead]


class EarningRead(BaseModel):
    """What a coach is owed that is in no statement yet."""

    model_config = ConfigDict(from_attributes=True)
    coach_id: UUID
    currency: str
    sessions: int
    sessions_without_rate: int
    pack_revenue_minor: int
    session_pay_minor: int
    classes: int
    class_pay_minor: int
    pack_pay_minor: int
    corrections: int
    corrected_minor: int
    total_minor: int


class EarningList(BaseModel):
    """What every coach is owed up to a day."""

    last_on: date
    items: list[EarningRead]


class PayPeriodClose(BaseModel):
    """A pay period to close; both days belong to it, as studios have them."""

    first_on: Day
    last_on: Day


class StandingRead(BaseModel):
    """How far a statement is paid. `set_off_minor` of it went for statements below zero."""

    model_config = ConfigDict(from_attributes=True)
    paid_minor: int
    set_off_minor: int
    left_minor: int


class PayoutCreate(BaseModel):
    """That a coach was paid a statement, or a part of it. `left_minor`: what was left to pay when somebody looked."""

    amount_minor: int = Field(gt=0, le=AMOUNT_MAX)
    left_minor: int = Field(gt=0, le=AMOUNT_MAX)
    paid_on: Day
    reference: Reference | None = None


class PayoutReverse(BaseModel):
    """Why it was a mistake that a coach was paid."""

    reason: Reason


class PayoutRead(BaseModel):
    """What a coach was paid of a statement on a day."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    amount_minor: int
    paid_on: date
    reference: str | None
    is_reversed: bool


class UnpaidRead(BaseModel):
    """A closed statement of which so much is not paid."""

    statement_id: UUID
    coach_id: UUID
    first_on: date
    last_on: date
    currency: str
    left_minor: int


class AmountRead(BaseModel):
    """An amount in one currency."""

    amount_minor: int
    currency: str


class UnpaidList(BaseModel):
    """Statements that are not paid of periods that ended by a day, the oldest first, and together by currency; at most
    200, what a batch has. `own`: how many more are of one's own pay, which somebody else notes. `seen` names just these
    amounts: a batch is noted with it."""

    last_on: date
    items: list[UnpaidRead]
    totals: list[AmountRead]
    own: int
    seen: str

    @classmethod
    def of(cls, last_on: date, found: UnpaidUntil) -> Self:
        """Of what is not paid."""
        rows = [
            UnpaidRead(
                statement_id=row.id, coach_id=row.coach_id, first_on=row.first_on, last_on=row.last_on,
                currency=row.currency, left_minor=left,
            )
            for row, left in ((one.statement, one.left_minor) for one in found.rows)
        ]  # fmt: skip
        totals = [AmountRead(amount_minor=minor, currency=currency) for currency, minor in found.totals.items()]
        return cls(last_on=last_on, items=rows, totals=totals, own=found.own, seen=found.seen)


class PayoutBatchCreate(BaseModel):
    """That all that is not paid up to a day was paid. `seen`: of the look at it; what has changed since is refused."""

    last_on: Day
    seen: Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
    reference: Reference = ""


class BatchPayoutRead(BaseModel):
    """One payment of a batch, placed on the last day of its period."""

    payout_id: UUID
    statement_id: UUID
    coach_id: UUID
    amount_minor: int
    currency: str
    paid_on: date
    is_reversed: bool


class PayoutBatchRead(BaseModel):
    """Payments that were noted at once, and whether each was taken back since."""

    id: UUID
    reference: str | None
    recorded_by: UUID
    recorded_at: datetime
    payouts: list[BatchPayoutRead]

    @classmethod
    def of(cls, batch_id: UUID, rows: Iterable[tuple[CommissionPayout, bool]]) -> Self:
        """Of a batch, which has one payment at least."""
        paid = list(rows)
        first = paid[0][0]
        return cls(
            id=batch_id, reference=first.reference, recorded_by=first.recorded_by, recorded_at=first.recorded_at,
            payouts=[
                BatchPayoutRead(
                    payout_id=row.id, statement_id=row.statement_id, coach_id=row.coach_id,
                    amount_minor=row.amount_minor, currency=row.currency, paid_on=row.paid_on, is_reversed=is_reversed,
                )
                for row, is_reversed in paid
            ],
        )  # fmt: skip


class BalanceRead(BaseModel):
    """What a coach has still to be paid of closed statements, and the oldest of them that is not paid; below 0: what
    comes off the next one."""

    model_config = ConfigDict(from_attributes=True)
    coach_id: UUID
    currency: str
    left_minor: int
    statement_id: UUID | None


class BalanceList(BaseModel):
    """Coaches of whose closed statements something is left, a row for each currency."""

    items: list[BalanceRead]


class StatementRead(BaseModel):
    """What a coach earned in a closed pay period."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    coach_id: UUID
    first_on: date
    last_on: date
    currency: str
    sessions: int
    pack_revenue_minor: int
    session_pay_minor: int
    classes: int
    class_pay_minor: int
    pack_pay_minor: int
    corrections: int
    corrected_minor: int
    total_minor: int
    closed_at: datetime


class PayPeriodRead(BaseModel):
    """A closed pay period of a coach."""

    model_config = ConfigDict(from_attributes=True)
    statement_id: UUID
    first_on: date
    last_on: date


class SlipLineRead(BaseModel):
    """A session; or, with a source, what one counts for less or more than it did, and the period that paid it; or, with
    a class, one that was assisted."""

    model_config = ConfigDict(from_attributes=True)
    booking_id: UUID | None
    class_id: UUID | None
    held_on: date
    client: str
    words: str
    revenue_minor: int
    per_session_minor: int | None
    share_bp: int | None
    session_pay_minor: int
    class_pay_minor: int
    pack_pay_minor: int
    total_minor: int
    source_type: Literal["refund", "dispute"] | None
    source_id: UUID | None
    changed_on: date | None
    paid_in: PayPeriodRead | None


class PaySlipRead(BaseModel):
    """A statement line by line. Without a statement the period is not closed. The total may be below 0: more was taken
    back than earned."""

    model_config = ConfigDict(from_attributes=True)
    statement_id: UUID | None
    coach_id: UUID
    coach: str
    first_on: date | None
    last_on: date
    currency: str
    closed_at: datetime | None
    total_minor: int
    standing: StandingRead | None
    payouts: list[PayoutRead]
    lines: list[SlipLineRead]


class PaySlipList(BaseModel):
    """What a coach earned that is in no statement yet: a slip for each currency."""

    items: list[PaySlipRead]


class StatementListed(StatementRead):
    """A statement, and how far it is paid."""

    standing: StandingRead


class StatementList(BaseModel):
    """The statements that closing made."""

    items: list[StatementRead]
