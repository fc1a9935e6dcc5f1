"""HTTP for the comparison with providers' books: what was compared, findings, page by page, and resolving one."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from operational_api.commerce.schemas import CurrencyCode, Reason
from operational_api.commerce.service import findings, reconciliation, settlements
from operational_api.core.database import DbSession
from operational_api.core.idempotency import IdempotentRoute
from operational_api.core.paging import Cursor, Limit, Page
from operational_api.core.policy import Allowed
from operational_api.core.principal import CurrentAccount
from operational_api.core.routing import ContextRouter

router = ContextRouter(prefix="/api/commerce/differences", tags=["commerce"], route_class=IdempotentRoute)
ProviderId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Outcome = Literal["booked", "provider_corrected", "accepted", "no_fault"]


class ResolutionCreate(BaseModel):
    """What was done about a difference, and why."""

    outcome: Outcome
    reason: Reason


class ResolutionRead(BaseModel):
    """A resolution; it stays as it is."""

    outcome: str
    reason: str
    resolved_by: UUID
    resolved_at: datetime


class DifferenceRead(BaseModel):
    """A difference between a provider's books and ours. Amounts are null on the side that has nothing; theirs is in
    `theirs_currency` where that is another than `currency`."""

    id: UUID
    provider: str
    kind: str
    subject: str
    found_on: date
    currency: str | None
    ours_minor: int | None
    theirs_minor: int | None
    theirs_currency: str | None
    customer_id: UUID | None
    payment_id: UUID | None
    note: str
    resolution: ResolutionRead | None

    @classmethod
    def of(cls, line: findings.Line) -> "DifferenceRead":
        """A finding with what was done about it."""
        names = [name for name in cls.model_fields if name != "resolution"]
        done = line.resolution
        return cls(
            **{name: getattr(line.finding, name) for name in names},
            resolution=ResolutionRead.model_validate(done, from_attributes=True) if done else None,
        )


class ComparisonRead(BaseModel):
    """The newest comparison with a provider's books: how many of its lines from `since` to `until` were compared, and
    how many differences were found that had not been found before."""

    provider: str
    ran_at: datetime
    since: datetime
    until: datetime
    lines: int
    new_differences: int


class ComparisonList(BaseModel):
    """One for each provider."""

    items: list[ComparisonRead]


class SettlementLine(BaseModel):
    """One transaction of a provider's settlement; a refund's amount is negative. `order_id` is ours, the other ids are
    the provider's."""

    kind: Literal["payment", "refund"]
    transaction_id: ProviderId
    order_id: ProviderId
    original_id: ProviderId | None = None
    amount_minor: Annotated[int, Field(ge=-(10**15), le=10**15)]
    fee_minor: Annotated[int, Field(ge=0, le=10**15)] = 0
    currency: CurrencyCode
    paid_at: AwareDatetime
    payout_id: ProviderId | None = None


class SettlementCreate(BaseModel):
    """Lines of a settlement, as they were landed."""

    provider: Literal["momo"]
    lines: Annotated[list[SettlementLine], Field(min_length=1, max_length=1_000)]


class SettlementReceipt(BaseModel):
    """How many fees were booked that only the settlement tells."""

    lines: int
    fees_booked: int


compared = ContextRouter(prefix="/api/commerce/comparisons", tags=["commerce"])
settled = ContextRouter(prefix="/api/commerce/settlements", tags=["commerce"], route_class=IdempotentRoute)


@compared.get("", dependencies=[Allowed("commerce.read_differences")])
def list_comparisons(session: DbSession) -> ComparisonList:
    """When each provider's books were compared with ours last, and how much of them."""
    return ComparisonList(
        items=[
            ComparisonRead(
                provider=row.provider, ran_at=row.ran_at, since=row.since, until=row.until, lines=row.movements,
                new_differences=row.new_findings,
            )
            for row in reconciliation.last_runs(session)
        ]
    )  # fmt: skip


@settled.post("", status_code=202, dependencies=[Allowed("commerce.take_settlement")])
def take_settlement(body: SettlementCreate, session: DbSession) -> SettlementReceipt:
    """Take a settlement's lines from the data platform; repeating it changes nothing."""
    lines = [settlements.SettledLine(**line.model_dump()) for line in body.lines]
    booked = settlements.take(session, provider=body.provider, lines=lines, now=datetime.now(UTC))
    return SettlementReceipt(lines=len(lines), fees_booked=booked)


@router.get("", dependencies=[Allowed("commerce.read_differences")])
def list_differences(
    session: DbSession,
    is_resolved: Annotated[bool, Query()] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DifferenceRead]:
    """Differences that wait, or that were resolved, the newest first."""
    lines, following = findings.page(session, is_resolved=is_resolved, limit=limit, cursor=cursor)
    return Page(items=[DifferenceRead.of(line) for line in lines], next_cursor=following)


@router.post("/{finding_id}/resolution", status_code=201, dependencies=[Allowed("commerce.resolve_difference")])
def resolve_difference(
    finding_id: UUID, body: ResolutionCreate, actor_id: CurrentAccount, session: DbSession
) -> ResolutionRead:
    """Say what was done about one, for good."""
    row = findings.resolve(
        session, finding_id=finding_id, outcome=body.outcome, reason=body.reason, actor_id=actor_id,
        now=datetime.now(UTC),
    )  # fmt: skip
    return ResolutionRead.model_validate(row, from_attributes=True)
